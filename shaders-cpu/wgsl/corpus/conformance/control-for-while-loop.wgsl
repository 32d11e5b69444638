// for, while and loop; break, continue, continuing, break if; counters uniform and varying.
fn pattern(x: u32, y: u32) -> f32 {
    var total = 0u;
    for (var i = 0u; i < 7u; i++) {
        if ((i + x) % 3u == 0u) { continue; }
        total += i * 2u;
        if (i > y % 9u) { break; }
    }
    var n = x % 40u;
    while (n > 0u) {
        total += n & 1u;
        n >>= 1u;
    }
    var k = 0u;
    loop {
        if (k == x % 5u) { k += 2u; continue; }
        total += 3u;
        continuing {
            k += 1u;
            break if k > y % 6u;
        }
    }
    return f32(total + k);
}

@fragment
fn main(@builtin(position) p: vec4f) -> @location(0) vec4f {
    let x = u32(p.x);
    let y = u32(p.y);
    return vec4f(pattern(x, y), pattern(y, x), pattern(x ^ y, x + y), 1.0);
}
