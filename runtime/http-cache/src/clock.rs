//! The cache's clock: a timeline that never goes back, and the wall clock beside it.
//!
//! Ages, freshness and purges are measured on the timeline. Within a process it follows the monotonic clock, so a step of
//! the wall clock, in either direction, changes none of them. The wall clock is read only where other machines wrote or will
//! read a date: `Date`, `Expires`, `Last-Modified` (`moment.rs`).
//!
//! With a disk, the timeline goes on from one process to the next: its last reading and the wall clock's at that time are
//! written to a file every [`INTERVAL`] while responses are stored. The next process adds what the wall clock says has
//! passed since. Where the wall clock has gone back, nobody knows how long that was: the timeline continues after every time
//! that the former process can have used, and all responses stored so far are stale. What the file does not say, or not
//! readably, purges everything.

use std::{
    fs::{self, File},
    io::{self, Write as _},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, SystemTime},
};

use crate::moment::Moment;

/// How often the file is written while responses are stored.
pub(crate) const INTERVAL: Duration = Duration::from_secs(10);
/// More than the timeline can have gone on after the file was last written, milliseconds.
const MARGIN: u64 = 6 * 10_000;
const FILE: &str = "clock";

/// Where the time comes from. [`SystemClock`] is the real one; a test may bring its own.
pub trait TimeSource: Send + Sync + 'static {
    /// The wall clock, which may be set forward and back.
    fn wall(&self) -> SystemTime;

    /// The time since a fixed point of this process or machine. It never goes back, and goes on while the machine sleeps.
    fn elapsed(&self) -> Duration;
}

/// The machine's clocks.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl TimeSource for SystemClock {
    fn wall(&self) -> SystemTime {
        SystemTime::now()
    }

    #[cfg(target_os = "linux")]
    fn elapsed(&self) -> Duration {
        // The monotonic clock of Linux stands still while the machine sleeps; this one does not.
        let time = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
        let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
        Duration::new(seconds, u32::try_from(time.tv_nsec).unwrap_or(0))
    }

    #[cfg(not(target_os = "linux"))]
    fn elapsed(&self) -> Duration {
        static START: std::sync::OnceLock<std::time::Instant> = std::sync::OnceLock::new();
        START.get_or_init(std::time::Instant::now).elapsed()
    }
}

/// A point on the timeline, milliseconds. Its zero means nothing; differences do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub(crate) struct Tick(pub(crate) u64);

impl Tick {
    /// Whole seconds from `earlier` to here; 0 when that is later.
    pub(crate) fn seconds_since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0) / 1000
    }
}

/// What a new process knows of the responses that an earlier one stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Earlier {
    /// How old they are; or there are none.
    Aged,
    /// That they are older than they look: the wall clock has gone back.
    Older,
    /// Nothing.
    Unknown,
}

/// The timeline.
pub(crate) struct Clock {
    source: Arc<dyn TimeSource>,
    /// Where the timeline was when `source` said `base`.
    start: Tick,
    base: Duration,
    file: Option<PathBuf>,
    /// Whether something was stored since the file was last written.
    used: AtomicBool,
}

impl Clock {
    /// The timeline in a folder, continued; or one of this process only. It continues after `latest`.
    pub(crate) fn open(
        source: Arc<dyn TimeSource>,
        folder: Option<&Path>,
        latest: Tick,
    ) -> io::Result<(Self, Earlier)> {
        let (wall, base) = (Moment::of(source.wall()), source.elapsed());
        let file = folder.map(|folder| folder.join(FILE));
        let (start, earlier) = match file.as_deref().map(read).transpose()? {
            None => (Tick(wall.0), Earlier::Aged),
            Some(None) => (Tick(wall.0), Earlier::Unknown),
            Some(Some((last, then))) if wall >= then => (Tick(last.0 + (wall.0 - then.0)), Earlier::Aged),
            Some(Some((last, _))) => (Tick(last.0 + MARGIN), Earlier::Older),
        };
        let start = start.max(Tick(latest.0.saturating_add(1)));
        let clock = Self { source, start, base, file, used: AtomicBool::new(false) };
        clock.write()?;
        Ok((clock, earlier))
    }

    /// Now, on the timeline.
    pub(crate) fn now(&self) -> Tick {
        let since = self.source.elapsed().saturating_sub(self.base);
        Tick(self.start.0.saturating_add(u64::try_from(since.as_millis()).unwrap_or(u64::MAX)))
    }

    /// Now, on the wall.
    pub(crate) fn wall(&self) -> Moment {
        Moment::of(self.source.wall())
    }

    /// Notes that a response was stored.
    pub(crate) fn note_use(&self) {
        self.used.store(true, Ordering::Relaxed);
    }

    /// Writes the file if something was stored since the last time.
    pub(crate) fn write_if_used(&self) -> io::Result<()> {
        if self.used.swap(false, Ordering::Relaxed) { self.write() } else { Ok(()) }
    }

    fn write(&self) -> io::Result<()> {
        let Some(path) = &self.file else { return Ok(()) };
        let new = path.with_extension("new");
        let mut file = File::create(&new)?;
        file.write_all(format!("{} {}\n", self.now().0, self.wall().0).as_bytes())?;
        file.sync_all()?;
        fs::rename(new, path)
    }
}

/// The timeline's last reading, and the wall clock's at that time; `None` where the file is not there or says neither.
fn read(path: &Path) -> io::Result<Option<(Tick, Moment)>> {
    let text = match fs::read(path) {
        Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
        Err(why) if why.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(why) => return Err(why),
    };
    let parse = || {
        let (last, then) = text.strip_suffix('\n')?.split_once(' ')?;
        // A date so far away that sums of it overflow is none.
        let number = |text: &str| text.parse().ok().filter(|number| *number < 1 << 62);
        Some((Tick(number(last)?), Moment(number(then)?)))
    };
    Ok(parse())
}

#[cfg(test)]
pub(crate) mod tests {
    use std::{
        sync::{Mutex, PoisonError},
        time::UNIX_EPOCH,
    };

    use super::*;

    /// A clock that a test sets.
    #[derive(Default)]
    pub(crate) struct Set(pub(crate) Mutex<(u64, u64)>);

    impl TimeSource for Set {
        fn wall(&self) -> SystemTime {
            UNIX_EPOCH + Duration::from_secs(self.0.lock().unwrap_or_else(PoisonError::into_inner).0)
        }

        fn elapsed(&self) -> Duration {
            Duration::from_secs(self.0.lock().unwrap_or_else(PoisonError::into_inner).1)
        }
    }

    fn set(wall: u64, elapsed: u64) -> Arc<Set> {
        Arc::new(Set(Mutex::new((wall, elapsed))))
    }

    #[test]
    fn steps_of_the_wall_clock_do_not_move_the_timeline() {
        let source = set(1000, 7);
        let (clock, _) = Clock::open(source.clone(), None, Tick(0)).unwrap();
        let before = clock.now();
        for wall in [0, 999_999] {
            *source.0.lock().unwrap() = (wall, 10);
            assert_eq!(clock.now().seconds_since(before), 3);
            assert_eq!(clock.wall(), Moment(wall * 1000));
        }
    }

    #[test]
    fn the_timeline_continues_in_the_next_process() {
        for (wall, passed, earlier) in [
            (1060, Some(60), Earlier::Aged),
            (1000, Some(0), Earlier::Aged),
            (500, None, Earlier::Older),
            (0, None, Earlier::Older),
        ] {
            let folder = tempfile::tempdir().unwrap();
            let (clock, first) = Clock::open(set(1000, 7), Some(folder.path()), Tick(0)).unwrap();
            assert_eq!(first, Earlier::Unknown);
            let (next, what) = Clock::open(set(wall, 0), Some(folder.path()), Tick(0)).unwrap();
            assert_eq!(what, earlier, "{wall}");
            match passed {
                Some(passed) => assert_eq!(next.now().seconds_since(clock.now()), passed),
                None => assert_eq!(next.now().0, clock.now().0 + MARGIN),
            }
        }
    }

    #[test]
    fn the_timeline_continues_after_every_purge_and_an_unreadable_file_says_nothing() {
        let folder = tempfile::tempdir().unwrap();
        for text in ["", "1", "a b\n", "1 2", "99999999999999999999 1\n", "9000000000000000000 1\n"] {
            fs::write(folder.path().join(FILE), text).unwrap();
            let (clock, earlier) = Clock::open(set(5, 0), Some(folder.path()), Tick(70_000)).unwrap();
            assert_eq!((clock.now(), earlier), (Tick(70_001), Earlier::Unknown), "{text:?}");
        }
    }
}
