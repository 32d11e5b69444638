//! A style goes live, on trial for a share of the tokens, or back to what it was.
//!
//! Blocks first, the manifest's last, then the collection's signed record: an edge that reads the record finds all of
//! the style. Nothing that was published is taken away, so pinned pictures stay valid and a way back is one record.

use cid::Cid;
use ed25519_dalek::SigningKey;
use iridule_core::{
    collection::{Canary, Collection},
    package::Block,
    signed::TrustedKeys,
};
use iridule_publish::{Place, PlaceError, keys};

use crate::BuiltStyle;

/// Why a style did not go live. Nothing that visitors see has changed then.
#[derive(Debug, thiserror::Error)]
pub enum ReleaseError {
    /// The place did not do its part.
    #[error(transparent)]
    Place(#[from] PlaceError),
    /// The record in force is somebody else's, or broken.
    #[error("the record of {slug} that is published there cannot be followed up: {why}")]
    Foreign {
        /// The collection.
        slug: String,
        /// What is wrong with it.
        why: String,
    },
    /// No record can be made of this.
    #[error("{0}")]
    Record(String),
    /// A trial needs a style beside it.
    #[error("{0} is not published there yet: a canary is tried beside a style; publish one first")]
    NothingBeside(String),
    /// There is no such collection.
    #[error("there is no collection {slug:?} there; there are: {known}")]
    Unknown {
        /// The slug that was given.
        slug: String,
        /// Those that there are.
        known: String,
    },
    /// There is no way back.
    #[error("{0} has shown one style only: there is nothing to roll back to")]
    NothingBefore(String),
    /// It never showed that style.
    #[error("{slug} never showed {style}; it showed: {known}")]
    NeverShown {
        /// The collection.
        slug: String,
        /// The style asked for.
        style: Cid,
        /// Those before.
        known: String,
    },
}

/// What a release did.
#[derive(Debug, Clone)]
pub struct Release {
    /// The record in force before.
    pub before: Option<Collection>,
    /// The record in force now; the same one when there was nothing to change.
    pub record: Collection,
    /// How many blocks were new there.
    pub new_blocks: usize,
}

impl Release {
    /// Whether anything changed.
    #[must_use]
    pub fn changed(&self) -> bool {
        self.before.as_ref() != Some(&self.record)
    }
}

/// Publishes a style: to all tokens, or to a share of them beside the style in force, in parts of 10,000. What
/// `collection.toml` says of name, supply and contract becomes true with it. `sent` is told of each block that is there.
///
/// # Errors
/// [`ReleaseError`].
pub async fn publish(
    place: &Place,
    built: &BuiltStyle,
    key: &SigningKey,
    share: Option<u16>,
    mut sent: impl FnMut(&Block),
) -> Result<Release, ReleaseError> {
    let (slug, style) = (&built.collection.slug, built.package.cid);
    let before = current(place, slug, key).await?;
    let record = match (&before, share) {
        (None, None) => built.collection.clone(),
        (None, Some(_)) => return Err(ReleaseError::NothingBeside(slug.clone())),
        (Some(before), share) => {
            let (style, canary) = match share {
                None => (style, None),
                Some(share) => (before.style, Some(Canary { style, share })),
            };
            let Collection { sequence, style, canary, history, .. } = before.succeeded_by(style, canary);
            Collection { sequence, style, canary, history, ..built.collection.clone() }
        }
    };
    let mut new_blocks = 0;
    for block in built.blocks() {
        new_blocks += usize::from(place.put_block(block).await?);
        sent(block);
    }
    let record = put(place, before.as_ref(), record, key).await?;
    Ok(Release { before, record, new_blocks })
}

/// Goes back: to a style that the collection showed, or, with none named, to the one before; a canary ends with it. While
/// a canary is on trial and no style is named, only the canary ends.
///
/// # Errors
/// [`ReleaseError`].
pub async fn rollback(
    place: &Place,
    slug: &str,
    to: Option<Cid>,
    key: &SigningKey,
) -> Result<Release, ReleaseError> {
    let Some(before) = current(place, slug, key).await? else {
        let known = place.slugs().await?.join(", ");
        return Err(ReleaseError::Unknown { slug: slug.into(), known });
    };
    let style = match to {
        Some(style) if style == before.style || before.history.contains(&style) => style,
        Some(style) => {
            let known = [before.style].iter().chain(&before.history).map(Cid::to_string).collect::<Vec<_>>();
            return Err(ReleaseError::NeverShown { slug: slug.into(), style, known: known.join(", ") });
        }
        None if before.canary.is_some() => before.style,
        None => *before.history.first().ok_or_else(|| ReleaseError::NothingBefore(slug.into()))?,
    };
    let record = put(place, Some(&before), before.succeeded_by(style, None), key).await?;
    Ok(Release { before: Some(before), record, new_blocks: 0 })
}

/// A collection as it is published somewhere.
#[derive(Debug, Clone)]
pub struct ListedCollection {
    /// Its slug.
    pub slug: String,
    /// Its record; or why it cannot be read with this key.
    pub record: Result<Collection, String>,
}

/// The collections of a place, read with the keys of these publishers.
///
/// # Errors
/// [`PlaceError`].
pub async fn list(place: &Place, publishers: &TrustedKeys) -> Result<Vec<ListedCollection>, PlaceError> {
    let mut all = Vec::new();
    for slug in place.slugs().await? {
        let record = match place.collection(&slug).await? {
            Some(signed) => Collection::open(&signed, publishers).map_err(|why| why.to_string()),
            None => Err("it is listed, and not there".into()),
        };
        all.push(ListedCollection { slug, record });
    }
    Ok(all)
}

/// The record in force, which this publisher must have signed.
async fn current(place: &Place, slug: &str, key: &SigningKey) -> Result<Option<Collection>, ReleaseError> {
    let Some(signed) = place.collection(slug).await? else { return Ok(None) };
    let mine = TrustedKeys::parse(&keys::public(key)).map_err(ReleaseError::Record)?;
    let foreign = |why: String| ReleaseError::Foreign { slug: slug.into(), why };
    Collection::open(&signed, &mine).map(Some).map_err(|why| foreign(why.to_string()))
}

/// Signs a record and publishes it, unless it says what is in force already.
async fn put(
    place: &Place,
    before: Option<&Collection>,
    record: Collection,
    key: &SigningKey,
) -> Result<Collection, ReleaseError> {
    if let Some(before) = before
        && (Collection { sequence: before.sequence, ..record.clone() }) == *before
    {
        return Ok(before.clone());
    }
    let signed = record.seal(key).map_err(ReleaseError::Record)?;
    place.put_collection(&record.slug, &signed).await?;
    Ok(record)
}
