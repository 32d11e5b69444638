//! Resampling: rows of a picture in, rows of another size out, in linear light and with alpha taken into account.
//!
//! Each sample of the result is a weighted sum of samples of the source: Lanczos with three lobes where it shrinks,
//! Catmull-Rom where it grows. Colours are turned into light and multiplied by their alpha before, and back after, so
//! that neither gamma nor transparent pixels tint what is mixed.
//!
//! It works on rows as they come from a decoder: a row is resampled across at once. Where a picture grows, as many of
//! those rows are kept as one row of the result reaches over; where it shrinks, a row is added to the few rows of the
//! result that reach over it. So memory depends on the width of the result, and not on how much a picture shrinks.
//! Sums run in a fixed order, four channels at a time, in single precision
//! without fused operations, so that every host gets the same bits.

use std::sync::LazyLock;

use crate::{image::Row, srgb};

/// A pixel: premultiplied light, 0 to 1: red, green, blue, alpha. Resampled ones may lie a little outside.
type Light = [f32; 4];

/// Samples of [`KERNEL`] for each unit.
const KERNEL_STEPS: usize = 512;
/// Lobes of the Lanczos kernel to each side.
const LOBES: f64 = 3.0;

/// The right half of the Lanczos kernel, 0 to 3.
static KERNEL: LazyLock<Vec<f64>> = LazyLock::new(|| {
    let sinc = |x: f64| {
        let x = core::f64::consts::PI * x;
        if x == 0.0 { 1.0 } else { libm::sin(x) / x }
    };
    (0..=3 * KERNEL_STEPS + 1)
        .map(|step| {
            let x = step as f64 / KERNEL_STEPS as f64;
            if x < LOBES { sinc(x) * sinc(x / LOBES) } else { 0.0 }
        })
        .collect()
});

fn lanczos(x: f64) -> f64 {
    let x = x.abs();
    if x >= LOBES {
        return 0.0;
    }
    let at = x * KERNEL_STEPS as f64;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 3, times the steps")]
    let step = at as usize;
    let part = at - step as f64;
    KERNEL[step] * (1.0 - part) + KERNEL[step + 1] * part
}

fn catmull_rom(x: f64) -> f64 {
    let x = x.abs();
    if x < 1.0 {
        (1.5 * x - 2.5) * x * x + 1.0
    } else if x < 2.0 {
        ((-0.5 * x + 2.5) * x - 4.0) * x + 2.0
    } else {
        0.0
    }
}

/// How the samples of one axis become those of another.
#[derive(Debug, Clone, PartialEq)]
pub struct Axis {
    /// Samples of the source.
    source: usize,
    /// For each sample of the result, the first of the source that it reads.
    starts: Vec<usize>,
    /// `taps` weights for each sample of the result, which add up to 1.
    weights: Vec<f32>,
    taps: usize,
    /// Whether each sample of the result is the source's of the same number.
    same: bool,
}

impl Axis {
    /// `count` samples of an axis on which the source is `scale` times as large as it is, and begins `offset` samples
    /// after the result does. Beyond its ends the source counts for nothing.
    #[must_use]
    pub fn new(source: u32, count: u32, scale: f64, offset: f64) -> Self {
        let last = f64::from(source.max(1) - 1);
        // A scale that is no scale would make no sense of anything; the limit also bounds the taps.
        let scale = if scale.is_finite() { scale.clamp(1.0 / (last + 1.0), 1e6) } else { 1.0 };
        let offset = if offset.is_finite() { offset } else { 0.0 };
        let (radius, stretch) = if scale < 1.0 { (LOBES / scale, scale) } else { (2.0, 1.0) };
        let kernel = if scale < 1.0 { lanczos } else { catmull_rom };
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "limited to the source")]
        let within = |at: f64| at.clamp(0.0, last) as usize;
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "at most 6 sources")]
        let taps = (within(last) + 1).min((2.0 * radius).ceil() as usize + 1);
        let mut starts = Vec::with_capacity(count as usize);
        let mut weights = Vec::with_capacity(count as usize * taps);
        for at in 0..count {
            let centre = (f64::from(at) + 0.5 - offset) / scale - 0.5;
            let start = within((centre - radius).ceil()).min(within(last) + 1 - taps);
            let begin = weights.len();
            let mut sum = 0.0;
            for tap in 0..taps {
                let weight = kernel(((start + tap) as f64 - centre) * stretch);
                sum += weight;
                #[expect(clippy::cast_possible_truncation, reason = "normalised below")]
                weights.push(weight as f32);
            }
            if sum > 1e-3 {
                #[expect(clippy::cast_possible_truncation, reason = "rounded to the nearest single")]
                let norm = (1.0 / sum) as f32;
                weights[begin..].iter_mut().for_each(|weight| *weight *= norm);
            } else {
                // Far outside: the nearest sample alone.
                weights[begin..].fill(0.0);
                weights[begin + within(centre.round()).saturating_sub(start).min(taps - 1)] = 1.0;
            }
            starts.push(start);
        }
        let same = scale == 1.0 && offset == 0.0 && source == count;
        Self { source: source as usize, starts, weights, taps, same }
    }

    fn window(&self, at: usize) -> (usize, &[f32]) {
        (self.starts[at], &self.weights[at * self.taps..][..self.taps])
    }

    /// How many samples of the result one of the source is part of, at most.
    fn overlaps(&self) -> usize {
        let mut end = 0;
        let overlaps = self.starts.iter().enumerate().map(|(at, start)| {
            while self.starts.get(end).is_some_and(|next| *next < start + self.taps) {
                end += 1;
            }
            end - at
        });
        overlaps.max().unwrap_or(0).max(1)
    }

    /// Whether nothing is resampled.
    #[must_use]
    pub fn is_same(&self) -> bool {
        self.same
    }

    /// Samples of the result.
    #[must_use]
    pub fn count(&self) -> usize {
        self.starts.len()
    }
}

/// Takes the rows of a picture and gives those of another size.
#[derive(Debug)]
pub struct Resizer {
    across: Axis,
    down: Axis,
    rows: Rows,
    /// A row of the source, as light.
    light: Vec<Light>,
    /// A row of the source, resampled across, or one of the result.
    out: Vec<Light>,
    /// Rows taken.
    taken: usize,
    /// Rows given.
    given: usize,
}

/// What is kept of the rows, in a ring. Both give the same bits, for both add the rows up in their order.
#[derive(Debug)]
enum Rows {
    /// The last rows that were resampled across: as many as one row of the result reaches over.
    Source(Vec<Vec<Light>>),
    /// Sums of the rows of the result that are under way: as many as one row of the source is part of.
    Sums(Vec<Vec<Light>>),
}

impl Resizer {
    /// Resamples by these axes.
    #[must_use]
    pub fn new(across: Axis, down: Axis) -> Self {
        let row = || vec![[0.0; 4]; across.count()];
        let open = down.overlaps();
        let rows = if down.same || down.taps <= open {
            Rows::Source((0..down.taps).map(|_| row()).collect())
        } else {
            Rows::Sums((0..open).map(|_| row()).collect())
        };
        let light = vec![[0.0; 4]; across.source];
        Self { rows, light, out: row(), across, down, taken: 0, given: 0 }
    }

    /// Takes the next row of the source, and gives each row of the result that it completes: its number, and its
    /// pixels as premultiplied light.
    pub fn take(&mut self, row: Row<'_>, give: &mut dyn FnMut(usize, &[Light])) {
        self.read(row);
        if self.taken >= self.down.source {
            return;
        }
        match &mut self.rows {
            Rows::Source(ring) => {
                let slot = self.taken % self.down.taps;
                if self.across.same {
                    ring[slot].copy_from_slice(&self.light);
                } else {
                    across(&self.across, &self.light, &mut ring[slot]);
                }
                self.taken += 1;
                while self.given < self.down.count() {
                    let (start, weights) = self.down.window(self.given);
                    if start + self.down.taps > self.taken {
                        break;
                    }
                    if self.down.same {
                        self.out.copy_from_slice(&ring[self.given % self.down.taps]);
                    } else {
                        down(ring, start, weights, &mut self.out);
                    }
                    give(self.given, &self.out);
                    self.given += 1;
                }
            }
            Rows::Sums(ring) => {
                if self.across.same {
                    self.out.copy_from_slice(&self.light);
                } else {
                    across(&self.across, &self.light, &mut self.out);
                }
                let open = ring.len();
                for at in self.given..self.down.count() {
                    let (start, weights) = self.down.window(at);
                    if start > self.taken {
                        break;
                    }
                    if let Some(weight) = weights.get(self.taken - start) {
                        add(&self.out, *weight, &mut ring[at % open]);
                    }
                }
                self.taken += 1;
                while self.given < self.down.count()
                    && self.down.starts[self.given] + self.down.taps <= self.taken
                {
                    let sums = &mut ring[self.given % open];
                    give(self.given, sums);
                    sums.fill([0.0; 4]);
                    self.given += 1;
                }
            }
        }
    }

    /// A row of the source as light.
    fn read(&mut self, row: Row<'_>) {
        let tables = srgb::tables();
        match row {
            Row::Rgb(row) => {
                for (light, pixel) in self.light.iter_mut().zip(row.as_chunks::<3>().0) {
                    *light = [tables.light(pixel[0]), tables.light(pixel[1]), tables.light(pixel[2]), 1.0];
                }
            }
            Row::Rgba(row) => {
                for (light, pixel) in self.light.iter_mut().zip(row.as_chunks::<4>().0) {
                    let alpha = f32::from(pixel[3]) / 255.0;
                    let channel = |byte: u8| tables.light(byte) * alpha;
                    *light = [channel(pixel[0]), channel(pixel[1]), channel(pixel[2]), alpha];
                }
            }
        }
    }
}

/// Resamples one row.
fn across(axis: &Axis, row: &[Light], out: &mut [Light]) {
    for (at, out) in out.iter_mut().enumerate() {
        let (start, weights) = axis.window(at);
        let pixels = &row[start..start + weights.len()];
        // Four sums, since one would wait for each addition before the next.
        let mut sums = [[0.0; 4]; 4];
        let (fours, rest) = pixels.as_chunks::<4>();
        let (weight_fours, weight_rest) = weights.as_chunks::<4>();
        for (pixels, weights) in fours.iter().zip(weight_fours) {
            for ((sum, pixel), weight) in sums.iter_mut().zip(pixels).zip(weights) {
                for (sum, channel) in sum.iter_mut().zip(pixel) {
                    *sum += channel * weight;
                }
            }
        }
        for (pixel, weight) in rest.iter().zip(weight_rest) {
            for (sum, channel) in sums[0].iter_mut().zip(pixel) {
                *sum += channel * weight;
            }
        }
        *out = core::array::from_fn(|channel| {
            (sums[0][channel] + sums[1][channel]) + (sums[2][channel] + sums[3][channel])
        });
    }
}

/// Mixes rows of the ring, of which `start` is the first, into one.
fn down(ring: &[Vec<Light>], start: usize, weights: &[f32], out: &mut [Light]) {
    const BLOCK: usize = 16;
    let width = out.len() * 4;
    let out = out.as_flattened_mut();
    let row = |tap: usize| ring[(start + tap) % ring.len()].as_flattened();
    let mut at = 0;
    while at + BLOCK <= width {
        let mut sums = [0.0; BLOCK];
        for (tap, weight) in weights.iter().enumerate() {
            for (sum, channel) in sums.iter_mut().zip(&row(tap)[at..at + BLOCK]) {
                *sum += channel * weight;
            }
        }
        out[at..at + BLOCK].copy_from_slice(&sums);
        at += BLOCK;
    }
    for (at, out) in out.iter_mut().enumerate().skip(at) {
        *out = 0.0;
        for (tap, weight) in weights.iter().enumerate() {
            *out += row(tap)[at] * weight;
        }
    }
}

/// Adds a row to a sum, as one of its taps.
fn add(row: &[Light], weight: f32, sums: &mut [Light]) {
    for (sum, channel) in sums.as_flattened_mut().iter_mut().zip(row.as_flattened()) {
        *sum += channel * weight;
    }
}

/// Premultiplied light as premultiplied sRGB bytes.
pub fn encode(light: &[Light], out: &mut [u8]) {
    let tables = srgb::tables();
    for (out, [red, green, blue, alpha]) in out.as_chunks_mut::<4>().0.iter_mut().zip(light) {
        if *alpha >= 1.0 {
            *out = [tables.byte(*red), tables.byte(*green), tables.byte(*blue), 255];
            continue;
        }
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "limited to a byte first"
        )]
        let byte = (alpha.clamp(0.0, 1.0) * 255.0 + 0.5) as u8;
        let channel = |light: f32| {
            let straight = tables.byte(light / alpha);
            // Rounded to the nearest, and at most the alpha.
            u8::try_from((u32::from(straight) * u32::from(byte) + 127) / 255).unwrap_or(byte)
        };
        *out = if byte == 0 { [0; 4] } else { [channel(*red), channel(*green), channel(*blue), byte] };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Resamples straight RGBA to premultiplied bytes.
    fn resized(pixels: &[u8], (width, height): (u32, u32), (to_width, to_height): (u32, u32)) -> Vec<u8> {
        let axis = |from: u32, to: u32| Axis::new(from, to, f64::from(to) / f64::from(from), 0.0);
        let mut resizer = Resizer::new(axis(width, to_width), axis(height, to_height));
        let mut out = vec![0; to_width as usize * to_height as usize * 4];
        let mut given = 0;
        for row in pixels.chunks_exact(width as usize * 4) {
            resizer.take(Row::Rgba(row), &mut |y, light| {
                assert_eq!(y, given);
                given += 1;
                encode(light, &mut out[y * to_width as usize * 4..][..to_width as usize * 4]);
            });
        }
        assert_eq!(given, to_height as usize, "every row is given");
        out
    }

    fn sides() -> impl Strategy<Value = (u32, u32)> {
        (1u32..40, 1u32..40)
    }

    proptest! {
        #[test]
        fn one_colour_stays_one(from in sides(), to in sides(), colour: [u8; 3]) {
            let [red, green, blue] = colour;
            let pixels = [red, green, blue, 255].repeat((from.0 * from.1) as usize);
            let out = resized(&pixels, from, to);
            prop_assert!(out.chunks_exact(4).all(|pixel| pixel == [red, green, blue, 255]), "{out:?}");
        }

        #[test]
        fn no_channel_exceeds_its_alpha(from in sides(), to in sides(), seed: u32) {
            let noise = |n: u32| n.wrapping_add(seed).wrapping_mul(2_654_435_761).rotate_left(13).to_le_bytes();
            let pixels: Vec<u8> = (0..from.0 * from.1).flat_map(noise).collect();
            for pixel in resized(&pixels, from, to).chunks_exact(4) {
                prop_assert!(pixel[..3].iter().all(|channel| *channel <= pixel[3]));
            }
        }

        #[test]
        fn light_is_kept(side in 2u32..12, seed: u32) {
            // Light, not bytes, has the same mean before and after, up to what the edges and rounding change.
            let (from, to) = (side * 12, side * 4);
            let noise = |n: u32| if n.wrapping_add(seed).wrapping_mul(2_654_435_761) >> 31 == 0 { 60 } else { 200 };
            let pixels: Vec<u8> = (0..from * from).flat_map(|n| { let v = noise(n); [v, v, v, 255] }).collect();
            let mean = |bytes: &[u8]| {
                let light = bytes.chunks_exact(4).map(|pixel| f64::from(srgb::tables().light(pixel[0])));
                light.sum::<f64>() / (bytes.len() / 4) as f64
            };
            let (before, after) = (mean(&pixels), mean(&resized(&pixels, (from, from), (to, to))));
            prop_assert!((before - after).abs() < 0.015, "{before} {after}");
        }

        #[test]
        fn sums_give_the_same_bits_as_rows_that_are_kept(from in sides(), to in sides(), seed: u32) {
            let axis = |from: u32, to: u32| Axis::new(from, to, f64::from(to) / f64::from(from), 0.0);
            let noise = |n: u32| n.wrapping_add(seed).wrapping_mul(2_654_435_761).rotate_left(13).to_le_bytes();
            let pixels: Vec<u8> = (0..from.0 * from.1).flat_map(noise).collect();
            let run = |rows: fn(usize, usize, usize) -> Rows| {
                let (across, down) = (axis(from.0, to.0), axis(from.1, to.1));
                let rows = rows(across.count(), down.taps, down.overlaps());
                let mut resizer = Resizer { rows, ..Resizer::new(across, down) };
                let mut out = Vec::new();
                for row in pixels.chunks_exact(from.0 as usize * 4) {
                    resizer.take(Row::Rgba(row), &mut |_, light| {
                        out.extend(light.as_flattened().iter().map(|channel| channel.to_bits()));
                    });
                }
                out
            };
            let kept = run(|width, taps, _| Rows::Source(vec![vec![[0.0; 4]; width]; taps]));
            let summed = run(|width, _, open| Rows::Sums(vec![vec![[0.0; 4]; width]; open]));
            prop_assert!(from.1 == to.1 || kept == summed);
        }

        #[test]
        fn axes_are_sound(source in 1u32..5000, count in 0u32..50, scale: f64, offset: f64) {
            let axis = Axis::new(source, count, scale, offset);
            for at in 0..axis.count() {
                let (start, weights) = axis.window(at);
                prop_assert!(start + weights.len() <= source as usize);
                prop_assert!((weights.iter().sum::<f32>() - 1.0).abs() < 1e-3);
            }
        }
    }

    #[test]
    fn memory_does_not_grow_with_how_much_a_picture_shrinks() {
        for source in [2, 17, 300, 8192, 65_535] {
            for count in [1, 2, 7, 100, 4096] {
                let scale = f64::from(count) / f64::from(source);
                let resizer = Resizer::new(Axis::new(1, 1, 1.0, 0.0), Axis::new(source, count, scale, 0.0));
                let (Rows::Source(rows) | Rows::Sums(rows)) = resizer.rows;
                assert!(rows.len() <= 12, "{source} to {count}: {} rows", rows.len());
            }
        }
    }

    #[test]
    fn transparent_colours_do_not_bleed() {
        let pixels = [[255, 0, 0, 255], [0, 255, 0, 0]].concat().repeat(64);
        for pixel in resized(&pixels, (16, 8), (5, 3)).chunks_exact(4) {
            assert_eq!(pixel[1], 0);
            assert!(pixel[0] == pixel[3]);
        }
    }

    #[test]
    fn black_and_white_lines_become_half_the_light() {
        let pixels = [[0, 0, 0, 255], [255; 4]].concat().repeat(32 * 32);
        let out = resized(&pixels, (64, 32), (8, 8));
        for row in out.chunks_exact(8 * 4) {
            // Half of the light is byte 188, not 128. At the edges lines are missing.
            assert!(row.chunks_exact(4).skip(1).take(6).all(|pixel| pixel[0].abs_diff(188) <= 1), "{row:?}");
        }
    }
}
