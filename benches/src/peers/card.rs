//! A vector card of 512 px: gradients, rounded boxes, circles, nine texts. `benches/work/card` is ours,
//! `benches/peers/card.mjs` the others'.

use crate::{
    peers::{
        Bench,
        painting::{Hosts, NATIVE, POP, Painting},
    },
    report::{Bound, Section},
};

const TAKUMI: (&str, &str) = ("takumi", "takumi, native");
const TAKUMI_WASM: (&str, &str) = ("takumi-wasm", "takumi, wasm");
const SATORI: (&str, &str) = ("satori", "satori + resvg-wasm");
/// Cards of a turn; its figure is the time of one.
const CARDS: u32 = 10;
/// Decibels between two pictures of the same card: edges of shapes and letters differ by who draws them.
const ALIKE: f64 = 28.0;

pub fn section(bench: &Bench) -> anyhow::Result<Section> {
    let about = format!(
        "Cards that nobody has painted before, the mean of {CARDS} in each round. Natively and for the peers it is the call, \
         with code and fonts loaded: from a token's number to the PNG for ours, from a tree of boxes to the PNG for \
         theirs. In the PoP and in workerd it is an HTTP request on the loopback, to the last byte, for a picture that no \
         tier holds; wrangler puts a proxy of its own before workerd. Likeness is a PSNR."
    );
    let hosts = Hosts::start(bench, "card")?;
    let mut painting = Painting::by_us(bench, &hosts, ("A vector card, 512 px, PNG", about), CARDS, ALIKE)?;
    for peer in [TAKUMI, TAKUMI_WASM, SATORI] {
        painting.peer(peer, CARDS, |token| hosts.work().traits(token))?;
    }
    let mut section = painting.measure()?;
    let half = Bound::AtMost(0.5);
    let because = "over a quarter is the PNG, a fifth compositing and fills, a seventh the system's kernel, an eighth edges";
    section.hold("The PoP's wasm beside takumi's", (POP, TAKUMI_WASM.1), half, because);
    let because = "a third is the PNG, over a quarter tiny-skia's edges, a seventh usvg setting texts";
    section.hold("Natively beside takumi", (NATIVE, TAKUMI.1), half, because);
    Ok(section)
}
