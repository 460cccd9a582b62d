//! When files were read, written and changed.

use super::{BOTH, Ground, Named, Stop, Verdict, WRITE, holds, same};
use crate::client::{File, Stat, TimeChange};
use crate::{Errno, Result};
use std::thread;
use std::time::{Duration, Instant};

/// A time long ago, in nanoseconds: September 2001.
const PAST: i64 = 1_000_000_000_000_000_000;
/// How long a clock may stand still.
const TICK: Duration = Duration::from_millis(100);

pub(super) const CHECKS: &[Named] = &[
    (
        "times are set, and told as they were set",
        "POSIX futimens, utimensat; IF-12",
        set,
    ),
    (
        "a write moves the time of the last write, a read does not",
        "POSIX 4.12 File Times Update; write; IF-21",
        written,
    ),
    (
        "a read moves the time of the last read",
        "POSIX 4.12 File Times Update; read; IF-21",
        read,
    ),
    (
        "chmod moves the time of the last change",
        "POSIX chmod: st_ctim; IF-12",
        changed,
    ),
];

pub(super) const OF_DIRECTORIES: &[Named] = &[(
    "new names and lost ones move their directory's times",
    "POSIX open, unlink: st_mtim and st_ctim of the parent",
    names,
)];

/// Sets both times to one long ago.
fn to_past(file: &File) -> Verdict {
    let past = TimeChange::At(PAST);
    match file.set_times(past, past) {
        Err(Errno::NOSYS | Errno::PERM | Errno::ROFS) => Err(Stop::Not("its times cannot be set")),
        set => Ok(set?),
    }
}

fn set(ground: &Ground<'_>) -> Verdict {
    let file = ground.open(&ground.filled(b"abc")?, BOTH)?;
    to_past(&file)?;
    let stat = file.stat()?;
    same("the time of the last read", stat.atime, PAST)?;
    same("the time of the last write", stat.mtime, PAST)?;
    file.set_times(TimeChange::Keep, TimeChange::Now)?;
    let stat = file.stat()?;
    same("a time that is kept", stat.atime, PAST)?;
    later("the time that is now", stat.mtime, PAST)
}

fn later(what: &str, seen: i64, before: i64) -> Verdict {
    let expected = format!("more than {before}");
    holds(what, seen > before, seen, &expected)
}

fn written(ground: &Ground<'_>) -> Verdict {
    let file = ground.open(&ground.filled(b"abc")?, BOTH)?;
    to_past(&file)?;
    let before = file.stat()?;
    file.write(b"x")?;
    let after = file.stat()?;
    later("the time of the last write", after.mtime, before.mtime)?;
    file.read(&mut [0; 1])?;
    same("that after a read", file.stat()?.mtime, after.mtime)
}

fn read(ground: &Ground<'_>) -> Verdict {
    let file = ground.open(&ground.filled(b"abc")?, BOTH)?;
    to_past(&file)?;
    let before = file.stat()?;
    file.read(&mut [0; 1])?;
    later(
        "the time of the last read",
        file.stat()?.atime,
        before.atime,
    )
}

fn changed(ground: &Ground<'_>) -> Verdict {
    let file = ground.open(&ground.path(), WRITE)?;
    let before = file.stat()?;
    let change = || match file.chmod(before.mode & 0o7777) {
        Err(Errno::PERM | Errno::ROFS | Errno::NOSYS | Errno::NOTSUP) => {
            Err(Stop::Not("its permissions cannot be changed"))
        }
        changed => Ok(changed?),
    };
    moves("the time of the last change", change, || {
        Ok(file.stat()?.ctime)
    })
}

/// Whether doing something makes a time a later one, at the latest with the next tick of the clock.
fn moves(what: &str, mut act: impl FnMut() -> Verdict, time: impl Fn() -> Result<i64>) -> Verdict {
    let (before, end) = (time()?, Instant::now() + TICK);
    loop {
        act()?;
        let now = time()?;
        if now > before || Instant::now() > end {
            return later(what, now, before);
        }
        thread::yield_now();
    }
}

fn names(ground: &Ground<'_>) -> Verdict {
    let dir = super::tree::dir(ground)?;
    let inside = format!("{dir}/inside");
    let stat = || -> Result<Stat> { ground.bench.stat(&dir) };
    let turn = || {
        drop(super::tree::file(ground, &inside)?);
        Ok(ground.bench.unlink(&inside)?)
    };
    moves("the directory's time of the last write", turn, || {
        Ok(stat()?.mtime)
    })?;
    moves("its time of the last change", turn, || Ok(stat()?.ctime))?;
    let first = stat()?;
    ground
        .bench
        .stat(&inside)
        .map_or_else(|_| Ok(()), |_| Err(Errno::EXIST))?;
    same("that after a look", stat()?.mtime, first.mtime)
}
