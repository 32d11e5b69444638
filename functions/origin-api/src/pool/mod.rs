//! The pool of origins: which one a render is sent to, when a second one is asked, and when none is.
//!
//! Decisions only, made from what one isolate has seen by itself and from what each answer of an origin says of its
//! load; nothing is read or written for them (`docs/decisions/008-what-does-an-edge-know-of-the-pool.md`).
//!
//! - **Which**: weighted rendezvous hashing (Thaler and Ravishankar, 1998) by render key, so that edges agree on where a
//!   render lies without talking, and a member that leaves moves only its own share. The own region's members come before
//!   others. A member is passed over while it holds more than twice its share of this isolate's requests, unless they are
//!   few (consistent hashing with bounded loads, Mirrokni et al., 2018), or while it takes seconds and four times as long as
//!   the fastest (Peak-EWMA, as in Finagle). Both bounds are wide: a key that two edges send to two members is rendered
//!   twice.
//! - **Whether**: a member that fails is out for a while, longer each time, then let in with one request
//!   ([`health`]).
//!   One without room rests for as long as it says. One whose load is high is passed over while another is less loaded.
//! - **What is believed**: each origin's answers are signed by a key that the edge knows. A picture that one origin cannot
//!   paint is asked of another; only two that agree are believed ([`refusals`]).
//! - **How often**: a retry and a hedge each need a token from a [`Budget`], filled by first attempts. However badly all
//!   goes, origins see at most 1.2 requests for each render asked for, and one
//!   for each isolate. A hedge is for a member that is slow, not for one that has much to do: it is sent once an answer takes
//!   longer than its place in the line explains ([`Pool::hedge_after`]).

pub mod budget;
pub mod health;
pub mod refusals;

use alloc::{
    format,
    string::{String, ToString},
    vec::Vec,
};
use std::sync::Mutex;

use alloy_primitives::{hex, keccak256};
use ed25519_dalek::VerifyingKey;
use http::Uri;

use crate::sync::lock;
use crate::{
    limits, order,
    pool::{
        budget::Budget, health::Health, health::Latencies, refusals::Refusal, refusals::Refusals,
        refusals::Verdict,
    },
};
use iridule_records::{render_key::RenderKey, signed};

/// An origin, as an operator names it.
#[derive(Debug, Clone, PartialEq)]
pub struct Member {
    /// Scheme and host, without a path.
    pub url: String,
    /// Where it is; empty where nobody says.
    pub region: String,
    /// How much it takes beside the others of its region, above 0.
    pub weight: f64,
    /// What a render costs there beside the others, above 0. Its share is weight over price.
    pub price: f64,
    /// The keys that its answers may be signed with, at least one.
    pub keys: Vec<VerifyingKey>,
}

impl Member {
    /// Reads `https://origin.example;key=0123…;region=fra;weight=2;price=0.5`. The address and a key are needed; a second
    /// key is for the time in which keys are changed.
    ///
    /// # Errors
    /// A sentence that names the part at fault.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut parts = text.split(';').map(str::trim);
        let url = parts.next().unwrap_or_default();
        let uri: Option<Uri> = url.parse().ok();
        let is_host = |uri: &Uri| {
            matches!(uri.scheme_str(), Some("http" | "https"))
                && matches!((uri.path(), uri.query()), ("" | "/", None))
                && uri.authority().is_some_and(|host| !host.as_str().contains('@'))
        };
        let uri = uri
            .filter(is_host)
            .ok_or_else(|| format!("{url:?} is no http or https address with nothing behind the host"))?;
        let host = uri.authority().map(|host| host.as_str()).unwrap_or_default();
        let mut member = Self {
            url: format!("{}://{host}", uri.scheme_str().unwrap_or_default()),
            region: String::new(),
            weight: 1.0,
            price: 1.0,
            keys: Vec::new(),
        };
        for part in parts {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            let number = || {
                let number = value.parse::<f64>().ok().filter(|n| (0.001..=1000.0).contains(n));
                number.ok_or_else(|| format!("{url}: {name}={value:?} is no number from 0.001 to 1000"))
            };
            match name {
                "region" if !value.is_empty() => member.region = value.to_string(),
                "weight" => member.weight = number()?,
                "price" => member.price = number()?,
                "key" => member.keys.push(parse_key(url, value)?),
                _ => return Err(format!("{url}: {part:?} is none of key=, region=, weight=, price=")),
            }
        }
        match member.keys.len() {
            0 => Err(format!(
                "{url}: key= is missing; origins sign their answers: write {url};key=…, with the public key that \
                 `iridule origin` prints when it starts"
            )),
            keys if keys > limits::ORIGIN_KEYS => {
                Err(format!("{url}: {keys} keys, at most {}", limits::ORIGIN_KEYS))
            }
            _ => Ok(member),
        }
    }

    /// Reads a list of them, separated by commas or white space.
    ///
    /// # Errors
    /// As [`Self::parse`]; more than [`limits::ORIGINS`], or one address twice.
    pub fn parse_list(text: &str) -> Result<Vec<Self>, String> {
        let words = text.split([',', ' ', '\n', '\t']).filter(|word| !word.is_empty());
        let members = words.map(Self::parse).collect::<Result<Vec<_>, _>>()?;
        if members.len() > limits::ORIGINS {
            return Err(format!("{} origins, at most {}", members.len(), limits::ORIGINS));
        }
        for (at, member) in members.iter().enumerate() {
            if members[..at].iter().any(|other| other.url == member.url) {
                return Err(format!("{} is given twice", member.url));
            }
        }
        Ok(members)
    }

    /// Its place in the order of a key: the lower, the sooner. `-ln(u) / share` of a hash `u`, uniform in (0, 1): the
    /// least of such numbers is a member's with a probability in proportion to its share.
    fn rank(&self, key: &RenderKey) -> f64 {
        let hash = keccak256([key.0.as_slice(), self.url.as_bytes()].concat());
        let (bits, _) = hash.0.as_chunks::<8>();
        // 52 bits and a half step: never 0, never 1.
        let uniform = ((u64::from_be_bytes(bits[0]) >> 12) as f64 + 0.5) / (1u64 << 52) as f64;
        -libm::log(uniform) / (self.weight / self.price)
    }
}

fn parse_key(url: &str, text: &str) -> Result<VerifyingKey, String> {
    let bytes: Option<[u8; 32]> = hex::decode(text).ok().and_then(|bytes| bytes.try_into().ok());
    let key = bytes.and_then(|bytes| VerifyingKey::from_bytes(&bytes).ok());
    key.ok_or_else(|| format!("{url}: key={text:?} is no Ed25519 public key: 64 hexadecimal digits"))
}

/// What became of an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It brought a picture. The load that the answer stated, 0 to 100 or [`order::DRAINING`].
    Answered(u8),
    /// It says that it cannot make this picture: whether that is true, another member shows.
    Refused,
    /// The member is well and has no room; it is to be left alone for so many milliseconds.
    Busy(u64),
    /// No answer in time, none that can be believed, or a fault of the machine.
    Failed,
    /// Nobody waited any more: it says nothing of the member.
    Dropped,
}

/// A request beyond the first for one render.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extra {
    /// After a failure.
    Retry,
    /// Beside one that takes long.
    Hedge,
}

/// A request as it is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sent {
    /// To which of the [`Pool::url`]s.
    pub member: usize,
    /// Its place among this isolate's requests there, from 1.
    pub place: u32,
}

/// The origins of an edge.
#[derive(Debug)]
pub struct Pool {
    members: Vec<Member>,
    region: String,
    seen: Mutex<Seen>,
}

/// What this isolate has seen of the origins.
#[derive(Debug)]
struct Seen {
    health: Vec<Health>,
    latencies: Latencies,
    retries: Budget,
    hedges: Budget,
    refusals: Refusals,
    /// By how much each member's clock is ahead of this edge's, milliseconds, as its last answer said.
    clocks: Vec<Option<i64>>,
}

/// How many times its share a member may hold before it is passed over.
const OVER_SHARE: f64 = 2.0;
/// Requests that a member may hold in any case.
const FEW: u32 = 16;
/// How many times slower than the fastest a member may be before it is passed over.
const OVER_SLOW: f64 = 4.0;
/// Below this, nothing is slow, microseconds: a render that has to be made takes hundreds of times as long as one that is
/// at hand, on the best of origins.
const QUICK: f64 = 1_000_000.0;
/// The load from which a member is passed over while another's is lower, per cent.
const LOADED: u8 = 80;

impl Pool {
    /// The pool of an edge in this region.
    #[must_use]
    pub fn new(members: Vec<Member>, region: &str) -> Self {
        let seen = Seen {
            health: members.iter().map(|_| Health::default()).collect(),
            latencies: Latencies::default(),
            // A new isolate does not know which origins are down, and should not learn it at a visitor's cost.
            retries: Budget::one(),
            hedges: Budget::default(),
            refusals: Refusals::default(),
            clocks: members.iter().map(|_| None).collect(),
        };
        Self { members, region: region.to_string(), seen: Mutex::new(seen) }
    }

    /// Whether there is no origin at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// The address of a member that [`Self::choose`] gave.
    #[must_use]
    pub fn url(&self, member: usize) -> &str {
        self.members.get(member).map_or("", |member| &member.url)
    }

    /// The keys that a member's answers may be signed with.
    #[must_use]
    pub fn keys(&self, member: usize) -> &[VerifyingKey] {
        self.members.get(member).map_or(&[], |member| &member.keys)
    }

    /// The ids of [`Self::keys`]: for whom an order is.
    #[must_use]
    pub fn key_ids(&self, member: usize) -> Vec<String> {
        self.keys(member).iter().map(signed::key_id).collect()
    }

    /// This time on a member's clock, as far as it is known; milliseconds.
    #[must_use]
    pub fn on_clock_of(&self, member: usize, now_ms: u64) -> u64 {
        let ahead = lock(&self.seen).clocks.get(member).copied().flatten().unwrap_or(0);
        now_ms.saturating_add_signed(ahead)
    }

    /// An answer said that it was `theirs_ms` at the member, at some moment between these two here; milliseconds. Gives by
    /// how much the member's clock is ahead.
    pub fn note_clock(&self, member: usize, sent_ms: u64, received_ms: u64, theirs_ms: u64) -> i64 {
        let (least, most) =
            (order::difference(theirs_ms, received_ms), order::difference(theirs_ms, sent_ms));
        let mut seen = lock(&self.seen);
        let Some(clock) = seen.clocks.get_mut(member) else { return 0 };
        // What is known already is changed by no more than the answer proves: one that took long proves little.
        let ahead = clock.unwrap_or(0).clamp(least, most.max(least));
        *clock = Some(ahead);
        ahead
    }

    /// By how much the members' clocks are ahead of this edge's, milliseconds, where that is known.
    #[must_use]
    pub fn clocks(&self) -> Vec<(String, i64)> {
        let seen = lock(&self.seen);
        let known = self.members.iter().zip(&seen.clocks);
        known.filter_map(|(member, ahead)| Some((member.url.clone(), (*ahead)?))).collect()
    }

    /// Notes that a member could not make a picture. What follows from that and from what others have said of it.
    pub fn note_refusal(&self, key: &RenderKey, sent: Sent, refusal: Refusal, now: u64) -> Verdict {
        let same_machine =
            |one: usize, other: usize| self.keys(one).iter().any(|key| self.keys(other).contains(key));
        lock(&self.seen).refusals.note(key, sent.member, refusal, now, same_machine)
    }

    /// The members that could not make this picture lately: others are asked for it, and nobody once there are two, or no
    /// other.
    #[must_use]
    pub fn refused_by(&self, key: &RenderKey, now: u64) -> Vec<usize> {
        lock(&self.seen).refusals.members(key, now)
    }

    /// A picture has come. Members that said it cannot be painted were wrong: that counts against them.
    pub fn note_made(&self, key: &RenderKey, now: u64) {
        let mut seen = lock(&self.seen);
        for member in seen.refusals.take(key) {
            if let Some(health) = seen.health.get_mut(member) {
                health.fail(now);
            }
        }
    }

    /// The member to send a render to next, and counts it as sent: [`Self::done`] must follow. `tried` are those that
    /// were asked for it already. `None` when no other can be asked just now.
    #[must_use]
    pub fn choose(&self, key: &RenderKey, now: u64, tried: &[usize]) -> Option<Sent> {
        let mut seen = lock(&self.seen);
        if tried.is_empty() {
            seen.retries.earn();
            seen.hedges.earn();
        }
        let open = |at: &usize| !tried.contains(at) && seen.health[*at].admits(now);
        let own = |at: &usize| self.members[*at].region == self.region;
        let open: Vec<usize> = (0..self.members.len()).filter(open).collect();
        let near: Vec<usize> = open.iter().copied().filter(own).collect();
        let candidates = if near.is_empty() { open } else { near };
        let member = self.among(&candidates, key, now, &seen.health)?;
        seen.health[member].start();
        Some(Sent { member, place: seen.health[member].in_flight() })
    }

    /// The first in the key's order that is not overloaded; where all are, the one with the least to do.
    fn among(&self, candidates: &[usize], key: &RenderKey, now: u64, health: &[Health]) -> Option<usize> {
        let share = |at: usize| self.members[at].weight / self.members[at].price;
        let latency = |at: usize| health[at].latency(now);
        let shares: f64 = candidates.iter().map(|at| share(*at)).sum();
        let held: u32 = candidates.iter().map(|at| health[*at].in_flight()).sum();
        let least = candidates.iter().map(|at| latency(*at)).min_by(f64::total_cmp)?;
        let load = |at: usize| health[at].load(now);
        let least_loaded = candidates.iter().map(|at| load(*at)).min()?;
        let fits = |at: usize| {
            if load(at) >= LOADED && load(at) > least_loaded {
                return false;
            }
            let most = libm::ceil(OVER_SHARE * f64::from(held + 1) * share(at) / shares);
            let in_flight = health[at].in_flight();
            (in_flight < FEW || f64::from(in_flight) < most) && latency(at) <= (OVER_SLOW * least).max(QUICK)
        };
        let ranked = |at: &usize| (self.members[*at].rank(key), *at);
        let by_rank = |a: &(f64, usize), b: &(f64, usize)| a.0.total_cmp(&b.0);
        let fitting = candidates.iter().filter(|at| fits(**at)).map(ranked).min_by(by_rank);
        let cost = |at: usize| latency(at) * f64::from(health[at].in_flight() + 1);
        let idlest = || candidates.iter().copied().map(|at| (cost(at), at)).min_by(by_rank);
        fitting.or_else(idlest).map(|(_, at)| at)
    }

    /// What became of an attempt that took this many microseconds.
    pub fn done(&self, sent: Sent, now: u64, took: u64, outcome: Outcome) {
        let mut seen = lock(&self.seen);
        if let Outcome::Answered(_) = outcome {
            seen.latencies.note(took, sent.place);
        }
        if let Some(health) = seen.health.get_mut(sent.member) {
            health.done(now, took, outcome);
        }
    }

    /// After how many microseconds without an answer a second member is worth asking: the 95th percentile of what
    /// answers took lately, as long for each place in the line. Asking elsewhere because all have much to do
    /// would give them more.
    #[must_use]
    pub fn hedge_after(&self, sent: Sent) -> u64 {
        lock(&self.seen).latencies.p95(sent.place)
    }

    /// Takes the token for one more request, if there is one.
    #[must_use]
    pub fn may(&self, extra: Extra) -> bool {
        let mut seen = lock(&self.seen);
        match extra {
            Extra::Retry => seen.retries.spend(),
            Extra::Hedge => seen.hedges.spend(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy_primitives::U256;

    const SECOND: u64 = 1_000_000;

    fn key(n: u64) -> RenderKey {
        RenderKey(keccak256(U256::from(n).to_be_bytes::<32>()))
    }

    /// The public key of a secret that is all this byte.
    fn public(secret: u8) -> VerifyingKey {
        ed25519_dalek::SigningKey::from_bytes(&[secret; 32]).verifying_key()
    }

    /// Members with a key each.
    fn pool(list: &str, region: &str) -> Pool {
        let keyed = list
            .split(' ')
            .zip(1..)
            .map(|(one, secret)| format!("{one};key={}", hex::encode(public(secret).as_bytes())));
        Pool::new(Member::parse_list(&keyed.collect::<Vec<_>>().join(" ")).unwrap(), region)
    }

    /// How many of many keys each member gets while nothing is in flight.
    fn shares(pool: &Pool, keys: u64) -> Vec<usize> {
        let mut counts = vec![0; pool.members.len()];
        for n in 0..keys {
            let at = pool.choose(&key(n), 0, &[]).unwrap();
            pool.done(at, 0, 1000, Outcome::Answered(0));
            counts[at.member] += 1;
        }
        counts
    }

    #[test]
    fn members_are_read_with_their_parts() {
        let key = hex::encode(public(1).as_bytes());
        let one = format!("https://a.example:8443/;region=fra;weight=2;price=0.5;key={key}");
        let want = Member {
            url: "https://a.example:8443".into(),
            region: "fra".into(),
            weight: 2.0,
            price: 0.5,
            keys: vec![public(1)],
        };
        assert_eq!(Member::parse(&one), Ok(want));
        for (bad, word) in [
            ("a.example", "address"),
            ("ftp://a", "address"),
            ("https://a/b", "address"),
            ("https://u@a", "address"),
            ("https://a;weight=0", "weight"),
            ("https://a;weight=NaN", "weight"),
            ("https://a;colour=red", "colour"),
            ("https://a;key=12", "64 hexadecimal digits"),
            ("https://a;region=fra", "key= is missing"),
            ("https://a;KEY https://a;KEY", "twice"),
            ("https://a;KEY;KEY;KEY;KEY;KEY", "5 keys"),
        ] {
            let why = Member::parse_list(&bad.replace("KEY", &format!("key={key}"))).unwrap_err();
            assert!(why.contains(word), "{bad}: {why}");
        }
    }

    #[test]
    fn keys_are_shared_out_by_weight_over_price() {
        let counts = shares(&pool("http://a;weight=2 http://b http://c;weight=4;price=4", ""), 4000);
        assert!((1850..2150).contains(&counts[0]), "{counts:?}");
        assert!((900..1100).contains(&counts[1]) && (900..1100).contains(&counts[2]), "{counts:?}");
    }

    #[test]
    fn a_member_that_leaves_moves_only_its_own_keys() {
        let (three, two) = (pool("http://a http://b http://c", ""), pool("http://a http://b", ""));
        for n in 0..500 {
            let before = three.choose(&key(n), 0, &[]).unwrap();
            three.done(before, 0, 1000, Outcome::Answered(0));
            let after = two.choose(&key(n), 0, &[]).unwrap();
            two.done(after, 0, 1000, Outcome::Answered(0));
            assert!(before.member == 2 || before == after);
        }
    }

    #[test]
    fn the_own_region_comes_first_and_others_only_when_it_cannot() {
        let pool = pool("http://far;region=sfo http://near;region=fra", "fra");
        assert_eq!(shares(&pool, 50), [0, 50]);
        let far = pool.choose(&key(1), 0, &[1]).unwrap();
        assert_eq!(far, Sent { member: 0, place: 1 });
        pool.done(far, 0, 1, Outcome::Dropped);
        for _ in 0..3 {
            let at = pool.choose(&key(1), 0, &[]).unwrap();
            pool.done(at, 0, 1, Outcome::Failed);
        }
        assert_eq!(pool.choose(&key(1), 1, &[]), Some(far));
    }

    #[test]
    fn a_member_over_its_share_is_passed_over() {
        let pool = pool("http://a http://b http://c", "");
        let chosen: Vec<usize> = (0..60).map(|_| pool.choose(&key(7), 0, &[]).unwrap().member).collect();
        let held = |at| chosen.iter().filter(|c| **c == at).count();
        let first = chosen[0];
        assert_eq!(chosen[..16], [first; 16], "few are never too many");
        assert_eq!(held(first), 40, "twice its share of sixty: {chosen:?}");
        let order: Vec<usize> = (0..3).filter(|at| held(*at) > 0).collect();
        assert_eq!(order.len(), 2, "what is over goes to the next in the key's order: {chosen:?}");
    }

    #[test]
    fn a_slow_member_is_passed_over_until_that_is_long_ago() {
        let pool = pool("http://a http://b", "");
        let first = pool.choose(&key(1), 0, &[]).unwrap();
        pool.done(first, 0, 5 * SECOND, Outcome::Answered(0));
        let other = pool.choose(&key(1), 0, &[first.member]).unwrap();
        pool.done(other, 0, SECOND / 100, Outcome::Answered(0));
        let then = pool.choose(&key(1), 1000, &[]).unwrap();
        pool.done(then, 1000, 1, Outcome::Dropped);
        assert_eq!(then, other);
        assert_eq!(pool.choose(&key(1), 120 * SECOND, &[]), Some(first));
    }

    #[test]
    fn a_loaded_member_is_passed_over_while_another_has_room() {
        let pool = pool("http://a http://b", "");
        let first = pool.choose(&key(1), 0, &[]).unwrap();
        pool.done(first, 0, 1000, Outcome::Answered(LOADED));
        let other = pool.choose(&key(1), 1000, &[]).unwrap();
        assert_ne!(other.member, first.member);
        pool.done(other, 1000, 1000, Outcome::Answered(99));
        assert_eq!(
            pool.choose(&key(1), 2000, &[]),
            Some(first),
            "of two that are loaded, the less loaded one"
        );
        pool.done(first, 3000, 1000, Outcome::Dropped);
        assert_eq!(
            pool.choose(&key(1), 10 * SECOND, &[]),
            Some(first),
            "a load that was seen long ago says nothing"
        );
    }

    #[test]
    fn a_member_that_refuses_what_another_paints_is_ejected() {
        let pool = pool("http://a http://b", "");
        for n in 0..3 {
            let sent = Sent { member: 0, place: 1 };
            assert_eq!(pool.note_refusal(&key(n), sent, Refusal::Unpaintable, n), Verdict::AskAnother);
            assert_eq!(pool.refused_by(&key(n), n), [0]);
            pool.note_made(&key(n), n);
            assert!(pool.refused_by(&key(n), n).is_empty());
        }
        assert!(shares(&pool, 50)[0] == 0, "three in a row");
    }

    #[test]
    fn an_edge_reckons_on_the_clock_of_each_origin() {
        let pool = pool("http://a http://b", "");
        assert_eq!(pool.on_clock_of(0, 1000), 1000);
        assert_eq!(pool.note_clock(0, 100_000, 100_200, 40_000), -60_000);
        assert_eq!(
            pool.note_clock(0, 100_000, 109_000, 48_900),
            -60_000,
            "an answer that took long proves little"
        );
        assert_eq!(pool.note_clock(1, 100_000, 100_200, 100_150), 0, "within the time of the way");
        assert_eq!((pool.on_clock_of(0, 200_000), pool.on_clock_of(1, 200_000)), (140_000, 200_000));
        assert_eq!(pool.clocks(), [("http://a".to_string(), -60_000), ("http://b".to_string(), 0)]);
    }

    #[test]
    fn extras_are_bounded_however_many_are_wanted() {
        let pool = pool("http://a", "");
        let mut extras = 0;
        for n in 0..1000 {
            let at = pool.choose(&key(n), n * 60 * SECOND, &[]).unwrap();
            pool.done(at, n * 60 * SECOND, 1, Outcome::Busy(0));
            extras += usize::from(pool.may(Extra::Retry)) + usize::from(pool.may(Extra::Hedge));
        }
        assert!((150..=201).contains(&extras), "{extras}");
    }

    #[test]
    fn a_long_line_is_no_reason_for_a_hedge() {
        let pool = pool("http://a", "");
        for n in 0..32 {
            let sent = pool.choose(&key(n), 0, &[]).unwrap();
            pool.done(sent, 0, SECOND / 10, Outcome::Answered(0));
        }
        let line: Vec<Sent> = (0..8).map(|n| pool.choose(&key(n), 0, &[]).unwrap()).collect();
        let tenths: Vec<u64> = line.iter().map(|sent| pool.hedge_after(*sent) * 10 / SECOND).collect();
        assert_eq!(tenths, [1, 2, 3, 4, 5, 6, 7, 8]);
        for (sent, tenths) in line.iter().zip(1..) {
            pool.done(*sent, 0, tenths * SECOND / 10, Outcome::Answered(0));
        }
        let alone = pool.choose(&key(1), 0, &[]).unwrap();
        assert_eq!(pool.hedge_after(alone), SECOND / 10, "what the line took says nothing of one alone");
    }
}
