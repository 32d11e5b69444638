//! How many renders a collection costs per request, by how its pictures are named in a cache.
//!
//! The requests are those of a trace, over and over, at an even pace; the world is a price that was, seen through a gauge
//! of one percent. Nothing is ever dropped from a cache here: what differs is only when a picture counts as another one.
#![expect(clippy::cast_precision_loss, reason = "figures for a table and a plot")]

use std::{
    collections::{HashMap, HashSet},
    fmt::Write as _,
    fs,
    path::Path,
};

use anyhow::{Context as _, ensure};
use iridule_records::gauge::{Band, Quantiser, Scale};

use crate::trace;

/// Tokens of the collection, and requests a day.
const TOKENS: u32 = 10_000;
const A_DAY: u64 = 10_000;
/// Seconds for which a picture is good where age decides.
const AGE: u64 = 300;

/// When a picture counts as another one.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Naming {
    Request,
    Age,
    Counter,
    Key,
}

const NAMINGS: [(Naming, &str, &str); 4] = [
    (Naming::Request, "every request", "#888"),
    (Naming::Age, "after 300 s", "#ffa000"),
    (Naming::Counter, "every epoch change", "#1e88e5"),
    (Naming::Key, "every epoch not seen before (ours)", "#d81b60"),
];

/// Prints the table, and draws it.
pub fn run(trace: &Path, prices: &Path, plot: Option<&Path>) -> anyhow::Result<()> {
    let requests = trace::read(trace)?;
    let rounds = read_rounds(prices)?;
    let (first, last) = (rounds[0].0, rounds[rounds.len() - 1].0);
    let days = (last - first) as f64 / 86_400.0;
    println!("| gauge | changes a day | states | a picture is made anew | renders | per request | fewer |");
    println!("|---|---|---|---|---|---|---|");
    let mut drawn = String::new();
    for (name, hysteresis) in [("1 %, hysteresis 25 %", 0.25), ("1 %, none", 0.0)] {
        let bands = bands(&rounds, hysteresis);
        let changes = bands.len() as f64 / days;
        let states = bands.iter().map(|(_, band)| *band).collect::<HashSet<_>>().len();
        let played = NAMINGS.map(|(naming, ..)| play(naming, &requests, &bands, first, last));
        for ((_, how, _), curve) in NAMINGS.iter().zip(&played) {
            let (renders, asked) = (curve[curve.len() - 1].1, curve[curve.len() - 1].0);
            let share = renders as f64 / asked as f64;
            println!(
                "| {name} | {changes:.1} | {states} | {how} | {renders} | {share:.4} | {:.1} % |",
                (1.0 - share) * 100.0
            );
        }
        if drawn.is_empty() {
            drawn = draw(&played, days);
        }
    }
    println!(
        "\n{TOKENS} tokens, {A_DAY} requests a day for {days:.0} days, {} rounds of the price.",
        rounds.len()
    );
    if let Some(plot) = plot {
        fs::write(plot, drawn).with_context(|| plot.display().to_string())?;
        println!("drawn into {}", plot.display());
    }
    Ok(())
}

/// Seconds since 1970 and price, in order. A round that has no answer or time is none.
fn read_rounds(prices: &Path) -> anyhow::Result<Vec<(u64, f64)>> {
    let text = fs::read_to_string(prices).with_context(|| prices.display().to_string())?;
    let mut rounds = Vec::new();
    for line in text.lines().skip(1) {
        let mut columns = line.split(',');
        let (Some(_), Some(answer), Some(seconds)) = (columns.next(), columns.next(), columns.next()) else {
            continue;
        };
        let (answer, seconds): (f64, u64) = (answer.parse()?, seconds.trim().parse()?);
        if answer > 0.0 && seconds > 0 {
            rounds.push((seconds, answer / 1e8));
        }
    }
    ensure!(rounds.len() > 1 && rounds.is_sorted_by_key(|round| round.0), "{}: no history", prices.display());
    Ok(rounds)
}

/// When the band changed, and to which.
fn bands(rounds: &[(u64, f64)], hysteresis: f64) -> Vec<(u64, Band)> {
    let scale = Scale::Log { from: 1000.0, step: 0.01 };
    let quantiser = Quantiser { scale, low: -400, high: 400, hysteresis, dwell: 0 };
    let mut changes: Vec<(u64, Band)> = Vec::new();
    for (seconds, price) in rounds {
        let before = changes.last().map(|change| change.1);
        match quantiser.step(*price, before) {
            Some(band) if before != Some(band) => changes.push((*seconds, band)),
            _ => {}
        }
    }
    changes
}

/// Requests and renders so far, at the end of each day.
fn play(naming: Naming, trace: &[u32], bands: &[(u64, Band)], first: u64, last: u64) -> Vec<(u64, u64)> {
    let mut made: HashMap<u32, u64> = HashMap::new();
    let mut seen: HashSet<(u32, u64)> = HashSet::new();
    let (mut renders, mut epoch, mut curve) = (0, 0, Vec::new());
    let count = (last - first) * A_DAY / 86_400;
    for number in 0..count {
        let now = first + number * 86_400 / A_DAY;
        while bands.get(epoch + 1).is_some_and(|change| change.0 <= now) {
            epoch += 1;
        }
        let item = trace[usize::try_from(number).unwrap_or(usize::MAX) % trace.len()];
        // Items in one trace are more than tokens; a multiplicative hash shares them out.
        let token = item.wrapping_mul(2_654_435_761) % TOKENS;
        let anew = match naming {
            Naming::Request => true,
            Naming::Age => {
                let anew = made.get(&token).is_none_or(|then| now - then >= AGE);
                if anew {
                    made.insert(token, now);
                }
                anew
            }
            Naming::Counter => seen.insert((token, epoch as u64)),
            Naming::Key => seen.insert((token, u64::from(bands[epoch].1.cast_unsigned()))),
        };
        renders += u64::from(anew);
        if (number + 1) % A_DAY == 0 || number + 1 == count {
            curve.push((number + 1, renders));
        }
    }
    curve
}

/// Renders so far, over time.
fn draw(curves: &[Vec<(u64, u64)>], days: f64) -> String {
    let most = curves.iter().flatten().map(|point| point.1).max().unwrap_or(1) as f64;
    let (width, height) = (700.0, 250.0);
    let mut svg = String::from(
        "<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 860 360' font-family='sans-serif' font-size='12'>\n\
         <rect width='860' height='360' fill='#fff'/>\n\
         <text x='70' y='24' font-size='14'>renders so far, millions; 10,000 tokens, 10,000 requests a day</text>\n",
    );
    let (x, y) = (|asked: f64| 70.0 + asked * width, |renders: f64| 290.0 - renders / most * height);
    for step in 0..=4 {
        let value = most * f64::from(step) / 4.0;
        // Writing to a `String` does not fail.
        let _ = writeln!(
            svg,
            "<path d='M70 {0:.1}h{width}' stroke='#eee'/><text x='62' y='{1:.1}' text-anchor='end'>{2:.2}</text>",
            y(value),
            y(value) + 4.0,
            value / 1e6
        );
        let day = days * f64::from(step) / 4.0;
        let _ = writeln!(
            svg,
            "<text x='{:.1}' y='308' text-anchor='middle'>{day:.0} days</text>",
            x(f64::from(step) / 4.0)
        );
    }
    for (at, ((_, how, colour), curve)) in NAMINGS.iter().zip(curves).enumerate() {
        let all = curve[curve.len() - 1].0 as f64;
        let points: Vec<String> = curve
            .iter()
            .map(|(asked, renders)| format!("{:.1} {:.1}", x(*asked as f64 / all), y(*renders as f64)))
            .collect();
        let (left, top) = (70 + at % 2 * 380, 328 + at / 2 * 18);
        let _ = writeln!(
            svg,
            "<path d='M{}' fill='none' stroke='{colour}' stroke-width='2'/>\n<path d='M{left} {top}h20' \
             stroke='{colour}' stroke-width='3'/><text x='{}' y='{}'>made anew {how}</text>",
            points.join("L"),
            left + 26,
            top + 4
        );
    }
    svg + "</svg>\n"
}
