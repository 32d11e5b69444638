// switch on signed and unsigned selectors, several values a case, default first, nested, in loops.
fn pick(v: i32) -> f32 {
    var r = 0.0;
    switch v {
        default: { r = -1.0; }
        case 1, 3: { r = 1.0; }
        case -2: { r = 2.0; if (v < 0) { break; } r = 9.0; }
        case 5: { return 50.0; }
    }
    return r + 0.5;
}

@fragment
fn main(@builtin(position) p: vec4f) -> @location(0) vec4f {
    let x = i32(p.x) % 8;
    var sum = 0.0;
    for (var i = 0; i < 6; i++) {
        switch u32(i + x) % 5u {
            case 0u: { continue; }
            case 1u: { sum += 1.0; }
            case 2u, 3u: {
                switch i {
                    case 2: { sum += 10.0; break; }
                    default: { sum += 0.25; }
                }
            }
            default: { sum += 100.0; }
        }
        sum += 0.125;
    }
    return vec4f(pick(x - 3), pick(x), sum, 1.0);
}
