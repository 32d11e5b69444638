//! How much memory the prefix codes of a lossless WebP take (RFC 9649, section 3), counted before it is decoded.
//!
//! A stream may have 65,536 groups of five codes, each of which a decoder turns into tables of several KiB: a file of
//! 5 MB so takes more than 1 GiB, whatever the size of its picture. The groups stand behind the transforms and behind an
//! image that says which group is used where, so both are decoded here too. The pixels are not.

use super::{Fault, Format, broken};

/// Bytes that the tables of all codes of one stream may take.
pub(super) const TABLE_BYTES: usize = 16 << 20;

/// Symbols of the five codes of a group: green with lengths, red, blue, alpha, distances. The cache's come on top of green's.
const ALPHABETS: [usize; 5] = [256 + 24, 256, 256, 256, 40];
/// In which order the lengths of the code of code lengths stand.
const LENGTH_ORDER: [usize; 19] = [17, 18, 0, 1, 2, 3, 4, 5, 16, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15];
/// Longest code, bits.
const CODE_BITS: usize = 15;
/// Codes up to this length are found by one look into the decoder's table, of which each entry takes four bytes; longer
/// ones by a tree of nodes of 16 bytes.
const TABLE_BITS: usize = 10;
/// What a decoder keeps of a code beside its table.
const CODE_BYTES: usize = 64;

/// Where a pixel near by lies, by the first 120 distance codes: columns and rows back.
#[rustfmt::skip]
const NEAR: [(i64, i64); 120] = [
    (0, 1),  (1, 0),  (1, 1),  (-1, 1), (0, 2),  (2, 0),  (1, 2),  (-1, 2),
    (2, 1),  (-2, 1), (2, 2),  (-2, 2), (0, 3),  (3, 0),  (1, 3),  (-1, 3),
    (3, 1),  (-3, 1), (2, 3),  (-2, 3), (3, 2),  (-3, 2), (0, 4),  (4, 0),
    (1, 4),  (-1, 4), (4, 1),  (-4, 1), (3, 3),  (-3, 3), (2, 4),  (-2, 4),
    (4, 2),  (-4, 2), (0, 5),  (3, 4),  (-3, 4), (4, 3),  (-4, 3), (5, 0),
    (1, 5),  (-1, 5), (5, 1),  (-5, 1), (2, 5),  (-2, 5), (5, 2),  (-5, 2),
    (4, 4),  (-4, 4), (3, 5),  (-3, 5), (5, 3),  (-5, 3), (0, 6),  (6, 0),
    (1, 6),  (-1, 6), (6, 1),  (-6, 1), (2, 6),  (-2, 6), (6, 2),  (-6, 2),
    (4, 5),  (-4, 5), (5, 4),  (-5, 4), (3, 6),  (-3, 6), (6, 3),  (-6, 3),
    (0, 7),  (7, 0),  (1, 7),  (-1, 7), (5, 5),  (-5, 5), (7, 1),  (-7, 1),
    (4, 6),  (-4, 6), (6, 4),  (-6, 4), (2, 7),  (-2, 7), (7, 2),  (-7, 2),
    (3, 7),  (-3, 7), (7, 3),  (-7, 3), (5, 6),  (-5, 6), (6, 5),  (-6, 5),
    (8, 0),  (4, 7),  (-4, 7), (7, 4),  (-7, 4), (8, 1),  (8, 2),  (6, 6),
    (-6, 6), (8, 3),  (5, 7),  (-5, 7), (7, 5),  (-7, 5), (8, 4),  (6, 7),
    (-6, 7), (7, 6),  (-7, 6), (8, 5),  (7, 7),  (-7, 7), (8, 6),  (8, 7),
];

/// Checks the chunk of a lossless picture, whose size was read before.
///
/// # Errors
/// [`Fault::Broken`], for a stream whose codes take more than [`TABLE_BYTES`], or make no sense.
pub(super) fn check(chunk: &[u8], width: u32, height: u32) -> Result<(), Fault> {
    // The signature, the size, and four bits of no concern here.
    stream(chunk.get(5..).unwrap_or_default(), width, height)
}

/// Checks the chunk that gives a lossy picture its alpha: a lossless stream without a head, or nothing compressed.
///
/// # Errors
/// As [`check`].
pub(super) fn check_alpha(chunk: &[u8], width: u32, height: u32) -> Result<(), Fault> {
    match chunk {
        [head, rest @ ..] if head & 3 == 1 => stream(rest, width, height),
        _ => Ok(()),
    }
}

fn stream(data: &[u8], width: u32, height: u32) -> Result<(), Fault> {
    let mut stream = Stream { bits: Bits { data, at: 0 }, table_bytes: 0 };
    stream.read(width as usize, height as usize).map_err(|why| broken(Format::WebP, why))
}

/// Bits of a stream, the lowest of each byte first.
struct Bits<'a> {
    data: &'a [u8],
    at: usize,
}

type Read<T> = Result<T, &'static str>;

impl Bits<'_> {
    fn bit(&mut self) -> Read<usize> {
        let byte = self.data.get(self.at / 8).ok_or("its codes end early")?;
        let bit = usize::from(*byte >> (self.at % 8)) & 1;
        self.at += 1;
        Ok(bit)
    }

    fn read(&mut self, count: usize) -> Read<usize> {
        let mut value = 0;
        for place in 0..count {
            value |= self.bit()? << place;
        }
        Ok(value)
    }
}

/// A prefix code in canonical form: how many codes there are of each length, and their symbols in order.
struct Code {
    counts: [usize; CODE_BITS + 1],
    symbols: Vec<u16>,
}

impl Code {
    fn of(lengths: &[u8]) -> Read<Self> {
        let mut counts = [0; CODE_BITS + 1];
        for length in lengths {
            counts[usize::from(*length)] += 1;
        }
        counts[0] = 0;
        let mut symbols: Vec<u16> = (0..).take(lengths.len()).collect();
        symbols.retain(|symbol| lengths[usize::from(*symbol)] > 0);
        // Stable: within one length by symbol.
        symbols.sort_by_key(|symbol| lengths[usize::from(*symbol)]);
        let filled: usize =
            (1..).zip(&counts[1..]).map(|(length, count)| count << (CODE_BITS - length)).sum();
        match symbols.len() {
            0 => Err("a code has no symbol"),
            1 => Ok(Self { counts: [0; CODE_BITS + 1], symbols }),
            _ if filled != 1 << CODE_BITS => Err("a code is not whole"),
            _ => Ok(Self { counts, symbols }),
        }
    }

    /// The next symbol. A code of one symbol takes no bits.
    fn read(&self, bits: &mut Bits<'_>) -> Read<usize> {
        let (mut code, mut first, mut index) = (0, 0, 0);
        if let [symbol] = &self.symbols[..] {
            return Ok(usize::from(*symbol));
        }
        for count in &self.counts[1..] {
            code |= bits.bit()?;
            if code < first + count {
                let symbol = self.symbols.get(index + code - first);
                return symbol.map(|symbol| usize::from(*symbol)).ok_or("a code is not whole");
            }
            index += count;
            first = (first + count) << 1;
            code <<= 1;
        }
        Err("a code is not whole")
    }

    /// What a decoder's tables of it take.
    fn table_bytes(&self) -> usize {
        let Some(longest) = self.counts.iter().rposition(|count| *count > 0) else { return CODE_BYTES };
        let beyond: usize = self.counts.iter().skip(TABLE_BITS + 1).sum();
        // A tree over n leaves has less than 2n nodes under each entry of the table, and vectors grow by doubling.
        CODE_BYTES + (4 << longest.min(TABLE_BITS)) + beyond * 4 * 16
    }
}

struct Stream<'a> {
    bits: Bits<'a>,
    table_bytes: usize,
}

impl Stream<'_> {
    /// Reads up to the pixels of the picture.
    fn read(&mut self, width: usize, height: usize) -> Read<()> {
        let mut width = width;
        let mut seen = [false; 4];
        while self.bits.bit()? == 1 {
            let kind = self.bits.read(2)?;
            if std::mem::replace(&mut seen[kind], true) {
                return Err("it has a transform twice");
            }
            match kind {
                0 | 1 => {
                    let block = self.bits.read(3)? + 2;
                    self.image(blocks(width, block), blocks(height, block))?;
                }
                3 => {
                    let colors = self.bits.read(8)? + 1;
                    self.image(colors, 1)?;
                    let packed = match colors {
                        0..=2 => 3,
                        3..=4 => 2,
                        5..=16 => 1,
                        _ => 0,
                    };
                    width = blocks(width, packed);
                }
                _ => {}
            }
        }
        let cache = self.cache_bits()?;
        let mut groups = 1;
        if self.bits.bit()? == 1 {
            let block = self.bits.read(3)? + 2;
            let used = self.image(blocks(width, block), blocks(height, block))?;
            // Red and green are the number of the group.
            groups += used.iter().map(|argb| argb >> 8 & 0xffff).max().unwrap_or(0) as usize;
        }
        for _ in 0..groups {
            self.group(cache)?;
        }
        Ok(())
    }

    fn cache_bits(&mut self) -> Read<usize> {
        if self.bits.bit()? == 0 {
            return Ok(0);
        }
        match self.bits.read(4)? {
            bits @ 1..=11 => Ok(bits),
            _ => Err("its color cache has no such size"),
        }
    }

    /// The five codes of a group.
    fn group(&mut self, cache: usize) -> Read<[Code; 5]> {
        let cached = if cache > 0 { 1 << cache } else { 0 };
        let mut code = |at: usize| self.code(ALPHABETS[at] + if at == 0 { cached } else { 0 });
        Ok([code(0)?, code(1)?, code(2)?, code(3)?, code(4)?])
    }

    fn code(&mut self, alphabet: usize) -> Read<Code> {
        let mut lengths = vec![0; alphabet];
        if self.bits.bit()? == 1 {
            let two = self.bits.bit()? == 1;
            let wide = self.bits.bit()?;
            let mut symbols = vec![self.bits.read(1 + 7 * wide)?];
            if two {
                symbols.push(self.bits.read(8)?);
            }
            for symbol in symbols {
                *lengths.get_mut(symbol).ok_or("a code has a symbol too many")? = 1;
            }
        } else {
            let mut of_lengths = [0; 19];
            for at in LENGTH_ORDER.into_iter().take(4 + self.bits.read(4)?) {
                of_lengths[at] = u8::try_from(self.bits.read(3)?).unwrap_or_default();
            }
            self.lengths(&Code::of(&of_lengths)?, &mut lengths)?;
        }
        let code = Code::of(&lengths)?;
        self.table_bytes += code.table_bytes();
        if self.table_bytes > TABLE_BYTES {
            return Err("its prefix codes take too much memory");
        }
        Ok(code)
    }

    /// The lengths of a code, which are written with another one.
    fn lengths(&mut self, code: &Code, lengths: &mut [u8]) -> Read<()> {
        let mut left = lengths.len();
        if self.bits.bit()? == 1 {
            let wide = 2 + 2 * self.bits.read(3)?;
            left = 2 + self.bits.read(wide)?;
            if left > lengths.len() {
                return Err("a code has a symbol too many");
            }
        }
        let (mut at, mut previous) = (0, 8);
        while at < lengths.len() && left > 0 {
            left -= 1;
            let (length, times) = match code.read(&mut self.bits)? {
                symbol @ 0..=15 => (u8::try_from(symbol).unwrap_or_default(), 1),
                16 => (previous, 3 + self.bits.read(2)?),
                17 => (0, 3 + self.bits.read(3)?),
                _ => (0, 11 + self.bits.read(7)?),
            };
            let to = lengths.get_mut(at..at + times).ok_or("a code has a symbol too many")?;
            to.fill(length);
            at += times;
            if length > 0 {
                previous = length;
            }
        }
        Ok(())
    }

    /// An image of a transform or of the groups: blocks of a picture, so a sixteenth of its pixels at most.
    fn image(&mut self, width: usize, height: usize) -> Read<Vec<u32>> {
        let cache_bits = self.cache_bits()?;
        let mut cache = vec![0_u32; if cache_bits > 0 { 1 << cache_bits } else { 0 }];
        let slot = |argb: u32| (argb.wrapping_mul(0x1e35_a7bd) >> (32 - cache_bits)) as usize;
        let before = self.table_bytes;
        let [green, red, blue, alpha, distance] = self.group(cache_bits)?;
        let bits = &mut self.bits;
        let count = width * height;
        let mut pixels = Vec::with_capacity(count);
        while pixels.len() < count {
            let from = pixels.len();
            match green.read(bits)? {
                green @ 0..=255 => {
                    let (red, blue, alpha) = (red.read(bits)?, blue.read(bits)?, alpha.read(bits)?);
                    let argb = alpha << 24 | red << 16 | green << 8 | blue;
                    pixels.push(u32::try_from(argb).unwrap_or_default());
                }
                symbol @ 256..=279 => {
                    let length = extended(bits, symbol - 256)?;
                    let code = distance.read(bits)?;
                    let back = back(extended(bits, code)?, width);
                    if back > from || length > count - from {
                        return Err("it copies pixels that are not there");
                    }
                    for at in from..from + length {
                        pixels.push(pixels[at - back]);
                    }
                }
                symbol => pixels.push(*cache.get(symbol - 280).ok_or("its color cache is smaller")?),
            }
            if cache_bits > 0 {
                for argb in &pixels[from..] {
                    cache[slot(*argb)] = *argb;
                }
            }
        }
        // A decoder lets go of these before it goes on.
        self.table_bytes = before;
        Ok(pixels)
    }
}

/// How many blocks of 2^bits pixels there are.
fn blocks(side: usize, bits: usize) -> usize {
    side.div_ceil(1 << bits)
}

/// A length or distance code with its further bits.
fn extended(bits: &mut Bits<'_>, symbol: usize) -> Read<usize> {
    if symbol < 4 {
        return Ok(symbol + 1);
    }
    let more = (symbol - 2) >> 1;
    Ok(((2 + (symbol & 1)) << more) + bits.read(more)? + 1)
}

/// How many pixels back a distance code means.
fn back(code: usize, width: usize) -> usize {
    match NEAR.get(code - 1) {
        None => code - NEAR.len(),
        Some((columns, rows)) => {
            let width = i64::try_from(width).unwrap_or(i64::MAX);
            usize::try_from(columns + rows * width).unwrap_or(1).max(1)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Writes bits, the lowest of each byte first.
    #[derive(Default)]
    struct Writer(Vec<u8>, usize);

    impl Writer {
        fn put(&mut self, value: usize, count: usize) {
            for place in 0..count {
                if self.1.is_multiple_of(8) {
                    self.0.push(0);
                }
                let last = self.0.len() - 1;
                self.0[last] |= u8::try_from((value >> place & 1) << (self.1 % 8)).unwrap();
                self.1 += 1;
            }
        }

        /// A code of one symbol.
        fn single(&mut self, symbol: usize) {
            self.put(0b101, 3);
            self.put(symbol, 8);
        }

        /// A code with symbols of the lengths 1, 2, …, 9, 10, 10: its table has 1,024 entries.
        fn deep(&mut self) {
            self.put(0, 1);
            // The code of code lengths: ten of 1 to 10, four bits or less each.
            self.put(14 - 4, 4);
            for at in LENGTH_ORDER.into_iter().take(14) {
                self.put(
                    if (1..=6).contains(&at) {
                        3
                    } else if (7..=10).contains(&at) {
                        4
                    } else {
                        0
                    },
                    3,
                );
            }
            // As many symbols as are written: eleven.
            self.put(1, 1);
            self.put(1, 3);
            self.put(11 - 2, 4);
            // Canonical codes: 1 to 6 are 000 to 101, 7 to 10 are 1100 to 1111, the highest bit first.
            for length in (1..=10).chain([10]) {
                let (code, bits) = if length <= 6 { (length - 1, 3) } else { (12 + length - 7, 4) };
                (0..bits).rev().for_each(|place| self.put(code >> place & 1, 1));
            }
        }
    }

    /// A WebP of 4 × 4 pixels whose only block is of the last of so many groups.
    fn with_groups(groups: usize) -> Vec<u8> {
        let mut bits = Writer::default();
        bits.put(0x2f, 8);
        bits.put(3, 14);
        bits.put(3, 14);
        bits.put(0, 4);
        // No transform, no cache, groups of blocks of 4 × 4 pixels: an image of one pixel.
        bits.put(0, 1);
        bits.put(0, 1);
        bits.put(1, 1);
        bits.put(0, 3);
        bits.put(0, 1);
        for symbol in [(groups - 1) & 0xff, (groups - 1) >> 8, 0, 0, 0] {
            bits.single(symbol);
        }
        for _ in 0..groups {
            (0..5).for_each(|_| bits.deep());
        }
        // Pixels of the first symbol of each code.
        bits.put(0, 16 * 4 + 64);
        let mut file = b"RIFF".to_vec();
        let length = u32::try_from(bits.0.len()).unwrap();
        file.extend((length + length % 2 + 12).to_le_bytes());
        file.extend(b"WEBPVP8L");
        file.extend(length.to_le_bytes());
        file.extend(bits.0);
        file.extend((length % 2 == 1).then_some(0));
        file
    }

    #[test]
    fn a_small_picture_with_thousands_of_code_groups_is_refused_before_it_is_decoded() {
        // What is built here is what the decoder reads: a few groups decode.
        let few = super::super::decode(&with_groups(3)).unwrap();
        assert_eq!((few.width, few.height), (4, 4));
        let many = with_groups(65_536);
        assert!(many.len() < 6 << 20, "{} bytes", many.len());
        let why = super::super::inspect(&many).unwrap_err();
        assert!(why.to_string().contains("prefix codes take too much memory"), "{why}");
        assert!(super::super::inspect(&with_groups(700)).is_ok());
    }

    #[test]
    fn streams_of_real_encoders_are_read_to_their_pixels() {
        let noise = |n: u32| n.wrapping_mul(2_654_435_761).rotate_left(13).to_le_bytes();
        for (width, height) in [(1, 1), (3, 5), (64, 64), (300, 200)] {
            let flat = vec![200; (width * height * 4) as usize];
            let noisy = (0..width * height).flat_map(noise).collect();
            let low = |value: u32| value.to_le_bytes()[0];
            let smooth = (0..width * height).flat_map(|n| [low(n % width), low(n / width), 7, 255]).collect();
            for pixels in [flat, noisy, smooth] {
                let mut file = Vec::new();
                let encoder = image_webp::WebPEncoder::new(&mut file);
                encoder.encode(&pixels, width, height, image_webp::ColorType::Rgba8).unwrap();
                let picture = super::super::decode(&file).unwrap();
                assert_eq!(picture.pixels, pixels);
            }
        }
    }
}
