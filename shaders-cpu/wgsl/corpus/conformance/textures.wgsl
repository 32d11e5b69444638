// Sampling with nearest and linear filters, the three address modes, offsets, gather, loads, dimensions.
@group(0) @binding(1) var image: texture_2d<f32>;
@group(0) @binding(2) var smooth_: sampler;
@group(1) @binding(0) var blocky: sampler;

@fragment
fn main(@builtin(position) p: vec4f) -> @location(0) vec4f {
    let uv = (p.xy - 20.0) / 31.0;
    let size = vec2f(textureDimensions(image));
    let a = textureSample(image, smooth_, uv);
    let b = textureSampleLevel(image, blocky, uv * 0.7 + 0.013, 0.0);
    let c = textureSampleLevel(image, smooth_, uv, 0.0, vec2i(1, -1));
    let d = textureLoad(image, vec2i(p.xy) % vec2i(size), 0);
    return vec4f(a.x + b.y, b.z + c.x, c.y + d.x, d.w + size.x);
}
