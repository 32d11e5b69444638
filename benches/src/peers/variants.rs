//! Smaller variants of one master: ours against sharp (libvips), on the same file, on one core each.

use std::{fs, path::Path, time::Instant};

use iridule_scene::variant::{Asked, Format, Variant};
use serde::Serialize;

use crate::{
    likeness::psnr,
    peer::Peer,
    peers::Bench,
    report::{Bound, Section},
    rounds::{Case, interleaved},
    shipped,
};

/// The masters: styles whose canvas is 1,024 px across.
const STYLES: [&str; 3] = ["orbits", "skyline", "guilloche"];
/// Widths that are derived, in pixels.
const WIDTHS: [u32; 2] = [256, 512];
/// Formats, by the name that both sides know.
const FORMATS: [(Format, &str); 4] =
    [(Format::Png, "png"), (Format::WebP, "webp"), (Format::Jpeg, "jpeg"), (Format::Avif, "avif")];

/// What sharp is asked.
#[derive(Serialize)]
struct Ask<'a> {
    file: &'a Path,
    width: u32,
    height: u32,
    format: &'a str,
    quality: u8,
}

pub fn section(bench: &Bench) -> anyhow::Result<Section> {
    let mut section = Section {
        title: "Variants of a 1,024 px master".into(),
        about: "From the master's PNG in memory to the file. PNG, lossless WebP, and JPEG and AVIF of the same quality number. Ours is \
                resampled in linear light by portable integer code (AVIF at origins only), sharp's in gamma space with SIMD, one thread. Likeness \
                is a PSNR."
            .into(),
        ..Section::default()
    };
    let mut sharp = match Peer::start(&bench.peers, "sharp", bench.scratch.path()) {
        Ok(sharp) => sharp,
        Err(why) => {
            section.skipped.push(format!("sharp: {why:#}"));
            return Ok(section);
        }
    };
    for slug in STYLES {
        let scene = shipped::scenes(slug, 1)?.remove(0);
        let master = iridule_raster::paint(&scene, &Variant::master(&scene.canvas)?)?;
        let file = bench.scratch.path().join(format!("{slug}.png"));
        fs::write(&file, &master)?;
        for width in WIDTHS {
            for (format, name) in FORMATS {
                let asked = Asked { width: Some(width), ..Asked::default() };
                let variant = Variant::resolve(&asked, format, &scene.canvas)?;
                let (height, quality) = (variant.height.into(), variant.quality);
                let ask = Ask { file: &file, width, height, format: name, quality };
                let derive = || match format {
                    Format::Avif => {
                        let pixels = iridule_raster::derive::derive_pixels(&master, &scene.canvas, &variant)?;
                        iridule_origin::encode::encode(&pixels, true, &variant).map_err(anyhow::Error::msg)
                    }
                    _ => Ok(iridule_raster::derive(&master, &scene.canvas, &variant)?),
                };
                let (theirs, ours) = (fs::read(sharp.make(&ask)?.out)?, derive()?);
                let likeness = match format {
                    Format::Png => format!("{:.1} dB", psnr(&ours, &theirs)?),
                    _ => String::new(),
                };
                let (us, them) =
                    (format!("iridule, {slug} {width} {name}"), format!("sharp, {slug} {width} {name}"));
                let mut cases = [
                    Case::new(&us, || {
                        let started = Instant::now();
                        derive()?;
                        Ok(started.elapsed())
                    }),
                    Case::new(&them, || Ok(sharp.make(&ask)?.took())),
                ];
                let times = interleaved(&mut cases, bench.rounds)?;
                drop(cases);
                let row = |at: usize, name: &str, bytes: usize| {
                    times[at].row(name).with("bytes", bytes.to_string()).with("likeness", likeness.clone())
                };
                section.rows.extend([row(0, &us, ours.len()), row(1, &them, theirs.len())]);
            }
        }
    }
    for (_, name) in FORMATS {
        let pair = |who: &str| format!("{who}, orbits 256 {name}");
        let (us, them) = (pair("iridule"), pair("sharp"));
        let because = "sharp's encoder and resampler are SIMD; ours are portable code that gives every host the same bytes";
        section.hold(&format!("{name} at 256 px beside sharp"), (&us, &them), Bound::AtMost(1.0), because);
    }
    Ok(section)
}
