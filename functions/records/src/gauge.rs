//! Gauges: a feed seen through a style's quantiser.
//!
//! A style sees bands, never raw values. Only a relay turns values into bands ([`Quantiser::step`]); an edge reads the
//! bands from a snapshot. What follows from them is here too: the [`State`] of a style and its [`Epoch`].

use alloc::{string::String, vec::Vec};
use core::fmt;

use alloy_primitives::{B256, Keccak256, U256, hex, keccak256};
use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};

use crate::limits;

/// A band's number.
pub type Band = i16;

/// A gauge of a style.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Gauge {
    /// Its name inside the style.
    pub name: String,
    /// What collectors read in the token's attributes.
    pub label: String,
    /// The feed it watches, e.g. `eth-usd`.
    pub feed: String,
    /// How values become bands.
    pub quantiser: Quantiser,
    /// The band shown until a relay has published one.
    pub rest: Band,
    /// What collectors read for each band, from the lowest up; empty when they read the values it stands for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub names: Vec<String>,
}

impl Gauge {
    /// The identity under which snapshots carry this gauge: the feed and what the quantiser does, so that two styles
    /// that look at a feed in the same way share one band.
    #[must_use]
    pub fn id(&self) -> String {
        let quantiser = serde_ipld_dagcbor::to_vec(&self.quantiser).unwrap_or_default();
        let digest = keccak256(quantiser);
        alloc::format!("{}@{}", self.feed, hex::encode(&digest[..6]))
    }

    /// Checks names and the quantiser.
    ///
    /// # Errors
    /// A sentence on what is wrong.
    pub fn check(&self) -> Result<(), String> {
        if !is_feed(&self.feed) {
            return Err(alloc::format!("{:?} is no feed name: use a-z, 0-9 and -", self.feed));
        }
        if self.label.len() > limits::NAME_BYTES {
            return Err("its label is too long".into());
        }
        self.quantiser.check()?;
        if !self.quantiser.range().contains(&self.rest) {
            return Err(alloc::format!("its rest band {} is outside its bands", self.rest));
        }
        let (names, bands) = (self.names.len(), self.quantiser.range().len());
        if names > 0 && names != bands {
            return Err(alloc::format!("it names {names} bands and has {bands}"));
        }
        if names > limits::EDGES || self.names.iter().any(|name| name.len() > limits::NAME_BYTES) {
            return Err("the name of a band is too long, or there are too many".into());
        }
        Ok(())
    }
}

/// Whether a text may name a feed.
#[must_use]
pub fn is_feed(text: &str) -> bool {
    (1..=limits::NAME_BYTES).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}

/// How values of a feed become bands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Quantiser {
    /// Where the bands lie.
    pub scale: Scale,
    /// The lowest band; lower values count to it.
    pub low: Band,
    /// The highest band; higher values count to it.
    pub high: Band,
    /// How far past its band's edge a value must go to leave it, as a share of that band's width; 0 to 1.
    pub hysteresis: f64,
    /// For how long a band is kept once it is entered, whatever the values do, seconds.
    #[serde(default, skip_serializing_if = "is_none")]
    pub dwell: u32,
}

/// Whether there is no dwell: it is then left out, so that gauges have the identity they had before there was one.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "what serde asks for")]
fn is_none(dwell: &u32) -> bool {
    *dwell == 0
}

/// Where the edges between bands lie.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
pub enum Scale {
    /// Band `b` holds `from + step·b` up to `from + step·(b+1)`.
    Linear {
        /// Lower edge of band 0.
        from: f64,
        /// Width of a band, above 0.
        step: f64,
    },
    /// Band `b` holds `from·(1+step)^b` up to `from·(1+step)^(b+1)`.
    Log {
        /// Lower edge of band 0, above 0.
        from: f64,
        /// Relative width of a band, above 0; 0.01 is a band of one percent.
        step: f64,
    },
    /// Band 0 lies below the first edge, band `n` above the last of `n`.
    Edges(Vec<f64>),
}

impl Quantiser {
    /// The bands there are.
    #[must_use]
    pub fn range(&self) -> core::ops::RangeInclusive<Band> {
        self.low..=self.high
    }

    /// The band of a value, given the band before it: a value inside that band, widened by the hysteresis, stays.
    ///
    /// `None` for a value that is no finite number; a relay must not publish such a thing.
    #[must_use]
    pub fn step(&self, value: f64, before: Option<Band>) -> Option<Band> {
        if !value.is_finite() {
            return None;
        }
        if let Some(band) = before.filter(|band| self.range().contains(band)) {
            let (lower, upper) = self.held(band);
            if (band == self.low || value >= lower) && (band == self.high || value < upper) {
                return Some(band);
            }
        }
        Some(self.plain(value))
    }

    /// The edges of a band, in the feed's unit. The outermost bands have the edges that they would have without the
    /// clamping; with [`Scale::Edges`], infinity.
    #[must_use]
    pub fn edges(&self, band: Band) -> (f64, f64) {
        (self.lower_edge(i32::from(band)), self.lower_edge(i32::from(band) + 1))
    }

    /// A band's place between the lowest (0) and the highest (1).
    #[must_use]
    pub fn unit(&self, band: Band) -> f64 {
        let span = f64::from(self.high) - f64::from(self.low);
        if span > 0.0 { (f64::from(band) - f64::from(self.low)) / span } else { 0.0 }
    }

    /// The edges past which a value leaves a band.
    fn held(&self, band: Band) -> (f64, f64) {
        let (lower, upper) = self.edges(band);
        match &self.scale {
            Scale::Log { step, .. } => {
                let slack = libm::pow(1.0 + step, self.hysteresis);
                (lower / slack, upper * slack)
            }
            Scale::Linear { step, .. } => (lower - step * self.hysteresis, upper + step * self.hysteresis),
            Scale::Edges(edges) => {
                let width = |at: usize| match (edges.get(at), edges.get(at + 1)) {
                    (Some(a), Some(b)) => b - a,
                    _ => 0.0,
                };
                let inner = usize::try_from(band).map_or(0.0, |band| match band {
                    0 => width(0),
                    band if band >= edges.len() => width(edges.len().saturating_sub(2)),
                    band => width(band - 1),
                });
                (lower - inner * self.hysteresis, upper + inner * self.hysteresis)
            }
        }
    }

    fn lower_edge(&self, band: i32) -> f64 {
        match &self.scale {
            Scale::Linear { from, step } => from + step * f64::from(band),
            Scale::Log { from, step } => from * libm::pow(1.0 + step, f64::from(band)),
            Scale::Edges(edges) => match usize::try_from(band) {
                Ok(0) | Err(_) => f64::NEG_INFINITY,
                Ok(band) => edges.get(band - 1).copied().unwrap_or(f64::INFINITY),
            },
        }
    }

    /// The band without hysteresis: an estimate by the formula, corrected by the very edges that [`Self::edges`]
    /// gives, so that both always agree.
    fn plain(&self, value: f64) -> Band {
        let guess = match &self.scale {
            Scale::Linear { from, step } => libm::floor((value - from) / step),
            Scale::Log { from, .. } if value < f64::MIN_POSITIVE * from => f64::from(self.low),
            Scale::Log { from, step } => libm::floor(libm::log(value / from) / libm::log1p(*step)),
            Scale::Edges(edges) => {
                let band = edges.partition_point(|edge| *edge <= value);
                return Band::try_from(band).unwrap_or(self.high).clamp(self.low, self.high);
            }
        };
        let mut band = clamp_band(guess, self.low, self.high);
        while band > self.low && value < self.lower_edge(i32::from(band)) {
            band -= 1;
        }
        while band < self.high && value >= self.lower_edge(i32::from(band) + 1) {
            band += 1;
        }
        band
    }

    /// Checks the edges, the range and the shares.
    ///
    /// # Errors
    /// A sentence on what is wrong.
    pub fn check(&self) -> Result<(), String> {
        if self.low > self.high {
            return Err("its lowest band is above its highest".into());
        }
        if self.dwell > limits::DWELL_SECONDS {
            return Err(alloc::format!("a band is kept for at most {} seconds", limits::DWELL_SECONDS));
        }
        if !(0.0..=1.0).contains(&self.hysteresis) {
            return Err("hysteresis is a share of a band's width, 0 to 1".into());
        }
        match &self.scale {
            Scale::Linear { from, step } if from.is_finite() && step.is_finite() && *step > 0.0 => {}
            Scale::Linear { .. } => {
                return Err("a linear scale needs a finite from and a step above 0".into());
            }
            Scale::Log { from, step } if from.is_finite() && *from > 0.0 && (1e-6..=1e3).contains(step) => {}
            Scale::Log { .. } => {
                return Err("a log scale needs a from above 0 and a step from 0.000001 to 1000".into());
            }
            Scale::Edges(edges) => {
                let increasing = edges.windows(2).all(|pair| pair[0] < pair[1]);
                if edges.is_empty()
                    || edges.len() > limits::EDGES
                    || !increasing
                    || edges.iter().any(|e| !e.is_finite())
                {
                    return Err("edges are 1 to 4096 finite numbers, each above the one before".into());
                }
                if self.low != 0 || usize::try_from(self.high) != Ok(edges.len()) {
                    return Err("edges make the bands 0 to the number of edges".into());
                }
            }
        }
        Ok(())
    }
}

/// A float that may be anything, to a band in range.
#[expect(clippy::cast_possible_truncation, reason = "clamped to the range of a band first")]
fn clamp_band(value: f64, low: Band, high: Band) -> Band {
    if value.is_nan() { low } else { value.clamp(f64::from(low), f64::from(high)) as Band }
}

/// A style's vector of bands, in manifest order.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct State(pub Vec<Band>);

impl State {
    /// The state in a URL: base64url without padding of the bands, each two bytes big-endian
    /// (`abi.encodePacked(int16…)`). Empty for a style without gauges.
    #[must_use]
    pub fn token(&self) -> String {
        BASE64_URL_SAFE_NO_PAD.encode(self.to_bytes())
    }

    /// Reads [`Self::token`]; only the canonical text of a vector is taken, so that a state has one URL.
    #[must_use]
    pub fn parse(token: &str) -> Option<Self> {
        if token.len() > limits::GAUGES * 3 {
            return None;
        }
        Self::from_bytes(&BASE64_URL_SAFE_NO_PAD.decode(token).ok()?)
    }

    /// The bands, each two bytes big-endian.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        self.0.iter().flat_map(|band| band.to_be_bytes()).collect()
    }

    /// Reads [`Self::to_bytes`].
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (bands, rest) = bytes.as_chunks::<2>();
        (rest.is_empty() && bands.len() <= limits::GAUGES)
            .then(|| Self(bands.iter().map(|b| Band::from_be_bytes(*b)).collect()))
    }

    /// The state's identity: `keccak256(abi.encode(int16[]))`. When the bands return, so does the epoch.
    #[must_use]
    pub fn epoch(&self) -> Epoch {
        let mut hasher = Keccak256::new();
        hasher.update(U256::from(32).to_be_bytes::<32>());
        hasher.update(U256::from(self.0.len()).to_be_bytes::<32>());
        for band in &self.0 {
            let sign = if *band < 0 { 0xff } else { 0 };
            let mut word = [sign; 32];
            word[30..].copy_from_slice(&band.to_be_bytes());
            hasher.update(word);
        }
        Epoch(hasher.finalize())
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.token())
    }
}

/// The identity of a state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Epoch(pub B256);

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn log(step: f64, hysteresis: f64) -> Quantiser {
        Quantiser { scale: Scale::Log { from: 1000.0, step }, low: -200, high: 400, hysteresis, dwell: 0 }
    }

    #[test]
    fn a_value_just_past_the_edge_stays_by_hysteresis() {
        let gauge = Quantiser {
            scale: Scale::Linear { from: 0.0, step: 10.0 },
            low: 0,
            high: 9,
            hysteresis: 0.25,
            dwell: 0,
        };
        assert_eq!(gauge.step(19.0, None), Some(1));
        assert_eq!(gauge.step(21.0, Some(1)), Some(1));
        assert_eq!(gauge.step(22.5, Some(1)), Some(2));
        assert_eq!(gauge.step(8.0, Some(1)), Some(1));
        assert_eq!(gauge.step(7.4, Some(1)), Some(0));
        assert_eq!(gauge.step(1e9, Some(1)), Some(9));
        assert_eq!(gauge.step(-1e9, Some(9)), Some(0));
        assert_eq!(gauge.step(f64::NAN, Some(1)), None);
    }

    #[test]
    fn edges_number_the_bands_from_zero() {
        let gauge = Quantiser {
            scale: Scale::Edges(alloc::vec![0.0, 10.0, 30.0]),
            low: 0,
            high: 3,
            hysteresis: 0.5,
            dwell: 0,
        };
        let plain = |v| gauge.step(v, None).unwrap();
        assert_eq!((plain(-1.0), plain(0.0), plain(9.9), plain(10.0), plain(30.0)), (0, 1, 1, 2, 3));
        assert_eq!(gauge.step(-4.0, Some(1)), Some(1));
        assert_eq!(gauge.step(-6.0, Some(1)), Some(0));
        assert_eq!(gauge.step(39.0, Some(2)), Some(2));
    }

    #[test]
    fn state_tokens_are_canonical() {
        let state = State(alloc::vec![40, -2]);
        assert_eq!(State::parse(&state.token()), Some(state));
        assert_eq!(State::parse(""), Some(State::default()));
        for bad in ["A", "AAA=", "AA", "AAB", "ACg.", "ACi", "é"] {
            let parsed = State::parse(bad);
            assert!(parsed.is_none_or(|state| state.token() == bad), "{bad}");
        }
        assert_eq!(State::parse("AA"), None, "one byte is no band");
    }

    proptest! {
        #[test]
        fn a_value_inside_its_band_never_moves_it(
            step in 0.001f64..0.5, hysteresis in 0.0f64..=1.0, band in -200i16..=400, at in 0.0f64..1.0,
        ) {
            let gauge = log(step, hysteresis);
            let (lower, upper) = gauge.edges(band);
            let value = lower + (upper - lower) * at;
            prop_assume!(value >= lower && value < upper);
            prop_assert_eq!(gauge.step(value, Some(band)), Some(band));
            prop_assert_eq!(gauge.step(value, None), Some(band));
        }

        #[test]
        fn any_value_has_a_band(value: f64, before: Option<i16>, hysteresis in 0.0f64..=1.0) {
            if let Some(band) = log(0.01, hysteresis).step(value, before) {
                prop_assert!((-200..=400).contains(&band));
            } else {
                prop_assert!(!value.is_finite());
            }
        }

        #[test]
        fn distinct_states_have_distinct_epochs(
            a in prop::collection::vec(any::<i16>(), 0..4), b in prop::collection::vec(any::<i16>(), 0..4),
        ) {
            let (a, b) = (State(a), State(b));
            prop_assert_eq!(a == b, a.epoch() == b.epoch());
            prop_assert_eq!(a == b, a.token() == b.token());
        }

        #[test]
        fn no_text_breaks_the_parser(text in ".{0,80}") {
            if let Some(state) = State::parse(&text) {
                prop_assert_eq!(state.token(), text);
            }
        }
    }
}
