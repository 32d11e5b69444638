// Pointers to parts, arrays indexed by constants, uniforms and pixels, structs in arrays, private variables.
// bind 0:0 4u 9u 16u 25u -1.00 1.00 -0.80 1.20 -0.60 1.40 -0.40 1.60 -0.20 1.80 0.00 2.00 0.20 2.20 0.40 2.40 0.60 2.60 0.80 -1.00 1.00 -0.80 1.20 -0.60 1.40 -0.40 1.60 -0.20 1.80 0.00 2.00 0.20 2.20 0.40 2.40 0.60
struct Item { weight: f32, at: vec2f, ids: array<u32, 3> }
struct Params { offset: vec4u, curve: array<vec4f, 4>, turn: mat3x3f, pair: array<mat2x2f, 2> }
@group(0) @binding(0) var<uniform> params: Params;
var<private> counter: u32 = 5u;
var<private> items: array<Item, 3>;

fn bump(p: ptr<function, vec3f>, by: f32) { (*p).y += by; counter += 1u; }
fn fill(a: ptr<function, array<f32, 20>>) {
    for (var i = 0; i < 20; i++) { (*a)[i] = f32(i * i); }
}

@fragment
fn main(@builtin(position) p: vec4f) -> @location(0) vec4f {
    let x = u32(p.x);
    var v = vec3f(1.0, 2.0, 3.0);
    bump(&v, p.x);
    if (x % 2u == 0u) { bump(&v, 100.0); }
    var big: array<f32, 20>;
    fill(&big);
    big[x % 20u] += 1000.0;
    big[(x + 7u) % 20u] *= 2.0;
    items[x % 3u].ids[(x / 3u) % 3u] = x;
    items[1].at = vec2f(0.5, f32(counter));
    let item = items[(x + 1u) % 3u];
    var m = params.turn;
    m[x % 3u][1] = 7.0;
    let curve = params.curve[x % 6u];
    v[x % 3u] += 0.125;
    let pair = params.pair[x & 1u][u32(p.y) & 1u];
    return vec4f(
        v.x + v.y + v.z + big[u32(p.y) % 20u],
        item.weight + item.at.y + f32(item.ids[0] + item.ids[1] * 3u + item.ids[2] * 5u),
        dot(m * vec3f(1.0, p.y, 2.0), vec3f(1.0, 0.5, 0.25)) + curve.y + pair.x - pair.y,
        f32(counter + params.offset[x % 4u]),
    );
}
