//! What a relay that leads says of itself.

use std::{collections::BTreeSet, sync::PoisonError};

use iridule_records::{gauge::State, signed::key_id};

use super::{Leader, Reading};
use crate::{
    config::Freshness,
    round::Round,
    status::{FeedStatus, PanelStatus, Role, SinkStatus, Staleness, Status},
};

impl Leader {
    fn staleness(&self, feed: &str, reading: Option<&Reading>) -> Staleness {
        let Some(round) = self.book.newest(feed) else { return Staleness::Unknown };
        let usual = Freshness::default();
        let freshness = self.config.freshness.get(feed).unwrap_or(&usual);
        let age = reading.and_then(|reading| reading.time).map(|time| time.saturating_sub(round.updated));
        if let (Some(age), Some(heartbeat)) = (age, freshness.heartbeat)
            && age > heartbeat
        {
            return Staleness::Heartbeat;
        }
        if let Some((other, most)) = &freshness.reference
            && let Some(other) = self.book.newest(other)
            && ((round.value() - other.value()) / other.value()).abs() > *most
        {
            return Staleness::Deviation;
        }
        Staleness::Fresh
    }

    pub(crate) fn status(&self) -> Status {
        let sourced: BTreeSet<String> =
            self.config.sources.iter().flat_map(|source| source.feeds()).collect();
        let mut names: BTreeSet<&str> = self.book.feeds().into_iter().collect();
        names.extend(sourced.iter().map(String::as_str));
        let feed = |name: &str| {
            let reading = self.readings.get(name);
            let round = self.book.newest(name);
            let why = reading.and_then(|reading| reading.why.clone());
            FeedStatus {
                feed: name.to_owned(),
                value: round.map(Round::value),
                round: round.map(|round| round.id.to_string()),
                updated: round.map(|round| round.updated),
                age: reading
                    .and_then(|reading| reading.time)
                    .and_then(|time| Some(time.saturating_sub(round?.updated))),
                staleness: self.staleness(name, reading),
                why: if sourced.contains(name) {
                    why
                } else {
                    Some("no source is configured for it".to_owned())
                },
            }
        };
        Status {
            role: Role::Leads,
            sequence: self.sequence,
            issued: self.last.as_ref().map(|last| last.issued),
            expires: self.last.as_ref().map(|last| last.expires),
            key: key_id(&self.config.key.verifying_key()),
            feeds: names.into_iter().map(feed).collect(),
            collections: (self.book.panels())
                .map(|(panel, state)| PanelStatus {
                    slug: panel.slug.clone(),
                    state: state.as_ref().map(State::token),
                    bands: state.map(|state| state.0).unwrap_or_default(),
                })
                .collect(),
            tokens: (self.tokens.iter())
                .map(|shown| shown.lock().unwrap_or_else(PoisonError::into_inner).clone())
                .collect(),
            sinks: (self.sinks.iter())
                .map(|sink| {
                    let standing = sink.standing();
                    SinkStatus { sink: sink.name.clone(), sequence: standing.sequence, why: standing.why }
                })
                .collect(),
        }
    }
}
