// A loop that is lowered again after an array, whose elements it had carried, has moved to local memory.
struct Tail { sum: f32, last: f32 }

fn fill(a: ptr<function, array<f32, 20>>, until: i32) {
    for (var i = 0; ; i++) {
        if (i >= until) { break; }
        (*a)[i] = f32(i * i);
    }
}

@fragment
fn main(@builtin(position) p: vec4f) -> @location(0) vec4f {
    let x = u32(p.x);
    var big: array<f32, 20>;
    fill(&big, 7 + i32(x % 9u));
    big[x % 20u] += 1000.0;
    var tail = Tail(0.0, 0.0);
    for (var i = 0u; i < x % 5u; i++) {
        tail.last = big[(i + x) % 20u];
        tail.sum += tail.last;
    }
    return vec4f(big[u32(p.y) % 20u], tail.sum, tail.last, 1.0);
}
