// Between every pair of scalar types, in vectors too, and bitcasts.
@fragment
fn main(@builtin(position) p: vec4f) -> @location(0) vec4f {
    let f = (p.x - 30.0) * 1.7e8;
    let i = i32(f);
    let u = u32(f);
    let b = bool(i % 3);
    let v = vec3i(vec3f(p.xy, -p.x) * 0.7);
    let w = vec2u(vec2i(v.xy)) + vec2u(vec2<bool>(b, !b));
    let bits = bitcast<u32>(f) ^ bitcast<u32>(bitcast<f32>(bitcast<u32>(p.y)));
    return vec4f(f32(i) * 1e-6, f32(u) * 1e-6, f32(v.x + v.y * 3 + v.z * 5) + f32(w.x + w.y), f32(bits >> 9u) + f32(b));
}
