//! The state of the queue, as plain data: no lock, no thread, no clock. Each method is one step that leaves it whole;
//! `mod.rs` takes its one lock around each.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet, HashMap},
    task::Waker,
};

use iridule_origin_api::order::Priority;
use iridule_records::render_key::RenderKey;

use super::request::{CLASSES, CostEstimate, QueueLimits, QueueRefusal, QueueRequest};

/// Nanoseconds that a unit takes until there are measurements.
const DEFAULT_NANOS_PER_UNIT: f64 = 0.5;
/// How many times slower or faster than expected a job may have been, as far as that counts.
const MAX_SPEED_CHANGE: f64 = 4.0;
/// How much the newest measurement counts.
const NEWEST_WEIGHT: f64 = 0.2;

/// The queue. `J` is what a worker needs to know of a job, `D` what becomes of one.
#[derive(Debug)]
pub(super) struct QueueState<J, D> {
    bounds: QueueLimits,
    jobs: HashMap<RenderKey, QueuedJob<J>>,
    waiters: HashMap<u64, WaiterEntry<D>>,
    edges: BTreeMap<String, EdgeShare>,
    running: usize,
    /// Jobs made ahead that run.
    running_ahead: usize,
    /// Memory of the jobs that run.
    bytes: u64,
    last_number: u64,
    closed: bool,
    /// Nanoseconds that a unit takes, by class.
    speeds: [f64; CLASSES],
}

#[derive(Debug)]
struct QueuedJob<J> {
    /// The edge that asked first.
    edge: String,
    priority: Priority,
    /// The last of its waiters' deadlines.
    deadline_ms: u64,
    /// Its place in the order of arrival.
    number: u64,
    estimate: CostEstimate,
    phase: JobPhase<J>,
    waiters: BTreeSet<u64>,
}

#[derive(Debug)]
enum JobPhase<J> {
    Queued(J),
    Running {
        /// The edge whose turn it was, and what it was charged, nanoseconds.
        charged: (String, f64),
        since_ms: u64,
        began_ahead: bool,
    },
}

impl<J> QueuedJob<J> {
    fn is_queued(&self) -> bool {
        matches!(self.phase, JobPhase::Queued(_))
    }
}

#[derive(Debug)]
struct WaiterEntry<D> {
    key: RenderKey,
    edge: String,
    waker: Option<Waker>,
    /// What became of the job; `Some(None)`: it was dropped.
    done: Option<Option<D>>,
}

/// What an edge has had.
#[derive(Debug, Default)]
struct EdgeShare {
    /// Nanoseconds of work done for it, on a clock that passes over the time in which it wanted none.
    served: f64,
    /// Its requests that wait.
    waiting: usize,
}

impl<J, D: Clone> QueueState<J, D> {
    pub(super) fn new(bounds: QueueLimits) -> Self {
        Self {
            bounds,
            jobs: HashMap::new(),
            waiters: HashMap::new(),
            edges: BTreeMap::new(),
            running: 0,
            running_ahead: 0,
            bytes: 0,
            last_number: 0,
            closed: false,
            speeds: [DEFAULT_NANOS_PER_UNIT; CLASSES],
        }
    }

    /// Waits for a job, which is queued unless it is here already. Gives the waiter's number, and whether it joined. Wakers
    /// are of waiters whose job had to give way.
    pub(super) fn enter(
        &mut self,
        request: &QueueRequest<'_>,
        job: impl FnOnce() -> J,
        wake: &mut Vec<Waker>,
    ) -> Result<(u64, bool), QueueRefusal> {
        let QueueRequest { key, edge, priority, deadline_ms, estimate, .. } = *request;
        self.drop_late(request.now_ms, wake);
        let backlog = |state: &Self| millis(state.backlog(None) / state.workers());
        if self.edges.get(edge).is_some_and(|edge| edge.waiting >= self.bounds.per_edge) {
            return Err(QueueRefusal::Full(backlog(self)));
        }
        if let Some(job) = self.jobs.get_mut(&key) {
            job.deadline_ms = job.deadline_ms.max(deadline_ms);
            job.priority = job.priority.max(priority);
            return Ok((self.add_waiter(key, edge), true));
        }
        if self.closed {
            return Err(QueueRefusal::Closed);
        }
        if self.jobs.len() >= self.bounds.jobs && !self.make_room(edge, priority, wake) {
            return Err(QueueRefusal::Full(backlog(self)));
        }
        let finish = request.now_ms.saturating_add(self.time_to_finish(request));
        if finish > deadline_ms && !self.is_idle() {
            return Err(QueueRefusal::TooLate(finish - deadline_ms));
        }
        self.activate_edge(edge);
        let number = self.next_number();
        let phase = JobPhase::Queued(job());
        let edge_name = edge.to_owned();
        let waiters = BTreeSet::new();
        self.jobs.insert(
            key,
            QueuedJob { edge: edge_name, priority, deadline_ms, number, estimate, phase, waiters },
        );
        Ok((self.add_waiter(key, edge), false))
    }

    fn add_waiter(&mut self, key: RenderKey, edge: &str) -> u64 {
        let number = self.next_number();
        let waiting = WaiterEntry { key, edge: edge.to_owned(), waker: None, done: None };
        self.waiters.insert(number, waiting);
        self.edges.entry(edge.to_owned()).or_default().waiting += 1;
        if let Some(job) = self.jobs.get_mut(&key) {
            job.waiters.insert(number);
        }
        number
    }

    /// What became of a waiter's job, if it is over: `Some(None)` when it was dropped.
    pub(super) fn poll(&mut self, waiter: u64, waker: &Waker) -> Option<Option<D>> {
        let waiting = self.waiters.get_mut(&waiter)?;
        if waiting.done.is_none() {
            waiting.waker = Some(waker.clone());
        }
        waiting.done.clone()
    }

    /// Whether a waiter's job runs.
    pub(super) fn runs(&self, waiter: u64) -> bool {
        let job = self.waiters.get(&waiter).and_then(|waiting| self.jobs.get(&waiting.key));
        job.is_some_and(|job| !job.is_queued())
    }

    /// A waiter is gone. A job for which nobody waits any more is dropped before it runs, unless it is made ahead.
    pub(super) fn leave(&mut self, waiter: u64) {
        let Some(waiting) = self.waiters.remove(&waiter) else { return };
        if let Some(edge) = self.edges.get_mut(&waiting.edge) {
            edge.waiting = edge.waiting.saturating_sub(1);
        }
        let Some(job) = self.jobs.get_mut(&waiting.key) else { return };
        // A later job of the same key does not know this waiter.
        let was_here = job.waiters.remove(&waiter);
        if was_here && job.waiters.is_empty() && job.is_queued() && job.priority == Priority::Visitor {
            self.jobs.remove(&waiting.key);
        }
    }

    /// The next job to run. [`Self::finish`] must follow.
    ///
    /// Visitors come before what is made ahead, which never runs on every worker. Among visitors it is the turn of the edge
    /// that has been served least; of its jobs, of the one with the earliest deadline. What cannot be done in time is
    /// dropped, unless nothing else is queued.
    pub(super) fn take(&mut self, now_ms: u64, wake: &mut Vec<Waker>) -> Option<(RenderKey, J)> {
        loop {
            self.drop_late(now_ms, wake);
            let (key, edge) = self.choose()?;
            let job = self.jobs.get(&key)?;
            let takes = self.expected_nanos(&job.estimate);
            let queued = self.jobs.len() - self.running;
            if now_ms.saturating_add(millis(takes)) > job.deadline_ms && queued > 1 {
                self.drop_job(&key, wake);
                continue;
            }
            let fits = self.bytes.saturating_add(job.estimate.bytes) <= self.bounds.bytes;
            if !fits && self.running > 0 {
                return None;
            }
            let job = self.jobs.get_mut(&key)?;
            let began_ahead = job.priority == Priority::Ahead;
            let running = JobPhase::Running { charged: (edge.clone(), takes), since_ms: now_ms, began_ahead };
            let JobPhase::Queued(payload) = std::mem::replace(&mut job.phase, running) else { return None };
            self.bytes += job.estimate.bytes;
            self.running += 1;
            self.running_ahead += usize::from(began_ahead);
            self.edges.entry(edge).or_default().served += takes;
            return Some((key, payload));
        }
    }

    /// The job whose turn it is, and the edge whose turn that is.
    fn choose(&self) -> Option<(RenderKey, String)> {
        let queued = || self.jobs.iter().filter(|(_, job)| job.is_queued());
        let served = |edge: &str| self.edges.get(edge).map_or(0.0, |edge| edge.served);
        let visitors = queued().filter(|(_, job)| job.priority == Priority::Visitor);
        let of_edges = visitors.flat_map(|(key, job)| self.edges_of(job).map(move |edge| (key, job, edge)));
        let next = of_edges.min_by(|(_, one, edge), (_, other, another)| {
            let by_deadline = || (one.deadline_ms, one.number).cmp(&(other.deadline_ms, other.number));
            served(edge).total_cmp(&served(another)).then_with(|| edge.cmp(another)).then_with(by_deadline)
        });
        if let Some((key, _, edge)) = next {
            return Some((*key, edge.to_owned()));
        }
        if self.running_ahead >= self.bounds.workers.saturating_sub(1).max(1) {
            return None;
        }
        let (key, job) = queued().min_by_key(|(_, job)| (job.deadline_ms, job.number))?;
        Some((*key, job.edge.clone()))
    }

    /// The edges that wait for a job, or the one that asked for it.
    fn edges_of<'a>(&'a self, job: &'a QueuedJob<J>) -> impl Iterator<Item = &'a str> {
        let waiting = job.waiters.iter().filter_map(|waiter| self.waiters.get(waiter));
        let edges = waiting.map(|waiting| &*waiting.edge);
        edges.chain(job.waiters.is_empty().then_some(&*job.edge))
    }

    /// A job is over, after so many milliseconds where it was done.
    pub(super) fn finish(&mut self, key: &RenderKey, done: &D, took_ms: Option<f64>, wake: &mut Vec<Waker>) {
        let Some(job) = self.jobs.remove(key) else { return };
        let JobPhase::Running { charged: (edge, charged), began_ahead, .. } = &job.phase else {
            // Nobody finishes what does not run.
            self.jobs.insert(*key, job);
            return;
        };
        self.running -= 1;
        self.running_ahead -= usize::from(*began_ahead);
        self.bytes -= job.estimate.bytes;
        if let Some(took_ms) = took_ms {
            if let Some(edge) = self.edges.get_mut(edge) {
                edge.served += took_ms * 1e6 - charged;
            }
            if let Some(speed) = self.speeds.get_mut(job.estimate.class) {
                let measured = took_ms * 1e6 / as_f64(job.estimate.units.max(1));
                // One picture that took very long says little of the next.
                let measured = measured.clamp(*speed / MAX_SPEED_CHANGE, *speed * MAX_SPEED_CHANGE);
                *speed += NEWEST_WEIGHT * (measured - *speed);
            }
        }
        self.notify(&job, Some(done), wake);
    }

    /// Takes nothing more. What is queued is still done.
    pub(super) fn close(&mut self) {
        self.closed = true;
    }

    /// Whether nothing more will come.
    pub(super) fn is_finished(&self) -> bool {
        self.closed && self.jobs.values().all(|job| !job.is_queued())
    }

    /// Jobs that wait for a worker, and jobs that run.
    pub(super) fn depth(&self) -> (usize, usize) {
        (self.jobs.len() - self.running, self.running)
    }

    /// How long a new job would wait for a worker, milliseconds.
    pub(super) fn wait_ms(&self) -> u64 {
        if self.running < self.bounds.workers { 0 } else { millis(self.backlog(None) / self.workers()) }
    }

    fn next_number(&mut self) -> u64 {
        self.last_number += 1;
        self.last_number
    }

    fn workers(&self) -> f64 {
        as_f64(self.bounds.workers.max(1) as u64)
    }

    fn is_idle(&self) -> bool {
        self.jobs.len() == self.running && self.running < self.bounds.workers
    }

    /// Nanoseconds that a job is expected to take.
    fn expected_nanos(&self, estimate: &CostEstimate) -> f64 {
        as_f64(estimate.units) * self.speeds.get(estimate.class).copied().unwrap_or(DEFAULT_NANOS_PER_UNIT)
    }

    /// An edge that wants nothing saves up nothing: its share begins where those of the others are.
    fn activate_edge(&mut self, edge: &str) {
        let of_jobs = self.jobs.values().flat_map(|job| match &job.phase {
            JobPhase::Queued(_) => self.edges_of(job).collect::<Vec<_>>(),
            JobPhase::Running { charged, .. } => vec![&*charged.0],
        });
        let active: BTreeSet<&str> = of_jobs.collect();
        if active.contains(edge) {
            return;
        }
        let served = active.iter().filter_map(|edge| self.edges.get(*edge)).map(|edge| edge.served);
        let least = served.min_by(f64::total_cmp);
        let edge = self.edges.entry(edge.to_owned()).or_default();
        edge.served = edge.served.max(least.unwrap_or(edge.served));
    }

    /// Nanoseconds of work queued for visitors and running; of one edge where it is named, without what runs.
    fn backlog(&self, of: Option<&str>) -> f64 {
        let counted = self.jobs.values().filter(|job| match (&job.phase, of) {
            (JobPhase::Queued(_), Some(edge)) => job.priority == Priority::Visitor && job.edge == edge,
            (JobPhase::Queued(_), None) => job.priority == Priority::Visitor,
            (JobPhase::Running { .. }, of) => of.is_none(),
        });
        counted.map(|job| self.expected_nanos(&job.estimate)).sum()
    }

    /// How long a new job would take from now to its end, milliseconds: what runs has to end, what is more urgent of the same
    /// edge comes before it, and each other edge gets as much as this one meanwhile.
    fn time_to_finish(&self, request: &QueueRequest<'_>) -> u64 {
        let own_cost = self.expected_nanos(&request.estimate);
        let running = self.jobs.values().filter_map(|job| match &job.phase {
            JobPhase::Running { since_ms, .. } => {
                let elapsed = as_f64(request.now_ms.saturating_sub(*since_ms)) * 1e6;
                Some((self.expected_nanos(&job.estimate) - elapsed).max(0.0))
            }
            JobPhase::Queued(_) => None,
        });
        let running = if self.running < self.bounds.workers { 0.0 } else { running.sum::<f64>() };
        let visitor = request.priority == Priority::Visitor;
        let before = |job: &QueuedJob<J>| match visitor {
            true => job.priority == Priority::Visitor && job.deadline_ms <= request.deadline_ms,
            false => true,
        };
        let own = self.jobs.values().filter(|job| job.is_queued() && job.edge == request.edge && before(job));
        let own: f64 = own.map(|job| self.expected_nanos(&job.estimate)).sum();
        let others = self.edges.keys().filter(|edge| *edge != request.edge).map(|edge| {
            let theirs = self.backlog(Some(edge));
            if visitor { theirs.min(own + own_cost) } else { theirs }
        });
        millis((running + own + others.sum::<f64>()) / self.workers() + own_cost)
    }

    /// Drops what comes too late for everyone.
    fn drop_late(&mut self, now_ms: u64, wake: &mut Vec<Waker>) {
        let late = self.jobs.iter().filter(|(_, job)| job.is_queued() && job.deadline_ms <= now_ms);
        for key in late.map(|(key, _)| *key).collect::<Vec<_>>() {
            self.drop_job(&key, wake);
        }
    }

    fn drop_job(&mut self, key: &RenderKey, wake: &mut Vec<Waker>) {
        if let Some(job) = self.jobs.remove(key) {
            self.notify(&job, None, wake);
        }
    }

    fn notify(&mut self, job: &QueuedJob<J>, done: Option<&D>, wake: &mut Vec<Waker>) {
        for waiter in &job.waiters {
            if let Some(waiting) = self.waiters.get_mut(waiter) {
                waiting.done = Some(done.cloned());
                wake.extend(waiting.waker.take());
            }
        }
    }

    /// Drops a job to make room for a visitor of this edge: the youngest made ahead, or else the least urgent of an edge that
    /// has queued at least two more than this one.
    fn make_room(&mut self, edge: &str, priority: Priority, wake: &mut Vec<Waker>) -> bool {
        if priority != Priority::Visitor {
            return false;
        }
        let queued = || self.jobs.iter().filter(|(_, job)| job.is_queued());
        let ahead = queued().filter(|(_, job)| job.priority == Priority::Ahead);
        let mut victim = ahead.max_by_key(|(_, job)| job.number).map(|(key, _)| *key);
        if victim.is_none() {
            let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
            queued().for_each(|(_, job)| *counts.entry(&job.edge).or_default() += 1);
            let own = counts.get(edge).copied().unwrap_or(0);
            let most = counts.iter().filter(|(_, count)| **count > own + 1).max_by_key(|(_, count)| **count);
            let of_most = most.map(|(edge, _)| *edge);
            let theirs = queued().filter(|(_, job)| Some(&*job.edge) == of_most);
            victim =
                theirs.max_by_key(|(_, job)| (job.deadline_ms, Reverse(job.number))).map(|(key, _)| *key);
        }
        let Some(victim) = victim else { return false };
        self.drop_job(&victim, wake);
        true
    }

    /// What must hold after every step.
    #[cfg(test)]
    pub(super) fn check(&self) {
        let running = self.jobs.values().filter(|job| !job.is_queued());
        let began_ahead =
            |job: &&QueuedJob<J>| matches!(job.phase, JobPhase::Running { began_ahead: true, .. });
        assert_eq!(self.running, running.clone().count());
        assert_eq!(self.running_ahead, running.clone().filter(began_ahead).count());
        assert_eq!(self.bytes, running.map(|job| job.estimate.bytes).sum::<u64>());
        assert!(self.jobs.len() <= self.bounds.jobs);
        for (key, job) in &self.jobs {
            let knows = |waiter| {
                self.waiters.get(waiter).is_some_and(|w: &WaiterEntry<D>| w.key == *key && w.done.is_none())
            };
            assert!(job.waiters.iter().all(knows), "a job's waiter that is gone, or was told");
        }
        for (number, waiting) in &self.waiters {
            let is_known = self.jobs.get(&waiting.key).is_some_and(|job| job.waiters.contains(number));
            assert!(waiting.done.is_some() != is_known, "a waiter whom nobody will tell");
        }
        for (name, edge) in &self.edges {
            let waiting = self.waiters.values().filter(|waiting| waiting.edge == *name).count();
            assert_eq!(edge.waiting, waiting, "{name}");
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "an estimate")]
fn as_f64(number: u64) -> f64 {
    number as f64
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "an estimate, never negative; it saturates"
)]
fn millis(nanos: f64) -> u64 {
    (nanos / 1e6).ceil() as u64
}
