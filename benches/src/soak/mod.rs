//! A PoP under load for a long time, first alone and then beside a hostile client.
//!
//! Visitors ask at four fifths of the highest rate that the PoP serves on this machine, and every response is compared
//! with the bytes that the same PoP gave before anybody attacked it. Meanwhile the price moves between two states, so
//! caches are purged and filled again. What visitors ask and compare is `visitors.rs`, what the attacker sends is
//! `hostile.rs`; this file holds the phases, the bars, the table and the plot.
#![expect(clippy::cast_precision_loss, reason = "figures for a table and a plot")]

mod hostile;
mod visitors;

use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Stdio,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, ensure};

use self::{
    hostile::{Attacker, Targets},
    visitors::{Price, References, Truth},
};
use crate::{
    hosts::{Home, Pop},
    load::{self, Load, Seen},
    report::plot::{self, Axis, Curve},
    running::Running,
};

/// How long one row of the table and one point of the plot measure.
const WINDOW: Duration = Duration::from_secs(10);
/// How long each rate is tried while the highest one is looked for.
const TRIAL: Duration = Duration::from_secs(10);
/// When the price changes during a trial: a rate counts as served only if it is served through a change, too.
const CHANGE_AFTER: Duration = Duration::from_secs(2);
/// How long the PoP rests after a trial, so that the backlog of one does not slow the next.
const REST: Duration = Duration::from_secs(2);
/// The first rate that is tried, requests a second.
const FIRST_RATE: f64 = 500.0;
/// A rate is served while this share of the responses takes at most [`SERVED_WITHIN`].
const SERVED_SHARE: f64 = 0.99;
/// See [`SERVED_SHARE`], milliseconds.
const SERVED_WITHIN: f64 = 100.0;
/// The share of the highest rate that visitors ask at.
const SHARE_OF_HIGHEST: f64 = 0.8;
/// Connections of the visitors.
const CONNECTIONS: usize = 64;
/// Time between two price changes.
const PRICE_INTERVAL: Duration = Duration::from_secs(30);
/// The p99 beside the hostile client may be this many times the one without it.
const MAX_P99_RATIO: f64 = 2.0;
/// The memory of the last third of a phase may be this many times that of its second third.
const MAX_GROWTH: f64 = 1.1;

/// How long, how much, and where to draw it.
#[derive(clap::Args)]
pub struct Plan {
    /// Minutes without the hostile client.
    #[arg(long, default_value_t = 20.0)]
    minutes: f64,
    /// Minutes beside the hostile client.
    #[arg(long, default_value_t = 60.0)]
    hostile_minutes: f64,
    /// Requests per second; without it, four fifths of the highest rate, which is measured first.
    #[arg(long)]
    rate: Option<f64>,
    /// Where to draw latency and memory over time, as SVG.
    #[arg(long)]
    plot: Option<PathBuf>,
}

/// A PoP and an origin.
struct World {
    home: Home,
    pop: Pop,
    origin: Running,
    origin_address: SocketAddr,
}

impl World {
    fn start(binary: &Path) -> anyhow::Result<Self> {
        let home = Home::new(binary)?;
        home.make_keys()?;
        let words = ["origin", "--listen", "127.0.0.1:0", "--origin-painters", "1"];
        let (origin, [url]) = Running::start(home.command(&words), ["takes orders"])?;
        let pop = Pop::start(&home, &["--origin", &format!("{url};key={}", home.public("origin")?)])?;
        let origin_address = address(&url)?;
        Ok(Self { home, pop, origin, origin_address })
    }

    fn push(&self, price: Price) -> anyhow::Result<()> {
        push(&self.home, &self.pop.admin, price)
    }
}

/// Publishes a snapshot with this price.
fn push(home: &Home, admin: &str, price: Price) -> anyhow::Result<()> {
    let mut command = home.command(&["oracle", "push", "--to", admin, "--set", price.setting()]);
    let pushed = command.stdout(Stdio::null()).status()?;
    ensure!(pushed.success(), "the snapshot could not be published");
    Ok(())
}

fn address(url: &str) -> anyhow::Result<SocketAddr> {
    let host = url.strip_prefix("http://").with_context(|| format!("{url} has no http://"))?;
    host.trim_end_matches('/').parse().with_context(|| url.to_owned())
}

/// What one window measured.
struct Window {
    hostile: bool,
    /// From the start of the first window.
    ends: Duration,
    p50: f64,
    p99: f64,
    requests: u64,
    wrong: u64,
    /// Memory of the PoP, MiB.
    memory: f64,
    /// Memory of the origin, MiB.
    origin_memory: f64,
}

/// Measures, prints the tables, and draws the plot.
///
/// # Errors
/// When something cannot be started, or a bar is missed.
pub fn run(binary: &Path, plan: &Plan) -> anyhow::Result<()> {
    let world = World::start(binary)?;
    let here = address(&world.pop.url)?;
    let references = Arc::new(References::take(&world.pop.url, |price| world.push(price))?);
    let rate = match plan.rate {
        Some(rate) => rate,
        None => {
            let highest = highest_rate(&world, here, &references)?;
            println!("highest rate: {highest:.0} requests a second");
            highest * SHARE_OF_HIGHEST
        }
    };
    println!("visitors ask {rate:.0} times a second over {CONNECTIONS} connections\n");
    let truth = Arc::new(Truth::new(Price::High));
    let ended = Arc::new(AtomicBool::new(false));
    let windows = thread::scope(|scope| {
        let publisher = scope.spawn(|| publish_until(&ended, &world, &truth));
        let windows = phases(&world, here, plan, rate, &references, &truth);
        ended.store(true, Ordering::Relaxed);
        publisher.join().map_err(|_| anyhow::anyhow!("the publisher stopped"))??;
        windows
    })?;
    if let Some(file) = &plan.plot {
        fs::write(file, draw(&windows)?).with_context(|| file.display().to_string())?;
        println!("\ndrawn into {}", file.display());
    }
    judge(&windows)
}

/// Moves the price back and forth until told to end.
fn publish_until(ended: &AtomicBool, world: &World, truth: &Truth) -> anyhow::Result<()> {
    let mut last = Instant::now();
    while !ended.load(Ordering::Relaxed) {
        if last.elapsed() >= PRICE_INTERVAL {
            let price = truth.begin_change();
            world.push(price)?;
            truth.end_change();
            last = Instant::now();
        }
        thread::sleep(Duration::from_millis(100));
    }
    Ok(())
}

fn phases(
    world: &World,
    here: SocketAddr,
    plan: &Plan,
    rate: f64,
    references: &Arc<References>,
    truth: &Arc<Truth>,
) -> anyhow::Result<Vec<Window>> {
    println!(
        "| minute | beside the attacker | requests | wrong | p50, ms | p99, ms | PoP, MiB | origin, MiB |\n\
         |---|---|---|---|---|---|---|---|"
    );
    let start = Instant::now();
    let mut windows = Vec::new();
    for (hostile, minutes) in [(false, plan.minutes), (true, plan.hostile_minutes)] {
        let lasts = Duration::from_secs_f64(minutes.max(0.0) * 60.0);
        let attacker = hostile
            .then(|| Attacker::start(Targets { pop: here, origin: world.origin_address }))
            .transpose()?;
        let phase = Instant::now();
        while phase.elapsed() < lasts {
            let seen = visit(here, rate, WINDOW, references, truth)?;
            let window = measured(world, hostile, start.elapsed(), &seen)?;
            print(&window, &seen);
            windows.push(window);
        }
        if let Some(attacker) = attacker {
            println!("\n| attack | sent | closed or refused |\n|---|---|---|");
            for line in attacker.end()? {
                println!("| {} | {} | {} |", line.name, line.sent, line.failed);
            }
        }
    }
    Ok(windows)
}

fn visit(
    here: SocketAddr,
    rate: f64,
    lasts: Duration,
    references: &Arc<References>,
    truth: &Arc<Truth>,
) -> anyhow::Result<Seen> {
    let load = Load { rate, lasts, connections: CONNECTIONS };
    let (asked, compared, truth) = (references.clone(), references.clone(), truth.clone());
    let expects = move |number, reply: &load::Reply| compared.is_right(number, reply, &truth);
    load::run(here, load, move |number| asked.ask(number), expects)
}

fn measured(world: &World, hostile: bool, ends: Duration, seen: &Seen) -> anyhow::Result<Window> {
    let mebibytes = |bytes: u64| bytes as f64 / f64::from(1 << 20);
    Ok(Window {
        hostile,
        ends,
        p50: seen.quantile(0.5),
        p99: seen.quantile(0.99),
        requests: seen.good + seen.bad,
        wrong: seen.bad,
        memory: mebibytes(world.pop.running.resident()?),
        origin_memory: mebibytes(world.origin.resident()?),
    })
}

fn print(window: &Window, seen: &Seen) {
    println!(
        "| {:.1} | {} | {} | {} | {:.1} | {:.1} | {:.0} | {:.0} |",
        window.ends.as_secs_f64() / 60.0,
        if window.hostile { "yes" } else { "no" },
        window.requests,
        window.wrong,
        window.p50,
        window.p99,
        window.memory,
        window.origin_memory,
    );
    for other in &seen.others {
        eprintln!("  wrong: {other}");
    }
}

/// The highest rate, requests a second, that is served without a wrong answer and in time, through a change of the price:
/// doubled until it is not, then halved between the last two.
fn highest_rate(world: &World, here: SocketAddr, references: &Arc<References>) -> anyhow::Result<f64> {
    let served = |rate: f64| -> anyhow::Result<bool> {
        world.push(Price::High)?;
        thread::sleep(REST);
        let truth = Arc::new(Truth::new(Price::High));
        let seen = thread::scope(|scope| {
            let change = scope.spawn(|| -> anyhow::Result<()> {
                thread::sleep(CHANGE_AFTER);
                world.push(truth.begin_change())?;
                truth.end_change();
                Ok(())
            });
            let seen = visit(here, rate, TRIAL, references, &truth);
            change.join().map_err(|_| anyhow::anyhow!("the publisher stopped"))??;
            seen
        })?;
        let p99 = seen.quantile(SERVED_SHARE);
        eprintln!("{rate:.0} requests a second: p99 {p99:.1} ms, {} wrong", seen.bad);
        for other in &seen.others {
            eprintln!("  wrong: {other}");
        }
        Ok(seen.bad == 0 && p99 <= SERVED_WITHIN)
    };
    let (mut low, mut high) = (0.0, FIRST_RATE);
    while served(high)? {
        (low, high) = (high, high * 2.0);
    }
    ensure!(low > 0.0, "{FIRST_RATE} requests a second are more than this machine serves");
    for _ in 0..3 {
        let middle = f64::midpoint(low, high);
        if served(middle)? {
            low = middle;
        } else {
            high = middle;
        }
    }
    world.push(Price::High)?;
    thread::sleep(REST);
    Ok(low)
}

/// Says which bars were met.
fn judge(windows: &[Window]) -> anyhow::Result<()> {
    let of = |hostile: bool| windows.iter().filter(move |window| window.hostile == hostile);
    let p99 = |hostile: bool| median(of(hostile).map(|window| window.p99).collect());
    let mut missed = Vec::new();
    let mut bar = |what: String, met: bool| {
        println!("| {what} | {} |", if met { "met" } else { "missed" });
        if !met {
            missed.push(what);
        }
    };
    println!("\n| bar | |\n|---|---|");
    let wrong: u64 = windows.iter().map(|window| window.wrong).sum();
    let all: u64 = windows.iter().map(|window| window.requests).sum();
    bar(format!("{wrong} wrong of {all} answers; none may be"), wrong == 0);
    if let (Some(alone), Some(beside)) = (p99(false), p99(true)) {
        let ratio = beside / alone.max(f64::EPSILON);
        bar(
            format!(
                "p99 {alone:.1} ms alone, {beside:.1} beside the attacker: {ratio:.2} of {MAX_P99_RATIO:.0} times"
            ),
            ratio <= MAX_P99_RATIO,
        );
    }
    for hostile in [false, true] {
        for (name, memory) in [
            ("PoP", of(hostile).map(|window| window.memory).collect::<Vec<_>>()),
            ("origin", of(hostile).map(|window| window.origin_memory).collect()),
        ] {
            let third = memory.len() / 3;
            let parts = (median(memory[third..2 * third].into()), median(memory[2 * third..].into()));
            if let (Some(before), Some(after)) = parts {
                let growth = after / before.max(1.0);
                let phase = if hostile { "beside the attacker" } else { "alone" };
                bar(
                    format!(
                        "memory of the {name} {phase}: {before:.0} MiB, then {after:.0}: {growth:.2} of {MAX_GROWTH} times"
                    ),
                    growth <= MAX_GROWTH,
                );
            }
        }
    }
    ensure!(missed.is_empty(), "missed: {}", missed.join("; "));
    Ok(())
}

fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied()
}

/// Latency and memory over time; both phases in one picture.
fn draw(windows: &[Window]) -> anyhow::Result<String> {
    let curve = |name: &str, of: fn(&Window) -> f64| Curve {
        name: name.into(),
        points: windows.iter().map(|window| (window.ends.as_secs_f64() / 60.0, of(window))).collect(),
    };
    let begins = windows.iter().find(|window| window.hostile).map(|window| window.ends.as_secs_f64() / 60.0);
    let title = begins.map_or_else(
        || "visitors alone".to_owned(),
        |minute| format!("visitors alone, and beside a hostile client from minute {minute:.0}"),
    );
    let axis = |name| Axis { name, logarithmic: false };
    let logarithmic = |name| Axis { name, logarithmic: true };
    plot::curves(
        &title,
        axis("minutes"),
        logarithmic("milliseconds; MiB"),
        &[
            curve("p50, ms", |window| window.p50),
            curve("p99, ms", |window| window.p99),
            curve("memory of the PoP, MiB", |window| window.memory),
            curve("memory of the origin, MiB", |window| window.origin_memory),
        ],
    )
}
