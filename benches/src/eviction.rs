//! What a full cache drops: eviction policies on a trace of real requests.
//!
//! Each item of the trace stands for a token of
//! one of the shipped styles: its picture has that style's bytes, and painting it costs that style's time, both measured
//! before. The policies are those of foyer, which the cache is built on, and one that knows the costs.
#![expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "figures for a table and a plot"
)]

use std::{
    collections::{BTreeSet, HashMap},
    fmt::Write as _,
    fs,
    path::Path,
    time::Instant,
};

use anyhow::Context as _;
use foyer::{
    Cache, CacheBuilder, EvictionConfig, FifoConfig, LfuConfig, LruConfig, S3FifoConfig, SieveConfig,
};
use iridule_scene::variant::{Asked, Format, Variant};

use crate::{shipped, trace};

/// Room for this share of all bytes that are ever asked for.
const SHARES: [f64; 6] = [0.005, 0.01, 0.02, 0.05, 0.1, 0.2];
/// Width of the pictures, pixels.
const WIDTH: u32 = 512;
/// Tokens of a style that are painted.
const TOKENS: u64 = 4;
/// The one that stands first is what the others are compared with.
const POLICIES: [Policy; 6] =
    [Policy::Lru, Policy::Fifo, Policy::S3Fifo, Policy::WTinyLfu, Policy::Sieve, Policy::Gdsf];

#[derive(Clone, Copy, PartialEq, Eq)]
enum Policy {
    Lru,
    Fifo,
    S3Fifo,
    WTinyLfu,
    Sieve,
    /// Greedy-dual size frequency (Cherkasova 1998): keeps what saves the most time for its bytes.
    Gdsf,
}

impl Policy {
    fn name(self) -> &'static str {
        match self {
            Self::Lru => "LRU",
            Self::Fifo => "FIFO",
            Self::S3Fifo => "S3-FIFO",
            Self::WTinyLfu => "W-TinyLFU",
            Self::Sieve => "SIEVE",
            Self::Gdsf => "GDSF",
        }
    }

    fn colour(self) -> &'static str {
        match self {
            Self::Lru => "#888",
            Self::Fifo => "#bbb",
            Self::S3Fifo => "#d81b60",
            Self::WTinyLfu => "#1e88e5",
            Self::Sieve => "#ffa000",
            Self::Gdsf => "#2e7d32",
        }
    }

    fn config(self) -> Option<EvictionConfig> {
        Some(match self {
            Self::Lru => LruConfig::default().into(),
            Self::Fifo => FifoConfig::default().into(),
            Self::S3Fifo => S3FifoConfig::default().into(),
            Self::WTinyLfu => LfuConfig::default().into(),
            Self::Sieve => SieveConfig.into(),
            Self::Gdsf => return None,
        })
    }
}

/// A picture: its bytes, and milliseconds to paint it.
#[derive(Debug, Clone, Copy)]
struct Picture {
    bytes: usize,
    cost: f64,
}

/// What a policy saved.
#[derive(Debug, Clone, Copy, Default)]
struct Saved {
    hits: f64,
    bytes: f64,
    cost: f64,
}

/// Prints the table, and draws it.
pub fn run(trace: &Path, plot: Option<&Path>) -> anyhow::Result<()> {
    let requests = trace::read(trace)?;
    let pictures = pictures()?;
    // A style for each item, by a multiplicative hash, so that neighbours in the numbering are none in style.
    let of = |item: u32| pictures[item.wrapping_mul(2_654_435_761) as usize % pictures.len()];
    let distinct: BTreeSet<u32> = requests.iter().copied().collect();
    let whole: usize = distinct.iter().map(|item| of(*item).bytes).sum();
    println!(
        "{} requests for {} pictures of {WIDTH} px, {:.1} MB in all; each is {:.0} to {:.0} kB and {:.1} to {:.1} ms\n",
        requests.len(),
        distinct.len(),
        mega(whole),
        pictures.iter().map(|picture| kilo(picture.bytes)).fold(f64::MAX, f64::min),
        pictures.iter().map(|picture| kilo(picture.bytes)).fold(0.0, f64::max),
        pictures.iter().map(|picture| picture.cost).fold(f64::MAX, f64::min),
        pictures.iter().map(|picture| picture.cost).fold(0.0, f64::max),
    );
    println!("| room | policy | hits | bytes | painting saved | painting left, against LRU |");
    println!("|---|---|---|---|---|---|");
    let mut all = Vec::new();
    for share in SHARES {
        let room = (whole as f64 * share) as usize;
        let saved = POLICIES.map(|policy| play(policy, room, &requests, of));
        let [lru, ..] = saved;
        for (policy, saved) in POLICIES.iter().zip(&saved) {
            println!(
                "| {:.1} % | {} | {:.1} % | {:.1} % | {:.1} % | {:.2} |",
                share * 100.0,
                policy.name(),
                saved.hits * 100.0,
                saved.bytes * 100.0,
                saved.cost * 100.0,
                (1.0 - saved.cost) / (1.0 - lru.cost),
            );
        }
        all.push(saved);
    }
    if let Some(plot) = plot {
        fs::write(plot, draw(&all)).with_context(|| plot.display().to_string())?;
        println!("\ndrawn into {}", plot.display());
    }
    Ok(())
}

/// Some pictures of each shipped style, painted once for their bytes and once more for the time.
fn pictures() -> anyhow::Result<Vec<Picture>> {
    let mut pictures = Vec::new();
    for slug in shipped::slugs()? {
        for scene in shipped::scenes(&slug, TOKENS)? {
            let asked = Asked { width: Some(WIDTH), ..Asked::default() };
            let variant = Variant::resolve(&asked, Format::Png, &scene.canvas)?;
            let bytes = iridule_raster::paint(&scene, &variant)?.len();
            let started = Instant::now();
            iridule_raster::paint(&scene, &variant)?;
            pictures.push(Picture { bytes, cost: started.elapsed().as_secs_f64() * 1e3 });
        }
    }
    Ok(pictures)
}

/// Plays the trace through a policy with this many bytes of room.
fn play(policy: Policy, room: usize, requests: &[u32], of: impl Fn(u32) -> Picture) -> Saved {
    let mut is_hit: Box<dyn FnMut(u32, Picture) -> bool> = match policy.config() {
        Some(config) => {
            let cache: Cache<u32, usize> = CacheBuilder::new(room)
                .with_shards(1)
                .with_eviction_config(config)
                .with_weighter(|_: &u32, bytes: &usize| *bytes)
                .build();
            Box::new(move |item, picture| {
                let hit = cache.get(&item).is_some();
                if !hit {
                    cache.insert(item, picture.bytes);
                }
                hit
            })
        }
        None => {
            let mut cache = GreedyDual { room, ..GreedyDual::default() };
            Box::new(move |item, picture| cache.ask(item, picture))
        }
    };
    let (mut hits, mut all) = (Saved::default(), Saved::default());
    for item in requests {
        let picture = of(*item);
        let hit = is_hit(*item, picture);
        for sum in [Some(&mut all), hit.then_some(&mut hits)].into_iter().flatten() {
            sum.hits += 1.0;
            sum.bytes += picture.bytes as f64;
            sum.cost += picture.cost;
        }
    }
    Saved { hits: hits.hits / all.hits, bytes: hits.bytes / all.bytes, cost: hits.cost / all.cost }
}

/// Greedy-dual size frequency: the worth of a picture is how often it was asked for, times what painting it costs by byte,
/// above the worth of the last one dropped.
#[derive(Default)]
struct GreedyDual {
    room: usize,
    used: usize,
    floor: f64,
    /// Worth, as ordered bits of a float that is never negative.
    queue: BTreeSet<(u64, u32)>,
    there: HashMap<u32, (u64, u32, usize)>,
}

impl GreedyDual {
    fn ask(&mut self, item: u32, picture: Picture) -> bool {
        let before = self.there.remove(&item);
        let times = before.map_or(1, |(worth, times, _)| {
            self.queue.remove(&(worth, item));
            times + 1
        });
        let worth = self.floor + f64::from(times) * picture.cost / picture.bytes as f64;
        self.queue.insert((worth.to_bits(), item));
        self.there.insert(item, (worth.to_bits(), times, picture.bytes));
        if before.is_none() {
            self.used += picture.bytes;
        }
        while self.used > self.room {
            let Some((worth, item)) = self.queue.pop_first() else { break };
            self.floor = f64::from_bits(worth);
            self.used -= self.there.remove(&item).map_or(0, |(.., bytes)| bytes);
        }
        before.is_some()
    }
}

fn mega(bytes: usize) -> f64 {
    bytes as f64 / 1e6
}

fn kilo(bytes: usize) -> f64 {
    bytes as f64 / 1e3
}

/// Two plots side by side: hits and painting saved, over the room, which doubles from mark to mark.
fn draw(all: &[[Saved; POLICIES.len()]]) -> String {
    let mut svg = String::from(
        "<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 860 330' font-family='sans-serif' font-size='12'>\n\
         <rect width='860' height='330' fill='#fff'/>\n",
    );
    let values = || all.iter().flatten().flat_map(|saved| [saved.hits, saved.cost]);
    let (least, most) = (values().fold(1.0, f64::min), values().fold(0.0, f64::max));
    for (panel, (title, of)) in [
        ("requests answered", (|saved| saved.hits) as fn(&Saved) -> f64),
        ("painting saved", |saved| saved.cost),
    ]
    .into_iter()
    .enumerate()
    {
        let left = 50.0 + panel as f64 * 380.0;
        let x = |place: usize| left + place as f64 * 320.0 / (SHARES.len() - 1) as f64;
        let y = |value: f64| 265.0 - (value - least) / (most - least) * 215.0;
        // Writing to a `String` does not fail.
        let _ = writeln!(svg, "<text x='{left}' y='30' font-size='14'>{title}, of all</text>");
        for step in 0..=4 {
            let value = least + (most - least) * f64::from(step) / 4.0;
            let _ = writeln!(
                svg,
                "<path d='M{left} {0:.1}H{1:.1}' stroke='#eee'/><text x='{2:.1}' y='{3:.1}' text-anchor='end'>{4:.0} %</text>",
                y(value),
                left + 320.0,
                left - 6.0,
                y(value) + 4.0,
                value * 100.0,
            );
        }
        for (place, share) in SHARES.iter().enumerate() {
            let _ = writeln!(
                svg,
                "<text x='{:.1}' y='288' text-anchor='middle'>{:.1} %</text>",
                x(place),
                share * 100.0
            );
        }
        for (at, policy) in POLICIES.iter().enumerate() {
            let points: Vec<String> = all
                .iter()
                .enumerate()
                .map(|(place, saved)| format!("{:.1} {:.1}", x(place), y(of(&saved[at]))))
                .collect();
            let _ = writeln!(
                svg,
                "<path d='M{}' fill='none' stroke='{}' stroke-width='2'/>",
                points.join("L"),
                policy.colour()
            );
        }
    }
    for (at, policy) in POLICIES.iter().enumerate() {
        let x = 60 + at * 120;
        let _ = writeln!(
            svg,
            "<path d='M{x} 312h20' stroke='{}' stroke-width='3'/><text x='{}' y='316'>{}</text>",
            policy.colour(),
            x + 26,
            policy.name()
        );
    }
    svg + "</svg>\n"
}
