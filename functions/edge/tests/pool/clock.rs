//! Virtual time: tasks that wait for it, and an executor that lets it pass when nothing else is left to do.

use std::{
    cell::{Cell, RefCell},
    collections::{BTreeMap, VecDeque},
    future::Future,
    pin::Pin,
    rc::Rc,
    sync::{Arc, Mutex},
    task::{Context, Poll, Wake, Waker},
};

type Task = Pin<Box<dyn Future<Output = ()>>>;

/// The time, and who waits for which.
#[derive(Default)]
pub struct Clock {
    now_us: Cell<u64>,
    timers: RefCell<BTreeMap<(u64, u64), Waker>>,
    tasks: RefCell<Vec<Option<Task>>>,
    ready: Arc<Mutex<VecDeque<usize>>>,
    count: Cell<u64>,
}

struct Wakes {
    task: usize,
    ready: Arc<Mutex<VecDeque<usize>>>,
}

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.ready.lock().unwrap().push_back(self.task);
    }
}

impl Clock {
    pub fn starting_at(ms: u64) -> Rc<Self> {
        let clock = Self::default();
        clock.now_us.set(ms * 1000);
        Rc::new(clock)
    }

    pub fn now_us(&self) -> u64 {
        self.now_us.get()
    }

    /// Begins a task.
    pub fn spawn(&self, task: impl Future<Output = ()> + 'static) {
        let mut tasks = self.tasks.borrow_mut();
        tasks.push(Some(Box::pin(task)));
        self.ready.lock().unwrap().push_back(tasks.len() - 1);
    }

    /// Waits until it is this late.
    pub fn until(self: &Rc<Self>, us: u64) -> impl Future<Output = ()> + use<> {
        let clock = self.clone();
        let mut number = None;
        std::future::poll_fn(move |context| {
            if clock.now_us() >= us {
                return Poll::Ready(());
            }
            let number = *number.get_or_insert_with(|| clock.count.replace(clock.count.get() + 1));
            clock.timers.borrow_mut().insert((us, number), context.waker().clone());
            Poll::Pending
        })
    }

    /// Waits for so long.
    pub fn sleep(self: &Rc<Self>, us: u64) -> impl Future<Output = ()> + use<> {
        self.until(self.now_us() + us)
    }

    /// Lets time pass until all tasks are done, or wait for what never comes.
    pub fn run(self: &Rc<Self>) {
        loop {
            loop {
                let next = self.ready.lock().unwrap().pop_front();
                let Some(at) = next else { break };
                let Some(mut task) = self.tasks.borrow_mut()[at].take() else { continue };
                let waker = Waker::from(Arc::new(Wakes { task: at, ready: self.ready.clone() }));
                if task.as_mut().poll(&mut Context::from_waker(&waker)).is_pending() {
                    self.tasks.borrow_mut()[at] = Some(task);
                }
            }
            let first = self.timers.borrow_mut().pop_first();
            let Some(((us, _), waker)) = first else { break };
            self.now_us.set(self.now_us().max(us));
            waker.wake();
        }
    }
}
