//! Joins operations into one where what comes between has no other reader: fewer instructions, loads and stores, the same
//! roundings in the same order.
//!
//! All must stand in the same straight run of code, and what they read must not have been written since. A fused operation is
//! used only where its kernels take the uniform operands as they are: spreading one costs what fusing saves.

use std::collections::{HashMap, HashSet};

use iridule_vm::{MAX_ARITY, Opcode, takes_uniform};

use crate::ssa::{Builder, Id, Inst, Origin, Rate};

type Operands = [Id; MAX_ARITY];
type Fused = Option<(Opcode, Vec<Id>)>;

/// The positions of definitions and the number of readers, in code without jumps between them.
struct Uses<'b> {
    b: &'b Builder,
    readers: HashMap<Id, u32>,
    /// Position and run of the only definition of each value.
    defined: HashMap<Id, (usize, usize)>,
    /// Position of the last write to each register value so far.
    written: HashMap<Id, usize>,
    /// Values whose operation has become a fused one.
    fused: HashSet<Id>,
    /// The constants 0, `!0` and -0.
    no_bits: Id,
    all_bits: Id,
    minus_zero: Id,
}

impl Uses<'_> {
    /// These have one reader more each; what had none is there again, and with it its own reading.
    fn hold(&mut self, body: &[Inst], operands: &[Id]) {
        let mut left: Vec<Id> = operands.to_vec();
        while let Some(id) = left.pop() {
            let readers = self.readers.entry(id).or_default();
            *readers += 1;
            if *readers == 1
                && let Some((at, _)) = self.defined.get(&id)
            {
                left.extend(body[*at].operands());
            }
        }
    }

    /// These have one reader less each; what has none is as good as gone, and with it its own reading.
    fn release(&mut self, body: &[Inst], operands: &[Id]) {
        let mut left: Vec<Id> = operands.to_vec();
        while let Some(id) = left.pop() {
            let readers = self.readers.entry(id).or_default();
            *readers = readers.saturating_sub(1);
            if *readers == 0
                && let Some((at, _)) = self.defined.get(&id)
            {
                left.extend(body[*at].operands());
            }
        }
    }
}

/// The operation that others are to be fused into.
struct Site<'u, 'b> {
    uses: &'u Uses<'b>,
    dst: Id,
    run: usize,
}

impl Site<'_, '_> {
    /// The operands of `id` if it was made by `code`, in this run, and could as well be made here.
    fn made(&self, code: Opcode, id: Id) -> Option<Operands> {
        let Uses { b, defined, written, .. } = self.uses;
        let operands = b.made_by(id, code)?;
        let (at, made_in) = *defined.get(&id)?;
        let unchanged = operands[..code.arity()].iter().all(|operand| {
            b.info(*operand).origin != Origin::Register || written.get(operand).is_none_or(|w| *w < at)
        });
        (made_in == self.run && b.rate(id) == b.rate(self.dst) && unchanged).then_some(operands)
    }

    fn readers(&self, id: Id) -> u32 {
        self.uses.readers.get(&id).copied().unwrap_or(0)
    }

    /// The same, if nothing else reads it: then it goes. It may have been fused before, in part of what is fused now.
    fn inner(&self, code: Opcode, id: Id) -> Option<Operands> {
        self.made(code, id).filter(|_| self.readers(id) <= 1)
    }

    /// The same, if it was not fused before: taking it apart again would gain nothing.
    fn only(&self, code: Opcode, id: Id) -> Option<Operands> {
        self.made(code, id).filter(|_| self.readers(id) == 1 && !self.uses.fused.contains(&id))
    }

    /// The operation, if a kernel takes these operands.
    fn fit(&self, code: Opcode, operands: &[Id]) -> Fused {
        let b = self.uses.b;
        let uniform =
            operands.iter().rev().fold(0, |form, id| form << 1 | u8::from(b.rate(*id) < Rate::Varying));
        let fits = b.rate(self.dst) < Rate::Varying || takes_uniform(code, uniform);
        fits.then(|| (code, operands.to_vec()))
    }

    fn is_zero(&self, id: Id) -> bool {
        self.uses.b.constant(id) == Some(0)
    }

    fn fused(&self, code: Opcode, [a, b, c, ..]: Operands) -> Fused {
        match code {
            Opcode::Add => (self.boxed(a, b, None))
                .or_else(|| self.dot3(a, b).or_else(|| self.dot3(b, a)))
                .or_else(|| self.sum(a, b)),
            Opcode::Sub => self.difference(a, b),
            Opcode::Div => self.field(Opcode::FieldDiv, a, b),
            Opcode::Mul => (self.hermite(a, b).or_else(|| self.hermite(b, a)))
                .or_else(|| self.field(Opcode::FieldMul, a, b))
                .or_else(|| self.field(Opcode::FieldMul, b, a))
                .or_else(|| self.product(a, b).or_else(|| self.product(b, a))),
            Opcode::Fract => self.fract(a),
            Opcode::Mix => {
                let ([p, q, e, ..], [r, s, g, ..]) = (self.inner(code, a)?, self.inner(code, b)?);
                (e == g).then(|| self.fit(Opcode::Bilinear, &[p, q, r, s, e, c]))?
            }
            Opcode::Min => {
                let [p, q, ..] = self.inner(code, a)?;
                let four = self.inner(code, b).filter(|_| a != b);
                let four = four.and_then(|[r, s, ..]| self.fit(Opcode::Min4, &[p, q, r, s]));
                four.or_else(|| self.only(code, a).and_then(|_| self.fit(Opcode::Min3, &[p, q, b])))
            }
            Opcode::Select => {
                let [p, q, ..] = self.only(Opcode::LtF, a)?;
                self.fit(Opcode::SelectLt, &[p, q, b, c])
            }
            Opcode::AddI => {
                let joined = |product, other| {
                    let [p, q, ..] = self.only(Opcode::MulI, product)?;
                    let sum = self.only(Opcode::AddI, p).map(|[x, y, ..]| self.uniform_last(x, y));
                    let longer = sum.and_then(|[x, y]| self.fit(Opcode::AddMulAddI, &[x, y, q, other]));
                    longer.or_else(|| self.fit(Opcode::MulAddI, &[p, q, other]))
                };
                (a != b).then(|| joined(a, b).or_else(|| joined(b, a)))?
            }
            Opcode::MulI => (self.shifted(a).map(|x| (x, b)))
                .or_else(|| self.shifted(b).map(|x| (x, a)))
                .and_then(|([x, by], factor)| self.fit(Opcode::XorShrMul, &[x, by, factor])),
            Opcode::Xor => self.pcg(a, b).or_else(|| self.pcg(b, a)).or_else(|| {
                let joined = |shifted, other| {
                    let [x, by, ..] = self.only(Opcode::ShrU, shifted)?;
                    (x == other).then(|| self.fit(Opcode::XorShr, &[x, by]))?
                };
                joined(a, b).or_else(|| joined(b, a))
            }),
            _ => None,
        }
    }

    fn sum(&self, a: Id, b: Id) -> Fused {
        let (left, right) = (self.only(Opcode::Mul, a), self.only(Opcode::Mul, b));
        let two = match (left, right) {
            (Some([p, q, ..]), Some([r, s, ..])) if a != b => {
                self.squared_distance([p, q], [r, s]).or_else(|| self.fit(Opcode::Dot2, &[p, q, r, s]))
            }
            _ => None,
        };
        let one = |product: Option<Operands>, other| {
            let [p, q, ..] = product?;
            self.fit(Opcode::MulAdd, &[p, q, other])
        };
        let three = |sum, other| {
            let [p, q, ..] = self.only(Opcode::Add, sum)?;
            self.fit(Opcode::AddAdd, &[p, q, other])
        };
        two.or_else(|| one(left, b)).or_else(|| one(right, a)).or_else(|| three(a, b)).or_else(|| three(b, a))
    }

    /// `x * x + y * y` of differences, or of sums less something: a difference is the sum with -0 less the same.
    fn squared_distance(&self, x: [Id; 2], y: [Id; 2]) -> Fused {
        let difference = |[p, q]: [Id; 2]| {
            // Its readers are the square, twice.
            let [from, to, ..] = self.made(Opcode::Sub, p).filter(|_| p == q && self.readers(p) <= 2)?;
            let sum = self.inner(Opcode::Add, from).map(|[r, s, ..]| self.uniform_last(r, s));
            let [from, more] = sum.unwrap_or([from, self.uses.minus_zero]);
            Some([from, more, to])
        };
        let ([a, b, c], [d, e, f]) = (difference(x)?, difference(y)?);
        self.fit(Opcode::SquaredDistance, &[a, b, c, d, e, f])
    }

    /// The operands of what is the same in either order, one that is uniform the last.
    fn uniform_last(&self, a: Id, b: Id) -> [Id; 2] {
        if self.uses.b.rate(a) < Rate::Varying { [b, a] } else { [a, b] }
    }

    /// `(p * q + r * s) + t * u`. The last product may have another reader: it is likely to be another of these.
    fn dot3(&self, sum: Id, product: Id) -> Fused {
        let ([[p, q], [r, s], [t, u]], ours) = self.products(sum, product)?;
        let hash = self.dot_hash([[p, q], [r, s], [t, u]]).and_then(|of| self.fit(Opcode::DotHash, &of));
        hash.or_else(|| if ours { self.fit(Opcode::Dot3, &[p, q, r, s, t, u]) } else { None })
    }

    /// The factors of such a sum, and whether nothing else reads the first two products, and few the last.
    fn products(&self, sum: Id, product: Id) -> Option<([[Id; 2]; 3], bool)> {
        let [one, two, ..] = self.inner(Opcode::Add, sum)?;
        let factors = [one, two, product].map(|id| self.made(Opcode::Mul, id).map(|[p, q, ..]| [p, q]));
        let [first, second, third] = factors;
        let ours = self.readers(one) <= 1 && self.readers(two) <= 1 && self.readers(product) <= 2;
        Some(([first?, second?, third?], ours))
    }

    /// `x`, `y`, `z` and `d` of `x * (y + d) + y * (z + d) + z * (x + d)`.
    fn dot_hash(&self, products: [[Id; 2]; 3]) -> Option<[Id; 4]> {
        // The factor, and the value and the other that are added in the other factor.
        let taken = |[factor, sum]: [Id; 2]| {
            let [of, more, ..] = self.made(Opcode::Add, sum)?;
            Some((factor, of, more))
        };
        let each = |[p, q]: [Id; 2]| [taken([p, q]), taken([q, p])].into_iter().flatten().collect::<Vec<_>>();
        let [first, second, third] = products.map(each);
        first.iter().find_map(|(x, y1, d)| {
            second.iter().filter(|(y, _, e)| y == y1 && e == d).find_map(|(y, z2, _)| {
                let closes = third.iter().any(|(z, x3, e)| z == z2 && x3 == x && e == d);
                closes.then_some([*x, *y, *z2, *d])
            })
        })
    }

    fn difference(&self, a: Id, b: Id) -> Fused {
        let pair = |inner, outer| {
            let [p, q, ..] = self.only(inner, a)?;
            self.fit(outer, &[p, q, b])
        };
        let distance = || {
            let [inside, ..] = self.only(Opcode::Abs, a)?;
            let apart = self.only(Opcode::Sub, inside);
            let apart = apart.and_then(|[p, q, ..]| self.fit(Opcode::SubAbsSub, &[p, q, b]));
            apart.or_else(|| self.fit(Opcode::AbsSub, &[inside, b]))
        };
        let length3 = || {
            let [x, y, z, ..] = self.only(Opcode::Length3, a)?;
            self.fit(Opcode::Length3Sub, &[x, y, z, b])
        };
        let taken = || {
            let [p, q, ..] = self.only(Opcode::Mul, b)?;
            self.fit(Opcode::NegMulAdd, &[p, q, a])
        };
        let rounded = || {
            let [outside, inside, ..] = self.inner(Opcode::Add, a)?;
            self.boxed(outside, inside, Some(b))
        };
        (pair(Opcode::Mul, Opcode::MulSub).or_else(taken))
            .or_else(rounded)
            .or_else(distance)
            .or_else(|| pair(Opcode::Length2, Opcode::Length2Sub))
            .or_else(length3)
            .or_else(|| pair(Opcode::Add, Opcode::AddSub))
    }

    fn product(&self, factor: Id, other: Id) -> Fused {
        let pairs =
            [(Opcode::Add, Opcode::AddMul), (Opcode::Sub, Opcode::SubMul), (Opcode::Mul, Opcode::MulMul)];
        pairs.into_iter().filter(|_| factor != other).find_map(|(inner, outer)| {
            let [p, q, ..] = self.only(inner, factor)?;
            self.fit(outer, &[p, q, other])
        })
    }

    /// `(x * x) * (c - x * k)`.
    fn hermite(&self, square: Id, rest: Id) -> Fused {
        let [x, again, ..] = self.inner(Opcode::Mul, square)?;
        let [c, product, ..] = self.inner(Opcode::Sub, rest)?;
        let [p, q, ..] = self.inner(Opcode::Mul, product)?;
        let factor = if p == x { q } else { p };
        let matches = x == again && (p == x || q == x);
        let of_fract = || {
            // Its readers are the square, twice, and the product; none of them remains.
            let [of, ..] = self.made(Opcode::Fract, x).filter(|_| self.readers(x) <= 3)?;
            self.fit(Opcode::HermiteFract, &[of, factor, c])
        };
        matches.then(|| of_fract().or_else(|| self.fit(Opcode::Hermite, &[x, factor, c])))?
    }

    fn fract(&self, a: Id) -> Fused {
        let [p, q, ..] = self.inner(Opcode::Mul, a)?;
        let sum = |sum, factor| self.inner(Opcode::Add, sum).filter(|_| sum != factor);
        let hash = |one, other| {
            let [x, y, ..] = sum(one, other)?;
            self.hash([x, y, other])
        };
        let joined = |one, other| {
            let [x, y, ..] = sum(one, other)?;
            self.fit(Opcode::FractAddMul, &[x, y, other])
        };
        let plain = || self.only(Opcode::Mul, a).and_then(|_| self.fit(Opcode::FractMul, &[p, q]));
        let hash = hash(p, q).or_else(|| hash(q, p));
        hash.or_else(|| joined(p, q)).or_else(|| joined(q, p)).or_else(plain)
    }

    /// `fract(((x + d) + (y + d)) * (z + d))` of the three sums, and all of it if `d` is their `dot.hash` and for this alone.
    fn hash(&self, sums: [Id; 3]) -> Fused {
        let [x, y, z] = sums.map(|sum| self.made(Opcode::Add, sum));
        let ([x0, x1, ..], y, z) = (x?, y?, z?);
        let other = |[p, q, ..]: Operands, d| if p == d { Some(q) } else { (q == d).then_some(p) };
        [(x0, x1), (x1, x0)].into_iter().find_map(|(x, d)| {
            let (y, z) = (other(y, d)?, other(z, d)?);
            let whole = || {
                let read_here = |sum: Id| sums.iter().filter(|other| **other == sum).count();
                let alone = self.readers(d) <= 3
                    && sums.iter().all(|sum| self.readers(*sum) as usize <= read_here(*sum));
                let [sum, product, ..] = self.made(Opcode::Add, d).filter(|_| alone)?;
                let of = |sum, product| self.dot_hash(self.products(sum, product)?.0);
                let [p, q, r, k] = of(sum, product).or_else(|| of(product, sum))?;
                let same = r == z && ([p, q] == [x, y] || [p, q] == [y, x]);
                let two = || self.fit(Opcode::Hash2F, &[p, q, k]).filter(|_| r == p);
                same.then(|| two().or_else(|| self.fit(Opcode::Hash3F, &[p, q, r, k])))?
            };
            whole().or_else(|| self.fit(Opcode::FractHash, &[x, y, z, d]))
        })
    }

    /// `x` and `by` of `x ^ (x >> by)`.
    fn shifted(&self, xor: Id) -> Option<[Id; 2]> {
        let [p, q, ..] = self.inner(Opcode::Xor, xor)?;
        [(p, q), (q, p)].into_iter().find_map(|(shifted, x)| {
            let [of, by, ..] = self.inner(Opcode::ShrU, shifted)?;
            (of == x).then_some([x, by])
        })
    }

    /// `(w >> e) ^ w` of `w = (x ^ (x >> ((x >> b) + c))) * d`.
    fn pcg(&self, shifted: Id, word: Id) -> Fused {
        let [of, last, ..] = self.inner(Opcode::ShrU, shifted).filter(|[of, ..]| *of == word)?;
        let [p, q, ..] = self.made(Opcode::MulI, of).filter(|_| self.readers(word) <= 2)?;
        let ([x, by], factor) =
            self.shifted(p).map(|x| (x, q)).or_else(|| self.shifted(q).map(|x| (x, p)))?;
        let [r, s, ..] = self.inner(Opcode::AddI, by)?;
        let amount = |id, more| {
            let [of, by, ..] = self.inner(Opcode::ShrU, id)?;
            (of == x).then(|| self.fit(Opcode::Pcg, &[x, by, more, factor, last]))?
        };
        amount(r, s).or_else(|| amount(s, r))
    }

    /// `f32((x >> by) & mask)` and a scale, where the shift or the mask may be missing.
    fn field(&self, code: Opcode, number: Id, scale: Id) -> Fused {
        let [bits, ..] = self.only(Opcode::FromI, number)?;
        let masked = || {
            let [p, q, ..] = self.only(Opcode::And, bits)?;
            Some(self.uniform_last(p, q))
        };
        let [bits, mask] = masked().unwrap_or([bits, self.uses.all_bits]);
        let shifted = self.only(Opcode::ShrU, bits).map(|[x, by, ..]| [x, by]);
        let [x, by] =
            shifted.or_else(|| (mask != self.uses.all_bits).then_some([bits, self.uses.no_bits]))?;
        self.fit(code, &[x, by, mask, scale])
    }

    /// The distance from a box less what its corners are rounded by: nothing, where that is `None`.
    fn boxed(&self, a: Id, b: Id, less: Option<Id>) -> Fused {
        let each =
            |outside, inside| self.box3(outside, inside, less).or_else(|| self.box2(outside, inside, less));
        each(a, b).or_else(|| each(b, a))
    }

    /// `length(max(q, 0)) + min(max(q.x, max(q.y, q.z)), 0)`.
    fn box3(&self, outside: Id, inside: Id, less: Option<Id>) -> Fused {
        let [x, y, z, ..] = self.inner(Opcode::Length3, outside)?;
        let [most, zero, ..] = self.inner(Opcode::Min, inside)?;
        let [p, rest, ..] = self.inner(Opcode::Max, most)?;
        let [q, r, ..] = self.made(Opcode::Max, rest)?;
        let fits = self.is_zero(zero) && [(x, p), (y, q), (z, r)].iter().all(|pair| self.is_clamped(*pair));
        fits.then(|| self.fit(Opcode::Box3, &[p, q, r, less.unwrap_or(zero)]))?
    }

    /// `length(max(q, 0)) + min(max(q.x, q.y), 0)`.
    fn box2(&self, outside: Id, inside: Id, less: Option<Id>) -> Fused {
        let [x, y, ..] = self.inner(Opcode::Length2, outside)?;
        let [most, zero, ..] = self.inner(Opcode::Min, inside)?;
        let [p, q, ..] = self.inner(Opcode::Max, most)?;
        let fits = self.is_zero(zero) && [(x, p), (y, q)].iter().all(|pair| self.is_clamped(*pair));
        fits.then(|| self.fit(Opcode::Box2, &[p, q, less.unwrap_or(zero)]))?
    }

    /// Whether the first is `max(second, 0)`.
    fn is_clamped(&self, (clamped, of): (Id, Id)) -> bool {
        self.made(Opcode::Max, clamped).is_some_and(|[a, b, ..]| a == of && self.is_zero(b))
    }
}

/// Fuses what can be. Fused operations stay in the code unread, for [`super::dead`] to remove.
pub(super) fn fuse(b: &mut Builder, results: &[Id]) {
    let mut body = std::mem::take(&mut b.body);
    let mut readers: HashMap<Id, u32> = HashMap::new();
    for inst in &body {
        inst.operands().iter().for_each(|id| *readers.entry(*id).or_default() += 1);
    }
    results.iter().for_each(|id| *readers.entry(*id).or_default() += 1);
    let (defined, written, fused) = (HashMap::new(), HashMap::new(), HashSet::new());
    let (no_bits, all_bits, minus_zero) = (b.bits(0), b.bits(u32::MAX), b.f32(-0.0));
    let mut uses = Uses { b, readers, defined, written, fused, no_bits, all_bits, minus_zero };
    let mut run = 0;
    for at in 0..body.len() {
        let inst = body[at];
        let Some(code) = inst.code() else {
            run += 1;
            continue;
        };
        if code.class() == iridule_vm::Class::Control {
            run += 1;
        }
        let Some(dst) = inst.dst else { continue };
        if matches!(uses.b.info(dst).origin, Origin::Register) {
            uses.written.insert(dst, at);
            continue;
        }
        if let Some((code, operands)) = (Site { uses: &uses, dst, run }).fused(code, inst.src) {
            uses.hold(&body, &operands);
            uses.release(&body, inst.operands());
            body[at] = Inst::op(code, Some(dst), &operands);
            uses.fused.insert(dst);
        }
        uses.defined.insert(dst, (at, run));
    }
    b.body = body;
}
