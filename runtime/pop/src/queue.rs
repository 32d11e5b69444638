//! Who is served next when more is asked for than can be served at once: clients take turns, by address.
//!
//! A client with a hundred requests waits behind itself. While others come and go, no client holds more than its share of
//! the permits, and some are left for the next to come. What waits is bounded: over the bound, the client with most
//! requests waiting loses its newest.
//!
//! A request may be for several clients, who joined to wait for one answer: it stands in the queue of each, and the first
//! turn of any of them is its turn.

use std::{
    collections::{HashMap, VecDeque},
    net::{IpAddr, Ipv6Addr},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use iridule_http_cache::Waiting;
use tokio::sync::oneshot;

use crate::visitors::client_of;

/// Shares that are kept for clients that are not here yet. With `n` clients here each may hold one in `n + 3` permits: a
/// single one a quarter, and all together never all.
const SHARES_TO_COME: usize = 3;

/// For requests of this host itself.
const OWN: IpAddr = IpAddr::V6(Ipv6Addr::UNSPECIFIED);

/// A number of permits, and the clients that wait for one.
pub(crate) struct FairQueue {
    /// Permits there are.
    permits: usize,
    /// Requests at once, served or waiting.
    most: usize,
    /// Permits that a single client may hold whatever its share: more requests than cores gain nothing from company.
    cores: usize,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    clients: HashMap<IpAddr, Client>,
    /// Clients that wait, in the order of their turns.
    turns: VecDeque<IpAddr>,
    requests: HashMap<u64, Request>,
    /// Permits that are held.
    held: usize,
    next: u64,
}

/// One client. It is forgotten when it holds nothing and waits for nothing.
#[derive(Default)]
struct Client {
    held: usize,
    /// Its requests, the oldest first.
    waiting: VecDeque<u64>,
}

/// A request that waits.
struct Request {
    /// In whose queues it stands.
    clients: Vec<IpAddr>,
    granted: oneshot::Sender<Permit>,
}

/// Leave to be served; given back by being dropped.
pub(crate) struct Permit {
    queue: Arc<FairQueue>,
    client: IpAddr,
}

/// As many requests are here as may be.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Full;

impl FairQueue {
    pub(crate) fn new(permits: usize, most: usize) -> Arc<Self> {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Arc::new(Self { permits, most, cores, state: Mutex::default() })
    }

    /// Waits for a permit. Dropping the future leaves the queue.
    ///
    /// # Errors
    /// [`Full`], at once, or when another client's request takes the place.
    pub(crate) async fn enter(self: &Arc<Self>, waiting: &Waiting) -> Result<Permit, Full> {
        let mut clients = waiting.subscribe();
        let first = addresses(&clients.borrow_and_update());
        let (id, mut granted) = self.join(first)?;
        let _place = Place { queue: self, id };
        loop {
            tokio::select! {
                biased;
                permit = &mut granted => return permit.map_err(|_| Full),
                Ok(()) = clients.changed() => {
                    let all = addresses(&clients.borrow_and_update());
                    self.change(|state| state.stand(id, &all));
                }
            }
        }
    }

    fn join(self: &Arc<Self>, clients: Vec<IpAddr>) -> Result<(u64, oneshot::Receiver<Permit>), Full> {
        let (granted, permit) = oneshot::channel();
        let id = self.change(|state| {
            if state.held + state.requests.len() >= self.most {
                state.make_room(&clients)?;
            }
            let id = state.next;
            state.next += 1;
            state.requests.insert(id, Request { clients: Vec::new(), granted });
            state.stand(id, &clients);
            Ok(id)
        })?;
        Ok((id, permit))
    }

    /// Changes the state, and hands out the permits that are free after that.
    fn change<T>(self: &Arc<Self>, change: impl FnOnce(&mut State) -> T) -> T {
        let (result, granted) = {
            let mut state = self.lock();
            let result = change(&mut state);
            (result, state.grant(self.permits, self.cores))
        };
        // Outside the lock: a permit that nobody takes comes back at once.
        for (request, client) in granted {
            let _ = request.granted.send(Permit { queue: self.clone(), client });
        }
        result
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn addresses(clients: &[IpAddr]) -> Vec<IpAddr> {
    match clients {
        [] => vec![OWN],
        clients => clients.iter().map(|client| client_of(*client)).collect(),
    }
}

impl State {
    /// Puts a request into the queues of these clients too.
    fn stand(&mut self, id: u64, clients: &[IpAddr]) {
        let Some(request) = self.requests.get_mut(&id) else { return };
        for address in clients {
            if request.clients.contains(address) {
                continue;
            }
            request.clients.push(*address);
            let client = self.clients.entry(*address).or_default();
            if client.waiting.is_empty() {
                self.turns.push_back(*address);
            }
            client.waiting.push_back(id);
        }
    }

    /// Takes the newest request from the client that has most waiting, unless these clients have as many.
    fn make_room(&mut self, clients: &[IpAddr]) -> Result<(), Full> {
        let waiting = |address: &IpAddr| self.clients.get(address).map_or(0, |client| client.waiting.len());
        let own = clients.iter().map(waiting).min().unwrap_or_default();
        let longest = self.clients.values().max_by_key(|client| client.waiting.len());
        let newest = longest.filter(|client| client.waiting.len() > own + 1);
        let newest = newest.and_then(|client| client.waiting.back().copied()).ok_or(Full)?;
        self.remove(newest);
        Ok(())
    }

    /// Takes a request out of all queues.
    fn remove(&mut self, id: u64) -> Option<Request> {
        let request = self.requests.remove(&id)?;
        for address in &request.clients {
            let Some(client) = self.clients.get_mut(address) else { continue };
            client.waiting.retain(|other| *other != id);
            if client.waiting.is_empty() {
                self.turns.retain(|other| other != address);
            }
            self.forget(address);
        }
        Some(request)
    }

    fn forget(&mut self, address: &IpAddr) {
        if self.clients.get(address).is_some_and(|client| client.held == 0 && client.waiting.is_empty()) {
            self.clients.remove(address);
        }
    }

    /// Those whose turn it is.
    fn grant(&mut self, permits: usize, cores: usize) -> Vec<(Request, IpAddr)> {
        let mut granted = Vec::new();
        let mut passed = 0;
        while self.held < permits && passed < self.turns.len() {
            let here = self.clients.len();
            let share = (permits / (here + SHARES_TO_COME)).max(permits.min(cores) / here.max(1)).max(1);
            let Some(address) = self.turns.pop_front() else { break };
            self.turns.push_back(address);
            let Some(client) = self.clients.get_mut(&address).filter(|client| client.held < share) else {
                passed += 1;
                continue;
            };
            let Some(id) = client.waiting.front().copied() else { break };
            client.held += 1;
            self.held += 1;
            passed = 0;
            if let Some(request) = self.remove(id) {
                granted.push((request, address));
            }
        }
        granted
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let address = self.client;
        self.queue.change(|state| {
            state.held -= 1;
            if let Some(client) = state.clients.get_mut(&address) {
                client.held -= 1;
            }
            state.forget(&address);
        });
    }
}

/// A place in the queues, left when it is dropped.
struct Place<'a> {
    queue: &'a Arc<FairQueue>,
    id: u64,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let left = self.queue.change(|state| state.remove(self.id));
        drop(left);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::task::JoinHandle;

    use super::*;

    fn client(last: u8) -> Waiting {
        Waiting::new(Some(IpAddr::from([192, 0, 2, last])))
    }

    fn queue(permits: usize, most: usize) -> Arc<FairQueue> {
        Arc::new(FairQueue { permits, most, cores: 1, state: Mutex::default() })
    }

    /// Enters and leaves again in a task of its own.
    fn pass(queue: &Arc<FairQueue>, waiting: Waiting) -> JoinHandle<Result<(), Full>> {
        let queue = queue.clone();
        tokio::spawn(async move { queue.enter(&waiting).await.map(drop) })
    }

    /// Enters in a task of its own.
    fn enter(queue: &Arc<FairQueue>, waiting: Waiting) -> JoinHandle<Result<Permit, Full>> {
        let queue = queue.clone();
        tokio::spawn(async move { queue.enter(&waiting).await })
    }

    /// Lets all tasks run until each of them waits.
    async fn settle() {
        for _ in 0..200 {
            tokio::task::yield_now().await;
        }
    }

    fn is_empty(queue: &FairQueue) -> bool {
        let state = queue.lock();
        state.clients.is_empty() && state.turns.is_empty() && state.requests.is_empty() && state.held == 0
    }

    #[tokio::test]
    async fn one_client_never_takes_all_and_the_next_one_need_not_wait() {
        let queue = queue(64, 512);
        let heavy: Vec<_> = (0..100).map(|_| enter(&queue, client(1))).collect();
        settle().await;
        assert_eq!(heavy.iter().filter(|task| task.is_finished()).count(), 16);
        for other in 2..20 {
            let other = client(other);
            let permit = tokio::time::timeout(Duration::from_millis(1), queue.enter(&other)).await;
            std::mem::forget(permit.expect("a newcomer waits for nobody").unwrap());
        }
        drop(heavy);
    }

    #[tokio::test]
    async fn clients_take_turns() {
        let queue = queue(1, 512);
        let first = queue.enter(&client(1)).await.unwrap();
        let order = Arc::new(Mutex::new(Vec::new()));
        let tasks: Vec<_> = [1, 1, 1, 1, 2, 2, 3]
            .into_iter()
            .map(|number| {
                let (queue, order) = (queue.clone(), order.clone());
                tokio::spawn(async move {
                    let _permit = queue.enter(&client(number)).await.unwrap();
                    order.lock().unwrap().push(number);
                })
            })
            .collect();
        settle().await;
        drop(first);
        for task in tasks {
            task.await.unwrap();
        }
        assert_eq!(*order.lock().unwrap(), [1, 2, 3, 1, 2, 1, 1]);
        assert!(is_empty(&queue));
    }

    #[tokio::test]
    async fn whoever_joins_brings_a_request_forward() {
        let queue = queue(1, 512);
        let first = queue.enter(&client(1)).await.unwrap();
        let before: Vec<_> = (0..50).map(|_| enter(&queue, client(1))).collect();
        settle().await;
        let shared = client(1);
        let last = enter(&queue, shared.clone());
        settle().await;
        shared.join(&client(2));
        settle().await;
        drop(first);
        settle().await;
        // One of the first client's own, and then the one that somebody else waits for too.
        let done: Vec<_> = before.into_iter().filter(JoinHandle::is_finished).collect();
        for task in done {
            drop(task.await.unwrap());
        }
        let permit = tokio::time::timeout(Duration::from_millis(1), last).await;
        assert!(permit.expect("the turn of the second client has come").unwrap().is_ok());
    }

    #[tokio::test]
    async fn over_the_bound_whoever_has_most_waiting_gives_way() {
        let queue = queue(1, 4);
        let held = queue.enter(&client(1)).await.unwrap();
        let mut tasks: Vec<_> = (0..3).map(|_| pass(&queue, client(1))).collect();
        settle().await;
        assert_eq!(queue.enter(&client(1)).await.err(), Some(Full));
        let other = pass(&queue, client(2));
        settle().await;
        // The newest of the three.
        assert_eq!(tasks.pop().unwrap().await.unwrap().err(), Some(Full));
        assert!(!other.is_finished() && tasks.iter().all(|task| !task.is_finished()));
        drop(held);
        for task in tasks.into_iter().chain([other]) {
            assert!(task.await.unwrap().is_ok());
        }
        assert!(is_empty(&queue));
    }

    #[tokio::test]
    async fn who_leaves_the_queue_holds_nobody_up_and_nothing_is_lost() {
        let queue = queue(1, 512);
        let held = queue.enter(&client(1)).await.unwrap();
        let (gone, stays) = (enter(&queue, client(2)), enter(&queue, client(3)));
        settle().await;
        gone.abort();
        settle().await;
        drop(held);
        assert!(stays.await.unwrap().is_ok());
        assert!(is_empty(&queue));
        // A permit that is granted to somebody who has just gone comes back.
        let held = queue.enter(&client(1)).await.unwrap();
        let gone = enter(&queue, client(2));
        settle().await;
        drop(held);
        gone.abort();
        settle().await;
        assert!(is_empty(&queue));
    }

    #[tokio::test]
    async fn neighbours_of_one_ipv6_network_are_one_client() {
        let queue = queue(4, 512);
        let of = |text: &str| Waiting::new(Some(text.parse().unwrap()));
        let _first = queue.enter(&of("2001:db8::1")).await.unwrap();
        let neighbour = enter(&queue, of("2001:db8::2"));
        settle().await;
        assert!(!neighbour.is_finished());
        assert!(queue.enter(&of("2001:db8:0:1::1")).await.is_ok());
    }
}
