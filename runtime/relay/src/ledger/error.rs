//! Why the ledger cannot be used.

/// Why the ledger does not do its part.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// Another process has it open.
    #[error("the ledger in {0} is open elsewhere: a relay runs on it")]
    InUse(String),
    /// There is none.
    #[error("there is no ledger in {0}; `iridule oracle run` makes one")]
    Missing(String),
    /// It cannot be read or written.
    #[error("the ledger: {0}")]
    Broken(String),
}

pub(super) fn broken(why: impl std::fmt::Display) -> LedgerError {
    LedgerError::Broken(why.to_string())
}
