//! Places where edges find their records.

use iridule_publish::{Place, PlaceError};
use iridule_records::{signed::TrustedKeys, snapshot::Snapshot};

use super::snapshot::{Signed, Untaken};

/// Puts a snapshot where edges find it, unless something is there that is not older.
pub(super) async fn put(place: &Place, signed: &Signed, known_keys: &TrustedKeys) -> Result<(), Untaken> {
    let there = |bytes: Option<Vec<u8>>| {
        let bytes = bytes.filter(|bytes| *bytes != signed.bytes)?;
        let snapshot = Snapshot::open(&bytes, known_keys, u64::MAX).ok()?;
        (snapshot.sequence >= signed.sequence).then_some(snapshot.sequence)
    };
    // A PoP looks for itself, within the transaction that writes.
    if let Place::Pop(_) = place {
        return match place.put_snapshot(&signed.bytes).await {
            Err(PlaceError::Refused { status: 409, detail, .. }) => {
                match there(place.snapshot().await.map_err(failed)?) {
                    Some(sequence) => Err(Untaken::Ahead(sequence)),
                    None => Err(Untaken::Failed(detail)),
                }
            }
            put => put.map_err(failed),
        };
    }
    if let Some(sequence) = there(place.snapshot().await.map_err(failed)?) {
        return Err(Untaken::Ahead(sequence));
    }
    place.put_snapshot(&signed.bytes).await.map_err(failed)
}

pub(super) fn failed(why: PlaceError) -> Untaken {
    Untaken::Failed(why.to_string())
}
