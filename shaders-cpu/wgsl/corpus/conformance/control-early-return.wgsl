// Returns in both sides, in one side, in loops, in functions called under a branch.
fn classify(v: f32) -> i32 {
    if (v < 4.0) { return 1; }
    if (v < 8.0) {
        if (v < 6.0) { return 2; }
        let w = v * 2.0;
        if (w > 15.0) { return 3; }
    } else if (v > 20.0) {
        return 4;
    }
    var t = v;
    loop {
        t -= 3.0;
        if (t < 0.0) { return 5; }
        if (t == 1.5) { return 6; }
        if (t > 100.0) { break; }
    }
    return 7;
}

fn twice(v: f32, out_: ptr<function, f32>) -> bool {
    if (v > 10.0) { *out_ = v; return true; }
    *out_ += 1.0;
    return false;
}

@fragment
fn main(@builtin(position) p: vec4f) -> @location(0) vec4f {
    var extra = 0.5;
    var flag = false;
    if (classify(p.y) > 2) {
        flag = twice(p.x, &extra);
    }
    return vec4f(f32(classify(p.x)), f32(classify(p.y + p.x)), extra, select(0.0, 1.0, flag));
}
