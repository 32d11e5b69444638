//! Open-loop load: requests are sent when they are due, whatever became of those before, and their time counts from then.
//! So a server that stands still is seen to, and not only by the requests that it held up (Gil Tene's "coordinated
//! omission").

use std::{
    collections::VecDeque,
    net::SocketAddr,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, anyhow};
use hdrhistogram::Histogram;
use http_body_util::{BodyExt as _, Empty};
use hyper::{Request, body::Bytes, client::conn::http1};
use hyper_util::rt::TokioIo;
use tokio::{
    net::TcpStream,
    runtime::Builder,
    sync::{Mutex, mpsc},
    task::JoinSet,
};

/// How long after its end a load waits for what is still under way.
const GRACE: Duration = Duration::from_secs(2);
/// Longest time that is told from longer ones, microseconds.
const LONGEST: u64 = 60_000_000;

/// How much is asked, and over how many connections. A request that finds all of them busy waits, and that counts.
#[derive(Debug, Clone, Copy)]
pub struct Load {
    /// Requests per second.
    pub rate: f64,
    pub lasts: Duration,
    pub connections: usize,
}

/// What is asked.
#[derive(Debug, Clone, Default)]
pub struct Ask {
    pub path: String,
    /// The `Host` field; the address where not given.
    pub host: Option<String>,
    pub headers: Vec<(&'static str, String)>,
}

/// A whole response.
#[derive(Debug, Clone, Default)]
pub struct Reply {
    pub status: u16,
    /// All lines of `Cache-Status`.
    pub cache_status: String,
    pub body: Vec<u8>,
}

impl Reply {
    /// The beginning of the body of an error; empty for other replies.
    fn problem(&self) -> String {
        let beginning = &self.body[..self.body.len().min(300)];
        if self.status < 400 { String::new() } else { String::from_utf8_lossy(beginning).into_owned() }
    }
}

/// What came of a load.
pub struct Seen {
    /// From when a request was due to the last byte of its answer, microseconds.
    pub latency: Histogram<u64>,
    /// How late requests were sent although a connection was free: the harness's own share.
    pub late: Histogram<u64>,
    /// Answers that were what was expected.
    pub good: u64,
    /// Answers that were not, by what they said; the first few.
    pub others: VecDeque<String>,
    /// Requests without a good answer.
    pub bad: u64,
    /// Bytes of bodies.
    pub bytes: u64,
}

impl Seen {
    fn new() -> anyhow::Result<Self> {
        let histogram = || Histogram::new_with_max(LONGEST, 3).map_err(|why| anyhow!("{why}"));
        let (latency, late) = (histogram()?, histogram()?);
        Ok(Self { latency, late, good: 0, others: VecDeque::new(), bad: 0, bytes: 0 })
    }

    fn took(&mut self, time: Duration) {
        self.latency.saturating_record(u64::try_from(time.as_micros()).unwrap_or(LONGEST));
    }

    fn bad(&mut self, why: String) {
        self.bad += 1;
        if self.others.len() < 4 {
            self.others.push_back(why);
        }
    }

    /// The time that this share of requests took at most, milliseconds.
    #[expect(clippy::cast_precision_loss, reason = "a minute in microseconds")]
    pub fn quantile(&self, share: f64) -> f64 {
        self.latency.value_at_quantile(share) as f64 / 1e3
    }
}

/// Lays a load on an address. `ask` makes the request of a number, `expects` decides whether the response to it is the
/// right one.
///
/// # Errors
/// When no connection can be made.
pub fn run(
    address: SocketAddr,
    load: Load,
    ask: impl Fn(u64) -> Ask + Send + Sync + 'static,
    expects: impl Fn(u64, &Reply) -> bool + Send + Sync + 'static,
) -> anyhow::Result<Seen> {
    let (send, due) = mpsc::unbounded_channel::<(u64, Instant)>();
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a few thousand")]
    let count = (load.rate * load.lasts.as_secs_f64()).max(1.0) as u64;
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let all = runtime.block_on(async {
        let (due, seen) = (Arc::new(Mutex::new(due)), Arc::new(Mutex::new(Seen::new()?)));
        let (ask, expects) = (Arc::new(ask), Arc::new(expects));
        let mut visitors = JoinSet::new();
        for _ in 0..load.connections {
            let connection = connect(address).await?;
            let visitor = Visitor { address, due: due.clone(), seen: seen.clone() };
            let (ask, expects) = (ask.clone(), expects.clone());
            visitors.spawn(async move { visitor.run(connection, &*ask, &*expects).await });
        }
        // Only a thread that sleeps by itself is punctual to the tenth of a millisecond; a runtime's timers have one.
        let clock = thread::spawn(move || {
            let start = Instant::now();
            for number in 0..count {
                #[expect(clippy::cast_precision_loss, reason = "a few thousand")]
                let due = start + Duration::from_secs_f64(number as f64 / load.rate);
                thread::sleep(due.saturating_duration_since(Instant::now()));
                if send.send((number, due)).is_err() {
                    break;
                }
            }
        });
        let deadline = tokio::time::sleep(load.lasts + GRACE);
        tokio::pin!(deadline);
        loop {
            tokio::select! {
                done = visitors.join_next() => match done {
                    Some(done) => done??,
                    None => break,
                },
                () = &mut deadline => {
                    visitors.shutdown().await;
                    break;
                }
            }
        }
        let mut due = due.lock().await;
        let mut all = seen.lock().await;
        while let Ok((_, since)) = due.try_recv() {
            all.took(since.elapsed());
            all.bad("never sent: every connection was busy to the end".into());
        }
        drop(due);
        for _ in all.good + all.bad..count {
            all.took(GRACE);
            all.bad(format!("no answer within {GRACE:?} of the end"));
        }
        clock.join().map_err(|_| anyhow!("the clock stopped"))?;
        let whole = Seen::new()?;
        Ok::<Seen, anyhow::Error>(std::mem::replace(&mut *all, whole))
    })?;
    Ok(all)
}

type Connection = http1::SendRequest<Empty<Bytes>>;

async fn connect(address: SocketAddr) -> anyhow::Result<Connection> {
    let stream = TcpStream::connect(address).await.with_context(|| address.to_string())?;
    stream.set_nodelay(true)?;
    let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    // It ends when either side closes; whoever sends next hears of it.
    tokio::spawn(async move { connection.await.ok() });
    Ok(sender)
}

/// One connection, which takes what is due next.
struct Visitor {
    address: SocketAddr,
    due: Arc<Mutex<mpsc::UnboundedReceiver<(u64, Instant)>>>,
    seen: Arc<Mutex<Seen>>,
}

impl Visitor {
    async fn run(
        self,
        mut connection: Connection,
        ask: &(impl Fn(u64) -> Ask + Sync),
        expects: &(impl Fn(u64, &Reply) -> bool + Sync),
    ) -> anyhow::Result<()> {
        loop {
            let idle = Instant::now();
            let next = self.due.lock().await.recv().await;
            let Some((number, due)) = next else { return Ok(()) };
            let late = due.elapsed();
            if connection.is_closed() {
                connection = connect(self.address).await?;
            }
            let answer = exchange(&mut connection, self.address, &ask(number)).await;
            let took = due.elapsed();
            let mut seen = self.seen.lock().await;
            seen.took(took);
            if idle <= due {
                seen.late.saturating_record(u64::try_from(late.as_micros()).unwrap_or(LONGEST));
            }
            match answer {
                Ok(reply) => {
                    seen.bytes += reply.body.len() as u64;
                    if expects(number, &reply) {
                        seen.good += 1;
                    } else {
                        let path = ask(number).path;
                        seen.bad(format!(
                            "{path}: {}: {}: {}",
                            reply.status,
                            reply.cache_status,
                            reply.problem()
                        ));
                    }
                }
                Err(why) => seen.bad(format!("{why:#}")),
            }
        }
    }
}

/// Sends a request and reads the whole response.
async fn exchange(connection: &mut Connection, address: SocketAddr, ask: &Ask) -> anyhow::Result<Reply> {
    let host = ask.host.clone().unwrap_or_else(|| address.to_string());
    let mut request = Request::get(&ask.path).header("host", host);
    for (name, value) in &ask.headers {
        request = request.header(*name, value);
    }
    connection.ready().await?;
    let answer = connection.send_request(request.body(Empty::new())?).await?;
    let status = answer.status().as_u16();
    let lines = answer.headers().get_all("cache-status").iter().filter_map(|value| value.to_str().ok());
    let cache_status = lines.collect::<Vec<_>>().join(", ");
    let (mut incoming, mut body) = (answer.into_body(), Vec::new());
    while let Some(frame) = incoming.frame().await {
        body.extend_from_slice(frame?.data_ref().map_or(&[], |data| data));
    }
    Ok(Reply { status, cache_status, body })
}

#[cfg(test)]
mod tests {
    use std::{
        io::{Read as _, Write as _},
        net::TcpListener,
    };

    use super::*;

    /// Answers every request on a connection, but stands still for a while before the tenth.
    fn server(stands: Duration) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut bytes = [0; 4096];
            for number in 0.. {
                if stream.read(&mut bytes).unwrap_or(0) == 0 {
                    break;
                }
                if number == 10 {
                    thread::sleep(stands);
                }
                let answer = b"HTTP/1.1 200 OK\r\ncache-status: x; hit\r\ncontent-length: 2\r\n\r\nok";
                stream.write_all(answer).unwrap();
            }
        });
        address
    }

    #[test]
    fn a_stall_is_seen_by_all_that_were_due_meanwhile() {
        let address = server(Duration::from_millis(400));
        let load = Load { rate: 100.0, lasts: Duration::from_secs(1), connections: 1 };
        let seen = run(
            address,
            load,
            |_| Ask { path: "/".into(), ..Ask::default() },
            |_, reply| reply.status == 200 && reply.cache_status == "x; hit",
        )
        .unwrap();
        assert_eq!((seen.good, seen.bad, seen.bytes), (100, 0, 200), "{:?}", seen.others);
        // Forty were due within the stall: the quickest fifth does not see it, the slowest quarter does.
        assert!(seen.quantile(0.75) > 80.0, "p75 {}", seen.quantile(0.75));
        assert!(seen.quantile(1.0) >= 400.0);
        assert!(seen.quantile(0.2) < 80.0, "p20 {}", seen.quantile(0.2));
    }

    #[test]
    fn what_was_never_answered_is_told() {
        let address = server(Duration::from_secs(60));
        let load = Load { rate: 50.0, lasts: Duration::from_millis(400), connections: 1 };
        let seen = run(address, load, |_| Ask { path: "/".into(), ..Ask::default() }, |_, _| true).unwrap();
        assert_eq!(seen.good, 10);
        assert!(seen.bad > 0 && seen.good + seen.bad >= 19, "{} of 20 were told", seen.good + seen.bad);
    }
}
