//! Integer functions of WGSL §17.5 that no instruction set offers per lane; one lane at a time.

/// Signed quotient; `a` where `b` is 0 or the quotient overflows (WGSL §8.7).
pub(crate) fn div_i(a: i32, b: i32) -> i32 {
    a.checked_div(b).unwrap_or(a)
}

/// Signed remainder; 0 where `b` is 0 or the quotient overflows.
pub(crate) fn rem_i(a: i32, b: i32) -> i32 {
    a.checked_rem(b).unwrap_or(0)
}

/// Unsigned quotient; `a` where `b` is 0.
pub(crate) fn div_u(a: u32, b: u32) -> u32 {
    a.checked_div(b).unwrap_or(a)
}

/// Unsigned remainder; 0 where `b` is 0.
pub(crate) fn rem_u(a: u32, b: u32) -> u32 {
    a.checked_rem(b).unwrap_or(0)
}

/// Highest bit that differs from the sign; −1 (all ones) for 0 and −1 (WGSL §17.5.24).
pub(crate) fn first_leading_i(a: u32) -> u32 {
    first_leading_u(a ^ (a.cast_signed() >> 31).cast_unsigned())
}

/// Highest one; −1 (all ones) for 0.
pub(crate) fn first_leading_u(a: u32) -> u32 {
    31u32.wrapping_sub(a.leading_zeros())
}

/// Lowest one; −1 (all ones) for 0.
pub(crate) fn first_trailing(a: u32) -> u32 {
    if a == 0 { u32::MAX } else { a.trailing_zeros() }
}

/// Offset and count limited so that both lie in a word (WGSL §17.5.21).
fn field(offset: u32, count: u32) -> (u32, u32) {
    let offset = offset.min(32);
    (offset, count.min(32 - offset))
}

/// `count` bits of `a` from bit `offset`.
pub(crate) fn extract_u(a: u32, offset: u32, count: u32) -> u32 {
    match field(offset, count) {
        (_, 0) => 0,
        (o, c) => a << (32 - c - o) >> (32 - c),
    }
}

/// The same, sign-extended.
pub(crate) fn extract_i(a: u32, offset: u32, count: u32) -> u32 {
    match field(offset, count) {
        (_, 0) => 0,
        (o, c) => ((a << (32 - c - o)).cast_signed() >> (32 - c)).cast_unsigned(),
    }
}

/// `a` with `count` bits from bit `offset` replaced by the low bits of `new`.
pub(crate) fn insert(a: u32, new: u32, offset: u32, count: u32) -> u32 {
    match field(offset, count) {
        (_, 0) => a,
        (o, c) => {
            let mask = u32::MAX >> (32 - c) << o;
            a & !mask | new << o & mask
        }
    }
}

/// Sum of products of the four signed bytes, wrapping.
pub(crate) fn dot4_i8(a: u32, b: u32) -> u32 {
    let products = a.to_le_bytes().into_iter().zip(b.to_le_bytes());
    products
        .map(|(x, y)| i32::from(x.cast_signed()) * i32::from(y.cast_signed()))
        .sum::<i32>()
        .cast_unsigned()
}

/// Sum of products of the four unsigned bytes.
pub(crate) fn dot4_u8(a: u32, b: u32) -> u32 {
    a.to_le_bytes().into_iter().zip(b.to_le_bytes()).map(|(x, y)| u32::from(x) * u32::from(y)).sum()
}
