// Every derivative, of smooth and of broken values, in each corner of the quad.
@fragment
fn main(@builtin(position) p: vec4f) -> @location(0) vec4f {
    let smooth_ = p.x * p.x * 0.01 + p.y * 0.3;
    let broken = floor(p.x * 0.3) * 2.0 + floor(p.y * 0.5) * 3.0;
    return vec4f(
        dpdxFine(smooth_) + dpdyFine(smooth_) * 4.0,
        dpdxFine(broken),
        dpdyFine(broken) + fwidthFine(smooth_),
        dpdxFine(p.y) + dpdyFine(p.x) + dpdx(p.x) + dpdy(p.y) + fwidth(p.x) + dpdxCoarse(p.x) + dpdyCoarse(p.y),
    );
}
