//! Why publishing to a place failed.

/// Why a place did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum PlaceError {
    /// It could not be reached, or broke off.
    #[error("{at}: {why}")]
    Unreachable {
        /// What was asked for.
        at: String,
        /// What went wrong.
        why: String,
    },
    /// It refused.
    #[error("{at} answered {status}: {detail}")]
    Refused {
        /// What was asked for.
        at: String,
        /// Its HTTP status.
        status: u16,
        /// Its explanation.
        detail: String,
    },
    /// It holds, or answered, something that makes no sense.
    #[error("{at}: {why}")]
    Malformed {
        /// What was asked for.
        at: String,
        /// What is wrong with it.
        why: String,
    },
}
