//! A token's traits: drawn from its seed, corrected by the style's exclusions and overrides.
//!
//! A draw is `keccak256(seed ‖ name)`, so adding a trait never shifts another. When an exclusion holds, the trait that
//! it names is drawn again, up to [`ROUNDS`] times for all; a combination that is still excluded then stands, since a
//! token must look like something (`iridule style check` counts such tokens).

use alloc::{
    collections::BTreeMap,
    format,
    string::{String, ToString},
    vec::Vec,
};

use minijinja::{context, value::Value};

use crate::{
    expression::is_plain,
    manifest::{Distribution, Drawn, Manifest, Override, Setting, Trait},
    template,
};
use iridule_records::seed::{Draw, Seed};
use iridule_scene::color::Rgb;

/// How often a token's traits are drawn again to get away from exclusions.
pub const ROUNDS: u64 = 64;

/// What a trait turned out to be for one token.
#[derive(Debug, Clone, PartialEq)]
pub enum TraitValue {
    /// Of a float, or derived.
    Float(f64),
    /// Of an integer, or derived.
    Integer(i64),
    /// Of a choice.
    Choice {
        /// Its place among the options, from 0.
        index: usize,
        /// Its text.
        text: String,
    },
    /// Of a colour.
    Colour(Rgb),
    /// Of a palette.
    Palette {
        /// The option's name.
        name: String,
        /// Its colours.
        colours: Vec<Rgb>,
    },
    /// Derived, as a text.
    Text(String),
}

/// A token's traits.
#[derive(Debug, Clone, PartialEq)]
pub struct Traits {
    /// One value for each trait of the manifest, in its order.
    pub values: Vec<TraitValue>,
    /// Whether an exclusion still holds.
    pub excluded: bool,
}

impl Traits {
    /// Draws a token's traits.
    ///
    /// # Errors
    /// A sentence that names the trait or exclusion whose expression failed on these values.
    pub fn of(manifest: &Manifest, seed: &Seed) -> Result<Self, String> {
        let by_hand = manifest.overrides.iter().find(|one| *one.seed == seed.0.0);
        let mut attempts = alloc::vec![0; manifest.traits.len()];
        let mut values = draw_all(manifest, by_hand, seed, &attempts)?;
        for _ in 0..ROUNDS {
            let Some(again) = excluded(manifest, by_hand, seed, &values)? else {
                return Ok(Self { values, excluded: false });
            };
            attempts[again] += 1;
            values = draw_all(manifest, by_hand, seed, &attempts)?;
        }
        let excluded = excluded(manifest, by_hand, seed, &values)?.is_some();
        Ok(Self { values, excluded })
    }

    /// The values by name, as expressions see them.
    pub fn named<'a>(&'a self, manifest: &'a Manifest) -> impl Iterator<Item = (String, Value)> + 'a {
        let names = manifest.traits.iter().map(|t| t.name.clone());
        names.zip(self.values.iter().cloned().map(Value::from))
    }
}

/// The place of the first trait that an exclusion asks to be drawn again.
fn excluded(
    manifest: &Manifest,
    by_hand: Option<&Override>,
    seed: &Seed,
    values: &[TraitValue],
) -> Result<Option<usize>, String> {
    if manifest.exclusions.is_empty() {
        return Ok(None);
    }
    let named: BTreeMap<String, Value> =
        manifest.traits.iter().zip(values).map(|(t, v)| (t.name.clone(), v.clone().into())).collect();
    let named = template::values(named, *seed);
    for (at, exclusion) in manifest.exclusions.iter().enumerate() {
        // What is set by hand stays as it is set.
        if by_hand.is_some_and(|one| one.set.iter().any(|(name, _)| *name == exclusion.redraw)) {
            continue;
        }
        if exclusion.when.holds(&named).map_err(|why| format!("exclude {}: {why}", at + 1))? {
            return Ok(manifest.traits.iter().position(|t| t.name == exclusion.redraw));
        }
    }
    Ok(None)
}

fn draw_all(
    manifest: &Manifest,
    by_hand: Option<&Override>,
    seed: &Seed,
    attempts: &[u64],
) -> Result<Vec<TraitValue>, String> {
    let mut values = Vec::with_capacity(manifest.traits.len());
    for (t, attempt) in manifest.traits.iter().zip(attempts) {
        let setting = by_hand.and_then(|one| one.set.iter().find(|(name, _)| *name == t.name));
        let value = match (&t.draw, setting) {
            (Drawn::Derived(expression), _) => {
                let above = manifest.traits.iter().zip(&values);
                let named =
                    above.map(|(t, v): (_, &TraitValue)| (t.name.clone(), v.clone().into())).collect();
                let value = expression.evaluate(&template::values(named, *seed));
                value.and_then(derived).map_err(|why| format!("trait {}: {why}", t.name))?
            }
            (_, Some((_, setting))) => {
                t.set(setting).ok_or_else(|| format!("trait {} cannot be {setting:?}", t.name))?
            }
            (_, None) => t.value(seed, *attempt),
        };
        values.push(value);
    }
    Ok(values)
}

fn derived(value: Value) -> Result<TraitValue, String> {
    if !is_plain(&value) {
        return Err("it gives neither a number nor a short text".into());
    }
    Ok(match (value.as_str(), i64::try_from(value.clone()), f64::try_from(value.clone())) {
        (Some(text), ..) => TraitValue::Text(text.into()),
        (None, Ok(whole), _) => TraitValue::Integer(whole),
        (None, _, Ok(number)) if number.is_finite() => TraitValue::Float(number),
        _ => return Err("it gives a number that is not finite".into()),
    })
}

impl Trait {
    /// Draws the trait from a seed. `attempt` counts the draws that were excluded.
    fn value(&self, seed: &Seed, attempt: u64) -> TraitValue {
        let draw = match attempt {
            0 => seed.draw(&self.name),
            // No trait's name holds a space, so these meet no other draw.
            _ => seed.draw_nth(&format!("redraw {}", self.name), attempt),
        };
        let between = |[from, to]: [f64; 2], which| from + (to - from) * draw.unit(which);
        match &self.draw {
            Drawn::Float { min, max, distribution } => {
                TraitValue::Float((min + (max - min) * distribution.unit(&draw)).min(max.next_down()))
            }
            Drawn::Integer { min, max, distribution: Distribution::Uniform } => {
                let count = max.abs_diff(*min).saturating_add(1);
                TraitValue::Integer(min.saturating_add_unsigned(draw.below(count)))
            }
            Drawn::Integer { min, max, distribution } => {
                #[expect(
                    clippy::cast_possible_truncation,
                    clippy::cast_sign_loss,
                    clippy::cast_precision_loss,
                    reason = "a share of a count, cut at the count; a range past 2^53 loses its last bits"
                )]
                let offset = (distribution.unit(&draw) * (max.abs_diff(*min) as f64 + 1.0)) as u64;
                TraitValue::Integer(min.saturating_add_unsigned(offset).min(*max))
            }
            Drawn::Choice(options) => {
                let index = weighted(options.iter().map(|o| o.weight), &draw);
                let text = options.get(index).map(|o| o.value.clone()).unwrap_or_default();
                TraitValue::Choice { index, text }
            }
            Drawn::Colour { lightness, chroma, hue } => TraitValue::Colour(Rgb::from_oklch(
                between(*lightness, 0),
                between(*chroma, 1),
                between(*hue, 2),
            )),
            Drawn::Palette(options) => {
                let index = weighted(options.iter().map(|o| o.weight), &draw);
                let (name, colours) =
                    options.get(index).map(|o| (o.value.clone(), o.colours.clone())).unwrap_or_default();
                TraitValue::Palette { name, colours }
            }
            Drawn::Derived(_) => TraitValue::Integer(0),
        }
    }

    /// The trait as it is set by hand; `None` where it cannot be.
    fn set(&self, setting: &Setting) -> Option<TraitValue> {
        Some(match (&self.draw, setting) {
            (Drawn::Float { .. }, Setting::Number(number)) => TraitValue::Float(*number),
            (Drawn::Integer { .. }, Setting::Number(number)) =>
            {
                #[expect(
                    clippy::cast_possible_truncation,
                    reason = "whole and small, by the manifest's check"
                )]
                TraitValue::Integer(*number as i64)
            }
            (Drawn::Choice(options), Setting::Text(text)) => {
                let index = options.iter().position(|o| o.value == *text)?;
                TraitValue::Choice { index, text: text.clone() }
            }
            (Drawn::Palette(options), Setting::Text(text)) => {
                let option = options.iter().find(|o| o.value == *text)?;
                TraitValue::Palette { name: text.clone(), colours: option.colours.clone() }
            }
            (Drawn::Colour { .. }, Setting::Text(text)) => TraitValue::Colour(Rgb::parse(text)?),
            _ => return None,
        })
    }
}

/// The place of the option that a draw falls on.
fn weighted(weights: impl Iterator<Item = u32> + Clone, draw: &Draw) -> usize {
    let total: u64 = weights.clone().map(u64::from).sum();
    let mut at = draw.below(total);
    for (index, weight) in weights.enumerate() {
        if at < u64::from(weight) {
            return index;
        }
        at -= u64::from(weight);
    }
    0
}

impl Distribution {
    /// A number from 0 to 1, spread so.
    fn unit(self, draw: &Draw) -> f64 {
        let u = draw.unit(0);
        match self {
            Self::Uniform => u,
            // The inverse of the distribution function, which is x² or its mirror image.
            Self::High => libm::sqrt(u),
            Self::Low => 1.0 - libm::sqrt(1.0 - u),
            Self::Normal => {
                // Box and Muller's transform; what lies past three sigma takes the second pair, then the edge.
                let normal = |a: f64, b: f64| {
                    libm::sqrt(-2.0 * libm::log(1.0 - a)) * libm::cos(2.0 * core::f64::consts::PI * b)
                };
                let first = normal(u, draw.unit(1));
                let z = if first.abs() <= 3.0 { first } else { normal(draw.unit(2), draw.unit(3)) };
                z.clamp(-3.0, 3.0) / 6.0 + 0.5
            }
        }
    }
}

impl TraitValue {
    /// The text, for a trait that has one.
    #[must_use]
    pub fn option(&self) -> Option<&str> {
        match self {
            Self::Choice { text, .. } => Some(text),
            Self::Palette { name, .. } => Some(name),
            _ => None,
        }
    }
}

impl From<TraitValue> for Value {
    fn from(value: TraitValue) -> Self {
        match value {
            TraitValue::Float(v) => v.into(),
            TraitValue::Integer(v) => v.into(),
            TraitValue::Choice { text, .. } | TraitValue::Text(text) => text.into(),
            TraitValue::Colour(v) => v.to_string().into(),
            TraitValue::Palette { name, colours } => {
                context! { name, colours => colours.iter().map(Rgb::to_string).collect::<Vec<_>>() }
            }
        }
    }
}
