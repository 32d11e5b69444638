//! What a start says while it compiles the functions for this machine: a bar on a terminal, two lines in a log.

use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use indicatif::{ProgressBar, ProgressStyle};
use iridule_pop::Compiling;

use crate::console;

/// How often the bar moves.
const STEP: Duration = Duration::from_millis(100);
/// The bar waits at this many percent when the estimate was too short.
const NEARLY: u64 = 99;

/// The compilation under way; there is one at most.
static UNDER_WAY: Mutex<Option<(Instant, ProgressBar)>> = Mutex::new(None);

/// Shows how a start gets on.
pub fn show(compiling: Compiling) {
    let mut under_way = UNDER_WAY.lock().unwrap_or_else(PoisonError::into_inner);
    match compiling {
        Compiling::Begun { estimate } => {
            let bar = if console::is_watched() {
                bar(estimate)
            } else {
                let about = estimate.as_secs_f64().round();
                tracing::info!(
                    "compiling the functions for this machine, once for each version: about {about} s"
                );
                ProgressBar::hidden()
            };
            *under_way = Some((Instant::now(), bar));
        }
        Compiling::Done => {
            if let Some((begun, bar)) = under_way.take() {
                bar.finish_and_clear();
                let seconds = format!("{:.1}", begun.elapsed().as_secs_f64());
                tracing::info!(seconds, "the functions are compiled; the next start finds them");
            }
        }
    }
}

/// A bar that fills while the estimate passes. The compiler itself does not say how far it is.
fn bar(estimate: Duration) -> ProgressBar {
    const LOOK: &str = "compiling the functions for this machine, once for each version {bar:30} {percent} %";
    let bar = ProgressBar::new(100);
    // A template that does not parse leaves the usual look.
    if let Ok(style) = ProgressStyle::with_template(LOOK) {
        bar.set_style(style);
    }
    let moving = bar.clone();
    std::thread::spawn(move || {
        let begun = Instant::now();
        while !moving.is_finished() {
            moving.set_position(percent(begun.elapsed(), estimate));
            std::thread::sleep(STEP);
        }
    });
    bar
}

fn percent(elapsed: Duration, estimate: Duration) -> u64 {
    let percent = elapsed.as_millis() * 100 / estimate.as_millis().max(1);
    u64::try_from(percent).unwrap_or(NEARLY).min(NEARLY)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bar_fills_with_time_and_never_says_that_all_is_done_before_it_is() {
        let estimate = Duration::from_secs(8);
        let at = |seconds| percent(Duration::from_secs(seconds), estimate);
        assert_eq!([at(0), at(2), at(4), at(8), at(1000)], [0, 25, 50, NEARLY, NEARLY]);
        assert_eq!(percent(Duration::ZERO, Duration::ZERO), 0);
    }
}
