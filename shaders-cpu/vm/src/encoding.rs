//! The byte form of a program: versioned, compact, canonical.
//!
//! ```text
//! program  = "IRVM" format:u8 bindings constants table uniforms varyings locals setup body color discard lines
//! bindings = n { group binding kind:u8 [size] name }      kind 0 uniform (with size), 1 texture, 2 sampler
//! constants, table = n { word:u32 little-endian }
//! setup, body = n { code:u8 [dst] { src } [imm aux] }     fields by operation; registers as `Reg::word`
//! color = 4 registers    discard = 0 | 1 register    lines = n { line }
//! ```
//! Numbers are LEB128 in the fewest bytes, so a program has exactly one byte form: decoding refuses any other.
//! Decoding allocates in proportion to the bytes it is given and checks nothing that `verify` checks.

use alloc::string::String;
use alloc::vec::Vec;

use crate::opcode::Opcode;
use crate::program::{Binding, BindingKind, FORMAT, Op, Program, Reg};

const MAGIC: &[u8; 4] = b"IRVM";

/// Why bytes are not a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// The bytes do not begin as a program does.
    #[error("not a shader program")]
    Magic,
    /// A program of another version; it must be published again.
    #[error("program format {0}, this machine runs {FORMAT}")]
    Format(u8),
    /// The bytes end too soon.
    #[error("truncated at byte {0}")]
    Truncated(usize),
    /// A number, name, kind or operation that is not one, or not in its shortest form.
    #[error("malformed at byte {0}")]
    Malformed(usize),
    /// Bytes after the end.
    #[error("bytes left over from {0} on")]
    Trailing(usize),
}

struct Reader<'b> {
    bytes: &'b [u8],
    at: usize,
}

impl<'b> Reader<'b> {
    fn take(&mut self, count: usize) -> Result<&'b [u8], DecodeError> {
        let end = self.at.checked_add(count).ok_or(DecodeError::Truncated(self.at))?;
        let taken = self.bytes.get(self.at..end).ok_or(DecodeError::Truncated(self.at))?;
        self.at = end;
        Ok(taken)
    }

    fn byte(&mut self) -> Result<u8, DecodeError> {
        Ok(self.take(1)?.first().copied().unwrap_or(0))
    }

    fn number(&mut self) -> Result<u32, DecodeError> {
        let start = self.at;
        let mut value = 0u64;
        for shift in (0..35).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                let shortest = byte != 0 || shift == 0;
                return match u32::try_from(value) {
                    Ok(value) if shortest => Ok(value),
                    _ => Err(DecodeError::Malformed(start)),
                };
            }
        }
        Err(DecodeError::Malformed(start))
    }

    fn short(&mut self) -> Result<u16, DecodeError> {
        let start = self.at;
        u16::try_from(self.number()?).map_err(|_| DecodeError::Malformed(start))
    }

    fn reg(&mut self) -> Result<Reg, DecodeError> {
        Ok(Reg::from_word(self.short()?))
    }

    /// A count of items of at least `size` bytes each, which must fit in what is left.
    fn count(&mut self, size: usize) -> Result<usize, DecodeError> {
        let count = self.number()? as usize;
        let left = self.bytes.len() - self.at;
        if count.saturating_mul(size) > left {
            Err(DecodeError::Truncated(self.bytes.len()))
        } else {
            Ok(count)
        }
    }

    fn words(&mut self) -> Result<Vec<u32>, DecodeError> {
        let count = self.count(4)?;
        let bytes = self.take(count * 4)?.chunks_exact(4);
        Ok(bytes.map(|b| b.try_into().map_or(0, u32::from_le_bytes)).collect())
    }

    fn binding(&mut self) -> Result<Binding, DecodeError> {
        let (group, binding) = (self.number()?, self.number()?);
        let start = self.at;
        let kind = match self.byte()? {
            0 => BindingKind::Uniform { size: self.number()? },
            1 => BindingKind::Texture,
            2 => BindingKind::Sampler,
            _ => return Err(DecodeError::Malformed(start)),
        };
        let length = self.count(1)?;
        let start = self.at;
        let name = core::str::from_utf8(self.take(length)?).map_err(|_| DecodeError::Malformed(start))?;
        Ok(Binding { group, binding, name: String::from(name), kind })
    }

    fn op(&mut self) -> Result<Op, DecodeError> {
        let start = self.at;
        let code = Opcode::from_number(self.byte()?).ok_or(DecodeError::Malformed(start))?;
        let mut op = Op::new(code, Reg::default(), &[]);
        if code.has_result() {
            op.dst = self.reg()?;
        }
        for src in op.src.iter_mut().take(code.arity()) {
            *src = self.reg()?;
        }
        if Op::has_immediates(code) {
            (op.imm, op.aux) = (self.number()?, self.number()?);
        }
        Ok(op)
    }

    fn ops(&mut self) -> Result<Vec<Op>, DecodeError> {
        let count = self.count(1)?;
        // An instruction is 28 bytes in memory and at least 1 here: grow as they come instead of trusting `count`.
        let mut ops = Vec::with_capacity(count.min(1 << 12));
        for _ in 0..count {
            ops.push(self.op()?);
        }
        Ok(ops)
    }
}

fn number(out: &mut Vec<u8>, mut value: u32) {
    loop {
        let [byte, ..] = (value & 0x7f).to_le_bytes();
        value >>= 7;
        if value == 0 {
            out.push(byte);
            return;
        }
        out.push(byte | 0x80);
    }
}

fn count(out: &mut Vec<u8>, count: usize) {
    number(out, u32::try_from(count).unwrap_or(u32::MAX));
}

fn ops(out: &mut Vec<u8>, ops: &[Op]) {
    count(out, ops.len());
    for op in ops {
        out.push(op.code as u8);
        if op.code.has_result() {
            number(out, u32::from(op.dst.word()));
        }
        for src in op.operands() {
            number(out, u32::from(src.word()));
        }
        if Op::has_immediates(op.code) {
            number(out, op.imm);
            number(out, op.aux);
        }
    }
}

impl Program {
    /// The byte form.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        out.extend_from_slice(MAGIC);
        out.push(FORMAT);
        count(&mut out, self.bindings.len());
        for b in &self.bindings {
            number(&mut out, b.group);
            number(&mut out, b.binding);
            match b.kind {
                BindingKind::Uniform { size } => {
                    out.push(0);
                    number(&mut out, size);
                }
                BindingKind::Texture => out.push(1),
                BindingKind::Sampler => out.push(2),
            }
            count(&mut out, b.name.len());
            out.extend_from_slice(b.name.as_bytes());
        }
        for words in [&self.constants, &self.table] {
            count(&mut out, words.len());
            out.extend(words.iter().flat_map(|w| w.to_le_bytes()));
        }
        number(&mut out, u32::from(self.uniforms));
        number(&mut out, u32::from(self.varyings));
        number(&mut out, self.locals);
        ops(&mut out, &self.setup);
        ops(&mut out, &self.body);
        for reg in self.color {
            number(&mut out, u32::from(reg.word()));
        }
        match self.discard {
            None => out.push(0),
            Some(reg) => {
                out.push(1);
                number(&mut out, u32::from(reg.word()));
            }
        }
        count(&mut out, self.loop_lines.len());
        for line in &self.loop_lines {
            number(&mut out, *line);
        }
        out
    }

    /// A program from its byte form. The result is well-formed but not verified: that is [`crate::Machine::new`].
    ///
    /// # Errors
    /// [`DecodeError`] for any bytes that [`Self::encode`] does not make.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut r = Reader { bytes, at: 0 };
        if r.take(4).ok() != Some(MAGIC) {
            return Err(DecodeError::Magic);
        }
        match r.byte()? {
            FORMAT => {}
            other => return Err(DecodeError::Format(other)),
        }
        let mut bindings = Vec::new();
        for _ in 0..r.count(4)? {
            bindings.push(r.binding()?);
        }
        let constants = r.words()?;
        let table = r.words()?;
        let (uniforms, varyings, locals) = (r.short()?, r.short()?, r.number()?);
        let (setup, body) = (r.ops()?, r.ops()?);
        let color = [r.reg()?, r.reg()?, r.reg()?, r.reg()?];
        let start = r.at;
        let discard = match r.byte()? {
            0 => None,
            1 => Some(r.reg()?),
            _ => return Err(DecodeError::Malformed(start)),
        };
        let mut loop_lines = Vec::new();
        for _ in 0..r.count(1)? {
            loop_lines.push(r.number()?);
        }
        if r.at != bytes.len() {
            return Err(DecodeError::Trailing(r.at));
        }
        Ok(Self {
            bindings,
            constants,
            table,
            uniforms,
            varyings,
            locals,
            setup,
            body,
            color,
            discard,
            loop_lines,
        })
    }
}
