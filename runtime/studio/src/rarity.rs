//! How the traits of a collection's tokens turn out: what is rare, and what never comes.

use std::{collections::BTreeMap, fmt, ops::RangeInclusive};

use alloy_primitives::U256;
use iridule_style::{
    manifest::{Drawn, Trait},
    style::Style,
    traits::TraitValue,
};

use crate::{Built, StudioError};

/// Most tokens that are drawn.
const MOST: u64 = 1_000_000;

/// The realised distribution of every trait.
#[derive(Debug, Clone)]
pub struct Rarity {
    /// How many tokens were drawn: all of the collection, or its first million.
    pub tokens: u64,
    /// How many tokens the collection has.
    pub supply: u64,
    /// Tokens that an exclusion still holds for after all redraws.
    pub excluded: u64,
    /// A spread for each trait, in the manifest's order.
    pub traits: Vec<(Trait, Spread)>,
}

/// How one trait turned out.
#[derive(Debug, Clone, PartialEq)]
pub enum Spread {
    /// Texts. What a choice or palette offers comes first, in its order, drawn or not.
    Options(Vec<Share>),
    /// Numbers.
    Numbers(Numbers),
    /// Colours, of which there are this many different ones.
    Colours(usize),
}

/// One option, and how often it was drawn.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Share {
    /// The option.
    pub value: String,
    /// Its weight, in parts of 10,000 of all; a derived text has none.
    pub meant: Option<u64>,
    /// How many tokens have it.
    pub count: u64,
}

/// Numbers in ten classes of equal width.
#[derive(Debug, Clone, PartialEq)]
pub struct Numbers {
    /// The least of them.
    pub least: f64,
    /// The greatest of them.
    pub greatest: f64,
    /// Their mean.
    pub mean: f64,
    /// How many lie in each tenth between least and greatest.
    pub classes: [u64; 10],
}

impl Rarity {
    /// Draws every token of a collection, or its first million, on this thread. [`crate::Bench::rarity`] does it in a sandbox.
    ///
    /// # Errors
    /// [`StudioError::Style`], when an expression fails on a token; the text names it.
    pub fn of(built: &Built, style: &Style) -> Result<Self, StudioError> {
        let mut drawing = Drawing::begin(built, style);
        while drawing.go_on(built, style, usize::MAX)? {}
        Ok(drawing.rarity(built, style))
    }

    /// What was offered, and no token has: the trait's name and the option.
    pub fn never(&self) -> impl Iterator<Item = (&str, &Share)> {
        self.traits.iter().flat_map(|(of, spread)| {
            let options: &[Share] = if let Spread::Options(options) = spread { options } else { &[] };
            options.iter().filter(|share| share.count == 0).map(|share| (of.name.as_str(), share))
        })
    }
}

/// Drawing under way: some tokens at a time.
pub(crate) struct Drawing {
    tallies: Vec<Tally>,
    excluded: u64,
    /// The tokens that are left.
    left: RangeInclusive<u64>,
}

impl Drawing {
    pub(crate) fn begin(built: &Built, style: &Style) -> Self {
        let tallies = style.manifest.traits.iter().map(Tally::of).collect();
        let first = built.collection.first;
        let last = built.collection.last().min(first.saturating_add(MOST - 1));
        Self { tallies, excluded: 0, left: first..=last }
    }

    /// How many tokens were drawn, and how many there are.
    pub(crate) fn progress(&self, built: &Built) -> (u64, u64) {
        let left = if self.left.is_empty() { 0 } else { self.left.end() - self.left.start() + 1 };
        let all = built.collection.supply.min(MOST);
        (all.saturating_sub(left), all)
    }

    /// Draws the next tokens, at most so many. Gives whether any are left.
    pub(crate) fn go_on(&mut self, built: &Built, style: &Style, most: usize) -> Result<bool, StudioError> {
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

    pub(crate) fn rarity(self, built: &Built, style: &Style) -> Rarity {
        let spreads = self.tallies.into_iter().map(Tally::spread);
        let traits = style.manifest.traits.iter().cloned().zip(spreads).collect();
        let supply = built.collection.supply;
        Rarity { tokens: supply.min(MOST), supply, excluded: self.excluded, traits }
    }
}

/// A spread while tokens come in.
enum Tally {
    Options { order: Vec<Share>, others: BTreeMap<String, u64> },
    Numbers(Vec<f64>),
    Colours(Vec<String>),
}

impl Tally {
    fn of(of: &Trait) -> Self {
        let options = |all: Vec<(&String, u32)>| {
            let sum: u64 = all.iter().map(|(_, weight)| u64::from(*weight)).sum();
            let share = |(value, weight): (&String, u32)| Share {
                value: value.clone(),
                meant: Some(u64::from(weight) * 10_000 / sum.max(1)),
                count: 0,
            };
            Self::Options { order: all.into_iter().map(share).collect(), others: BTreeMap::new() }
        };
        match &of.draw {
            Drawn::Choice(all) => options(all.iter().map(|one| (&one.value, one.weight)).collect()),
            Drawn::Palette(all) => options(all.iter().map(|one| (&one.value, one.weight)).collect()),
            Drawn::Colour { .. } => Self::Colours(Vec::new()),
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
            TraitValue::Colour(colour) => colour.to_string(),
        };
        match self {
            Self::Options { order, others } => match order.iter_mut().find(|share| share.value == text) {
                Some(share) => share.count += 1,
                None => *others.entry(text).or_default() += 1,
            },
            Self::Colours(all) => all.push(text),
            Self::Numbers(_) => {}
        }
    }

    /// A derived trait shows by its first value whether it is a number.
    fn add_number(&mut self, number: f64) {
        match self {
            Self::Numbers(all) => all.push(number),
            Self::Options { others, .. } if others.is_empty() => *self = Self::Numbers(vec![number]),
            Self::Options { .. } | Self::Colours(_) => {}
        }
    }

    fn spread(self) -> Spread {
        match self {
            Self::Options { mut order, others } => {
                let others = others.into_iter().map(|(value, count)| Share { value, meant: None, count });
                order.extend(others);
                Spread::Options(order)
            }
            Self::Colours(mut all) => {
                all.sort_unstable();
                all.dedup();
                Spread::Colours(all.len())
            }
            Self::Numbers(all) => Spread::Numbers(Numbers::of(&all)),
        }
    }
}

impl Numbers {
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a statistic: tokens are counted in thousands, and classes from 0 to 9"
    )]
    fn of(all: &[f64]) -> Self {
        let least = all.iter().copied().fold(f64::INFINITY, f64::min);
        let greatest = all.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let mut classes = [0; 10];
        for number in all {
            let at = (number - least) / (greatest - least).max(f64::MIN_POSITIVE) * 10.0;
            classes[(at as usize).min(9)] += 1;
        }
        Self { least, greatest, mean: all.iter().sum::<f64>() / all.len().max(1) as f64, classes }
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
                Spread::Options(options) => {
                    let width = options.iter().map(|one| one.value.chars().count()).max().unwrap_or(0);
                    for one in options {
                        let share = one.count * 10_000 / self.tokens.max(1);
                        let meant = one.meant.map(|meant| format!("  meant {}", Percent(meant)));
                        let bar = "█".repeat(usize::try_from(share / 250).unwrap_or(0));
                        writeln!(
                            f,
                            "  {:width$}  {:>6}  {}{}  {bar}",
                            one.value,
                            one.count,
                            Percent(share),
                            meant.unwrap_or_default()
                        )?;
                    }
                }
                Spread::Numbers(numbers) => {
                    let most = numbers.classes.iter().copied().max().unwrap_or(0).max(1);
                    let bars = ["▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"];
                    let bar = |count: &u64| bars[usize::try_from(count * 7 / most).unwrap_or(0).min(7)];
                    let bars: String = numbers.classes.iter().map(bar).collect();
                    let Numbers { least, greatest, mean, .. } = numbers;
                    writeln!(f, "  {least:.3} {bars} {greatest:.3}, mean {mean:.3}")?;
                }
                Spread::Colours(different) => writeln!(f, "  {different} different colours")?,
            }
        }
        if self.excluded > 0 {
            writeln!(f, "\n{} tokens are an excluded combination still, after every redraw", self.excluded)?;
        }
        Ok(())
    }
}

/// Parts of 10,000, as percent.
struct Percent(u64);

impl fmt::Display for Percent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:>3}.{:02} %", self.0 / 100, self.0 % 100)
    }
}
