// Aurora. Everything above the shoreline is `scene`; the water shows it upside down, bent by ripples.
// x runs from -0.5 to 0.5 over the canvas, y is the height above the shoreline, both in widths of the canvas.
// Colours are squared on the way in and rooted on the way out, so that light adds up as light does.

fn hash(v: u32) -> u32 {
    let s = v * 747796405u + 2891336453u;
    let w = ((s >> ((s >> 28u) + 4u)) ^ s) * 277803737u;
    return (w >> 22u) ^ w;
}

fn unit(h: u32) -> f32 {
    return f32(h >> 8u) * (1.0 / 16777216.0);
}

// A number of the token, 0 to 1.
fn lot(i: u32) -> f32 {
    return unit(hash(token.seed.x ^ hash(token.seed.y + i)));
}

// Two uncorrelated numbers of a cell in one hash.
fn cell(p: vec2f, salt: u32) -> vec2f {
    let i = vec2i(floor(p));
    let h = hash(u32(i.x) * 1597334677u ^ (u32(i.y) * 3812015801u + salt));
    return vec2f(f32(h & 0xffffu), f32(h >> 16u)) * (1.0 / 65536.0);
}

// A cheaper hash for the corners of noise.
fn corner(v: u32) -> f32 {
    let h = (v ^ (v >> 15u)) * 739982445u;
    return f32((h ^ (h >> 12u)) & 0xffffu) * (1.0 / 65535.0);
}

fn noise1(x: f32, salt: u32) -> f32 {
    let f = floor(x);
    let t = x - f;
    let i = (u32(i32(f)) + salt) * 2654435769u;
    return mix(corner(i), corner(i + 2654435769u), t * t * (3.0 - 2.0 * t));
}

fn noise2(p: vec2f, salt: u32) -> f32 {
    let f = floor(p);
    let t = p - f;
    let s = t * t * (3.0 - 2.0 * t);
    let i = vec2i(f);
    let at = u32(i.x) * 1597334677u + u32(i.y) * 3812015801u + salt;
    return mix(mix(corner(at), corner(at + 1597334677u), s.x),
        mix(corner(at + 3812015801u), corner(at + 1114383182u), s.x), s.y);
}

// One curtain: a sharp lower border along a curve, rays above it that thin out and turn to the colour of the tops.
// `u` runs along the curtain and `v` is the height above the border's middle line.
fn curtain(u: f32, v: f32, k: u32, sway: f32, tall: f32, fine: f32, gap: f32) -> vec2f {
    let a = u * (2.1 + 1.2 * lot(100u + k)) + 6.28 * lot(110u + k);
    let bend = sin(a) + 0.45 * sin(a * 2.3 + 6.28 * lot(120u + k));
    // Rays crowd where the curtain turns away from the viewer.
    let w = u * 7.0 + 1.6 * sin(a * 1.7 + 1.0);
    let salt = token.seed.z + 4096u * k;
    let broad = noise1(w, salt);
    let thin = noise1(w * 6.3, salt + 37u);
    let ray = mix(broad, thin, 0.2 + 0.3 * fine);
    let h = v - sway * bend;
    let length_of_ray = tall * (0.35 + 1.3 * ray * ray + 0.25 * broad);
    let t = h / length_of_ray;
    let body = exp2(-2.6 * max(t, 0.0)) * smoothstep(-0.022 - 0.03 * broad, 0.014, h);
    let strength = (0.3 + 1.5 * ray * ray) * mix(1.0, smoothstep(0.25, 0.7, broad), gap);
    let purple = smoothstep(0.0, 1.5, t);
    return vec2f(body * (1.0 - purple), body * purple * 1.5 + 0.4 * body * body * purple) * strength;
}

fn aurora(q: vec2f) -> vec3f {
    let form = token.form;
    let turn = token.bearing;
    // Rays point at the magnetic zenith, far above the picture.
    let lean = (q.x - 0.25 * turn) / (1.0 + 0.9 * q.y);
    let swing = 0.05 * sin(q.y * 7.0 + 6.28 * lot(130u));
    let slope = select(select(0.55 * turn, 0.12 * turn, form == 1.0), 0.2 * turn, form == 2.0);
    let bow = select(0.25, -0.9, form == 1.0);
    let fine = select(0.35, 1.0, form >= 2.0);
    var tall = select(0.22, 0.36, form == 2.0) * token.reach;
    var sway = select(0.07, 0.018, form == 1.0);
    let gap = select(0.35, 0.85, form == 2.0);
    var u = lean + swing;
    let base = select(select(0.20, 0.30, form == 1.0), 0.15, form == 2.0) + slope * u + bow * u * u;
    var v = q.y - base;
    var v1 = q.y - base * 0.55 - 0.03;
    var v2 = v - 0.22 - 0.25 * turn * u;
    if (form == 3.0) {
        // Seen from below: the rays meet in the zenith, just above the picture.
        let d = q - vec2f(0.2 * turn, token.shoreline + 0.02);
        let r = length(d);
        u = 1.1 * atan2(d.x, -d.y);
        v = 0.50 * token.reach - r;
        v1 = 0.64 * token.reach - r;
        v2 = 0.30 * token.reach - r;
        sway = 0.022;
        tall = 0.42;
    }
    var light = curtain(u, v, 0u, sway, tall, fine, gap) * 1.15;
    light += curtain(u * 1.3 + 0.3, v1, 1u, sway * 0.5, tall * 0.45, fine, 0.7) * 0.6;
    light += curtain(u * 0.7 - 0.2 * turn, v2, 2u, sway * 1.5, tall * 1.1, fine, 0.85) * 0.6;
    light *= smoothstep(0.0, 0.1, q.y);
    let a = token.palette[2].rgb;
    let b = token.palette[3].rgb;
    return a * a * light.x * 1.5 + b * b * light.y * 2.0 + vec3f(0.5) * light.x * light.x * a;
}

fn ridge(x: f32, salt: u32, frequency: f32, rough: f32) -> f32 {
    let a = 1.0 - abs(2.0 * noise1(x * frequency, salt) - 1.0);
    let b = noise1(x * frequency * 2.3, salt + 77u);
    let c = noise1(x * frequency * 6.1, salt + 191u);
    return a * 0.62 + rough * (b * 0.32 + c * 0.13);
}

// A row of spruces on ground of height `ground`: how much of a pixel they cover.
fn spruces(q: vec2f, ground: f32, each: f32, tallest: f32, salt: u32, px: f32) -> f32 {
    let k = q.x / each;
    let r = cell(vec2f(k, 0.0), salt);
    let tall = tallest * (0.35 + 0.65 * r.x * r.x) ;
    let t = (q.y - ground) / tall;
    let across = abs(fract(k) - 0.3 - 0.4 * r.y) * each;
    let half_width = tall * 0.21 * (1.02 - t) * (0.62 + 0.5 * fract(3.0 - t * 7.0));
    return smoothstep(px, -px, across - half_width) * step(t, 1.0);
}

fn stars(q: vec2f, px: f32) -> f32 {
    let g = q * 34.0 + lot(20u) * 64.0;
    let r = cell(g, token.seed.z);
    let rare = fract(r.x * 23.0);
    let power = rare * rare * rare * rare;
    let d = length(fract(g) - 0.1 - 0.8 * r) / 34.0;
    let size = max(0.0005 + 0.0011 * power, px * 0.7);
    return clamp(1.6 - d / size, 0.0, 1.0) * (0.05 + power) * step(0.3, rare) * smoothstep(0.05, 0.35, q.y);
}

fn scene(q: vec2f, px: f32, sky_only: f32) -> vec3f {
    let storm = token.weather.unit;
    let zenith = token.palette[0].rgb;
    let horizon = token.palette[1].rgb;
    let glow = token.palette[2].rgb;
    let land = token.palette[4].rgb;

    let fall = exp2(-q.y * 5.0);
    var sky = mix(zenith * zenith, horizon * horizon, fall);
    sky += glow * glow * (0.10 * exp2(-q.y * 9.0)) * (1.0 - 0.7 * storm);
    let clear = 1.0 - smoothstep(0.3, 1.0, storm);
    sky += vec3f(0.85, 0.9, 1.0) * stars(q, px) * clear * sky_only;

    sky += aurora(q) * (1.0 - 0.6 * smoothstep(0.15, 1.0, storm));

    // Guests of the sky.
    let side = select(-1.0, 1.0, lot(30u) > 0.5);
    let seat = vec2f(side * (0.16 + 0.2 * lot(31u)), 0.34 + 0.16 * lot(32u));
    if (token.guest == 1.0 || token.guest == 2.0) {
        let radius = 0.034;
        let d = length(q - seat);
        var disc = smoothstep(px, -px, d - radius);
        if (token.guest == 2.0) {
            disc *= smoothstep(-px, px, length(q - seat - vec2f(0.016 * side, 0.008)) - radius * 0.92);
        }
        let soft = radius / (radius + max(d - radius, 0.0) * 6.0);
        let pale = mix(vec3f(1.0, 0.97, 0.9), glow, 0.15);
        sky = mix(sky, pale * pale * 1.5, disc * (1.0 - 0.7 * storm)) + pale * pale * 0.12 * soft * soft * (1.0 - 0.5 * storm);
    }
    if (token.guest == 3.0) {
        let along = normalize(vec2f(side, -0.42));
        let d = q - seat;
        let a = dot(d, along);
        let b = abs(dot(d, vec2f(-along.y, along.x)));
        let trail = smoothstep(-0.24, 0.0, a) * step(a, 0.0);
        sky += vec3f(1.0, 0.97, 0.92) * trail * trail * clamp(1.5 - b / max(0.0013 * trail, 0.7 * px), 0.0, 1.0) * clear;
    }

    // Cloud, lit from within by the lights behind it.
    if (storm > 0.05) {
        let along = vec2f(q.x * 2.0, q.y * 5.0) / (0.35 + q.y);
        let drift = vec2f(lot(40u) * 90.0 + storm * 2.0, lot(41u) * 90.0);
        var n = noise2(along + drift, 5u) * 0.52;
        n += noise2(along * 2.1 + drift + n * 1.2, 6u) * 0.28;
        n += noise2(along * 5.3 + drift + n, 7u) * 0.20;
        let edge = 0.86 - 0.66 * storm;
        let cover = smoothstep(edge, edge + 0.26, n);
        let thick = smoothstep(edge + 0.06, edge + 0.45, n);
        let lit = mix(mix(zenith, horizon, 0.5), glow, 0.34 - 0.2 * storm);
        let body = mix(lit * lit, zenith * zenith * 0.7 + 0.003, thick) + horizon * horizon * 0.35 * fall + glow * glow * 0.05 * storm * exp2(-dot(q - seat, q - seat) * 16.0);
        sky = mix(sky, body, cover * 0.96);
    }

    // Land: three ridges, each darker and nearer, with mist between them.
    let kind = token.land;
    let rough = select(1.0, 0.45, kind == 2.0 || kind == 3.0);
    let tall = select(select(select(0.2, 0.3, kind == 1.0), 0.13, kind == 2.0), 0.05, kind == 3.0);
    let valley = select(1.0, 0.12 + 2.6 * abs(q.x - 0.1 * token.bearing), kind == 1.0);
    let salt = token.seed.w >> 8u;
    let mist = mix(horizon * horizon, glow * glow, 0.07) * (0.8 - 0.3 * storm);
    var far = tall * valley * ridge(q.x + lot(50u), salt, 3.6, rough);
    if (kind == 4.0) {
        let away = abs(q.x - 0.22 * token.bearing);
        far = max(far * 0.45, min(0.30 * exp2(-away * 7.5) , 0.235 + 0.012 * noise1(q.x * 60.0, salt)));
    }
    let back = land * land;
    let far_colour = mix(mist, back, 0.45 + 0.35 * smoothstep(0.0, 0.2, q.y));
    sky = mix(sky, far_colour, smoothstep(px, -px, q.y - far));
    let middle = 0.55 * tall * valley * ridge(q.x * 1.1 + lot(51u) * 9.0, salt + 500u, 4.6, rough) ;
    let middle_colour = mix(mist, back, 0.60 + 0.35 * smoothstep(-0.01, 0.09, q.y));
    sky = mix(sky, middle_colour, smoothstep(px, -px, q.y - middle));
    let bank = 0.012 + 0.028 * noise1(q.x * 3.0, salt + 900u);
    var near = smoothstep(px, -px, q.y - bank);
    if (kind != 3.0) {
        let tree = select(0.05, 0.10, kind == 2.0);
        near = max(near, spruces(q, bank - 0.006, 0.019, tree, salt, px));
        near = max(near, spruces(q + 0.37, bank + 0.364, 0.013, tree * 0.6, salt + 3u, px));
    }
    sky = mix(sky, back * 0.45, near);

    if (token.guest == 4.0) {
        let c = vec2f(side * (0.1 + 0.2 * lot(33u)), bank + 0.008);
        let d = q - c;
        let wall = max(abs(d.x) - 0.02, abs(d.y) - 0.013);
        let roof = max(abs(d.x) * 0.62 + d.y - 0.03, 0.009 - d.y);
        sky = mix(sky, back * 0.3, smoothstep(px, -px, min(wall, roof)));
        let pane = max(abs(abs(d.x) - 0.009) - 0.0038, abs(d.y + 0.001) - 0.0045);
        sky = mix(sky, vec3f(1.0, 0.62, 0.2), smoothstep(px, -px, pane));
        sky += vec3f(1.0, 0.5, 0.15) * 0.16 * exp2(-length(d) * 60.0);
    }
    return sky;
}

@fragment fn main(@builtin(position) p: vec4f) -> @location(0) vec4f {
    let uv = canvas_uv(p);
    let storm = token.weather.unit;
    let px = 0.75 / token.picture.x;
    let grain = unit(hash(u32(p.x) * 1973u + u32(p.y) * 9277u * 8192u));
    var q = vec2f(uv.x - 0.5, token.shoreline - uv.y);
    let depth = max(-q.y, 0.0);
    let water = step(q.y, 0.0);
    // Ripples are long across and short along the view, and grow towards the viewer and with the wind.
    let ripple = noise2(vec2f(q.x * 9.0, 1.0 / (depth + 0.05) * 6.0), 21u) - 0.5
        + 0.6 * (noise2(vec2f(q.x * 34.0, 1.0 / (depth + 0.05) * 17.0), 22u) - 0.5);
    let bend = water * ripple * (0.004 + 0.05 * storm) * smoothstep(0.0, 0.05, depth);
    q = vec2f(q.x + bend * 0.5, abs(q.y) + abs(bend) * (0.7 + 3.0 * depth));
    var light = scene(q, px * (1.0 + water), 1.0 - 0.8 * water);
    let tint = token.palette[0].rgb;
    let mirror = 0.62 - 0.3 * storm;
    let lake = mix(tint * tint * 1.2, light, mirror * (1.0 - 0.5 * smoothstep(0.0, 0.45, depth)))
        + token.palette[1].rgb * token.palette[1].rgb * max(ripple, 0.0) * (0.06 + 0.5 * storm) * smoothstep(0.0, 0.02, depth);
    light = mix(light, lake, water);
    // A line of mist where land and water meet.
    light = mix(light, token.palette[1].rgb * token.palette[1].rgb, 0.35 * exp2(-abs(token.shoreline - uv.y) * 190.0));

    // Snow on the wind.
    if (storm > 0.6) {
        let gale = (storm - 0.6) * 2.5;
        let g = vec2f(uv.x + uv.y * (0.3 + 0.5 * gale), uv.y * (0.7 - 0.25 * gale)) * 34.0 + lot(60u) * 40.0;
        let r = cell(g, 31u);
        let chance = fract(r.x * 17.0 + r.y * 5.0);
        let d = length(fract(g) - 0.25 - 0.5 * r) / (0.06 + 0.2 * chance * chance);
        light += (token.palette[1].rgb + 0.3) * clamp(1.0 - d, 0.0, 1.0) * (1.2 - chance) * (0.1 + 0.45 * gale);
    }
    // A lens gathers less light in its corners.
    let v = uv - 0.5;
    light *= 1.0 - 0.55 * dot(v, v);
    let colour = sqrt(light / (1.0 + 0.25 * light)) + (grain - 0.5) * (1.6 / 255.0);
    return vec4f(clamp(colour, vec3f(0.0), vec3f(1.0)), 1.0);
}
