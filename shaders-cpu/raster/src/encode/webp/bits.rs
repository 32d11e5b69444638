//! Bits in the order of VP8L: the first written is the lowest of the first byte.

/// A growing string of bits.
#[derive(Debug)]
pub struct BitWriter {
    bytes: Vec<u8>,
    /// Bits not yet in `bytes`, from the lowest.
    pending: u64,
    /// How many; below 32 between calls.
    count: u32,
}

impl BitWriter {
    /// An empty string with room for this many bytes.
    pub fn with_capacity(bytes: usize) -> Self {
        Self { bytes: Vec::with_capacity(bytes), pending: 0, count: 0 }
    }

    /// Appends the lowest `count` bits, at most 32; those above must be zero.
    pub fn write(&mut self, bits: u64, count: u32) {
        self.pending |= bits << self.count;
        self.count += count;
        if self.count >= 32 {
            #[expect(clippy::cast_possible_truncation, reason = "the lower half is what is written")]
            self.bytes.extend_from_slice(&(self.pending as u32).to_le_bytes());
            self.pending >>= 32;
            self.count -= 32;
        }
    }

    /// The bytes, with zeros up to the last whole one.
    pub fn finish(mut self) -> Vec<u8> {
        let rest = self.count.div_ceil(8) as usize;
        self.bytes.extend_from_slice(&self.pending.to_le_bytes()[..rest]);
        self.bytes
    }
}
