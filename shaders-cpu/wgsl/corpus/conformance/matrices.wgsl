// Products of every shape, transpose, determinant, outer use of columns.
// bind 0:0 -1.50 0.50 -0.79 1.21 -0.07 -1.36 0.64 -0.64 1.36 0.07 -1.21 0.79 -0.50 1.50 0.21 -1.07 0.93 -0.36 1.64 0.36 -0.93 1.07 -0.21 -1.50 0.50 -0.79 1.21 -0.07 -1.36 0.64 -0.64 1.36
struct Params { m: mat4x4f, k: mat2x3f, t: mat3x2f }
@group(0) @binding(0) var<uniform> params: Params;

@fragment
fn main(@builtin(position) p: vec4f) -> @location(0) vec4f {
    let v = vec4f(p.xy * 0.1, 1.0, 0.5);
    let m = params.m * 0.5 + mat4x4f(v, v.yzwx, v.zwxy, v.wxyz);
    let k = params.k * v.xy;
    let t = v.xy * params.t;
    let s = params.t * params.k;
    let three = mat3x3f(m[0].xyz, m[1].xyz, m[2].xyz);
    let d = determinant(three) * 0.01 + determinant(s) + determinant(transpose(m)) * 0.001;
    let q = m * v - v * m + (m * transpose(m))[1];
    return vec4f(q.x + q.y, q.z - q.w, dot(k, t) + k.x, d);
}
