//! Times of the painter's stages, named `stage/case`: each shipped style at 512 px, token 1, at rest and at its top;
//! each layer kind at 512 px (`layer/…`, the picture's own making, `layer/nothing`, included); variants derived from a
//! master of 1,024 px (`derive/…`), with their parts (`decode/…`, `resize/…`).

#![allow(clippy::unwrap_used, missing_docs, reason = "a bench that cannot run should say so at once")]

use std::{fs, hint::black_box, path::Path};

use alloy_primitives::{Address, U256};
use criterion::{Criterion, criterion_group, criterion_main};
use iridule_raster::{canvas::Canvas, derive, encode, image, paint, paint_pixels, svg};
use iridule_records::{gauge::State, seed::Seed};
use iridule_scene::{
    scene::{Content, Scene, Transform},
    variant::{Asked, Format, Variant},
};
use iridule_style::{author, style::Style};

mod kinds;

fn style(slug: &str) -> Style {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let dir = match slug {
        "card" => here.join("work/card"),
        _ => here.join("../functions/styles").join(slug),
    };
    let read = |file: &str| fs::read(dir.join(file)).map_err(|e| e.to_string());
    let package =
        author::build(&fs::read_to_string(dir.join("style.toml")).unwrap(), None, &author::ByHand, read)
            .unwrap();
    Style::load(package.cid, package.manifest, |file| read(file).ok()).unwrap()
}

fn variant(scene: &Scene, format: Format) -> Variant {
    Variant::resolve(&Asked { width: Some(512), ..Asked::default() }, format, &scene.canvas).unwrap()
}

/// A token's scene; these styles have no picture files.
fn resolved(style: &Style, seed: &Seed, state: &State) -> Scene {
    style.draft(seed, state).unwrap().fill(|path| Err::<_, String>(path.into())).unwrap()
}

fn stages(criterion: &mut Criterion) {
    for slug in ["orbits", "skyline", "card"] {
        let style = style(slug);
        for (name, band) in [("rest", 40), ("top", 120)] {
            let seed = Seed::derived(1, Address::ZERO, U256::from(1));
            let state = State(style.manifest.gauges.iter().map(|_| band).collect());
            let case = format!("{slug}-{name}");
            criterion.bench_function(&format!("expand/{case}"), |b| {
                b.iter(|| resolved(&style, black_box(&seed), &state));
            });
            let scene = resolved(&style, &seed, &state);
            let layers = scene.layers.iter().map(|layer| &layer.content);
            let svg =
                layers.filter_map(|content| if let Content::Svg(svg) = content { Some(svg) } else { None });
            let Some(layer) = svg.last() else { continue };
            criterion.bench_function(&format!("gate/{case}"), |b| {
                b.iter(|| svg::gate::admit(black_box(&layer.document), layer.elements).map(drop).unwrap());
            });
            criterion.bench_function(&format!("resolve/{case}"), |b| {
                b.iter(|| svg::resolve(black_box(layer)).unwrap());
            });
            let tree = svg::resolve(layer).unwrap();
            let png = variant(&scene, Format::Png);
            criterion.bench_function(&format!("paint/{case}"), |b| {
                b.iter(|| {
                    let mut canvas = Canvas::new(&scene, &png).unwrap();
                    let place = canvas.place(&Transform::IDENTITY);
                    let transform = svg::stretched(&tree, &canvas.size, place);
                    svg::paint_tree(&tree, transform, &mut canvas.pixmap, 64).unwrap();
                    canvas.finish()
                });
            });
            let pixels = paint_pixels(&scene, &png).unwrap();
            for (suffix, format) in [("png", Format::Png), ("webp", Format::WebP), ("jpeg", Format::Jpeg)] {
                let variant = variant(&scene, format);
                criterion.bench_function(&format!("encode/{case}-{suffix}"), |b| {
                    b.iter(|| encode::encode(black_box(&pixels), true, &variant).unwrap());
                });
            }
            criterion.bench_function(&format!("whole/{case}-png"), |b| {
                b.iter(|| paint(&resolved(&style, black_box(&seed), &state), &png).unwrap());
            });
        }
    }
}

fn layers(criterion: &mut Criterion) {
    for (name, scene) in kinds::scenes() {
        let variant = variant(&scene, Format::Png);
        criterion.bench_function(&format!("layer/{name}"), |b| {
            b.iter(|| paint_pixels(black_box(&scene), &variant).unwrap());
        });
    }
}

fn deriving(criterion: &mut Criterion) {
    for slug in ["orbits", "skyline"] {
        let style = style(slug);
        let scene = resolved(&style, &Seed::derived(1, Address::ZERO, U256::from(1)), &State(vec![120]));
        let sized = |width, format| {
            let asked = Asked { width: Some(width), ..Asked::default() };
            Variant::resolve(&asked, format, &scene.canvas).unwrap()
        };
        let master = paint(&scene, &sized(1024, Format::Png)).unwrap();
        criterion.bench_function(&format!("decode/{slug}-1024"), |b| {
            b.iter(|| {
                let info = image::inspect(&master).unwrap();
                image::rows(black_box(&master), &info, &mut |row| {
                    black_box(row);
                })
                .unwrap();
            });
        });
        for width in [1024, 512, 256, 64] {
            let variant = sized(width, Format::Png);
            criterion.bench_function(&format!("resize/{slug}-1024-{width}"), |b| {
                b.iter(|| derive::derive_pixels(black_box(&master), &scene.canvas, &variant).unwrap());
            });
        }
        for (suffix, format) in [("png", Format::Png), ("webp", Format::WebP), ("jpeg", Format::Jpeg)] {
            for width in [1024, 512, 256] {
                let variant = sized(width, format);
                criterion.bench_function(&format!("derive/{slug}-1024-{width}-{suffix}"), |b| {
                    b.iter(|| derive(black_box(&master), &scene.canvas, &variant).unwrap());
                });
            }
        }
    }
}

criterion_group!(benches, stages, layers, deriving);
criterion_main!(benches);
