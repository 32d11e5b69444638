//! Rounds: what feeds say, one value at a time.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A round's place in its feed. Chainlink's proxies put the phase (which aggregator) into the bits above the 64 of the
/// aggregator's own number; other sources count in phase 0. Rounds are ordered by it, since times may be equal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct RoundId {
    /// Which aggregator, counted by the proxy.
    pub phase: u16,
    /// Which round of it.
    pub number: u64,
}

impl RoundId {
    /// The id as a proxy writes it: `phase << 64 | number`, 80 bits.
    #[must_use]
    pub fn proxy(self) -> u128 {
        u128::from(self.phase) << 64 | u128::from(self.number)
    }

    /// Reads [`Self::proxy`]; `None` above 80 bits.
    #[must_use]
    #[expect(clippy::cast_possible_truncation, reason = "the lower half")]
    pub fn of_proxy(id: u128) -> Option<Self> {
        Some(Self { phase: u16::try_from(id >> 64).ok()?, number: id as u64 })
    }
}

impl fmt::Display for RoundId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.phase, self.number)
    }
}

/// One value of a feed: `answer / 10^decimals`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Round {
    /// Its place in the feed.
    pub id: RoundId,
    /// The value, scaled to a whole number.
    #[serde(with = "decimal")]
    pub answer: i128,
    /// How many decimals the answer has.
    pub decimals: u8,
    /// When the feed took it, Unix seconds.
    pub updated: u64,
}

/// Most decimals: up to here the divisor is exact in a double.
pub const DECIMALS: u8 = 22;

impl Round {
    /// The value in the feed's unit.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "rounded to the nearest double, the same everywhere")]
    pub fn value(&self) -> f64 {
        self.answer as f64 / 10f64.powi(i32::from(self.decimals))
    }
}

/// A number as an answer with so many decimals.
#[expect(clippy::cast_possible_truncation, reason = "checked against the range")]
pub(crate) fn scaled(number: f64, decimals: u8) -> Option<i128> {
    let scaled = (number * 10f64.powi(i32::from(decimals))).round();
    (scaled.is_finite() && scaled.abs() < 1e36).then_some(scaled as i128)
}

/// Whole numbers of more than 64 bits, which DAG-CBOR lacks, as their decimal text.
mod decimal {
    use serde::{Deserialize, Deserializer, Serializer, de::Error as _};

    pub(super) fn serialize<S: Serializer>(number: &i128, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(number)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<i128, D::Error> {
        String::deserialize(from)?.parse().map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_a_phase_and_a_number() {
        let id = RoundId::of_proxy(110_680_464_442_257_309_697).unwrap();
        assert_eq!((id.phase, id.number), (6, 1));
        assert_eq!(id.proxy(), 110_680_464_442_257_309_697);
        assert_eq!(RoundId::of_proxy(1 << 80), None);
        assert!(id > RoundId { phase: 5, number: u64::MAX });
    }

    #[test]
    fn a_value_is_the_nearest_double() {
        let round =
            |answer, decimals| Round { id: RoundId { phase: 0, number: 1 }, answer, decimals, updated: 0 };
        assert!((round(190_818_855_732, 8).value() - 1_908.188_557_32).abs() < f64::EPSILON);
        assert!(round(i128::MAX, DECIMALS).value().is_finite());
    }

    #[test]
    fn a_number_keeps_its_decimals() {
        assert_eq!(scaled(-21.456, 2), Some(-2146));
        assert_eq!(scaled(f64::INFINITY, 2), None);
        assert_eq!(scaled(1e30, 8), None);
    }
}
