//! The parameters of an image request: extension and `Accept`, size, fit, density, quality.
//!
//! Names and meanings follow imgix and Cloudflare Images. Untrusted text becomes a [`Asked`] here; what it resolves to is
//! [`iridule_scene::variant`]'s.

use alloc::string::{String, ToString};

use iridule_scene::variant::{Asked, Fit, Format, TooLarge};

use crate::fault::Refused;
use iridule_scene::limits;

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

/// Takes up one query parameter; `Ok(false)` when the name is none of these.
///
/// # Errors
/// [`Refused::RepeatedParameter`], [`Refused::BadParameter`].
pub fn take(asked: &mut Asked, name: &str, value: &str) -> Result<bool, Refused> {
    match name {
        "w" => once("w", &mut asked.width, || side("w", value))?,
        "h" => once("h", &mut asked.height, || side("h", value))?,
        "fit" => once("fit", &mut asked.fit, || parse_fit(value))?,
        "dpr" => once("dpr", &mut asked.dpr, || parse_dpr(value))?,
        "q" => once("q", &mut asked.quality, || parse_quality(value))?,
        _ => return Ok(false),
    }
    Ok(true)
}

/// The parameters that [`take`] knows.
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

impl From<TooLarge> for Refused {
    fn from(too_large: TooLarge) -> Self {
        Self::BadParameter {
            name: "dpr",
            value: decimal(too_large.dpr),
            want: "w and h times dpr may reach 4096 pixels at most",
        }
    }
}

fn decimal(hundredths: u32) -> String {
    alloc::format!("{}.{:02}", hundredths / 100, hundredths % 100)
}

#[cfg(test)]
mod tests {
    use super::*;
    use iridule_scene::{scene::Canvas, variant::Variant};

    const SQUARE: Canvas = Canvas { width: 1024, height: 1024, background: None };
    const WIDE: Canvas = Canvas { width: 1200, height: 800, background: None };

    fn asked(query: &[(&str, &str)]) -> Result<Asked, Refused> {
        let mut asked = Asked::default();
        for (name, value) in query {
            assert!(take(&mut asked, name, value)?, "{name} is a parameter");
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
}
