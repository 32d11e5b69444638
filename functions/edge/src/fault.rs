//! What can go wrong, sorted by whose fault it is.
//!
//! - [`Refused`]: the client asked for something that is not there or makes no sense. Asking again unchanged is
//!   useless; the message says what to ask instead.
//! - [`Short`]: something was not to be had just now or just here. The message says what, the variant whether a retry
//!   can help.
//! - [`Defect`]: the fault is ours, or a style's: a record that does not decode, a template that fails. The client
//!   learns only that it is; the log gets the reason.
//!
//! Nothing here knows of HTTP: only [`crate::reply`] turns a fault into a status.

use alloc::string::String;

use iridule_records::collection::TokenOutside;
use iridule_scene::variant::TooLarge;
use iridule_style::{plan::Reason, style::StyleFailed};

/// Anything that keeps a request from its picture.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// The client's.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// Time's, or something upstream's.
    #[error(transparent)]
    Short(#[from] Short),
    /// Ours.
    #[error(transparent)]
    Defect(#[from] Defect),
}

/// A request that cannot be answered as asked. The display text is the `detail` the client reads.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The path is longer than [`crate::limits::PATH_BYTES`].
    #[error("the path is {0} bytes long; {max} is the most", max = crate::limits::PATH_BYTES)]
    PathTooLong(usize),
    /// The query is longer than [`crate::limits::QUERY_BYTES`].
    #[error("the query is {0} bytes long; {max} is the most", max = crate::limits::QUERY_BYTES)]
    QueryTooLong(usize),
    /// A `%` that is not followed by two hexadecimal digits, or escapes that are not UTF-8.
    #[error(
        "broken percent-encoding in the {0}: a % stands before two hexadecimal digits, and the result is UTF-8"
    )]
    BrokenEscape(&'static str),
    /// No route has this path.
    #[error(
        "nothing is at this path; try /t for the collections, /t/orbits/1 for a token, /t/orbits/1.png for its picture"
    )]
    UnknownPath,
    /// The request names no host, so no document can name its picture.
    #[error("the request names no host; send the host of the URL in `Host`")]
    NoHost,
    /// The method is none of `GET`, `HEAD`, `OPTIONS`.
    #[error("only GET, HEAD and OPTIONS are answered here")]
    Method,
    /// The slug names no collection.
    #[error("there is no collection {0:?}; /t lists those there are")]
    UnknownCollection(String),
    /// The token is not a decimal number.
    #[error("{0:?} is no token number: write it in decimal digits, without sign or leading zeros")]
    BadToken(String),
    /// The number is outside the collection's supply.
    #[error("token {token} is not in {slug}: its tokens are {first} to {last}")]
    TokenOutside {
        /// The collection asked for.
        slug: String,
        /// The number asked for.
        token: String,
        /// Its first token.
        first: u64,
        /// Its last token.
        last: u64,
    },
    /// A token that no relay has recorded.
    #[error("token {token} of {slug} is not known here: no relay has read it on its chain yet")]
    UnknownToken {
        /// The collection asked for.
        slug: String,
        /// The number asked for.
        token: u64,
    },
    /// The extension is none of ours.
    #[error("{0:?} is no format served here: use png, webp, jpg, avif or auto")]
    UnknownFormat(String),
    /// A query parameter that the route does not have.
    #[error("unknown parameter {name:?}; {hint}")]
    UnknownParameter {
        /// The name as it came.
        name: String,
        /// Which parameters there are, or the nearest.
        hint: String,
    },
    /// A query parameter given twice.
    #[error("parameter {0:?} is given more than once; give it once")]
    RepeatedParameter(&'static str),
    /// A query parameter whose value is out of its range.
    #[error("{name}={value:?} is out of range: {want}")]
    BadParameter {
        /// Which parameter.
        name: &'static str,
        /// The value as it came.
        value: String,
        /// What it may be.
        want: &'static str,
    },
    /// A pinned state that is not base64url of the style's band vector.
    #[error("{0:?} is no state of this collection: take it from the image URL in the token's metadata")]
    BadState(String),
    /// A pinned state that the relay never published.
    #[error("state {0:?} was never published; take a state from the image URL in the token's metadata")]
    UnpublishedState(String),
    /// A style that is no CID, or that the collection never had.
    #[error("style {0:?} is none of this collection's; take it from the image URL in the token's metadata")]
    UnknownStyle(String),
    /// No byte of the requested range exists.
    #[error("no byte of the requested range exists: the picture has {0} bytes")]
    Range(u64),
}

/// Something that was not to be had just now, or not here.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Short {
    /// A store did not answer. A retry may help.
    #[error("the record store did not answer")]
    Store(String),
    /// A block of a style has not arrived here. A retry may help.
    #[error("a part of this style has not arrived here yet")]
    Block(String),
    /// A style could not be loaded a moment ago. A retry may help.
    #[error("this style cannot be shown just now")]
    Style(String),
    /// The render is for an origin, none has brought it yet, and there is nothing else to show. A retry may help.
    #[error("this picture is still being made")]
    Origins(String),
    /// The render is dearer than this edge may paint, and no origin is attached to carry it. Retrying is useless.
    #[error("this picture needs an origin ({0}) and none is attached here; {hint}", hint = .0.hint())]
    NoOrigin(Reason),
}

/// A fault on our side of the counter. The display text is for the log, not the client.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Defect {
    /// A record of ours does not decode.
    #[error("record {key}: {why}")]
    Record {
        /// The key it was read from.
        key: String,
        /// What is wrong with it.
        why: String,
    },
    /// A style's template failed on values that it should have been checked with.
    #[error("style {style}: {why}")]
    Style {
        /// The style's CID.
        style: String,
        /// What failed.
        why: String,
    },
    /// The host is not set up, or did not hold.
    #[error("host: {0}")]
    Host(String),
    /// The painter failed on an admitted scene.
    #[error("painting: {0}")]
    Paint(String),
    /// Work that ended an instance a short while ago, and is not tried again for now.
    #[error("{0} ended an instance a short while ago; it is tried again later")]
    Crashed(String),
}

impl From<StyleFailed> for Defect {
    fn from(failed: StyleFailed) -> Self {
        Self::Style { style: failed.style, why: failed.why }
    }
}

impl From<StyleFailed> for Fault {
    fn from(failed: StyleFailed) -> Self {
        Self::Defect(failed.into())
    }
}

impl From<TokenOutside> for Refused {
    fn from(outside: TokenOutside) -> Self {
        let TokenOutside { slug, token, first, last } = outside;
        Self::TokenOutside { slug, token, first, last }
    }
}

impl From<TokenOutside> for Fault {
    fn from(outside: TokenOutside) -> Self {
        Self::Refused(outside.into())
    }
}

impl From<TooLarge> for Fault {
    fn from(too_large: TooLarge) -> Self {
        Self::Refused(too_large.into())
    }
}
