//! What the command writes: results to the standard output; notes, errors and logs to the standard error.
//!
//! No other file of the command writes to either. Text that others wrote (a style's name, a provider's error) may hold
//! characters that a terminal obeys or that change the order of a line; they are escaped here. A reader that closes the
//! output (`iridule … | head`) ends the command quietly.

use std::{
    fmt::{self, Write as _},
    io::{self, IsTerminal as _, Write as _},
    process::ExitCode,
};

use tracing_subscriber::{EnvFilter, field::MakeExt as _, fmt::format};

/// What is logged unless `RUST_LOG` says otherwise: ours, and of the renders cache only what matters.
const DEFAULT_LOG: &str = "info,foyer=warn,foyer_storage=warn";

/// Writes a line to the standard output, as `println!` does, and gives [`Closed`] when nobody reads it any more.
macro_rules! say {
    ($($text:tt)*) => { $crate::console::print(format_args!("{}\n", format_args!($($text)*))) };
}
/// Writes a line to the standard error, as `eprintln!` does. A note that nobody reads is no error.
macro_rules! note {
    ($($text:tt)*) => { $crate::console::write_note(format_args!("{}\n", format_args!($($text)*))) };
}
pub(crate) use {note, say};

/// Nobody reads the output any more.
#[derive(Debug, thiserror::Error)]
#[error("the output was closed")]
pub struct Closed;

/// Writes to the standard output.
///
/// # Errors
/// [`Closed`], or what the system says.
pub fn print(text: fmt::Arguments<'_>) -> anyhow::Result<()> {
    let text = Plain { text, lines: true }.to_string();
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(why) if why.kind() == io::ErrorKind::BrokenPipe => Err(Closed.into()),
        written => Ok(written?),
    }
}

/// Writes a value as JSON to the standard output.
///
/// # Errors
/// [`Closed`], or what the system says.
pub fn print_json(value: &impl serde::Serialize) -> anyhow::Result<()> {
    print(format_args!("{}\n", json(value)?))
}

/// JSON without characters that a terminal obeys. They stand inside of strings, where JSON has an escape for each.
fn json(value: &impl serde::Serialize) -> serde_json::Result<String> {
    let text = serde_json::to_string_pretty(value)?;
    Ok(text.chars().fold(String::with_capacity(text.len()), |mut out, character| {
        match character {
            '\n' => out.push('\n'),
            // All of them have four digits.
            obeyed if is_obeyed(obeyed) => drop(write!(out, "\\u{:04x}", u32::from(obeyed))),
            character => out.push(character),
        }
        out
    }))
}

/// Says something on the standard output of a command that runs on, whether anybody reads it or not.
///
/// # Errors
/// What the system says, unless the output was closed.
pub fn announce(text: fmt::Arguments<'_>) -> anyhow::Result<()> {
    match print(text) {
        Err(why) if why.is::<Closed>() => Ok(()),
        printed => printed,
    }
}

/// Writes to the standard error.
pub fn write_note(text: fmt::Arguments<'_>) {
    // Nobody is left to tell.
    let _ = io::stderr().write_all(Plain { text, lines: true }.to_string().as_bytes());
}

/// How the command ends: says what went wrong, in one `error: …` with its causes.
pub fn end(result: anyhow::Result<()>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) if why.is::<Closed>() => ExitCode::SUCCESS,
        Err(why) => {
            write_note(format_args!("{}\n", report(&why)));
            ExitCode::FAILURE
        }
    }
}

/// An error with its causes, each once: many errors repeat their cause in their own words.
fn report(why: &anyhow::Error) -> String {
    let mut text = String::new();
    for cause in why.chain().map(ToString::to_string) {
        if text.is_empty() {
            text = cause.trim_end().to_owned();
        } else if !text.contains(cause.trim_end()) {
            let _ = write!(text, ": {}", cause.trim_end());
        }
    }
    // A compiler's diagnostics begin with their kind already.
    if text.starts_with("error: ") { text } else { format!("error: {text}") }
}

/// Logs to the standard error from now on, in color only where that is a terminal.
pub fn log() {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(DEFAULT_LOG));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(colors())
        // A log on a full disk must not end the service: the library would print, and panic.
        .log_internal_errors(false)
        .fmt_fields(format::debug_fn(field).delimited(" "))
        .with_writer(|| Unread(io::stderr()))
        .init();
}

/// Whether the standard error is a terminal, so that somebody may be watching it.
pub fn is_watched() -> bool {
    io::stderr().is_terminal()
}

/// Whether the standard error shows colors. <https://no-color.org>
fn colors() -> bool {
    let set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
    is_watched() && !set("NO_COLOR") && !dumb
}

/// One field of a log line. An event is one line, whatever its fields hold.
fn field(out: &mut format::Writer<'_>, field: &tracing::field::Field, value: &dyn fmt::Debug) -> fmt::Result {
    let value = Plain { text: format_args!("{value:?}"), lines: false };
    match field.name() {
        "message" => write!(out, "{value}"),
        name if out.has_ansi_escapes() => write!(out, "\x1b[3m{name}\x1b[0m\x1b[2m=\x1b[0m{value}"),
        name => write!(out, "{name}={value}"),
    }
}

/// The standard error, also when nobody reads it: a log line that is lost must not end the service.
struct Unread(io::Stderr);

impl io::Write for Unread {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let _ = self.0.write_all(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Text without characters that a terminal obeys: control characters, and those that change the direction of text.
struct Plain<'a> {
    text: fmt::Arguments<'a>,
    /// Whether line ends and tabs stay as they are.
    lines: bool,
}

impl fmt::Display for Plain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(Escape { out: f, lines: self.lines }, "{}", self.text)
    }
}

struct Escape<'a, 'b> {
    out: &'a mut fmt::Formatter<'b>,
    lines: bool,
}

impl fmt::Write for Escape<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let mut written = 0;
        for (at, character) in text.char_indices().filter(|(_, character)| is_obeyed(*character)) {
            if self.lines && matches!(character, '\n' | '\t') {
                continue;
            }
            self.out.write_str(&text[written..at])?;
            write!(self.out, "{}", character.escape_default())?;
            written = at + character.len_utf8();
        }
        self.out.write_str(&text[written..])
    }
}

fn is_obeyed(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use anyhow::{Context as _, anyhow};

    use super::*;

    fn plain(text: &str, lines: bool) -> String {
        Plain { text: format_args!("{text}"), lines }.to_string()
    }

    #[test]
    fn no_character_that_a_terminal_obeys_is_written() {
        assert_eq!(plain("\x1b]0;title\x07\x1b[2J", true), "\\u{1b}]0;title\\u{7}\\u{1b}[2J");
        assert_eq!(plain("a\rb\u{8}c\u{9b}1m\u{7f}\0", true), "a\\rb\\u{8}c\\u{9b}1m\\u{7f}\\u{0}");
        assert_eq!(plain("over\u{202e}nevo", true), "over\\u{202e}nevo");
        assert_eq!(plain("two\nlines\tof text, größer 🎨", true), "two\nlines\tof text, größer 🎨");
        assert_eq!(plain("one\nline\t", false), "one\\nline\\t");
        for character in (0..0x110000).filter_map(char::from_u32) {
            let written = plain(&character.to_string(), false);
            assert!(!written.chars().any(char::is_control), "{character:?}");
        }
    }

    #[test]
    fn json_stays_json_without_them() {
        let why = "\x1b[31m\u{9b}1m\u{202e}ü\n";
        let text = json(&why).unwrap();
        assert!(!text.chars().any(is_obeyed), "{text}");
        assert_eq!(serde_json::from_str::<String>(&text).unwrap(), why);
    }

    #[test]
    fn an_error_is_said_once_with_its_causes() {
        let missing = || io::Error::new(io::ErrorKind::NotFound, "no such file");
        let why = anyhow!(missing()).context("relay.toml").context("the relay does not start");
        assert_eq!(report(&why), "error: the relay does not start: relay.toml: no such file");
        let repeated = Err::<(), _>(missing()).context("relay.toml: no such file").unwrap_err();
        assert_eq!(report(&repeated), "error: relay.toml: no such file");
        let diagnostic = anyhow!("error: unknown identifier\n --> a.wgsl:1:2\n");
        assert_eq!(report(&diagnostic), "error: unknown identifier\n --> a.wgsl:1:2");
    }
}
