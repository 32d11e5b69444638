//! Layout: which lines a text breaks into, in which size, and where each glyph lies.

use core::ops::Range;

use iridule_scene::scene::{Align, Text};
use skrifa::GlyphId;

use super::{
    Fault,
    face::Face,
    shape::{Cluster, Paragraph},
};

/// Halvings of the range of sizes in search of the largest that fits: to a thousandth of it.
const HALVINGS: u32 = 10;
/// How far past its area a text may reach, as a share of it, before it counts as too large.
const SLACK: f32 = 1e-4;

/// A glyph's origin on the canvas.
#[derive(Debug, Clone, Copy)]
pub(super) struct Placed {
    pub id: GlyphId,
    pub x: f32,
    pub y: f32,
}

/// A text that was set.
pub(super) struct Layout {
    /// Canvas units per em.
    pub size: f32,
    /// Glyphs of each line.
    pub lines: Vec<Vec<Placed>>,
    pub overflowed: bool,
    pub missing: Option<char>,
}

/// A line: a paragraph's number, and bytes of it.
struct Line {
    paragraph: usize,
    range: Range<usize>,
    /// Font units, without white space at its end.
    width: i64,
}

impl Layout {
    /// Sets a text.
    pub(super) fn new(text: &Text, face: &Face<'_>) -> Result<Self, Fault> {
        let positive = |v: f32| v.is_finite() && v > 0.0;
        let measures = [text.size, text.least_size, text.line_height, text.area.width, text.area.height];
        if !measures.into_iter().all(positive) {
            return Err(Fault::Measure);
        }
        let cleaned: String = text
            .text
            .chars()
            .filter(|c| *c != '\r')
            .map(|c| if c.is_control() && c != '\n' { ' ' } else { c })
            .collect();
        let paragraphs: Vec<_> =
            cleaned.split('\n').map(|text| Paragraph::new(text, None, face)).collect::<Result<_, _>>()?;
        let setting = Setting { text, face, paragraphs: &paragraphs };
        let (mut size, mut lines, mut fits) = {
            let (lines, fits) = setting.at(text.size);
            (text.size, lines, fits)
        };
        let least = text.least_size.min(text.size);
        if !fits && least < text.size {
            let mut above = text.size;
            (size, (lines, fits)) = (least, setting.at(least));
            for _ in 0..HALVINGS {
                if !fits {
                    break;
                }
                let middle = (size + above) / 2.0;
                match setting.at(middle) {
                    (broken, true) => (size, lines) = (middle, broken),
                    (_, false) => above = middle,
                }
            }
        }
        let missing = paragraphs.iter().find_map(|paragraph| paragraph.missing);
        let lines = if fits { setting.place(&lines, size) } else { setting.cut(lines, size)? };
        Ok(Self { size, lines, overflowed: !fits, missing })
    }
}

/// A text, its font, and its shaped paragraphs.
struct Setting<'a> {
    text: &'a Text,
    face: &'a Face<'a>,
    paragraphs: &'a [Paragraph<'a>],
}

impl Setting<'_> {
    /// Font units across the area, in a size.
    #[expect(clippy::cast_possible_truncation, reason = "saturation is meant")]
    fn room(&self, size: f32) -> i64 {
        (self.text.area.width * (1.0 + SLACK) / size * self.face.units) as i64
    }

    /// Lines that there is room for, in a size; at least one.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturation is meant")]
    fn most_lines(&self, size: f32) -> usize {
        let high = (self.text.area.height * (1.0 + SLACK) / (size * self.text.line_height)) as u32;
        high.min(self.text.lines).max(1) as usize
    }

    /// Breaks lines in a size, and says whether they fit.
    fn at(&self, size: f32) -> (Vec<Line>, bool) {
        let room = self.room(size);
        let mut lines = Vec::new();
        for (number, paragraph) in self.paragraphs.iter().enumerate() {
            lines_of(number, paragraph, room, &mut lines);
        }
        let high = size * self.text.line_height <= self.text.area.height * (1.0 + SLACK);
        let fits =
            high && lines.len() <= self.most_lines(size) && lines.iter().all(|line| line.width <= room);
        (lines, fits)
    }

    fn place(&self, lines: &[Line], size: f32) -> Vec<Vec<Placed>> {
        let count = lines.len();
        let place = |(number, line): (usize, &Line)| {
            self.line(&self.paragraphs[line.paragraph], line.range.clone(), number, count, size)
        };
        lines.iter().enumerate().map(place).collect()
    }

    /// The lines that there is room for, the last of them, or one that is too wide, ended by an ellipsis.
    fn cut(&self, mut lines: Vec<Line>, size: f32) -> Result<Vec<Vec<Placed>>, Fault> {
        let room = self.room(size);
        let wide = lines.iter().position(|line| line.width > room).unwrap_or(usize::MAX);
        lines.truncate(self.most_lines(size).min(wide.saturating_add(1)));
        let Some(last) = lines.pop() else { return Ok(Vec::new()) };
        let count = lines.len() + 1;
        let mut placed: Vec<_> = lines
            .iter()
            .enumerate()
            .map(|(number, line)| {
                self.line(&self.paragraphs[line.paragraph], line.range.clone(), number, count, size)
            })
            .collect();
        let paragraph = &self.paragraphs[last.paragraph];
        let ellipsis = if self.face.has('…') { "…" } else { "..." };
        let level = Some(paragraph.level());
        let dots = Paragraph::new(ellipsis, level, self.face)?;
        let mut left = room - dots.clusters.iter().map(|cluster| cluster.advance).sum::<i64>();
        let mut end = last.range.start;
        let within = |cluster: &&Cluster| last.range.contains(&cluster.start);
        for cluster in paragraph.clusters.iter().filter(within) {
            left -= cluster.advance;
            if left < 0 {
                break;
            }
            let next = paragraph.clusters.partition_point(|other| other.start <= cluster.start);
            end = paragraph.clusters.get(next).map_or(paragraph.text.len(), |next| next.start);
        }
        let kept = paragraph.text.get(last.range.start..end).unwrap_or_default().trim_end();
        let ended = Paragraph::new(&[kept, ellipsis].concat(), level, self.face).map(|ended| {
            let all = 0..ended.text.len();
            self.line(&ended, all, count - 1, count, size)
        })?;
        placed.push(ended);
        Ok(placed)
    }

    /// Where the glyphs of one of `count` lines lie.
    #[expect(clippy::cast_precision_loss, reason = "positions within a line")]
    fn line(
        &self,
        paragraph: &Paragraph<'_>,
        range: Range<usize>,
        number: usize,
        count: usize,
        size: f32,
    ) -> Vec<Placed> {
        let (text, face) = (self.text, self.face);
        let glyphs = paragraph.line(range);
        let scale = size / face.units;
        let width = glyphs.iter().map(|glyph| i64::from(glyph.advance)).sum::<i64>() as f32 * scale;
        let along = |align: Align, room: f32| match align {
            Align::Start => 0.0,
            Align::Centre => room / 2.0,
            Align::End => room,
        };
        let align = match text.align {
            Align::Start if paragraph.level().is_rtl() => Align::End,
            Align::End if paragraph.level().is_rtl() => Align::Start,
            align => align,
        };
        let high = size * text.line_height;
        let left = text.area.x + along(align, text.area.width - width);
        let top =
            text.area.y + along(text.valign, text.area.height - high * count as f32) + high * number as f32;
        // A font's line stands in the middle of the room that the line height gives it.
        let baseline = top + (high - (face.ascent - face.descent) * scale) / 2.0 + face.ascent * scale;
        let mut pen = 0i64;
        glyphs
            .into_iter()
            .map(|glyph| {
                let x = left + (pen + i64::from(glyph.x)) as f32 * scale;
                pen += i64::from(glyph.advance);
                Placed { id: glyph.id, x, y: baseline - glyph.y as f32 * scale }
            })
            .collect()
    }
}

/// Breaks a paragraph: each line holds as much as there is room for, and at least up to the first place to break.
fn lines_of(number: usize, paragraph: &Paragraph<'_>, room: i64, lines: &mut Vec<Line>) {
    let mut push = |range: Range<usize>, width| lines.push(Line { paragraph: number, range, width });
    let clusters = &paragraph.clusters;
    // What is sure to be on the line, and its width without the white space at its end.
    let (mut start, mut end, mut width) = (0, 0, 0);
    // From the line's beginning to here, with and without white space at the end; where the latter ends.
    let (mut pen, mut seen, mut seen_end) = (0, 0, 0);
    // Where the words after the last place to break begin.
    let mut word: Option<(usize, i64)> = None;
    for (at, cluster) in clusters.iter().enumerate() {
        pen += cluster.advance;
        if !cluster.space {
            seen = pen;
            seen_end = clusters.get(at + 1).map_or(paragraph.text.len(), |next| next.start);
        }
        let last = at + 1 == clusters.len();
        if !(cluster.breaks || last) {
            continue;
        }
        if let Some((begin, before)) = word
            && seen > room
            && seen_end > begin
        {
            // The word does not fit: the line ends before it, and it begins the next.
            push(start..end, width);
            (start, pen, seen) = (begin, pen - before, seen - before);
        }
        (end, width) = (seen_end, seen);
        word = clusters.get(at + 1).map(|next| (next.start, pen));
    }
    push(start..end.max(start), width);
}
