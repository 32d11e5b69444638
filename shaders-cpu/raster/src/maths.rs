//! The maths that pixels depend on: `libm`'s, on every target.
//!
//! The painter's own code has little maths, but the libraries under it (svgtypes, kurbo, tiny-skia) call `f64::sin`,
//! `f32::acos` and their kin for rotations, arcs and the curvature of strokes. Those methods end in the C functions
//! of the same names, which come from the platform: glibc, Apple's and Microsoft's differ in last bits. In wasm they
//! come with the module.
//!
//! So on native targets this module *is* those functions: it defines the C symbols, each a call to the `libm` crate,
//! and the linker prefers a program's own symbols to those of a shared library. The maths stays right for everything
//! else in the process; it only becomes the same on every host. A test asks the standard library for values on which
//! hosts differ, and so proves that the linker did so. What else was looked at is in
//! `docs/decisions/005-which-svg-paints-the-same-bytes-on-every-host.md`.
//!
//! Nothing calls this module by name.

/// Defines C functions of the names of functions in `libm`.
#[cfg(not(target_family = "wasm"))]
macro_rules! ours {
    ($($name:ident: $number:ty, ($($argument:ident),+);)+) => {$(
        // SAFETY: the name is a C library function's; this has its signature and does what C says it does.
        #[unsafe(no_mangle)]
        extern "C" fn $name($($argument: $number),+) -> $number {
            libm::$name($($argument),+)
        }
    )+};
}

#[cfg(not(target_family = "wasm"))]
#[allow(
    unsafe_code,
    reason = "symbols of the C library are replaced by equivalent ones; the module says why"
)]
mod symbols {
    ours! {
        sin: f64, (x); sinf: f32, (x);
        cos: f64, (x); cosf: f32, (x);
        tan: f64, (x); tanf: f32, (x);
        asin: f64, (x); asinf: f32, (x);
        acos: f64, (x); acosf: f32, (x);
        atan: f64, (x); atanf: f32, (x);
        atan2: f64, (y, x); atan2f: f32, (y, x);
        exp: f64, (x); expf: f32, (x);
        exp2: f64, (x); exp2f: f32, (x);
        log: f64, (x); logf: f32, (x);
        log2: f64, (x); log2f: f32, (x);
        log10: f64, (x); log10f: f32, (x);
        pow: f64, (x, y); powf: f32, (x, y);
        cbrt: f64, (x); cbrtf: f32, (x);
        hypot: f64, (x, y); hypotf: f32, (x, y);
    }

    // LLVM merges a sine and a cosine of one angle into these, where the platform has them.

    // SAFETY: as above; C says that both pointers are writable.
    #[unsafe(no_mangle)]
    unsafe extern "C" fn sincos(x: f64, sin: *mut f64, cos: *mut f64) {
        let (s, c) = (libm::sin(x), libm::cos(x));
        // SAFETY: the caller's, by C's contract.
        unsafe {
            *sin = s;
            *cos = c;
        }
    }

    // SAFETY: as above.
    #[unsafe(no_mangle)]
    unsafe extern "C" fn sincosf(x: f32, sin: *mut f32, cos: *mut f32) {
        let (s, c) = (libm::sinf(x), libm::cosf(x));
        // SAFETY: the caller's, by C's contract.
        unsafe {
            *sin = s;
            *cos = c;
        }
    }
}

#[cfg(test)]
mod tests {
    use core::hint::black_box;

    /// A spread of arguments dense enough that two maths libraries that differ at all differ on some.
    fn arguments() -> impl Iterator<Item = f64> {
        (1..40_000).map(|i| f64::from(i) * 0.000_321_7 - 3.1)
    }

    #[test]
    fn the_standard_library_computes_with_libm() {
        for x in arguments() {
            let (unit, positive) = (black_box(x / 10.0), black_box(x.abs() + 0.01));
            let x = black_box(x);
            for (name, std, ours) in [
                ("sin", x.sin(), libm::sin(x)),
                ("cos", x.cos(), libm::cos(x)),
                ("sin_cos", x.sin_cos().0 + x.sin_cos().1, libm::sin(x) + libm::cos(x)),
                ("tan", x.tan(), libm::tan(x)),
                ("acos", unit.acos(), libm::acos(unit)),
                ("atan2", x.atan2(positive), libm::atan2(x, positive)),
                ("powf", positive.powf(1.0 / 3.0), libm::pow(positive, 1.0 / 3.0)),
                ("ln", positive.ln(), libm::log(positive)),
                ("exp", x.exp(), libm::exp(x)),
                ("hypot", x.hypot(positive), libm::hypot(x, positive)),
            ] {
                assert!(
                    std.to_bits() == ours.to_bits() || std.is_nan(),
                    "{name}({x}) = {std:e}, not {ours:e}"
                );
            }
        }
    }

    #[test]
    fn in_single_precision_too() {
        #[expect(clippy::cast_possible_truncation, reason = "any nearby single will do")]
        for x in arguments().map(|x| x as f32) {
            let (unit, positive) = (black_box(x / 10.0), black_box(x.abs() + 0.01));
            let x = black_box(x);
            for (name, std, ours) in [
                ("sin", x.sin(), libm::sinf(x)),
                ("cos", x.cos(), libm::cosf(x)),
                ("tan", x.tan(), libm::tanf(x)),
                ("acos", unit.acos(), libm::acosf(unit)),
                ("atan2", x.atan2(positive), libm::atan2f(x, positive)),
                ("powf", positive.powf(0.333_333_3), libm::powf(positive, 0.333_333_3)),
                ("hypot", x.hypot(positive), libm::hypotf(x, positive)),
            ] {
                assert!(
                    std.to_bits() == ours.to_bits() || std.is_nan(),
                    "{name}({x}) = {std:e}, not {ours:e}"
                );
            }
        }
    }
}
