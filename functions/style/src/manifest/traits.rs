//! Traits as a manifest says them: what is drawn from a token's seed, what is not to be, and what is set by hand.
//!
//! How a token's values come out of this is [`crate::traits`]'s.

use alloc::{format, string::String, vec::Vec};

use serde::{Deserialize, Serialize};
use serde_bytes::ByteArray;

use super::{Manifest, at_most};
use crate::{expression::Expression, limits};
use iridule_scene::color::Rgb;

/// A named draw from the seed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Trait {
    /// The name that layers use, and that the draw is made from.
    pub name: String,
    /// The `trait_type` that collectors read; none keeps the trait out of the metadata.
    pub label: Option<String>,
    /// What is drawn.
    pub draw: Drawn,
}

/// What a trait may be.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
pub enum Drawn {
    /// A number in `[min, max)`.
    Float {
        /// The least.
        min: f64,
        /// The bound above.
        max: f64,
        /// How the numbers are spread.
        distribution: Distribution,
    },
    /// A whole number in `min..=max`.
    Integer {
        /// The least.
        min: i64,
        /// The greatest.
        max: i64,
        /// How the numbers are spread.
        distribution: Distribution,
    },
    /// One of several texts, by weight.
    Choice(Vec<Choice>),
    /// A colour, uniform in a box of OKLCH.
    Colour {
        /// Lightness, 0 to 1, from and to.
        lightness: [f64; 2],
        /// Chroma, 0 to 0.4, from and to.
        chroma: [f64; 2],
        /// Hue in degrees, from and to; the second may pass 360.
        hue: [f64; 2],
    },
    /// One of several named lists of colours, by weight.
    Palette(Vec<Palette>),
    /// Not drawn: a number or text that follows from the traits above it.
    Derived(Expression),
}

/// How drawn numbers are spread over their range.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Distribution {
    /// Each as likely as any other.
    #[default]
    Uniform,
    /// Around the middle; the ends are three standard deviations away, where it is cut.
    Normal,
    /// The density falls linearly to zero at the upper end.
    Low,
    /// The density rises linearly from zero at the lower end.
    High,
}

/// One option of a choice.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Choice {
    /// The text.
    pub value: String,
    /// Its weight among the weights of all options; at least 1.
    pub weight: u32,
}

/// One option of a palette trait.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Palette {
    /// Its name.
    pub value: String,
    /// Its weight among the weights of all options; at least 1.
    pub weight: u32,
    /// Its colours, in the order that layers count them.
    pub colours: Vec<Rgb>,
}

/// A combination of traits that is not to be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Exclusion {
    /// Holds for what is not to be.
    pub when: Expression,
    /// The trait that is drawn again then.
    pub redraw: String,
}

/// A token whose traits are set by hand.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Override {
    /// The token's seed. Not its number: a picture follows from the seed alone.
    pub seed: ByteArray<32>,
    /// Traits and what they are.
    pub set: Vec<(String, Setting)>,
}

/// What a trait is set to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Setting {
    /// A number.
    Number(f64),
    /// An option's text.
    Text(String),
}

impl Manifest {
    pub(super) fn check_traits(&self) -> Result<(), String> {
        let mut above: Vec<&str> = Vec::new();
        for t in &self.traits {
            t.check(&above).map_err(|why| format!("trait {}: {why}", t.name))?;
            above.push(&t.name);
        }
        at_most("exclusions", self.exclusions.len(), limits::EXCLUSIONS)?;
        for (at, exclusion) in self.exclusions.iter().enumerate() {
            self.check_exclusion(exclusion, &above).map_err(|why| format!("exclude {}: {why}", at + 1))?;
        }
        at_most("overrides", self.overrides.len(), limits::OVERRIDES)?;
        for (at, one) in self.overrides.iter().enumerate() {
            for (name, setting) in &one.set {
                self.check_setting(name, setting).map_err(|why| format!("override {}: {why}", at + 1))?;
            }
            if self.overrides[..at].iter().any(|other| other.seed == one.seed) {
                return Err(format!("override {}: this token has one already", at + 1));
            }
        }
        Ok(())
    }

    fn check_exclusion(&self, exclusion: &Exclusion, names: &[&str]) -> Result<(), String> {
        exclusion.when.check(names)?;
        match self.named_trait(&exclusion.redraw)?.draw {
            Drawn::Derived(_) => Err(format!("{} is derived, so it cannot be drawn again", exclusion.redraw)),
            _ => Ok(()),
        }
    }

    fn check_setting(&self, name: &str, setting: &Setting) -> Result<(), String> {
        let fits = match (&self.named_trait(name)?.draw, setting) {
            (Drawn::Float { .. }, Setting::Number(number)) => number.is_finite(),
            (Drawn::Integer { .. }, Setting::Number(number)) => {
                number.abs() <= 9e15 && libm::trunc(*number) == *number
            }
            (Drawn::Choice(options), Setting::Text(text)) => options.iter().any(|o| o.value == *text),
            (Drawn::Palette(options), Setting::Text(text)) => options.iter().any(|o| o.value == *text),
            (Drawn::Colour { .. }, Setting::Text(text)) => Rgb::parse(text).is_some(),
            _ => false,
        };
        if fits { Ok(()) } else { Err(format!("{name} cannot be {setting:?}")) }
    }

    fn named_trait(&self, name: &str) -> Result<&Trait, String> {
        let names = || self.traits.iter().map(|t| t.name.as_str());
        let found = self.traits.iter().find(|t| t.name == name);
        found.ok_or_else(|| crate::expression::no_such("trait", name, names()))
    }
}

impl Trait {
    fn check(&self, above: &[&str]) -> Result<(), String> {
        if self.label.as_ref().is_some_and(|label| label.is_empty() || label.len() > limits::NAME_BYTES) {
            return Err(format!("label has 1 to {} bytes", limits::NAME_BYTES));
        }
        let ordered = |[from, to]: [f64; 2], least: f64, most: f64| from >= least && to <= most && from <= to;
        match &self.draw {
            Drawn::Float { min, max, .. } if min < max && min.is_finite() && max.is_finite() => Ok(()),
            Drawn::Float { .. } => Err("min is a number below max".into()),
            Drawn::Integer { min, max, .. } if min <= max => Ok(()),
            Drawn::Integer { .. } => Err("min is at most max".into()),
            Drawn::Choice(options) => options_fit(options.iter().map(|o| (o.value.as_str(), o.weight))),
            Drawn::Palette(options) => {
                if options.iter().any(|o| o.colours.is_empty() || o.colours.len() > limits::COLOURS) {
                    return Err(format!("a palette has 1 to {} colours", limits::COLOURS));
                }
                options_fit(options.iter().map(|o| (o.value.as_str(), o.weight)))
            }
            Drawn::Colour { lightness, chroma, hue } => {
                if ordered(*lightness, 0.0, 1.0) && ordered(*chroma, 0.0, 0.4) && ordered(*hue, 0.0, 720.0) {
                    return Ok(());
                }
                Err("a colour has lightness in 0..1, chroma in 0..0.4, hue in 0..720, each from and to"
                    .into())
            }
            Drawn::Derived(value) => value.check(above),
        }
    }
}

fn options_fit<'a>(options: impl Iterator<Item = (&'a str, u32)> + Clone) -> Result<(), String> {
    let count = options.clone().count();
    at_most("options", count, limits::OPTIONS)?;
    if count == 0 || options.clone().any(|(value, weight)| weight == 0 || value.len() > limits::NAME_BYTES) {
        return Err(format!(
            "there are options, each with a weight above 0 and a value of at most {} bytes",
            limits::NAME_BYTES
        ));
    }
    let mut values: Vec<&str> = options.map(|(value, _)| value).collect();
    values.sort_unstable();
    match values.windows(2).find(|pair| pair[0] == pair[1]) {
        Some(pair) => Err(format!("option {:?} is given twice", pair[0])),
        None => Ok(()),
    }
}
