//! Publishes a style to all tokens or, as a canary, to a share of them, and rolls it back.
//!
//! First the blocks are written, the manifest's last, then the collection's signed record. So an edge that reads the record
//! finds all blocks of the style. Nothing is ever deleted: pinned pictures stay valid, and a rollback writes one record.

use cid::Cid;
use ed25519_dalek::SigningKey;
use iridule_publish::{Place, PlaceError, keys};
use iridule_records::{
    block::Block,
    collection::{Canary, Collection},
    signed::TrustedKeys,
};

use crate::BuiltStyle;

/// Why a release failed. What visitors see has not changed then.
#[derive(Debug, thiserror::Error)]
pub enum ReleaseError {
    /// The publish target failed.
    #[error(transparent)]
    Place(#[from] PlaceError),
    /// The current record was signed by somebody else, or is damaged.
    #[error("the record of {slug} that is published there cannot be followed up: {why}")]
    Foreign {
        /// The collection.
        slug: String,
        /// What is wrong with it.
        why: String,
    },
    /// The record is not valid.
    #[error("{0}")]
    Record(String),
    /// A canary needs a published style beside it.
    #[error("{0} is not published there yet: a canary is tried beside a style; publish one first")]
    NothingBeside(String),
    /// There is no such collection.
    #[error("there is no collection {slug:?} there; there are: {known}")]
    Unknown {
        /// The slug that was given.
        slug: String,
        /// The slugs that exist there.
        known: String,
    },
    /// There is no earlier style.
    #[error("{0} has shown one style only: there is nothing to roll back to")]
    NothingBefore(String),
    /// The collection never showed that style.
    #[error("{slug} never showed {style}; it showed: {known}")]
    NeverShown {
        /// The collection.
        slug: String,
        /// The requested style.
        style: Cid,
        /// The styles that it showed.
        known: String,
    },
}

/// The result of a release.
#[derive(Debug, Clone)]
pub struct Release {
    /// The record before the release.
    pub before: Option<Collection>,
    /// The record now. It is the same one if nothing had to change.
    pub record: Collection,
    /// How many blocks were not there before.
    pub new_blocks: usize,
}

impl Release {
    /// Whether anything changed.
    #[must_use]
    pub fn changed(&self) -> bool {
        self.before.as_ref() != Some(&self.record)
    }
}

/// Publishes a style to all tokens or, as a canary, to `share` parts of 10,000 of them. Name, supply and contract in
/// `collection.toml` take effect too. `sent` is called for each block that is there.
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

/// Rolls back to a style that the collection has shown; without `to`, to the previous one, or, while there is a canary, to
/// the current style without it. A canary always ends.
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

/// A published collection.
#[derive(Debug, Clone)]
pub struct ListedCollection {
    /// Its slug.
    pub slug: String,
    /// Its record, or why it cannot be read with these keys.
    pub record: Result<Collection, String>,
}

/// Lists the collections at a target. Their records are verified with the keys of these publishers.
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

/// Reads the current record, which this publisher must have signed.
async fn current(place: &Place, slug: &str, key: &SigningKey) -> Result<Option<Collection>, ReleaseError> {
    let Some(signed) = place.collection(slug).await? else { return Ok(None) };
    let mine = TrustedKeys::parse(&keys::public(key)).map_err(ReleaseError::Record)?;
    let foreign = |why: String| ReleaseError::Foreign { slug: slug.into(), why };
    Collection::open(&signed, &mine).map(Some).map_err(|why| foreign(why.to_string()))
}

/// Signs and publishes a record, unless the current one has the same content.
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
