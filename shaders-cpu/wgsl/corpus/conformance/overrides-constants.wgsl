// override, const, module constants of every kind, shadowing, const assertions.
override gain: f32 = 1.5;
override count: u32 = 3;
@id(7) override flip: bool = true;
const table = array<vec2f, 5>(vec2f(1.0, 2.0), vec2f(3.0, 4.0), vec2f(5.0, 6.0), vec2f(7.0, 8.0), vec2f(9.0, 10.0));
const bytes = array(1u, 2u, 3u, 5u, 8u, 13u, 21u, 34u, 55u, 89u, 144u, 233u);
const turn = mat2x2f(0.0, 1.0, -1.0, 0.0);
const_assert 1 + 1 == 2;

@fragment
fn main(@builtin(position) p: vec4f) -> @location(0) vec4f {
    const half = 0.5;
    let x = u32(p.x);
    var sum = 0u;
    for (var i = 0u; i < count; i++) { let x = i; sum += x + bytes[(p_index(p) + i) % 12u]; }
    let t = turn * table[x % 5u];
    return vec4f(t * gain, f32(sum) * half, select(0.0, 1.0, flip) + f32(u32(p.x)));
}
fn p_index(p: vec4f) -> u32 { return u32(p.x + p.y); }
