//! What went wrong in a shader, for its author: file, line, caret, and what to write instead.

use std::fmt::Write as _;
use std::ops::Range;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// The shader is refused.
    Error,
    /// The shader runs here, but may not in a browser or on a GPU.
    Warning,
}

/// A message about a range of the source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// How bad it is.
    pub severity: Severity,
    /// What is wrong, in one sentence.
    pub message: String,
    /// Where, as bytes of the source; empty if it concerns the whole file.
    pub span: Range<usize>,
    /// What to write instead, or why.
    pub help: Option<String>,
}

impl Diagnostic {
    pub(crate) fn error(message: impl Into<String>, span: naga::Span) -> Self {
        let span = span.to_range().unwrap_or(0..0);
        Self { severity: Severity::Error, message: message.into(), span, help: None }
    }

    pub(crate) fn warning(message: impl Into<String>, span: naga::Span) -> Self {
        Self { severity: Severity::Warning, ..Self::error(message, span) }
    }

    pub(crate) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// The line and column of the start, both counted from 1, the column in characters.
    #[must_use]
    pub fn position(&self, source: &str) -> (usize, usize) {
        let before = source.get(..self.span.start).unwrap_or_default();
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        (line, column)
    }

    /// The message as shown to people: position, source line, caret and help.
    #[must_use]
    pub fn render(&self, path: &str, source: &str) -> String {
        let kind = match self.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        let mut out = format!("{kind}: {}\n", self.message);
        if !self.span.is_empty() {
            let (line, column) = self.position(source);
            let text = source.lines().nth(line - 1).unwrap_or_default();
            let marked = source.get(self.span.clone()).unwrap_or_default().lines().next().unwrap_or_default();
            let carets = "^".repeat(marked.chars().count().max(1));
            let margin = " ".repeat(line.to_string().len());
            // Tabs stay tabs in front of the caret, so that it stands below its text.
            let indent: String =
                text.chars().take(column - 1).map(|c| if c == '\t' { c } else { ' ' }).collect();
            let _ = writeln!(out, "{margin}--> {path}:{line}:{column}");
            let _ = writeln!(out, "{margin} |\n{line} | {text}\n{margin} | {indent}{carets}");
        }
        if let Some(help) = &self.help {
            let _ = writeln!(out, "  = help: {help}");
        }
        out
    }
}
