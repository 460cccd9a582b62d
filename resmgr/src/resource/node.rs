//! [`Node`]: a file that a manager serves, and what the framework keeps of it; [`Ocb`]: one open of it.

use super::attr::nanoseconds;
use super::{Attr, Serve};
use crate::wire::{OpenFlags, Stat};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

/// A lock that a panic of another handler does not take away: what it guards are plain numbers.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The times that handlers leave to the framework.
#[derive(Clone, Copy, Debug)]
struct Times {
    accessed: SystemTime,
    modified: SystemTime,
    changed: SystemTime,
}

/// A file behind one attachment.
pub(crate) struct Node {
    /// Its handlers.
    pub(crate) serve: Box<dyn Serve>,
    /// Held across a write that goes to the end, from asking where that is.
    pub(crate) append: Mutex<()>,
    number: u32,
    times: Mutex<Times>,
}

impl fmt::Debug for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Node")
            .field("number", &self.number)
            .finish_non_exhaustive()
    }
}

impl Node {
    /// `number` tells the nodes of one manager apart.
    pub(crate) fn new(serve: Box<dyn Serve>, number: u32) -> Self {
        let now = SystemTime::now();
        let times = Mutex::new(Times {
            accessed: now,
            modified: now,
            changed: now,
        });
        Self {
            serve,
            append: Mutex::new(()),
            number,
            times,
        }
    }

    /// What stat() tells.
    #[doc(alias = "iofunc_stat")]
    pub(crate) fn stat(&self, attr: &Attr) -> Stat {
        let times = *lock(&self.times);
        Stat {
            dev: u64::from(std::process::id()) << 32 | u64::from(self.number),
            ino: 1,
            mode: attr.mode,
            nlink: attr.nlink,
            uid: attr.uid,
            gid: attr.gid,
            rdev: attr.rdev,
            size: attr.size,
            blksize: attr.blksize,
            blocks: attr.size.div_ceil(512),
            atime: nanoseconds(attr.accessed.unwrap_or(times.accessed)),
            mtime: nanoseconds(attr.modified.unwrap_or(times.modified)),
            ctime: nanoseconds(attr.changed.unwrap_or(times.changed)),
        }
    }

    /// Books a read of some bytes.
    pub(crate) fn after_read(&self) {
        lock(&self.times).accessed = SystemTime::now();
    }

    /// Books a write of some bytes, or a cut.
    pub(crate) fn after_write(&self) {
        let now = SystemTime::now();
        let mut times = lock(&self.times);
        (times.modified, times.changed) = (now, now);
    }
}

/// One open of a file: its position and access, shared by the connections that were duplicated from one.
#[derive(Debug)]
#[doc(alias = "iofunc_ocb_t")]
pub(crate) struct Ocb {
    /// What was opened.
    pub(crate) node: Arc<Node>,
    /// How.
    pub(crate) flags: OpenFlags,
    /// Whether it is an ordinary file, whose position is held across handlers.
    pub(crate) regular: bool,
    /// Where the next read or write is. For an ordinary file it is held across the handler, so that reads
    /// and writes of one open follow each other as POSIX has it; a device's handlers may wait for each
    /// other, so there only the booking is locked. Nothing else is locked while it is taken.
    pub(crate) position: Mutex<u64>,
}

impl Ocb {
    /// A new open, at the start.
    #[doc(alias = "iofunc_ocb_attach")]
    pub(crate) fn new(node: Arc<Node>, flags: OpenFlags, regular: bool) -> Self {
        Self {
            node,
            flags,
            regular,
            position: Mutex::new(0),
        }
    }
}
