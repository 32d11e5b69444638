//! The ways that a request can take, and the machines that it takes them through.

use std::{collections::HashMap, net::SocketAddr, path::Path, sync::Arc, time::Duration};

use anyhow::{Context as _, ensure};

use super::cost::Spent;
use crate::{
    distance,
    hosts::{Client, Home, Pop, Worker},
    load::{Ask, Load},
    running::Running,
};

/// How an answer comes about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Way {
    NotModified,
    Memory,
    Disk,
    Paint,
    Derive,
    OriginCached,
    OriginCold,
}

impl Way {
    /// Whether the edge asks an origin.
    pub fn escalates(self) -> bool {
        matches!(self, Self::OriginCached | Self::OriginCold)
    }
}

/// A way by name, and the rates that it is measured at, requests per second.
pub struct Spec {
    pub way: Way,
    pub name: &'static str,
    pub rates: &'static [f64],
}

const fn spec(way: Way, name: &'static str, rates: &'static [f64]) -> Spec {
    Spec { way, name, rates }
}

/// All of them, from the cheapest to the dearest.
pub const PATHS: [Spec; 7] = [
    spec(Way::NotModified, "304", &[250.0, 1000.0, 4000.0, 16000.0]),
    spec(Way::Memory, "hit in memory", &[250.0, 1000.0, 4000.0, 16000.0]),
    spec(Way::Disk, "hit on disk", &[250.0, 1000.0, 4000.0]),
    spec(Way::Paint, "painted at the edge", &[10.0, 30.0, 60.0, 90.0]),
    spec(Way::Derive, "derived at the edge", &[5.0, 10.0, 20.0]),
    spec(Way::OriginCached, "origin, cached there", &[10.0, 30.0, 90.0]),
    spec(Way::OriginCold, "origin, painted there", &[5.0, 10.0, 20.0]),
];

/// Cards that are asked for again and again: of the memory's part, and of the disk's.
const HOT: u64 = 64;
const MANY: u64 = 400;
/// Tokens of `creature` whose masters are there to derive from, and the sizes and encodings that are: smaller ones are planned to
/// be painted.
const MASTERS: u64 = 80;
const WIDTHS: [u16; 4] = [384, 512, 640, 768];
const FORMATS: [&str; 3] = ["png", "webp", "jpg"];
/// The first card that nobody has asked for.
const FRESH: u64 = 1000;

/// What is asked of whom, and how it shows that the way was the one that is measured.
pub struct Place {
    pub address: SocketAddr,
    pub asks: Arc<Asks>,
    pub expects: fn(u16, &str) -> bool,
    host: &'static str,
    disk: bool,
}

/// The requests of a load.
pub struct Asks(Vec<Ask>);

impl Asks {
    /// That of this number; they begin again at the end.
    pub fn nth(&self, number: u64) -> Ask {
        let at = usize::try_from(number).unwrap_or(0);
        self.0[at % self.0.len()].clone()
    }
}

/// The machines.
pub struct World {
    origin: Running,
    origin_address: SocketAddr,
    home: Home,
    pop: Pop,
    /// One with hardly any memory, so that it reads from its disk.
    disk: Pop,
    /// Another edge, by whose visitors the origin has made its pictures.
    west: Pop,
    worker: Option<Worker>,
    /// PoPs by the distance of their origin.
    far: HashMap<Duration, Pop>,
    homes: Vec<Home>,
    client: Client,
    /// The next card that nobody has asked for.
    fresh: u64,
    /// The next derivation of each edge.
    derived: HashMap<String, u64>,
    /// The ETags of the hot cards.
    tags: Vec<String>,
}

/// A visitor waits for the origin, and not for what may stand in for it.
const POP: [&str; 4] = ["--no-demo", "--no-ahead", "--patience", "10000"];

impl World {
    /// Starts them, and asks once for what is to be cached.
    pub fn start(binary: &Path) -> anyhow::Result<Self> {
        let home = Home::new(binary)?;
        let words = ["origin", "--listen", "127.0.0.1:0"];
        // The edge's key must be there before the origin that trusts it.
        home.make_keys()?;
        let (origin, [url]) = Running::start(home.command(&words), ["takes orders"])?;
        let origin_address = address(&url)?;
        let url = format!("{url};key={}", home.public("origin")?);
        let homes = vec![home.sibling()?, home.sibling()?];
        let pop = Pop::start(&home, &[&POP[..], &["--origin", &url]].concat())?;
        let west = Pop::start(&homes[0], &[&POP[..], &["--origin", &url]].concat())?;
        let small = ["--no-origin", "--cache-memory", "1", "--cache-disk", "256"];
        let disk = Pop::start(&homes[1], &[&POP[..2], &small].concat())?;
        let worker = match Worker::start(&home, &url) {
            Ok(worker) => Some(worker),
            Err(why) => {
                eprintln!("without workerd: {why:#}");
                None
            }
        };
        let client = Client::new()?;
        let (far, derived, tags) = (HashMap::new(), HashMap::new(), Vec::new());
        let mut world = Self {
            origin,
            origin_address,
            home,
            pop,
            disk,
            west,
            worker,
            far,
            homes,
            client,
            fresh: FRESH,
            derived,
            tags,
        };
        world.publish()?;
        Ok(world)
    }

    fn publish(&mut self) -> anyhow::Result<()> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let styles = [root.join("work/card"), root.join("../functions/styles/creature")];
        let places = [&self.pop.admin, &self.disk.admin, &self.west.admin].map(Clone::clone);
        let places = places.into_iter().chain(self.worker.iter().map(Worker::place));
        for place in places {
            for style in &styles {
                self.home.publish(style, &place)?;
            }
        }
        eprintln!("warming");
        for token in 1..=MANY {
            self.client.get(&format!("{}{}", self.disk.url, card(token)), &[])?;
        }
        let urls: Vec<String> = [&self.pop.url]
            .into_iter()
            .chain(self.worker.iter().map(|worker| &worker.url))
            .cloned()
            .collect();
        for url in &urls {
            self.warm(url)?;
        }
        Ok(())
    }

    /// Has an edge keep the hot cards and the masters.
    fn warm(&mut self, url: &str) -> anyhow::Result<()> {
        let mut tags = Vec::new();
        for token in 1..=HOT {
            tags.push(self.client.get(&format!("{url}{}", card(token)), &[])?.etag);
        }
        ensure!(self.tags.is_empty() || self.tags == tags, "edges give other ETags to the same cards");
        self.tags = tags;
        for token in 1..=MASTERS {
            self.client.get(&format!("{url}/t/creature/{token}.png?w=1024"), &[])?;
        }
        Ok(())
    }

    /// The hosts that have this way.
    pub fn hosts(&self, way: Way) -> Vec<&'static str> {
        match &self.worker {
            Some(_) if way != Way::Disk => vec!["PoP", "workerd"],
            _ => vec!["PoP"],
        }
    }

    /// Makes ready what a load is to meet.
    pub fn prepare(&mut self, way: Way, host: &'static str, load: Load) -> anyhow::Result<Place> {
        let url = match (host, way, &self.worker) {
            ("workerd", _, Some(worker)) => worker.url.clone(),
            (_, Way::Disk, _) => self.disk.url.clone(),
            _ => self.pop.url.clone(),
        };
        self.prepare_at(way, host, &url, load)
    }

    /// A PoP whose origin is so far away, made ready.
    pub fn prepare_far(&mut self, way: Way, origin: Duration, load: Load) -> anyhow::Result<Place> {
        if !self.far.contains_key(&origin) {
            let home = self.home.sibling()?;
            let before = distance::before(self.origin_address, origin)?;
            let relay = format!("http://{before};key={}", self.home.public("origin")?);
            let pop = Pop::start(&home, &[&POP[..], &["--origin", &relay]].concat())?;
            self.home.publish(&Path::new(env!("CARGO_MANIFEST_DIR")).join("work/card"), &pop.admin)?;
            self.homes.push(home);
            self.far.insert(origin, pop);
        }
        let url = self.far[&origin].url.clone();
        self.prepare_at(way, "PoP", &url, load)
    }

    fn prepare_at(&mut self, way: Way, host: &'static str, url: &str, load: Load) -> anyhow::Result<Place> {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a few thousand")]
        let count = (load.rate * load.lasts.as_secs_f64()).max(1.0) as u64;
        let plain = |path: String| Ask { path, ..Ask::default() };
        let mut fresh = |form: &str| -> Vec<Ask> {
            let first = self.fresh;
            self.fresh += count;
            (first..first + count).map(|token| plain(format!("/t/card/{token}.{form}"))).collect()
        };
        let asks = match way {
            Way::NotModified => {
                let tags = self.tags.iter().zip(1..);
                tags.map(|(tag, token)| Ask {
                    path: card(token),
                    headers: vec![("if-none-match", tag.clone())],
                    ..Ask::default()
                })
                .collect()
            }
            Way::Memory => (1..=HOT).map(card).map(plain).collect(),
            Way::Disk => (1..=MANY).map(card).map(plain).collect(),
            Way::Paint => fresh("png?w=512"),
            Way::Derive => {
                let next = self.derived.entry(url.to_owned()).or_default();
                let first = *next;
                *next += count;
                (first..first + count).map(|number| plain(derivation(number))).collect()
            }
            Way::OriginCold => fresh("avif?w=256"),
            Way::OriginCached => {
                let asks = fresh("avif?w=256");
                for ask in &asks {
                    self.client.get(&format!("{}{}", self.west.url, ask.path), &[])?;
                }
                asks
            }
        };
        let expects: fn(u16, &str) -> bool = match way {
            Way::NotModified => |status, _| status == 304,
            Way::Memory | Way::Disk => |status, said| {
                status == 200 && (said.contains("iridule-pop;hit") || said.contains("iridule; hit"))
            },
            Way::Paint => |status, said| status == 200 && said.contains("detail=painted"),
            Way::Derive => |status, said| status == 200 && said.contains("detail=derived"),
            Way::OriginCached | Way::OriginCold => by_origin,
        };
        let asks = Arc::new(Asks(asks));
        Ok(Place { address: address(url)?, asks, expects, host, disk: way == Way::Disk })
    }

    /// CPU time so far, of the edge that a load goes to and of the origin.
    pub fn spent(&self, place: &Place) -> anyhow::Result<Spent> {
        let edge = match (place.host, place.disk, &self.worker) {
            ("workerd", _, Some(worker)) => &worker.running,
            (_, true, _) => &self.disk.running,
            _ => &self.pop.running,
        };
        Ok(Spent { edge: edge.cpu()?, origin: self.origin.cpu()? })
    }
}

fn by_origin(status: u16, said: &str) -> bool {
    status == 200 && said.contains("detail=origin")
}

fn card(token: u64) -> String {
    format!("/t/card/{token}.png?w=512")
}

/// Each is another token, size or encoding than those before.
fn derivation(number: u64) -> String {
    let (token, rest) = (1 + number % MASTERS, usize::try_from(number / MASTERS).unwrap_or(0));
    let (width, format) = (WIDTHS[rest % WIDTHS.len()], FORMATS[rest / WIDTHS.len() % FORMATS.len()]);
    format!("/t/creature/{token}.{format}?w={width}")
}

fn address(url: &str) -> anyhow::Result<SocketAddr> {
    let address = url.strip_prefix("http://").context("an http URL")?;
    address.trim_end_matches('/').parse().with_context(|| format!("{url} has no address"))
}
