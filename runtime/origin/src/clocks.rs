//! How far the clocks of edges differ from this origin's clock. Requests are dated by the origin's clock, so none is
//! rejected because of a difference. But snapshots, certificates and logs of such an edge are wrong too, so its operator
//! should be told.

use std::{
    collections::BTreeMap,
    sync::Mutex,
    time::{SystemTime, UNIX_EPOCH},
};

use iridule_origin_api::{limits, order};

use crate::lock::lock;

/// How much a difference must change before it is logged again, milliseconds.
const REPORT_STEP_MS: u64 = 1_000;

/// The last known difference of each edge, milliseconds. Positive where the edge's clock is ahead.
#[derive(Debug, Default)]
pub(crate) struct EdgeClocks(Mutex<BTreeMap<String, ClockOffset>>);

#[derive(Debug, Clone, Copy)]
struct ClockOffset {
    ahead_ms: i64,
    reported_ms: i64,
}

impl EdgeClocks {
    /// Records what an edge's clock showed when its request arrived.
    pub(crate) fn note(&self, edge: &str, theirs_ms: u64, ours_ms: u64) {
        let ahead_ms = order::difference(theirs_ms, ours_ms);
        let mut clocks = lock(&self.0);
        let seen = clocks.entry(edge.to_owned()).or_insert(ClockOffset { ahead_ms, reported_ms: 0 });
        seen.ahead_ms = ahead_ms;
        if is_off(ahead_ms) && ahead_ms.abs_diff(seen.reported_ms) >= REPORT_STEP_MS {
            seen.reported_ms = ahead_ms;
            tracing::warn!(edge, ahead_ms, "the clock of an edge differs from this origin's");
        }
    }

    /// All differences, by edge.
    pub(crate) fn all(&self) -> Vec<(String, i64)> {
        let clocks = lock(&self.0);
        clocks.iter().map(|(edge, seen)| (edge.clone(), seen.ahead_ms)).collect()
    }

    /// One line for each edge whose clock differs by too much.
    pub(crate) fn warnings(&self) -> String {
        let off = self.all().into_iter().filter(|(_, ahead_ms)| is_off(*ahead_ms));
        off.map(|(edge, ahead_ms)| {
            format!("the clock of edge {edge} is {ahead_ms} ms ahead of this origin's\n")
        })
        .collect()
    }
}

fn is_off(ahead_ms: i64) -> bool {
    ahead_ms.unsigned_abs() >= limits::CLOCK_WARNING_MS
}

/// The current time, Unix milliseconds.
pub(crate) fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
