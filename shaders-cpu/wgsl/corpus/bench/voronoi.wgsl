// Cells around points placed by an integer hash.
// bind 0:0 0.05 17u 0.3 0.0
struct Params { scale: f32, seed: u32, edge: f32, pad: f32 }
@group(0) @binding(0) var<uniform> params: Params;

fn pcg(v: u32) -> u32 {
    let state = v * 747796405u + 2891336453u;
    let word = ((state >> ((state >> 28u) + 4u)) ^ state) * 277803737u;
    return (word >> 22u) ^ word;
}

fn hash2(cell: vec2i) -> vec2f {
    let h = pcg(bitcast<u32>(cell.x) + pcg(bitcast<u32>(cell.y) ^ params.seed));
    return vec2f(f32(h & 0xffffu), f32(h >> 16u)) / 65535.0;
}

@fragment
fn main(@builtin(position) position: vec4f) -> @location(0) vec4f {
    let p = position.xy * params.scale;
    let cell = vec2i(floor(p));
    let f = fract(p);
    var nearest = 8.0;
    var second = 8.0;
    var id = vec2f(0.0);
    for (var y = -1; y <= 1; y++) {
        for (var x = -1; x <= 1; x++) {
            let point = hash2(cell + vec2i(x, y));
            let d = vec2f(f32(x), f32(y)) + point - f;
            let distance = dot(d, d);
            if (distance < nearest) {
                second = nearest;
                nearest = distance;
                id = point;
            } else if (distance < second) {
                second = distance;
            }
        }
    }
    let border = smoothstep(0.0, params.edge, sqrt(second) - sqrt(nearest));
    return vec4f(vec3f(id, 1.0 - id.x) * border, 1.0);
}
