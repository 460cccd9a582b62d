//! [`Record`]: what the framework keeps of a file while it is open, or for ever if the resource is one file.

use super::attr::nanoseconds;
use super::lane::Lanes;
use super::locks::{Locks, WaitGraph};
use super::share::Counts;
use super::times::Times;
use super::{Attr, Change, Pending, Told, lock};
use crate::Result;
use crate::wire::{OpenFlags, Share, Stat};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::SystemTime;

/// A client that waits for a lock.
pub(crate) type LockWait = Arc<Pending>;

/// Answers those who have got their lock.
pub(crate) fn grant(granted: Vec<LockWait>) {
    for pending in granted {
        if let Ok(message) = pending.take() {
            Told::default().send(message);
        }
    }
}

/// A file as the framework knows it: by its number.
#[derive(Debug)]
pub(crate) struct Record {
    /// Its number in its resource.
    pub(crate) ino: u64,
    /// The first is for resources whose calls are in order per file, the second for writes that go to the end.
    pub(crate) lanes: Lanes,
    /// Those that handlers do not keep.
    times: Times,
    /// Whether they have changed, and whether the resource leaves them to the framework: then they are kept beyond the
    /// last open.
    news: AtomicBool,
    is_left: AtomicBool,
    state: Mutex<State>,
}

/// What is kept for handlers that do not keep it.
#[derive(Debug, Default)]
struct State {
    /// Mode, owner and group, once they were changed.
    kept: Option<Box<Change>>,
    /// Its opens.
    counts: Counts,
    /// Its advisory locks, if it has any.
    locks: Option<Box<Locks<LockWait>>>,
}

impl Record {
    /// Of a file that has been there since.
    pub(crate) fn born(ino: u64, since: SystemTime) -> Self {
        Self {
            ino,
            lanes: Lanes::default(),
            times: Times::since(since),
            news: AtomicBool::new(false),
            is_left: AtomicBool::new(false),
            state: Mutex::default(),
        }
    }

    /// Whether it has to be kept when nobody has the file open: its times have changed, and the resource does not keep
    /// them.
    pub(crate) fn has_news(&self) -> bool {
        self.news.load(Ordering::Relaxed) && self.is_left.load(Ordering::Relaxed)
    }

    /// Notes whether the resource leaves times to the framework.
    fn look_at(&self, attr: &Attr) {
        let left = attr.modified.is_none() || attr.accessed.is_none();
        self.is_left.store(left, Ordering::Relaxed);
    }

    /// Readers on several processors do not take each other's line away.
    fn is_news(&self) {
        if !self.news.load(Ordering::Relaxed) {
            self.news.store(true, Ordering::Relaxed);
        }
    }

    /// The attributes with what is kept here.
    pub(crate) fn complete(&self, attr: &mut Attr) {
        if let Some(kept) = &lock(&self.state).kept {
            kept.apply(attr);
        }
    }

    /// Keeps a change for a resource that does not.
    pub(crate) fn keep(&self, change: &Change) {
        let mut state = lock(&self.state);
        let kept = state.kept.get_or_insert_default();
        kept.mode = change.mode.or(kept.mode);
        kept.uid = change.uid.or(kept.uid);
        kept.gid = change.gid.or(kept.gid);
        drop(state);
        self.times.set(change.accessed, change.modified);
    }

    /// Counts one more open; `EBUSY` when share modes keep it out.
    pub(crate) fn attach(&self, attr: &Attr, flags: OpenFlags, share: Share) -> Result<()> {
        self.look_at(attr);
        lock(&self.state).counts.attach(flags, share)
    }

    /// How often it is open.
    pub(crate) fn counts(&self) -> Counts {
        lock(&self.state).counts
    }

    pub(crate) fn detach(&self, flags: OpenFlags, share: Share) {
        lock(&self.state).counts.detach(flags, share);
    }

    /// Works on the advisory locks. They are made for the first, and go with the last.
    pub(crate) fn with_locks<T>(
        &self,
        graph: &Arc<WaitGraph>,
        work: impl FnOnce(&mut Locks<LockWait>) -> T,
    ) -> T {
        let mut state = lock(&self.state);
        let locks = state
            .locks
            .get_or_insert_with(|| Box::new(Locks::new(graph)));
        let worked = work(locks);
        if locks.is_empty() {
            state.locks = None;
        }
        worked
    }

    /// Works on the advisory locks if there are any.
    pub(crate) fn with_held<T: Default>(&self, work: impl FnOnce(&mut Locks<LockWait>) -> T) -> T {
        let mut state = lock(&self.state);
        let Some(locks) = &mut state.locks else {
            return T::default();
        };
        let worked = work(locks);
        if locks.is_empty() {
            state.locks = None;
        }
        worked
    }

    /// What stat() tells.
    #[doc(alias = "iofunc_stat")]
    pub(crate) fn stat(&self, attr: &Attr, dev: u64) -> Stat {
        let times = self.times.update();
        let time = |given: Option<SystemTime>, kept| given.map_or(kept, nanoseconds);
        Stat {
            dev,
            ino: attr.ino,
            mode: attr.mode,
            nlink: attr.nlink,
            uid: attr.uid,
            gid: attr.gid,
            rdev: attr.rdev,
            size: attr.size,
            blksize: attr.blksize,
            blocks: attr.space.unwrap_or(attr.size).div_ceil(512),
            atime: time(attr.accessed, times.accessed),
            mtime: time(attr.modified, times.modified),
            ctime: time(attr.changed, times.changed),
        }
    }

    /// Books a read of some bytes.
    pub(crate) fn after_read(&self) {
        self.is_news();
        self.times.read();
    }

    /// Books a write of some bytes, or another change.
    pub(crate) fn after_write(&self) {
        self.is_news();
        self.times.written();
    }

    /// Books a change of attributes.
    pub(crate) fn after_change(&self) {
        self.is_news();
        self.times.changed();
    }
}
