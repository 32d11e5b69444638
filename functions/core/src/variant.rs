//! Variants: what the client asked for, snapped to a ladder.
//!
//! Names and meanings of the parameters follow imgix and Cloudflare Images. Everything that would not change a pixel
//! is normalised away here, so that two ways of asking for one picture share one key.

use alloc::string::{String, ToString};

use alloy_primitives::U256;
use serde::{Deserialize, Serialize};

use crate::{fault::Refused, limits, scene::Canvas};

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

/// A format as the path names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extension {
    /// One format.
    Exactly(Format),
    /// `auto`: the best that the client's `Accept` allows.
    Auto,
}

impl Extension {
    /// Reads a path's extension, without its dot.
    ///
    /// # Errors
    /// [`Refused::UnknownFormat`] for any other than `png`, `webp`, `jpg`, `jpeg`, `avif`, `auto`.
    pub fn parse(text: &str) -> Result<Self, Refused> {
        Ok(Self::Exactly(match text {
            "png" => Format::Png,
            "webp" => Format::WebP,
            "jpg" | "jpeg" => Format::Jpeg,
            "avif" => Format::Avif,
            "auto" => return Ok(Self::Auto),
            _ => return Err(Refused::UnknownFormat(text.into())),
        }))
    }

    /// Chooses a format by the lines of an `Accept` header (RFC 9110, section 12.5.1): WebP for a client that names it,
    /// otherwise PNG, which every client shows.
    #[must_use]
    pub fn negotiate<'a>(self, accept: impl IntoIterator<Item = &'a str>) -> Format {
        let wants_webp = || {
            accept.into_iter().flat_map(|line| line.split(',')).any(|range| {
                let mut parts = range.split(';').map(str::trim);
                let named = parts.next().is_some_and(|kind| kind.eq_ignore_ascii_case("image/webp"));
                let refused = parts.any(|p| matches!(p.split_once('='), Some(("q" | "Q", q)) if is_zero(q)));
                named && !refused
            })
        };
        match self {
            Self::Exactly(format) => format,
            Self::Auto if wants_webp() => Format::WebP,
            Self::Auto => Format::Png,
        }
    }
}

/// Whether a quality value is zero: `0`, `0.0`, `0.00`, `0.000`.
fn is_zero(q: &str) -> bool {
    q.trim().starts_with('0') && q.bytes().all(|b| matches!(b, b'0' | b'.' | b' '))
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

impl Asked {
    /// Takes up one query parameter; `Ok(false)` when the name is none of these.
    ///
    /// # Errors
    /// [`Refused::RepeatedParameter`], [`Refused::BadParameter`].
    pub fn take(&mut self, name: &str, value: &str) -> Result<bool, Refused> {
        match name {
            "w" => once("w", &mut self.width, || side("w", value))?,
            "h" => once("h", &mut self.height, || side("h", value))?,
            "fit" => once("fit", &mut self.fit, || parse_fit(value))?,
            "dpr" => once("dpr", &mut self.dpr, || parse_dpr(value))?,
            "q" => once("q", &mut self.quality, || parse_quality(value))?,
            _ => return Ok(false),
        }
        Ok(true)
    }
}

/// The parameters that [`Asked::take`] knows.
pub const PARAMETERS: [&str; 5] = ["w", "h", "fit", "dpr", "q"];

fn once<T>(
    name: &'static str,
    slot: &mut Option<T>,
    value: impl FnOnce() -> Result<T, Refused>,
) -> Result<(), Refused> {
    if slot.is_some() {
        return Err(Refused::RepeatedParameter(name));
    }
    *slot = Some(value()?);
    Ok(())
}

fn bad(name: &'static str, value: &str, want: &'static str) -> Refused {
    Refused::BadParameter { name, value: value.to_string(), want }
}

/// Digits only: `u32::from_str` would take a leading plus.
fn digits(value: &str) -> Option<u32> {
    value.bytes().all(|b| b.is_ascii_digit()).then(|| value.parse().ok()).flatten()
}

fn side(name: &'static str, value: &str) -> Result<u32, Refused> {
    digits(value)
        .filter(|v| (1..=limits::SIDE).contains(v))
        .ok_or_else(|| bad(name, value, "a whole number of pixels from 1 to 4096"))
}

fn parse_fit(value: &str) -> Result<Fit, Refused> {
    match value {
        "contain" => Ok(Fit::Contain),
        "cover" => Ok(Fit::Cover),
        "fill" => Ok(Fit::Fill),
        "pad" => Ok(Fit::Pad),
        _ => Err(bad("fit", value, "one of contain, cover, fill, pad")),
    }
}

fn parse_dpr(value: &str) -> Result<u32, Refused> {
    let (whole, part) = value.split_once('.').unwrap_or((value, "0"));
    let hundredths = || {
        let part = match part.len() {
            1 => digits(part)? * 10,
            2 => digits(part)?,
            _ => return None,
        };
        digits(whole)?.checked_mul(100)?.checked_add(part)
    };
    hundredths()
        .filter(|v| !whole.is_empty() && (50..=400).contains(v))
        .ok_or_else(|| bad("dpr", value, "a number from 0.5 to 4 with at most two decimals"))
}

fn parse_quality(value: &str) -> Result<u8, Refused> {
    digits(value)
        .and_then(|v| u8::try_from(v).ok())
        .filter(|v| (1..=100).contains(v))
        .ok_or_else(|| bad("q", value, "a whole number from 1 to 100"))
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
    /// [`Refused::BadParameter`] when `dpr` carries a size past the end of the ladder.
    pub fn resolve(asked: &Asked, format: Format, canvas: &Canvas) -> Result<Self, Refused> {
        let dpr = asked.dpr.unwrap_or(100);
        let snap = |side: u32| {
            let pixels = (u64::from(side) * u64::from(dpr)).div_ceil(100);
            LADDER.into_iter().find(|step| u64::from(*step) >= pixels).ok_or_else(|| Refused::BadParameter {
                name: "dpr",
                value: decimal(dpr),
                want: "w and h times dpr may reach 4096 pixels at most",
            })
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
    pub fn master(canvas: &Canvas) -> Result<Self, Refused> {
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

fn decimal(hundredths: u32) -> String {
    alloc::format!("{}.{:02}", hundredths / 100, hundredths % 100)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SQUARE: Canvas = Canvas { width: 1024, height: 1024, background: None };
    const WIDE: Canvas = Canvas { width: 1200, height: 800, background: None };

    fn asked(query: &[(&str, &str)]) -> Result<Asked, Refused> {
        let mut asked = Asked::default();
        for (name, value) in query {
            assert!(asked.take(name, value)?, "{name} is a parameter");
        }
        Ok(asked)
    }

    fn resolve(query: &[(&str, &str)], canvas: &Canvas) -> Variant {
        Variant::resolve(&asked(query).unwrap(), Format::Png, canvas).unwrap()
    }

    #[test]
    fn sizes_snap_up() {
        let sizes = |query: &[(&str, &str)], canvas| {
            let v = resolve(query, canvas);
            (v.width, v.height)
        };
        assert_eq!(sizes(&[], &SQUARE), (1024, 1024));
        assert_eq!(sizes(&[("w", "1")], &SQUARE), (32, 32));
        assert_eq!(sizes(&[("w", "256")], &SQUARE), (256, 256));
        assert_eq!(sizes(&[("w", "257")], &SQUARE), (320, 320));
        assert_eq!(sizes(&[("w", "128"), ("dpr", "2")], &SQUARE), (256, 256));
        assert_eq!(sizes(&[("w", "100"), ("dpr", "1.5")], &SQUARE), (192, 192));
        assert_eq!(sizes(&[("w", "512"), ("h", "256")], &SQUARE), (256, 256));
        assert_eq!(sizes(&[("w", "512"), ("h", "256"), ("fit", "cover")], &SQUARE), (512, 256));
        assert_eq!(sizes(&[("h", "256")], &WIDE), (384, 256));
        let tall = Canvas { width: 500, height: 2500, background: None };
        assert_eq!(sizes(&[("w", "1024")], &tall), (819, 4096), "the shape is kept where the ladder ends");
    }

    #[test]
    fn what_changes_no_pixel_changes_no_word() {
        assert_eq!(resolve(&[("w", "512"), ("fit", "cover")], &SQUARE), resolve(&[("w", "512")], &SQUARE));
        assert_eq!(
            resolve(&[("w", "512"), ("h", "512"), ("fit", "pad")], &SQUARE),
            resolve(&[("w", "512")], &SQUARE)
        );
        assert_eq!(resolve(&[("q", "10")], &SQUARE), resolve(&[], &SQUARE));
    }

    #[test]
    fn bad_values_are_refused() {
        for (name, value) in [
            ("w", "0"),
            ("w", "99999999999"),
            ("w", "-1"),
            ("w", "+1"),
            ("w", ""),
            ("w", "1e3"),
            ("h", "4097"),
            ("fit", "Cover"),
            ("dpr", "0"),
            ("dpr", ".5"),
            ("dpr", "1."),
            ("dpr", "1.234"),
            ("dpr", "99999999999"),
            ("q", "0"),
            ("q", "101"),
            ("q", "٣"),
        ] {
            assert!(matches!(asked(&[(name, value)]), Err(Refused::BadParameter { .. })), "{name}={value}");
        }
        assert_eq!(asked(&[("w", "1"), ("w", "1")]), Err(Refused::RepeatedParameter("w")));
        let past = asked(&[("w", "4096"), ("dpr", "2")]).unwrap();
        assert!(Variant::resolve(&past, Format::Png, &SQUARE).is_err());
    }

    #[test]
    fn accept_is_read_by_name_and_quality() {
        let auto = |accept| Extension::Auto.negotiate([accept]);
        assert_eq!(auto("image/avif,image/webp,*/*;q=0.8"), Format::WebP);
        assert_eq!(auto("image/png, Image/WebP;q=0.9"), Format::WebP);
        assert_eq!(auto("image/webp;q=0, image/*"), Format::Png);
        assert_eq!(auto("image/webp;q=0.000"), Format::Png);
        assert_eq!(auto("*/*"), Format::Png);
        assert_eq!(auto(""), Format::Png);
        assert_eq!(Extension::Auto.negotiate(["image/png", "image/webp"]), Format::WebP);
        assert_eq!(Extension::Auto.negotiate([]), Format::Png);
    }

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
