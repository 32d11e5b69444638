// A ray march over a signed distance field: each ray takes its own number of steps.
// bind 0:0 0.3 1.0 512.0 512.0
struct Params { time: f32, aspect: f32, size: vec2f }
@group(0) @binding(0) var<uniform> params: Params;

fn map(p: vec3f) -> f32 {
    let ball = length(p - vec3f(0.0, 0.2 * sin(params.time), 0.0)) - 0.9;
    let q = abs(p - vec3f(1.4, -0.2, 0.6)) - vec3f(0.5);
    let box = length(max(q, vec3f(0.0))) + min(max(q.x, max(q.y, q.z)), 0.0) - 0.05;
    let ring = vec2f(length(p.xz) - 1.5, p.y + 0.5);
    let torus = length(ring) - 0.2;
    let floor_ = p.y + 1.0;
    return min(min(ball, box), min(torus, floor_));
}

fn normal(p: vec3f) -> vec3f {
    let e = vec2f(0.001, 0.0);
    return normalize(vec3f(
        map(p + e.xyy) - map(p - e.xyy),
        map(p + e.yxy) - map(p - e.yxy),
        map(p + e.yyx) - map(p - e.yyx),
    ));
}

@fragment
fn main(@builtin(position) position: vec4f) -> @location(0) vec4f {
    let uv = (position.xy / params.size - 0.5) * vec2f(2.0 * params.aspect, -2.0);
    let origin = vec3f(0.0, 0.6, -4.0);
    let ray = normalize(vec3f(uv, 1.8));
    var t = 0.0;
    var hit = false;
    for (var i = 0; i < 80; i++) {
        let d = map(origin + ray * t);
        if (d < 0.001) {
            hit = true;
            break;
        }
        t += d;
        if (t > 20.0) {
            break;
        }
    }
    if (!hit) {
        return vec4f(mix(vec3f(0.5, 0.7, 0.9), vec3f(0.1, 0.2, 0.4), uv.y * 0.5 + 0.5), 1.0);
    }
    let p = origin + ray * t;
    let n = normal(p);
    let light = normalize(vec3f(0.6, 0.8, -0.4));
    let diffuse = max(dot(n, light), 0.0);
    return vec4f(vec3f(0.9, 0.6, 0.4) * (0.2 + 0.8 * diffuse), 1.0);
}
