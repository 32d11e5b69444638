//! `iridule origin`: an origin on its own, and what `iridule serve` needs to hold one.

use std::{
    net::SocketAddr,
    num::NonZeroUsize,
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

use anyhow::Context as _;
use clap::ValueEnum;
use ed25519_dalek::SigningKey;
use iridule_origin::{ConnectionLimits, Origin, OriginConfig, OriginStore, PaintingLimits, default_memory};
use iridule_publish::keys;
use iridule_records::signed::TrustedKeys;

use crate::{console, oracle::edge_file, serve::stopped};

/// Where the key lies in a data folder that its origin signs answers with. It is made where there is none.
pub fn origin_key(data: &Path) -> anyhow::Result<SigningKey> {
    Ok(keys::load_or_create(&data.join("keys/origin.key"))?)
}

/// The arguments of `iridule origin`.
#[derive(clap::Args)]
pub struct Args {
    /// Where edges are served. Put TLS before it when it is not on the loopback: orders are signed, not secret.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:3002")]
    listen: SocketAddr,
    /// The folder of all state. Made if it is not there.
    #[arg(long, value_name = "DIR", default_value = "data")]
    data: PathBuf,
    /// The public key of an edge whose orders are taken, 64 hexadecimal digits. May be given several times. Without it, that
    /// of the key in the data folder, which `iridule serve` makes and uses.
    #[arg(long = "edge", value_name = "KEY")]
    edges: Vec<String>,
    #[command(flatten)]
    painting: Painting,
}

/// How an origin paints and keeps, on its own or inside `iridule serve`.
#[derive(clap::Args, Clone)]
pub struct Painting {
    /// Where the origin keeps blocks and renders: s3://bucket/prefix, with the rest in AWS_... variables, or file:///path.
    /// A folder in the data folder when not given.
    #[arg(long, value_name = "URL")]
    origin_store: Option<String>,
    /// Processes of the origin that paint and encode; one for each core when not given.
    #[arg(long, value_name = "N")]
    origin_painters: Option<NonZeroUsize>,
    /// Renders that wait or run at the origin at once; over it, edges are told to ask elsewhere.
    #[arg(long, value_name = "N", default_value_t = 1024)]
    origin_queue: usize,
    /// Memory for the pictures that the origin paints at once, and as much again for answers on their way, MiB. A quarter of
    /// the memory of the container or the machine when not given.
    #[arg(long, value_name = "MIB", value_parser = clap::value_parser!(u64).range(64..=1 << 30))]
    origin_memory: Option<u64>,
    /// How long the origin may work on one picture, seconds. Over it, the process that paints it is ended.
    #[arg(long, value_name = "S", default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..=600))]
    origin_time: u64,
    /// Memory for one process that paints, MiB. Over it, the process is ended.
    #[arg(long, value_name = "MIB", default_value_t = 2048, value_parser = clap::value_parser!(u64).range(64..=1 << 30))]
    origin_painter_memory: u64,
    /// Connections to the origin at once; the oldest one without a request gives way to a new one.
    #[arg(long, value_name = "N", default_value_t = ConnectionLimits::default().connections)]
    origin_connections: usize,
    /// What the origin runs shaders on.
    #[arg(long, value_enum, default_value_t = Devices::Any)]
    origin_devices: Devices,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Devices {
    /// GPUs; without one, a software device; without that, the strip VM.
    Any,
    /// GPUs; without one, the strip VM.
    Gpu,
    /// The strip VM.
    None,
}

impl Painting {
    /// Starts an origin for these edges.
    pub async fn start(&self, listen: SocketAddr, data: &Path, edges: TrustedKeys) -> anyhow::Result<Origin> {
        let store = match &self.origin_store {
            Some(url) => OriginStore::open_url(url)?,
            None => OriginStore::folder(&data.join("origin"))?,
        };
        let cores = || thread::available_parallelism().map_or(1, usize::from);
        let config = OriginConfig {
            listen,
            store,
            edges,
            key: origin_key(data)?,
            memory: self.origin_memory.map_or_else(default_memory, |mebibytes| mebibytes << 20),
            connections: ConnectionLimits {
                connections: self.origin_connections,
                ..ConnectionLimits::default()
            },
            painting: PaintingLimits {
                time: Duration::from_secs(self.origin_time),
                memory: self.origin_painter_memory << 20,
                ..PaintingLimits::default()
            },
            workers: self.origin_painters.map_or_else(cores, usize::from),
            queue: self.origin_queue,
            devices: self.origin_devices != Devices::None,
            software: self.origin_devices == Devices::Any,
        };
        Ok(Origin::start(config).await?)
    }
}

/// Runs the subcommand until it is told to stop.
pub fn run(args: &Args) -> anyhow::Result<()> {
    console::log();
    let edges = if args.edges.is_empty() {
        let key = keys::load(&edge_file(&args.data))
            .context("no edge is known: name one with --edge, or let `iridule serve --data` make a key")?;
        keys::public(&key)
    } else {
        args.edges.join(" ")
    };
    let edges = TrustedKeys::parse(&edges).map_err(anyhow::Error::msg)?;
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(async {
        let origin = args.painting.start(args.listen, &args.data, edges).await?;
        let key = keys::public(&origin_key(&args.data)?);
        // Address and key as edges take them: `iridule serve --origin`.
        let address = origin.address();
        let text = format_args!("iridule origin takes orders on http://{address};key={key} (Ctrl-C stops)\n");
        console::announce(text)?;
        stopped().await?;
        tracing::info!("stopping: renders under way are finished first");
        origin.shutdown().await;
        Ok(())
    })
}
