// Every pack and unpack, and quantizeToF16.
fn fold(v: u32) -> f32 { return f32((v ^ (v >> 15u)) & 0x7fffu); }

@fragment
fn main(@builtin(position) p: vec4f) -> @location(0) vec4f {
    let v = vec4f(p.x * 0.037 - 1.2, p.y * 0.041 - 0.6, 0.31, -0.7);
    let u = vec4u(u32(p.x) * 37u, u32(p.y) * 91u, 300u, 5u);
    let i = vec4i(u) - 400;
    let a = pack4x8snorm(v) + pack4x8unorm(v) * 3u + pack2x16snorm(v.xy) * 5u + pack2x16unorm(v.yx) * 7u;
    let b = pack2x16float(v.xy * 100.0) + pack4xI8(i) * 3u + pack4xU8(u) * 5u + pack4xI8Clamp(i) * 7u + pack4xU8Clamp(u) * 11u;
    let w = u.x * 2654435761u + u.y;
    let c = unpack4x8snorm(w) + unpack4x8unorm(w);
    let d = vec4f(unpack2x16snorm(w), unpack2x16unorm(w));
    let e = vec4f(unpack4xI8(w)) + vec4f(unpack4xU8(w)) + vec4f(unpack2x16float(w & 0x3fff3fffu), 0.0, 0.0);
    let q = quantizeToF16(v * 1000.0);
    return vec4f(fold(a), fold(b), dot(c + d, vec4f(1.0, 2.0, 3.0, 4.0)), dot(e, vec4f(1.0, 0.5, 0.25, 0.125)) + q.x + q.y);
}
