//! The sRGB transfer function (IEC 61966-2-1) as tables, the same on every host.
//!
//! Light is linear from 0 to 1; bytes are encoded. A byte that becomes light and then a byte again is the same byte.

use std::sync::LazyLock;

/// Steps of light that [`Tables::byte`] tells apart; the darkest byte spans some 5 of them.
const STEPS: u16 = 1 << 14;
/// Steps of the square root of light in between which [`Tables::encoded`] runs straight.
const ROOTS: u16 = 1 << 10;

/// Both directions, tabulated.
#[derive(Debug)]
pub struct Tables {
    linear: [f32; 256],
    /// Bytes of [`STEPS`] of light.
    bytes: Vec<u8>,
    /// Encoded values of [`ROOTS`] of the square root of light, over which the function bends little.
    encoded: Vec<f64>,
}

static TABLES: LazyLock<Tables> = LazyLock::new(|| {
    #[expect(clippy::cast_possible_truncation, reason = "rounded to the nearest single")]
    let linear = core::array::from_fn(|byte| linear(byte as f64 / 255.0) as f32);
    let mut bytes = Vec::with_capacity(usize::from(STEPS) + 1);
    for byte in 0..=u8::MAX {
        // Up to where the next byte is nearer.
        let last = linear_at(f64::from(byte) + 0.5) * f64::from(STEPS);
        while bytes.len() <= usize::from(STEPS) && (byte == u8::MAX || (bytes.len() as f64) < last) {
            bytes.push(byte);
        }
    }
    let root = |step: u16| f64::from(step) / f64::from(ROOTS);
    let encoded = (0..=ROOTS + 1).map(|step| encoded(root(step) * root(step))).collect();
    Tables { linear, bytes, encoded }
});

fn linear_at(byte: f64) -> f64 {
    linear(byte / 255.0)
}

/// The light of an encoded value, both 0 to 1.
#[must_use]
pub fn linear(encoded: f64) -> f64 {
    if encoded <= 0.040_45 { encoded / 12.92 } else { libm::pow((encoded + 0.055) / 1.055, 2.4) }
}

/// The inverse of [`linear`], for light limited to 0 to 1.
#[must_use]
pub fn encoded(linear: f64) -> f64 {
    let v = linear.clamp(0.0, 1.0);
    if v <= 0.003_130_8 { 12.92 * v } else { 1.055 * libm::pow(v, 1.0 / 2.4) - 0.055 }
}

/// The tables. One for the process.
#[must_use]
pub fn tables() -> &'static Tables {
    &TABLES
}

impl Tables {
    /// The light of a byte.
    #[must_use]
    pub fn light(&self, byte: u8) -> f32 {
        self.linear[usize::from(byte)]
    }

    /// The encoded value of a light, which is limited to 0 to 1; within 10⁻⁵ of [`encoded`].
    #[must_use]
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "limited first")]
    pub fn encoded(&self, light: f64) -> f64 {
        let at = light.clamp(0.0, 1.0).sqrt() * f64::from(ROOTS);
        let step = at as usize;
        let part = at - step as f64;
        self.encoded[step] * (1.0 - part) + self.encoded[step + 1] * part
    }

    /// The byte nearest to a light, which is limited to 0 to 1.
    #[must_use]
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "limited first")]
    pub fn byte(&self, light: f32) -> u8 {
        let step = (light.clamp(0.0, 1.0) * f32::from(STEPS) + 0.5) as usize;
        self.bytes.get(step).copied().unwrap_or(u8::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_come_back() {
        let tables = tables();
        for byte in 0..=u8::MAX {
            assert_eq!(tables.byte(tables.light(byte)), byte);
        }
        assert_eq!([-1.0, 2.0, f32::NAN].map(|light| tables.byte(light)), [0, 255, 0]);
    }

    #[test]
    fn the_table_is_the_function() {
        for step in 0..=60_000 {
            let light = f64::from(step) / 60_000.0;
            #[expect(clippy::cast_possible_truncation, reason = "any nearby single will do")]
            let byte = tables().byte(light as f32);
            assert!((tables().encoded(light) - encoded(light)).abs() < 1e-5, "{light}");
            // A step of light is a fifth of the darkest byte.
            assert!((f64::from(byte) - encoded(light) * 255.0).abs() < 0.62, "{light}");
        }
    }
}
