//! The queue: by example, in every order of a few steps, and in random orders of many.

use std::task::{Context, Wake};

use iridule_origin_api::order::Priority;
use proptest::prelude::*;

use super::*;

/// Milliseconds of work in the units of the tests, at the speed that is assumed without measurements.
const MS: u64 = 2_000_000;

fn key(n: u8) -> RenderKey {
    RenderKey([n; 32].into())
}

fn bounds(jobs: usize, workers: usize) -> QueueLimits {
    QueueLimits { jobs, per_edge: usize::MAX, bytes: u64::MAX, workers }
}

fn queue(jobs: usize, workers: usize) -> Arc<Queue<u8, u8>> {
    Queue::new(bounds(jobs, workers))
}

fn request(n: u8, edge: &str, priority: Priority, deadline_ms: u64, cost_ms: u64) -> QueueRequest<'_> {
    let estimate = CostEstimate { units: cost_ms * MS, class: 0, bytes: 1 };
    QueueRequest { key: key(n), edge, priority, deadline_ms, now_ms: 0, estimate }
}

fn visitor(queue: &Arc<Queue<u8, u8>>, n: u8, deadline_ms: u64) -> Result<Waiter<u8, u8>, QueueRefusal> {
    queue.enter(&request(n, "edge", Priority::Visitor, deadline_ms, 0), || n)
}

fn ahead(queue: &Arc<Queue<u8, u8>>, n: u8) -> Result<Waiter<u8, u8>, QueueRefusal> {
    queue.enter(&request(n, "edge", Priority::Ahead, 9, 0), || n)
}

fn next(queue: &Queue<u8, u8>) -> u8 {
    queue.next(|| 0).unwrap().1
}

/// What a worker could take at once.
fn take(queue: &Queue<u8, u8>, now_ms: u64) -> Option<u8> {
    queue.step(|state, wake| state.take(now_ms, wake)).map(|(_, n)| n)
}

#[test]
fn visitors_come_first_and_the_least_patient_of_them() {
    let queue = queue(9, 2);
    let _waiters = [
        ahead(&queue, 1).unwrap(),
        visitor(&queue, 2, 30).unwrap(),
        visitor(&queue, 3, 20).unwrap(),
        visitor(&queue, 4, 20).unwrap(),
    ];
    assert_eq!([next(&queue), next(&queue), next(&queue), next(&queue)], [3, 4, 2, 1]);
}

#[test]
fn everyone_who_asks_for_a_key_gets_the_one_render() {
    let queue = queue(9, 1);
    let mut waiters: Vec<_> = (0..5).map(|_| visitor(&queue, 1, 9).unwrap()).collect();
    assert_eq!(next(&queue), 1);
    waiters.push(visitor(&queue, 1, 9).unwrap());
    assert!(!waiters[0].joined && waiters[1..].iter().all(|waiter| waiter.joined));
    assert_eq!(queue.depth(), (0, 1));
    queue.finish(&key(1), &7, Some(1.0));
    let answers = waiters.iter_mut().map(|waiter| pollster::block_on(waiter.wait()));
    assert!(answers.eq([Some(7); 6]));
    drop(waiters);
    assert!(!visitor(&queue, 1, 9).unwrap().joined && queue.depth() == (0, 0));
}

#[test]
fn what_nobody_waits_for_and_what_is_late_is_not_done() {
    let queue = queue(9, 1);
    drop(visitor(&queue, 1, 9).unwrap());
    let made_ahead = ahead(&queue, 2).unwrap();
    let mut late = visitor(&queue, 3, 5).unwrap();
    let _waiter = visitor(&queue, 4, 9).unwrap();
    drop(made_ahead);
    assert_eq!(queue.next(|| 5).unwrap().1, 4);
    assert_eq!(queue.next(|| 5).unwrap().1, 2, "ahead of everyone, it was nobody's from the start");
    assert_eq!(pollster::block_on(late.wait()), None);
}

#[test]
fn a_visitor_takes_the_place_of_what_is_made_ahead() {
    let queue = queue(2, 1);
    let _one = ahead(&queue, 1).unwrap();
    let mut two = ahead(&queue, 2).unwrap();
    assert!(matches!(ahead(&queue, 3), Err(QueueRefusal::Full(_))));
    let _visitor = visitor(&queue, 4, 9).unwrap();
    assert_eq!(pollster::block_on(two.wait()), None);
    let _visitor = visitor(&queue, 5, 9).unwrap();
    assert!(matches!(visitor(&queue, 6, 9), Err(QueueRefusal::Full(_))));
}

#[test]
fn one_worker_stays_free_of_what_is_made_ahead() {
    let queue = queue(9, 3);
    let _waiters: Vec<_> = (1..5).map(|n| ahead(&queue, n).unwrap()).collect();
    assert_eq!([next(&queue), next(&queue)], [1, 2]);
    assert_eq!(take(&queue, 0), None);
    let _visitor = visitor(&queue, 4, 9).unwrap();
    assert_eq!(next(&queue), 4);
    queue.finish(&key(1), &0, None);
    assert_eq!(next(&queue), 3);
}

#[test]
fn a_closed_queue_is_worked_off() {
    let queue = queue(9, 1);
    let _waiter = visitor(&queue, 1, 9).unwrap();
    queue.close();
    assert_eq!(visitor(&queue, 2, 9).err(), Some(QueueRefusal::Closed));
    assert_eq!(next(&queue), 1);
    assert!(queue.next(|| 0).is_none());
}

/// Two edges, of which one is always in a hurry: each gets half of the work.
#[test]
fn short_deadlines_of_one_edge_do_not_starve_another() {
    let queue = queue(64, 1);
    let mut waiters = Vec::new();
    for n in 0..20 {
        waiters.push(queue.enter(&request(n, "hasty", Priority::Visitor, 10_000, 10), || n).unwrap());
        waiters
            .push(queue.enter(&request(100 + n, "calm", Priority::Visitor, 60_000, 10), || 100 + n).unwrap());
    }
    let served: Vec<u8> = (0..20)
        .map(|_| {
            let (key, n) = queue.next(|| 0).unwrap();
            queue.finish(&key, &0, Some(10.0));
            n
        })
        .collect();
    let calm = served.iter().filter(|n| **n >= 100).count();
    assert_eq!(calm, 10, "{served:?}");
}

/// Shares are of work, not of jobs, and an edge saves up nothing while it wants nothing.
#[test]
fn shares_are_measured_in_work_and_are_not_saved_up() {
    let queue = queue(64, 1);
    let enter =
        |n, edge, cost| queue.enter(&request(n, edge, Priority::Visitor, 60_000, cost), || n).unwrap();
    let mut waiters: Vec<_> = (0..4).map(|n| enter(n, "heavy", 100)).collect();
    waiters.extend((10..50).map(|n| enter(n, "light", 10)));
    let run = || {
        let (key, n) = queue.next(|| 0).unwrap();
        queue.finish(&key, &0, Some(if n < 10 { 100.0 } else { 10.0 }));
        n
    };
    let first: Vec<u8> = (0..22).map(|_| run()).collect();
    assert_eq!(first.iter().filter(|n| **n < 10).count(), 2, "{first:?}");
    waiters.extend((100..120).map(|n| enter(n, "late comer", 10)));
    let then: Vec<u8> = (0..12).map(|_| run()).collect();
    assert!(then.iter().filter(|n| **n >= 100).count() <= 7, "{then:?}");
}

#[test]
fn a_full_queue_gives_room_to_the_edge_that_has_less_in_it() {
    let queue = queue(4, 1);
    let enter = |n, edge: &'static str| {
        queue.enter(&request(n, edge, Priority::Visitor, 1000 + u64::from(n), 0), || n)
    };
    let mut greedy: Vec<_> = (0..4).map(|n| enter(n, "greedy").unwrap()).collect();
    let _modest = enter(10, "modest").unwrap();
    assert_eq!(pollster::block_on(greedy[3].wait()), None, "its least urgent job gave way");
    let _modest = enter(11, "modest").unwrap();
    assert!(matches!(enter(12, "modest"), Err(QueueRefusal::Full(_))), "both have two");
    assert!(matches!(enter(4, "greedy"), Err(QueueRefusal::Full(_))));
}

#[test]
fn requests_of_one_edge_that_wait_are_bounded() {
    let queue: Arc<Queue<u8, u8>> = Queue::new(QueueLimits { per_edge: 2, ..bounds(9, 1) });
    let _two = [visitor(&queue, 1, 9).unwrap(), visitor(&queue, 1, 9).unwrap()];
    assert!(matches!(visitor(&queue, 1, 9), Err(QueueRefusal::Full(_))));
    assert!(queue.enter(&request(1, "other", Priority::Visitor, 9, 0), || 1).is_ok());
}

#[test]
fn what_cannot_be_done_in_time_is_refused_at_once_and_told_when_to_come() {
    let queue = queue(64, 1);
    let enter = |n, deadline, cost| queue.enter(&request(n, "edge", Priority::Visitor, deadline, cost), || n);
    let mut waiters = vec![enter(0, 1, 100).unwrap()];
    assert_eq!(next(&queue), 0, "an idle worker tries, whatever the estimate says");
    waiters.push(enter(1, 1000, 100).unwrap());
    waiters.push(enter(2, 1000, 100).unwrap());
    // More urgent than both: after 200 and 300 ms.
    waiters.push(enter(3, 250, 100).unwrap());
    waiters.push(enter(4, 300, 100).unwrap());
    assert_eq!(enter(5, 350, 100).err(), Some(QueueRefusal::TooLate(50)), "after 400 ms");
    // What was taken and has come too late is dropped before it starts.
    queue.finish(&key(0), &0, None);
    assert_eq!(take(&queue, 950), Some(2), "the last one is tried");
    assert_eq!(pollster::block_on(waiters[1].wait()), None);
}

#[test]
fn speed_is_measured() {
    let queue = queue(9, 1);
    for _ in 0..40 {
        let _waiter = queue.enter(&request(1, "edge", Priority::Visitor, 9000, 10), || 1).unwrap();
        assert_eq!(next(&queue), 1);
        queue.finish(&key(1), &0, Some(100.0));
    }
    let _running = queue.enter(&request(1, "edge", Priority::Visitor, 9000, 10), || 1).unwrap();
    assert_eq!(next(&queue), 1);
    let refused = queue.enter(&request(2, "edge", Priority::Visitor, 50, 10), || 2).err();
    assert!(matches!(refused, Some(QueueRefusal::TooLate(ms)) if (140..=151).contains(&ms)), "{refused:?}");
}

#[test]
fn jobs_that_run_fit_into_memory() {
    let queue: Arc<Queue<u8, u8>> = Queue::new(QueueLimits { bytes: 100, ..bounds(9, 3) });
    let enter = |n, bytes| {
        let request = request(n, "edge", Priority::Visitor, 1000 + u64::from(n), 0);
        queue
            .enter(&QueueRequest { estimate: CostEstimate { bytes, ..request.estimate }, ..request }, || n)
            .unwrap()
    };
    let _waiters = [enter(1, 60), enter(2, 60), enter(3, 500)];
    assert_eq!((take(&queue, 0), take(&queue, 0)), (Some(1), None));
    queue.finish(&key(1), &0, None);
    assert_eq!((take(&queue, 0), take(&queue, 0)), (Some(2), None));
    queue.finish(&key(2), &0, None);
    assert_eq!(take(&queue, 0), Some(3), "one that is larger than the bound runs alone");
}

/// A waker that does nothing.
struct Nobody;

impl Wake for Nobody {
    fn wake(self: Arc<Self>) {}
}

/// What one actor of the interleavings does, step by step.
#[derive(Debug, Clone, Copy)]
enum Step {
    Enter,
    Poll,
    Leave,
    Take,
    Finish,
    Close,
    DropLate,
}

/// One world in which the actors' steps happen one after the other.
#[derive(Default)]
struct Actor {
    waiter: Option<u64>,
    running: Option<RenderKey>,
    told: Option<Option<u8>>,
}

/// Every order of the steps of two visitors of one key, two workers, and an origin that leaves: after each step the state is
/// whole, and no visitor is left without an answer. The lock is taken once for each step, so there are no other orders.
#[test]
fn in_every_order_of_steps_nobody_is_lost_and_nothing_is_counted_twice() {
    use Step::{Close, DropLate, Enter, Finish, Leave, Poll, Take};
    let scripts: [&[&[Step]]; 3] = [
        &[&[Enter, Poll, Leave], &[Enter, Poll, Leave], &[Take, Finish], &[Take, Finish]],
        &[&[Enter, Poll, Poll], &[Enter, Leave, Enter, Poll], &[Take, Finish, Take, Finish]],
        &[&[Enter, Poll], &[Enter, Poll, Leave], &[Take, Finish, DropLate], &[Close]],
    ];
    let mut worlds = 0;
    for script in scripts {
        let mut order = Vec::new();
        interleave(script, &mut vec![0; script.len()], &mut order, &mut |order| {
            worlds += 1;
            play(script, order);
        });
    }
    assert!(worlds > 20_000, "{worlds} orders");
}

fn interleave(
    script: &[&[Step]],
    at: &mut Vec<usize>,
    order: &mut Vec<usize>,
    play: &mut impl FnMut(&[usize]),
) {
    if (0..script.len()).all(|actor| at[actor] == script[actor].len()) {
        return play(order);
    }
    for actor in 0..script.len() {
        if at[actor] < script[actor].len() {
            at[actor] += 1;
            order.push(actor);
            interleave(script, at, order, play);
            order.pop();
            at[actor] -= 1;
        }
    }
}

fn play(script: &[&[Step]], order: &[usize]) {
    let mut state: QueueState<u8, u8> = QueueState::new(bounds(9, 2));
    let waker = Waker::from(Arc::new(Nobody));
    let mut context = Context::from_waker(&waker);
    let mut actors: Vec<Actor> = script.iter().map(|_| Actor::default()).collect();
    let mut at = vec![0; script.len()];
    let mut wake = Vec::new();
    for actor in order {
        let step = script[*actor][at[*actor]];
        at[*actor] += 1;
        let actor = &mut actors[*actor];
        match step {
            Step::Enter => {
                let entered = state.enter(&request(1, "edge", Priority::Visitor, 9, 0), || 1, &mut wake);
                actor.waiter = entered.ok().map(|(number, _)| number);
                actor.told = None;
            }
            Step::Poll => actor.told = actor.waiter.and_then(|waiter| state.poll(waiter, context.waker())),
            Step::Leave => actor.waiter.take().into_iter().for_each(|waiter| state.leave(waiter)),
            Step::Take => actor.running = state.take(0, &mut wake).map(|(key, _)| key),
            Step::Finish => {
                if let Some(key) = actor.running.take() {
                    state.finish(&key, &7, Some(1.0), &mut wake);
                }
            }
            Step::Close => state.close(),
            Step::DropLate => drop(state.take(9, &mut wake)),
        }
        state.check();
    }
    // Whoever still waits is told in the end.
    state.close();
    for key in actors.iter_mut().filter_map(|actor| actor.running.take()).collect::<Vec<_>>() {
        state.finish(&key, &7, None, &mut wake);
    }
    while let Some((key, _)) = state.take(0, &mut wake) {
        state.finish(&key, &7, None, &mut wake);
    }
    let _ = &mut context;
    for actor in &actors {
        let told = actor.waiter.map(|waiter| state.poll(waiter, &waker));
        assert!(told.is_none_or(|told| told.is_some()), "{order:?}: a visitor who is never told");
    }
    actors.iter().filter_map(|actor| actor.waiter).for_each(|waiter| state.leave(waiter));
    state.check();
}

/// Threads that enter and leave at once with one that works: nobody is lost, nothing is counted twice.
#[test]
fn threads_that_join_and_leave_at_once_are_all_answered() {
    let queue = queue(64, 1);
    let worker = std::thread::spawn({
        let queue = queue.clone();
        move || {
            while let Some((key, n)) = queue.next(|| 0) {
                queue.finish(&key, &n, Some(0.1));
            }
        }
    });
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for n in 0..5_000u32 {
                    let key = u8::try_from(n % 3).unwrap();
                    let mut waiter = visitor(&queue, key, 9).unwrap();
                    match n % 7 {
                        0 => drop(waiter),
                        _ => assert_eq!(pollster::block_on(waiter.wait()), Some(key)),
                    }
                }
            });
        }
    });
    queue.close();
    worker.join().unwrap();
    assert_eq!(queue.depth(), (0, 0));
    queue.lock().check();
}

proptest! {
    /// Whatever comes in whatever order: no key twice at once, the counts are right, all who wait are told.
    #[test]
    fn any_order_of_events_keeps_the_counts(
        steps in prop::collection::vec((0u8..4, 0u8..6, any::<bool>(), 1u64..20, 0u8..3), 1..80),
    ) {
        let queue: Arc<Queue<u8, u8>> = Queue::new(QueueLimits { bytes: 2, ..bounds(4, 2) });
        let (mut waiting, mut running) = (Vec::new(), Vec::new());
        for (what, n, is_visitor, deadline, edge) in steps {
            let priority = if is_visitor { Priority::Visitor } else { Priority::Ahead };
            match what {
                0 | 1 => {
                    let edge = ["a", "b", "c"][usize::from(edge)];
                    waiting.extend(queue.enter(&request(n, edge, priority, deadline, u64::from(n)), || n));
                }
                2 => {
                    if let Some(n) = take(&queue, 10) {
                        prop_assert!(!running.contains(&key(n)), "{n} runs twice");
                        running.push(key(n));
                    }
                }
                _ if is_visitor => drop(waiting.pop()),
                _ => if let Some(key) = running.pop() { queue.finish(&key, &1, Some(1.0)) },
            }
            queue.lock().check();
        }
        queue.close();
        for key in running { queue.finish(&key, &1, None) }
        while let Some((key, _)) = queue.next(|| 10) { queue.finish(&key, &1, None) }
        prop_assert_eq!(queue.depth(), (0, 0));
        for mut waiter in waiting { pollster::block_on(waiter.wait()); }
        queue.lock().check();
    }
}
