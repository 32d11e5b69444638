//! A fragment shader at 512 px: domain-warped noise. `benches/work/fbm` is ours; Chromium paints the same function from
//! `shaders-cpu/wgsl/corpus/bench/fbm.wgsl`, on SwiftShader, and keeps it as a screenshot.

use std::{fs, path::Path, time::Instant};

use iridule_origin::painter::{PaintedBy, ScenePainter};
use iridule_raster::encode;
use serde::Serialize;

use crate::{
    peers::{
        Bench,
        painting::{Hosts, POP, Painting},
    },
    report::{Bound, Section},
};

const WARM: (&str, &str) = ("chromium", "Chromium, a new tab");
const COLD: (&str, &str) = ("chromium-cold", "Chromium, started anew");
/// Pictures of a turn; its figure is the time of one.
const PICTURES: u32 = 5;
const BY_CHROMIUM: u32 = 2;
/// Decibels between two pictures of the same noise: hashes of large floats amplify the last bit of a product.
const ALIKE: f64 = 30.0;

/// What the page in Chromium is asked.
#[derive(Serialize)]
struct Ask<'a> {
    source: &'a str,
    uniform: [f64; 4],
    width: u32,
    height: u32,
}

pub fn section(bench: &Bench) -> anyhow::Result<Section> {
    let about = format!(
        "Three times five octaves of noise, with a number of the token's in it: the mean of {PICTURES} pictures in each round \
         ({BY_CHROMIUM} by a warm Chromium, one by a cold one). Natively it is the call; in the PoP and in workerd an HTTP request for a \
         picture that no tier holds; by Chromium a tab that runs the same WGSL by WebGPU on SwiftShader, and its \
         screenshot. All compute the PNG too. The device has all cores, the strip VM one."
    );
    let hosts = Hosts::start(bench, "fbm")?;
    let work = hosts.work();
    let title = "A fragment shader, 512 px, PNG";
    let (painter, found) = ScenePainter::open(true);
    let (sources, png) = (work.sources()?, work.png()?);
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shaders-cpu/wgsl/corpus/bench/fbm.wgsl");
    let source = fs::read_to_string(corpus)?;
    let mut painting = Painting::by_us(bench, &hosts, (title, about), PICTURES, ALIKE)?;
    if painter.devices() > 0 {
        let name = format!("iridule origin, {}", found.used.join(", "));
        painting.add(&name, PICTURES, |token| {
            let started = Instant::now();
            let (pixels, by) = painter.paint(&work.scene(token)?, &sources, &png)?;
            anyhow::ensure!(by == PaintedBy::Gpu, "the device failed: {by:?}");
            let picture = encode::encode(&pixels, true, &png)?;
            Ok((started.elapsed(), picture))
        })?;
    } else {
        painting.skip("a Vulkan device", &anyhow::anyhow!("none is of use here: {:?}", found.refused));
    }
    for (peer, pictures) in [(WARM, BY_CHROMIUM), (COLD, 1)] {
        let source = &source;
        painting.peer(peer, pictures, move |token| {
            let phase = f64::try_from(work.traits(token)?["phase"].clone())?;
            Ok(Ask { source, uniform: [0.02, phase, 0.9, 0.5], width: 512, height: 512 })
        })?;
    }
    let mut section = painting.measure()?;
    let because = "two thirds are kernels, bound by arithmetic on four lanes; a sixth is the PNG, a tenth the kernel of the system";
    section.hold("The PoP's wasm beside a warm Chromium", (POP, WARM.1), Bound::AtMost(0.05), because);
    Ok(section)
}
