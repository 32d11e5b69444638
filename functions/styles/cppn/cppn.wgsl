// Latent. A network of eight inputs, two hidden layers of twelve and four outputs; every weight is hashed from the
// seed, so weights depend on uniforms alone. The outputs are a place in the palette, a shade, a height of the
// paint, and where the accent lies.

fn hash(v: u32) -> u32 {
    let s = v * 747796405u + 2891336453u;
    let w = ((s >> ((s >> 28u) + 4u)) ^ s) * 277803737u;
    return (w >> 22u) ^ w;
}

fn unit(h: u32) -> f32 {
    return f32(h >> 8u) * (1.0 / 16777216.0);
}

fn lot(i: u32) -> f32 {
    return unit(hash(token.seed.x ^ hash(token.seed.y + i)));
}

// A weight: two halves of a hash added, so that small ones are the most frequent. -1 to 1.
fn weight(i: u32) -> f32 {
    let h = hash(token.seed.z ^ hash(token.seed.w + i));
    return f32(h & 0xffffu) / 65535.0 + f32(h >> 16u) / 65535.0 - 1.0;
}

fn weights(i: u32) -> vec4f {
    return vec4f(weight(4u * i), weight(4u * i + 1u), weight(4u * i + 2u), weight(4u * i + 3u));
}

// Four rows of four weights, as a matrix.
fn block(i: u32) -> mat4x4f {
    return mat4x4f(weights(i), weights(i + 1u), weights(i + 2u), weights(i + 3u));
}

fn soft(v: vec4f) -> vec4f {
    return v / (1.0 + abs(v));
}

fn bell(v: vec4f) -> vec4f {
    return exp2(-v * v);
}

fn network(p: vec2f) -> vec4f {
    let manner = token.manner;
    // Where the price stands on the circle of latent inputs.
    let a = 6.2832 * (lot(1u) + 0.8 * token.price.unit);
    let latent = vec4f(cos(a), sin(a), 0.6 * cos(2.0 * a + 1.0), 1.0);
    let r = length(p - 0.5 * vec2f(lot(2u) - 0.5, lot(3u) - 0.5));
    let tilt = 6.2832 * lot(4u);
    let across = p.x * cos(tilt) + p.y * sin(tilt);
    let banded = select(select(0.6, 2.4, manner == 1.0), 1.0, manner == 2.0);
    let round = select(0.9, 2.6, manner == 2.0);
    let fine = select(select(1.0, 0.8, manner == 2.0), 1.75, manner == 3.0);
    let x = vec4f(p.x, p.y, round * (r - 0.4), banded * across) * (1.5 * fine);
    let h0 = sin((block(0u) * x + block(20u) * latent) * 1.5);
    let h1 = soft((block(4u) * x + block(24u) * latent) * 2.6);
    let h2 = bell((block(8u) * x + block(28u) * latent * 0.7) * 1.6) * 1.6 - 0.8;
    let g0 = soft((block(40u) * h0 + block(44u) * h1 + block(48u) * h2) * 2.2 + weights(80u));
    let g1 = sin((block(52u) * h0 + block(56u) * h1 + block(60u) * h2) * 1.7 + weights(81u) * 2.0);
    let g2 = bell((block(64u) * h0 + block(68u) * h1 + block(72u) * h2) * 1.9 + weights(82u)) * 1.4 - 0.5;
    return (block(90u) * g0 + block(94u) * g1 + block(98u) * g2) * 1.05;
}

fn noise1(x: f32, salt: u32) -> f32 {
    let f = floor(x);
    let t = x - f;
    let i = u32(i32(f)) + salt;
    return mix(unit(hash(i)), unit(hash(i + 1u)), t * t * (3.0 - 2.0 * t));
}

@fragment fn main(@builtin(position) pixel: vec4f) -> @location(0) vec4f {
    let uv = canvas_uv(pixel);
    let px = 1.0 / token.picture.x;
    var p = uv - 0.5;

    // The mount: how far inside the painted surface the pixel is.
    var inside = 1.0;
    if (token.mount == 1.0) {
        inside = 0.375 - max(abs(p.x), abs(p.y));
    } else if (token.mount == 2.0) {
        inside = 0.41 - length(p);
    } else if (token.mount == 3.0) {
        let half_width = 0.205;
        let q = vec2f(abs(p.x) - 0.222, p.y);
        inside = min(half_width - abs(q.x), 0.4 - abs(q.y));
        // The second panel shows what lies beside the first.
        p.x += sign(p.x) * 0.12;
    }

    p *= 2.0 * token.zoom;
    if (token.symmetry == 1.0) {
        p = vec2f(sqrt(p.x * p.x + 0.0004), p.y);
    } else if (token.symmetry >= 2.0) {
        let n = select(3.0, 5.0, token.symmetry == 3.0);
        let r = length(p);
        let turn = atan2(p.y, p.x) * n;
        p = vec2f(0.5 * cos(turn) * r + 0.3 * r, r - 0.5);
    }
    let o = network(p);

    // Relief: the paint's height lit from the upper left. Bristles run along the isolines of the fourth output.
    // They fade where they would be finer than the pixels.
    let spread = fwidth(o.w);
    let bristle = (noise1(o.w * 26.0, 11u) - 0.5) * (1.0 - smoothstep(0.3, 0.9, spread * 26.0))
        + (noise1(o.w * 83.0 + o.z * 5.0, 12u) - 0.5) * 0.7 * (1.0 - smoothstep(0.3, 0.9, spread * 83.0));
    let height = 0.5 * o.z + 0.03 * token.impasto * bristle;
    let slope = vec2f(dpdx(height), dpdy(height)) * token.picture.x * 0.09;
    let lean = 1.0 / sqrt(1.0 + dot(slope, slope));
    let light = (0.72 - 0.5 * slope.x - 0.62 * slope.y) * lean;

    // Colour: along the palette and back, shaded by the second output.
    // The brush drags one colour into the next.
    let place = 0.5 + 0.5 * sin(o.x * 1.9 + 6.2832 * lot(5u));
    let t = place * 3.0 + bristle * (0.16 + 0.34 * token.impasto);
    var c = mix(token.palette[0].rgb, token.palette[1].rgb, smoothstep(0.15, 0.85, t));
    c = mix(c, token.palette[2].rgb, smoothstep(1.2, 1.8, t));
    c = mix(c, token.palette[3].rgb, smoothstep(2.2, 2.75, t));
    c = mix(c, token.palette[4].rgb, smoothstep(0.62, 0.92, o.w + 0.12 * bristle) * 0.94);
    c *= 1.0 + 0.22 * soft(vec4f(o.y)).x;
    c *= 1.0 + 0.09 * bristle;
    let relief = 0.55 + 0.45 * token.impasto;
    c *= 1.0 + relief * 0.5 * (light - 0.72);
    c += pow(clamp(light, 0.0, 1.0), 14.0) * 0.14 * relief;

    // The mount's paper, with the shadow that its cut edge throws.
    let grain = unit(hash(u32(pixel.x) + u32(pixel.y) * 65536u));
    if (token.mount > 0.5) {
        let paper = mix(vec3f(0.945, 0.93, 0.9), token.palette[3].rgb, 0.25);
        let edge = inside + 0.0022 * (noise1(uv.x * 90.0 + uv.y * 13.0, 3u) - noise1(uv.y * 90.0 - uv.x * 17.0, 4u));
        c *= 1.0 - 0.3 * exp2(-max(edge, 0.0) * 120.0);
        let fibre = noise1(uv.x * 230.0 + uv.y * 40.0, 5u) * noise1(uv.y * 310.0, 6u);
        c = mix(paper * (0.985 + 0.02 * fibre), c, smoothstep(-px, px, edge));
    }
    let v = uv - 0.5;
    c *= 1.0 - 0.22 * dot(v, v);
    c += (grain - 0.5) * 0.012;
    return vec4f(clamp(c, vec3f(0.0), vec3f(1.0)), 1.0);
}
