//! The same call on a file of ours and on one of the host's, so that a test can compare what comes of it.
//!
//! `on BASE VERB ARGUMENT…`: a `BASE` at /dev/shm is a directory of the host's, any other is one of a server's. Paths are
//! below it; a slot is an open file, by a number or a name of the test's.
//!
//! | verb | answer |
//! |---|---|
//! | `open SLOT PATH HOW MODE` | `ok`; `HOW` is `r`, `w`, `rw` or `-`, with `+create+trunc…` behind it, see [`oflag`] |
//! | `close SLOT`, `write SLOT DATA`, `pwrite SLOT DATA OFFSET`, `truncate SLOT SIZE` | `ok`, or how many bytes |
//! | `read SLOT LEN`, `pread SLOT LEN OFFSET`, `seek SLOT set\|cur\|end\|data\|hole OFFSET` | the bytes; the position |
//! | `fchmod SLOT MODE`, `chmod PATH MODE`, `chown PATH UID GID` (`-` stays), `utime PATH TIME TIME` | `ok` |
//! | `allocate` or `free` `SLOT START LEN` | `ok` |
//! | `stat PATH`, `fstat SLOT`, `times PATH` | `MODE UID:GID LINKS SIZE`; when it was read and written |
//! | `mkdir`, `mknod` `PATH MODE`, `rmdir`, `unlink` `PATH`, `rename`, `link`, `symlink` `OLD NEW` | `ok` |
//!
//! `access PATH rwx` is asked of ours only. A time is `now`, `keep`, or in seconds. Modes are octal. `umask MODE` is the process's.

mod host;
mod ours;

use super::Words;
use super::commands::outcome;
use super::things::Things;
use resmgr::client::Stat;
use resmgr_sys::{Result, process};
use std::sync::Arc;

/// Where the host's files are in memory, as ours are.
const HOST: &str = "/dev/shm";

/// An open file of either side.
#[derive(Clone, Debug)]
pub(crate) enum Slot {
    Ours(Arc<resmgr::client::File>),
    Host(Arc<std::fs::File>),
}

/// How a file is opened, as open() has it.
const HOW: &[(&str, u32)] = &[
    ("r", 0),
    ("w", 1),
    ("rw", 2),
    ("-", 3),
    ("create", 0o100),
    ("excl", 0o200),
    ("trunc", 0o1000),
    ("append", 0o2000),
    ("nonblock", 0o4000),
    ("dsync", 0o10_000),
    ("directory", 0o200_000),
    ("nofollow", 0o400_000),
    ("sync", 0o4_010_000),
];

/// The number of words with `+` between them.
pub(crate) fn oflag(how: &str) -> u32 {
    how.split('+')
        .map(|word| HOW.iter().find(|(name, _)| *name == word).unwrap().1)
        .sum()
}

/// A directory of one side, and a command for it.
struct Job<'a> {
    things: &'a Things,
    base: &'a str,
    words: &'a Words<'a>,
}

/// A time that is to be set.
enum Time {
    Now,
    Keep,
    At(i64),
}

impl<'a> Job<'a> {
    /// The argument with this number; the first is 0.
    fn get(&self, index: usize) -> &'a str {
        self.words.get(index + 3)
    }

    fn number<T: std::str::FromStr<Err: std::fmt::Debug>>(&self, index: usize) -> T {
        self.words.number(index + 3)
    }

    fn octal(&self, index: usize) -> u32 {
        u32::from_str_radix(self.get(index), 8).unwrap()
    }

    fn id(&self, index: usize) -> Option<u32> {
        self.get(index).parse().ok()
    }

    fn time(&self, index: usize) -> Time {
        match self.get(index) {
            "now" => Time::Now,
            "keep" => Time::Keep,
            seconds => Time::At(seconds.parse().unwrap()),
        }
    }

    fn data(&self, index: usize) -> Vec<u8> {
        self.words.data(index + 3)
    }

    /// The slot's name: each side has its own.
    fn key(&self, index: usize) -> String {
        format!("{} {}", self.base, self.get(index))
    }

    fn keep(&self, slot: Slot) -> String {
        self.things.slots.put(&self.key(0), slot);
        "ok".into()
    }
}

/// What is compared of a file: no size of a directory, which is each file system's own.
fn shown((mode, uid, gid): (u32, u32, u32), links: u64, size: u64) -> String {
    let size = match mode & Stat::TYPE {
        Stat::REGULAR | Stat::LINK => size.to_string(),
        _ => "-".into(),
    };
    format!("{mode:o} {uid}:{gid} {links} {size}")
}

fn ok<T>(_: T) -> String {
    "ok".into()
}

fn read(len: usize, read: impl FnOnce(&mut [u8]) -> Result<usize>) -> Result<String> {
    let mut buffer = vec![0; len];
    let len = read(&mut buffer)?;
    Ok(super::show(&buffer[..len]))
}

pub(crate) fn run(things: &Things, words: &Words<'_>) -> Option<String> {
    match words.get(0) {
        "on" => {}
        "umask" => {
            process::set_umask(u32::from_str_radix(words.get(1), 8).unwrap());
            return Some("ok".into());
        }
        _ => return None,
    }
    let job = Job {
        things,
        base: words.get(1),
        words,
    };
    let verb = words.get(2);
    let done = if job.base.starts_with(HOST) {
        host::run(&job, verb)
    } else {
        ours::run(&job, verb)
    };
    Some(outcome(done))
}
