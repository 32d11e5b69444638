// Domain-warped fractal noise: three times five octaves of value noise.

fn hash(p: vec2f) -> f32 {
    var p3 = fract(vec3f(p.xyx) * 0.1031);
    p3 += dot(p3, p3.yzx + 33.33);
    return fract((p3.x + p3.y) * p3.z);
}

fn noise(p: vec2f) -> f32 {
    let i = floor(p);
    let f = fract(p);
    let u = f * f * (3.0 - 2.0 * f);
    let a = hash(i);
    let b = hash(i + vec2f(1.0, 0.0));
    let c = hash(i + vec2f(0.0, 1.0));
    let d = hash(i + vec2f(1.0, 1.0));
    return mix(mix(a, b, u.x), mix(c, d, u.x), u.y);
}

fn fbm(start: vec2f) -> f32 {
    var p = start;
    var sum = 0.0;
    var amplitude = 0.5;
    for (var i = 0; i < 5; i++) {
        sum += amplitude * noise(p);
        p = mat2x2f(1.6, 1.2, -1.2, 1.6) * p;
        amplitude *= token.octave_gain;
    }
    return sum;
}

@fragment
fn main(@builtin(position) position: vec4f) -> @location(0) vec4f {
    let p = position.xy * token.zoom;
    let q = vec2f(fbm(p + token.time), fbm(p + vec2f(5.2, 1.3)));
    let v = fbm(p + token.warp * q);
    let color = mix(vec3f(0.1, 0.2, 0.5), vec3f(0.9, 0.7, 0.3), clamp(v * v * 2.0, 0.0, 1.0));
    return vec4f(color * (0.6 + 0.4 * q.x), 1.0);
}
