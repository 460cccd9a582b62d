//! One operation, and how it is done with a bench.

use super::Random;
use crate::client::OpenFlags;
use crate::testing::Bench;
use crate::{Errno, Result};
use std::fmt;

/// Few names: so that operations meet each other.
const PATHS: [&str; 8] = ["a", "b", "d", "d/a", "d/b", "e", "e/a", "d/c/a"];
/// Bytes of the longest file, but for one write.
const LONGEST: usize = 10_000;

/// One operation. Paths are of the tree.
#[derive(Clone, Debug)]
pub(super) enum Step {
    Mkdir(&'static str),
    Rmdir(&'static str),
    Create {
        path: &'static str,
        exclusive: bool,
        truncate: bool,
    },
    Write {
        path: &'static str,
        at: usize,
        len: usize,
        byte: u8,
    },
    Append {
        path: &'static str,
        len: usize,
        byte: u8,
    },
    Read {
        path: &'static str,
        at: usize,
        len: usize,
    },
    Truncate {
        path: &'static str,
        size: usize,
    },
    Unlink(&'static str),
    Rename(&'static str, &'static str),
    Link(&'static str, &'static str),
    Stat(&'static str),
    List(&'static str),
}

/// What it gives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Seen {
    Done,
    Count(usize),
    Bytes(Vec<u8>),
    Directory,
    File { size: u64, names: u32 },
    Names(Vec<String>),
}

pub(super) type Outcome = Result<Seen>;

impl Step {
    pub(super) fn random(random: &mut Random) -> Self {
        let path = PATHS.get(random.below(PATHS.len())).copied().unwrap_or("a");
        let other = PATHS.get(random.below(PATHS.len())).copied().unwrap_or("a");
        let (at, len) = (random.below(LONGEST), random.below(5000));
        let byte = u8::try_from(random.below(26)).unwrap_or(0) + b'a';
        match random.below(14) {
            0 | 1 => Self::Mkdir(path),
            2 => Self::Rmdir(path),
            3 | 4 => Self::Create {
                path,
                exclusive: at % 3 == 0,
                truncate: at % 4 == 0,
            },
            5 => Self::Write {
                path,
                at,
                len,
                byte,
            },
            6 => Self::Append { path, len, byte },
            7 => Self::Read { path, at, len },
            8 => Self::Truncate { path, size: at },
            9 => Self::Unlink(path),
            10 => Self::Rename(path, other),
            11 => Self::Link(path, other),
            12 => Self::Stat(path),
            _ => Self::List(path),
        }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Mkdir(path) => write!(f, "mkdir {path}"),
            Self::Rmdir(path) => write!(f, "rmdir {path}"),
            Self::Create {
                path,
                exclusive,
                truncate,
            } => {
                let exclusive = if *exclusive { " O_EXCL" } else { "" };
                let truncate = if *truncate { " O_TRUNC" } else { "" };
                write!(f, "open {path} O_CREAT{exclusive}{truncate}")
            }
            Self::Write { path, at, len, .. } => write!(f, "write {path}: {len} bytes at {at}"),
            Self::Append { path, len, .. } => write!(f, "append {path}: {len} bytes"),
            Self::Read { path, at, len } => write!(f, "read {path}: {len} bytes at {at}"),
            Self::Truncate { path, size } => write!(f, "truncate {path} to {size}"),
            Self::Unlink(path) => write!(f, "unlink {path}"),
            Self::Rename(old, new) => write!(f, "rename {old} to {new}"),
            Self::Link(old, new) => write!(f, "link {old} as {new}"),
            Self::Stat(path) => write!(f, "stat {path}"),
            Self::List(path) => write!(f, "list {path}"),
        }
    }
}

/// An outcome as people read it: long data by length and ends.
pub(super) fn told(outcome: &Outcome) -> String {
    match outcome {
        Ok(Seen::Bytes(bytes)) => {
            let (first, last) = (bytes.first(), bytes.last());
            format!("{} bytes, {first:?} to {last:?}", bytes.len())
        }
        Ok(seen) => format!("{seen:?}"),
        Err(errno) => format!("{errno:?} ({errno})"),
    }
}

/// Does it.
pub(super) fn run(bench: &Bench, step: &Step) -> Outcome {
    let done = |()| Seen::Done;
    match *step {
        Step::Mkdir(path) => bench.create_dir(path, 0o755).map(done),
        Step::Rmdir(path) => bench.remove_dir(path).map(done),
        Step::Unlink(path) => bench.unlink(path).map(done),
        Step::Rename(old, new) => bench.rename(old, new).map(done),
        Step::Link(old, new) => bench.link(old, new).map(done),
        Step::Truncate { path, size } => bench.truncate(path, size as u64).map(done),
        Step::Create {
            path,
            exclusive,
            truncate,
        } => {
            let mut flags = OpenFlags::WRITE | OpenFlags::CREATE;
            flags.set(OpenFlags::EXCLUSIVE, exclusive);
            flags.set(OpenFlags::TRUNCATE, truncate);
            bench.open_at(path, flags)?.close().map(done)
        }
        Step::Write {
            path,
            at,
            len,
            byte,
        } => {
            let file = bench.open_at(path, OpenFlags::WRITE)?;
            file.write_at(&vec![byte; len], at as u64).map(Seen::Count)
        }
        Step::Append { path, len, byte } => {
            let file = bench.open_at(path, OpenFlags::WRITE | OpenFlags::APPEND)?;
            file.write(&vec![byte; len]).map(Seen::Count)
        }
        Step::Read { path, at, len } => read(bench, path, at as u64, len),
        Step::Stat(path) => stat(bench, path),
        Step::List(path) => {
            let names = bench.list(path)?;
            let names = names.iter().map(|name| name.to_string_lossy().into_owned());
            Ok(Seen::Names(names.collect()))
        }
    }
}

/// Until the end or as much as was asked for: a read may give less.
fn read(bench: &Bench, path: &str, at: u64, len: usize) -> Outcome {
    let file = bench.open_at(path, OpenFlags::READ)?;
    if file.stat()?.is_dir() {
        return Err(Errno::ISDIR);
    }
    let (mut bytes, mut buffer) = (Vec::new(), vec![0; len]);
    while bytes.len() < len {
        let rest = buffer.get_mut(bytes.len()..).unwrap_or_default();
        let count = file.read_at(rest, at + bytes.len() as u64)?;
        if count == 0 {
            break;
        }
        bytes.extend_from_slice(rest.get(..count).unwrap_or_default());
    }
    Ok(Seen::Bytes(bytes))
}

fn stat(bench: &Bench, path: &str) -> Outcome {
    let stat = bench.stat(path)?;
    if stat.is_dir() {
        return Ok(Seen::Directory);
    }
    Ok(Seen::File {
        size: stat.size,
        names: stat.nlink,
    })
}
