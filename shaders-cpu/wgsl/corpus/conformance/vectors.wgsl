// Geometry: dot, cross, length, distance, normalize, reflect, refract, faceForward, swizzles, comparisons.
@fragment
fn main(@builtin(position) p: vec4f) -> @location(0) vec4f {
    let a = vec3f(p.x * 0.1 - 3.0, p.y * 0.1 - 2.0, 1.5);
    let b = vec3f(0.3, -0.9, p.x * 0.02);
    let n = normalize(b);
    let r = reflect(a, n) + refract(normalize(a), n, 0.7) + faceForward(a, n, b);
    let c = cross(a, b);
    let flags = a > b;
    var w = vec4f(a.zyx, 1.0);
    w = w.wxyz * 0.5;
    let few = select(a.xy, b.yx, vec2<bool>(flags.x, !flags.y));
    let l = length(a) + length(a.xy) + length(w) + distance(a, b) + length(a.x);
    return vec4f(dot(r, vec3f(1.0, 2.0, 3.0)), c.x + c.y * 2.0 + c.z * 3.0, l + dot(w, w), few.x - few.y + select(0.0, 8.0, all(flags)) + select(0.0, 16.0, any(flags)));
}
