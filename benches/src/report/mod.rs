//! The report: what was measured, on which machine, and whether the bars were met; as JSON, and as one page.
//!
//! Each command that measures leaves its part as `NAME.json` in the report's folder, and draws the page anew from all
//! parts that are there. Every number on the page is one of a part; the page computes nothing but ratios.

mod page;
pub mod plot;

use std::{fs, path::Path};

use anyhow::Context as _;
use serde::{Deserialize, Serialize};

use crate::machine::Machine;

/// What one command measured.
#[derive(Debug, Serialize, Deserialize)]
pub struct Part {
    /// The name of the part, and of its file.
    pub name: String,
    /// What makes it anew.
    pub command: String,
    /// When it was made, seconds since 1970.
    pub seconds: u64,
    pub machine: Machine,
    /// Rounds in which all cases took turns.
    pub rounds: u32,
    pub sections: Vec<Section>,
}

/// Cases that do the same work, side by side.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Section {
    pub title: String,
    /// What the work is, and how it is measured.
    pub about: String,
    pub unit: Unit,
    pub rows: Vec<Row>,
    pub bars: Vec<Bar>,
    /// Plots as SVG.
    pub plots: Vec<String>,
    /// Cases that could not run here, and why.
    pub skipped: Vec<String>,
}

/// What a row's figures are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Unit {
    /// Less is better.
    #[default]
    Milliseconds,
    /// More is better.
    RequestsPerSecond,
    /// Less is better.
    Instructions,
    /// Less is better.
    Dollars,
}

impl Unit {
    pub fn name(self) -> &'static str {
        match self {
            Self::Milliseconds => "ms",
            Self::RequestsPerSecond => "requests/s",
            Self::Instructions => "instructions",
            Self::Dollars => "$ per million requests",
        }
    }
}

/// A case: the figure of each round, from the smallest.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Row {
    pub case: String,
    pub rounds: Vec<f64>,
    /// Further figures of the case, by name.
    #[serde(default)]
    pub more: Vec<(String, String)>,
}

impl Row {
    /// A row of these rounds.
    pub fn new(case: impl Into<String>, mut rounds: Vec<f64>) -> Self {
        rounds.sort_by(f64::total_cmp);
        Self { case: case.into(), rounds, more: vec![] }
    }

    #[must_use]
    pub fn with(mut self, name: &str, said: impl Into<String>) -> Self {
        self.more.push((name.into(), said.into()));
        self
    }

    /// The middle of the rounds, 0 for none.
    pub fn median(&self) -> f64 {
        self.rounds.get(self.rounds.len() / 2).copied().unwrap_or(0.0)
    }

    fn spread(&self) -> (f64, f64) {
        let end = |round: Option<&f64>| round.copied().unwrap_or(0.0);
        (end(self.rounds.first()), end(self.rounds.last()))
    }
}

/// Something that was promised of two figures.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Bar {
    pub says: String,
    /// The first figure over the second.
    pub ratio: f64,
    pub bound: Bound,
    /// What keeps it from being met, where something does.
    pub because: String,
}

/// Where a ratio ought to lie.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Bound {
    AtMost(f64),
    AtLeast(f64),
}

impl Bar {
    pub fn is_met(&self) -> bool {
        match self.bound {
            Bound::AtMost(most) => self.ratio <= most,
            Bound::AtLeast(least) => self.ratio >= least,
        }
    }
}

impl Section {
    /// The row of a case.
    pub fn row(&self, case: &str) -> Option<&Row> {
        self.rows.iter().find(|row| row.case == case)
    }

    /// Holds the first case's median over the second's against a bound. Nothing is held where one of the two was skipped.
    pub fn hold(&mut self, says: &str, (of, over): (&str, &str), bound: Bound, because: &str) {
        let (Some(of), Some(over)) = (self.row(of), self.row(over)) else { return };
        let ratio = of.median() / over.median();
        self.bars.push(Bar { says: says.into(), ratio, bound, because: because.into() });
    }

    /// The section as a table for a terminal, and for Markdown.
    pub fn print(&self) {
        println!("\n## {}\n\n{}\n", self.title, self.about);
        let names: Vec<&str> = self.more_names();
        let unit = self.unit.name();
        let heads: String = names.iter().map(|name| format!(" {name} |")).collect();
        println!("| case | {unit}: median (lowest to highest) |{heads}");
        println!("|---|---|{}", "---|".repeat(names.len()));
        for row in &self.rows {
            let (low, high) = row.spread();
            let said =
                |name: &&str| row.more.iter().find(|more| more.0 == **name).map_or("", |more| &*more.1);
            let more: String = names.iter().map(|name| format!(" {} |", said(name))).collect();
            println!(
                "| {} | {} ({} to {}) |{more}",
                row.case,
                figure(row.median()),
                figure(low),
                figure(high)
            );
        }
        for bar in &self.bars {
            println!("\n- {}", bar.said());
        }
        for skipped in &self.skipped {
            println!("\n- skipped: {skipped}");
        }
    }

    fn more_names(&self) -> Vec<&str> {
        let mut names: Vec<&str> = Vec::new();
        for (name, _) in self.rows.iter().flat_map(|row| &row.more) {
            if !names.contains(&&**name) {
                names.push(name);
            }
        }
        names
    }
}

impl Bar {
    /// In words: what was promised, what is, and what holds it where it is missed.
    pub fn said(&self) -> String {
        let (word, bound) = match self.bound {
            Bound::AtMost(most) => ("at most", most),
            Bound::AtLeast(least) => ("at least", least),
        };
        let because = if self.because.is_empty() { "what holds it is not known yet" } else { &self.because };
        let (met, because) =
            if self.is_met() { ("met", String::new()) } else { ("MISSED", format!("; {because}")) };
        format!(
            "{}: {met}, {} where {word} {} was promised{because}",
            self.says,
            figure(self.ratio),
            figure(bound)
        )
    }
}

/// A figure with three digits that count.
pub fn figure(value: f64) -> String {
    let digits = if value == 0.0 { 0.0 } else { value.abs().log10().floor() };
    if digits >= 2.0 {
        let whole = format!("{value:.0}");
        let ends: Vec<&str> =
            whole.as_bytes().rchunks(3).rev().filter_map(|of| str::from_utf8(of).ok()).collect();
        return ends.join(",");
    }
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 0 and 6")]
    let places = (2.0 - digits).clamp(0.0, 6.0) as usize;
    format!("{value:.places$}")
}

impl Part {
    /// Prints the sections, leaves the part in the folder, and draws the page anew.
    ///
    /// # Errors
    /// When something cannot be written, or another part cannot be read.
    pub fn save(&self, folder: &Path) -> anyhow::Result<()> {
        fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
        let file = folder.join(format!("{}.json", self.name));
        fs::write(&file, serde_json::to_vec_pretty(self)?).with_context(|| file.display().to_string())?;
        let page = page::draw(folder)?;
        println!("\nkept in {}; the page is {}", file.display(), page.display());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_have_three_digits_that_count() {
        let said = [0.0, 0.001234, 0.5, 1.234, 12.34, 123.4, 1234.0, 1_234_567.0].map(figure);
        assert_eq!(said, ["0.00", "0.00123", "0.500", "1.23", "12.3", "123", "1,234", "1,234,567"]);
    }

    #[test]
    fn a_bar_is_held_against_medians_and_says_what_holds_it() {
        let rows = vec![Row::new("ours", vec![3.0, 1.0, 2.0]), Row::new("theirs", vec![4.0, 9.0, 3.0])];
        let mut section = Section { rows, ..Section::default() };
        section.hold("half", ("ours", "theirs"), Bound::AtMost(0.5), "nothing");
        section.hold("a third", ("ours", "theirs"), Bound::AtMost(0.3), "physics");
        section.hold("of what is not there", ("ours", "nobody"), Bound::AtMost(0.1), "");
        let said: Vec<String> = section.bars.iter().map(Bar::said).collect();
        assert_eq!(
            said,
            [
                "half: met, 0.500 where at most 0.500 was promised",
                "a third: MISSED, 0.500 where at most 0.300 was promised; physics"
            ]
        );
    }
}
