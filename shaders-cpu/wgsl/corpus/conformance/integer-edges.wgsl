// Division and remainder by zero and of the minimum, shifts, wrap-around, clamped indices, conversions at the ends.
// bind 0:0 1i -2i 3i 4i 50i 6i 7i 8i -900i 1i 2i 3i 123456i 5i 6i 7i
@group(0) @binding(0) var<uniform> words: array<vec4i, 4>;

fn edge(i: u32) -> i32 {
    switch i % 9u {
        case 0u: { return 0; }
        case 1u: { return 1; }
        case 2u: { return -1; }
        case 3u: { return -2147483647 - 1; }
        case 4u: { return 2147483647; }
        case 5u: { return 7; }
        case 6u: { return -7; }
        case 7u: { return 65536; }
        default: { return -123456789; }
    }
}

fn fold(v: u32) -> f32 { return f32((v ^ (v >> 11u)) & 0x3fffu); }

@fragment
fn main(@builtin(position) p: vec4f) -> @location(0) vec4f {
    let a = edge(u32(p.x));
    let b = edge(u32(p.y));
    let ua = bitcast<u32>(a);
    let ub = bitcast<u32>(b);
    let sums = bitcast<u32>(a + b) + bitcast<u32>(a - b) * 3u + bitcast<u32>(a * b) * 5u;
    let quotients = bitcast<u32>(a / b) + bitcast<u32>(a % b) * 3u + (ua / ub) * 5u + (ua % ub) * 7u;
    let shifts = (ua << (ub & 31u)) + (ua >> (ub & 31u)) * 3u + bitcast<u32>(a >> (ub & 31u)) * 5u;
    let order = select(0u, 1u, a < b) + select(0u, 2u, ua < ub) + select(0u, 4u, a >= b) + select(0u, 8u, ua <= ub);
    let limits = bitcast<u32>(min(a, b)) + bitcast<u32>(max(a, b)) * 3u + min(ua, ub) * 5u + max(ua, ub) * 7u
        + bitcast<u32>(clamp(a, -5, 5)) * 11u + bitcast<u32>(abs(a)) * 13u + bitcast<u32>(sign(b)) * 17u;
    return vec4f(fold(sums), fold(quotients) + fold(shifts) * 0.5, fold(limits) + f32(order), f32(words[ua % 5u].x));
}
