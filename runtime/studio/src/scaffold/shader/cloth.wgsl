// An ordinary WGSL fragment shader. It sees the traits and gauges as fields of `token`, and canvas_uv(), which is 0 to 1
// over the canvas, whatever the size of the picture. The same file runs in a browser and on a GPU.

fn unit(h: u32) -> f32 {
    return f32(h >> 8u) * (1.0 / 16777216.0);
}

@fragment fn main(@builtin(position) p: vec4f) -> @location(0) vec4f {
    var at = canvas_uv(p) - 0.5;
    let phase = 6.2832 * unit(token.seed.x);
    let lean = mix(0.4, 2.2, token.price.unit);
    at += 0.12 * lean * vec2f(sin(5.0 * at.y + phase), cos(4.0 * at.x - phase));
    let turn = 3.1416 * unit(token.seed.y);
    let across = at.x * cos(turn) + at.y * sin(turn);
    let band = 0.5 + 0.5 * sin(6.2832 * token.folds * across + phase);
    let dark = token.palette[0].rgb;
    let dye = token.palette[1].rgb;
    let light = token.palette[2].rgb;
    let cloth = mix(mix(dark, dye, smoothstep(0.0, 0.6, band)), light, smoothstep(0.6, 1.0, band));
    return vec4f(cloth * (0.75 + 0.25 * token.price.unit), 1.0);
}
