// Branches and loops on uniforms: stores to memory under them, nested in branches on pixels, counts from uniforms.
// bind 0:0 3u 0u 7u 1u
@group(0) @binding(0) var<uniform> mode: vec4u;

@fragment
fn main(@builtin(position) p: vec4f) -> @location(0) vec4f {
    let x = u32(p.x);
    var a: array<u32, 24>;
    var n = 0u;
    if (mode.y == 1u) { a[x % 24u] = 99u; }
    if (mode.w == 1u) { a[(x + 1u) % 24u] = 5u; } else { a[x % 24u] = 77u; }
    for (var i = 0u; i < mode.x; i++) {
        if (mode.z > i + 5u) { continue; }
        a[i * 3u + x % 3u] += i + 1u;
        n += i;
    }
    if (x % 4u == 1u) {
        if (mode.x > 2u) { n = n * 2u + 1u; a[x % 24u] += 40u; }
        for (var k = mode.x; k > 0u; k--) {
            n += k;
            if (n > x) { break; }
        }
    }
    var total = 0u;
    for (var i = 0u; i < 24u; i++) { total += a[i] * (i + 1u); }
    return vec4f(f32(total), f32(n), f32(a[(x + mode.z) % 24u]), 1.0);
}
