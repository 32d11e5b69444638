//! What visitors ask, and what they must get: pictures, smaller pictures and metadata of the demo collections, in two
//! states of the world.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use anyhow::{Context as _, ensure};

use crate::load::{Ask, Reply};

/// The host that visitors name. Generated URLs hold it, so an attacker who can change it is seen.
pub(super) const HOST: &str = "img.example";
/// Collections that visitors look at: those whose pictures follow the price, and one that does not.
const COLLECTIONS: [&str; 3] = ["orbits", "skyline", "creature"];
/// Tokens of each collection that visitors look at.
const TOKENS: u32 = 40;
/// Forms of a token's address.
const FORMS: [&str; 4] = [".png?w=256", ".webp?w=128", ".png?w=96", ""];
/// One request in so many carries the `ETag` that the visitor has.
const CONDITIONAL: u64 = 5;
/// For so long after a price change an answer of the state before it is right: the request may have been under way.
const GRACE: Duration = Duration::from_secs(3);

/// The two prices between which the world moves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Price {
    Low,
    High,
}

impl Price {
    /// As `iridule oracle push --set` takes it.
    pub(super) fn setting(self) -> &'static str {
        match self {
            Self::Low => "eth-usd=900",
            Self::High => "eth-usd=6000",
        }
    }

    fn other(self) -> Self {
        match self {
            Self::Low => Self::High,
            Self::High => Self::Low,
        }
    }
}

/// Which price is published now.
pub(super) struct Truth(Mutex<Published>);

#[derive(Clone, Copy)]
struct Published {
    price: Price,
    /// Both prices are right while it changes, and until this moment afterwards.
    both_until: Option<Instant>,
    changing: bool,
}

impl Truth {
    pub(super) fn new(price: Price) -> Self {
        Self(Mutex::new(Published { price, both_until: None, changing: false }))
    }

    /// From now on both prices are right; gives the one that is to be published.
    pub(super) fn begin_change(&self) -> Price {
        let mut published = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        published.changing = true;
        published.price.other()
    }

    /// The new price is published.
    pub(super) fn end_change(&self) {
        let mut published = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *published = Published {
            price: published.price.other(),
            both_until: Some(Instant::now() + GRACE),
            changing: false,
        };
    }

    fn is_right(&self, price: Price) -> bool {
        let published = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let both = published.changing || published.both_until.is_some_and(|until| Instant::now() < until);
        both || price == published.price
    }
}

/// One answer that was taken before any attack.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Reference {
    etag: String,
    body: Vec<u8>,
}

/// The right answers, by path: at the low price and at the high one.
pub(super) struct References {
    paths: Vec<String>,
    right: BTreeMap<String, [Reference; 2]>,
}

impl References {
    /// Asks a PoP for everything that visitors will ask for, in both states; `push` publishes a price. The high price is
    /// published at the end.
    pub(super) fn take(url: &str, push: impl Fn(Price) -> anyhow::Result<()>) -> anyhow::Result<Self> {
        let paths: Vec<String> = COLLECTIONS
            .iter()
            .flat_map(|collection| {
                (1..=TOKENS).flat_map(move |token| {
                    FORMS.iter().map(move |form| format!("/t/{collection}/{token}{form}"))
                })
            })
            .collect();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let client = reqwest::Client::builder().build()?;
        let all = |price| -> anyhow::Result<Vec<Reference>> {
            push(price)?;
            runtime.block_on(async {
                let mut answers = Vec::new();
                for path in &paths {
                    answers.push(reference(&client, url, path).await.with_context(|| path.clone())?);
                }
                Ok(answers)
            })
        };
        let (low, high) = (all(Price::Low)?, all(Price::High)?);
        let moved = low.iter().zip(&high).filter(|(low, high)| low != high).count();
        ensure!(moved > 0, "nothing changes with the price: the comparison would see no stale answer");
        let right = paths.iter().cloned().zip(low.into_iter().zip(high).map(|(low, high)| [low, high]));
        let right: BTreeMap<_, _> = right.collect();
        let distinct: BTreeSet<&[u8]> =
            right.values().flatten().map(|answer| answer.body.as_slice()).collect();
        println!(
            "{} addresses, {} of them follow the price, {} distinct bodies",
            paths.len(),
            moved,
            distinct.len()
        );
        Ok(Self { paths, right })
    }

    /// The request of a number.
    pub(super) fn ask(&self, number: u64) -> Ask {
        let path = self.path(number);
        let conditional = number.is_multiple_of(CONDITIONAL);
        let etag = self.right.get(path).filter(|_| conditional).map(|[low, _]| low.etag.clone());
        let headers = etag.map(|etag| ("if-none-match", etag)).into_iter().collect();
        Ask { path: path.clone(), host: Some(HOST.into()), headers }
    }

    /// Whether a response is the one that the state of the world calls for.
    pub(super) fn is_right(&self, number: u64, reply: &Reply, truth: &Truth) -> bool {
        let Some([low, high]) = self.right.get(self.path(number)) else { return false };
        let has_low = number.is_multiple_of(CONDITIONAL);
        [(Price::Low, low), (Price::High, high)].into_iter().any(|(price, reference)| {
            let right = if has_low && reference.etag == low.etag {
                reply.status == 304
            } else {
                reply.status == 200 && reply.body == reference.body
            };
            right && truth.is_right(price)
        })
    }

    fn path(&self, number: u64) -> &String {
        // A multiplicative walk, so that neighbouring requests are of different collections and forms.
        let count = self.paths.len() as u64;
        let at = number.wrapping_mul(2_654_435_761) % count.max(1);
        &self.paths[usize::try_from(at).unwrap_or(0)]
    }
}

async fn reference(client: &reqwest::Client, url: &str, path: &str) -> anyhow::Result<Reference> {
    let answer = client.get(format!("{url}{path}")).header("host", HOST).send().await?;
    let status = answer.status();
    ensure!(status == 200, "status {status}");
    let etag = answer.headers().get("etag").context("no ETag")?.to_str()?.to_owned();
    Ok(Reference { etag, body: answer.bytes().await?.to_vec() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn references() -> References {
        let of = |text: &str| Reference { etag: format!("\"{text}\""), body: text.into() };
        let right = BTreeMap::from([("/a".to_owned(), [of("low"), of("high")])]);
        References { paths: vec!["/a".into()], right }
    }

    fn reply(status: u16, body: &str) -> Reply {
        Reply { status, body: body.into(), ..Reply::default() }
    }

    #[test]
    fn an_answer_of_the_other_state_is_wrong_unless_the_price_just_changed() {
        let (references, truth) = (references(), Truth::new(Price::High));
        assert!(references.is_right(1, &reply(200, "high"), &truth));
        assert!(!references.is_right(1, &reply(200, "low"), &truth));
        assert!(!references.is_right(1, &reply(404, "high"), &truth));
        assert_eq!(truth.begin_change(), Price::Low);
        assert!(references.is_right(1, &reply(200, "low"), &truth));
        truth.end_change();
        assert!(references.is_right(1, &reply(200, "high"), &truth), "within the grace");
    }

    #[test]
    fn a_visitor_who_has_the_low_picture_gets_304_at_the_low_price_only() {
        let references = references();
        assert_eq!(references.ask(0).headers, [("if-none-match", "\"low\"".to_owned())]);
        assert!(references.is_right(0, &reply(304, ""), &Truth::new(Price::Low)));
        assert!(!references.is_right(0, &reply(304, ""), &Truth::new(Price::High)));
        assert!(references.is_right(0, &reply(200, "high"), &Truth::new(Price::High)));
    }
}
