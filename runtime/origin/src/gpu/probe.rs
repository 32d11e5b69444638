//! Whether a device can be trusted: it paints a picture whose every pixel is known.

use iridule_vm::Size;

use super::{
    device::{Gpu, GpuError},
    pipeline::TargetFormat,
};

impl Gpu {
    /// Whether it may be trusted with pictures: it paints one whose every pixel is known, in integers, and its largest
    /// picture is large enough.
    ///
    /// # Errors
    /// [`GpuError`]: what is wrong with it.
    pub fn probe(&self, side: u32) -> Result<(), GpuError> {
        let max_side = self.device.limits().max_texture_dimension_2d;
        if max_side < side {
            return Err(GpuError::Device(format!("its pictures have {max_side} pixels a side at most")));
        }
        let size = Size { width: 61, height: 33 };
        let painted = self.prepare(PROBE, "main", &[], size, TargetFormat::Bytes)?.paint()?;
        let (pixels, _) = painted.as_chunks::<4>();
        let expected = (0..size.height).flat_map(|y| (0..size.width).map(move |x| expected_pixel(x, y)));
        match pixels.iter().zip(expected).filter(|(painted, expected)| *painted != expected).count() {
            0 => Ok(()),
            wrong => Err(GpuError::Device(format!("{wrong} pixels of the probe are wrong"))),
        }
    }
}

/// A PCG hash of each pixel's place (Jarzynski and Olano, 2020), a byte of it in each channel.
const PROBE: &str = "@fragment fn main(@builtin(position) p: vec4f) -> @location(0) vec4f {
    let state = (u32(p.y) * 8192u + u32(p.x)) * 747796405u + 2891336453u;
    let word = ((state >> ((state >> 28u) + 4u)) ^ state) * 277803737u;
    let hash = (word >> 22u) ^ word;
    return vec4f(vec4u(hash, hash >> 8u, hash >> 16u, hash >> 24u) & vec4u(255u)) / 255.0;
}";

fn expected_pixel(x: u32, y: u32) -> [u8; 4] {
    let state = (y * 8192 + x).wrapping_mul(747_796_405).wrapping_add(2_891_336_453);
    let word = ((state >> ((state >> 28) + 4)) ^ state).wrapping_mul(277_803_737);
    ((word >> 22) ^ word).to_le_bytes()
}
