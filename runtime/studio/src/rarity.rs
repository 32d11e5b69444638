//! The distribution of traits over the tokens of a collection: which values are rare, and which never occur.

use std::{collections::BTreeMap, fmt, ops::RangeInclusive};

use alloy_primitives::U256;
use iridule_style::{
    manifest::{Drawn, Trait},
    style::Style,
    traits::TraitValue,
};

use crate::{BuiltStyle, StudioError};

/// Maximum number of tokens that are drawn.
const MAX_TOKENS: u64 = 1_000_000;

/// The distribution of every trait.
#[derive(Debug, Clone)]
pub struct Rarity {
    /// How many tokens were drawn: all of the collection, or its first million.
    pub tokens: u64,
    /// How many tokens the collection has.
    pub supply: u64,
    /// How many tokens have an excluded combination even after all redraws.
    pub excluded: u64,
    /// Each trait with its distribution, in the manifest's order.
    pub traits: Vec<(Trait, TraitDistribution)>,
}

/// The distribution of one trait.
#[derive(Debug, Clone, PartialEq)]
pub enum TraitDistribution {
    /// Texts. The options of a choice or palette come first, in their order, even those that no token has.
    Options(Vec<OptionCount>),
    /// Numbers.
    Numbers(NumberStats),
    /// Colors; the number of different ones.
    Colors(usize),
}

/// One option, and how often it was drawn.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OptionCount {
    /// The option.
    pub value: String,
    /// Its weight, in parts of 10,000 of the sum of weights. `None` for a derived text.
    pub intended: Option<u64>,
    /// How many tokens have it.
    pub count: u64,
}

/// A histogram of numbers, with ten classes of equal width.
#[derive(Debug, Clone, PartialEq)]
pub struct NumberStats {
    /// The minimum.
    pub min: f64,
    /// The maximum.
    pub max: f64,
    /// The mean.
    pub mean: f64,
    /// How many numbers are in each class between minimum and maximum.
    pub classes: [u64; 10],
}

impl Rarity {
    /// Draws every token of a collection, or its first million, on this thread. [`crate::StyleSession::rarity`] does it in a sandbox.
    ///
    /// # Errors
    /// [`StudioError::Style`], when an expression fails on a token; the text names it.
    pub fn of(built: &BuiltStyle, style: &Style) -> Result<Self, StudioError> {
        let mut drawing = TraitDraws::start(built, style);
        while drawing.draw_next(built, style, usize::MAX)? {}
        Ok(drawing.rarity(built, style))
    }

    /// The options that no token has, each with the name of its trait.
    pub fn never(&self) -> impl Iterator<Item = (&str, &OptionCount)> {
        self.traits.iter().flat_map(|(of, spread)| {
            let options: &[OptionCount] =
                if let TraitDistribution::Options(options) = spread { options } else { &[] };
            options.iter().filter(|share| share.count == 0).map(|share| (of.name.as_str(), share))
        })
    }
}

/// The drawing of a collection's tokens, a few at a time.
pub(crate) struct TraitDraws {
    tallies: Vec<Tally>,
    excluded: u64,
    /// The tokens that are not drawn yet.
    left: RangeInclusive<u64>,
}

impl TraitDraws {
    pub(crate) fn start(built: &BuiltStyle, style: &Style) -> Self {
        let tallies = style.manifest.traits.iter().map(Tally::of).collect();
        let first = built.collection.first;
        let last = built.collection.last().min(first.saturating_add(MAX_TOKENS - 1));
        Self { tallies, excluded: 0, left: first..=last }
    }

    /// The number of drawn tokens, and the total.
    pub(crate) fn progress(&self, built: &BuiltStyle) -> (u64, u64) {
        let left = if self.left.is_empty() { 0 } else { self.left.end() - self.left.start() + 1 };
        let all = built.collection.supply.min(MAX_TOKENS);
        (all.saturating_sub(left), all)
    }

    /// Draws up to `most` more tokens. Returns whether any are left.
    pub(crate) fn draw_next(
        &mut self,
        built: &BuiltStyle,
        style: &Style,
        most: usize,
    ) -> Result<bool, StudioError> {
        for token in self.left.by_ref().take(most) {
            let blame = |why: String| built.blame(format!("token {token}: {why}"));
            let seed = built.collection.seed(U256::from(token)).map_err(|why| blame(why.to_string()))?;
            let drawn = style.traits(&seed).map_err(|why| blame(why.to_string()))?;
            self.excluded += u64::from(drawn.excluded);
            for (tally, value) in self.tallies.iter_mut().zip(drawn.values) {
                tally.add(value);
            }
        }
        Ok(!self.left.is_empty())
    }

    pub(crate) fn rarity(self, built: &BuiltStyle, style: &Style) -> Rarity {
        let spreads = self.tallies.into_iter().map(Tally::spread);
        let traits = style.manifest.traits.iter().cloned().zip(spreads).collect();
        let supply = built.collection.supply;
        Rarity { tokens: supply.min(MAX_TOKENS), supply, excluded: self.excluded, traits }
    }
}

/// A distribution that is being collected.
enum Tally {
    Options { order: Vec<OptionCount>, others: BTreeMap<String, u64> },
    Numbers(Vec<f64>),
    Colors(Vec<String>),
}

impl Tally {
    fn of(of: &Trait) -> Self {
        let options = |all: Vec<(&String, u32)>| {
            let sum: u64 = all.iter().map(|(_, weight)| u64::from(*weight)).sum();
            let share = |(value, weight): (&String, u32)| OptionCount {
                value: value.clone(),
                intended: Some(u64::from(weight) * 10_000 / sum.max(1)),
                count: 0,
            };
            Self::Options { order: all.into_iter().map(share).collect(), others: BTreeMap::new() }
        };
        match &of.draw {
            Drawn::Choice(all) => options(all.iter().map(|one| (&one.value, one.weight)).collect()),
            Drawn::Palette(all) => options(all.iter().map(|one| (&one.value, one.weight)).collect()),
            Drawn::Colour { .. } => Self::Colors(Vec::new()),
            Drawn::Float { .. } | Drawn::Integer { .. } => Self::Numbers(Vec::new()),
            Drawn::Derived(_) => Self::Options { order: Vec::new(), others: BTreeMap::new() },
        }
    }

    fn add(&mut self, value: TraitValue) {
        let text = match value {
            #[expect(clippy::cast_precision_loss, reason = "a statistic")]
            TraitValue::Integer(number) => return self.add_number(number as f64),
            TraitValue::Float(number) => return self.add_number(number),
            TraitValue::Choice { text, .. } | TraitValue::Text(text) => text,
            TraitValue::Palette { name, .. } => name,
            TraitValue::Colour(color) => color.to_string(),
        };
        match self {
            Self::Options { order, others } => match order.iter_mut().find(|share| share.value == text) {
                Some(share) => share.count += 1,
                None => *others.entry(text).or_default() += 1,
            },
            Self::Colors(all) => all.push(text),
            Self::Numbers(_) => {}
        }
    }

    /// Whether a derived trait is a number is known from its first value.
    fn add_number(&mut self, number: f64) {
        match self {
            Self::Numbers(all) => all.push(number),
            Self::Options { others, .. } if others.is_empty() => *self = Self::Numbers(vec![number]),
            Self::Options { .. } | Self::Colors(_) => {}
        }
    }

    fn spread(self) -> TraitDistribution {
        match self {
            Self::Options { mut order, others } => {
                let others =
                    others.into_iter().map(|(value, count)| OptionCount { value, intended: None, count });
                order.extend(others);
                TraitDistribution::Options(order)
            }
            Self::Colors(mut all) => {
                all.sort_unstable();
                all.dedup();
                TraitDistribution::Colors(all.len())
            }
            Self::Numbers(all) => TraitDistribution::Numbers(NumberStats::of(&all)),
        }
    }
}

impl NumberStats {
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a statistic: tokens are counted in thousands, and classes from 0 to 9"
    )]
    fn of(all: &[f64]) -> Self {
        let min = all.iter().copied().fold(f64::INFINITY, f64::min);
        let max = all.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let mut classes = [0; 10];
        for number in all {
            let at = (number - min) / (max - min).max(f64::MIN_POSITIVE) * 10.0;
            classes[(at as usize).min(9)] += 1;
        }
        Self { min, max, mean: all.iter().sum::<f64>() / all.len().max(1) as f64, classes }
    }
}

impl fmt::Display for Rarity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { tokens, supply, .. } = self;
        if tokens < supply {
            writeln!(f, "the first {tokens} of {supply} tokens")?;
        } else {
            writeln!(f, "{tokens} tokens")?;
        }
        for (of, spread) in &self.traits {
            let kept = if of.label.is_some() { "" } else { " (not in the metadata)" };
            writeln!(f, "\n{}{kept}", of.label.as_deref().unwrap_or(&of.name))?;
            match spread {
                TraitDistribution::Options(options) => {
                    let width = options.iter().map(|one| one.value.chars().count()).max().unwrap_or(0);
                    for one in options {
                        let share = one.count * 10_000 / self.tokens.max(1);
                        let intended =
                            one.intended.map(|intended| format!("  intended {}", Percent(intended)));
                        let bar = "█".repeat(usize::try_from(share / 250).unwrap_or(0));
                        writeln!(
                            f,
                            "  {:width$}  {:>6}  {}{}  {bar}",
                            one.value,
                            one.count,
                            Percent(share),
                            intended.unwrap_or_default()
                        )?;
                    }
                }
                TraitDistribution::Numbers(numbers) => {
                    let most = numbers.classes.iter().copied().max().unwrap_or(0).max(1);
                    let bars = ["▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"];
                    let bar = |count: &u64| bars[usize::try_from(count * 7 / most).unwrap_or(0).min(7)];
                    let bars: String = numbers.classes.iter().map(bar).collect();
                    let NumberStats { min, max, mean, .. } = numbers;
                    writeln!(f, "  {min:.3} {bars} {max:.3}, mean {mean:.3}")?;
                }
                TraitDistribution::Colors(different) => writeln!(f, "  {different} different colours")?,
            }
        }
        if self.excluded > 0 {
            writeln!(f, "\n{} tokens are an excluded combination still, after every redraw", self.excluded)?;
        }
        Ok(())
    }
}

/// Parts of 10,000, displayed in percent.
struct Percent(u64);

impl fmt::Display for Percent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:>3}.{:02} %", self.0 / 100, self.0 % 100)
    }
}
