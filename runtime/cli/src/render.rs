//! `iridule render`: tokens of a style into files, and a contact sheet.

use std::{
    fs,
    path::PathBuf,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Instant,
};

use alloy_primitives::U256;
use anyhow::{Context as _, anyhow, bail};
use clap::ValueEnum;
use indicatif::{ProgressBar, ProgressStyle};
use iridule_core::{
    gauge::{Band, State},
    manifest::Manifest,
    plan::{Plan, plan},
    style::Style,
    variant::{Asked, Format, Variant},
};
use iridule_studio::Built;

use crate::{console::say, feeds::Setting, sheet::Sheet, shipped, tokens::Tokens};

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
    let built = shipped::open(&args.style)?;
    let style = built.style()?;
    let state = state(&style.manifest, &args.values)?;
    let variant = variant_in(&style.manifest, args.size, args.format.format())?;
    let tile = variant_in(&style.manifest, Some(args.tile), args.format.format())?;
    fs::create_dir_all(&args.out).with_context(|| format!("{}: cannot be made", args.out.display()))?;
    let count = args.tokens.0.len();
    let sheet = args.sheet.then(|| Sheet::new(count, tile.width.into(), tile.height.into())).transpose()?;

    let job = Job {
        args,
        built: &built,
        style: &style,
        state: &state,
        variant,
        tile,
        sheet: sheet.map(Mutex::new),
    };
    let started = Instant::now();
    job.paint_all()?;
    let elapsed = started.elapsed();
    if let Some(sheet) = job.sheet {
        let path = args.out.join(format!("sheet.{}", args.format.extension()));
        let sheet = sheet.into_inner().map_err(|_| anyhow!("a painting thread panicked"))?;
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
    built: &'a Built,
    style: &'a Style,
    state: &'a State,
    variant: Variant,
    tile: Variant,
    sheet: Option<Mutex<Sheet>>,
}

impl Job<'_> {
    /// Paints on every core; the first failure stops all.
    fn paint_all(&self) -> anyhow::Result<()> {
        let tokens = &self.args.tokens.0;
        let bar = ProgressBar::new(tokens.len() as u64)
            .with_style(ProgressStyle::with_template("{bar:40} {pos}/{len} pictures, {eta} left")?);
        let next = AtomicUsize::new(0);
        let failed = Mutex::new(None);
        thread::scope(|scope| {
            for _ in 0..thread::available_parallelism().map_or(1, usize::from) {
                scope.spawn(|| {
                    while let Some((place, token)) = {
                        let place = next.fetch_add(1, Ordering::Relaxed);
                        tokens.get(place).map(|token| (place, *token))
                    } {
                        if let Err(why) = self.paint(place, token) {
                            next.store(tokens.len(), Ordering::Relaxed);
                            if let Ok(mut failed) = failed.lock() {
                                failed.get_or_insert(why.context(format!("token {token}")));
                            }
                        }
                        bar.inc(1);
                    }
                });
            }
        });
        bar.finish_and_clear();
        failed.into_inner().map_err(|_| anyhow!("a painting thread panicked"))?.map_or(Ok(()), Err)
    }

    fn paint(&self, place: usize, token: u64) -> anyhow::Result<()> {
        let seed = self.built.collection.seed(U256::from(token))?;
        let scene = self.built.scene(self.style, &seed, self.state)?;
        let opaque = scene.canvas.background.is_some();
        let picture = iridule_raster::paint_pixels(&scene, &self.variant)?;
        let bytes = iridule_raster::encode::encode(&picture, opaque, &self.variant)?;
        let path = self.args.out.join(format!("{token}.{}", self.args.format.extension()));
        fs::write(&path, &bytes).with_context(|| format!("{}: cannot be written", path.display()))?;
        if let Some(sheet) = &self.sheet {
            let tile = if self.tile == self.variant {
                picture
            } else {
                iridule_raster::paint_pixels(&scene, &self.tile)?
            };
            sheet.lock().map_err(|_| anyhow!("a painting thread panicked"))?.place(place, &tile)?;
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
    let band = |gauge: &iridule_core::gauge::Gauge| -> Band {
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
