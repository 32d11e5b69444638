//! What CPU time and bytes come to, by prices from a file.

use std::{fmt, fs, ops, path::Path, time::Duration};

use anyhow::Context as _;
use serde::Deserialize;

/// Processor time that a load used.
#[derive(Debug, Clone, Copy, Default)]
pub struct Spent {
    pub edge: Duration,
    pub origin: Duration,
}

impl ops::Sub for Spent {
    type Output = Self;

    fn sub(self, before: Self) -> Self {
        let since = Duration::saturating_sub;
        Self { edge: since(self.edge, before.edge), origin: since(self.origin, before.origin) }
    }
}

impl ops::AddAssign for Spent {
    fn add_assign(&mut self, more: Self) {
        self.edge += more.edge;
        self.origin += more.origin;
    }
}

/// Unit prices in dollars: `benches/prices.toml` says where they are from.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Prices {
    worker: Worker,
    pop: Machines,
    origin: Cores,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Worker {
    per_million_requests: f64,
    per_million_cpu_ms: f64,
    per_gigabyte: f64,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Machines {
    per_core_hour: f64,
    busy: f64,
    per_gigabyte: f64,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Cores {
    per_core_hour: f64,
    busy: f64,
}

impl Prices {
    /// Reads them.
    ///
    /// # Errors
    /// When the file cannot be read, or says something else than prices.
    pub fn read(file: &Path) -> anyhow::Result<Self> {
        let text = fs::read_to_string(file).with_context(|| file.display().to_string())?;
        let prices: Self = toml::from_str(&text).with_context(|| file.display().to_string())?;
        anyhow::ensure!(
            prices.pop.busy > 0.0 && prices.origin.busy > 0.0,
            "{}: busy must be above 0",
            file.display()
        );
        Ok(prices)
    }

    /// A million requests to a PoP that take it so many seconds of CPU and send so many bytes each.
    pub fn pop(&self, seconds: f64, bytes: f64) -> f64 {
        let Machines { per_core_hour, busy, per_gigabyte } = &self.pop;
        1e6 * (seconds / 3600.0 * per_core_hour / busy + bytes / 1e9 * per_gigabyte)
    }

    /// The same of a Worker.
    pub fn worker(&self, seconds: f64, bytes: f64) -> f64 {
        let Worker { per_million_requests, per_million_cpu_ms, per_gigabyte } = &self.worker;
        per_million_requests + seconds * 1e3 * per_million_cpu_ms + bytes / 1e3 * per_gigabyte
    }

    /// What origins add to a million requests for which they take so many seconds of CPU each.
    pub fn origin(&self, seconds: f64) -> f64 {
        1e6 * seconds / 3600.0 * self.origin.per_core_hour / self.origin.busy
    }
}

impl fmt::Display for Prices {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { worker, pop, origin } = self;
        write!(
            f,
            "Workers at ${} per million requests and ${} per million ms of CPU; the PoP's core at ${} an hour and {:.0} % busy, its \
             traffic at ${} a GB; the origin's core at ${} an hour and {:.0} % busy, without a GPU's rent.",
            worker.per_million_requests,
            worker.per_million_cpu_ms,
            pop.per_core_hour,
            100.0 * pop.busy,
            pop.per_gigabyte,
            origin.per_core_hour,
            100.0 * origin.busy,
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_million_requests_come_to_what_one_takes() {
        let prices = Prices::read(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/prices.toml"))).unwrap();
        let near = |value: f64, expected: f64| assert!((value - expected).abs() < 1e-9, "{value}");
        // 3.6 ms of a core at $0.04 an hour that is half busy, and 100 kB at $0.01 a gigabyte.
        near(prices.pop(0.0036, 1e5), 0.08 + 1.0);
        near(prices.worker(0.0036, 1e5), 0.30 + 0.072);
        near(prices.origin(0.036), 0.8);
    }
}
