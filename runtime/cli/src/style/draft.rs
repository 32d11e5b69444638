//! A style before it is live: `new`, `check`, `build`, `rarity`, `preview`.

use std::{fs, net::SocketAddr, path::PathBuf, thread};

use anyhow::{Context as _, anyhow};
use clap::ValueEnum;
use iridule_studio::{Scaffold, car, preview::Preview};

use crate::{
    console::{self, note, say},
    sandboxed::{Bounds, block_on, progress},
    serve::stopped,
    shipped,
};

/// The arguments of `iridule style new`.
#[derive(clap::Args)]
pub struct NewArgs {
    /// The folder to make. Its name becomes the collection's: a-z, 0-9 and -.
    folder: PathBuf,
    /// What it is drawn with.
    #[arg(long, value_enum, default_value_t = Kind::Svg)]
    kind: Kind,
}

#[derive(Clone, Copy, ValueEnum)]
enum Kind {
    /// An SVG template.
    Svg,
    /// A WGSL fragment shader.
    Shader,
    /// Pictures that the contract keeps itself, read by a relay.
    Mirror,
}

/// The arguments of `iridule style check`.
#[derive(clap::Args)]
pub struct CheckArgs {
    /// A folder with a style.toml, or a shipped style.
    style: String,
    /// About how many of its tokens are looked at.
    #[arg(long, value_name = "COUNT", default_value_t = 256, value_parser = clap::value_parser!(u32).range(1..))]
    tokens: u32,
    #[command(flatten)]
    bounds: Bounds,
}

/// The arguments of `iridule style build`.
#[derive(clap::Args)]
pub struct BuildArgs {
    /// A folder with a style.toml, or a shipped style.
    style: String,
    /// Also write the package to this file, as a CAR archive (CARv1).
    #[arg(short, long, value_name = "FILE")]
    out: Option<PathBuf>,
    #[command(flatten)]
    bounds: Bounds,
}

/// The arguments of `iridule style rarity`.
#[derive(clap::Args)]
pub struct RarityArgs {
    /// A folder with a style.toml, or a shipped style.
    style: String,
    #[command(flatten)]
    bounds: Bounds,
}

/// The arguments of `iridule style preview`.
#[derive(clap::Args)]
pub struct PreviewArgs {
    /// A folder with a style.toml, or a shipped style.
    style: String,
    /// Where the page is served.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:3002")]
    listen: SocketAddr,
    #[command(flatten)]
    bounds: Bounds,
}

/// Runs `iridule style new`.
pub(super) fn new(args: &NewArgs) -> anyhow::Result<()> {
    let scaffold = match args.kind {
        Kind::Svg => Scaffold::Svg,
        Kind::Shader => Scaffold::Shader,
        Kind::Mirror => Scaffold::Mirror,
    };
    let folder = args.folder.display();
    let files = scaffold.write(&args.folder)?;
    say!("{folder} has {}", files.join(", "))?;
    say!("look at it:  iridule style preview {folder}")?;
    say!("put it live: iridule style publish {folder}")
}

/// Runs `iridule style check`.
pub(super) fn check(args: &CheckArgs) -> anyhow::Result<()> {
    let folder = shipped::folder(&args.style)?;
    let checked = block_on(async {
        let (mut bench, _) = args.bounds.build(&folder).await?;
        Ok(bench.check(usize::try_from(args.tokens)?, progress("tokens")?).await?)
    })?;
    console::print(format_args!("{}", checked.text))
}

/// Runs `iridule style build`.
pub(super) fn build(args: &BuildArgs) -> anyhow::Result<()> {
    let folder = shipped::folder(&args.style)?;
    let (_, built) = block_on(args.bounds.build(&folder))?;
    if let Some(path) = &args.out {
        let archive = car::archive(&built.package).map_err(anyhow::Error::msg)?;
        fs::write(path, archive).with_context(|| format!("{}: cannot be written", path.display()))?;
    }
    say!("{}", built.package.cid)
}

/// Runs `iridule style rarity`.
pub(super) fn rarity(args: &RarityArgs) -> anyhow::Result<()> {
    let folder = shipped::folder(&args.style)?;
    let text = block_on(async {
        let (mut bench, _) = args.bounds.build(&folder).await?;
        Ok(bench.rarity(progress("tokens")?).await?)
    })?;
    console::print(format_args!("{text}"))
}

/// Runs `iridule style preview` until it is told to stop.
pub(super) fn preview(args: &PreviewArgs) -> anyhow::Result<()> {
    let folder = shipped::folder(&args.style)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let workers = thread::available_parallelism().map_or(1, usize::from) + 1;
        let sandbox = args.bounds.sandbox(workers);
        let preview = Preview::bind(folder, args.listen, sandbox, args.bounds.limits()).await;
        let preview = preview.map_err(|why| anyhow!("{}: {why}; try another --listen", args.listen))?;
        console::announce(format_args!("preview on http://{}; Ctrl-C stops\n", preview.address()?))?;
        let stop = async {
            if let Err(why) = stopped().await {
                note!("cannot wait for signals: {why}");
            }
        };
        // The page says it too.
        let told = |error: Option<&str>| {
            drop(console::announce(format_args!("{}\n", error.unwrap_or("built"))));
        };
        Ok(preview.run(stop, told).await?)
    })
}
