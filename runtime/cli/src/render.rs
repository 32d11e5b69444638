//! `iridule render`: tokens of a style into files, and a contact sheet.

use std::{
    cell::{Cell, RefCell},
    fs,
    path::PathBuf,
    thread,
    time::Instant,
};

use anyhow::{Context as _, bail};
use clap::ValueEnum;
use futures_util::future::try_join_all;
use indicatif::{ProgressBar, ProgressStyle};
use iridule_records::gauge::{Band, State};
use iridule_scene::variant::{Asked, Format, Variant};
use iridule_studio::{
    BuiltStyle, StyleSession,
    session::{PaintedPicture, PictureRequest},
};
use iridule_style::{
    manifest::Manifest,
    plan::{Plan, plan},
};

use crate::{
    console::say,
    feeds::Setting,
    sandboxed::{Bounds, block_on},
    sheet::Sheet,
    shipped,
    tokens::Tokens,
};

/// The arguments of `iridule render`.
#[derive(clap::Args)]
pub struct Args {
    /// A shipped style (orbits, aurora …), or a folder with a style.toml.
    style: String,
    /// Which tokens: 7, 1..64, or 1,5,9..12. Both ends of a range are painted.
    tokens: Tokens,
    /// The folder to write to. Made if it is not there.
    #[arg(short, long, value_name = "DIR")]
    out: PathBuf,
    /// Pixels across; snaps up to the ladder of sizes. The style's canvas when not given.
    #[arg(long, value_name = "PIXELS", value_parser = clap::value_parser!(u32).range(1..=4096))]
    size: Option<u32>,
    /// The encoding of the files.
    #[arg(long, value_enum, default_value_t = Encoding::Png)]
    format: Encoding,
    /// A feed's value, e.g. --set eth-usd=2345.67. Gauges without one show their rest band.
    #[arg(long = "set", value_name = "FEED=VALUE")]
    values: Vec<Setting>,
    /// Also write a contact sheet, of the same encoding: all tokens in one picture.
    #[arg(long)]
    sheet: bool,
    /// Pixels across of a picture on the contact sheet; snaps up to the ladder of sizes.
    #[arg(long, value_name = "PIXELS", default_value_t = 256, value_parser = clap::value_parser!(u32).range(1..=1024))]
    tile: u32,
    #[command(flatten)]
    bounds: Bounds,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Encoding {
    Png,
    Webp,
    Jpg,
}

impl Encoding {
    fn format(self) -> Format {
        match self {
            Self::Png => Format::Png,
            Self::Webp => Format::WebP,
            Self::Jpg => Format::Jpeg,
        }
    }

    fn extension(self) -> &'static str {
        match self {
            Self::Png => "png",
            Self::Webp => "webp",
            Self::Jpg => "jpg",
        }
    }
}

/// Runs the subcommand.
pub fn run(args: &Args) -> anyhow::Result<()> {
    let folder = shipped::folder(&args.style)?;
    let (_, built) = block_on(args.bounds.build(&folder))?;
    let manifest = &built.package.manifest;
    let state = state(manifest, &args.values)?;
    let variant = variant_in(manifest, args.size, args.format.format())?;
    let tile = variant_in(manifest, Some(args.tile), args.format.format())?;
    fs::create_dir_all(&args.out).with_context(|| format!("{}: cannot be made", args.out.display()))?;
    let count = args.tokens.0.len();
    let sheet = args.sheet.then(|| Sheet::new(count, tile.width.into(), tile.height.into())).transpose()?;

    let job = Job { args, built: &built, state: &state, next: Cell::new(0), sheet: RefCell::new(sheet) };
    let started = Instant::now();
    block_on(job.paint_all())?;
    let elapsed = started.elapsed();
    if let Some(sheet) = job.sheet.into_inner() {
        let path = args.out.join(format!("sheet.{}", args.format.extension()));
        fs::write(&path, sheet.encode(&tile)?)
            .with_context(|| format!("{}: cannot be written", path.display()))?;
    }
    report(count, &variant, elapsed.as_secs_f64(), args)
}

fn report(count: usize, variant: &Variant, seconds: f64, args: &Args) -> anyhow::Result<()> {
    say!(
        "{count} pictures of {} × {} px in {seconds:.2} s, in {}",
        variant.width,
        variant.height,
        args.out.display()
    )
}

struct Job<'a> {
    args: &'a Args,
    built: &'a BuiltStyle,
    state: &'a State,
    /// The place of the next token.
    next: Cell<usize>,
    sheet: RefCell<Option<Sheet>>,
}

impl Job<'_> {
    /// Paints on every core, in a worker each; the first failure stops all.
    async fn paint_all(&self) -> anyhow::Result<()> {
        let tokens = &self.args.tokens.0;
        let bar = ProgressBar::new(tokens.len() as u64)
            .with_style(ProgressStyle::with_template("{bar:40} {pos}/{len} pictures, {eta} left")?);
        let workers = thread::available_parallelism().map_or(1, usize::from).min(tokens.len()).max(1);
        let sandbox = self.args.bounds.sandbox(workers);
        let painters = (0..workers).map(|_| async {
            let mut bench = StyleSession::new(&sandbox, self.args.bounds.limits()).await?;
            bench.load(self.built);
            loop {
                let place = self.next.replace(self.next.get() + 1);
                let Some(token) = tokens.get(place) else { return anyhow::Ok(()) };
                self.paint(&mut bench, place, *token).await.with_context(|| format!("token {token}"))?;
                bar.inc(1);
            }
        });
        let painted = try_join_all(painters).await;
        bar.finish_and_clear();
        painted.map(drop)
    }

    async fn paint(&self, bench: &mut StyleSession, place: usize, token: u64) -> anyhow::Result<()> {
        let extension = self.args.format.extension();
        let picture = PictureRequest {
            token,
            bands: self.state.0.clone(),
            width: self.args.size,
            extension: extension.into(),
            tile: self.args.sheet.then_some(self.args.tile),
        };
        let PaintedPicture { file, tile } = bench.paint(&picture).await?;
        let path = self.args.out.join(format!("{token}.{extension}"));
        fs::write(&path, &file).with_context(|| format!("{}: cannot be written", path.display()))?;
        if let (Some(sheet), Some(tile)) = (self.sheet.borrow_mut().as_mut(), tile) {
            sheet.place(place, &tile)?;
        }
        Ok(())
    }
}

/// The state that these feed values put a style in.
fn state(manifest: &Manifest, values: &[Setting]) -> anyhow::Result<State> {
    for setting in values {
        if !manifest.gauges.iter().any(|gauge| gauge.feed == setting.feed) {
            let feeds: Vec<&str> = manifest.gauges.iter().map(|gauge| gauge.feed.as_str()).collect();
            bail!(
                "no gauge of {} watches {:?}; it watches: {}",
                manifest.name,
                setting.feed,
                feeds.join(", ")
            );
        }
    }
    let band = |gauge: &iridule_records::gauge::Gauge| -> Band {
        let value = values.iter().rev().find(|setting| setting.feed == gauge.feed);
        value.and_then(|setting| gauge.quantiser.step(setting.value, None)).unwrap_or(gauge.rest)
    };
    Ok(State(manifest.gauges.iter().map(band).collect()))
}

fn variant_in(manifest: &Manifest, width: Option<u32>, format: Format) -> anyhow::Result<Variant> {
    let variant = Variant::resolve(&Asked { width, ..Asked::default() }, format, &manifest.canvas.canvas())?;
    match plan(manifest, &variant) {
        Plan::Paint | Plan::Derive => Ok(variant),
        Plan::Escalate(reason) => bail!("this size is for an origin: {reason}; {}", reason.hint()),
    }
}
