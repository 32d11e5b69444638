//! Smaller variants of one master: ours against sharp (libvips), on the same file, on one core each.

use std::{
    fs,
    io::{BufRead as _, BufReader, Write as _},
    path::Path,
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context as _, ensure};
use iridule_core::variant::{Asked, Format, Variant};
use iridule_raster::image;
use serde::{Deserialize, Serialize};
use tempfile::TempDir;

use crate::{
    rounds::{Case, Times, interleaved},
    shipped,
};

/// The masters: styles whose canvas is 1,024 px across.
const STYLES: [&str; 3] = ["orbits", "skyline", "guilloche"];
/// Widths that are derived, in pixels.
const WIDTHS: [u32; 2] = [256, 512];
/// Formats, by the name that both sides know.
const FORMATS: [(Format, &str); 3] = [(Format::Png, "png"), (Format::WebP, "webp"), (Format::Jpeg, "jpeg")];

/// Prints the table, after seeing that both sides make the same pictures.
pub fn run(peers: &Path, rounds: u32) -> anyhow::Result<()> {
    ensure!(
        peers.join("node_modules/sharp").is_dir(),
        "{}: sharp is not installed; `cargo xtask bench variants` does that",
        peers.display()
    );
    let folder = TempDir::new()?;
    println!("PNG, lossless WebP, and JPEG of the same quality. Both begin with the master's PNG in memory.");
    println!(
        "Likeness is the PSNR between the two PNGs: ours is resampled in linear light, sharp's is not.\n"
    );
    println!("| master | variant | ours | sharp | sharp / ours | bytes | sharp's | likeness |");
    println!("|---|---|---|---|---|---|---|---|");
    for slug in STYLES {
        let scene = shipped::scenes(slug, 1)?.remove(0);
        let master = iridule_raster::paint(&scene, &Variant::master(&scene.canvas)?)?;
        let file = folder.path().join(format!("{slug}.png"));
        fs::write(&file, &master)?;
        for width in WIDTHS {
            for (format, name) in FORMATS {
                let asked = Asked { width: Some(width), ..Asked::default() };
                let variant = Variant::resolve(&asked, format, &scene.canvas)?;
                let ask = Request {
                    file: &file,
                    width,
                    height: variant.height.into(),
                    format: name,
                    quality: variant.quality,
                };
                let mut sharp = Sharp::start(peers)?;
                let (theirs, ours) =
                    (sharp.make(&ask)?, iridule_raster::derive(&master, &scene.canvas, &variant)?);
                let likeness = match format {
                    Format::Png => format!("{:.1} dB", psnr(&ours, &fs::read(&theirs.out)?)?),
                    _ => String::new(),
                };
                let mut cases = [
                    Case::new("ours", || {
                        let started = Instant::now();
                        iridule_raster::derive(&master, &scene.canvas, &variant)?;
                        Ok(started.elapsed())
                    }),
                    Case::new("sharp", || Ok(Duration::from_secs_f64(sharp.make(&ask)?.ms / 1e3))),
                ];
                let times = interleaved(&mut cases, rounds)?;
                drop(cases);
                let ratio =
                    |times: &[Times]| times[1].median().as_secs_f64() / times[0].median().as_secs_f64();
                println!(
                    "| {slug} | {width} {name} | {} | {} | {:.2} | {} | {} | {likeness} |",
                    times[0],
                    times[1],
                    ratio(&times),
                    ours.len(),
                    fs::metadata(&theirs.out)?.len(),
                );
            }
        }
    }
    Ok(())
}

/// What the process that runs sharp is asked, a line of JSON.
#[derive(Serialize)]
struct Request<'a> {
    file: &'a Path,
    width: u32,
    height: u32,
    format: &'a str,
    quality: u8,
}

/// What it answers: the time that sharp took, and where the picture lies.
#[derive(Deserialize)]
struct Reply {
    ms: f64,
    out: std::path::PathBuf,
}

/// A Node process with sharp in it.
struct Sharp {
    process: Child,
    asks: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Sharp {
    fn start(peers: &Path) -> anyhow::Result<Self> {
        let mut process = Command::new("node")
            .arg("sharp.mjs")
            .current_dir(peers)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("node does not start")?;
        let (asks, answers) = (process.stdin.take(), process.stdout.take());
        let asks = asks.context("node has no stdin")?;
        Ok(Self { process, asks, answers: BufReader::new(answers.context("node has no stdout")?) })
    }

    fn make(&mut self, ask: &Request<'_>) -> anyhow::Result<Reply> {
        writeln!(self.asks, "{}", serde_json::to_string(ask)?)?;
        let mut line = String::new();
        self.answers.read_line(&mut line)?;
        serde_json::from_str(&line).with_context(|| format!("sharp answered {line:?}"))
    }
}

impl Drop for Sharp {
    fn drop(&mut self) {
        // A process that has ended already needs no end.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The peak signal-to-noise ratio of two pictures of one size, over all channels, decibel.
fn psnr(one: &[u8], other: &[u8]) -> anyhow::Result<f64> {
    let decode = |file| image::decode(file).map_err(|why| anyhow::anyhow!("{why}"));
    let (one, other) = (decode(one)?, decode(other)?);
    ensure!((one.width, one.height) == (other.width, other.height), "the pictures differ in size");
    let squares = one.pixels.iter().zip(&other.pixels).map(|(a, b)| f64::from(a.abs_diff(*b)).powi(2));
    #[expect(clippy::cast_precision_loss, reason = "a few million at most")]
    let mean = squares.sum::<f64>() / one.pixels.len() as f64;
    Ok(10.0 * (255.0 * 255.0 / mean).log10())
}
