//! The tables of the ledger's file.

use redb::{TableDefinition, WriteTransaction};

use super::error::{LedgerError, broken};

/// DAG-CBOR of `Entry`, by its place.
pub(super) const ENTRIES: TableDefinition<u64, &[u8]> = TableDefinition::new("entries");
/// The newest signed snapshot, under its sequence; one row.
pub(super) const SEALED: TableDefinition<u64, &[u8]> = TableDefinition::new("sealed");

/// What whom was told last: states as DAG-CBOR, by sink.
pub(super) const TOLD: TableDefinition<&str, &[u8]> = TableDefinition::new("told");

/// DAG-CBOR of `Kept`, by `slug/number`.
pub(super) const TOKENS: TableDefinition<&str, &[u8]> = TableDefinition::new("tokens");
/// Which token's record is the newest but so many: `slug/number`, by its place.
pub(super) const TOKEN_ORDER: TableDefinition<u64, &str> = TableDefinition::new("token-order");
/// DAG-CBOR of `Unrecorded`, by `slug/number`.
pub(super) const UNRECORDED: TableDefinition<&str, &[u8]> = TableDefinition::new("unrecorded");
/// Records that a sink did not take, by sink and `slug/number`; the place of the record.
pub(super) const SET_ASIDE: TableDefinition<(&str, &str), u64> = TableDefinition::new("set-aside");
/// Up to which block a collection's events are known, by slug.
pub(super) const SCANNED: TableDefinition<&str, u64> = TableDefinition::new("scanned");

/// Makes the tables that are not there.
pub(super) fn create(write: &WriteTransaction) -> Result<(), LedgerError> {
    write.open_table(ENTRIES).map_err(broken)?;
    write.open_table(SEALED).map_err(broken)?;
    write.open_table(TOLD).map_err(broken)?;
    write.open_table(TOKENS).map_err(broken)?;
    write.open_table(TOKEN_ORDER).map_err(broken)?;
    write.open_table(SCANNED).map_err(broken)?;
    write.open_table(UNRECORDED).map_err(broken)?;
    write.open_table(SET_ASIDE).map_err(broken)?;
    Ok(())
}
