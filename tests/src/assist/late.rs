//! Commands of a server whose answers come late, and of its clients.
//!
//! | command | answer |
//! |---|---|
//! | `serve-late NAME PATH` | `ok`; reads of the file wait until nobody wants them, those at offset 0 are answered |
//! | `late-reads` | how many of them wait in this process |
//! | `heap` | bytes that this process has allocated |
//! | `begin-reads NAME PATH COUNT` | `ok`: so many reads are under way |
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
    async fn read(&self, at: &At, buffer: &mut [u8]) -> Result<usize> {
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
        "late-reads" => WAITING.load(Ordering::Relaxed).to_string(),
        "heap" => resmgr_sys::measure::heap_in_use().to_string(),
        "begin-reads" => {
            let begun = begin(words.get(2), words.number(3));
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

fn serve(path: &str) -> resmgr::dispatch::Running {
    let manager = Manager::new().unwrap();
    manager.attach_async(path, Late).unwrap().spawn().unwrap()
}

fn begin(path: &str, count: u64) -> Result<Begun> {
    let file = client::open(path, OpenFlags::READ)?;
    let reads = (1..=count).map(|offset| file.begin_read(64, Some(offset)));
    let reads = reads.collect::<Result<_>>()?;
    Ok(Begun { file, reads })
}
