//! The relay's HTTP clients: which addresses they connect to, and for how long.
//!
//! An answer's size is bounded where it is read ([`read`]).

use std::{net::SocketAddr, sync::Arc, time::Duration};

pub(crate) use iridule_publish::bounded::{Unanswered, read};
use iridule_records::address::is_inner;
use reqwest::{
    Client, ClientBuilder, Url,
    dns::{Addrs, Name, Resolve, Resolving},
    redirect::{Attempt, Policy},
};

/// How long a connection may take.
const CONNECT: Duration = Duration::from_secs(5);

/// Which addresses a client connects to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reach {
    /// Those of public servers only.
    Public,
    /// All: whoever wrote the address meant it.
    All,
}

/// A client that follows at most so many redirects. One for [`Reach::Public`] connects to no inner address, whatever a
/// name resolves to and wherever a redirect leads. It goes through no proxy of the environment, because an address can
/// be checked only by the one that connects to it.
pub(crate) fn client(reach: Reach, redirects: usize, patience: Duration) -> Result<Client, String> {
    let mut builder = Client::builder().timeout(patience).connect_timeout(CONNECT.min(patience));
    builder = builder.redirect(if redirects == 0 {
        Policy::none()
    } else {
        Policy::custom(move |attempt| follow(attempt, reach, redirects))
    });
    if reach == Reach::Public {
        builder = outward(builder);
    }
    builder.build().map_err(|why| why.to_string())
}

fn follow(attempt: Attempt<'_>, reach: Reach, redirects: usize) -> reqwest::redirect::Action {
    let encrypted = |url: &Url| url.scheme() == "https";
    if attempt.previous().len() > redirects {
        attempt.error("too many redirects")
    } else if reach == Reach::Public && names_inner(attempt.url()) {
        attempt.error("a redirect to this machine or its network")
    } else if attempt.previous().last().is_some_and(encrypted) && !encrypted(attempt.url()) {
        attempt.error("a redirect from https to http")
    } else {
        attempt.follow()
    }
}

/// Whether a URL names an address of this machine or its network outright. A name that resolves to one is found out by
/// the resolver.
pub(crate) fn names_inner(url: &Url) -> bool {
    match url.host() {
        Some(url::Host::Ipv4(ip)) => is_inner(ip.into()),
        Some(url::Host::Ipv6(ip)) => is_inner(ip.into()),
        Some(url::Host::Domain(name)) => {
            let name = name.strip_suffix('.').unwrap_or(name);
            name == "localhost" || name.ends_with(".localhost")
        }
        None => true,
    }
}

fn outward(builder: ClientBuilder) -> ClientBuilder {
    builder.no_proxy().dns_resolver(Arc::new(Outward(System)))
}

/// Looks names up.
trait LookUp: Send + Sync + Clone + 'static {
    fn look_up(self, name: String) -> impl Future<Output = std::io::Result<Vec<SocketAddr>>> + Send;
}

/// The system's resolver.
#[derive(Clone, Copy)]
struct System;

impl LookUp for System {
    async fn look_up(self, name: String) -> std::io::Result<Vec<SocketAddr>> {
        Ok(tokio::net::lookup_host((name, 0)).await?.collect())
    }
}

/// Leaves out the addresses of this machine and its network. The client connects to the very addresses that are left, so
/// a name that resolves to another one a moment later gains nothing.
struct Outward<L>(L);

impl<L: LookUp> Resolve for Outward<L> {
    fn resolve(&self, name: Name) -> Resolving {
        let found = self.0.clone().look_up(name.as_str().to_owned());
        Box::pin(async move {
            let outer: Vec<SocketAddr> =
                found.await?.into_iter().filter(|address| !is_inner(address.ip())).collect();
            if outer.is_empty() {
                return Err(format!("{} is not on the public network", name.as_str()).into());
            }
            Ok::<Addrs, Box<dyn std::error::Error + Send + Sync>>(Box::new(outer.into_iter()))
        })
    }
}

#[cfg(test)]
mod tests {
    use std::{
        io::{Read as _, Write as _},
        net::TcpListener,
        sync::atomic::{AtomicUsize, Ordering},
        thread,
    };

    use super::*;

    #[test]
    fn an_inner_address_is_known_however_it_is_written() {
        for inner in [
            "http://127.0.0.1/",
            "http://0x7f.1/",
            "http://2130706433/",
            "http://localhost:80/",
            "http://localhost./",
            "http://LOCALHOST/",
            "http://a.localhost/",
            "http://[::1]/",
            "http://[::ffff:127.0.0.1]/",
            "http://[::ffff:0:127.0.0.1]/",
            "http://[64:ff9b::a00:1]/",
        ] {
            assert!(names_inner(&inner.parse().unwrap()), "{inner}");
        }
        assert!(!names_inner(&"https://example.org/".parse().unwrap()));
    }

    /// Counts the connections to a port of this machine, and answers each with these bytes.
    fn counting(answer: String) -> (u16, Arc<AtomicUsize>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let count = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&count);
        thread::spawn(move || {
            for stream in listener.incoming() {
                counted.fetch_add(1, Ordering::SeqCst);
                let mut stream = stream.unwrap();
                let _ = stream.read(&mut [0; 4096]);
                let _ = stream.write_all(answer.as_bytes());
            }
        });
        (port, count)
    }

    #[tokio::test]
    async fn a_name_that_resolves_to_this_machine_is_not_connected_to() {
        let (port, count) = counting("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n".into());
        let public = client(Reach::Public, 0, Duration::from_secs(2)).unwrap();
        // The resolver is asked for every name, and the system says 127.0.0.1 to this one.
        let why = read(public.post(format!("http://localhost:{port}/")), 10).await.unwrap_err();
        assert_eq!(why, Unanswered::Network("localhost is not on the public network".into()));
        assert_eq!(count.load(Ordering::SeqCst), 0);
        let all = client(Reach::All, 0, Duration::from_secs(2)).unwrap();
        assert!(read(all.post(format!("http://localhost:{port}/")), 10).await.is_ok());
        assert_eq!(count.load(Ordering::SeqCst), 1);
    }

    /// A name whose address changes with every look-up: first a public one, then this machine.
    #[derive(Clone, Default)]
    struct Rebinding(Arc<AtomicUsize>);

    impl LookUp for Rebinding {
        async fn look_up(self, _: String) -> std::io::Result<Vec<SocketAddr>> {
            let first = self.0.fetch_add(1, Ordering::SeqCst) == 0;
            // TEST-NET would be inner, so a public address stands beside this machine's.
            let public: SocketAddr = ([1, 1, 1, 1], 0).into();
            let here: SocketAddr = ([127, 0, 0, 1], 0).into();
            Ok(if first { vec![here, public] } else { vec![here] })
        }
    }

    #[tokio::test]
    async fn the_address_that_was_checked_is_the_one_that_is_connected_to() {
        let rebinding = Outward(Rebinding::default());
        let resolve = || rebinding.resolve("hooks.example".parse().unwrap());
        let first: Vec<SocketAddr> = resolve().await.unwrap().collect();
        assert_eq!(first, [SocketAddr::from(([1, 1, 1, 1], 0))], "only what passed the check is offered");
        assert!(resolve().await.is_err(), "an inner address alone is refused");
    }

    #[tokio::test]
    async fn a_redirect_to_an_inner_address_is_not_followed() {
        let (inner, count) = counting("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n".into());
        for target in ["127.0.0.1", "[::ffff:127.0.0.1]", "localhost"] {
            let location = format!(
                "HTTP/1.1 307 T\r\nlocation: http://{target}:{inner}/\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
            );
            let (port, _) = counting(location);
            // The first address is allowed by name for this test alone; the redirect is judged as for any other.
            let builder = Client::builder()
                .no_proxy()
                .redirect(Policy::custom(|attempt| follow(attempt, Reach::Public, 3)));
            let request = builder.build().unwrap().get(format!("http://127.0.0.1:{port}/"));
            let why = read(request, 10).await.unwrap_err();
            assert_eq!(why, Unanswered::Network("a redirect to this machine or its network".into()));
        }
        assert_eq!(count.load(Ordering::SeqCst), 0);
    }
}
