//! Loops and switches.
//!
//! A loop with a constant number of turns is unrolled. Any other has a head, to which it goes back while a lane
//! is in it; the words it changes are registers, written at the end of each turn for the lanes that were in it.
//! If lanes leave one by one, the set of those still in the loop (`live`) is such a register too.
//!
//! A `switch` is a chain of branches.

use std::cell::RefCell;
use std::collections::BTreeMap;

use iridule_vm::Opcode;
use naga::{Block, Expression, Handle, Statement, SwitchCase, SwitchValue};

use super::statement::{List, list};
use super::{Carry, Frame, Lowering, Result, key};
use crate::ssa::{Id, Origin, Rate};

/// Most turns of an unrolled loop.
const MAX_TURNS: usize = 64;
/// Most instructions of an unrolled loop.
const MAX_UNROLLED: usize = 1500;

/// How to leave a loop from the top level of its body, when all lanes do.
pub(super) struct Exit {
    label: u32,
    key: u64,
    /// Each word that turns may change, and the register it is in at the head.
    carried: Vec<(usize, Id, Carry)>,
    live: Option<Id>,
    /// What every word held at the head.
    head: Vec<Id>,
    used: bool,
}

/// The parts of a loop.
#[derive(Clone, Copy)]
struct Parts<'m> {
    body: &'m Block,
    continuing: &'m Block,
    break_if: Option<Handle<Expression>>,
}

impl<'m> Lowering<'m> {
    pub(super) fn loop_(
        &mut self,
        body: &'m Block,
        continuing: &'m Block,
        break_if: Option<Handle<Expression>>,
    ) -> Result<()> {
        let parts = Parts { body, continuing, break_if };
        let key = key(self.here().path, std::ptr::from_ref(body) as u64);
        let line = self.line();
        if !self.facts.loops.entry(key).or_default().rolled {
            if self.unrolled(parts)? {
                return Ok(());
            }
            self.facts.loops.entry(key).or_default().rolled = true;
        }
        while !self.rolled(parts, key, line)? {}
        Ok(())
    }

    /// One turn: the body, then the continuing part for lanes that have not left. `rolled` is the key of a loop that is
    /// lowered as one.
    fn turn(&mut self, parts: Parts<'m>, rolled: Option<u64>) -> Result<()> {
        self.statements(&list(parts.body))?;
        let Some(frame) = self.frames.last() else { return Ok(()) };
        let (broke, continued) = (frame.broke, frame.continued);
        if let Some(word) = continued {
            self.env[word] = self.b.bool(false);
        }
        if parts.continuing.is_empty() && parts.break_if.is_none() {
            return Ok(());
        }
        let continuing = list(parts.continuing);
        let before = self.env.clone();
        let of_those_alive = RefCell::new(before.clone());
        self.while_alive(&|l| {
            l.statements(&continuing)?;
            if let Some(condition) = parts.break_if {
                let condition = l.scalar(condition)?;
                l.env[broke] = l.b.or(l.env[broke], condition);
            }
            of_those_alive.borrow_mut().clone_from(&l.env);
            Ok(())
        })?;
        // What a word is for lanes that have left matters only where it is read after the loop. Where it is not, a counter
        // counts on for them, and stays the same for all.
        if let Some(key) = rolled {
            let exact = |word: &usize| self.facts.loops.get(&key).and_then(|f| f.carried.get(word));
            let (alive, flags) = (of_those_alive.into_inner(), self.flags());
            let free = |word: &usize| exact(word) != Some(&Carry::Varying) && !flags.contains(word);
            for word in (0..before.len()).filter(free) {
                let apart = !self.is_uniform(self.env[word]);
                if apart && self.is_uniform(before[word]) && self.is_uniform(alive[word]) {
                    self.env[word] = alive[word];
                }
            }
        }
        Ok(())
    }

    /// Where a lane has left the loop that is last among the frames.
    fn gone(&mut self, broke: usize) -> Id {
        let returned = self.here().returned;
        self.b.or(self.env[broke], self.env[returned])
    }

    fn push_loop(&mut self, exit: Option<Exit>) -> usize {
        let no = self.b.bool(false);
        let broke = self.new_words(2, no);
        self.frames.push(Frame { broke, continued: Some(broke + 1), exit, depth: self.depth });
        broke
    }

    /// Lowers the turns one after another. `false`, and nothing done, if their number is not known or too large.
    fn unrolled(&mut self, parts: Parts<'m>) -> Result<bool> {
        let start = self.b.checkpoint();
        let before = self.env.clone();
        let mut done = false;
        for _ in 0..MAX_TURNS {
            let broke = self.push_loop(None);
            self.turn(parts, None)?;
            self.frames.pop();
            let gone = self.gone(broke);
            self.env.truncate(before.len());
            match self.b.constant(gone) {
                Some(0) if self.b.len_since(start) <= MAX_UNROLLED => {}
                Some(0) | None => break,
                Some(_) => {
                    done = true;
                    break;
                }
            }
        }
        if !done {
            self.b.roll_back(start);
            self.env = before;
        }
        Ok(done)
    }

    /// Lowers the loop as one. `false`, and nothing done, if a fact was learnt on the way.
    fn rolled(&mut self, parts: Parts<'m>, key: u64, line: u32) -> Result<bool> {
        let start = self.b.checkpoint();
        let before = self.env.clone();
        let known = self.facts.loops.entry(key).or_default();
        // An array that was in words when this was learnt may lie in local memory now.
        known.carried.retain(|word, _| *word < before.len());
        let facts = known.clone();
        let outer = self.mask;
        let span = self.span;

        let mut carried = Vec::new();
        for (&word, &carry) in &facts.carried {
            let old = before[word];
            if let Origin::Lost(_) = self.b.info(old).origin {
                self.read_word(word)?;
            }
            if carry == Carry::Uniform && !self.is_uniform(old) {
                self.learn(key, word, Carry::Varying);
                self.b.roll_back(start);
                self.env = before;
                return Ok(false);
            }
            let register = self.b.register(if carry == Carry::Uniform { Rate::Strip } else { Rate::Varying });
            self.b.write(register, old, None);
            self.env[word] = register;
            carried.push((word, register, carry));
        }
        let live = if facts.divergent {
            let all = self.b.bool(true);
            let live = self.b.register(Rate::Varying);
            self.b.write(live, outer.unwrap_or(all), None);
            self.mask = Some(live);
            Some(live)
        } else {
            None
        };
        let (top, end) = (self.b.new_label(), self.b.new_label());
        self.b.place_label(top);
        let inside = self.b.checkpoint();
        self.depth += 1;
        let head = self.env.clone();
        let exit = Exit { label: end, key, carried: carried.clone(), live, head: head.clone(), used: false };
        let broke = self.push_loop(Some(exit));
        self.turn(parts, Some(key))?;
        let exit_used = self.frames.pop().and_then(|f| f.exit).is_some_and(|e| e.used);
        self.depth -= 1;
        self.mask = outer;
        let gone = self.gone(broke);
        self.env.truncate(before.len());

        self.learn_changes(key, &head);
        if !self.is_uniform(gone) {
            self.facts.loops.entry(key).or_default().divergent = true;
        }
        let now = self.facts.loops.entry(key).or_default();
        if now.carried != facts.carried || now.divergent != facts.divergent {
            self.b.roll_back(start);
            self.env = before;
            return Ok(false);
        }

        self.span = span;
        // Before the registers change: what says who has left may be one of them.
        let known = self.b.constant(gone);
        let still = match live {
            Some(live) => self.b.op(Opcode::AndNot, &[live, gone]),
            None => self.b.not(gone),
        };
        let still = if known.is_none() { self.saved(still) } else { still };
        self.write_carried(&carried, live);
        match (live, known) {
            (Some(live), _) => {
                self.b.write(live, still, None);
                self.b.jump(Opcode::LoopAny, &[live], top, line);
            }
            (None, Some(0)) if !exit_used => {
                return self.refuse(
                    "this loop never ends",
                    "add a `break`, a `break if` or a `return` that can be reached; browsers refuse or stop this file",
                );
            }
            (None, Some(0)) => self.b.jump(Opcode::Loop, &[], top, line),
            (None, Some(_)) => {}
            (None, None) => self.b.jump(Opcode::LoopIf, &[still], top, line),
        }
        self.b.place_label(end);
        self.b.close(inside);
        self.env = before;
        for (word, register, carry) in carried {
            self.env[word] =
                if carry == Carry::Uniform && live.is_some() { self.lose(key, word) } else { register };
        }
        Ok(true)
    }

    fn learn(&mut self, key: u64, word: usize, carry: Carry) {
        let entry = self.facts.loops.entry(key).or_default().carried.entry(word).or_insert(carry);
        *entry = carry.max(*entry);
    }

    /// Notes which words differ from what they were at the head.
    fn learn_changes(&mut self, key: u64, head: &[Id]) {
        for (word, old) in head.iter().enumerate().take(self.env.len()) {
            let new = self.env[word];
            if new == *old {
                continue;
            }
            let uniform = self.is_uniform(new) && self.is_uniform(*old);
            self.learn(key, word, if uniform { Carry::Uniform } else { Carry::Varying });
        }
    }

    /// A value that only says what must be learnt if it is read.
    fn lose(&mut self, key: u64, word: usize) -> Id {
        let lost = &mut self.facts.lost;
        let at = lost.iter().position(|fact| *fact == (key, word)).unwrap_or_else(|| {
            lost.push((key, word));
            lost.len() - 1
        });
        self.b.lost(u32::try_from(at).unwrap_or(u32::MAX))
    }

    /// Writes what changed in this turn back to the registers of the head, all at once.
    fn write_carried(&mut self, carried: &[(usize, Id, Carry)], live: Option<Id>) {
        let targets: BTreeMap<Id, usize> =
            carried.iter().map(|(word, register, _)| (*register, *word)).collect();
        let mut writes = Vec::new();
        for (word, register, carry) in carried {
            let new = self.env[*word];
            if new == *register {
                continue;
            }
            let mask = if *carry == Carry::Varying { live } else { None };
            // "The new value where c, else the old" is a write under c.
            let narrowed = match self.b.made_by(new, Opcode::Select) {
                Some([c, yes, no, ..]) if no == *register && *carry == Carry::Varying => Some((c, yes)),
                Some([c, yes, no, ..]) if yes == *register && *carry == Carry::Varying => {
                    Some((self.b.not(c), no))
                }
                _ => None,
            };
            let (mask, new) = match (narrowed, mask) {
                (Some((c, value)), Some(live)) => (Some(self.b.and(live, c)), value),
                (Some((c, value)), None) => (Some(c), value),
                (None, mask) => (mask, new),
            };
            writes.push((*register, new, mask));
        }
        for write in &mut writes {
            // A value that is itself a register of this loop must be read before any is written.
            if targets.contains_key(&write.1) || write.2.is_some_and(|mask| targets.contains_key(&mask)) {
                write.1 = self.saved(write.1);
                write.2 = write.2.map(|mask| self.saved(mask));
            }
        }
        for (register, value, mask) in writes {
            self.b.write(register, value, mask);
        }
    }

    /// A value that stays when the register it may be is written.
    fn saved(&mut self, value: Id) -> Id {
        if self.b.info(value).origin != Origin::Register {
            return value;
        }
        let saved = self.b.register(self.b.rate(value));
        self.b.write(saved, value, None);
        saved
    }

    /// If a condition that is the same on all lanes decides whether they all break, at the top level of a loop's
    /// body: jumps out of it, and says so. The side that does not break goes on.
    pub(super) fn exit_at_once(&mut self, condition: Id, yes: &List<'m>, no: &List<'m>) -> Result<bool> {
        let breaks = |side: &List<'m>| matches!(side[..], [(Statement::Break, _)]);
        let depth = self.depth;
        let here = self.here().frames;
        let ready = self.is_uniform(condition)
            && breaks(yes) != breaks(no)
            && self.frames.len() > here
            && self.frames.last().is_some_and(|f| f.exit.is_some() && f.depth == depth);
        if !ready || !self.none_ended() {
            return Ok(false);
        }
        let Some(mut exit) = self.frames.last_mut().and_then(|f| f.exit.take()) else { return Ok(false) };
        exit.used = true;
        self.learn_changes(exit.key, &exit.head);
        let stay = self.b.new_label();
        let stays = if breaks(yes) { self.b.not(condition) } else { condition };
        let unchanged = exit.carried.iter().all(|(word, register, _)| self.env[*word] == *register);
        if unchanged {
            self.b.jump(Opcode::JumpUnless, &[stays], exit.label, 0);
        } else {
            let leaves = self.b.not(stays);
            self.b.jump(Opcode::JumpUnless, &[leaves], stay, 0);
            let inside = self.b.checkpoint();
            self.write_carried(&exit.carried, exit.live);
            self.b.close(inside);
            self.b.jump(Opcode::Jump, &[], exit.label, 0);
            self.b.place_label(stay);
        }
        if let Some(frame) = self.frames.last_mut() {
            frame.exit = Some(exit);
        }
        Ok(true)
    }

    /// Whether it is certain that no lane has ended in this turn.
    fn none_ended(&mut self) -> bool {
        let Some(frame) = self.frames.last() else { return false };
        let words = [Some(frame.broke), frame.continued, Some(self.here().returned)];
        words.into_iter().flatten().all(|word| self.b.constant(self.env[word]) == Some(0))
    }

    pub(super) fn switch(&mut self, selector: Handle<Expression>, cases: &'m [SwitchCase]) -> Result<()> {
        let selector = self.scalar(selector)?;
        let mut groups: Vec<(Vec<SwitchValue>, List<'m>)> = Vec::new();
        for (at, case) in cases.iter().enumerate() {
            // A case that falls through runs the bodies up to the first that does not.
            let mut code = list(&case.body);
            let mut last = case;
            for next in &cases[at + 1..] {
                if !last.fall_through {
                    break;
                }
                code.extend(list(&next.body));
                last = next;
            }
            let joins = at > 0 && cases[at - 1].fall_through && cases[at - 1].body.is_empty();
            match groups.last_mut() {
                Some((values, _)) if joins => values.push(case.value),
                _ => groups.push((vec![case.value], code)),
            }
        }
        let is_default = |(values, _): &(Vec<SwitchValue>, List<'m>)| values.contains(&SwitchValue::Default);
        groups.sort_by_key(is_default);
        let no = self.b.bool(false);
        let before = self.env.len();
        let broke = self.new_words(1, no);
        self.frames.push(Frame { broke, continued: None, exit: None, depth: self.depth });
        let result = self.cases(selector, &groups);
        self.frames.pop();
        self.env.truncate(before);
        result
    }

    /// The groups of cases from here on, the default last.
    fn cases(&mut self, selector: Id, groups: &[(Vec<SwitchValue>, List<'m>)]) -> Result<()> {
        let Some(((values, code), others)) = groups.split_first() else { return Ok(()) };
        let mut chosen = self.b.bool(false);
        for value in values {
            let equal = match value {
                SwitchValue::I32(value) => {
                    let value = self.b.bits(value.cast_unsigned());
                    self.b.op(Opcode::EqI, &[selector, value])
                }
                SwitchValue::U32(value) => {
                    let value = self.b.bits(*value);
                    self.b.op(Opcode::EqI, &[selector, value])
                }
                SwitchValue::Default => self.b.bool(true),
            };
            chosen = self.b.or(chosen, equal);
        }
        self.branch(chosen, &|l| l.statements(code), &|l| l.cases(selector, others))
    }
}
