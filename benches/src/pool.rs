//! A PoP and three origins on this machine, for real: what visitors get while one origin is killed and another is slow, and
//! when ten thousand of them come at an epoch change.
//!
//! Load is open: requests are sent when they are due, whatever became of those before, and their time counts from then.
#![expect(clippy::cast_precision_loss, reason = "figures for a table and a plot")]

use std::{
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use anyhow::{Context as _, ensure};
use iridule_publish::keys;
use reqwest::Client;
use tempfile::TempDir;
use tokio::{task::JoinSet, time::sleep_until};

use crate::running::Running;

const EDGE: u16 = 8390;
const ADMIN: u16 = 8389;
const ORIGINS: [u16; 3] = [8391, 8392, 8393];

/// Requests a second of the outage, and when its phases end, seconds.
const RATE: u32 = 24;
const PHASES: [(&str, u64); 3] = [("all well", 12), ("one killed, one slow", 30), ("all well again", 48)];
/// An origin that is slow stands still for so long out of 300 ms.
const STANDS: Duration = Duration::from_millis(250);

/// Visitors of the storm, over so many seconds, and the tokens that they look at.
const VISITORS: u32 = 10_000;
const SECONDS: u32 = 10;
const TOKENS: u32 = 50;
/// How long visitors stay away after an epoch change, where that is asked.
const PAUSE: Duration = Duration::from_secs(5);

/// The machines of the bench.
struct Machines {
    binary: PathBuf,
    home: TempDir,
    _edge: Running,
    origins: Vec<Option<Running>>,
}

impl Machines {
    fn start(binary: &Path, ahead: bool) -> anyhow::Result<Self> {
        let home = TempDir::new()?;
        let mut command = Command::new(binary);
        command.args(["serve", "--listen", &format!("127.0.0.1:{EDGE}")]);
        command.args(["--admin", &format!("127.0.0.1:{ADMIN}"), "--data"]).arg(home.path());
        if !ahead {
            command.arg("--no-ahead");
        }
        // The origins share this folder, and with it their key.
        let key = keys::load_or_create(&home.path().join("keys/origin.key"))?;
        for port in ORIGINS {
            command.args(["--origin", &format!("http://127.0.0.1:{port};key={}", keys::public(&key))]);
        }
        let (edge, _) = Running::start(command, ["serves on"])?;
        let mut machines = Self { binary: binary.into(), home, _edge: edge, origins: vec![] };
        for number in 0..ORIGINS.len() {
            let origin = machines.origin(number)?;
            machines.origins.push(Some(origin));
        }
        Ok(machines)
    }

    /// An origin that knows the edge by the key in its folder.
    fn origin(&self, number: usize) -> anyhow::Result<Running> {
        let mut command = Command::new(&self.binary);
        command.args(["origin", "--listen", &format!("127.0.0.1:{}", ORIGINS[number]), "--data"]);
        command.arg(self.home.path()).args(["--origin-painters", "1", "--origin-store"]);
        command.arg(format!("file://{}", self.home.path().join(format!("store-{number}")).display()));
        Ok(Running::start(command, ["takes orders"])?.0)
    }

    fn push(&self, price: &str) -> anyhow::Result<()> {
        let mut command = Command::new(&self.binary);
        command.args([
            "oracle",
            "push",
            "--to",
            &format!("http://127.0.0.1:{ADMIN}"),
            "--set",
            price,
            "--data",
        ]);
        let pushed = command.arg(self.home.path()).stdout(Stdio::null()).status()?;
        ensure!(pushed.success(), "the push failed");
        Ok(())
    }
}

/// What a visitor got.
#[derive(Debug, Clone)]
struct Answer {
    /// When it was due, from the start of the load.
    due: Duration,
    took: Duration,
    good: bool,
    interim: bool,
}

/// Sends requests when they are due.
async fn load(due: impl Iterator<Item = (Duration, String)>) -> anyhow::Result<Vec<Answer>> {
    let client = Client::builder().pool_max_idle_per_host(512).build()?;
    let answers = Arc::new(Mutex::new(Vec::new()));
    let start = tokio::time::Instant::now();
    let mut tasks = JoinSet::new();
    for (due, path) in due {
        sleep_until(start + due).await;
        let (client, answers) = (client.clone(), answers.clone());
        tasks.spawn(async move {
            let answer = client.get(format!("http://127.0.0.1:{EDGE}{path}")).send().await;
            let (status, interim) = match &answer {
                Ok(answer) => {
                    let said = answer.headers().get_all("cache-status").iter();
                    let interim = said.filter_map(|v| v.to_str().ok()).any(|v| v.contains("interim"));
                    (answer.status().as_u16(), interim)
                }
                Err(_) => (0, false),
            };
            let whole = match answer {
                Ok(answer) => answer.bytes().await.is_ok_and(|body| !body.is_empty()),
                Err(_) => false,
            };
            let took = start.elapsed().saturating_sub(due);
            let answer = Answer { due, took, good: status == 200 && whole, interim };
            if let Ok(mut answers) = answers.lock() {
                answers.push(answer);
            }
        });
    }
    while let Some(done) = tasks.join_next().await {
        done?;
    }
    let answers = answers.lock().map_err(|_| anyhow::anyhow!("a visitor panicked"))?.clone();
    Ok(answers)
}

/// The time that this share of the answers took at most, milliseconds.
fn share(answers: &[&Answer], of: f64) -> f64 {
    let mut times: Vec<Duration> = answers.iter().map(|answer| answer.took).collect();
    times.sort_unstable();
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a place in a list")]
    let at = ((times.len() as f64 * of) as usize).min(times.len().saturating_sub(1));
    times.get(at).map_or(0.0, |time| time.as_secs_f64() * 1e3)
}

fn row(name: &str, answers: &[&Answer]) {
    let interim = answers.iter().filter(|answer| answer.interim).count();
    let bad = answers.iter().filter(|answer| !answer.good).count();
    println!(
        "| {name} | {} | {:.0} | {:.0} | {:.0} | {:.1} % | {bad} |",
        answers.len(),
        share(answers, 0.5),
        share(answers, 0.99),
        share(answers, 1.0),
        100.0 * interim as f64 / answers.len().max(1) as f64
    );
}

const HEAD: &str =
    "| requests | p50, ms | p99, ms | slowest, ms | interim | not a picture |\n|---|---|---|---|---|---|---|";

/// Prints the tables, and draws the outage.
pub fn run(binary: &Path, plot: Option<&Path>) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let mut machines = Machines::start(binary, false)?;
    println!(
        "{RATE} requests a second for AVIF pictures of 96 px, which no edge makes; every other one is new.\n"
    );
    let answers = outage(&runtime, &mut machines)?;
    println!("| phase {HEAD}");
    let mut from = 0;
    for (name, to) in PHASES {
        let within = |answer: &&Answer| (from..to).contains(&answer.due.as_secs());
        row(name, &answers.iter().filter(within).collect::<Vec<_>>());
        from = to;
    }
    if let Some(plot) = plot {
        fs::write(plot, draw(&answers)).with_context(|| plot.display().to_string())?;
        println!("\ndrawn into {}", plot.display());
    }
    drop(machines);
    for (ahead, pause) in [(false, Duration::ZERO), (false, PAUSE), (true, PAUSE)] {
        let how = if ahead { "made ahead" } else { "nothing made ahead" };
        println!(
            "\n{VISITORS} visitors of {TOKENS} tokens within {SECONDS} s, from {} s after an epoch change; {how}.\n",
            pause.as_secs()
        );
        let (answers, renders) = storm(&runtime, &Machines::start(binary, ahead)?, pause)?;
        println!("| second {HEAD}");
        for second in 0..u64::from(SECONDS) {
            let within = |answer: &&Answer| answer.due.as_secs() == second;
            row(&format!("{}", second + 1), &answers.iter().filter(within).collect::<Vec<_>>());
        }
        row("all", &answers.iter().collect::<Vec<_>>());
        println!("\n{renders} renders of {TOKENS} keys");
    }
    Ok(())
}

fn outage(runtime: &tokio::runtime::Runtime, machines: &mut Machines) -> anyhow::Result<Vec<Answer>> {
    let last = PHASES[PHASES.len() - 1].1;
    let due = (0..RATE * u32::try_from(last)?).map(|number| {
        // Every other request is for a token that nobody asked for before.
        let token = if number % 2 == 0 { 1 + number / 2 } else { 1 + number / 2 * 7 % (number / 2 + 1) };
        (Duration::from_secs(number.into()) / RATE, format!("/t/orbits/{token}.avif?w=96"))
    });
    let start = Instant::now();
    let loading = runtime.spawn(load(due));
    let until = |seconds: u64| {
        std::thread::sleep(Duration::from_secs(seconds).saturating_sub(start.elapsed()));
    };
    until(PHASES[0].1);
    machines.origins[0] = None;
    let slow = machines.origins[1].as_ref().context("the second origin")?;
    while start.elapsed() < Duration::from_secs(PHASES[1].1) {
        slow.signal("-STOP")?;
        std::thread::sleep(STANDS);
        slow.signal("-CONT")?;
        std::thread::sleep(Duration::from_millis(300) - STANDS);
    }
    machines.origins[0] = Some(machines.origin(0)?);
    runtime.block_on(loading)?
}

fn storm(
    runtime: &tokio::runtime::Runtime,
    machines: &Machines,
    pause: Duration,
) -> anyhow::Result<(Vec<Answer>, u64)> {
    let path = |token: u32| format!("/t/orbits/{token}.avif?w=128");
    // Everyone has looked at them before, in the state before.
    for _ in 0..2 {
        let warm = (0..TOKENS).map(|token| (Duration::from_millis(100) * token, path(1 + token)));
        runtime.block_on(load(warm))?;
    }
    let before = runtime.block_on(renders())?;
    machines.push("eth-usd=3900")?;
    std::thread::sleep(pause);
    let mut state = 1u32;
    let due = (0..VISITORS).map(|number| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let due = Duration::from_secs(SECONDS.into()) * number / VISITORS;
        // The first of them look at each token once, so that no key is left out.
        let token = if number < TOKENS { number } else { (state >> 8) % TOKENS };
        (due, path(1 + token))
    });
    let answers = runtime.block_on(load(due.collect::<Vec<_>>().into_iter()))?;
    Ok((answers, runtime.block_on(renders())? - before))
}

/// Renders that the origins have made so far.
async fn renders() -> anyhow::Result<u64> {
    let mut all = 0;
    for port in ORIGINS {
        let text = reqwest::get(format!("http://127.0.0.1:{port}/metrics")).await?.text().await?;
        let lines = text.lines().filter(|line| line.starts_with("iridule_origin_renders_total"));
        all += lines.filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok()).sum::<u64>();
    }
    Ok(all)
}

/// The slowest hundredth and the interim share, by second.
fn draw(answers: &[Answer]) -> String {
    let last = PHASES[PHASES.len() - 1].1;
    let of = |second: u64| -> Vec<&Answer> {
        answers.iter().filter(|answer| answer.due.as_secs() == second).collect()
    };
    let slow: Vec<f64> = (0..last).map(|second| share(&of(second), 0.99)).collect();
    let interim = |second: u64| {
        let all = of(second);
        all.iter().filter(|answer| answer.interim).count() as f64 / all.len().max(1) as f64
    };
    let most = slow.iter().copied().fold(100.0, f64::max);
    let x = |second: f64| 60.0 + second * 740.0 / last as f64;
    let mut svg = String::from(
        "<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 860 330' font-family='sans-serif' font-size='12'>\n\
         <rect width='860' height='330' fill='#fff'/>\n",
    );
    let mut from = 0;
    for (at, (name, to)) in PHASES.iter().enumerate() {
        let (left, right) = (x(from as f64), x(*to as f64));
        let fill = if at == 1 { "#fff3e0" } else { "#f5f5f5" };
        // Writing to a `String` does not fail.
        let _ = writeln!(
            svg,
            "<rect x='{left:.1}' y='40' width='{:.1}' height='230' fill='{fill}'/><text x='{:.1}' y='30' \
             text-anchor='middle'>{name}</text>",
            right - left,
            (left + right) / 2.0
        );
        from = *to;
    }
    for step in 0..=4 {
        let share = f64::from(step) / 4.0;
        let y = 270.0 - share * 230.0;
        let _ = writeln!(
            svg,
            "<text x='54' y='{0:.1}' text-anchor='end'>{1:.0} ms</text><text x='806' y='{0:.1}'>{2:.0} %</text>",
            y + 4.0,
            most * share,
            share * 100.0
        );
    }
    for second in (0..=last).step_by(6) {
        let _ =
            writeln!(svg, "<text x='{:.1}' y='288' text-anchor='middle'>{second} s</text>", x(second as f64));
    }
    let line = |of: &dyn Fn(u64) -> f64| {
        let point = |second: u64| format!("{:.1} {:.1}", x(second as f64 + 0.5), 270.0 - of(second) * 230.0);
        (0..last).map(point).collect::<Vec<_>>().join("L")
    };
    let at = |second: u64| slow[usize::try_from(second).unwrap_or(0)] / most;
    for (points, colour, name, left) in [
        (line(&at), "#d81b60", "slowest hundredth", 60),
        (line(&interim), "#1e88e5", "share of pictures that stand in", 260),
    ] {
        let _ = writeln!(
            svg,
            "<path d='M{points}' fill='none' stroke='{colour}' stroke-width='2'/><path d='M{left} 312h20' \
             stroke='{colour}' stroke-width='3'/><text x='{}' y='316'>{name}</text>",
            left + 26
        );
    }
    svg + "</svg>\n"
}
