//! Each shipped style: painting at a size, and deriving that size from the master.

use std::time::{Duration, Instant};

use iridule_scene::{
    scene::Scene,
    variant::{Asked, Format, Variant},
};

use crate::{
    rounds::{Case, interleaved},
    shipped,
};

/// Widths that are asked for, in pixels.
const WIDTHS: [u32; 3] = [256, 512, 1024];
/// Tokens of a style; a figure is the time of one of them.
const TOKENS: u32 = 4;

/// Prints the table.
pub fn run(rounds: u32) -> anyhow::Result<()> {
    println!(
        "A PNG of each style, of a token at rest; the mean of {TOKENS} tokens. Scenes are resolved before.\n"
    );
    println!("| style | width | painted | derived from the master |");
    println!("|---|---|---|---|");
    for slug in shipped::slugs()? {
        let scenes = shipped::scenes(&slug, TOKENS.into())?;
        let Some(canvas) = scenes.first().map(|scene| scene.canvas) else { continue };
        let master = Variant::master(&canvas)?;
        let painted = |variant: &Variant| -> anyhow::Result<Vec<Vec<u8>>> {
            scenes.iter().map(|scene| Ok(iridule_raster::paint(scene, variant)?)).collect()
        };
        let masters = painted(&master)?;
        let derive = |scene: &Scene, master: &[u8], variant: &Variant| {
            iridule_raster::derive(master, &scene.canvas, variant)
        };
        let mut cases = Vec::new();
        for width in WIDTHS {
            let asked = Asked { width: Some(width), ..Asked::default() };
            let variant = Variant::resolve(&asked, Format::Png, &canvas)?;
            cases.push(Case::new(format!("{width} painted"), move || mean(|| painted(&variant).map(drop))));
            if variant.width < master.width {
                let (scenes, masters) = (&scenes, &masters);
                cases.push(Case::new(format!("{width} derived"), move || {
                    mean(|| {
                        for (scene, master) in scenes.iter().zip(masters) {
                            derive(scene, master, &variant)?;
                        }
                        Ok(())
                    })
                }));
            }
        }
        let times = interleaved(&mut cases, rounds)?;
        let named = |name: String| cases.iter().position(|case| case.name == name).map(|at| &times[at]);
        for width in WIDTHS {
            let said = |way| named(format!("{width} {way}")).map_or("–".to_owned(), ToString::to_string);
            println!("| {slug} | {width} | {} | {} |", said("painted"), said("derived"));
        }
    }
    Ok(())
}

/// The time of one token, of a run over all of them.
fn mean(run: impl FnOnce() -> anyhow::Result<()>) -> anyhow::Result<Duration> {
    let started = Instant::now();
    run()?;
    Ok(started.elapsed() / TOKENS)
}
