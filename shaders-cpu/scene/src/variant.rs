//! Variants: what the client asked for, snapped to a ladder.
//!
//! Names and meanings of the parameters follow imgix and Cloudflare Images. Everything that would not change a pixel
//! is normalised away here, so that two ways of asking for one picture share one key.

use alloy_primitives::U256;
use serde::{Deserialize, Serialize};

use crate::{limits, scene::Canvas};

/// Pixel sizes that pictures are made in. A size asked for snaps up to the next.
pub const LADDER: [u16; 17] =
    [32, 64, 96, 128, 192, 256, 320, 384, 512, 640, 768, 1024, 1280, 1536, 2048, 3072, 4096];

/// Qualities that lossy pictures are made in. A quality asked for snaps up to the next.
pub const QUALITIES: [u8; 4] = [50, 75, 85, 95];

/// The quality of a lossy picture when none is asked for.
pub const DEFAULT_QUALITY: u8 = 85;

/// An encoding of a finished picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Format {
    /// PNG, lossless.
    Png = 1,
    /// WebP: lossless, or lossy where a quality was asked for. Lossy ones only an origin makes.
    WebP = 2,
    /// Baseline JPEG; transparency is laid on white.
    Jpeg = 3,
    /// AVIF. Only an origin makes these.
    Avif = 4,
}

impl Format {
    /// The media type, as in `Content-Type`.
    #[must_use]
    pub fn media_type(self) -> &'static str {
        match self {
            Self::Png => "image/png",
            Self::WebP => "image/webp",
            Self::Jpeg => "image/jpeg",
            Self::Avif => "image/avif",
        }
    }

    fn from_byte(byte: u8) -> Option<Self> {
        [Self::Png, Self::WebP, Self::Jpeg, Self::Avif].into_iter().find(|format| *format as u8 == byte)
    }

    /// The quality that a variant of this format has, by the one asked for; 0 for a lossless one.
    fn quality(self, asked: Option<u8>) -> u8 {
        let asked = match self {
            Self::Png => None,
            Self::WebP => asked,
            Self::Jpeg | Self::Avif => Some(asked.unwrap_or(DEFAULT_QUALITY)),
        };
        let step = |asked| QUALITIES.into_iter().find(|step| *step >= asked);
        asked.map_or(0, |asked| step(asked).unwrap_or(QUALITIES[QUALITIES.len() - 1]))
    }
}

/// How a picture fills a frame of another shape.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[repr(u8)]
pub enum Fit {
    /// As large as fits inside; the frame shrinks to it.
    #[default]
    Contain = 0,
    /// Fills the frame; what sticks out is cut.
    Cover = 1,
    /// Stretched to the frame.
    Fill = 2,
    /// As large as fits inside, centred; the rest of the frame shows the canvas's background.
    Pad = 3,
}

impl Fit {
    fn from_byte(byte: u8) -> Option<Self> {
        [Self::Contain, Self::Cover, Self::Fill, Self::Pad].into_iter().find(|fit| *fit as u8 == byte)
    }
}

/// The size, fit and quality parameters as they came, each checked on its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Asked {
    /// Width in CSS pixels, 1 to [`limits::SIDE`].
    pub width: Option<u32>,
    /// Height in CSS pixels, likewise.
    pub height: Option<u32>,
    /// How to fill a frame of another shape.
    pub fit: Option<Fit>,
    /// Device pixels per CSS pixel, in hundredths, 50 to 400.
    pub dpr: Option<u32>,
    /// Quality of a lossy picture, 1 to 100.
    pub quality: Option<u8>,
}

/// A requested size that, multiplied by `dpr`, is larger than [`limits::SIDE`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("w and h times dpr may reach 4096 pixels at most")]
pub struct TooLarge {
    /// Device pixels per CSS pixel, in hundredths.
    pub dpr: u32,
}

/// One size and encoding of a picture: the last part of a render key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Variant {
    /// Pixels across.
    pub width: u16,
    /// Pixels down.
    pub height: u16,
    /// How the canvas fills them.
    pub fit: Fit,
    /// The encoding.
    pub format: Format,
    /// One of [`QUALITIES`] for a lossy picture, 0 for a lossless one.
    pub quality: u8,
}

impl Variant {
    /// Snaps what was asked for to the ladder, for a canvas of this shape.
    ///
    /// # Errors
    /// [`TooLarge`] when `dpr` takes a size past the end of the ladder.
    pub fn resolve(asked: &Asked, format: Format, canvas: &Canvas) -> Result<Self, TooLarge> {
        let dpr = asked.dpr.unwrap_or(100);
        let snap = |side: u32| {
            let pixels = (u64::from(side) * u64::from(dpr)).div_ceil(100);
            LADDER.into_iter().find(|step| u64::from(*step) >= pixels).ok_or(TooLarge { dpr })
        };
        let (width, height) = (asked.width.map(snap).transpose()?, asked.height.map(snap).transpose()?);
        let (frame_width, frame_height, fit) = match (width, height) {
            (Some(width), Some(height)) => (width.into(), height.into(), asked.fit.unwrap_or_default()),
            (Some(width), None) => (width.into(), scaled(width, canvas.height, canvas.width), Fit::Contain),
            (None, Some(height)) => {
                (scaled(height, canvas.width, canvas.height), height.into(), Fit::Contain)
            }
            (None, None) => {
                let width = snap(canvas.width)?;
                (width.into(), scaled(width, canvas.height, canvas.width), Fit::Contain)
            }
        };
        let (width, height) = if fit == Fit::Contain {
            contained(frame_width, frame_height, canvas)
        } else {
            (clamped(frame_width), clamped(frame_height))
        };
        let same_shape =
            u64::from(width) * u64::from(canvas.height) == u64::from(height) * u64::from(canvas.width);
        let quality = format.quality(asked.quality);
        Ok(Self { width, height, fit: if same_shape { Fit::Contain } else { fit }, format, quality })
    }

    /// The variant that others are derived from: the canvas at its own size, lossless.
    ///
    /// # Errors
    /// None for a canvas that a manifest may have; as [`Self::resolve`].
    pub fn master(canvas: &Canvas) -> Result<Self, TooLarge> {
        Self::resolve(&Asked::default(), Format::Png, canvas)
    }

    /// The variant as one 256-bit word of a render key's preimage, from the least significant bit: quality (8 bits),
    /// format (8), fit (8), height (16), width (16).
    #[must_use]
    pub fn word(&self) -> U256 {
        U256::from(self.packed())
    }

    /// The part of [`Self::word`] that is not zero.
    #[must_use]
    pub fn packed(&self) -> u64 {
        u64::from(self.quality)
            | u64::from(self.format as u8) << 8
            | u64::from(self.fit as u8) << 16
            | u64::from(self.height) << 24
            | u64::from(self.width) << 40
    }

    /// Reads [`Self::packed`]. `None` for what [`Self::resolve`] could not have made of any canvas.
    #[must_use]
    pub fn unpack(packed: u64) -> Option<Self> {
        let field = |shift: u32| packed.checked_shr(shift).unwrap_or(0);
        let byte = |shift| u8::try_from(field(shift) & 0xff).ok();
        let side = |shift| u16::try_from(field(shift) & 0xffff).ok();
        let (format, fit) = (Format::from_byte(byte(8)?)?, Fit::from_byte(byte(16)?)?);
        let variant = Self { width: side(40)?, height: side(24)?, fit, format, quality: byte(0)? };
        let sides =
            [variant.width, variant.height].iter().all(|s| (1..=limits::SIDE).contains(&u32::from(*s)));
        let quality = variant.quality == format.quality((variant.quality > 0).then_some(variant.quality));
        (sides && quality && packed >> 56 == 0).then_some(variant)
    }

    /// The picture that an edge may write in place of this one, which may be the same: no AVIF, and WebP without loss.
    #[must_use]
    pub fn by_edge(self) -> Self {
        match self.format {
            Format::Png | Format::Jpeg => self,
            Format::WebP => Self { quality: 0, ..self },
            Format::Avif => Self { format: Format::Png, quality: 0, ..self },
        }
    }

    /// Whether an edge may write it.
    #[must_use]
    pub fn is_by_edge(&self) -> bool {
        self.by_edge() == *self
    }

    /// Where the canvas lies in the picture.
    #[must_use]
    pub fn placement(&self, canvas: &Canvas) -> Placement {
        let (width, height) = (f32::from(self.width), f32::from(self.height));
        let (x, y) = (width / side_f32(canvas.width), height / side_f32(canvas.height));
        let (scale_x, scale_y) = match self.fit {
            Fit::Contain | Fit::Fill => (x, y),
            Fit::Cover => (x.max(y), x.max(y)),
            Fit::Pad => (x.min(y), x.min(y)),
        };
        Placement {
            scale_x,
            scale_y,
            left: (width - scale_x * side_f32(canvas.width)) / 2.0,
            top: (height - scale_y * side_f32(canvas.height)) / 2.0,
        }
    }

    /// Pixels in the picture.
    #[must_use]
    pub fn pixels(&self) -> u64 {
        u64::from(self.width) * u64::from(self.height)
    }
}

/// A canvas side as a float: exact, since sides are at most [`limits::SIDE`].
fn side_f32(side: u32) -> f32 {
    f32::from(u16::try_from(side).unwrap_or(u16::MAX))
}

/// The map from canvas units to pixels: `x' = scale_x · x + left`, `y' = scale_y · y + top`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Placement {
    /// Pixels per canvas unit across.
    pub scale_x: f32,
    /// Pixels per canvas unit down.
    pub scale_y: f32,
    /// Pixels from the picture's left edge to the canvas's; negative where the canvas is cut.
    pub left: f32,
    /// Pixels from the picture's top edge to the canvas's, likewise.
    pub top: f32,
}

/// `side · numerator / denominator`, rounded, at least 1. May pass the ladder's end.
fn scaled(side: u16, numerator: u32, denominator: u32) -> u64 {
    let (n, d) = (u64::from(numerator), u64::from(denominator).max(1));
    ((u64::from(side) * n + d / 2) / d).max(1)
}

/// The largest size of the canvas's shape inside a frame, whose sides may pass the ladder's end.
fn contained(width: u64, height: u64, canvas: &Canvas) -> (u16, u16) {
    let (width, height) = (clamped(width), clamped(height));
    let full = scaled(width, canvas.height, canvas.width);
    if full <= u64::from(height) {
        (width, clamped(full))
    } else {
        (clamped(scaled(height, canvas.width, canvas.height)), height)
    }
}

/// A side within the ladder's end.
fn clamped(side: u64) -> u16 {
    u16::try_from(side.min(u64::from(limits::SIDE))).unwrap_or(u16::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn distinct_variants_have_distinct_words(
            a in (1u16.., 1u16.., 0u8..4, 1u8..5, 0u8..=100),
            b in (1u16.., 1u16.., 0u8..4, 1u8..5, 0u8..=100),
        ) {
            let make = |(width, height, fit, format, quality): (u16, u16, u8, u8, u8)| Variant {
                width,
                height,
                fit: [Fit::Contain, Fit::Cover, Fit::Fill, Fit::Pad][usize::from(fit)],
                format: [Format::Png, Format::WebP, Format::Jpeg, Format::Avif][usize::from(format) - 1],
                quality,
            };
            prop_assert_eq!(make(a) == make(b), make(a).word() == make(b).word());
        }

        #[test]
        fn any_canvas_and_size_stay_in_bounds(
            w in 1u32..=4096, h in 1u32..=4096, cw in 1u32..=4096, ch in 1u32..=4096, fit in 0usize..4,
        ) {
            let asked = Asked {
                width: Some(w),
                height: Some(h),
                fit: Some([Fit::Contain, Fit::Cover, Fit::Fill, Fit::Pad][fit]),
                ..Asked::default()
            };
            let canvas = Canvas { width: cw, height: ch, background: None };
            let variant = Variant::resolve(&asked, Format::Png, &canvas).unwrap();
            prop_assert!(variant.width >= 1 && u32::from(variant.width) <= limits::SIDE);
            prop_assert!(variant.height >= 1 && u32::from(variant.height) <= limits::SIDE);
            let p = variant.placement(&canvas);
            prop_assert!(p.scale_x > 0.0 && p.scale_y > 0.0 && p.left.is_finite() && p.top.is_finite());
        }
    }
}
