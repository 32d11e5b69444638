//! What a shader sees: the uniform block made from a token's traits, gauges and the layer's own values.
//!
//! The WGSL that declares it ([`declarations`]) and the bytes that fill it ([`uniforms`]) are made from one list of
//! members, so that they cannot disagree. Offsets follow WGSL's uniform address space layout (section 14.4.1): every
//! member is a scalar, a vector of four, an array of such, or a structure of 16 bytes, placed largest first.

use alloc::{format, string::String, vec::Vec};

use minijinja::value::Value;

use crate::{
    manifest::{Drawn, Manifest, ShaderSpec},
    traits::{TraitValue, Traits},
};
use iridule_records::{gauge::State, seed::Seed};
use iridule_scene::{color::Rgb, scene::binding};

/// The members that every block has; no trait, gauge or value may take their names.
pub const MEMBERS: [&str; 8] = ["row_x", "row_y", "picture", "scale", "spare", "canvas", "reserved", "seed"];

/// A member of the block, behind the fixed ones.
struct Member<'a> {
    name: &'a str,
    kind: Kind,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// A trait of colours: an array of this many, or a single one for 0.
    Colours(usize),
    Gauge,
    Scalar,
}

/// The members behind the fixed ones, in the order in which they lie there.
fn members<'a>(manifest: &'a Manifest, shader: &'a ShaderSpec) -> Vec<Member<'a>> {
    let traits = || {
        manifest.traits.iter().map(|t| {
            let kind = match &t.draw {
                Drawn::Palette(options) => {
                    Kind::Colours(options.iter().map(|o| o.colours.len()).max().unwrap_or(1))
                }
                Drawn::Colour { .. } => Kind::Colours(0),
                Drawn::Float { .. } | Drawn::Integer { .. } | Drawn::Choice(_) | Drawn::Derived(_) => {
                    Kind::Scalar
                }
            };
            Member { name: &t.name, kind }
        })
    };
    let gauges = manifest.gauges.iter().map(|g| Member { name: &g.name, kind: Kind::Gauge });
    let values = shader.values.iter().map(|(name, _)| Member { name, kind: Kind::Scalar });
    let wide = traits().filter(|member| member.kind != Kind::Scalar);
    let scalars = traits().filter(|member| member.kind == Kind::Scalar);
    wide.chain(gauges).chain(scalars).chain(values).collect()
}

/// The declarations that stand behind an author's WGSL.
#[must_use]
pub fn declarations(manifest: &Manifest, shader: &ShaderSpec) -> String {
    let mut text = String::from(
        "\nstruct Gauge { unit: f32, band: f32, low: f32, high: f32 }\nstruct Token {\n    row_x: vec4f,\n    \
         row_y: vec4f,\n    picture: vec2f,\n    scale: f32,\n    spare: f32,\n    canvas: vec2f,\n    \
         reserved: vec2f,\n    seed: vec4u,\n",
    );
    for Member { name, kind } in members(manifest, shader) {
        let declared = match kind {
            Kind::Colours(0) => "vec4f".into(),
            Kind::Colours(count) => format!("array<vec4f, {count}>"),
            Kind::Gauge => "Gauge".into(),
            Kind::Scalar => String::from("f32"),
        };
        text.push_str(&format!("    {name}: {declared},\n"));
    }
    text.push_str("}\n");
    let mut bind = |at: u32, what: &str| text.push_str(&format!("@group(0) @binding({at}) var{what};\n"));
    bind(binding::TOKEN, "<uniform> token: Token");
    bind(binding::BELOW, " below: texture_2d<f32>");
    bind(binding::CLAMPED, " clamped: sampler");
    bind(binding::REPEATED, " repeated: sampler");
    for (at, (name, _)) in (binding::IMAGES..).zip(&shader.images) {
        bind(at, &format!(" {name}: texture_2d<f32>"));
    }
    text.push_str(
        "fn canvas_point(p: vec4f) -> vec2f {\n    let q = vec3f(p.xy, 1.0);\n    \
         return vec2f(dot(token.row_x.xyz, q), dot(token.row_y.xyz, q));\n}\n\
         fn canvas_uv(p: vec4f) -> vec2f {\n    return canvas_point(p) / token.canvas;\n}\n",
    );
    text
}

/// The bytes of the block; its first [`binding::PLACE_BYTES`] are zeros, for the painter to fill in.
///
/// # Errors
/// A sentence, when one of the layer's values fails on these values.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    reason = "a shader's numbers are single"
)]
pub fn uniforms(
    manifest: &Manifest,
    shader: &ShaderSpec,
    seed: &Seed,
    traits: &Traits,
    state: &State,
    values: &Value,
) -> Result<Vec<u8>, String> {
    let mut block = Block(alloc::vec![0; binding::PLACE_BYTES]);
    block.floats([manifest.canvas.width as f32, manifest.canvas.height as f32, 0.0, 0.0]);
    for word in seed.draw("shader seed").0.iter().take(2) {
        block.0.extend_from_slice(&word.to_le_bytes());
    }
    let drawn =
        |name: &str| manifest.traits.iter().position(|t| t.name == name).and_then(|at| traits.values.get(at));
    for Member { name, kind } in members(manifest, shader) {
        match kind {
            Kind::Colours(count) => {
                let colours: &[Rgb] = match drawn(name) {
                    Some(TraitValue::Palette { colours, .. }) => colours,
                    Some(TraitValue::Colour(colour)) => core::slice::from_ref(colour),
                    _ => &[],
                };
                // A palette that is shorter than the longest repeats its last colour.
                for at in 0..count.max(1) {
                    let Rgb(channels) = colours.get(at).or(colours.last()).copied().unwrap_or(Rgb([0; 3]));
                    let [red, green, blue] = channels.map(|channel| f32::from(channel) / 255.0);
                    block.floats([red, green, blue, 1.0]);
                }
            }
            Kind::Gauge => {
                let place = manifest.gauges.iter().position(|g| g.name == name);
                let seen = place.and_then(|at| Some((manifest.gauges.get(at)?, *state.0.get(at)?)));
                let (gauge, band) = seen.ok_or_else(|| format!("gauge {name} has no band"))?;
                let (low, high) = gauge.quantiser.edges(band);
                // The outermost bands of edges reach to infinity, which WGSL has no value for.
                let finite = |v: f64| (v as f32).clamp(f32::MIN, f32::MAX);
                let unit = gauge.quantiser.unit(band) as f32;
                block.floats([unit, f32::from(band), finite(low), finite(high)]);
            }
            Kind::Scalar => {
                let own = shader.values.iter().find(|(known, _)| known == name);
                block.floats([match (drawn(name), own) {
                    (Some(TraitValue::Float(v)), _) => *v as f32,
                    (Some(TraitValue::Integer(v)), _) => *v as f32,
                    (Some(TraitValue::Choice { index, .. }), _) => *index as f32,
                    (Some(_), _) => 0.0,
                    (None, Some((_, number))) => {
                        number.evaluate(values).map_err(|why| format!("{name}: {why}"))?
                    }
                    (None, None) => 0.0,
                }]);
            }
        }
    }
    let whole = block.0.len().next_multiple_of(16);
    block.0.resize(whole, 0);
    Ok(block.0)
}

struct Block(Vec<u8>);

impl Block {
    fn floats<const N: usize>(&mut self, floats: [f32; N]) {
        for float in floats {
            self.0.extend_from_slice(&float.to_le_bytes());
        }
    }
}
