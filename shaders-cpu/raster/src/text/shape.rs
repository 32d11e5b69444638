//! Shaping: a paragraph becomes clusters of glyphs, in the order of its text and in font units.
//!
//! A paragraph is shaped once, whatever size it is set in and wherever its lines break: nothing here depends on either.

use core::ops::Range;

use harfrust::{Direction, ShapeOptions, UnicodeBuffer};
use skrifa::GlyphId;
use unicode_bidi::{Level, ParagraphBidiInfo};
use unicode_script::{Script, UnicodeScript};

use super::{Fault, face::Face};

/// A glyph and where it lies from where the one before it ended.
#[derive(Debug, Clone, Copy)]
pub(super) struct Glyph {
    pub id: GlyphId,
    /// Where in the paragraph the characters begin that it stands for, bytes.
    pub cluster: usize,
    pub advance: i32,
    pub x: i32,
    pub y: i32,
}

/// Characters that glyphs stand for together; lines break between them only.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cluster {
    /// Where it begins in the paragraph, bytes.
    pub start: usize,
    pub advance: i64,
    /// Whether it is white space, which does not count at a line's end.
    pub space: bool,
    /// Whether a line may end after it.
    pub breaks: bool,
}

/// A stretch of one direction and script, its glyphs from left to right.
struct Run {
    range: Range<usize>,
    glyphs: Vec<Glyph>,
}

/// A shaped paragraph.
pub(super) struct Paragraph<'t> {
    pub text: &'t str,
    bidi: Option<ParagraphBidiInfo<'t>>,
    runs: Vec<Run>,
    pub clusters: Vec<Cluster>,
    /// The first character without a glyph.
    pub missing: Option<char>,
}

impl<'t> Paragraph<'t> {
    /// Shapes a paragraph. Its direction is that of its first letter, or `level`.
    pub(super) fn new(text: &'t str, level: Option<Level>, face: &Face<'_>) -> Result<Self, Fault> {
        let mut this = Self { text, bidi: None, runs: Vec::new(), clusters: Vec::new(), missing: None };
        if text.is_empty() {
            return Ok(this);
        }
        let bidi = ParagraphBidiInfo::new(text, level);
        let shaper = face.shaper.shaper(&face.font).build();
        let mut buffer = UnicodeBuffer::new();
        let mut glyphs_left = text.len() * 4 + 64;
        for (range, level) in items(text, &bidi.levels) {
            buffer.push_str(&text[range.clone()]);
            buffer.set_direction(if level.is_rtl() {
                Direction::RightToLeft
            } else {
                Direction::LeftToRight
            });
            buffer.guess_segment_properties();
            let shaped = shaper.shape(buffer, ShapeOptions::new());
            glyphs_left = glyphs_left.checked_sub(shaped.len()).ok_or(Fault::Glyphs)?;
            let glyphs = shaped.glyph_infos().iter().zip(shaped.glyph_positions());
            let glyphs = glyphs.map(|(info, position)| Glyph {
                id: GlyphId::new(info.glyph_id),
                cluster: range.start + info.cluster as usize,
                advance: position.x_advance,
                x: position.x_offset,
                y: position.y_offset,
            });
            this.runs.push(Run { glyphs: glyphs.collect(), range });
            buffer = shaped.clear();
        }
        this.bidi = Some(bidi);
        this.gather();
        Ok(this)
    }

    fn gather(&mut self) {
        let mut advances: Vec<(usize, i64)> = Vec::new();
        for glyph in self.runs.iter().flat_map(|run| &run.glyphs) {
            if glyph.id.to_u32() == 0 && self.missing.is_none() {
                self.missing = self.text.get(glyph.cluster..).and_then(|rest| rest.chars().next());
            }
            advances.push((glyph.cluster, i64::from(glyph.advance)));
        }
        advances.sort_by_key(|(cluster, _)| *cluster);
        for (start, advance) in advances {
            match self.clusters.last_mut() {
                Some(last) if last.start == start => last.advance += advance,
                _ => self.clusters.push(Cluster { start, advance, space: false, breaks: false }),
            }
        }
        for at in 0..self.clusters.len() {
            let end = self.clusters.get(at + 1).map_or(self.text.len(), |next| next.start);
            let own = self.text.get(self.clusters[at].start..end).unwrap_or_default();
            let next = self.text.get(end..).and_then(|rest| rest.chars().next());
            self.clusters[at].space = own.chars().all(is_space);
            self.clusters[at].breaks =
                own.chars().next_back().zip(next).is_some_and(|(before, after)| may_break(before, after));
        }
    }

    /// The level of its direction.
    pub(super) fn level(&self) -> Level {
        self.bidi.as_ref().map_or(Level::ltr(), |bidi| bidi.paragraph_level)
    }

    /// The glyphs of a line, from left to right.
    pub(super) fn line(&self, range: Range<usize>) -> Vec<Glyph> {
        let mut line = Vec::new();
        let Some(bidi) = self.bidi.as_ref().filter(|_| !range.is_empty()) else { return line };
        let (levels, visual) = bidi.visual_runs(range);
        for stretch in visual {
            let rtl = levels.get(stretch.start).is_some_and(Level::is_rtl);
            let mut add = |run: &Run| {
                if run.range.start < stretch.end && stretch.start < run.range.end {
                    line.extend(run.glyphs.iter().filter(|glyph| stretch.contains(&glyph.cluster)));
                }
            };
            if rtl { self.runs.iter().rev().for_each(&mut add) } else { self.runs.iter().for_each(&mut add) }
        }
        line
    }
}

/// Cuts a paragraph where its level or its script changes.
fn items(text: &str, levels: &[Level]) -> Vec<(Range<usize>, Level)> {
    let mut items: Vec<(Range<usize>, Level)> = Vec::new();
    let mut script = Script::Common;
    for (at, character) in text.char_indices() {
        let level = levels.get(at).copied().unwrap_or(Level::ltr());
        let own = character.script();
        let end = at + character.len_utf8();
        // Punctuation and marks go with what is before them, or after where nothing is.
        let shared = matches!(own, Script::Common | Script::Inherited);
        match items.last_mut() {
            Some((range, last))
                if *last == level && (shared || own == script || script == Script::Common) =>
            {
                range.end = end;
            }
            _ => items.push((at..end, level)),
        }
        let began = items.last().is_some_and(|(range, _)| range.start == at);
        if !shared {
            script = own;
        } else if began {
            script = Script::Common;
        }
    }
    items
}

fn is_space(character: char) -> bool {
    character.is_whitespace() && !matches!(character, '\u{a0}' | '\u{2007}' | '\u{202f}')
        || character == '\u{200b}'
}

/// Whether a line may end between two characters: after white space, and beside characters of scripts that are written
/// without, where punctuation does not forbid it.
fn may_break(before: char, after: char) -> bool {
    if is_space(after) {
        return false;
    }
    is_space(before)
        || (is_ideographic(before) || is_ideographic(after))
            && !opens(before)
            && !closes(after)
            && !is_joined(after)
}

fn is_ideographic(character: char) -> bool {
    matches!(character.script(), Script::Han | Script::Hiragana | Script::Katakana | Script::Bopomofo)
        || matches!(character, '\u{3000}'..='\u{303f}' | '\u{30fb}' | '\u{30fc}' | '\u{ff01}'..='\u{ff60}')
}

fn is_joined(character: char) -> bool {
    character.script() == Script::Inherited
}

fn opens(character: char) -> bool {
    matches!(
        character,
        '(' | '['
            | '{'
            | '‘'
            | '“'
            | '«'
            | '〈'
            | '《'
            | '「'
            | '『'
            | '【'
            | '〔'
            | '〖'
            | '（'
            | '［'
            | '｛'
            | '｟'
    )
}

fn closes(character: char) -> bool {
    matches!(
        character,
        ')' | ']'
            | '}'
            | '’'
            | '”'
            | '»'
            | '〉'
            | '》'
            | '」'
            | '』'
            | '】'
            | '〕'
            | '〗'
            | '）'
            | '］'
            | '｝'
            | '｠'
            | '、'
            | '。'
            | '，'
            | '．'
            | '：'
            | '；'
            | '？'
            | '！'
            | '・'
            | 'ー'
            | '々'
            | '〻'
            | ','
            | '.'
            | ':'
            | ';'
            | '?'
            | '!'
            | '…'
            | '‥'
            | '%'
            | '％'
            | 'ぁ'
            | 'ぃ'
            | 'ぅ'
            | 'ぇ'
            | 'ぉ'
            | 'っ'
            | 'ゃ'
            | 'ゅ'
            | 'ょ'
            | 'ゎ'
            | 'ァ'
            | 'ィ'
            | 'ゥ'
            | 'ェ'
            | 'ォ'
            | 'ッ'
            | 'ャ'
            | 'ュ'
            | 'ョ'
            | 'ヮ'
            | 'ヵ'
            | 'ヶ'
    )
}
