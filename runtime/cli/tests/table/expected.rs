//! The answers as they should be: one line per ask, the same file for every host.

use std::{collections::BTreeMap, env, fmt::Write as _, fs, path::PathBuf};

pub struct Expected {
    host: String,
    lines: BTreeMap<String, String>,
    wrong: String,
    written: Option<String>,
}

impl Expected {
    pub fn open(host: &str) -> Self {
        // Native core writes the file; the other hosts are only ever held against it.
        let written = (env::var_os("BLESS").is_some() && host == "native").then(String::new);
        let text = fs::read_to_string(file()).unwrap_or_default();
        let lines = text
            .lines()
            .filter_map(|line| line.split_once(": "))
            .map(|(a, b)| (a.into(), b.into()))
            .collect();
        Self { host: host.into(), lines, wrong: String::new(), written }
    }

    pub fn compare(&mut self, act: &str, ask: &str, line: &str) {
        let name = format!("{act}, {ask}");
        if let Some(written) = &mut self.written {
            writeln!(written, "{name}: {line}").unwrap();
            return;
        }
        let wanted = self.lines.get(&name).map(String::as_str).unwrap_or("nothing: run once with BLESS=1");
        if wanted != line {
            writeln!(self.wrong, "{name}\n  expected {wanted}\n  got      {line}").unwrap();
        }
    }

    pub fn close(self) {
        if let Some(written) = self.written {
            fs::write(file(), written).unwrap();
        }
        assert!(
            self.wrong.is_empty(),
            "{} answers otherwise than expected.txt says. When pixels or bytes were meant to change, raise \
             KEY_VERSION and bless.\n{}",
            self.host,
            self.wrong
        );
    }
}

fn file() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/table/expected.txt"))
}
