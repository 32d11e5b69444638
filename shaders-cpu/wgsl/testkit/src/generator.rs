//! Random shaders: valid WGSL that always ends, with every kind of statement nested in every other kind.
//!
//! Integers are exact on every device, so most of a program computes with integers. The few floats are small whole numbers
//! and halves, which no device rounds.

use std::fmt::Write as _;

/// A small random number generator (PCG). A seed gives the same numbers, and so the same program, for ever.
#[derive(Debug)]
pub struct Dice(u64);

impl Dice {
    /// Starts from a seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// Returns a number from 0 up to, but without, `sides`.
    pub fn roll(&mut self, sides: u32) -> u32 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let mixed = ((self.0 >> 18) ^ self.0) >> 27;
        (mixed as u32).rotate_right((self.0 >> 59) as u32) % sides
    }
}

struct Writer {
    dice: Dice,
    out: String,
    depth: usize,
    /// How many loops the current position is nested in.
    loops: usize,
    /// Whether `break` and `continue` are valid at the current position.
    in_loop: bool,
    in_switch: bool,
    counters: usize,
}

/// Writes the shader of a seed.
#[must_use]
pub fn shader(seed: u64) -> String {
    let mut w = Writer {
        dice: Dice::new(seed),
        out: String::new(),
        depth: 0,
        loops: 0,
        in_loop: false,
        in_switch: false,
        counters: 0,
    };
    w.out.push_str("var<private> g: u32 = 3u;\nvar<private> table: array<i32, 5>;\n");
    for function in 0..2 {
        let _ = writeln!(w.out, "fn f{function}(a0: i32, u0: u32, out_: ptr<function, i32>) -> i32 {{");
        w.out.push_str(
            "  var a = a0; var b = 1; var c = a0 ^ 5; var u = u0; var v = u0 * 3u + 1u; var h = 0.5;\n",
        );
        w.statements(4);
        w.out.push_str("  *out_ += b;\n  return a + c + bitcast<i32>(u ^ v) + i32(h);\n}\n");
    }
    w.out.push_str("@fragment fn main(@builtin(position) p: vec4f) -> @location(0) vec4f {\n");
    w.out.push_str("  var a = i32(p.x) - 9; var b = i32(p.y) * 3 - 20; var c = 7;\n");
    w.out.push_str("  var u = u32(p.x) * 2654435761u; var v = u32(p.y) + 1u; var h = p.x;\n  var arr: array<u32, 6>;\n  var o = 0;\n");
    w.counters = 100;
    w.statements(7);
    w.out.push_str("  a += f0(b, u, &o);\n  if (c > 0) { b ^= f1(a, v, &o); }\n");
    w.statements(3);
    w.out.push_str("  arr[u % 6u] = v;\n  let m = bitcast<u32>(a) ^ (bitcast<u32>(b) * 31u) ^ bitcast<u32>(c + o + table[v % 5u]);\n");
    w.out.push_str("  let k = u ^ (v * 7u) ^ g ^ arr[(v + 1u) % 6u];\n");
    w.out.push_str("  return vec4f(f32(m & 0xffffu), f32(m >> 16u), f32((k ^ (k >> 16u)) & 0xffffu), h - floor(h * 0.0078125) * 128.0);\n}\n");
    w.out
}

impl Writer {
    fn line(&mut self, text: &str) {
        for _ in 0..=self.depth {
            self.out.push_str("  ");
        }
        self.out.push_str(text);
        self.out.push('\n');
    }

    fn signed(&mut self, depth: u32) -> String {
        if depth == 0 {
            return match self.dice.roll(5) {
                0 => format!("{}", self.dice.roll(9) as i32 - 4),
                1 => "a".into(),
                2 => "b".into(),
                3 => "c".into(),
                _ => "table[g % 5u]".into(),
            };
        }
        let (x, y) = (self.signed(depth - 1), self.signed(depth - 1));
        match self.dice.roll(14) {
            0 => format!("({x} + {y})"),
            1 => format!("({x} - {y})"),
            2 => format!("({x} * {y})"),
            // A constant zero would be an error, a zero at run time is not.
            3 => format!("({x} / ({y} ^ {}))", ["a", "b", "c"][self.dice.roll(3) as usize]),
            4 => format!("({x} % {})", ["a", "b", "c"][self.dice.roll(3) as usize]),
            5 => format!("({x} & {y})"),
            6 => format!("({x} ^ {y})"),
            7 => format!("min({x}, {y})"),
            8 => format!("max({x}, {y})"),
            9 => {
                let condition = self.condition();
                format!("select({x}, {y}, {condition})")
            }
            10 => format!("abs({x})"),
            11 => format!("clamp({x}, -9, 40)"),
            12 => format!("(-({x}))"),
            _ => format!("bitcast<i32>({})", self.unsigned(depth - 1)),
        }
    }

    fn unsigned(&mut self, depth: u32) -> String {
        if depth == 0 {
            return match self.dice.roll(4) {
                0 => format!("{}u", self.dice.roll(40)),
                1 => "u".into(),
                2 => "v".into(),
                _ => "g".into(),
            };
        }
        let (x, y) = (self.unsigned(depth - 1), self.unsigned(depth - 1));
        match self.dice.roll(11) {
            0 => format!("({x} + {y})"),
            1 => format!("({x} * {y})"),
            2 => format!("({x} ^ {y})"),
            3 => format!("({x} >> ((u ^ {y}) & 31u))"),
            4 => format!("({x} << ((v ^ {y}) & 31u))"),
            5 => format!("({x} / ({y} ^ {}))", ["u", "v", "g"][self.dice.roll(3) as usize]),
            6 => format!("({x} % {})", ["u", "v", "g"][self.dice.roll(3) as usize]),
            7 => format!("countOneBits({x})"),
            8 => format!("extractBits({x}, {y} & 15u, 9u)"),
            9 => format!("reverseBits({x})"),
            _ => format!("bitcast<u32>({})", self.signed(depth - 1)),
        }
    }

    fn condition(&mut self) -> String {
        let (x, y) = (self.signed(0), self.signed(1));
        let (s, t) = (self.unsigned(0), self.unsigned(0));
        match self.dice.roll(7) {
            0 => format!("({x} < {y})"),
            1 => format!("({x} == {y})"),
            2 => format!("({s} > {t})"),
            3 => format!("(({s} & 3u) == 1u)"),
            4 => format!("(h >= {}.5)", self.dice.roll(20)),
            5 => format!("({x} > 2 && {s} != {t})"),
            _ => format!("({x} <= 1 || {y} > 3)"),
        }
    }

    fn statements(&mut self, count: u32) {
        for _ in 0..count {
            self.statement();
        }
    }

    fn block(&mut self, count: u32) {
        self.depth += 1;
        self.statements(count);
        self.depth -= 1;
    }

    fn statement(&mut self) {
        let deep = self.depth > 3;
        match self.dice.roll(if deep { 8 } else { 15 }) {
            0 | 1 => {
                let (to, value) = (["a", "b", "c"][self.dice.roll(3) as usize], self.signed(2));
                self.line(&format!("{to} = {value};"));
            }
            2 | 3 => {
                let (to, value) = (["u", "v", "g"][self.dice.roll(3) as usize], self.unsigned(2));
                self.line(&format!("{to} = {value};"));
            }
            4 => {
                let (index, value) = (self.unsigned(1), self.signed(1));
                self.line(&format!("table[({index}) % 5u] = {value};"));
            }
            5 => self.line("h = abs(h * 0.5 - 3.0);"),
            6 if self.in_loop => {
                let condition = self.condition();
                let how = if self.dice.roll(2) == 0 { "break" } else { "continue" };
                self.line(&format!("if ({condition}) {{ {how}; }}"));
            }
            7 if self.counters < 100 => {
                let (condition, value) = (self.condition(), self.signed(1));
                self.line(&format!("if ({condition}) {{ c += 1; return {value}; }}"));
            }
            8 | 9 => {
                let condition = self.condition();
                self.line(&format!("if ({condition}) {{"));
                self.block(2);
                if self.dice.roll(2) == 0 {
                    self.line("} else {");
                    self.block(2);
                }
                self.line("}");
            }
            10 | 11 => {
                let name = format!("turn{}", self.counters);
                self.counters += 1;
                let bound = match self.dice.roll(3) {
                    0 => format!("{}", self.dice.roll(5) + 1),
                    1 => "(a & 7)".into(),
                    _ => "i32(u & 3u) + 2".into(),
                };
                self.line(&format!("for (var {name} = 0; {name} < min({bound}, 6); {name}++) {{"));
                let (outer, switch) = (std::mem::replace(&mut self.in_loop, true), self.in_switch);
                self.in_switch = false;
                let depth = self.depth;
                self.depth += usize::from(self.loops > 1);
                self.loops += 1;
                self.block(3);
                self.loops -= 1;
                self.depth = depth;
                (self.in_loop, self.in_switch) = (outer, switch);
                self.line("}");
            }
            12 => {
                let selector = self.signed(1);
                self.line(&format!("switch ({selector}) & 3 {{"));
                for case in ["case 0: {", "case 1, 2: {", "default: {"] {
                    self.line(case);
                    self.block(2);
                    self.line("}");
                }
                self.line("}");
            }
            13 => {
                let name = format!("count{}", self.counters);
                self.counters += 1;
                let condition = self.condition();
                self.line(&format!("var {name} = 0;"));
                self.line("loop {");
                let outer = std::mem::replace(&mut self.in_loop, false);
                self.block(2);
                self.in_loop = outer;
                self.line(&format!("  continuing {{ {name} += 1; break if {name} > 4 || {condition}; }}"));
                self.line("}");
            }
            _ => {
                let value = self.unsigned(1);
                self.line(&format!("{{ let t = {value}; u ^= t; v += t >> 3u; }}"));
            }
        }
    }
}
