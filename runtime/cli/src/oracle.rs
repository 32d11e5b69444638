//! `iridule oracle`: what a relay does. Now: `push`, a development relay in one command.

use std::{
    fs,
    path::{Path, PathBuf},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use anyhow::Context as _;
use clap::Subcommand;
use iridule_core::gauge::Gauge;
use iridule_oracle::{
    push::{Pushed, push},
    statement::Values,
};
use iridule_publish::{Pop, keys};

use crate::feeds::Setting;

/// The subcommands of `iridule oracle`.
#[derive(Subcommand)]
pub enum Command {
    /// Publish feed values to a PoP, signed with the development key that `iridule serve` made.
    ///
    /// Bands follow with each gauge's hysteresis. Feeds that are not set stay where they are; without any --set the
    /// snapshot is only renewed.
    Push(PushArgs),
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
    let Command::Push(args) = command;
    let key =
        keys::load(&key_file(&args.data)).context("no development key; `iridule serve --data` makes one")?;
    let token_file = token_file(&args.data);
    let token =
        fs::read_to_string(&token_file).with_context(|| format!("{}: no token", token_file.display()))?;
    let pop = Pop::new(&args.to, token.trim())?;
    let values: Values = args.values.into_iter().map(|setting| (setting.feed, setting.value)).collect();
    let lifetime = Duration::from_secs(args.hours * 3600);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let lifetime_ms = u64::try_from(lifetime.as_millis())?;
    let pushed = runtime.block_on(push(&pop, &key, &values, now_ms(), lifetime_ms))?;
    report(&pushed);
    Ok(())
}

/// Says what the push did, a line per collection.
#[expect(clippy::print_stdout, reason = "the command's result")]
fn report(pushed: &Pushed) {
    println!("snapshot {} published", pushed.snapshot.sequence);
    for (slug, gauges) in &pushed.collections {
        let bands = gauges.iter().map(|gauge| band(pushed, gauge)).collect::<Vec<_>>().join(", ");
        match pushed.snapshot.state(gauges) {
            Some(state) => println!("  {slug}: {bands}; state {state}"),
            None => println!("  {slug}: {bands}"),
        }
    }
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
