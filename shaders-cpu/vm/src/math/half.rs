//! binary16: rounding to it, and its bits.

/// The binary16 bits nearest to `x`, ties to even; values from 65520 on become infinite, NaN becomes 0x7e00.
pub(crate) fn to_bits(x: f32) -> u32 {
    let bits = x.to_bits();
    let sign = bits >> 16 & 0x8000;
    let size = bits & 0x7fff_ffff;
    if size > 0x7f80_0000 {
        return 0x7e00;
    }
    if size >= 0x4780_0000 {
        return sign | 0x7c00;
    }
    if size < 0x3880_0000 {
        // Subnormal: adding ½ makes the unit in the last place 2⁻²⁴, which is binary16's, and rounds to it.
        let rounded = (f32::from_bits(size) + 0.5).to_bits();
        return sign | (rounded - 0x3f00_0000);
    }
    let rounded = size - 0x3800_0000 + 0xfff + (size >> 13 & 1);
    sign | rounded >> 13
}

/// The `f32` with the value of binary16 bits; the upper half of `bits` is ignored.
pub(crate) fn from_bits(bits: u32) -> f32 {
    let sign = (bits & 0x8000) << 16;
    let rest = bits & 0x7fff;
    let size = if rest >= 0x7c00 {
        rest << 13 | 0x7f80_0000
    } else if rest >= 0x0400 {
        (rest << 13) + 0x3800_0000
    } else {
        (f32::from_bits(0x3f00_0000 + rest) - 0.5).to_bits()
    };
    f32::from_bits(sign | size)
}
