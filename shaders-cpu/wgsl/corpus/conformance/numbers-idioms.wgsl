// What shaders are full of and the compiler fuses, and what only looks like it.
// bind 0:0 0.37 1.61 33.33 0.25
struct Params { a: f32, b: f32, k: f32, r: f32 }
@group(0) @binding(0) var<uniform> params: Params;

fn hash12(p: vec2f) -> f32 {
    var p3 = fract(vec3f(p.xyx) * 0.1031);
    p3 += dot(p3, p3.yzx + 33.33);
    return fract((p3.x + p3.y) * p3.z);
}

fn hash13(p: vec3f) -> f32 {
    var p3 = fract(p * 0.1031);
    p3 += dot(p3, p3.yzx + params.k);
    return fract((p3.x + p3.y) * p3.z);
}

fn hash22(p: vec2f) -> vec2f {
    var p3 = fract(vec3f(p.xyx) * vec3f(0.1031, 0.1030, 0.0973));
    p3 += dot(p3, p3.yzx + 33.33);
    return fract((p3.xx + p3.yz) * p3.zy);
}

fn value_noise(p: vec2f) -> f32 {
    let i = floor(p);
    let f = fract(p);
    let u = f * f * (3.0 - 2.0 * f);
    let low = mix(hash12(i), hash12(i + vec2f(1.0, 0.0)), u.x);
    let high = mix(hash12(i + vec2f(0.0, 1.0)), hash12(i + vec2f(1.0, 1.0)), u.x);
    // The fraction is read again here, and the weights of the last two are not the same.
    return mix(low, high, u.y) + 0.01 * f.x + mix(mix(f.x, f.y, u.x), mix(f.y, low, u.y), f.x);
}

fn plain_noise(p: vec2f) -> f32 {
    let i = floor(p);
    let f = fract(p);
    let u = f * f * (3.0 - 2.0 * f);
    let low = mix(hash12(i), hash12(i + vec2f(1.0, 0.0)), u.x);
    return mix(low, mix(hash12(i + vec2f(0.0, 1.0)), hash12(i + vec2f(1.0, 1.0)), u.x), u.y);
}

fn box2(p: vec2f, b: vec2f) -> f32 {
    let q = abs(p) - b;
    return length(max(q, vec2f(0.0))) + min(max(q.x, q.y), 0.0);
}

fn box3(p: vec3f, b: vec3f) -> f32 {
    let q = abs(p - vec3f(0.1, params.a, -0.3)) - b;
    return length(max(q, vec3f(0.0))) + min(max(q.x, max(q.y, q.z)), 0.0);
}

// A box whose inside is another's.
fn no_box(p: vec3f, b: vec3f) -> f32 {
    let q = abs(p) - b;
    return length(max(q, vec3f(0.0))) + min(max(q.x, max(q.y, p.z)), 0.0);
}

fn pcg(v: u32) -> u32 {
    let state = v * 747796405u + 2891336453u;
    let word = ((state >> ((state >> 28u) + 4u)) ^ state) * 277803737u;
    return (word >> 22u) ^ word;
}

fn lowbias(v: u32) -> u32 {
    var x = v;
    x = (x ^ (x >> 16u)) * 0x7feb352du;
    x = (x ^ (x >> 15u)) * 0x846ca68bu;
    return x ^ (x >> (16u + (v & 3u)));
}

fn unit(v: u32) -> f32 {
    return f32(v >> 8u) / 16777216.0 + f32(v & 0xffu) / 512.0 - f32(v) / 8589934592.0;
}

// Squared distances; of the last one the difference is read again.
fn distances(p: vec2f, q: vec2f) -> f32 {
    let moved = vec2f(0.5, params.a) + q - p;
    let plain = p - q * params.b;
    let centre = q - vec2f(0.25, 0.75);
    let again = p.yx - q;
    return dot(moved, moved) + dot(plain, plain) - dot(centre, centre) + dot(again, again) * again.x;
}

// Shares of fields of bits; the last two have a sign, and another reader.
fn fields(v: u32, by: u32) -> f32 {
    let third = f32((v >> 16u) & 0xffu);
    let shares = f32(v & 0xffffu) / 65535.0 + f32((v >> 8u) & 0xffu) / 255.0 + f32(v >> 24u) / params.k;
    let signed = f32(bitcast<i32>(v) >> 8u) / 65535.0 + third / 255.0 + third * params.a;
    let moved = (v >> (by & 31u)) ^ (v << (by >> 3u)) ^ bitcast<u32>(bitcast<i32>(v) >> (by >> 7u));
    return shares + signed + f32(moved & 0xfffu) * (1.0 / 4096.0);
}

@fragment
fn main(@builtin(position) position: vec4f) -> @location(0) vec4f {
    let p = position.xy * params.a + vec2f(params.b, -0.5);
    let q = vec3f(p - 5.0, p.x - p.y);
    let noise = value_noise(p) + plain_noise(p * 1.7) + hash13(q) + dot(hash22(floor(p)), vec2f(0.3, 0.7));
    let boxes = vec3f(box2(q.xy, vec2f(1.5, params.a)), box3(q, vec3f(0.5)) - params.r, no_box(q, vec3f(1.0)));
    let rounded = box2(q.yz, vec2f(0.7)) - 0.05;
    let balls = vec2f(length(q.xy) - params.r, length(q) - 2.0);
    let nearest = min(min(boxes.x, boxes.y), min(rounded, balls.x)) + min(min(balls.y, boxes.z), rounded);
    let tie = select(balls.x, boxes.y, balls.y < rounded) + select(0.5, params.a, p.x < 7.0);
    let least = select(p.y, p.x, p.x < p.y) + select(p.x, p.y, p.x < p.y);
    let cell = vec2u(vec2i(floor(p)) + 100);
    let bits = unit(pcg(cell.x + pcg(cell.y))) + unit(lowbias(cell.x * 31u + cell.y)) + fields(lowbias(cell.x), pcg((cell.y + 7u) * 5u + cell.x));
    let light = dot(normalize(q + 0.01), vec3f(0.36, 0.48, 0.8)) + dot(q, q.yzx) + (p.x + p.y) - params.b;
    let turned = fract((p.x + 1.0) * 0.1031) + abs(p.y - params.k) - abs(q.z) - 0.25;
    return vec4f(noise + tie + distances(p, q.zy), nearest + least * 0.125, bits + turned, light);
}
