//! A style that is live: `publish`, `rollback`, `list`.

use std::{env, path::PathBuf};

use anyhow::{Context as _, bail};
use cid::Cid;
use ed25519_dalek::SigningKey;
use indicatif::{ProgressBar, ProgressStyle};
use iridule_publish::{
    Address, Place,
    bounded::{SECRET_BYTES, read_text_file},
    keys,
};
use iridule_records::{
    collection::Collection,
    signed::{TrustedKeys, key_id},
};
use iridule_scene::variant::Variant;
use iridule_studio::{
    BuiltStyle,
    release::{self, ListedCollection, Release},
};
use iridule_style::plan::{Plan, plan};

use crate::{
    console::{self, note, say},
    oracle::{publisher_file, token_file},
    sandboxed::{Bounds, block_on},
    shipped,
};

/// Where to publish, and as whom.
#[derive(clap::Args)]
pub struct Target {
    /// A PoP's write API (http://HOST:PORT), Workers KV (kv:ACCOUNT/NAMESPACE), a running `wrangler dev`
    /// (wrangler:HOST:PORT), or the Redis of a Spin application (redis://HOST:PORT/DB).
    ///
    /// The PoP's token is taken from IRIDULE_TOKEN or from the data folder, Cloudflare's from CLOUDFLARE_API_TOKEN.
    #[arg(long, value_name = "PLACE", default_value = "http://127.0.0.1:3001")]
    to: Address,
    /// The data folder of a PoP on this machine: the publisher's key and the write API's token are read there.
    #[arg(long, value_name = "DIR", default_value = "data")]
    data: PathBuf,
    /// The publisher's signing key, instead of the data folder's. Made if it is not there.
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
}

/// The arguments of `iridule style publish`.
#[derive(clap::Args)]
pub struct PublishArgs {
    /// A folder with a style.toml, or a shipped style.
    style: String,
    /// The collection that shows it, by slug; the folder's name when not given.
    #[arg(long, value_name = "SLUG")]
    collection: Option<String>,
    /// Try it on a share of the tokens, in percent, beside the style that is live. Tokens are split by their seeds: one
    /// that shows the new style keeps it as the share grows.
    #[arg(long, value_name = "PERCENT", value_parser = share)]
    canary: Option<u16>,
    #[command(flatten)]
    bounds: Bounds,
    #[command(flatten)]
    target: Target,
}

/// The arguments of `iridule style rollback`.
#[derive(clap::Args)]
pub struct RollbackArgs {
    /// The collection, by slug.
    collection: String,
    /// The style to go back to; the one before when not given. `iridule style list` names them.
    #[arg(long, value_name = "CID", value_parser = identity)]
    style: Option<Cid>,
    #[command(flatten)]
    target: Target,
}

/// The arguments of `iridule style list`.
#[derive(clap::Args)]
pub struct ListArgs {
    #[command(flatten)]
    target: Target,
}

/// A style's identity.
fn identity(text: &str) -> Result<Cid, String> {
    Cid::try_from(text).map_err(|why| format!("{text:?} is no CID: {why}"))
}

/// A share in percent, as parts of 10,000.
fn share(text: &str) -> Result<u16, String> {
    let percent: f64 = text.trim_end_matches('%').parse().map_err(|_| format!("{text:?} is no number"))?;
    if !(0.01..=100.0).contains(&percent) {
        return Err("a share is 0.01 to 100 percent".into());
    }
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "1 to 10,000")]
    Ok((percent * 100.0).round() as u16)
}

/// Runs `iridule style publish`.
pub(super) fn publish(args: &PublishArgs) -> anyhow::Result<()> {
    // Built and loaded as an edge would load it.
    let (_, mut built) = block_on(args.bounds.build(&shipped::folder(&args.style)?))?;
    if let Some(slug) = &args.collection {
        built.collection.slug.clone_from(slug);
        built.collection.check().map_err(anyhow::Error::msg)?;
    }
    warn_of_cost(&built)?;
    let key = args.target.key()?;
    let bar = ProgressBar::new(built.blocks().len() as u64)
        .with_style(ProgressStyle::with_template("{bar:40} {pos}/{len} blocks")?);
    let release = block_on(async {
        let place = args.target.open().await?;
        Ok(release::publish(&place, &built, &key, args.canary, |_| bar.inc(1)).await?)
    })?;
    bar.finish_and_clear();
    report(&release, &args.target, &key)
}

/// Runs `iridule style rollback`.
pub(super) fn rollback(args: &RollbackArgs) -> anyhow::Result<()> {
    let key = args.target.key()?;
    let release = block_on(async {
        let place = args.target.open().await?;
        Ok(release::rollback(&place, &args.collection, args.style, &key).await?)
    })?;
    report(&release, &args.target, &key)
}

/// Runs `iridule style list`.
pub(super) fn list(args: &ListArgs) -> anyhow::Result<()> {
    let publishers = TrustedKeys::parse(&keys::public(&args.target.key()?)).map_err(anyhow::Error::msg)?;
    let all = block_on(async {
        let place = args.target.open().await?;
        Ok(release::list(&place, &publishers).await?)
    })?;
    if all.is_empty() {
        say!("no collections on {}", args.target.to)?;
    }
    for ListedCollection { slug, record } in all {
        match record {
            Ok(record) => describe(&record)?,
            Err(why) => say!("{slug}: {why}")?,
        }
    }
    Ok(())
}

fn describe(record: &Collection) -> anyhow::Result<()> {
    let Collection { slug, name, supply, sequence, style, canary, history, .. } = record;
    say!("{slug}: {name}, {supply} tokens, record {sequence}")?;
    say!("  shows  {style}")?;
    if let Some(canary) = canary {
        say!("  tries  {} on {}", canary.style, percent(canary.share))?;
    }
    for style in history {
        say!("  before {style}")?;
    }
    Ok(())
}

fn percent(share: u16) -> String {
    format!("{}.{:02} % of its tokens", share / 100, share % 100)
}

/// Says what a release did.
fn report(release: &Release, target: &Target, key: &SigningKey) -> anyhow::Result<()> {
    let Release { record, new_blocks, .. } = release;
    if !release.changed() {
        return say!("{} shows it already: record {} stays", record.slug, record.sequence);
    }
    say!("record {} of {} published on {}", record.sequence, record.slug, target.to)?;
    say!("  shows  {}", record.style)?;
    if let Some(canary) = &record.canary {
        say!("  tries  {} on {}", canary.style, percent(canary.share))?;
    }
    if *new_blocks > 0 {
        say!("  {new_blocks} new blocks")?;
    }
    if !matches!(target.to, Address::Pop(_)) {
        say!(
            "edges take it from {} when publisher_keys has {}",
            key_id(&key.verifying_key()),
            keys::public(key)
        )?;
    }
    Ok(())
}

/// A style that no edge can paint at its own size is published all the same, but not in silence.
fn warn_of_cost(built: &BuiltStyle) -> anyhow::Result<()> {
    let manifest = &built.package.manifest;
    let master = Variant::master(&manifest.canvas.canvas())?;
    if let Plan::Escalate(reason) = plan(manifest, &master) {
        note!("warning: no edge paints it at the size of its canvas: {reason}");
    }
    Ok(())
}

impl Target {
    async fn open(&self) -> anyhow::Result<Place> {
        Ok(Place::open(&self.to, &self.token()?).await?)
    }

    /// The key. One that was named and is not there is made, since a publisher must start somewhere.
    fn key(&self) -> anyhow::Result<SigningKey> {
        match &self.key {
            Some(file) => {
                let made = !file.exists();
                let key = keys::load_or_create(file)?;
                if made {
                    let (path, public) = (file.display(), keys::public(&key));
                    console::announce(format_args!("made the key {path}; its public half is {public}\n"))?;
                }
                Ok(key)
            }
            None => keys::load(&publisher_file(&self.data))
                .context("no publisher's key; `iridule serve --data` makes one, or name one with --key"),
        }
    }

    fn token(&self) -> anyhow::Result<String> {
        let variable = match self.to {
            Address::Pop(_) => "IRIDULE_TOKEN",
            Address::Kv { .. } => "CLOUDFLARE_API_TOKEN",
            Address::Wrangler(_) | Address::Redis(_) | Address::Folder(_) => return Ok(String::new()),
        };
        match env::var(variable) {
            Ok(token) => Ok(token),
            Err(_) if matches!(self.to, Address::Kv { .. }) => {
                bail!("set {variable} to a token for Workers KV")
            }
            Err(_) => {
                let file = token_file(&self.data);
                let token = read_text_file(&file, SECRET_BYTES)
                    .with_context(|| format!("{}: no token; set {variable}, or --data", file.display()))?;
                Ok(token.trim().to_owned())
            }
        }
    }
}
