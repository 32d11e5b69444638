// Loops in branches in loops, with exits from every depth, and values that outlive them.
fn search(seed: u32) -> vec3f {
    var found = vec3f(-1.0, 0.0, 0.0);
    var steps = 0.0;
    for (var i = 0u; i < 6u; i++) {
        var inner = seed * (i + 3u);
        for (var j = 0u; j < 5u; j++) {
            steps += 1.0;
            inner = inner * 1103515245u + 12345u;
            let v = (inner >> 16u) & 15u;
            if (v == 3u) { break; }
            if (v == 7u) {
                if (j > 2u) { return vec3f(f32(i), f32(j), steps); }
                continue;
            }
            if (v > 11u) {
                found.x = f32(v);
                if ((seed & 1u) == 0u) { found.y += 1.0; } else { found.z += f32(j); }
            }
        }
        if (found.z > 6.0) { break; }
    }
    return found + vec3f(0.0, 0.0, steps * 0.01);
}

@fragment
fn main(@builtin(position) p: vec4f) -> @location(0) vec4f {
    let seed = u32(p.x) * 73u + u32(p.y) * 151u;
    let a = search(seed);
    if (a.x < 0.0) {
        return vec4f(a, 0.25);
    }
    let b = search(seed ^ 255u);
    return vec4f(a + b, 1.0);
}
