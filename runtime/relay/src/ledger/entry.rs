//! What the ledger holds of events and snapshots.

use std::collections::BTreeMap;

use iridule_records::gauge::Band;
use serde::{Deserialize, Serialize};

use crate::book::{Event, Moved};

/// What the ledger holds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Entry {
    /// Something happened.
    Event(Event),
    /// What followed from the events since the last of these: a gauge moved.
    Moved(Moved),
    /// A snapshot was signed that says so.
    Sealed(Sealed),
}

/// What a snapshot said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sealed {
    /// Its sequence.
    pub sequence: u64,
    /// When it was made, Unix milliseconds.
    pub issued: u64,
    /// The key that signed it, by id.
    pub key: String,
    /// Every gauge's band.
    pub gauges: BTreeMap<String, Band>,
}

/// Some entries of a ledger.
#[derive(Debug, Clone, PartialEq)]
pub struct Page {
    /// The entries, each with its place.
    pub entries: Vec<(u64, Entry)>,
    /// The place of the next one, if there are more.
    pub next: Option<u64>,
}
