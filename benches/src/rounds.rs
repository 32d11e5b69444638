//! Cases that take turns, and what is said of their times.

use std::{fmt, time::Duration};

use crate::report::Row;

/// Something that can be done once more, and tells how long it took.
pub struct Case<'a> {
    /// How it stands in the table.
    pub name: String,
    /// Does it once.
    pub run: Box<dyn FnMut() -> anyhow::Result<Duration> + 'a>,
}

impl<'a> Case<'a> {
    /// A case of this name.
    pub fn new(name: impl Into<String>, run: impl FnMut() -> anyhow::Result<Duration> + 'a) -> Self {
        Self { name: name.into(), run: Box::new(run) }
    }
}

/// The times of a case, from the shortest.
#[derive(Debug, Clone)]
pub struct Times(Vec<Duration>);

impl Times {
    /// The one in the middle.
    pub fn median(&self) -> Duration {
        self.0[self.0.len() / 2]
    }
}

impl Times {
    /// As a row of a report, in milliseconds.
    pub fn row(&self, case: &str) -> Row {
        Row::new(case, self.0.iter().map(|time| time.as_secs_f64() * 1e3).collect())
    }
}

impl fmt::Display for Times {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ms = |time: Duration| time.as_secs_f64() * 1e3;
        let (low, high) = (self.0[0], self.0[self.0.len() - 1]);
        write!(f, "{:.1} ({:.1} to {:.1})", ms(self.median()), ms(low), ms(high))
    }
}

/// Lets every case run once that does not count, and then once in each of the rounds.
///
/// # Errors
/// Those of the cases.
pub fn interleaved(cases: &mut [Case<'_>], rounds: u32) -> anyhow::Result<Vec<Times>> {
    let mut times = vec![Vec::new(); cases.len()];
    for round in 0..=rounds {
        for (case, times) in cases.iter_mut().zip(&mut times) {
            let time = (case.run)()?;
            if round > 0 {
                times.push(time);
            }
        }
    }
    for times in &mut times {
        times.sort_unstable();
    }
    Ok(times.into_iter().map(Times).collect())
}

/// The mean of so many times.
///
/// # Errors
/// Those of the work.
pub fn mean(of: u32, mut work: impl FnMut() -> anyhow::Result<Duration>) -> anyhow::Result<Duration> {
    let mut sum = Duration::ZERO;
    for _ in 0..of {
        sum += work()?;
    }
    Ok(sum / of)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cases_take_turns_and_the_first_does_not_count() {
        let turns = std::cell::RefCell::new(Vec::new());
        let case = |name: &'static str, first: u64| {
            let (mut next, turns) = (first, &turns);
            Case::new(name, move || {
                turns.borrow_mut().push(name);
                next += 1;
                Ok(Duration::from_millis(next))
            })
        };
        let times = interleaved(&mut [case("a", 100), case("b", 0)], 3).unwrap();
        assert_eq!(*turns.borrow(), ["a", "b", "a", "b", "a", "b", "a", "b"]);
        assert_eq!(times[0].to_string(), "103.0 (102.0 to 104.0)");
    }
}
