//! The queue of renders: one job for each key, however many ask for it.
//!
//! Visitors come before what is made ahead of them, and among visitors whoever can wait least. A job that nobody waits
//! for any more, or whose last deadline is over, is dropped before it starts. The queue is bounded; when it is full, a
//! visitor takes the place of the youngest job made ahead.

use std::{
    collections::HashMap,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
};

use iridule_core::{key::RenderKey, order::Priority};
use tokio::sync::watch;

/// The queue. `J` is what a worker needs to know of a job, `D` what becomes of one.
#[derive(Debug)]
pub struct Queue<J, D> {
    state: Mutex<State<J, D>>,
    /// Told when there may be something for a worker.
    ready: Condvar,
    most: usize,
    workers: usize,
}

#[derive(Debug)]
struct State<J, D> {
    jobs: HashMap<RenderKey, Job<J, D>>,
    /// Jobs made ahead that run now.
    ahead: usize,
    running: usize,
    next: u64,
    closed: bool,
}

#[derive(Debug)]
struct Job<J, D> {
    priority: Priority,
    /// The last of its waiters' deadlines, Unix milliseconds.
    deadline_ms: u64,
    /// The number in which it came.
    number: u64,
    /// `None` while it runs.
    queued: Option<J>,
    /// Whether it began to run before a visitor asked for it.
    began_ahead: bool,
    waiters: usize,
    done: watch::Sender<Option<D>>,
}

/// There is no room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Full;

/// Someone who waits for a job.
#[derive(Debug)]
pub struct Waiter<J, D> {
    queue: Arc<Queue<J, D>>,
    key: RenderKey,
    number: u64,
    done: watch::Receiver<Option<D>>,
}

impl<J, D: Clone> Queue<J, D> {
    /// A queue of at most this many jobs, running ones included, for this many workers.
    #[must_use]
    pub fn new(most: usize, workers: usize) -> Arc<Self> {
        let state = State { jobs: HashMap::new(), ahead: 0, running: 0, next: 0, closed: false };
        Arc::new(Self { state: Mutex::new(state), ready: Condvar::new(), most, workers })
    }

    /// Waits with others for a job that is here already.
    #[must_use]
    pub fn join(
        self: &Arc<Self>,
        key: &RenderKey,
        priority: Priority,
        deadline_ms: u64,
    ) -> Option<Waiter<J, D>> {
        let mut state = self.lock();
        let job = state.jobs.get_mut(key)?;
        job.waiters += 1;
        job.deadline_ms = job.deadline_ms.max(deadline_ms);
        job.priority = job.priority.max(priority);
        let (number, done) = (job.number, job.done.subscribe());
        drop(state);
        self.ready.notify_one();
        Some(Waiter { queue: self.clone(), key: *key, number, done })
    }

    /// Waits for a job, which is queued unless it is here already.
    ///
    /// # Errors
    /// [`Full`], also after [`Self::close`].
    pub fn enter(
        self: &Arc<Self>,
        key: &RenderKey,
        priority: Priority,
        deadline_ms: u64,
        job: J,
    ) -> Result<Waiter<J, D>, Full> {
        if let Some(waiter) = self.join(key, priority, deadline_ms) {
            return Ok(waiter);
        }
        let mut state = self.lock();
        if state.closed {
            return Err(Full);
        }
        if state.jobs.len() >= self.most && !(priority == Priority::Visitor && state.make_room()) {
            return Err(Full);
        }
        let number = state.next;
        state.next += 1;
        let (tell, done) = watch::channel(None);
        let job = Job {
            priority,
            deadline_ms,
            number,
            queued: Some(job),
            began_ahead: false,
            waiters: 1,
            done: tell,
        };
        state.jobs.insert(*key, job);
        drop(state);
        self.ready.notify_one();
        Ok(Waiter { queue: self.clone(), key: *key, number, done })
    }

    /// The next job, as soon as there is one; `now` tells the time, Unix milliseconds. `None` when the queue is closed and
    /// empty. [`Self::finish`] must follow.
    pub fn next(&self, now: impl Fn() -> u64) -> Option<(RenderKey, J)> {
        let mut state = self.lock();
        loop {
            state.drop_late(now());
            if let Some(taken) = state.take(self.workers.saturating_sub(1).max(1)) {
                return Some(taken);
            }
            if state.closed && state.jobs.values().all(|job| job.queued.is_none()) {
                return None;
            }
            state = self.ready.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Tells everyone who waits for a job what became of it.
    pub fn finish(&self, key: &RenderKey, done: D) {
        let mut state = self.lock();
        if let Some(job) = state.jobs.remove(key) {
            state.running -= 1;
            state.ahead -= usize::from(job.began_ahead);
            job.done.send_replace(Some(done));
        }
        drop(state);
        self.ready.notify_all();
    }

    /// Takes nothing more. What is queued is still done.
    pub fn close(&self) {
        self.lock().closed = true;
        self.ready.notify_all();
    }

    /// Jobs that wait for a worker, and jobs that run.
    #[must_use]
    pub fn depth(&self) -> (usize, usize) {
        let state = self.lock();
        (state.jobs.len() - state.running, state.running)
    }

    fn lock(&self) -> MutexGuard<'_, State<J, D>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<J, D> State<J, D> {
    /// The job to run next. One that is made ahead runs only while no visitor waits, and never on every worker.
    fn take(&mut self, ahead_most: usize) -> Option<(RenderKey, J)> {
        let may = |job: &Job<J, D>| job.priority == Priority::Visitor || self.ahead < ahead_most;
        let queued = self.jobs.iter().filter(|(_, job)| job.queued.is_some() && may(job));
        let urgent = |job: &Job<J, D>| (std::cmp::Reverse(job.priority), job.deadline_ms, job.number);
        let (key, _) = queued.min_by_key(|(_, job)| urgent(job))?;
        let key = *key;
        let job = self.jobs.get_mut(&key)?;
        self.running += 1;
        job.began_ahead = job.priority == Priority::Ahead;
        self.ahead += usize::from(job.began_ahead);
        Some((key, job.queued.take()?))
    }

    /// Drops what comes too late for everyone. Their waiters learn of it by the channel's end.
    fn drop_late(&mut self, now_ms: u64) {
        self.jobs.retain(|_, job| job.queued.is_none() || job.deadline_ms > now_ms);
    }

    /// Drops the youngest job made ahead that does not run yet.
    fn make_room(&mut self) -> bool {
        let ahead =
            self.jobs.iter().filter(|(_, job)| job.priority == Priority::Ahead && job.queued.is_some());
        let youngest = ahead.max_by_key(|(_, job)| job.number).map(|(key, _)| *key);
        youngest.is_some_and(|key| self.jobs.remove(&key).is_some())
    }
}

impl<J, D: Clone> Waiter<J, D> {
    /// What became of the job. `None`: it was dropped before it ran.
    pub async fn wait(&mut self) -> Option<D> {
        self.done.wait_for(Option::is_some).await.ok().and_then(|done| done.clone())
    }
}

impl<J, D> Drop for Waiter<J, D> {
    fn drop(&mut self) {
        let mut state = self.queue.state.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(job) = state.jobs.get_mut(&self.key).filter(|job| job.number == self.number) {
            job.waiters -= 1;
            if job.waiters == 0 && job.queued.is_some() && job.priority == Priority::Visitor {
                state.jobs.remove(&self.key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn key(n: u8) -> RenderKey {
        RenderKey([n; 32].into())
    }

    fn queue(most: usize, workers: usize) -> Arc<Queue<u8, u8>> {
        Queue::new(most, workers)
    }

    fn next(queue: &Queue<u8, u8>) -> u8 {
        queue.next(|| 0).unwrap().1
    }

    #[test]
    fn visitors_come_first_and_the_least_patient_of_them() {
        let queue = queue(9, 2);
        let enter = |n, priority, deadline| queue.enter(&key(n), priority, deadline, n).unwrap();
        let _waiters = [
            enter(1, Priority::Ahead, 5),
            enter(2, Priority::Visitor, 30),
            enter(3, Priority::Visitor, 20),
            enter(4, Priority::Visitor, 20),
        ];
        assert_eq!([next(&queue), next(&queue), next(&queue), next(&queue)], [3, 4, 2, 1]);
    }

    #[test]
    fn everyone_who_asks_for_a_key_gets_the_one_render() {
        let queue = queue(9, 1);
        let mut waiters: Vec<_> =
            (0..5).map(|_| queue.enter(&key(1), Priority::Visitor, 9, 1).unwrap()).collect();
        assert_eq!(next(&queue), 1);
        waiters.push(queue.join(&key(1), Priority::Visitor, 9).unwrap());
        assert_eq!(queue.depth(), (0, 1));
        queue.finish(&key(1), 7);
        let answers = waiters.iter_mut().map(|w| pollster::block_on(w.wait()));
        assert!(answers.eq([Some(7); 6]));
        drop(waiters);
        assert!(queue.join(&key(1), Priority::Visitor, 9).is_none() && queue.depth() == (0, 0));
    }

    #[test]
    fn what_nobody_waits_for_and_what_is_late_is_not_done() {
        let queue = queue(9, 1);
        drop(queue.enter(&key(1), Priority::Visitor, 9, 1).unwrap());
        let ahead = queue.enter(&key(2), Priority::Ahead, 9, 2).unwrap();
        let mut late = queue.enter(&key(3), Priority::Visitor, 5, 3).unwrap();
        let _waiter = queue.enter(&key(4), Priority::Visitor, 9, 4).unwrap();
        drop(ahead);
        assert_eq!(queue.next(|| 5).unwrap().1, 4);
        assert_eq!(queue.next(|| 5).unwrap().1, 2, "ahead of everyone, it was nobody's from the start");
        assert_eq!(pollster::block_on(late.wait()), None);
    }

    #[test]
    fn a_visitor_takes_the_place_of_what_is_made_ahead() {
        let queue = queue(2, 1);
        let _one = queue.enter(&key(1), Priority::Ahead, 9, 1).unwrap();
        let mut two = queue.enter(&key(2), Priority::Ahead, 9, 2).unwrap();
        assert_eq!(queue.enter(&key(3), Priority::Ahead, 9, 3).err(), Some(Full));
        let _visitor = queue.enter(&key(4), Priority::Visitor, 9, 4).unwrap();
        assert_eq!(pollster::block_on(two.wait()), None);
        let _visitor = queue.enter(&key(5), Priority::Visitor, 9, 5).unwrap();
        assert_eq!(queue.enter(&key(6), Priority::Visitor, 9, 6).err(), Some(Full));
    }

    #[test]
    fn one_worker_stays_free_of_what_is_made_ahead() {
        let queue = queue(9, 3);
        let _waiters: Vec<_> = (1..5).map(|n| queue.enter(&key(n), Priority::Ahead, 9, n).unwrap()).collect();
        assert_eq!([next(&queue), next(&queue)], [1, 2]);
        assert!(queue.lock().take(2).is_none());
        let _visitor = queue.join(&key(4), Priority::Visitor, 9);
        assert_eq!(next(&queue), 4);
        queue.finish(&key(1), 0);
        assert_eq!(next(&queue), 3);
    }

    #[test]
    fn a_closed_queue_is_worked_off() {
        let queue = queue(9, 1);
        let _waiter = queue.enter(&key(1), Priority::Visitor, 9, 1).unwrap();
        queue.close();
        assert_eq!(queue.enter(&key(2), Priority::Visitor, 9, 2).err(), Some(Full));
        assert_eq!(next(&queue), 1);
        assert!(queue.next(|| 0).is_none());
    }

    proptest! {
        /// Whatever comes in whatever order: no key twice at once, the counts are right, all who wait are told.
        #[test]
        fn any_order_of_events_keeps_the_books(
            steps in prop::collection::vec((0u8..4, 0u8..6, any::<bool>(), 1u64..20), 1..80),
        ) {
            let queue = queue(4, 2);
            let (mut waiting, mut running) = (Vec::new(), Vec::new());
            for (what, n, visitor, deadline) in steps {
                let priority = if visitor { Priority::Visitor } else { Priority::Ahead };
                match what {
                    0 | 1 => waiting.extend(queue.enter(&key(n), priority, deadline, n)),
                    2 => {
                        let mut state = queue.lock();
                        state.drop_late(10);
                        if let Some((key, n)) = state.take(1) {
                            prop_assert!(!running.contains(&key), "{n} runs twice");
                            running.push(key);
                        }
                    }
                    _ if visitor => drop(waiting.pop()),
                    _ => if let Some(key) = running.pop() { queue.finish(&key, 1) },
                }
                let state = queue.lock();
                prop_assert_eq!(state.running, running.len());
                prop_assert_eq!(state.ahead, state.jobs.values().filter(|job| job.began_ahead).count());
                prop_assert!(state.jobs.len() <= 4 && state.ahead <= 1);
            }
            queue.close();
            for key in running { queue.finish(&key, 1) }
            while let Some((key, _)) = queue.next(|| 10) { queue.finish(&key, 1) }
            prop_assert_eq!(queue.depth(), (0, 0));
            for mut waiter in waiting { pollster::block_on(waiter.wait()); }
        }
    }
}
