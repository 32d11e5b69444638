//! What the next snapshot says, given the one before and new feed values. Pure: no clock, no IO.

use std::collections::BTreeMap;

use iridule_records::{
    gauge::{Band, Gauge},
    snapshot::{self, Snapshot},
};

/// A feed's value, as it was read.
pub type Values = BTreeMap<String, f64>;

/// The next statement: bands follow the new values with each gauge's hysteresis, what has no new value stays as it
/// was, and the states that the panels are in now join the record of what was published.
///
/// A panel is one style's gauges in manifest order. A value that is no finite number moves nothing.
#[must_use]
pub fn next(
    before: Option<&Snapshot>,
    panels: &[Vec<Gauge>],
    values: &Values,
    now_ms: u64,
    lifetime_ms: u64,
) -> Snapshot {
    let mut statement = Snapshot {
        version: snapshot::VERSION,
        chain: before.map_or(0, |before| before.chain),
        sequence: before.map_or(1, |before| before.sequence + 1),
        issued: now_ms,
        expires: now_ms.saturating_add(lifetime_ms.max(1)),
        gauges: before.map(|before| before.gauges.clone()).unwrap_or_default(),
        published: before.map(|before| before.published.clone()).unwrap_or_default(),
    };
    for gauge in panels.iter().flatten() {
        let id = gauge.id();
        let band = statement.gauges.get(&id).copied();
        if let Some(band) = values.get(&gauge.feed).and_then(|value| gauge.quantiser.step(*value, band)) {
            statement.gauges.insert(id, band);
        }
    }
    for panel in panels {
        statement.note_published(panel);
    }
    statement
}

/// A gauge whose band differs between two statements.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// [`Gauge::id`].
    pub gauge: String,
    /// The band before; none when it was never stated.
    pub before: Option<Band>,
    /// The band now.
    pub now: Band,
}

/// What a statement changes.
#[must_use]
pub fn changes(before: Option<&Snapshot>, now: &Snapshot) -> Vec<Change> {
    let old = |id: &String| before.and_then(|before| before.gauges.get(id).copied());
    let all = now.gauges.iter().map(|(id, band)| Change { gauge: id.clone(), before: old(id), now: *band });
    all.filter(|change| change.before != Some(change.now)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use iridule_records::gauge::{Quantiser, Scale};
    use proptest::prelude::*;

    fn gauge(feed: &str, step: f64) -> Gauge {
        Gauge {
            name: "g".into(),
            label: "G".into(),
            feed: feed.into(),
            quantiser: Quantiser {
                scale: Scale::Log { from: 1000.0, step },
                low: -40,
                high: 120,
                hysteresis: 0.25,
                dwell: 0,
            },
            rest: 0,
            names: vec![],
        }
    }

    fn values(value: f64) -> Values {
        Values::from([("eth-usd".to_string(), value)])
    }

    #[test]
    fn inside_the_band_nothing_moves_and_a_return_is_known() {
        let panels = [vec![gauge("eth-usd", 0.05)]];
        let a = next(None, &panels, &values(2000.0), 1, 1000);
        let b = next(Some(&a), &panels, &values(2010.0), 2, 1000);
        let c = next(Some(&b), &panels, &values(3000.0), 3, 1000);
        let d = next(Some(&c), &panels, &values(2000.0), 4, 1000);
        assert!(changes(Some(&a), &b).is_empty());
        assert_eq!(changes(Some(&b), &c).len(), 1);
        assert_eq!(a.gauges, d.gauges);
        assert_eq!(d.sequence, 4);
        let known: usize = d.published.values().map(Vec::len).sum();
        assert_eq!(known, 2, "a state that returns is recorded once");
        for (snapshot, yes) in [(&b, false), (&c, true)] {
            let state = c.state(&panels[0]).unwrap();
            assert_eq!(snapshot.was_published(&panels[0], &state), yes);
        }
    }

    #[test]
    fn a_panel_is_published_only_when_all_its_gauges_are() {
        let panels = [vec![gauge("eth-usd", 0.05), gauge("btc-usd", 0.05)]];
        let half = next(None, &panels, &values(2000.0), 1, 1000);
        assert!(half.published.is_empty() && half.state(&panels[0]).is_none());
        let both = Values::from([("btc-usd".to_string(), 60_000.0)]);
        assert_eq!(next(Some(&half), &panels, &both, 2, 1000).published.len(), 1);
    }

    proptest! {
        #[test]
        fn any_values_give_a_snapshot_that_seals(series in prop::collection::vec(any::<f64>(), 1..20)) {
            let key = ed25519_dalek::SigningKey::from_bytes(&[3; 32]);
            let panels = [vec![gauge("eth-usd", 0.01)], vec![gauge("eth-usd", 0.05)]];
            let mut last: Option<Snapshot> = None;
            for (at, value) in (1..).zip(series) {
                let snapshot = next(last.as_ref(), &panels, &values(value), at, 60_000);
                prop_assert_eq!(snapshot.sequence, at);
                prop_assert!(snapshot.seal(&key).is_ok());
                last = Some(snapshot);
            }
        }
    }
}
