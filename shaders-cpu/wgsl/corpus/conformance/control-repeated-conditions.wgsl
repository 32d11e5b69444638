// The same condition again inside of itself, so that a side is for nobody; counters of loops that lanes leave one by one,
// read only in them, and read afterwards too.
@fragment
fn main(@builtin(position) p: vec4f) -> @location(0) vec4f {
    let a = i32(p.x) - 9;
    let b = i32(p.y) * 3 - 20;
    var u = u32(p.x) * 2654435761u;
    var c = 0.0;
    if (b > a) {
        if (b > a) {
            c += 1.0;
        } else {
            if ((a & 3) == 1) {
                u = (u / (u ^ 5u) + 7u) * reverseBits(u);
                c = sin(c + f32(u >> 8u)) + cos(f32(b));
            }
            c -= f32(u & 3u);
        }
    } else if (b > a) {
        c = 100.0;
    }
    var sum = 0.0;
    for (var i = 0; i < 70; i++) {
        if (i * i > a * a + b) { break; }
        if (((i ^ a) & 1) == 0) { continue; }
        sum += f32(i);
    }
    var last = 0;
    for (; last < 70; last++) {
        if (last * 3 > b) { break; }
    }
    return vec4f(c, sum, f32(last), f32(u >> 16u));
}
