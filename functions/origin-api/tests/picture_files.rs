//! What an edge takes for a picture file, and what it does not. The files that our encoders write are tried in
//! `runtime/origin/tests/service.rs`.
#![allow(clippy::unwrap_used, missing_docs, reason = "what a test cannot go on without, it stops at")]

mod files;

use iridule_origin_api::picture_file::{NotThePicture, check};
use iridule_scene::variant::{Fit, Format, Variant};
use proptest::prelude::*;

use files::file;

fn variants() -> [Variant; 5] {
    let of = |format, quality| Variant { width: 640, height: 480, fit: Fit::Contain, format, quality };
    [
        of(Format::Png, 0),
        of(Format::WebP, 0),
        of(Format::WebP, 75),
        of(Format::Jpeg, 85),
        of(Format::Avif, 85),
    ]
}

#[test]
fn a_file_of_the_format_and_size_that_was_asked_for_is_taken() {
    for variant in variants() {
        assert_eq!(check(&file(&variant, b"pixels"), &variant), Ok(()), "{variant:?}");
        assert_eq!(check(&file(&variant, b"pixel"), &variant), Ok(()), "{variant:?}");
    }
}

#[test]
fn a_file_of_another_format_or_size_is_refused() {
    for variant in variants() {
        for other in variants().into_iter().filter(|other| other.format != variant.format) {
            let refused = check(&file(&other, b"pixels"), &variant);
            assert!(
                matches!(refused, Err(NotThePicture::Format(_))),
                "{other:?} as {variant:?}: {refused:?}"
            );
        }
        for other in [Variant { width: 641, ..variant }, Variant { height: 4096, ..variant }] {
            let refused = check(&file(&other, b"pixels"), &variant);
            assert!(matches!(refused, Err(NotThePicture::Size(..))), "{other:?} as {variant:?}: {refused:?}");
        }
        for text in
            [&b"<html><script>alert(1)</script></html>"[..], b"", b"{}", b"\0\0\0\x20ftypmp42\0\0\0\0"]
        {
            assert!(
                matches!(check(text, &variant), Err(NotThePicture::Format(_))),
                "{text:?} as {variant:?}"
            );
        }
    }
}

#[test]
fn a_file_that_is_cut_or_goes_on_after_its_end_is_refused() {
    for variant in variants() {
        let whole = file(&variant, b"pixels");
        for at in 0..whole.len() {
            assert!(check(&whole[..at], &variant).is_err(), "{variant:?} cut at {at}");
        }
        let longer = [&*whole, b"<html><script>alert(1)</script></html>"].concat();
        assert!(check(&longer, &variant).is_err(), "{variant:?}");
    }
}

#[test]
fn a_file_without_pixels_is_refused() {
    for variant in variants() {
        assert!(
            variant.format == Format::Jpeg || check(&file(&variant, b""), &variant).is_err(),
            "{variant:?}"
        );
    }
}

proptest! {
    #[test]
    fn any_flipped_bit_of_a_png_is_found(at: prop::sample::Index, bit in 0u8..8) {
        let variant = variants()[0];
        let mut broken = file(&variant, b"pixels");
        let at = at.index(broken.len());
        broken[at] ^= 1 << bit;
        prop_assert!(check(&broken, &variant).is_err());
    }

    #[test]
    fn any_bytes_are_read_without_a_panic(
        bytes in prop::collection::vec(any::<u8>(), 0..200),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
    ) {
        for variant in variants() {
            let _ = check(&bytes, &variant);
            let mut changed = file(&variant, b"pixels");
            for (at, byte) in &changes {
                let at = at.index(changed.len());
                changed[at] = *byte;
            }
            let _ = check(&changed, &variant);
        }
    }
}
