//! Prefix codes: Huffman's, with lengths limited, in the canonical form that VP8L stores.
//!
//! Symbols of equal count are ordered by their number, never by chance, so that the same counts give the same code on
//! every host.

use super::bits::BitWriter;

/// Longest code of a symbol, bits.
const LONGEST: u8 = 15;
/// Longest code of a code length, bits.
const LONGEST_OF_LENGTHS: u8 = 7;
/// The order in which the code lengths of code lengths are stored.
const ORDER: [usize; 19] = [17, 18, 0, 1, 2, 3, 4, 5, 16, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15];

/// A prefix code.
#[derive(Debug)]
pub struct PrefixCode {
    /// Of each symbol, the length of its code in bits; 0 for one that has none, or needs none since it is alone.
    lengths: Vec<u8>,
    /// Of each symbol, its code, the first bit lowest.
    codes: Vec<u16>,
    /// The symbols that occur, where there are at most two: then the code is stored in a shorter form.
    few: Option<Vec<usize>>,
}

impl PrefixCode {
    /// The code of an alphabet of which one symbol occurs. It is below 256, and takes no bits to write.
    pub fn only(symbol: usize) -> Self {
        Self { lengths: vec![0; symbol + 1], codes: vec![0; symbol + 1], few: Some(vec![symbol]) }
    }

    /// A best code for symbols that occur this often.
    pub fn fitting(counts: &[u32]) -> Self {
        let used: Vec<usize> = (0..counts.len()).filter(|symbol| counts[*symbol] > 0).collect();
        let lengths = lengths(counts, LONGEST);
        let codes = canonical(&lengths);
        let few = match used.as_slice() {
            [] => Some(vec![0]),
            [_] | [_, _] if used.iter().all(|symbol| *symbol < 256) => Some(used),
            _ => None,
        };
        Self { lengths, codes, few }
    }

    /// Writes a symbol.
    pub fn write_symbol(&self, out: &mut BitWriter, symbol: usize) {
        out.write(u64::from(self.codes[symbol]), u32::from(self.lengths[symbol]));
    }

    /// Writes the code itself.
    pub fn write(&self, out: &mut BitWriter) {
        let Some(few) = &self.few else { return self.write_lengths(out) };
        out.write(1, 1);
        out.write(few.len() as u64 - 1, 1);
        out.write(1, 1); // The first symbol takes eight bits, not one.
        for symbol in few {
            out.write(*symbol as u64, 8);
        }
    }

    fn write_lengths(&self, out: &mut BitWriter) {
        let steps = steps(&self.lengths);
        let mut counts = vec![0; ORDER.len()];
        for step in &steps {
            counts[step.symbol] += 1;
        }
        let mut lengths = lengths(&counts, LONGEST_OF_LENGTHS);
        let codes = canonical(&lengths);
        let alone = lengths.iter().all(|length| *length == 0).then(|| steps[0].symbol);
        if let Some(symbol) = alone {
            // Stored with a length of one, read without a bit.
            lengths[symbol] = 1;
        }
        out.write(0, 1);
        out.write(ORDER.len() as u64 - 4, 4);
        for symbol in ORDER {
            out.write(u64::from(lengths[symbol]), 3);
        }
        out.write(0, 1); // Lengths follow for the whole alphabet.
        for step in steps {
            if alone.is_none() {
                out.write(u64::from(codes[step.symbol]), u32::from(lengths[step.symbol]));
            }
            out.write(step.extra, step.bits);
        }
    }
}

/// One step in the run-length coding of code lengths.
struct Step {
    /// 0 to 15 for a length; 16 repeats the last, 17 and 18 repeat zero.
    symbol: usize,
    extra: u64,
    bits: u32,
}

fn steps(lengths: &[u8]) -> Vec<Step> {
    let mut steps = Vec::new();
    for run in lengths.chunk_by(|a, b| a == b) {
        let (value, mut left) = (usize::from(run[0]), run.len());
        if value > 0 {
            steps.push(Step { symbol: value, extra: 0, bits: 0 });
            left -= 1;
        }
        while left > 0 {
            let (symbol, least, most, bits) = match (value, left) {
                (0, 11..) => (18, 11, 138, 7),
                (0, 3..) => (17, 3, 10, 3),
                (1.., 3..) => (16, 3, 6, 2),
                _ => (value, 1, 1, 0),
            };
            let taken = left.min(most);
            steps.push(Step { symbol, extra: (taken - least) as u64, bits });
            left -= taken;
        }
    }
    steps
}

/// Code lengths for symbols of these counts, none over `longest`. All zero when at most one symbol occurs.
fn lengths(counts: &[u32], longest: u8) -> Vec<u8> {
    // Raising the rarest symbols' counts flattens the tree; the floor doubles, so this ends soon.
    let mut floor = 1;
    loop {
        let lengths = huffman(counts, floor);
        if lengths.iter().all(|length| *length <= longest) {
            return lengths;
        }
        floor *= 2;
    }
}

/// Huffman's algorithm with two queues: leaves in order, and inner nodes, which come about in order.
fn huffman(counts: &[u32], floor: u32) -> Vec<u8> {
    let mut leaves: Vec<(u64, usize)> = (0..counts.len())
        .filter(|symbol| counts[*symbol] > 0)
        .map(|symbol| (u64::from(counts[symbol].max(floor)), symbol))
        .collect();
    leaves.sort_unstable();
    let count = leaves.len();
    let mut lengths = vec![0; counts.len()];
    if count < 2 {
        return lengths;
    }
    // Nodes 0..count are the leaves, those from there the inner ones; the last is the root.
    let mut weights: Vec<u64> = leaves.iter().map(|leaf| leaf.0).collect();
    let mut parents = vec![0; 2 * count - 1];
    let (mut leaf, mut inner) = (0, count);
    for node in count..2 * count - 1 {
        let mut weight = 0;
        for _ in 0..2 {
            let take_leaf = leaf < count && (inner >= node || weights[leaf] <= weights[inner]);
            let taken = if take_leaf { &mut leaf } else { &mut inner };
            weight += weights[*taken];
            parents[*taken] = node;
            *taken += 1;
        }
        weights.push(weight);
    }
    let mut depths = vec![0u8; 2 * count - 1];
    for node in (0..2 * count - 2).rev() {
        depths[node] = depths[parents[node]].saturating_add(1);
    }
    for ((_, symbol), depth) in leaves.into_iter().zip(depths) {
        lengths[symbol] = depth;
    }
    lengths
}

/// The canonical codes of these lengths, the first bit lowest.
fn canonical(lengths: &[u8]) -> Vec<u16> {
    let mut codes = vec![0; lengths.len()];
    let mut next = 0u16;
    for length in 1..=LONGEST {
        for (code, _) in codes.iter_mut().zip(lengths).filter(|(_, of)| **of == length) {
            *code = next.reverse_bits() >> (16 - length);
            next = next.wrapping_add(1);
        }
        next <<= 1;
    }
    codes
}
