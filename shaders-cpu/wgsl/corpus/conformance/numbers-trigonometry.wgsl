// Angles and their functions.
@fragment
fn main(@builtin(position) p: vec4f) -> @location(0) vec4f {
    let a = (p.x - 32.0) * 0.2;
    let u = (p.y - 32.0) / 32.0;
    return vec4f(
        sin(a) + cos(a) * 2.0 + tan(u) * 0.5,
        asin(u) + acos(u) * 2.0 + atan(a) * 3.0,
        atan2(a, u + 0.001) + radians(a) + degrees(u),
        sinh(u) + cosh(u) + tanh(a) + asinh(a) + acosh(1.0 + abs(a)) + atanh(u * 0.9),
    );
}
