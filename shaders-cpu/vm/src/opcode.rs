//! The instruction set: every operation a program can name, with its operand count and class.
//!
//! The numbers are part of the program format: append, never reorder, and raise
//! [`crate::program::FORMAT`] when a meaning changes. What an operation computes is in `kernel`; the formulas
//! are in `math`.

/// What an operation may touch, hence where it may stand and what may be done with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// A function of its operands alone: may be folded, shared, moved and dropped.
    Pure,
    /// A function of its operands and of the strip or the bound resources: may be shared, not folded.
    Context,
    /// Reads or writes local memory: keeps its order.
    Memory,
    /// Moves the program counter.
    Control,
}

/// The most operands that an operation has.
pub const MAX_ARITY: usize = 6;

macro_rules! opcodes {
    ($($(#[$doc:meta])* $name:ident = $number:literal $text:literal $arity:literal $class:ident;)*) => {
        /// One operation. Operands are named `a b c d e f` in order; lanes hold `f32`, `i32` or `u32` bits, and
        /// booleans as all zeros or all ones.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[repr(u8)]
        pub enum Opcode { $($(#[$doc])* $name = $number,)* }

        impl Opcode {
            /// Every operation, in numeric order.
            pub const ALL: &'static [Opcode] = &[$(Opcode::$name,)*];

            /// The operation with this number, if there is one.
            #[must_use]
            pub const fn from_number(number: u8) -> Option<Self> {
                match number { $($number => Some(Self::$name),)* _ => None }
            }

            /// The mnemonic used in listings.
            #[must_use]
            pub const fn text(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }

            /// How many register operands it reads, 0 to [`MAX_ARITY`].
            #[must_use]
            pub const fn arity(self) -> usize {
                match self { $(Self::$name => $arity,)* }
            }

            /// What it may touch.
            #[must_use]
            pub const fn class(self) -> Class {
                match self { $(Self::$name => Class::$class,)* }
            }
        }
    };
}

opcodes! {
    /// `a`
    Copy = 0 "copy" 1 Pure;
    /// `a ? b : c` by mask
    Select = 1 "select" 3 Pure;

    /// `-a`
    Neg = 2 "neg.f" 1 Pure;
    /// `|a|`
    Abs = 3 "abs.f" 1 Pure;
    /// −1, 0 or 1
    Sign = 4 "sign.f" 1 Pure;
    /// Largest integer not above `a`
    Floor = 5 "floor" 1 Pure;
    /// Smallest integer not below `a`
    Ceil = 6 "ceil" 1 Pure;
    /// Nearest integer, ties to even
    Round = 7 "round" 1 Pure;
    /// Integer part
    Trunc = 8 "trunc" 1 Pure;
    /// `a - floor(a)`
    Fract = 9 "fract" 1 Pure;
    /// Square root, correctly rounded
    Sqrt = 10 "sqrt" 1 Pure;
    /// `1 / sqrt(a)`
    InverseSqrt = 11 "rsqrt" 1 Pure;
    /// eᵃ
    Exp = 12 "exp" 1 Pure;
    /// 2ᵃ
    Exp2 = 13 "exp2" 1 Pure;
    /// Natural logarithm
    Log = 14 "log" 1 Pure;
    /// Base-2 logarithm
    Log2 = 15 "log2" 1 Pure;
    /// Sine of radians
    Sin = 16 "sin" 1 Pure;
    /// Cosine of radians
    Cos = 17 "cos" 1 Pure;
    /// Tangent of radians
    Tan = 18 "tan" 1 Pure;
    /// Arc sine, radians
    Asin = 19 "asin" 1 Pure;
    /// Arc cosine, radians
    Acos = 20 "acos" 1 Pure;
    /// Arc tangent, radians
    Atan = 21 "atan" 1 Pure;
    /// Hyperbolic sine
    Sinh = 22 "sinh" 1 Pure;
    /// Hyperbolic cosine
    Cosh = 23 "cosh" 1 Pure;
    /// Hyperbolic tangent
    Tanh = 24 "tanh" 1 Pure;
    /// Inverse hyperbolic sine
    Asinh = 25 "asinh" 1 Pure;
    /// Inverse hyperbolic cosine
    Acosh = 26 "acosh" 1 Pure;
    /// Inverse hyperbolic tangent
    Atanh = 27 "atanh" 1 Pure;
    /// `a` limited to 0…1
    Saturate = 28 "saturate" 1 Pure;
    /// `a` rounded to binary16 and back
    QuantizeF16 = 29 "quantize16" 1 Pure;
    /// The fraction of `frexp(a)`
    FrexpFract = 30 "frexp.fract" 1 Pure;
    /// The exponent of `frexp(a)`, `i32`
    FrexpExp = 31 "frexp.exp" 1 Pure;

    /// `a + b`
    Add = 32 "add.f" 2 Pure;
    /// `a - b`
    Sub = 33 "sub.f" 2 Pure;
    /// `a * b`
    Mul = 34 "mul.f" 2 Pure;
    /// `a / b`, correctly rounded
    Div = 35 "div.f" 2 Pure;
    /// `a - b * trunc(a / b)`
    Rem = 36 "rem.f" 2 Pure;
    /// `b < a ? b : a`
    Min = 37 "min.f" 2 Pure;
    /// `a < b ? b : a`
    Max = 38 "max.f" 2 Pure;
    /// aᵇ for a ≥ 0
    Pow = 39 "pow" 2 Pure;
    /// Angle of the vector (b, a)
    Atan2 = 40 "atan2" 2 Pure;
    /// `a <= b ? 1 : 0`
    Step = 41 "step" 2 Pure;
    /// `a * 2ᵇ`, `b` an `i32`
    Ldexp = 42 "ldexp" 2 Pure;
    /// `fract(a * b)`
    FractMul = 43 "fract.mul" 2 Pure;
    /// `sqrt(a*a + b*b)`
    Length2 = 44 "length2" 2 Pure;
    /// `|a| - b`
    AbsSub = 45 "abssub.f" 2 Pure;
    /// The distance from a box with round corners: `length(max(ab, 0)) + min(max(a, b), 0) - c`
    Box2 = 46 "box2" 3 Pure;

    /// `a == b`
    EqF = 48 "eq.f" 2 Pure;
    /// `a != b`
    NeF = 49 "ne.f" 2 Pure;
    /// `a < b`
    LtF = 50 "lt.f" 2 Pure;
    /// `a <= b`
    LeF = 51 "le.f" 2 Pure;
    /// `a == b`
    EqI = 52 "eq.i" 2 Pure;
    /// `a != b`
    NeI = 53 "ne.i" 2 Pure;
    /// `a < b`, signed
    LtI = 54 "lt.i" 2 Pure;
    /// `a <= b`, signed
    LeI = 55 "le.i" 2 Pure;
    /// `a < b`, unsigned
    LtU = 56 "lt.u" 2 Pure;
    /// `a <= b`, unsigned
    LeU = 57 "le.u" 2 Pure;

    /// `a * b + c`, rounded twice
    MulAdd = 64 "muladd.f" 3 Pure;
    /// `a * b - c`, rounded twice
    MulSub = 65 "mulsub.f" 3 Pure;
    /// `c - a * b`, rounded twice
    NegMulAdd = 66 "negmuladd.f" 3 Pure;
    /// `(a + b) * c`
    AddMul = 67 "addmul.f" 3 Pure;
    /// `(a - b) * c`
    SubMul = 68 "submul.f" 3 Pure;
    /// `(a * b) * c`
    MulMul = 69 "mulmul.f" 3 Pure;
    /// `(a + b) + c`
    AddAdd = 70 "addadd.f" 3 Pure;
    /// `a * (1 - c) + b * c`
    Mix = 71 "mix" 3 Pure;
    /// `min(max(a, b), c)`
    Clamp = 72 "clamp.f" 3 Pure;
    /// Hermite step of `c` between `a` and `b`
    Smoothstep = 73 "smoothstep" 3 Pure;
    /// `sqrt(a*a + b*b + c*c)`
    Length3 = 74 "length3" 3 Pure;
    /// `a * b + c * d`
    Dot2 = 75 "dot2" 4 Pure;
    /// `a * b + c * d + e * f`
    Dot3 = 76 "dot3" 6 Pure;
    /// `mix(mix(a, b, e), mix(c, d, e), f)`
    Bilinear = 77 "bilinear" 6 Pure;
    /// `fract((a + b) * c)`
    FractAddMul = 78 "fract.addmul" 3 Pure;
    /// `a * (b + d) + b * (c + d) + c * (a + d)`: `dot(abc, bca + d)`, as hashes of floats begin
    DotHash = 63 "dot.hash" 4 Pure;
    /// `hash3.f` of `a`, `b`, `a` and `c`: a number from two
    Hash2F = 61 "hash2.f" 3 Pure;
    /// `fract.hash` of `a`, `b`, `c` and their `dot.hash` with `d`: a number from three (Hoskins' hash without sine, 2014)
    Hash3F = 62 "hash3.f" 4 Pure;
    /// `fract(((a + d) + (b + d)) * (c + d))`, as hashes of floats end
    FractHash = 79 "fract.hash" 4 Pure;

    /// `a + b`, wrapping
    AddI = 80 "add.i" 2 Pure;
    /// `a - b`, wrapping
    SubI = 81 "sub.i" 2 Pure;
    /// `a * b`, wrapping
    MulI = 82 "mul.i" 2 Pure;
    /// `a / b`, signed; `a` where `b` is 0 or the quotient overflows
    DivI = 83 "div.i" 2 Pure;
    /// `a / b`, unsigned; `a` where `b` is 0
    DivU = 84 "div.u" 2 Pure;
    /// `a % b`, signed; 0 where `b` is 0 or the quotient overflows
    RemI = 85 "rem.i" 2 Pure;
    /// `a % b`, unsigned; 0 where `b` is 0
    RemU = 86 "rem.u" 2 Pure;
    /// Signed minimum
    MinI = 87 "min.i" 2 Pure;
    /// Signed maximum
    MaxI = 88 "max.i" 2 Pure;
    /// Unsigned minimum
    MinU = 89 "min.u" 2 Pure;
    /// Unsigned maximum
    MaxU = 90 "max.u" 2 Pure;
    /// Bitwise and
    And = 91 "and" 2 Pure;
    /// Bitwise or
    Or = 92 "or" 2 Pure;
    /// Bitwise exclusive or
    Xor = 93 "xor" 2 Pure;
    /// `a & !b`
    AndNot = 94 "andnot" 2 Pure;
    /// `a << (b & 31)`
    Shl = 95 "shl" 2 Pure;
    /// `a >> (b & 31)`, filling with the sign
    ShrI = 96 "shr.i" 2 Pure;
    /// `a >> (b & 31)`, filling with zeros
    ShrU = 97 "shr.u" 2 Pure;
    /// `a ^ (a >> (b & 31))`
    XorShr = 98 "xorshr" 2 Pure;
    /// `a * b + c`, wrapping
    MulAddI = 99 "muladd.i" 3 Pure;
    /// `|a|`, wrapping at the minimum
    AbsI = 100 "abs.i" 1 Pure;
    /// −1, 0 or 1
    SignI = 101 "sign.i" 1 Pure;
    /// `!a`
    Not = 102 "not" 1 Pure;
    /// Number of one bits
    CountOnes = 103 "popcount" 1 Pure;
    /// Bits in opposite order
    ReverseBits = 104 "reverse" 1 Pure;
    /// Number of leading zeros; 32 for 0
    LeadingZeros = 105 "clz" 1 Pure;
    /// Number of trailing zeros; 32 for 0
    TrailingZeros = 106 "ctz" 1 Pure;
    /// Position of the highest bit that differs from the sign; −1 for 0 and −1
    FirstLeadingI = 107 "firstlead.i" 1 Pure;
    /// Position of the highest one; −1 for 0
    FirstLeadingU = 108 "firstlead.u" 1 Pure;
    /// Position of the lowest one; −1 for 0
    FirstTrailing = 109 "firsttrail" 1 Pure;
    /// `c` bits of `a` from bit `b`, sign-extended
    ExtractI = 110 "extract.i" 3 Pure;
    /// `c` bits of `a` from bit `b`
    ExtractU = 111 "extract.u" 3 Pure;
    /// `a` with `d` bits from bit `c` replaced by the low bits of `b`
    InsertBits = 112 "insert" 4 Pure;
    /// Sum of products of four signed bytes
    Dot4I8 = 113 "dot4.i8" 2 Pure;
    /// Sum of products of four unsigned bytes
    Dot4U8 = 114 "dot4.u8" 2 Pure;

    /// `(a ^ (a >> (b & 31))) * c`, a round of many hashes
    XorShrMul = 115 "xorshrmul" 3 Pure;
    /// `w ^ (w >> e)` of `w = ((a >> ((a >> b) + c)) ^ a) * d`, the output permutation of PCG (O'Neill, 2014: RXS M XS);
    /// shifts modulo 32
    Pcg = 116 "pcg" 5 Pure;
    /// `f32(i32((a >> (b & 31)) & c)) / d`, a field of bits as a share
    FieldDiv = 117 "field.div" 4 Pure;
    /// `f32(i32((a >> (b & 31)) & c)) * d`
    FieldMul = 118 "field.mul" 4 Pure;
    /// `(a + b) * c + d`, wrapping
    AddMulAddI = 119 "addmuladd.i" 4 Pure;

    /// `f32` to `i32`, towards zero, limited to the range
    ToI = 120 "f.to.i" 1 Pure;
    /// `f32` to `u32`, towards zero, limited to the range
    ToU = 121 "f.to.u" 1 Pure;
    /// `i32` to the nearest `f32`
    FromI = 122 "i.to.f" 1 Pure;
    /// `u32` to the nearest `f32`
    FromU = 123 "u.to.f" 1 Pure;
    /// The bits of an `f32`, one pattern for every NaN
    Bits = 124 "bits" 1 Pure;
    /// The binary16 bits nearest to an `f32`
    ToHalf = 125 "f.to.h" 1 Pure;
    /// The `f32` with the value of binary16 bits
    FromHalf = 126 "h.to.f" 1 Pure;

    /// `a * a * (c - a * b)`, Hermite's cubic
    Hermite = 130 "hermite" 3 Pure;
    /// The same of `fract(a)`: where a lattice's noise lies between its points
    HermiteFract = 139 "hermite.fract" 3 Pure;
    /// `(a + b) - c`
    AddSub = 131 "addsub.f" 3 Pure;
    /// `|a - b| - c`
    SubAbsSub = 132 "subabssub.f" 3 Pure;
    /// `sqrt(a*a + b*b) - c`
    Length2Sub = 133 "length2.sub" 3 Pure;
    /// `sqrt(a*a + b*b + c*c) - d`
    Length3Sub = 134 "length3.sub" 4 Pure;
    /// The distance from a box with round corners: `length(max(abc, 0)) + min(max(a, max(b, c)), 0) - d`
    Box3 = 135 "box3" 4 Pure;
    /// `x*x + y*y` of `x = (a + b) - c` and `y = (d + e) - f`
    SquaredDistance = 149 "distance.sq" 6 Pure;
    /// `min(min(a, b), c)`
    Min3 = 136 "min3.f" 3 Pure;
    /// `min(min(a, b), min(c, d))`
    Min4 = 137 "min4.f" 4 Pure;
    /// `a < b ? c : d`
    SelectLt = 138 "select.lt" 4 Pure;

    /// Horizontal position of the pixel's centre, in pixels from the left
    PositionX = 140 "position.x" 0 Context;
    /// Vertical position of the pixel's centre, in pixels from the top
    PositionY = 141 "position.y" 0 Context;
    /// Difference of `a` from the left to the right pixel of the quad's row
    Dpdx = 142 "dpdx" 1 Context;
    /// Difference of `a` from the upper to the lower pixel of the quad's column
    Dpdy = 143 "dpdy" 1 Context;
    /// The word at byte `imm` of uniform buffer `aux`
    Uniform = 144 "uniform" 0 Context;
    /// The word at byte `imm + a` of uniform buffer `aux`; 0 beyond its end
    UniformAt = 145 "uniform.at" 1 Context;
    /// Word `imm + min(a, aux - 1)` of the program's table
    TableAt = 146 "table.at" 1 Context;
    /// Width of texture `aux`, in texels
    TextureWidth = 147 "texture.width" 0 Context;
    /// Height of texture `aux`, in texels
    TextureHeight = 148 "texture.height" 0 Context;

    /// Local word `imm`
    LocalRead = 160 "local.read" 0 Memory;
    /// Local word `imm` = `a`
    LocalWrite = 161 "local.write" 1 Memory;
    /// Local word `imm` = `a` where `b`
    LocalWriteMasked = 162 "local.write.m" 2 Memory;
    /// Local word `imm + min(a, aux - 1)`
    LocalLoad = 163 "local.load" 1 Memory;
    /// Local word `imm + min(a, aux - 1)` = `b`
    LocalStore = 164 "local.store" 2 Memory;
    /// Local word `imm + min(a, aux - 1)` = `b` where `c`
    LocalStoreMasked = 165 "local.store.m" 3 Memory;
    /// Local words `imm …` = the four channels of a sample at (a, b), moved by (c, d) texels; `aux` names
    /// texture (low half) and sampler (high half)
    TextureSample = 166 "texture.sample" 4 Memory;
    /// Local words `imm …` = channel `aux >> 30` of the four texels around (a, b), as `textureGather` orders them
    TextureGather = 167 "texture.gather" 4 Memory;
    /// Local words `imm …` = the four channels of the texel at integer (a, b), zeros outside
    TextureLoad = 168 "texture.load" 2 Memory;

    /// Go forward to `imm`
    Jump = 180 "jump" 0 Control;
    /// Go forward to `imm` if the uniform `a` is false
    JumpUnless = 181 "jump.unless" 1 Control;
    /// Go forward to `imm` if no lane of `a` is set
    JumpNone = 182 "jump.none" 1 Control;
    /// Charge the budget and go back to `imm`
    Loop = 183 "loop" 0 Control;
    /// Charge the budget and go back to `imm` if the uniform `a` is true
    LoopIf = 184 "loop.if" 1 Control;
    /// Charge the budget and go back to `imm` if any lane of `a` is set
    LoopAny = 185 "loop.any" 1 Control;
}

impl Opcode {
    /// Whether the operation writes its destination register.
    #[must_use]
    pub const fn has_result(self) -> bool {
        !matches!(self.class(), Class::Control)
            && !matches!(
                self,
                Self::LocalWrite
                    | Self::LocalWriteMasked
                    | Self::LocalStore
                    | Self::LocalStoreMasked
                    | Self::TextureSample
                    | Self::TextureGather
                    | Self::TextureLoad
            )
    }

    /// Whether exchanging `a` and `b` changes nothing, so that one order can stand for both.
    #[must_use]
    pub const fn commutes(self) -> bool {
        matches!(
            self,
            Self::Add
                | Self::Mul
                | Self::EqF
                | Self::NeF
                | Self::EqI
                | Self::NeI
                | Self::AddI
                | Self::MulI
                | Self::MinI
                | Self::MaxI
                | Self::MinU
                | Self::MaxU
                | Self::And
                | Self::Or
                | Self::Xor
                | Self::MulAdd
                | Self::MulSub
                | Self::NegMulAdd
                | Self::AddMul
                | Self::MulMul
                | Self::AddAdd
                | Self::MulAddI
                | Self::Length2
                | Self::Dot4I8
                | Self::Dot4U8
        )
    }

    /// Whether this is a back-edge, which pays from the budget.
    #[must_use]
    pub const fn is_back_edge(self) -> bool {
        matches!(self, Self::Loop | Self::LoopIf | Self::LoopAny)
    }
}
