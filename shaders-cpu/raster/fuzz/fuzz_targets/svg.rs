//! The svg door: any bytes as a layer's document are refused or painted, without panic, within time and memory.
#![no_main]

use iridule_scene::{scene::{Canvas, Content, Layer, Scene, Svg}, variant::{Fit, Format, Variant}};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(document) = core::str::from_utf8(bytes) else { return };
    let svg = Svg { document: document.into(), steps: 0, elements: 300, overdraw: 64 };
    let layer = Layer::plain("layer.svg", Content::Svg(svg));
    let scene =
        Scene { canvas: Canvas { width: 100, height: 100, background: None }, layers: vec![layer] };
    let variant = Variant { width: 64, height: 96, fit: Fit::Cover, format: Format::Png, quality: 0 };
    let _ = iridule_raster::paint(&scene, &variant);
});
