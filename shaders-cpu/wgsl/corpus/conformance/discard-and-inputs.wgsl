// discard beside derivatives; the inputs a pixel has.
struct In { @builtin(position) at: vec4f, @builtin(front_facing) front: bool }
struct Out { @location(0) color: vec4f }
@fragment
fn main(in: In) -> Out {
    let x = u32(in.at.x);
    if (x % 5u == 2u) { discard; }
    var out: Out;
    out.color = vec4f(dpdxFine(in.at.x), in.at.z + in.at.w, select(0.0, 1.0, in.front), 1.0);
    return out;
}
