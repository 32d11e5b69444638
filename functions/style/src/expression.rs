//! Expressions: the values of a manifest that follow from traits and gauges.
//!
//! The language is that of the templates ([`crate::template`]), with the same functions and the same fuel. A value is
//! kept as the author wrote it; what it may name is checked when a style is built, so that a typo is an error then.

use alloc::{
    format,
    string::{String, ToString},
    vec::Vec,
};

use minijinja::{
    Environment, Error, ErrorKind, Output, State,
    value::{Value, ValueKind},
};
use serde::{Deserialize, Serialize};
use std::sync::LazyLock;

use crate::{
    limits,
    template::{self, RESERVED},
};
use iridule_scene::color::Rgba;

/// One for the process: expressions are small, so they are compiled when they are evaluated.
static ENVIRONMENT: LazyLock<Environment<'static>> = LazyLock::new(|| {
    let mut environment = template::environment();
    environment.set_formatter(write_plain);
    environment
});

/// Writes a value into a text that is not markup.
fn write_plain(out: &mut Output<'_>, state: &mut State<'_, '_>, value: &Value) -> Result<(), Error> {
    match value.as_str() {
        Some(text) => {
            out.write_str(text).map_err(|_| Error::new(ErrorKind::WriteFailure, "the text is too long"))
        }
        None => template::write_value(out, state, value),
    }
}

/// An expression, as its author wrote it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Expression(pub String);

impl Expression {
    /// Checks that it can be read, and that it names nothing but `names` and what templates have.
    ///
    /// # Errors
    /// A sentence; for an unknown name, with the nearest there is.
    pub fn check(&self, names: &[&str]) -> Result<(), String> {
        short(&self.0)?;
        let compiled = ENVIRONMENT.compile_expression(&self.0).map_err(|e| self.blame(&e))?;
        known(compiled.undeclared_variables(false), names).map_err(|why| format!("{:?}: {why}", self.0))
    }

    /// Its value, where `values` is a map of names.
    ///
    /// # Errors
    /// A sentence that quotes it.
    pub fn evaluate(&self, values: &Value) -> Result<Value, String> {
        let compiled = ENVIRONMENT.compile_expression(&self.0).map_err(|e| self.blame(&e))?;
        compiled.eval(values).map_err(|e| self.blame(&e))
    }

    /// Its value as a condition.
    ///
    /// # Errors
    /// A sentence that quotes it.
    pub fn holds(&self, values: &Value) -> Result<bool, String> {
        Ok(self.evaluate(values)?.is_true())
    }

    fn blame(&self, error: &Error) -> String {
        format!("{:?}: {}", self.0, template::describe(error))
    }
}

/// A number: as such, or by an expression.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Number {
    /// As such.
    Literal(f64),
    /// By an expression.
    Computed(Expression),
}

impl Number {
    /// Checks it; see [`Expression::check`].
    ///
    /// # Errors
    /// A sentence.
    pub fn check(&self, names: &[&str]) -> Result<(), String> {
        match self {
            Self::Literal(number) if number.is_finite() => Ok(()),
            Self::Literal(number) => Err(format!("{number} is no number to draw with")),
            Self::Computed(expression) => expression.check(names),
        }
    }

    /// The number.
    ///
    /// # Errors
    /// A sentence, also for a value that is no finite number.
    #[expect(clippy::cast_possible_truncation, reason = "what painters take; far outside it is infinite")]
    pub fn evaluate(&self, values: &Value) -> Result<f32, String> {
        let number = match self {
            Self::Literal(number) => *number,
            Self::Computed(expression) => {
                let value = expression.evaluate(values)?;
                f64::try_from(value)
                    .map_err(|_| format!("{:?} gives something that is no number", expression.0))?
            }
        } as f32;
        if number.is_finite() { Ok(number) } else { Err(format!("{self:?} is not finite")) }
    }
}

/// A colour: `#rrggbb`, `#rrggbbaa`, or an expression that gives such a text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Colour(pub String);

impl Colour {
    /// Checks it; see [`Expression::check`].
    ///
    /// # Errors
    /// A sentence.
    pub fn check(&self, names: &[&str]) -> Result<(), String> {
        if self.0.starts_with('#') {
            return Rgba::parse(&self.0).map(drop).ok_or_else(|| self.blame());
        }
        Expression(self.0.clone()).check(names)
    }

    /// The colour.
    ///
    /// # Errors
    /// A sentence, also for a value that is no colour.
    pub fn evaluate(&self, values: &Value) -> Result<Rgba, String> {
        if let Some(literal) = Rgba::parse(&self.0) {
            return Ok(literal);
        }
        let value = Expression(self.0.clone()).evaluate(values)?;
        value.as_str().and_then(Rgba::parse).ok_or_else(|| self.blame())
    }

    fn blame(&self) -> String {
        format!("{:?} is no colour: #rrggbb, #rrggbbaa, or an expression that gives one", self.0)
    }
}

/// A text with `{{ expressions }}` in it. What they give is put in as it is: the text is no markup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Phrase(pub String);

impl Phrase {
    /// Checks it; see [`Expression::check`].
    ///
    /// # Errors
    /// A sentence.
    pub fn check(&self, names: &[&str]) -> Result<(), String> {
        short(&self.0)?;
        let compiled = ENVIRONMENT
            .template_from_str(&self.0)
            .map_err(|e| format!("{:?}: {}", self.0, template::describe(&e)))?;
        known(compiled.undeclared_variables(false), names).map_err(|why| format!("{:?}: {why}", self.0))
    }

    /// The text.
    ///
    /// # Errors
    /// A sentence, also for a text that is over [`limits::TEXT_BYTES`].
    pub fn evaluate(&self, values: &Value) -> Result<String, String> {
        let blame = |e: Error| format!("{:?}: {}", self.0, template::describe(&e));
        let text = template::render(
            &ENVIRONMENT.template_from_str(&self.0).map_err(blame)?,
            values,
            limits::TEXT_BYTES,
        );
        text.map(|all| all.text).map_err(|why| format!("{:?}: {why}", self.0))
    }
}

fn short(text: &str) -> Result<(), String> {
    if text.len() > limits::EXPRESSION_BYTES {
        return Err(format!("{} bytes long; {} is the most", text.len(), limits::EXPRESSION_BYTES));
    }
    if text.contains("**") {
        return Err(format!("{text:?}: write pow(x, y) instead of x ** y, which differs between hosts"));
    }
    Ok(())
}

/// Checks that every name is one of `names` or of the template language.
///
/// # Errors
/// A sentence with the nearest name there is.
pub(crate) fn known(used: impl IntoIterator<Item = String>, names: &[&str]) -> Result<(), String> {
    let mut unknown: Vec<String> = used.into_iter().collect();
    unknown.retain(|name| !names.contains(&name.as_str()) && !RESERVED.contains(&name.as_str()));
    unknown.sort_unstable();
    match unknown.first() {
        None => Ok(()),
        Some(name) => Err(no_such("name", name, names.iter().copied())),
    }
}

/// What to say of a name that does not exist: it, and the nearest that does.
#[must_use]
pub fn no_such<'a>(what: &str, name: &str, names: impl Iterator<Item = &'a str>) -> String {
    let near = names.map(|known| (distance(name, known), known)).min();
    match near {
        Some((edits, known)) if edits <= name.len().div_ceil(2) => {
            format!("there is no {what} {name:?}; did you mean {known:?}?")
        }
        _ => format!("there is no {what} {name:?}"),
    }
}

/// Edits between two names (Levenshtein).
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().take(64).collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, left) in a.chars().take(64).enumerate() {
        let mut diagonal = core::mem::replace(&mut row[0], i + 1);
        for (j, right) in b.iter().enumerate() {
            let above = row[j + 1];
            let kept = diagonal + usize::from(left != *right);
            row[j + 1] = kept.min(above + 1).min(row[j] + 1);
            diagonal = above;
        }
    }
    row[b.len()]
}

/// Whether a value is something that an expression of a trait may give.
#[must_use]
pub(crate) fn is_plain(value: &Value) -> bool {
    matches!(value.kind(), ValueKind::Number | ValueKind::String)
        && value.to_string().len() <= limits::NAME_BYTES
}

#[cfg(test)]
mod tests {
    use super::*;
    use minijinja::context;

    #[test]
    fn a_typo_is_told_with_the_nearest_name() {
        let error = Expression("palete.colours[1]".into()).check(&["palette", "price"]).unwrap_err();
        assert!(error.contains("\"palette\""), "{error}");
        let error = Number::Computed(Expression("1 + q".into())).check(&["palette"]).unwrap_err();
        assert!(!error.contains("mean"), "{error}");
        assert!(
            Expression("mix(1, 2, price.unit) if hat == 'x' else rand('a')".into())
                .check(&["price", "hat"])
                .is_ok()
        );
        for bad in ["1 +", "2 ** 3", ""] {
            assert!(Expression(bad.into()).check(&[]).is_err(), "{bad}");
        }
    }

    #[test]
    fn values_have_the_kind_that_is_wanted() {
        let values = context! { t => 0.5, ink => "#102030", list => [1, 2] };
        let number = |text: &str| Number::Computed(Expression(text.into())).evaluate(&values);
        assert_eq!(number("t * 2").unwrap(), 1.0);
        assert!(number("ink").is_err() && number("1 / 0").is_err() && number("exp(9999)").is_err());
        assert_eq!(Colour("ink".into()).evaluate(&values).unwrap(), Rgba([16, 32, 48, 255]));
        assert_eq!(Colour("#10203040".into()).evaluate(&values).unwrap(), Rgba([16, 32, 48, 64]));
        assert!(Colour("t".into()).evaluate(&values).is_err());
        assert_eq!(Phrase("{{ t }} <{{ ink }}>".into()).evaluate(&values).unwrap(), "0.5 <#102030>");
        assert!(Phrase("{{ list }}".into()).evaluate(&values).is_err());
        let long = "{% for i in range(9999) %}long {% endfor %}";
        assert!(Phrase(long.into()).evaluate(&values).is_err());
    }

    #[test]
    fn names_are_as_far_apart_as_their_edits() {
        for (a, b, edits) in [("", "abc", 3), ("abc", "abc", 0), ("abd", "abc", 1), ("kitten", "sitting", 3)]
        {
            assert_eq!(distance(a, b), edits, "{a} {b}");
        }
    }
}
