//! The CPU painter beside an origin's, for each shipped style: how long a scene takes, and how far apart the pictures are.
//!
//! An origin paints everything but shaders by the code of the CPU painter, so whatever differs is a shader's.

use std::{fs, path::Path, time::Instant};

use anyhow::Context as _;
use iridule_origin::painter::{PaintedBy, ScenePainter};
use iridule_raster::{Pixmap, encode, paint_pixels};
use iridule_scene::{
    scene::{Content, Scene},
    variant::{Asked, Format, Variant},
};

use crate::{
    rounds::{Case, interleaved},
    shipped,
};

/// Widths of the pictures, in pixels; the last is the largest there is.
const WIDTHS: [u32; 3] = [512, 1024, 4096];
/// Width of the pictures that are compared and written.
const COMPARED: u32 = 512;
/// Tokens that are compared.
const TOKENS: u64 = 8;

/// Prints the tables.
pub fn run(rounds: u32, out: Option<&Path>) -> anyhow::Result<()> {
    let (painter, found) = ScenePainter::open(true);
    anyhow::ensure!(painter.devices() > 0, "no device passes the probe: {found:?}");
    println!(
        "Device: {}. Pixels only, token 1 at rest; the strip VM runs on one core.\n",
        found.used.join(", ")
    );
    println!("| style | width | CPU | with the device | times |");
    println!("|---|---|---|---|---|");
    for slug in shipped::slugs()? {
        let (scenes, sources) = (shipped::scenes(&slug, 1)?, shipped::sources(&slug)?);
        let Some(scene) = scenes.first() else { continue };
        for width in WIDTHS {
            let variant = at(scene, width)?;
            let timed = |run: &dyn Fn() -> anyhow::Result<()>| {
                let started = Instant::now();
                run()?;
                Ok(started.elapsed())
            };
            let by_cpu = || {
                paint_pixels(scene, &variant)?;
                Ok(())
            };
            let by_device = || {
                let (_, by) = painter.paint(scene, &sources, &variant)?;
                anyhow::ensure!(!matches!(by, PaintedBy::Fallback(_)), "{slug}: {by:?}");
                Ok(())
            };
            let mut cases = [Case::new("cpu", || timed(&by_cpu)), Case::new("device", || timed(&by_device))];
            let times = interleaved(&mut cases, rounds)?;
            let ratio = times[0].median().as_secs_f64() / times[1].median().as_secs_f64();
            println!("| {slug} | {width} | {} | {} | {ratio:.1} |", times[0], times[1]);
        }
    }
    println!("\n{TOKENS} tokens of each style at {COMPARED} px; how far the bytes of a pixel are apart.\n");
    println!("| style | layers | worst | mean | pixels that differ | by more than 1 |");
    println!("|---|---|---|---|---|---|");
    for slug in shipped::slugs()? {
        let sources = shipped::sources(&slug)?;
        let mut apart = Apart::default();
        let mut kinds = Vec::new();
        for (number, scene) in (1..).zip(shipped::scenes(&slug, TOKENS)?) {
            let variant = at(&scene, COMPARED)?;
            let ours = paint_pixels(&scene, &variant)?;
            let (theirs, _) = painter.paint(&scene, &sources, &variant)?;
            apart.add(&ours, &theirs);
            kinds.extend(scene.layers.iter().map(|layer| kind(&layer.content)));
            if let Some(out) = out.filter(|_| number == 1) {
                write(&out.join(format!("{slug}.png")), &ours, &theirs)?;
            }
        }
        kinds.sort_unstable();
        kinds.dedup();
        println!("| {slug} | {} | {apart} |", kinds.join(", "));
    }
    Ok(())
}

fn at(scene: &Scene, width: u32) -> anyhow::Result<Variant> {
    let asked = Asked { width: Some(width), ..Asked::default() };
    Ok(Variant::resolve(&asked, Format::Png, &scene.canvas)?)
}

fn kind(content: &Content) -> &'static str {
    match content {
        Content::Svg(_) => "svg",
        Content::Shader(_) => "shader",
        Content::Image(_) => "image",
        Content::Fill(_) => "fill",
        Content::Text(_) => "text",
    }
}

/// How far pictures are apart.
#[derive(Default)]
struct Apart {
    worst: u8,
    sum: u64,
    bytes: u64,
    pixels: u64,
    differ: u64,
    by_more: u64,
}

impl Apart {
    fn add(&mut self, ours: &Pixmap, theirs: &Pixmap) {
        let (ours, theirs) = (ours.data().as_chunks::<4>().0, theirs.data().as_chunks::<4>().0);
        for (a, b) in ours.iter().zip(theirs) {
            let worst = a.iter().zip(b).map(|(a, b)| a.abs_diff(*b)).max().unwrap_or(0);
            self.sum += a.iter().zip(b).map(|(a, b)| u64::from(a.abs_diff(*b))).sum::<u64>();
            self.worst = self.worst.max(worst);
            self.pixels += 1;
            self.bytes += 4;
            self.differ += u64::from(worst > 0);
            self.by_more += u64::from(worst > 1);
        }
    }
}

impl std::fmt::Display for Apart {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let share = |count: u64| 100.0 * count as f64 / self.pixels.max(1) as f64;
        let mean = self.sum as f64 / self.bytes.max(1) as f64;
        write!(f, "{} | {mean:.4} | {:.3} % | {:.4} %", self.worst, share(self.differ), share(self.by_more))
    }
}

/// Both pictures and 32 times their difference, side by side.
fn write(path: &Path, ours: &Pixmap, theirs: &Pixmap) -> anyhow::Result<()> {
    let (width, height) = (ours.width(), ours.height());
    let mut sheet = Pixmap::new(width * 3, height).context("too large")?;
    let row = width as usize * 4;
    for (y, to) in sheet.data_mut().chunks_exact_mut(row * 3).enumerate() {
        let (ours, theirs) = (&ours.data()[y * row..][..row], &theirs.data()[y * row..][..row]);
        to[..row].copy_from_slice(ours);
        to[row..2 * row].copy_from_slice(theirs);
        for (at, byte) in to[2 * row..].iter_mut().enumerate() {
            let apart = ours[at].abs_diff(theirs[at]).saturating_mul(32);
            *byte = if at % 4 == 3 { 255 } else { apart };
        }
    }
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let variant = Variant {
        width: u16::try_from(width * 3)?,
        height: u16::try_from(height)?,
        fit: Default::default(),
        format: Format::Png,
        quality: 0,
    };
    fs::write(path, encode::encode(&sheet, false, &variant)?).with_context(|| path.display().to_string())
}
