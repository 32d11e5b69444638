// Short circuits with effects, boolean vectors, select on vectors, compound assignment of every operator.
var<private> calls: i32 = 0;
fn effect(v: bool) -> bool { calls += 1; return v; }

@fragment
fn main(@builtin(position) p: vec4f) -> @location(0) vec4f {
    let x = i32(p.x);
    let a = x % 2 == 0 && effect(x % 3 == 0);
    let b = x % 5 == 0 || effect(x % 7 == 0);
    let c = (a != b) & !(a | b);
    var n = x;
    n += 3; n -= 1; n *= 5; n /= 2; n %= 17; n |= 64; n &= 127; n ^= 5; n <<= 2u; n >>= 1u;
    n++; n--;
    return vec4f(f32(calls), select(0.0, 1.0, a) + select(0.0, 2.0, b) + select(0.0, 4.0, c), f32(n), f32(-x + ~x));
}
