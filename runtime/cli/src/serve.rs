//! `iridule serve`: a PoP with the demo collections, ready on a fresh machine.
//!
//! On first start it makes what it needs in the data folder: a development key for the relay, a token for the write
//! API, the demo collections, and a first snapshot. Later starts find them there.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    net::SocketAddr,
    num::NonZeroUsize,
    path::{Path, PathBuf},
    thread,
};

use alloy_primitives::hex;
use anyhow::Context as _;
use ed25519_dalek::SigningKey;
use iridule_edge::limits;
use iridule_origin_api::pool::Member;
use iridule_pop::{
    AllowedHost, CacheLimits, Config, Limits, Pop, PopError, Proxy, ProxyConfig, Records, Refused,
    StoreError, Tls, TrustedProxy,
};
use iridule_publish::{
    bounded::{SECRET_BYTES, read_text_file},
    keys,
};
use iridule_records::{collection::Collection, signed::TrustedKeys};
use iridule_relay::statement::{self, Values};
use tokio::{runtime::Builder, signal};

use crate::{
    compiling, console,
    oracle::{edge_file, key_file, now_ms, publisher_file, token_file},
    origin::{Painting, origin_key},
    secrets,
    shipped::SHIPPED,
};

/// The component, built with this binary.
const COMPONENT: &[u8] = include_bytes!(env!("IRIDULE_COMPONENT"));

/// The arguments of `iridule serve`.
#[derive(clap::Args)]
pub struct Args {
    /// Where visitors are served.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:3000")]
    listen: SocketAddr,
    /// Where publishers write (with the token) and monitors read /metrics. Keep it on the loopback.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:3001")]
    admin: SocketAddr,
    /// The folder of all state. Made if it is not there.
    #[arg(long, value_name = "DIR", default_value = "data")]
    data: PathBuf,
    /// The scheme and host that metadata names pictures under, e.g. `https://img.example`. Those of the request when not
    /// given.
    #[arg(long, value_name = "URL")]
    public_url: Option<String>,
    /// A further relay's public key whose snapshots are believed, besides that of DIR/keys/relay.key: another relay's, or
    /// the next key while keys are changed. May be given several times.
    #[arg(long, value_name = "KEY")]
    trust: Vec<String>,
    /// Leave the demo collections out.
    #[arg(long)]
    no_demo: bool,
    /// Serve visitors over TLS with this certificate chain, as PEM.
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    tls_cert: Option<PathBuf>,
    /// The certificate's private key, as PEM.
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    tls_key: Option<PathBuf>,
    /// Threads that serve; one for each core when not given.
    #[arg(long, value_name = "N")]
    workers: Option<NonZeroUsize>,
    /// Requests per second of one address, in bursts of twice that; 0 for no bound.
    #[arg(long, value_name = "N", default_value_t = 0)]
    rate: u32,
    /// A proxy, or a range of them like 10.0.0.0/8, whose `Forwarded` or `X-Forwarded-*` is believed: it says which scheme and
    /// host a client asked for, and by which address the client is counted. May be given several times.
    #[arg(long = "trusted-proxy", value_name = "CIDR")]
    trusted_proxies: Vec<TrustedProxy>,
    /// Memory for all that this process does, MiB, at least 256; caches and guests are made to fit. Seven eighths of the
    /// limit of its cgroup, or half of the system's memory, when not given.
    #[arg(long, value_name = "MIB", value_parser = clap::value_parser!(u32).range(256..))]
    memory: Option<u32>,
    #[command(flatten)]
    cache: Caching,
    #[command(flatten)]
    pool: Pool,
    #[command(flatten)]
    painting: Painting,
    /// Serve no collections: be a cache before this HTTP origin, e.g. `http://127.0.0.1:8000`.
    #[arg(long, value_name = "URL", conflicts_with_all = ["no_cache", "no_demo", "public_url"])]
    proxy: Option<AllowedHost>,
}

/// What the HTTP cache in front keeps.
#[derive(clap::Args)]
struct Caching {
    /// Memory for cached responses, MiB.
    #[arg(long, value_name = "MIB", default_value_t = 64)]
    cache_memory: usize,
    /// Disk for cached responses, MiB, in the data folder; 0 keeps them in memory only.
    #[arg(long, value_name = "MIB", default_value_t = 0)]
    cache_disk: usize,
    /// Let every request through to the functions.
    #[arg(long)]
    no_cache: bool,
}

/// Who paints what is too dear for this edge.
#[derive(clap::Args)]
struct Pool {
    /// An origin to send such renders to, e.g. `https://origin.example;key=KEY;region=fra;weight=2;price=1`, with the public
    /// key that the origin prints when it starts. May be given several times. It must know this edge: `iridule origin
    /// --edge`. Without any, this process is its own origin.
    #[arg(long = "origin", value_name = "URL", conflicts_with = "proxy")]
    origins: Vec<String>,
    /// Refuse what is too dear for an edge.
    #[arg(long, conflicts_with = "origins")]
    no_origin: bool,
    /// Make nothing ahead: leave the pictures of origins to the first visitor after an epoch change.
    #[arg(long)]
    no_ahead: bool,
    /// Where this edge is; origins of the same region are asked first.
    #[arg(long, value_name = "NAME", default_value = "")]
    region: String,
    /// How long a visitor waits for an origin before something else is shown, milliseconds.
    #[arg(long, value_name = "MS", default_value_t = 300, value_parser = clap::value_parser!(u64).range(..=limits::PATIENCE_MS))]
    patience: u64,
}

impl Args {
    fn tls(&self) -> Option<Tls> {
        Some(Tls { certificate: self.tls_cert.clone()?, key: self.tls_key.clone()? })
    }

    fn scheme(&self) -> &'static str {
        if self.tls_cert.is_some() { "https" } else { "http" }
    }

    fn limits(&self) -> Limits {
        let trusted_proxies = self.trusted_proxies.clone();
        Limits { requests_per_second: self.rate, trusted_proxies, ..Limits::default() }
    }
}

impl Caching {
    fn limits(&self, data: &Path) -> CacheLimits {
        let mebibytes = |count: usize| count.saturating_mul(1 << 20);
        CacheLimits {
            memory: mebibytes(self.cache_memory),
            disk: mebibytes(self.cache_disk),
            ..CacheLimits::new(data.join("cache"))
        }
    }
}

/// What the demo feeds say until a relay speaks: the price of an ether when this was written, and any value would do.
const DEMO_VALUES: [(&str, f64); 3] = [("eth-usd", 2500.0), ("weather", 20.0), ("mood", 0.5)];

/// Memory that is left to the origin of this process: one of the largest pictures, with what is painted below it.
const OWN_ORIGIN_BYTES: usize = 128 << 20;

/// For how long the first snapshot is fresh.
const DEMO_LIFETIME_MS: u64 = 7 * 24 * 3600 * 1000;

/// Runs the subcommand until it is told to stop.
pub fn run(args: Args) -> anyhow::Result<()> {
    console::log();
    let workers =
        args.workers.map_or_else(|| thread::available_parallelism().map_or(1, usize::from), usize::from);
    let mut runtime = match (workers, &args.proxy) {
        // Without guests a lone worker needs nobody to share with.
        (1, Some(_)) => Builder::new_current_thread(),
        _ => Builder::new_multi_thread(),
    };
    runtime.enable_all().worker_threads(workers);
    match args.proxy.clone() {
        Some(origin) => runtime.build()?.block_on(proxy(origin, &args)),
        None => runtime.build()?.block_on(serve(&args)),
    }
}

async fn proxy(origin: AllowedHost, args: &Args) -> anyhow::Result<()> {
    let cache = args.cache.limits(&args.data);
    let config = ProxyConfig {
        origin: origin.clone(),
        listen: args.listen,
        tls: args.tls(),
        cache,
        limits: args.limits(),
    };
    let proxy = Proxy::start(config).await?;
    let (scheme, address) = (args.scheme(), proxy.address());
    console::announce(format_args!("iridule caches {origin} on {scheme}://{address}; Ctrl-C stops\n"))?;
    stopped().await?;
    tracing::info!("stopping: requests under way are finished first");
    proxy.shutdown().await;
    Ok(())
}

async fn serve(args: &Args) -> anyhow::Result<()> {
    let keys = Keys::of(&args.data, &args.trust)?;
    let token = admin_token(&args.data)?;
    warn_of_open_secrets(args);
    let mut config = Config::new(COMPONENT, &args.data);
    config.listen = args.listen;
    config.admin = args.admin;
    config.tls = args.tls();
    config.limits = args.limits();
    config.cache = (!args.cache.no_cache).then(|| args.cache.limits(&args.data));
    config.memory = args.memory.map(|mebibytes| (mebibytes as usize).saturating_mul(1 << 20));
    config.compiling = compiling::show;
    config.ahead = !args.pool.no_ahead;
    config.trusted = keys.trusted.clone();
    config.publishers = keys.publishers.clone();
    config.admin_token = Some(token);
    config.variables = BTreeMap::from([
        ("public_url".to_owned(), args.public_url.clone().unwrap_or_default()),
        ("trusted_keys".to_owned(), keys.relays.clone()),
        ("publisher_keys".to_owned(), keys::public(&keys.publisher)),
        ("refresh_ms".to_owned(), "0".to_owned()),
        ("edge_key".to_owned(), hex::encode(keys.edge.to_bytes())),
        ("region".to_owned(), args.pool.region.clone()),
        ("patience_ms".to_owned(), args.pool.patience.to_string()),
    ]);
    let origin = if args.pool.no_origin || !args.pool.origins.is_empty() {
        None
    } else {
        let edges = TrustedKeys::parse(&keys::public(&keys.edge)).map_err(anyhow::Error::msg)?;
        let loopback = SocketAddr::from(([127, 0, 0, 1], 0));
        Some(args.painting.start(loopback, &args.data, edges).await?)
    };
    config.reserved_memory = origin.as_ref().map_or(0, |_| OWN_ORIGIN_BYTES);
    // Whatever this edge's region is, its own origin is in it.
    let region = Some(&args.pool.region).filter(|region| !region.is_empty());
    let region = region.map_or_else(String::new, |region| format!(";region={region}"));
    let own = origin.as_ref().map(|origin| {
        let key = keys::public(&origin_key(&args.data)?);
        Ok::<_, anyhow::Error>(format!("http://{};key={key}{region}", origin.address()))
    });
    let own = own.transpose()?;
    let origins = args.pool.origins.iter().cloned().chain(own).collect::<Vec<_>>().join(",");
    for member in Member::parse_list(&origins).map_err(anyhow::Error::msg)? {
        let host: AllowedHost = member.url.parse().map_err(anyhow::Error::msg)?;
        config.allowed_hosts.push(host.inner());
    }
    config.variables.insert("origins".to_owned(), origins);
    let pop = Pop::start_with(config, async |records: &Records| {
        if args.no_demo { Ok(()) } else { seed_if_there_is_room(records, &keys).await }
    })
    .await
    .map_err(|why| match why {
        StartError::Pop(why) => anyhow::Error::new(why),
        StartError::Seed(why) => why.context("seeding the demo collections"),
    })?;
    announce(&pop, args.scheme(), args.no_demo)?;
    stopped().await?;
    tracing::info!("stopping: requests under way are finished first");
    pop.shutdown().await;
    if let Some(origin) = origin {
        origin.shutdown().await;
    }
    Ok(())
}

/// The development keys of a data folder, made where there are none.
struct Keys {
    relay: SigningKey,
    /// The public keys of the relays that are believed.
    relays: String,
    trusted: TrustedKeys,
    publisher: SigningKey,
    publishers: TrustedKeys,
    /// Signs orders to origins.
    edge: SigningKey,
}

impl Keys {
    fn of(data: &Path, further: &[String]) -> anyhow::Result<Self> {
        let (relay, publisher) =
            (keys::load_or_create(&key_file(data))?, keys::load_or_create(&publisher_file(data))?);
        let trusting = |keys: &str| TrustedKeys::parse(keys).map_err(anyhow::Error::msg);
        let relays = [&[keys::public(&relay)], further].concat().join(",");
        let (trusted, publishers) = (trusting(&relays)?, trusting(&keys::public(&publisher))?);
        let edge = keys::load_or_create(&edge_file(data))?;
        Ok(Self { relay, relays, trusted, publisher, publishers, edge })
    }
}

/// Why the host did not come up.
enum StartError {
    Pop(PopError),
    Seed(anyhow::Error),
}

impl From<PopError> for StartError {
    fn from(why: PopError) -> Self {
        Self::Pop(why)
    }
}

/// As [`seed`]. A record store that cannot be written just now is no reason to serve nothing of what it holds.
async fn seed_if_there_is_room(records: &Records, keys: &Keys) -> Result<(), StartError> {
    match seed(records, keys).await {
        Err(why) if is_unwritable(&why) => {
            tracing::warn!(
                why = format!("{why:#}"),
                "the demo collections stay as they are, for the record store cannot be written"
            );
            Ok(())
        }
        seeded => seeded.map_err(StartError::Seed),
    }
}

/// Whether the record store is at fault, and neither a style nor a key.
fn is_unwritable(why: &anyhow::Error) -> bool {
    why.chain().any(|cause| {
        let own = cause.downcast_ref::<StoreError>();
        let refused = cause.downcast_ref::<Refused>().and_then(|refused| match refused {
            Refused::Store(why) => Some(why),
            _ => None,
        });
        own.or(refused).is_some_and(|why| matches!(why, StoreError::Records(_) | StoreError::Failing(_)))
    })
}

/// Warns of keys and tokens that other users of this machine can read.
fn warn_of_open_secrets(args: &Args) {
    let own = [key_file, publisher_file, edge_file, token_file].map(|file| file(&args.data));
    secrets::warn_of_open_files(own.iter().chain(&args.tls_key).map(PathBuf::as_path));
}

/// Publishes the shipped styles and their collections, and a first snapshot when there is none.
async fn seed(records: &Records, keys: &Keys) -> anyhow::Result<()> {
    let mut panels = Vec::new();
    // Building takes a while, and the same binary ships the same styles.
    let (marker, carried) = ("demo", fingerprint()?);
    if records.snapshot()?.is_some() && records.get(marker)?.as_ref() == Some(&carried) {
        return Ok(());
    }
    for shipped in SHIPPED {
        let built = shipped.folder().build()?;
        for block in built.blocks() {
            records.put_block(block.cid, block.bytes.clone()).await?;
        }
        seed_collection(records, built.collection, keys).await?;
        panels.push(built.package.manifest.gauges);
    }
    if records.snapshot()?.is_none() {
        let values: Values = DEMO_VALUES.into_iter().map(|(feed, value)| (feed.to_owned(), value)).collect();
        let first = statement::next(None, &panels, &values, now_ms(), DEMO_LIFETIME_MS);
        let signed = first.seal(&keys.relay).map_err(anyhow::Error::msg)?;
        records.put_snapshot(signed, &keys.trusted, now_ms()).await?;
    }
    records.set(marker.to_owned(), carried).await?;
    Ok(())
}

/// What tells this binary from another build of it.
fn fingerprint() -> anyhow::Result<Vec<u8>> {
    let binary = std::env::current_exe()?.metadata()?;
    let modified = binary.modified()?.duration_since(std::time::UNIX_EPOCH)?;
    Ok([binary.len().to_be_bytes().as_slice(), &modified.as_nanos().to_be_bytes()].concat())
}

/// Publishes a demo collection, unless somebody has published another record under its slug since.
async fn seed_collection(records: &Records, shipped: Collection, keys: &Keys) -> anyhow::Result<()> {
    let (slug, marker) = (shipped.slug.clone(), format!("demo/{}", shipped.slug));
    let current = records.collection(&slug)?;
    if current.is_some() && current != records.get(&marker)? {
        tracing::info!(slug, "the demo collection was published anew; the shipped one stays back");
        return Ok(());
    }
    let current = current.and_then(|bytes| Collection::open(&bytes, &keys.publishers).ok());
    let record = match current {
        Some(current) if current.style == shipped.style => return Ok(()),
        Some(current) => {
            let Collection { sequence, history, .. } = current.succeeded_by(shipped.style, None);
            Collection { sequence, history, ..shipped }
        }
        None => shipped,
    };
    let signed = record.seal(&keys.publisher).map_err(anyhow::Error::msg)?;
    records.put_collection(signed.clone(), &keys.publishers).await?;
    records.set(marker, signed).await?;
    Ok(())
}

/// Reads the write API's token, or makes one.
fn admin_token(data: &Path) -> anyhow::Result<String> {
    let path = token_file(data);
    if !path.exists() {
        let mut secret = [0; 24];
        getrandom::fill(&mut secret).map_err(|e| anyhow::anyhow!("no random bytes: {e}"))?;
        keys::create_private(&path, &hex::encode(secret))
            .with_context(|| format!("{}: cannot be made", path.display()))?;
    }
    let token =
        read_text_file(&path, SECRET_BYTES).with_context(|| format!("{}: cannot be read", path.display()))?;
    Ok(token.trim().to_owned())
}

/// Says where to look.
fn announce(pop: &Pop, scheme: &str, no_demo: bool) -> anyhow::Result<()> {
    let (here, admin) = (pop.address(), pop.admin_address());
    let mut out = String::new();
    writeln!(out, "iridule serves on {scheme}://{here} (gallery: {scheme}://{here}/)")?;
    if !no_demo {
        for shipped in SHIPPED {
            writeln!(out, "  {scheme}://{here}/t/{}/1.png", shipped.slug)?;
        }
    }
    writeln!(out, "write API and metrics on http://{admin}; Ctrl-C stops")?;
    console::announce(format_args!("{out}"))
}

/// Waits for Ctrl-C or a termination signal.
pub async fn stopped() -> std::io::Result<()> {
    #[cfg(unix)]
    {
        let mut terminate = signal::unix::signal(signal::unix::SignalKind::terminate())?;
        tokio::select! {
            result = signal::ctrl_c() => result,
            _ = terminate.recv() => Ok(()),
        }
    }
    #[cfg(not(unix))]
    signal::ctrl_c().await
}
