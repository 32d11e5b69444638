// Bit counting, reversal, fields, packed dot products.
fn fold(v: u32) -> f32 { return f32((v ^ (v >> 13u)) & 0x3fffu); }

@fragment
fn main(@builtin(position) p: vec4f) -> @location(0) vec4f {
    let v = (u32(p.x) * 2654435761u) ^ (u32(p.y) << 7u);
    let s = bitcast<i32>(v);
    let small = select(v, v & 3u, p.y < 8.0);
    let counts = countOneBits(v) + countLeadingZeros(small) * 37u + countTrailingZeros(small) * 41u;
    let firsts = firstLeadingBit(small) * 3u + bitcast<u32>(firstLeadingBit(s)) * 5u + firstTrailingBit(small) * 7u;
    let offset = u32(p.x) % 36u;
    let count = u32(p.y) % 36u;
    let fields = extractBits(v, offset, count) + bitcast<u32>(extractBits(s, offset, count)) * 3u
        + insertBits(v, 0xabcdefu, offset, count) * 5u;
    let dots = bitcast<u32>(dot4I8Packed(v, ~v)) + dot4U8Packed(v, v >> 3u) * 3u;
    let ints = dot(vec3i(s, 3, -4), vec3i(5, s, 7));
    return vec4f(fold(counts + reverseBits(v)), fold(firsts), fold(fields), fold(dots + bitcast<u32>(ints)));
}
