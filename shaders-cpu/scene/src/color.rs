//! Colours: sRGB bytes, and the way there from OKLCH.
//!
//! The maths is Björn Ottosson's Oklab (<https://bottosson.github.io/posts/oklab/>) and the sRGB transfer function of
//! IEC 61966-2-1, computed with `libm` so that every host gets the same bits.

use core::fmt;

use alloc::string::String;

/// An opaque colour: sRGB, 8 bits a channel, not linear.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rgb(pub [u8; 3]);

impl Rgb {
    /// Reads `#rrggbb`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.strip_prefix('#')?.as_bytes();
        if digits.len() != 6 {
            return None;
        }
        let nibble = |at: usize| char::from(digits[at]).to_digit(16).and_then(|v| u8::try_from(v).ok());
        let byte = |at: usize| Some(nibble(at)? << 4 | nibble(at + 1)?);
        Some(Self([byte(0)?, byte(2)?, byte(4)?]))
    }

    /// From OKLCH: lightness 0 to 1, chroma 0 to about 0.4, hue in degrees.
    ///
    /// A colour outside sRGB has its chroma reduced until it fits, which keeps lightness and hue.
    #[must_use]
    pub fn from_oklch(lightness: f64, chroma: f64, hue: f64) -> Self {
        let lightness = if lightness.is_finite() { lightness.clamp(0.0, 1.0) } else { 0.0 };
        let hue = if hue.is_finite() { libm::fmod(hue, 360.0).to_radians() } else { 0.0 };
        let (sin, cos) = (libm::sin(hue), libm::cos(hue));
        let mut chroma = if chroma.is_finite() { chroma.clamp(0.0, 0.5) } else { 0.0 };
        for _ in 0..24 {
            let linear = oklab_to_linear(lightness, chroma * cos, chroma * sin);
            if linear.iter().all(|v| (-1e-4..=1.0 + 1e-4).contains(v)) {
                return Self(linear.map(encode));
            }
            chroma *= 0.9;
        }
        Self(oklab_to_linear(lightness, 0.0, 0.0).map(encode))
    }
}

impl fmt::Display for Rgb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [r, g, b] = self.0;
        write!(f, "#{r:02x}{g:02x}{b:02x}")
    }
}

impl serde::Serialize for Rgb {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for Rgb {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| serde::de::Error::custom("a colour is written #rrggbb"))
    }
}

/// A colour that may be transparent: sRGB, 8 bits a channel, not linear, straight alpha.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rgba(pub [u8; 4]);

impl Rgba {
    /// Reads `#rrggbb` or `#rrggbbaa`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (colour, alpha) = text.split_at_checked(7)?;
        let [red, green, blue] = Rgb::parse(colour)?.0;
        let alpha = match alpha {
            "" => 255,
            // A byte as two digits, read as the channels of a colour are.
            digits => Rgb::parse(&alloc::format!("#{digits}0000"))?.0[0],
        };
        Some(Self([red, green, blue, alpha]))
    }
}

impl From<Rgb> for Rgba {
    fn from(Rgb([red, green, blue]): Rgb) -> Self {
        Self([red, green, blue, 255])
    }
}

/// Oklab to linear sRGB; channels may fall outside 0 to 1.
fn oklab_to_linear(lightness: f64, a: f64, b: f64) -> [f64; 3] {
    let cube = |v: f64| v * v * v;
    let l = cube(lightness + 0.396_337_777_4 * a + 0.215_803_757_3 * b);
    let m = cube(lightness - 0.105_561_345_8 * a - 0.063_854_172_8 * b);
    let s = cube(lightness - 0.089_484_177_5 * a - 1.291_485_548_0 * b);
    [
        4.076_741_662_1 * l - 3.307_711_591_3 * m + 0.230_969_929_2 * s,
        -1.268_438_004_6 * l + 2.609_757_401_1 * m - 0.341_319_396_5 * s,
        -0.004_196_086_3 * l - 0.703_418_614_7 * m + 1.707_614_701_0 * s,
    ]
}

/// The sRGB transfer function, to a byte.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to 0..=255 first")]
fn encode(linear: f64) -> u8 {
    let v = linear.clamp(0.0, 1.0);
    let encoded = if v <= 0.003_130_8 { 12.92 * v } else { 1.055 * libm::pow(v, 1.0 / 2.4) - 0.055 };
    (encoded * 255.0 + 0.5) as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hex_round_trips() {
        assert_eq!(Rgb::parse("#0a1bFF"), Some(Rgb([0x0a, 0x1b, 0xff])));
        assert_eq!(alloc::format!("{}", Rgb([1, 2, 255])), "#0102ff");
        for bad in ["", "#12345", "123456", "#12345g", "#1234567", "#é1234"] {
            assert_eq!(Rgb::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn transparent_colours_have_eight_digits() {
        assert_eq!(Rgba::parse("#0a1bFF80"), Some(Rgba([0x0a, 0x1b, 0xff, 0x80])));
        assert_eq!(Rgba::parse("#0a1bff"), Some(Rgb([0x0a, 0x1b, 0xff]).into()));
        for bad in ["#0a1bff8", "#0a1bff80f", "#0a1bffé", "#0a1bff+8"] {
            assert_eq!(Rgba::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn oklch_meets_known_colours() {
        // Primary values as CSS Color 4 lists them, to the rounding of a byte.
        assert_eq!(Rgb::from_oklch(1.0, 0.0, 0.0), Rgb([255, 255, 255]));
        assert_eq!(Rgb::from_oklch(0.0, 0.0, 0.0), Rgb([0, 0, 0]));
        assert_eq!(Rgb::from_oklch(0.627_955, 0.257_683, 29.234), Rgb([255, 0, 0]));
        assert_eq!(Rgb::from_oklch(0.452_014, 0.313_214, 264.052), Rgb([0, 0, 255]));
    }

    #[test]
    fn oklch_takes_any_number() {
        for v in [f64::NAN, f64::INFINITY, -1e300, 1e300] {
            let _ = Rgb::from_oklch(v, v, v);
        }
    }
}
