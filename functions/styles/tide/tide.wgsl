// Tide. The eye looks along +z over a sea at y = 0. The sea is a height field that rays are marched to; the landmark
// is a distance field. Colours are squared on the way in and rooted on the way out, so that light adds up.

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

fn corner(v: u32) -> f32 {
    let h = (v ^ (v >> 15u)) * 739982445u;
    return f32((h ^ (h >> 12u)) & 0xffffu) * (1.0 / 65535.0);
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

// 1 at a crest, 0 in a trough; not quite sharp, so that light rolls over it.
fn crest(s: f32) -> f32 {
    return 1.03 - sqrt(s * s + 0.03);
}

// The swell that rays are marched to: two crossing trains of waves.
fn swell(p: vec2f) -> f32 {
    let a = crest(sin(dot(p, vec2f(0.15, 0.33)) + 0.7 * sin(p.x * 0.21 + 6.28 * lot(1u)) + 6.28 * lot(2u)));
    let b = crest(sin(dot(p, vec2f(-0.33, 0.62)) + 1.1 * a + 6.28 * lot(3u)));
    // It lies down before the eye, which would otherwise be under water.
    return (0.03 + 0.97 * token.storm) * smoothstep(0.0, 6.0, p.y) * (1.9 * a * a + 0.6 * b * b - 0.6);
}

// What the wind adds to it, too small to march to. `near` fades it out with distance.
fn ripples(p: vec2f, near: f32) -> f32 {
    let wind = 0.0045 + 0.03 * token.storm;
    let c = crest(sin(dot(p, vec2f(0.95, 1.15)) + 1.3 * sin(p.y * 0.7 + p.x * 0.4) + 6.28 * lot(4u)));
    let a = sin(dot(p, vec2f(2.3, 5.1)) + 2.0 * c) + sin(dot(p, vec2f(-3.9, 4.3)) + 1.5 * c);
    let b = sin(dot(p, vec2f(7.7, 11.3)) + 2.0 * a) + sin(dot(p, vec2f(-10.1, 9.7)) + a);
    return wind * (a + 0.45 * b * near) * near + 0.17 * token.storm * c * c;
}

// The landmark, without its matter. Every kind is the same few solids in other proportions, which follow from the
// uniforms: a rough body, a standing cone (or two, mirrored), a narrower one on top of it, a beam, and a sail.
fn landmark(p: vec3f) -> f32 {
    let kind = token.landmark;
    let lighthouse = kind == 0.0;
    let boat = kind == 1.0;
    let buoy = kind == 2.0;
    let stacks = kind == 3.0;
    let gate = kind == 4.0;

    // The body: rock, hull, float or foot, and what roughens it.
    var scale = vec3f(0.62, 1.35, 0.7);
    if (boat) { scale = vec3f(0.82, 2.1, 2.3); }
    if (buoy) { scale = vec3f(1.45, 3.2, 1.45); }
    if (stacks) { scale = vec3f(0.55, 1.6, 0.8); }
        let rough = select(0.0, select(0.15, 0.2, stacks), lighthouse || stacks);
    let bump = rough * (1.5 * abs(sin(p.x * 2.3 + 1.1 * p.y + 6.28 * lot(6u)) * sin(p.z * 2.1 + p.y * 1.7 + 1.9 * p.x)) - 0.6);
    let low = select(select(0.0, 0.14, boat), -2.0, gate);
    var d = (length((p - vec3f(0.0, low, 0.0)) * scale) - 0.95) / max(scale.x, scale.y) * select(1.0, 1.5, lighthouse || stacks) + bump;
    d = max(d, p.y - select(9.0, select(0.42 + 0.06 * p.x * p.x, 0.3, buoy), boat || buoy));

    // The cone, from y = a up to b, of radius r below and s above, mirrored at a distance m.
    let a = select(select(0.0, 0.2, boat), -0.8, stacks || gate);
    let b = select(select(select(3.15, 3.0, boat), 1.6, buoy), select(2.75, 2.72, gate), stacks || gate);
    let r = select(select(select(0.45, 0.035, boat), 0.5, buoy), select(1.15, 0.16, gate), stacks || gate);
    let s = select(select(select(0.27, 0.025, boat), 0.15, buoy), select(0.42, 0.13, gate), stacks || gate);
    let m = select(0.0, 0.95, gate);
    let shaft = length(vec2f(select(p.x, abs(p.x) - m + 0.05 * p.y, gate), p.z)) - mix(r, s, (p.y - a) / (b - a));
    // A buoy's cone is open work: four legs.
    let legs = select(shaft, max(abs(shaft) - 0.035, min(abs(p.x + p.z), abs(p.x - p.z)) - 0.06), buoy);
    d = min(d, max(legs, abs(p.y - 0.5 * (a + b)) - 0.5 * (b - a)) * 0.85 + 0.8 * bump * select(0.0, 1.0, stacks));

    // On top of it: gallery and lamp, bell, second stack, tie beam.
    let q = p - select(select(vec3f(0.0, b + 0.35, 0.0), vec3f(1.75, 0.3, 0.5), stacks), vec3f(0.0, 0.98, 0.0), buoy);
    let wide = select(select(select(0.40, 0.22, buoy), 0.62, stacks), 0.0, boat || gate);
    let narrow = select(wide, mix(0.21, 0.02, smoothstep(0.07, 0.4, q.y)) + 0.12 * step(0.05, q.y) * step(q.y, 0.11), lighthouse && q.y > -0.26);
    let tall = select(select(select(0.42, 0.2, buoy), 1.3, stacks), 0.0, boat || gate);
    let cap = max(length(q.xz) - narrow * select(1.0, 1.0 - 0.35 * q.y, stacks), abs(q.y) - tall) + bump * select(0.0, 1.0, stacks);
    d = min(d, select(cap * 0.85, 9.0, boat || gate));
    let lamp = length(p - vec3f(0.0, 1.72, 0.0)) - 0.13;
    d = select(d, min(d, lamp), buoy);

    // Beams of the gate, or sails.
    let curve = p.y - 0.07 * p.x * p.x;
    let tie = vec3f(abs(p.x) - 1.2, abs(p.y - 2.0) - 0.1, abs(p.z) - 0.09);
    let lintel = vec3f(abs(p.x) - 1.6, abs(curve - 2.7) - 0.16, abs(p.z) - 0.2);
    let beams = min(max(tie.x, max(tie.y, tie.z)), max(lintel.x, max(lintel.y, lintel.z)));
    let bulge = abs(p.z - 0.16 + 0.016 * p.y * p.y) - 0.025;
    let main_sail = max(p.x - 0.04, -0.05 - p.x - 0.42 * (2.9 - p.y));
    let jib = max(0.14 - p.x, p.x - 0.14 - 0.36 * (2.6 - p.y));
    let sails = max(max(bulge, min(main_sail, jib)), 0.5 - p.y) * 0.8;
    return min(d, select(select(9.0, beams * 0.9, gate), sails, boat));
}

// What it is made of there.
fn skin(p: vec3f) -> vec3f {
    let kind = token.landmark;
    let grit = noise2(vec2f(p.x + p.z, p.y * 2.2 + 0.6 * p.x) * 3.7, 31u);
    let strata = noise2(vec2f(p.y * 9.0 + p.x, p.z * 2.0), 32u);
    let stone = vec3f(0.20, 0.185, 0.18) * (0.35 + 0.75 * grit) * (0.55 + 0.6 * strata);
    let white = vec3f(0.85, 0.82, 0.76);
    let red = vec3f(0.5, 0.07, 0.05);
    let dark = vec3f(0.10, 0.07, 0.06);
    if (kind == 0.0) {
        let out = length(p.xz);
        let stripe = select(white, red, fract((p.y - 0.1) * 0.78) > 0.5);
        return select(select(select(stripe, dark, p.y > 3.1), red, p.y > 3.54), stone, p.y < 0.5 || out > 0.5);
    } else if (kind == 1.0) {
        return select(select(dark, white, p.y > 0.28), vec3f(0.9, 0.84, 0.74), p.y > 0.46);
    } else if (kind == 2.0) {
        return select(red, dark, length(p - vec3f(0.0, 0.98, 0.0)) < 0.31);
    } else if (kind == 3.0) {
        return stone;
    }
    return select(red, dark, p.y - 0.07 * p.x * p.x > 2.74 || p.y < 0.2);
}

fn sun_direction() -> vec3f {
    let high = select(select(0.10, 0.36, token.sky == 1.0), 0.16, token.sky == 3.0);
    return normalize(vec3f(-0.42 * sign(token.berth) * (0.5 + 0.5 * lot(7u)), high + 0.08 * lot(8u), 1.0));
}

// The sky without clouds: what calm water gives back.
fn dome(d: vec3f) -> vec3f {
    let storm = token.storm;
    let high = token.palette[0].rgb;
    let low = token.palette[1].rgb;
    let sun = token.palette[2].rgb;
    let up = max(d.y, 0.0);
    let grey = vec3f(dot(low * low, vec3f(0.3, 0.5, 0.2)));
    let near_horizon = exp2(-up * (5.5 + 4.0 * storm));
    let dim = 1.0 - storm * (0.80 - 0.48 * near_horizon);
    var c = mix(high * high, low * low, near_horizon);
    c = mix(c, mix(grey, high * high, 0.5), 0.45 * storm) * dim;
    if (token.sky != 2.0) {
        let s = max(dot(d, sun_direction()), 0.0);
        let s2 = s * s;
        let s8 = s2 * s2 * s2 * s2;
        c += sun * sun * (0.16 * s8 + 0.35 * pow(s8, 14.0)) * (1.0 - 0.85 * storm);
    }
    return c;
}

fn clouds(d: vec3f, base: vec3f) -> vec3f {
    let storm = token.storm;
    let p = d.xz / (d.y + 0.09) * 0.75 + vec2f(40.0 * lot(9u), 40.0 * lot(10u));
    var n = noise2(p * 0.8, 1u) * 0.55;
    n += noise2(p * 1.9 + n, 2u) * 0.28;
    n += noise2(p * 4.3 + n * 2.0, 3u) * 0.17;
    let edge = 0.66 - 0.42 * storm;
    let cover = smoothstep(edge, edge + 0.3, n) * smoothstep(0.0, 0.12, d.y);
    let thick = smoothstep(edge + 0.1, edge + 0.5, n);
    let low = token.palette[1].rgb;
    let sun = token.palette[2].rgb;
    let glow = max(dot(d, sun_direction()), 0.0);
    let bright = mix(low * low, sun * sun, 0.35 + 0.4 * glow * glow) * (1.0 - 0.68 * storm);
    let dark = token.palette[0].rgb * token.palette[0].rgb * (0.85 - 0.7 * storm);
    return mix(base, mix(bright, dark, thick * (0.35 + 0.65 * storm)), cover * (0.75 + 0.2 * storm));
}

fn suns(d: vec3f, px: f32) -> vec3f {
    if (token.sky == 2.0) {
        return vec3f(0.0);
    }
    let s = sun_direction();
    let sun = token.palette[2].rgb;
    let radius = select(0.062, 0.075, token.sky == 3.0);
    // Compared on the picture's plane, where a disc stays round.
    let flat = d.xy / max(d.z, 0.1) - s.xy / s.z;
    let r = length(flat);
    var disc = smoothstep(px, -px, r - radius);
    if (token.sky == 3.0) {
        disc = disc * smoothstep(-px, px, length(flat - vec2f(0.004, 0.003)) - radius * 0.94) + 0.5 * exp2(-abs(r - radius) * 60.0);
    } else if (token.sky == 4.0) {
        disc += smoothstep(px, -px, length(flat - vec2f(0.16, 0.10)) - 0.026);
    }
    return sun * sun * disc * 1.1 * (1.0 - token.storm);
}

@fragment fn main(@builtin(position) pixel: vec4f) -> @location(0) vec4f {
    let uv = canvas_uv(pixel);
    let storm = token.storm;
    let grain = unit(hash(u32(pixel.x) + u32(pixel.y) * 65536u));
    let screen = vec2f(2.0 * uv.x - 1.0, 1.0 - 2.0 * uv.y);
    let px = 2.0 / token.picture.x;
    var eye = vec3f(0.0, 1.35 + 0.45 * storm, 0.0);
    // A following sea rolls the horizon.
    let roll = 0.05 * storm * (lot(11u) - 0.5) * 2.0;
    var ray = normalize(vec3f(screen.x + roll * screen.y, screen.y - roll * screen.x - 0.16, 1.55));

    // Where the landmark stands, how it rides, and how its axes lie.
    let kind = token.landmark;
    let seat = vec2f(sign(token.berth) * (0.16 + 0.1 * abs(token.berth)) * token.distance, token.distance);
    let floats = select(0.0, 1.0, kind == 1.0 || kind == 2.0);
    let ride = floats * swell(seat);
    let slope = floats * (swell(seat + vec2f(0.6, 0.0)) - swell(seat - vec2f(0.6, 0.0)));
    let yaw = token.heading + select(0.0, 0.3, kind == 3.0);
    let along = vec2f(cos(yaw), sin(yaw));
    let lean = 0.6 * slope;
    let bound = select(2.45, 2.9, kind == 3.0);
    let middle = vec3f(seat.x, 1.35 + ride, seat.y);

    // The sea.
    var t_sea = 1e3;
    let top = 1.27 * (0.03 + 0.97 * storm);
    let floor_at = -0.6 * (0.03 + 0.97 * storm);
    if (ray.y < 0.02) {
        var t = max((eye.y - top) / max(-ray.y, 0.001), 0.5);
        let last = min((eye.y - floor_at) / max(-ray.y, 0.001), 70.0);
        var before = 1.0;
        var t_before = t;
        for (var i = 0; i < 16 && t < last; i++) {
            let above = eye.y + ray.y * t - swell(eye.xz + ray.xz * t);
            if (above < 0.004 * t) {
                // Where the line through the last two heights meets the water.
                t_sea = t + clamp(above * (t - t_before) / max(before - above, 0.0001), t_before - t, 0.02 * t);
                break;
            }
            before = above;
            t_before = t;
            t += max(above * (0.9 + 0.03 * t), 0.016 * t);
        }
        if (ray.y < 0.0 && t_sea > 900.0 && t < 71.0) {
            t_sea = max(t, 1.0);
        }
    }
    let at_sea = t_sea < 900.0;

    // The normal of the water.
    let p = eye + ray * min(t_sea, 80.0);
    let far = min(t_sea, 80.0);
    let e = 0.012 * far;
    let near = 1.0 / (1.0 + 0.05 * far * far * (1.0 - 0.6 * storm));
    let h0 = swell(p.xz) + ripples(p.xz, near);
    let hx = swell(p.xz + vec2f(e, 0.0)) + ripples(p.xz + vec2f(e, 0.0), near);
    let hz = swell(p.xz + vec2f(0.0, e)) + ripples(p.xz + vec2f(0.0, e), near);
    let normal = normalize(vec3f(h0 - hx, e, h0 - hz));
    var mirror = reflect(ray, normal);
    mirror = normalize(vec3f(mirror.x, abs(mirror.y) + 0.01, mirror.z));

    // The landmark: seen directly first, then in the water.
    var found = -1.0;
    var spot = vec3f(0.0);
    var in_water = 0.0;
    // A ray that misses by less than a pixel is partly covered.
    var cover = 1.0;
    let cone_of_pixel = 0.8 * px;
    let passes = select(2, 1, storm > 0.6);
    for (var pass_ = 0; pass_ < passes; pass_++) {
        var from_ = eye;
        var toward = ray;
        var limit = t_sea;
        if (pass_ == 1) {
            from_ = p;
            toward = mirror;
            limit = select(-1.0, 40.0, at_sea);
        }
        let o = from_ - middle;
        let b = dot(o, toward);
        let c = dot(o, o) - bound * bound;
        let inside = b * b - c;
        let width = sqrt(max(inside, 0.0));
        var t = max(-b - width, 0.02);
        let last = select(-1.0, min(-b + width, limit), inside > 0.0 && found < 0.0);
        var best = 1.0;
        var best_t = 0.0;
        var best_spot = vec3f(0.0);
        for (var i = 0; i < 22 && t < last; i++) {
            let q = from_ + toward * t;
            let w = q - vec3f(seat.x, ride, seat.y);
            let turned = vec3f(w.x * along.x + w.z * along.y, w.y, w.z * along.x - w.x * along.y);
            let l = vec3f(turned.x - lean * turned.y, turned.y + lean * turned.x, turned.z);
            let apart = landmark(l);
            let ratio = apart / (t + f32(pass_) * far);
            if (ratio < best) {
                best = ratio;
                best_t = t;
                best_spot = l;
            }
            if (ratio < 0.0007) {
                found = t;
                spot = l;
                in_water = f32(pass_);
                break;
            }
            t += apart;
        }
        if (pass_ == 0 && found < 0.0 && best < cone_of_pixel) {
            found = best_t;
            spot = best_spot;
            cover = 1.0 - best / cone_of_pixel;
        }
    }

    // The colour of what was found.
    let haze = dome(vec3f(ray.x, 0.02, ray.z));
    let sun = token.palette[2].rgb;
    let low = token.palette[1].rgb;
    let sun_at = sun_direction();
    var thing = vec3f(0.0);
    if (found >= 0.0) {
        var n = vec3f(0.0, 0.0, -1e-5);
        for (var i = 0; i < 4; i++) {
            let corner_of = 0.5773 * (2.0 * vec3f(f32(((i + 3) >> 1u) & 1), f32((i >> 1u) & 1), f32(i & 1)) - 1.0);
            n += corner_of * landmark(spot + 0.015 * corner_of);
        }
        n = normalize(n);
        // Back into the world's axes.
        let world = vec3f(n.x * along.x - n.z * along.y, n.y, n.z * along.x + n.x * along.y);
        let side = vec3f(-0.8 * sign(sun_at.x), 0.45, -0.55);
        let key = max(dot(world, normalize(vec3f(sun_at.x * 2.2, sun_at.y + 0.3, -0.25))), 0.0);
        let fill = 0.5 + 0.5 * world.y;
        let rim = pow(clamp(1.0 + dot(world, ray), 0.0, 1.0), 3.0);
        let light = sun * sun * key * 1.0 * (1.0 - 0.8 * storm) + dome(vec3f(0.0, 0.5, 0.0)) * fill * 0.8 + low * low * rim * 0.35 * (1.0 - 0.6 * storm)
            + 0.10 * low * low * max(dot(world, side), 0.0);
        thing = skin(spot) * light;
        // Wet and dark where the sea reaches.
        thing *= 0.35 + 0.65 * smoothstep(0.0, 0.4, spot.y);
        let lit = (kind == 0.0 && spot.y > 3.26 && spot.y < 3.54 && length(spot.xz) < 0.25) || (kind == 2.0 && spot.y > 1.6);
        if (lit) {
            thing = vec3f(1.0, 0.78, 0.4) * (0.6 + 1.6 * storm);
        }
        // Air between it and the eye.
        thing = mix(thing, haze, 0.10 + 0.12 * storm);
    }

    var light = vec3f(0.0);
    if (at_sea) {
        let deep = token.palette[3].rgb;
        let shallow = token.palette[4].rgb;
        let facing = clamp(-dot(ray, normal), 0.0, 1.0);
        let f1 = 1.0 - facing;
        let fresnel = 0.03 + 0.97 * f1 * f1 * f1 * f1 * f1;
        var back = dome(mirror);
        if (in_water > 0.5) {
            back = thing;
        }
        let body = deep * deep * (1.0 - 0.45 * storm);
        // Light comes through the thin tops of waves.
        let thin = smoothstep(0.1, 1.0, p.y / (0.2 + storm)) * (0.3 + 0.7 * clamp(1.0 - normal.y, 0.0, 1.0) * 2.0);
        light = mix(body + shallow * shallow * (0.10 + 0.55 * thin) * (1.0 - 0.4 * storm), back, fresnel * (0.95 - 0.25 * storm));
        // The sun's road.
        if (token.sky != 2.0) {
            let g = max(dot(mirror, sun_at), 0.0);
            light += sun * sun * (pow(g, 160.0) * 1.2 + pow(g, 24.0) * 0.12) * (1.0 - 0.8 * storm);
        }
        // Foam on crests that stand too steep, torn by noise.
        if (storm > 0.15) {
            // Foam is lace: bright where a warped noise passes its middle, closing up towards the crests.
            let coarse = noise2(vec2f(p.x * 0.9, p.z * 1.6 + 0.5 * p.x), 5u);
            let fine = noise2(p.xz * vec2f(4.1, 6.2) + 2.4 * coarse, 6u);
            let web = 1.0 - abs(2.0 * fine - 1.0);
            let height = p.y / (0.03 + 0.97 * storm);
            let solid = smoothstep(0.55, 1.15, height + 0.6 * (coarse - 0.5) + 0.7 * (fine - 0.5));
            let blur = 1.0 / (1.0 + 0.012 * far * far);
            let lace = smoothstep(0.72, 0.97, web) * smoothstep(0.3, 0.75, coarse + 0.35 * height) * blur;
            let foam = max(solid, 0.7 * lace) * smoothstep(0.12, 0.7, storm);
            let white = mix(dome(vec3f(0.0, 0.6, 0.0)), vec3f(0.8, 0.84, 0.88), 0.45) * (0.95 - 0.3 * storm) * (0.45 + 0.35 * fine + 0.5 * clamp(dot(normal, vec3f(0.4 * sign(sun_at.x), 0.6, -0.7)), 0.0, 1.0));
            light = mix(light, white, foam * 0.85);
        }
        // Haze towards the horizon.
        light = mix(light, haze, smoothstep(14.0, 75.0, far) * (0.55 + 0.3 * storm));
    } else {
        light = clouds(vec3f(ray.x, max(ray.y, 0.0), ray.z), dome(ray) + suns(ray, px * 0.6));
    }
    if (found >= 0.0 && in_water < 0.5) {
        light = mix(light, thing, cover);
    }

    // Lamps: a glow, and the beam of the lighthouse.
    if (kind == 0.0 || kind == 2.0) {
        let height = select(1.75, 3.38, kind == 0.0);
        let lamp = vec3f(seat.x, ride + height, seat.y);
        let v = lamp - eye;
        let to_lamp = normalize(v);
        let apart = length(ray - to_lamp);
        let warm = vec3f(1.0, 0.72, 0.36);
        let dark = clamp(0.12 + 0.88 * storm + 0.5 * (0.5 - token.palette[1].g), 0.05, 1.0);
        light += warm * dark * (0.010 / (0.012 + apart * apart * 6.0) * 0.10 + 0.5 * exp2(-apart * 70.0));
        if (kind == 0.0) {
            let turn = mix(0.12, -0.2, lot(12u)) - 0.25 * lot(13u);
            let toward = vec2f(-sign(token.berth) * cos(turn), -sin(turn));
            let d = ray.xy - to_lamp.xy;
            let run = dot(d, toward);
            let off = abs(dot(d, vec2f(-toward.y, toward.x)));
            let wide = 0.006 + 0.085 * max(run, 0.0);
            let shaft = smoothstep(wide, 0.0, off) * smoothstep(-0.004, 0.02, run) * exp2(-max(run, 0.0) * 2.4);
            light += warm * shaft * 0.55 * dark;
            let behind = smoothstep(0.006 - 0.05 * min(run, 0.0), 0.0, off) * smoothstep(0.004, -0.02, run) * exp2(min(run, 0.0) * 5.0);
            light += warm * behind * 0.2 * dark;
        }
    }

    // Rain.
    if (storm > 0.6) {
        let x = (uv.x + uv.y * 0.2) * 64.0;
        let y = uv.y * 5.0 + 9.0 * corner(u32(x) * 2654435769u);
        let r = corner(u32(x) * 1597334677u + u32(y) * 3812015801u);
        let streak = smoothstep(max(0.07, 64.0 / token.picture.x), 0.0, abs(fract(x) - 0.5)) * smoothstep(0.0, 0.6, fract(y)) * smoothstep(1.0, 0.92, fract(y)) * max(r - 0.6, 0.0) * 2.5;
        light += streak * (low * low * 0.12 + 0.02) * (storm - 0.6) * 2.5;
    }
    let v = uv - 0.5;
    light *= 1.0 - 0.6 * dot(v, v);
    let colour = sqrt(max(light, vec3f(0.0)) / (1.0 + 0.18 * light)) + (grain - 0.5) * (2.0 / 255.0);
    return vec4f(clamp(colour, vec3f(0.0), vec3f(1.0)), 1.0);
}
