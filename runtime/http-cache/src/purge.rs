//! What an operator, or an epoch, says is no longer true: by URL, by tag, or everything.
//!
//! A purge looks for nothing: it is a mark with a time, and what was asked for before that time is out of reach (or, softly,
//! stale) from then on. So it takes effect at once however much is stored, on memory and disk alike. Marks are written
//! down before they count, because the disk outlives the process. There are at most [`MARKS`], with names of at most
//! [`NAMES`] bytes together: over it, the older half becomes one mark over everything, which purges too much and never too
//! little.

use std::{
    collections::HashMap,
    fs::{self, File, OpenOptions},
    io::{self, Write as _},
    path::{Path, PathBuf},
    sync::{
        Mutex, PoisonError, RwLock,
        atomic::{AtomicU64, Ordering},
    },
};

use http::{HeaderMap, HeaderName};

use crate::clock::Tick;

/// Most marks remembered.
const MARKS: usize = 1 << 16;
/// Most bytes of their names, all together.
const NAMES: usize = 16 << 20;
/// Lines after which the file is written anew.
const LINES: usize = 2 * MARKS;
const FILE: &str = "purges";

pub(crate) const CACHE_TAG: HeaderName = HeaderName::from_static("cache-tag");

/// What is to be purged.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Purge {
    /// One URL, all variants of it.
    Url(String),
    /// What bears this `Cache-Tag`.
    Tag(String),
    /// All of it.
    Everything,
}

/// What a purge leaves of a response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Left {
    All,
    /// It is stale, and may be used as such.
    Stale,
    Nothing,
}

/// When something was purged, hard and soft.
#[derive(Debug, Clone, Copy, Default)]
struct Mark {
    hard: Option<Tick>,
    soft: Option<Tick>,
}

impl Mark {
    fn set(&mut self, soft: bool, at: Tick) {
        let slot = if soft { &mut self.soft } else { &mut self.hard };
        *slot = (*slot).max(Some(at));
    }

    fn join(&mut self, other: Self) {
        self.hard = self.hard.max(other.hard);
        self.soft = self.soft.max(other.soft);
    }

    fn latest(&self) -> Option<Tick> {
        self.hard.max(self.soft)
    }
}

#[derive(Default)]
struct Marks {
    some: HashMap<Purge, Mark>,
    /// Bytes of the names in `some`.
    names: usize,
    everything: Mark,
}

impl Purge {
    fn name(&self) -> &str {
        match self {
            Self::Url(name) | Self::Tag(name) => name,
            Self::Everything => "",
        }
    }
}

impl Marks {
    fn set(&mut self, what: Purge, soft: bool, at: Tick) {
        match what {
            Purge::Everything => {
                self.everything.set(soft, at);
                if !soft {
                    self.some.clear();
                    self.names = 0;
                }
            }
            what => {
                let length = what.name().len();
                let mark = self.some.entry(what).or_insert_with(|| {
                    self.names += length;
                    Mark::default()
                });
                mark.set(soft, at);
            }
        }
        while self.some.len() > MARKS || self.names > NAMES {
            self.join_older();
        }
    }

    /// Makes the older half one mark over everything.
    fn join_older(&mut self) {
        let mut times: Vec<Option<Tick>> = self.some.values().map(Mark::latest).collect();
        if times.is_empty() {
            return;
        }
        let middle = (times.len() - 1) / 2;
        let (_, median, _) = times.select_nth_unstable(middle);
        let median = *median;
        for (what, mark) in self.some.extract_if(|_, mark| mark.latest() <= median) {
            self.names -= what.name().len();
            self.everything.join(mark);
        }
    }
}

/// All purges so far.
pub(crate) struct Purges {
    marks: RwLock<Marks>,
    /// The latest of all marks, ms: what was asked for since is out of question.
    latest: AtomicU64,
    file: Option<Mutex<Written>>,
}

struct Written {
    path: PathBuf,
    file: File,
    lines: usize,
    bytes: usize,
}

impl Purges {
    /// Those written down in a folder, or none.
    pub(crate) fn open(folder: Option<&Path>) -> io::Result<Self> {
        let mut marks = Marks::default();
        let mut file = None;
        if let Some(folder) = folder {
            fs::create_dir_all(folder)?;
            let path = folder.join(FILE);
            let text = match fs::read(&path) {
                Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
                Err(why) if why.kind() == io::ErrorKind::NotFound => String::new(),
                Err(why) => return Err(why),
            };
            // A line without its end was being written when the power went, and was not answered.
            let whole = &text[..text.rfind('\n').map_or(0, |end| end + 1)];
            whole.lines().filter_map(read_line).for_each(|(what, soft, at)| marks.set(what, soft, at));
            file = Some(Mutex::new(rewrite(&path, &marks)?));
        }
        let latest = marks.some.values().chain([&marks.everything]).filter_map(Mark::latest).max();
        Ok(Self { latest: AtomicU64::new(latest.map_or(0, |at| at.0)), marks: RwLock::new(marks), file })
    }

    /// The time of the latest purge.
    pub(crate) fn latest(&self) -> Tick {
        Tick(self.latest.load(Ordering::Acquire))
    }

    /// Purges; when this returns, it is written down and counts.
    ///
    /// # Errors
    /// When it cannot be written down; it counts until the process ends all the same.
    pub(crate) fn purge(&self, what: Purge, soft: bool, now: Tick) -> io::Result<()> {
        let line = {
            let mut marks = self.marks.write().unwrap_or_else(PoisonError::into_inner);
            // What was asked for in this very millisecond is purged too.
            let at = now.max(self.latest());
            let line = line(&what, soft, at);
            marks.set(what, soft, at);
            self.latest.store(at.0, Ordering::Release);
            line
        };
        let Some(file) = &self.file else { return Ok(()) };
        let mut written = file.lock().unwrap_or_else(PoisonError::into_inner);
        if written.lines >= LINES || written.bytes >= 4 * NAMES {
            let marks = self.marks.read().unwrap_or_else(PoisonError::into_inner);
            *written = rewrite(&written.path, &marks)?;
            return Ok(());
        }
        written.lines += 1;
        written.bytes += line.len();
        written.file.write_all(line.as_bytes())?;
        written.file.sync_data()
    }

    /// What is left of a response under `key`, asked for at a time.
    pub(crate) fn left(&self, key: &str, fields: &HeaderMap, asked: Tick) -> Left {
        if asked.0 > self.latest.load(Ordering::Acquire) {
            return Left::All;
        }
        let marks = self.marks.read().unwrap_or_else(PoisonError::into_inner);
        let mut all = marks.everything;
        if !marks.some.is_empty() {
            let mut join = |what: Purge| {
                if let Some(mark) = marks.some.get(&what) {
                    all.join(*mark);
                }
            };
            join(Purge::Url(key.to_owned()));
            for tags in fields.get_all(CACHE_TAG).iter().filter_map(|line| line.to_str().ok()) {
                tags.split(',').for_each(|tag| join(Purge::Tag(tag.trim().to_owned())));
            }
        }
        match all {
            Mark { hard: Some(at), .. } if asked <= at => Left::Nothing,
            Mark { soft: Some(at), .. } if asked <= at => Left::Stale,
            _ => Left::All,
        }
    }
}

fn line(what: &Purge, soft: bool, at: Tick) -> String {
    let kind = match what {
        Purge::Url(_) => "url",
        Purge::Tag(_) => "tag",
        Purge::Everything => "all",
    };
    let how = if soft { "soft" } else { "hard" };
    // A name with a line's end in it would be two lines; no URL or field has one.
    format!("{how} {} {kind} {}\n", at.0, what.name().replace(['\n', '\r'], ""))
}

fn read_line(line: &str) -> Option<(Purge, bool, Tick)> {
    let mut words = line.splitn(4, ' ');
    let (how, at, kind, name) = (words.next()?, words.next()?, words.next()?, words.next()?);
    let what = match kind {
        "url" => Purge::Url(name.to_owned()),
        "tag" => Purge::Tag(name.to_owned()),
        "all" => Purge::Everything,
        _ => return None,
    };
    Some((what, how == "soft", Tick(at.parse().ok()?)))
}

/// Writes the marks into a new file that takes the old one's place.
fn rewrite(path: &Path, marks: &Marks) -> io::Result<Written> {
    let mut text = String::new();
    let mut lines = 0;
    let named = marks.some.iter().map(|(what, mark)| (what.clone(), *mark));
    for (what, mark) in named.chain([(Purge::Everything, marks.everything)]) {
        for (soft, at) in [(false, mark.hard), (true, mark.soft)] {
            if let Some(at) = at {
                text.push_str(&line(&what, soft, at));
                lines += 1;
            }
        }
    }
    let new = path.with_extension("new");
    let mut file = File::create(&new)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    fs::rename(&new, path)?;
    let file = OpenOptions::new().append(true).open(path)?;
    Ok(Written { path: path.to_owned(), file, lines, bytes: text.len() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tagged(tags: &str) -> HeaderMap {
        HeaderMap::from_iter([(CACHE_TAG, tags.parse().unwrap())])
    }

    fn tag(name: &str) -> Purge {
        Purge::Tag(name.to_owned())
    }

    #[test]
    fn a_purge_is_for_what_was_asked_before() {
        let purges = Purges::open(None).unwrap();
        let before = Tick(1);
        purges.purge(tag("a"), false, Tick(2)).unwrap();
        purges.purge(tag("b"), true, Tick(2)).unwrap();
        purges.purge(Purge::Url("h/x".into()), false, Tick(2)).unwrap();
        let after = Tick(3);
        assert_eq!(purges.left("h/y", &tagged("z,a"), before), Left::Nothing);
        assert_eq!(purges.left("h/y", &tagged("b, z"), before), Left::Stale);
        assert_eq!(purges.left("h/y", &tagged("a/b"), before), Left::All);
        assert_eq!(purges.left("h/x", &tagged("z"), before), Left::Nothing);
        assert_eq!(purges.left("h/x", &tagged("a,b"), after), Left::All);
        purges.purge(Purge::Everything, true, Tick(2)).unwrap();
        assert_eq!(purges.left("h/y", &tagged("z"), before), Left::Stale);
        assert_eq!(purges.left("h/y", &tagged("a"), before), Left::Nothing);
    }

    #[test]
    fn marks_outlive_the_process_and_torn_lines_do_not_count() {
        let folder = tempfile::tempdir().unwrap();
        let before = Tick(1);
        let open = || Purges::open(Some(folder.path())).unwrap();
        open().purge(tag("a b"), false, Tick(2)).unwrap();
        let torn = "hard 99999999999999 all \nhard 99999999999999 all";
        let path = folder.path().join(FILE);
        let text = fs::read_to_string(&path).unwrap();
        fs::write(&path, text + torn.split_once('\n').unwrap().1).unwrap();
        let purges = open();
        assert_eq!(purges.left("", &tagged("a b"), before), Left::Nothing);
        assert_eq!(purges.left("", &tagged("c"), before), Left::All);
    }

    #[test]
    fn too_many_marks_purge_too_much() {
        let mut marks = Marks::default();
        for number in 0..=MARKS as u64 {
            marks.set(tag(&number.to_string()), false, Tick(number));
        }
        assert!(marks.some.len() <= MARKS / 2 + 1);
        assert_eq!(marks.everything.hard, Some(Tick(MARKS as u64 / 2)));
        assert!(marks.some.contains_key(&tag(&MARKS.to_string())));
    }

    #[test]
    fn long_names_take_bounded_memory_and_purge_too_much() {
        let mut marks = Marks::default();
        for number in 0..10_000u64 {
            marks.set(Purge::Url(format!("{number}{}", "x".repeat(8000))), false, Tick(number));
        }
        assert_eq!(marks.names, marks.some.keys().map(|what| what.name().len()).sum::<usize>());
        assert!(marks.names <= NAMES && marks.some.len() > 100);
        assert!(marks.everything.hard.is_some_and(|at| at >= Tick(5000)));
        marks.set(Purge::Everything, false, Tick(20_000));
        assert_eq!((marks.names, marks.some.len()), (0, 0));
    }
}
