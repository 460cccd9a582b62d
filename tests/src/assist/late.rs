//! Commands of a server whose answers come late, and of its clients.
//!
//! | command | answer |
//! |---|---|
//! | `serve-late NAME PATH` | `ok`; reads of the file wait until nobody wants them, those at offset 0 are answered |
//! | `late-reads` | how many of them wait in this process |
//! | `heap` | bytes that this process has allocated |
//! | `serve-numbers NAME PATH` | `ok`; a directory with a file for each number |
//! | `open-many PATH COUNT ARGS` | `ok`: so many opens of the path, or with `each` of the files below it |
//! | `close-many PATH` | `ok` |
//! | `begin-reads NAME PATH COUNT SIZE` | `ok`: so many reads of so many bytes are under way |
//! | `drop-reads NAME` | `ok`: nobody wants them any more |
//! | `read-now NAME` | the count |

use super::Words;
use super::commands::outcome;
use super::things::Things;
use resmgr::client::{self, File, OpenFlags, PendingRead};
use resmgr::prelude::*;
use std::sync::atomic::{AtomicUsize, Ordering};

static WAITING: AtomicUsize = AtomicUsize::new(0);

/// One that waits.
struct Waits;

impl Waits {
    fn begin() -> Self {
        WAITING.fetch_add(1, Ordering::Relaxed);
        Self
    }
}

impl Drop for Waits {
    fn drop(&mut self) {
        WAITING.fetch_sub(1, Ordering::Relaxed);
    }
}

struct Late;

impl AsyncDevice for Late {
    async fn read(&self, at: &At, buffer: &mut Buffer) -> Result<usize> {
        if at.offset > 0 {
            let _waits = Waits::begin();
            std::future::pending::<()>().await;
        }
        at.copy(b"now", buffer)
    }
}

/// A file with its reads under way.
pub(crate) struct Begun {
    file: File,
    reads: Vec<PendingRead>,
}

impl std::fmt::Debug for Begun {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Begun").field(&self.reads.len()).finish()
    }
}

pub(crate) fn run(things: &Things, words: &Words<'_>) -> Option<String> {
    let name = words.get(1);
    Some(match words.get(0) {
        "serve-late" => {
            things.managers.put(name, serve(words.get(2)));
            "ok".into()
        }
        "serve-numbers" => {
            let manager = Manager::new().unwrap();
            let flags = AttachFlags::DIR;
            let manager = manager.attach_with(words.get(2), flags, Numbers).unwrap();
            things.managers.put(name, manager.spawn().unwrap());
            "ok".into()
        }
        "open-many" => {
            let opened = open_many(name, words.number(2), words.get(3) == "each");
            outcome(opened.map(|files| {
                things.crowds.put(name, files);
                "ok".into()
            }))
        }
        "close-many" => {
            drop(things.crowds.take(name));
            "ok".into()
        }
        "late-reads" => WAITING.load(Ordering::Relaxed).to_string(),
        "heap" => resmgr_sys::measure::heap_in_use().to_string(),
        "begin-reads" => {
            let begun = begin(words.get(2), words.number(3), words.number(4));
            outcome(begun.map(|begun| {
                things.begun.put(name, begun);
                "ok".into()
            }))
        }
        "drop-reads" => {
            let mut begun = things.begun.lock();
            begun.get_mut(name).unwrap().reads.clear();
            "ok".into()
        }
        "read-now" => {
            let begun = things.begun.lock();
            let read = begun.get(name).unwrap().file.read_at(&mut [0; 3], 0);
            outcome(read.map(|count| count.to_string()))
        }
        _ => return None,
    })
}

/// A directory; each number is the name of a file.
struct Numbers;

impl Resource for Numbers {
    type Node = u64;
    type Open = ();

    fn root(&self) -> u64 {
        0
    }

    fn attr(&self, node: &u64) -> Result<Attr> {
        let attr = match node {
            0 => Attr::directory(0o755),
            _ => Attr::file(0o644, 0),
        };
        Ok(attr.number(node + 1))
    }

    fn lookup(&self, _dir: &u64, name: &std::ffi::OsStr) -> Result<u64> {
        let number = name.to_str().and_then(|name| name.parse().ok());
        number.ok_or(Errno::NOENT)
    }

    fn open(&self, _node: &u64, _how: &Opening) -> Result<()> {
        Ok(())
    }
}

fn open_many(path: &str, count: u64, each: bool) -> Result<Vec<File>> {
    let open = |number| {
        if each {
            client::open(format!("{path}/{number}"), OpenFlags::READ)
        } else {
            client::open(path, OpenFlags::READ)
        }
    };
    (1..=count).map(open).collect()
}

fn serve(path: &str) -> resmgr::dispatch::Running {
    let manager = Manager::new().unwrap();
    manager.attach_async(path, Late).unwrap().spawn().unwrap()
}

fn begin(path: &str, count: u64, size: usize) -> Result<Begun> {
    let file = client::open(path, OpenFlags::READ)?;
    let reads = (1..=count).map(|offset| file.begin_read(size, Some(offset)));
    let reads = reads.collect::<Result<_>>()?;
    Ok(Begun { file, reads })
}
