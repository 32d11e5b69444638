// Powers, logarithms and roots.
@fragment
fn main(@builtin(position) p: vec4f) -> @location(0) vec4f {
    let a = p.x * 0.13 + 0.01;
    let b = (p.y - 32.0) * 0.1;
    return vec4f(exp(b) + exp2(b * 2.0), log(a) + log2(a) * 2.0, pow(a, b) + sqrt(a), inverseSqrt(a) + pow(a, 2.0));
}
