//! `cargo xtask bench edge-vs-origin`: what a visitor waits for and what an operator pays for, by the path that a request
//! takes through an edge, on our own host and on workerd.
//!
//! Everything runs on this machine: a PoP, workerd, an origin, and the load, which share its cores. `paths.rs` is what is
//! asked, `cost.rs` what it comes to.

mod cost;
mod paths;

use std::{
    net::SocketAddr,
    path::Path,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use self::{
    cost::{Prices, Spent},
    paths::{PATHS, Place, Way, World},
};
use crate::{
    distance, load,
    load::{Load, Seen},
    machine::Machine,
    report::{
        Part, Row, Section, Unit,
        plot::{self, Axis, Curve},
    },
};

/// How long a rate is held in each round.
const LASTS: Duration = Duration::from_secs(2);
/// Connections of a load.
const CONNECTIONS: usize = 64;
/// Share of good answers under which a rate is more than a path bears.
const BORNE: f64 = 0.99;

/// Round-trip times that are simulated, milliseconds.
#[derive(Debug, Clone, Copy, clap::Args)]
pub struct Distances {
    /// From the visitor to the edge, milliseconds there and back.
    #[arg(long, default_value_t = 5)]
    edge: u64,
    /// From the visitor or the edge to an origin in the same region.
    #[arg(long, default_value_t = 40)]
    regional: u64,
    /// From the visitor or the edge to an origin far away.
    #[arg(long, default_value_t = 120)]
    far: u64,
}

/// What one path bore on one host at one rate.
struct Cell {
    path: usize,
    host: &'static str,
    rate: f64,
    p50: Vec<f64>,
    p99: Vec<f64>,
    good: u64,
    bad: u64,
    bytes: u64,
    spent: Spent,
    /// The harness's own lateness, milliseconds: median of the rounds' 99th hundredths.
    late: Vec<f64>,
    others: Vec<String>,
}

impl Cell {
    fn add(&mut self, seen: &Seen, spent: Spent) {
        self.p50.push(seen.quantile(0.5));
        self.p99.push(seen.quantile(0.99));
        #[expect(clippy::cast_precision_loss, reason = "a minute in microseconds")]
        self.late.push(seen.late.value_at_quantile(0.99) as f64 / 1e3);
        (self.good, self.bad, self.bytes) =
            (self.good + seen.good, self.bad + seen.bad, self.bytes + seen.bytes);
        self.spent += spent;
        self.others.extend(seen.others.iter().cloned());
    }

    #[expect(clippy::cast_precision_loss, reason = "a few hundred thousand")]
    fn share(&self) -> f64 {
        self.good as f64 / (self.good + self.bad).max(1) as f64
    }

    fn row(&self, which: &[f64]) -> Row {
        let row =
            Row::new(format!("{}: {}, {}/s", self.host, PATHS[self.path].name, self.rate), which.to_vec());
        match self.bad {
            0 => row.with("not as expected", ""),
            bad => row
                .with("not as expected", format!("{bad}: {}", self.others.first().map_or("", |other| other))),
        }
    }
}

/// Measures, prints, and leaves the part in the report's folder.
pub fn run(
    binary: &Path,
    prices: &Path,
    distances: Distances,
    rounds: u32,
    report: &Path,
) -> anyhow::Result<()> {
    let prices = Prices::read(prices)?;
    let mut world = World::start(binary)?;
    let mut sections = Vec::new();
    let cells = cells(&mut world, rounds)?;
    sections.extend(latency(&cells)?);
    sections.push(costs(&cells, &prices));
    sections.push(far(&mut world, distances, rounds)?);
    sections.iter().for_each(Section::print);
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
    let command = "cargo xtask bench edge-vs-origin".into();
    Part { name: "edge-vs-origin".into(), command, seconds, machine: Machine::here(), rounds, sections }
        .save(report)
}

/// Every path on every host at every rate, in turn.
fn cells(world: &mut World, rounds: u32) -> anyhow::Result<Vec<Cell>> {
    let mut cells = Vec::new();
    for (path, spec) in PATHS.iter().enumerate() {
        for host in world.hosts(spec.way) {
            for rate in spec.rates {
                cells.push(Cell {
                    path,
                    host,
                    rate: *rate,
                    p50: vec![],
                    p99: vec![],
                    good: 0,
                    bad: 0,
                    bytes: 0,
                    spent: Spent::default(),
                    late: vec![],
                    others: vec![],
                });
            }
        }
    }
    for round in 0..rounds {
        for cell in &mut cells {
            let spec = &PATHS[cell.path];
            eprintln!("round {} of {rounds}: {} on {}, {}/s", round + 1, spec.name, cell.host, cell.rate);
            let load = Load { rate: cell.rate, lasts: LASTS, connections: CONNECTIONS };
            let place = world.prepare(spec.way, cell.host, load)?;
            let before = world.spent(&place)?;
            let seen = measure(&place, place.address, load)?;
            let spent = world.spent(&place)? - before;
            cell.add(&seen, spent);
        }
    }
    Ok(cells)
}

fn measure(place: &Place, address: SocketAddr, load: Load) -> anyhow::Result<Seen> {
    let asks = place.asks.clone();
    let expects = place.expects;
    let ask = move |number| asks.nth(number);
    load::run(address, load, ask, move |_, reply| expects(reply.status, &reply.cache_status))
}

/// Tables and curves by path.
fn latency(cells: &[Cell]) -> anyhow::Result<Vec<Section>> {
    let late = cells.iter().flat_map(|cell| &cell.late).copied().fold(0.0, f64::max);
    let mut middle = Section {
        title: "Latency by path and rate: the median request".into(),
        about: format!(
            "Open loop on the loopback: a request counts from when it was due, {CONNECTIONS} connections, {} s a round. Hosts, origin \
             and load share the cores of this machine. The load itself was at most {late:.1} ms late for all but a hundredth \
             of its requests.",
            LASTS.as_secs()
        ),
        ..Section::default()
    };
    let mut slow = Section {
        title: "Latency by path and rate: all but the slowest hundredth".into(),
        about: "As above.".into(),
        ..Section::default()
    };
    for cell in cells {
        middle.rows.push(cell.row(&cell.p50));
        slow.rows.push(cell.row(&cell.p99));
    }
    let mut hosts: Vec<&str> = cells.iter().map(|cell| cell.host).collect();
    hosts.sort_unstable();
    hosts.dedup();
    for host in hosts {
        for (section, which) in [(&mut middle, false), (&mut slow, true)] {
            let curves = PATHS.iter().enumerate().filter_map(|(path, spec)| {
                let of = cells.iter().filter(|cell| cell.path == path && cell.host == host);
                let points = of.map(|cell| {
                    (cell.rate, Row::new("", (if which { &cell.p99 } else { &cell.p50 }).clone()).median())
                });
                let points: Vec<_> = points.collect();
                (!points.is_empty()).then(|| Curve { name: spec.name.into(), points })
            });
            let x = Axis { name: "requests per second", logarithmic: true };
            let y = Axis { name: "milliseconds", logarithmic: true };
            let title = format!("{host}: {}", if which { "99th hundredth" } else { "median" });
            section.plots.push(plot::curves(&title, x, y, &curves.collect::<Vec<_>>())?);
        }
    }
    let mut through = Section {
        title: "Throughput by path".into(),
        about: format!(
            "The highest rate of those above at which {:.0} % of the answers came, and were what was asked for: good answers per second.",
            BORNE * 100.0
        ),
        unit: Unit::RequestsPerSecond,
        ..Section::default()
    };
    for (path, spec) in PATHS.iter().enumerate() {
        for host in ["PoP", "workerd"] {
            if let Some(best) = borne(cells, path, host) {
                through.rows.push(Row::new(format!("{host}: {}", spec.name), vec![best.rate * best.share()]));
            }
        }
    }
    Ok(vec![middle, slow, through])
}

/// The highest rate that a path bore on a host.
fn borne<'a>(cells: &'a [Cell], path: usize, host: &str) -> Option<&'a Cell> {
    let of = cells.iter().filter(|cell| cell.path == path && cell.host == host);
    of.filter(|cell| cell.share() >= BORNE).max_by(|a, b| a.rate.total_cmp(&b.rate))
}

/// What a million requests of each path come to, from the CPU time that the hosts used for them.
fn costs(cells: &[Cell], prices: &Prices) -> Section {
    let mut section = Section {
        title: "Cost of a million requests by path".into(),
        about: format!(
            "The CPU time that the edge and the origin used per request, at the highest rate that was borne, and the bytes sent, by \
             these prices: {prices} Under workerd, wrangler's own proxy is counted in."
        ),
        unit: Unit::Dollars,
        ..Section::default()
    };
    for (path, spec) in PATHS.iter().enumerate() {
        for host in ["PoP", "workerd"] {
            let Some(best) = borne(cells, path, host) else { continue };
            #[expect(clippy::cast_precision_loss, reason = "a few hundred thousand")]
            let each = |sum: f64| sum / best.good.max(1) as f64;
            let (edge, origin) = (each(best.spent.edge.as_secs_f64()), each(best.spent.origin.as_secs_f64()));
            #[expect(clippy::cast_precision_loss, reason = "a few gigabytes")]
            let bytes = each(best.bytes as f64);
            let dollars = match host {
                "PoP" => prices.pop(edge, bytes),
                _ => prices.worker(edge, bytes),
            } + prices.origin(origin);
            let row = Row::new(format!("{host}: {}", spec.name), vec![dollars]);
            let ms = |seconds: f64| format!("{:.3}", seconds * 1e3);
            section.rows.push(
                row.with("edge CPU, ms", ms(edge))
                    .with("origin CPU, ms", ms(origin))
                    .with("kB", format!("{:.1}", bytes / 1e3)),
            );
        }
    }
    section
}

/// A way with distances on it, milliseconds there and back.
struct Route {
    case: String,
    way: Way,
    visitor: u64,
    origin: u64,
}

/// What a visitor waits for, with the distances in between.
fn far(world: &mut World, distances: Distances, rounds: u32) -> anyhow::Result<Section> {
    let ms = Duration::from_millis;
    let Distances { edge, regional, far } = distances;
    let mut section = Section {
        title: "What a visitor waits for, with distances".into(),
        about: format!(
            "The median request at a low rate, on kept connections, with simulated round trips: {edge} ms from the visitor to the edge, \
             {regional} ms to a regional origin, {far} ms to one far away. \"Served from\" puts the same server there \
             instead, as those do who have no edge. A relay on the loopback delays the bytes by half a round trip each way; \
             TLS, loss and bandwidth are not simulated, so that a picture of 100 kB arrives as soon as its first byte."
        ),
        ..Section::default()
    };
    let mut ways = Vec::new();
    for spec in PATHS {
        if spec.way.escalates() {
            for (name, origin) in [("regional", regional), ("far", far)] {
                let case = format!("edge, {name} origin: {}", spec.name);
                ways.push(Route { case, way: spec.way, visitor: edge, origin });
            }
        } else {
            ways.push(Route {
                case: format!("edge: {}", spec.name),
                way: spec.way,
                visitor: edge,
                origin: 0,
            });
            for (name, visitor) in [("regional", regional), ("far", far)] {
                let case = format!("served from {name}: {}", spec.name);
                ways.push(Route { case, way: spec.way, visitor, origin: 0 });
            }
        }
    }
    let mut seen: Vec<Vec<f64>> = vec![Vec::new(); ways.len()];
    let load = Load { rate: 10.0, lasts: LASTS, connections: 8 };
    for round in 0..rounds {
        for (way, seen) in ways.iter().zip(&mut seen) {
            eprintln!("round {} of {rounds}: {}", round + 1, way.case);
            let place = match way.origin {
                0 => world.prepare(way.way, "PoP", load)?,
                origin => world.prepare_far(way.way, ms(origin), load)?,
            };
            let address = distance::before(place.address, ms(way.visitor))?;
            seen.push(measure(&place, address, load)?.quantile(0.5));
        }
    }
    section.rows = ways.iter().zip(seen).map(|(way, seen)| Row::new(way.case.clone(), seen)).collect();
    Ok(section)
}
