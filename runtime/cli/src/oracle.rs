//! `iridule oracle`: the relay as a service, what it says of itself, proofs and keys; and `push`, a development relay in
//! one command.

use std::{
    path::{Path, PathBuf},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use anyhow::{Context as _, bail};
use clap::{ArgGroup, Subcommand};
use iridule_publish::{
    Pop,
    bounded::{SECRET_BYTES, read_text_file},
    keys,
};
use iridule_records::gauge::{Band, Gauge, Quantiser, Scale};
use iridule_relay::{
    config::Config,
    ledger::Ledger,
    limits,
    push::{Pushed, push},
    relay::Relay,
    replay::{self, History},
    statement::Values,
    status, table,
};

use crate::{
    console::{self, say},
    feeds::Setting,
    serve::stopped,
};

/// The subcommands of `iridule oracle`.
#[derive(Subcommand)]
pub enum Command {
    /// Run a relay: read feeds, keep a ledger, sign snapshots and publish them to edges.
    ///
    /// docs/how-to/run-a-relay.md says what stands in the configuration. Two relays on one ledger make a pair: one leads, the other
    /// waits to take over.
    Run(RunArgs),
    /// Show how a running relay does: feeds, collections, sinks.
    Status(StatusArgs),
    /// Compute the states once more and compare: from a relay's ledger, from the chain, or from a table of rounds.
    Replay(Box<ReplayArgs>),
    /// Make signing keys and show their public halves.
    #[command(subcommand)]
    Key(KeyCommand),
    /// Publish feed values to a PoP, signed with the development key that `iridule serve` made.
    ///
    /// Bands follow with each gauge's hysteresis. Feeds that are not set stay where they are; without any --set the
    /// snapshot is only renewed.
    Push(PushArgs),
}

/// The arguments of `iridule oracle run`.
#[derive(clap::Args)]
pub struct RunArgs {
    /// The configuration.
    #[arg(long, value_name = "FILE", default_value = "relay.toml")]
    config: PathBuf,
}

/// The arguments of `iridule oracle status`.
#[derive(clap::Args)]
pub struct StatusArgs {
    /// Where the relay's service listens.
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:3004")]
    relay: String,
    /// Print what the relay says as JSON.
    #[arg(long)]
    json: bool,
}

/// The arguments of `iridule oracle replay`.
#[derive(clap::Args)]
#[command(group = ArgGroup::new("what").required(true).args(["ledger", "config", "csv"]))]
pub struct ReplayArgs {
    /// A relay's ledger, by its folder. Every move and every snapshot in it must follow from its rounds.
    #[arg(long, value_name = "DIR")]
    ledger: Option<PathBuf>,
    /// A relay's configuration: its ledger is replayed, and the rounds are read from their sources once more.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// A table of rounds: a head line, then round_id,answer,updated_at. Says what a gauge would make of them.
    #[arg(long, value_name = "FILE")]
    csv: Option<PathBuf>,
    /// Decimals of the table's answers.
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u8).range(..=22), requires = "csv")]
    decimals: u8,
    /// A gauge of equal ratios: the lower edge of band 0, and the relative width of a band (0.01 is one percent).
    #[arg(long, value_names = ["FROM", "STEP"], num_args = 2, allow_negative_numbers = true, requires = "csv")]
    log: Option<Vec<f64>>,
    /// A gauge of equal widths: the lower edge of band 0, and the width of a band.
    #[arg(long, value_names = ["FROM", "STEP"], num_args = 2, allow_negative_numbers = true, requires = "csv", conflicts_with = "log")]
    linear: Option<Vec<f64>>,
    /// How far past an edge a value must go, as a share of a band's width.
    #[arg(long, value_name = "SHARE", default_value_t = 0.0, requires = "csv")]
    hysteresis: f64,
    /// For how long a band is kept once it is entered.
    #[arg(long, value_name = "SECONDS", default_value_t = 0, requires = "csv")]
    dwell: u32,
}

/// The subcommands of `iridule oracle key`.
#[derive(Subcommand)]
pub enum KeyCommand {
    /// Make a key in a file that only you may read, and print its public half.
    New {
        /// The file, which must not exist.
        file: PathBuf,
    },
    /// Print the public half of a key.
    Show {
        /// The file.
        file: PathBuf,
    },
}

/// The arguments of `iridule oracle push`.
#[derive(clap::Args)]
pub struct PushArgs {
    /// The PoP's write API.
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:3001")]
    to: String,
    /// The data folder of that PoP: the key and the API's token are read there.
    #[arg(long, value_name = "DIR", default_value = "data")]
    data: PathBuf,
    /// A feed's value, e.g. --set eth-usd=2345.67. May be given several times.
    #[arg(long = "set", value_name = "FEED=VALUE")]
    values: Vec<Setting>,
    /// For how long the snapshot is fresh; afterwards edges serve it as stale.
    #[arg(long, value_name = "HOURS", default_value_t = 168, value_parser = clap::value_parser!(u64).range(1..=8784))]
    hours: u64,
}

/// Where the development key lies in a data folder.
pub fn key_file(data: &Path) -> PathBuf {
    data.join("keys/relay.key")
}

/// Where the development key of the publisher lies in a data folder.
pub fn publisher_file(data: &Path) -> PathBuf {
    data.join("keys/publisher.key")
}

/// Where the key lies that an edge signs its orders to origins with.
pub fn edge_file(data: &Path) -> PathBuf {
    data.join("keys/edge.key")
}

/// Where the write API's token lies in a data folder.
pub fn token_file(data: &Path) -> PathBuf {
    data.join("keys/admin.token")
}

/// The time now, Unix milliseconds.
pub fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// Runs the subcommand.
pub fn run(command: Command) -> anyhow::Result<()> {
    match command {
        Command::Run(args) => relay(&args),
        Command::Status(args) => show(&args),
        Command::Replay(args) => replay(&args),
        Command::Key(command) => key(&command),
        Command::Push(args) => run_push(args),
    }
}

fn relay(args: &RunArgs) -> anyhow::Result<()> {
    console::log();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let ended = runtime.block_on(async {
        let config = Config::read(&args.config).map_err(anyhow::Error::msg)?;
        let mut relay = Relay::start(config).await?;
        let address = relay.address();
        console::announce(format_args!(
            "iridule oracle shows how it does on http://{address}; Ctrl-C stops\n"
        ))?;
        tokio::select! {
            ended = relay.ended() => return Ok(ended?),
            stopped = stopped() => stopped?,
        }
        tracing::info!("stopping: the sinks are given the last snapshot first");
        Ok(relay.shutdown().await?)
    });
    // A name that the system looks up takes a thread until it is found, and that must not hold up the end.
    runtime.shutdown_timeout(Duration::from_secs(1));
    ended
}

fn show(args: &StatusArgs) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let status = runtime.block_on(status::ask(&args.relay)).map_err(anyhow::Error::msg)?;
    if args.json { console::print_json(&status) } else { console::print(format_args!("{status}")) }
}

fn replay(args: &ReplayArgs) -> anyhow::Result<()> {
    if let Some(csv) = &args.csv {
        return history(csv, args);
    }
    let config = args.config.as_deref().map(Config::read).transpose().map_err(anyhow::Error::msg)?;
    let folder = args.ledger.clone().or_else(|| config.as_ref().map(|config| config.ledger.clone()));
    let ledger = Ledger::existing(&folder.context("name a ledger or a configuration")?)?;
    let replayed = replay::of_ledger(&ledger)?;
    let (rounds, moves, snapshots) = (replayed.book.rounds(), replayed.moves, replayed.snapshots);
    say!("{rounds} rounds, {moves} moves, {snapshots} snapshots: all follow from one another")?;
    for (panel, state) in replayed.book.panels() {
        let state = state.map_or_else(|| "not complete".to_owned(), |state| format!("{state} {:?}", state.0));
        say!("  {}: {state}", panel.slug)?;
    }
    if let Some(mut config) = config {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        let same = runtime.block_on(replay::against_sources(&ledger, &replayed.heights, &mut config.sources));
        for (feed, rounds) in same.map_err(anyhow::Error::msg)? {
            say!("  {feed}: {rounds} rounds are the same at the source")?;
        }
    }
    Ok(())
}

/// What a gauge makes of a table of rounds.
fn history(csv: &Path, args: &ReplayArgs) -> anyhow::Result<()> {
    let scale = match (args.log.as_deref(), args.linear.as_deref()) {
        (Some(&[from, step]), _) => Scale::Log { from, step },
        (_, Some(&[from, step])) => Scale::Linear { from, step },
        _ => bail!("say what the gauge is: --log FROM STEP or --linear FROM STEP"),
    };
    let (low, high) = (Band::MIN, Band::MAX);
    let quantiser = Quantiser { scale, low, high, hysteresis: args.hysteresis, dwell: args.dwell };
    quantiser.check().map_err(anyhow::Error::msg)?;
    let text = read_text_file(csv, limits::TABLE_BYTES).with_context(|| csv.display().to_string())?;
    let table = table::read(&text, args.decimals).map_err(anyhow::Error::msg)?;
    let history = History::of(&table.rounds, &quantiser);
    let count = |number: usize| u32::try_from(number).map_or(f64::INFINITY, f64::from);
    say!(
        "{} rounds in {:.1} days, {} passed over (missing, or no value)",
        history.rounds,
        history.days,
        table.passed_over
    )?;
    say!(
        "{} changes, {:.1} a day; {} distinct bands; {:.0} % of the changes go to a band that was there before",
        history.changes,
        count(history.changes) / history.days,
        history.distinct,
        100.0 * count(history.revisits) / count(history.changes.max(1)),
    )
}

fn key(command: &KeyCommand) -> anyhow::Result<()> {
    let key = match command {
        KeyCommand::New { file } if file.exists() => bail!("{} is there already", file.display()),
        KeyCommand::New { file } => keys::load_or_create(file)?,
        KeyCommand::Show { file } => keys::load(file)?,
    };
    say!("{}", keys::public(&key))
}

fn run_push(args: PushArgs) -> anyhow::Result<()> {
    let key =
        keys::load(&key_file(&args.data)).context("no development key; `iridule serve --data` makes one")?;
    let token_file = token_file(&args.data);
    let token = read_text_file(&token_file, SECRET_BYTES)
        .with_context(|| format!("{}: no token", token_file.display()))?;
    let pop = Pop::new(&args.to, token.trim())?;
    let values: Values = args.values.into_iter().map(|setting| (setting.feed, setting.value)).collect();
    let lifetime = Duration::from_secs(args.hours * 3600);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let lifetime_ms = u64::try_from(lifetime.as_millis())?;
    let pushed = runtime.block_on(push(&pop, &key, &values, now_ms(), lifetime_ms))?;
    report(&pushed)
}

/// Says what the push did, a line per collection.
fn report(pushed: &Pushed) -> anyhow::Result<()> {
    say!("snapshot {} published", pushed.snapshot.sequence)?;
    for (slug, gauges) in &pushed.collections {
        let bands = gauges.iter().map(|gauge| band(pushed, gauge)).collect::<Vec<_>>().join(", ");
        match pushed.snapshot.state(gauges) {
            Some(state) => say!("  {slug}: {bands}; state {state}")?,
            None => say!("  {slug}: {bands}")?,
        }
    }
    Ok(())
}

/// A gauge's band, and where it came from if it moved.
fn band(pushed: &Pushed, gauge: &Gauge) -> String {
    let id = gauge.id();
    let moved = pushed.changes.iter().find(|change| change.gauge == id);
    match (moved, pushed.snapshot.gauges.get(&id)) {
        (_, None) => format!("{} not published yet", gauge.label),
        (None, Some(band)) => format!("{} stays in band {band}", gauge.label),
        (Some(change), Some(band)) => match change.before {
            Some(before) => format!("{} moves from band {before} to {band}", gauge.label),
            None => format!("{} enters band {band}", gauge.label),
        },
    }
}
