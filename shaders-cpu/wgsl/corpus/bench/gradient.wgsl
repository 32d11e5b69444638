// A smooth gradient: little work per pixel.
// bind 0:0 512.0 512.0 0.6 0.4 0.9 0.4 0.2 1.0 0.1 0.2 0.5 1.0
struct Params { size: vec2f, angle: f32, spread: f32, from_color: vec4f, to_color: vec4f }
@group(0) @binding(0) var<uniform> params: Params;

@fragment
fn main(@builtin(position) position: vec4f) -> @location(0) vec4f {
    let uv = position.xy / params.size - 0.5;
    let direction = vec2f(cos(params.angle), sin(params.angle));
    let t = smoothstep(-params.spread, params.spread, dot(uv, direction));
    let vignette = 1.0 - dot(uv, uv);
    return vec4f(mix(params.from_color.rgb, params.to_color.rgb, t) * vignette, 1.0);
}
