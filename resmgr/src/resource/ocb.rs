//! [`Ocb`]: one open of a file.

use super::call::Books;
use super::lane::{Lane, Lanes};
use super::record::Record;
use super::{Attr, Order, Share};
use crate::Result;
use crate::wire::OpenFlags;
use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};

/// One open of a file, shared by the connections that were duplicated from one: the file, and what the open has
/// for itself.
#[derive(Debug)]
#[non_exhaustive]
#[doc(alias = "iofunc_ocb_t")]
#[doc(alias = "RESMGR_OCB_T")]
pub struct Ocb<N = (), O = ()> {
    /// The file.
    pub node: N,
    /// What this open has for itself.
    pub open: O,
    pub(crate) core: Arc<Core>,
}

impl<N, O> Ocb<N, O> {
    pub(crate) fn new(node: N, open: O, core: Arc<Core>) -> Self {
        Self { node, open, core }
    }

    /// How it was opened; `O_NONBLOCK` and `O_APPEND` as they were set last.
    #[doc(alias = "ioflag")]
    pub fn flags(&self) -> OpenFlags {
        self.core.flags()
    }

    /// Where the next read or write is.
    pub fn position(&self) -> u64 {
        self.core.position.load(Ordering::Relaxed)
    }
}

/// How an open is kept: in the memory of what it belongs to, or shared with tasks that go on without that.
pub(crate) trait Keep<T>: Deref<Target = T> + From<T> + Send + Sync + 'static {
    /// For a task of its own; `None` if it has none.
    fn shared(&self) -> Option<Arc<T>>;
}

/// An open that no task needs: it takes no memory of its own.
#[derive(Debug)]
pub(crate) struct Inline<T>(T);

impl<T> From<T> for Inline<T> {
    fn from(ocb: T) -> Self {
        Self(ocb)
    }
}

impl<T> Deref for Inline<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T: Send + Sync + 'static> Keep<T> for Inline<T> {
    fn shared(&self) -> Option<Arc<T>> {
        None
    }
}

impl<T: Send + Sync + 'static> Keep<T> for Arc<T> {
    fn shared(&self) -> Option<Self> {
        Some(Self::clone(self))
    }
}

/// What kind of file an open is of, as far as the framework treats them differently.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sort {
    /// Its reads and writes share the position as POSIX has it.
    Regular,
    /// Its reads bring entries.
    Directory,
    /// A device, a pipe, …
    Other,
}

impl Sort {
    fn of(attr: &Attr) -> Self {
        if attr.is_regular() {
            Self::Regular
        } else if attr.is_dir() {
            Self::Directory
        } else {
            Self::Other
        }
    }
}

/// A lane that calls on an open go through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LaneId {
    /// Of the open: its reads; of an ordinary file everything that uses the position.
    Open,
    /// Of the open: its writes, where they do not share the position.
    Writes,
    /// Of the file: everything.
    File,
    /// Of the file: writes that go to its end.
    Append,
}

/// The framework's part of an open.
#[derive(Debug)]
pub(crate) struct Core {
    pub(crate) record: Arc<Record>,
    pub(crate) sort: Sort,
    /// Share mode.
    pub(crate) share: Share,
    per_file: AtomicBool,
    flags: AtomicU32,
    /// Where the next read or write is. Calls that use it are in one lane where that matters; devices' handlers may
    /// wait for each other, so there it is only booked.
    pub(crate) position: AtomicU64,
    lanes: Lanes,
}

impl Core {
    /// Counts the open; `EBUSY` when the share modes of others keep it out.
    pub(crate) fn new(
        record: Arc<Record>,
        attr: &Attr,
        (flags, share): (OpenFlags, Share),
        order: Order,
    ) -> Result<Self> {
        record.attach(attr, flags, share)?;
        Ok(Self {
            record,
            sort: Sort::of(attr),
            share,
            per_file: AtomicBool::new(order == Order::PerFile),
            flags: AtomicU32::new(flags.bits()),
            position: AtomicU64::new(0),
            lanes: Lanes::default(),
        })
    }

    /// Tells the opens of all managers of a process apart while they are open: they do not move.
    pub(crate) fn number(&self) -> u64 {
        std::ptr::from_ref(self).addr() as u64
    }

    /// The access that it was opened with, which never changes.
    pub(crate) fn access(&self) -> OpenFlags {
        self.flags() & (OpenFlags::READ | OpenFlags::WRITE)
    }

    pub(crate) fn flags(&self) -> OpenFlags {
        OpenFlags::from_bits_retain(self.flags.load(Ordering::Relaxed))
    }

    /// Sets those of `of` as they are in `flags`.
    pub(crate) fn set_flags(&self, of: OpenFlags, flags: OpenFlags) {
        let change = |old: u32| Some(old & !of.bits() | (flags & of).bits());
        let _ = self
            .flags
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, change);
    }

    /// Another order than that of the attachment: for a resource inside another one, before the first call.
    pub(crate) fn set_order(&self, order: Order) {
        let per_file = order == Order::PerFile;
        self.per_file.store(per_file, Ordering::Relaxed);
    }

    /// Which lane a call goes through. `own`: it brings an offset of its own.
    pub(crate) fn lane_of(&self, write: bool, own: bool) -> Option<LaneId> {
        if self.per_file.load(Ordering::Relaxed) {
            return Some(LaneId::File);
        }
        match self.sort {
            _ if own => None,
            // The end of the file must stay where it is from asking for it to the write.
            _ if write && self.flags().contains(OpenFlags::APPEND) => Some(LaneId::Append),
            Sort::Other if write => Some(LaneId::Writes),
            _ => Some(LaneId::Open),
        }
    }

    pub(crate) fn lane(&self, id: LaneId) -> Lane<'_> {
        match id {
            LaneId::Open => self.lanes.first(),
            LaneId::Writes => self.lanes.second(),
            LaneId::File => self.record.lanes.first(),
            LaneId::Append => self.record.lanes.second(),
        }
    }

    /// Books what a call has moved.
    pub(crate) fn book(&self, books: Books, moved: u64) {
        let (Books::Read { from } | Books::Write { from }) = books else {
            return;
        };
        if let Some(from) = from {
            let position = from.saturating_add(moved);
            self.position.store(position, Ordering::Relaxed);
        }
        match books {
            _ if moved == 0 => {}
            Books::Read { .. } => self.record.after_read(),
            Books::Write { .. } => self.record.after_write(),
            Books::Nothing => {}
        }
    }
}

impl Drop for Core {
    fn drop(&mut self) {
        self.record.detach(self.access(), self.share);
    }
}
