// floor, ceil, round, trunc, fract, sign, step, saturate, modf, frexp, ldexp, mod, at halves and around zero.
@fragment
fn main(@builtin(position) p: vec4f) -> @location(0) vec4f {
    let a = (p.x - 32.0) * 0.25;
    let b = (p.y - 31.5) * 0.5;
    let m = modf(a);
    let f = frexp(a * 3.0);
    let whole = floor(a) + ceil(a) * 3.0 + round(a) * 5.0 + trunc(a) * 7.0 + fract(a) * 11.0;
    let parts = m.fract + m.whole * 3.0 + f.fract * 5.0 + f32(f.exp) * 7.0 + ldexp(a, i32(b));
    let rest = a % b + sign(a) + step(a, b) * 3.0 + saturate(a) * 5.0 + clamp(a, -b * b, b * b) + abs(b);
    return vec4f(whole, parts, rest, smoothstep(-3.0, 4.0, a) + mix(a, b, 0.25) + fma(a, b, 1.0));
}
