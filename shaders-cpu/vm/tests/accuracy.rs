//! The accuracy table of WGSL §15.7.4, held against 64-bit results.
#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::panic,
    clippy::print_stdout,
    missing_docs,
    reason = "a test may show its figures, cut numbers and panic"
)]

use iridule_vm::{Opcode, scalar};

/// Units in the last place of `want`, as an `f32` has them.
fn ulp(want: f64) -> f64 {
    let size = (want.abs() as f32).max(f32::MIN_POSITIVE);
    f64::from(f32::from_bits(size.to_bits() + 1)) - f64::from(size)
}

/// The largest errors of `code` on evenly spaced points: in ULP, and absolute.
fn errors(code: Opcode, low: f32, high: f32, exact: impl Fn(f64) -> f64) -> (f64, f64) {
    let steps = 20_000u16;
    let mut worst = (0.0f64, 0.0f64);
    for n in 0..=steps {
        let x = low + (high - low) * f32::from(n) / f32::from(steps);
        let got = f64::from(f32::from_bits(scalar::evaluate(code, &[x.to_bits()]).expect("pure")));
        let want = exact(f64::from(x));
        if !want.is_finite() || want.abs() > f64::from(f32::MAX) {
            continue;
        }
        let error = (got - want).abs();
        worst = (worst.0.max(error / ulp(want)), worst.1.max(error));
    }
    worst
}

fn within_ulp(code: Opcode, low: f32, high: f32, limit: f64, exact: impl Fn(f64) -> f64) {
    let (ulp, _) = errors(code, low, high, exact);
    println!("{code:?} on [{low}, {high}]: {ulp:.2} ULP of {limit}");
    assert!(ulp <= limit, "{code:?} on [{low}, {high}]: {ulp} ULP");
}

fn within(code: Opcode, low: f32, high: f32, limit: f64, exact: impl Fn(f64) -> f64) {
    let (_, absolute) = errors(code, low, high, exact);
    println!("{code:?} on [{low}, {high}]: {absolute:.3e} of {limit:.3e}");
    assert!(absolute <= limit, "{code:?} on [{low}, {high}]: {absolute}");
}

#[test]
fn trigonometry() {
    let pi = core::f32::consts::PI;
    // The specification asks for 2^-11; these hold more.
    within(Opcode::Sin, -pi, pi, 2f64.powi(-22), f64::sin);
    within(Opcode::Cos, -pi, pi, 2f64.powi(-22), f64::cos);
    within(Opcode::Sin, -1000.0, 1000.0, 2f64.powi(-13), f64::sin);
    within(Opcode::Cos, -30_000.0, 30_000.0, 2f64.powi(-9), f64::cos);
    within_ulp(Opcode::Asin, -1.0, 1.0, 4.0, f64::asin);
    within(Opcode::Acos, -1.0, 1.0, 2f64.powi(-21), f64::acos);
    within_ulp(Opcode::Atan, -50.0, 50.0, 4.0, f64::atan);
    within_ulp(Opcode::Tan, -1.5, 1.5, 64.0, f64::tan);
}

#[test]
fn beyond_reason_sine_stays_in_range() {
    for exponent in 0..128 {
        let x = 1.37 * 2f32.powi(exponent);
        for code in [Opcode::Sin, Opcode::Cos] {
            let y = f32::from_bits(scalar::evaluate(code, &[x.to_bits()]).expect("pure"));
            assert!(y.abs() <= 1.0, "{code:?} of {x} is {y}");
        }
    }
}

#[test]
fn exponents() {
    within_ulp(Opcode::Exp, -87.0, 88.0, 3.0, f64::exp);
    within_ulp(Opcode::Exp2, -125.0, 127.5, 3.0, f64::exp2);
    within_ulp(Opcode::Log, 2.0, 1e6, 3.0, f64::ln);
    within_ulp(Opcode::Log2, 2.0, 1e6, 3.0, f64::log2);
    within(Opcode::Log, 0.5, 2.0, 2f64.powi(-21), f64::ln);
    within(Opcode::Log2, 0.5, 2.0, 2f64.powi(-21), f64::log2);
    within_ulp(Opcode::InverseSqrt, 1e-3, 1e3, 2.0, |x| 1.0 / x.sqrt());
    within_ulp(Opcode::Sqrt, 0.0, 1e3, 0.5, f64::sqrt);
}

#[test]
fn hyperbolic() {
    within_ulp(Opcode::Sinh, -20.0, 20.0, 8.0, f64::sinh);
    within_ulp(Opcode::Cosh, -20.0, 20.0, 8.0, f64::cosh);
    within_ulp(Opcode::Tanh, -10.0, 10.0, 8.0, f64::tanh);
    within_ulp(Opcode::Asinh, -100.0, 100.0, 8.0, f64::asinh);
    within_ulp(Opcode::Acosh, 1.5, 100.0, 8.0, f64::acosh);
    within_ulp(Opcode::Atanh, -0.9, 0.9, 8.0, f64::atanh);
}

#[test]
fn powers_of_two_are_exact() {
    let two = 2f32.to_bits();
    for n in -20i8..20 {
        let y = f32::from(n);
        let got = scalar::evaluate(Opcode::Pow, &[two, y.to_bits()]).expect("pure");
        assert_eq!(f32::from_bits(got), 2f32.powi(n.into()));
    }
}

#[test]
fn halves_convert_as_ieee_says() {
    // Every finite binary16 survives the way to f32 and back.
    for bits in 0..=0xffffu32 {
        let float = scalar::evaluate(Opcode::FromHalf, &[bits]).expect("pure");
        let back = scalar::evaluate(Opcode::ToHalf, &[float]).expect("pure");
        if f32::from_bits(float).is_nan() {
            assert_eq!(back, 0x7e00);
        } else {
            assert_eq!(back, bits, "{bits:#x}");
        }
    }
    let cases =
        [(65_504.0, 0x7bff), (65_519.9, 0x7bff), (65_520.0, 0x7c00), (1e9, 0x7c00), (6e-8, 1), (2.9e-8, 0)];
    for (x, want) in cases {
        let got = scalar::evaluate(Opcode::ToHalf, &[f32::to_bits(x)]).expect("pure");
        assert_eq!(got, want, "{x}");
    }
}
