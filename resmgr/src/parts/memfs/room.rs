//! [`Room`]: how much a file system may take, and how much it has taken.

use super::data::PAGE;
use crate::{Errno, Result};
use std::sync::atomic::{AtomicU64, Ordering};

/// A number that stays below a bound.
#[derive(Debug)]
struct Bounded {
    most: AtomicU64,
    now: AtomicU64,
}

impl Bounded {
    fn new(most: u64) -> Self {
        Self {
            most: AtomicU64::new(most),
            now: AtomicU64::new(0),
        }
    }

    fn take(&self, count: u64) -> Result<()> {
        let most = self.most.load(Ordering::Relaxed);
        let more = |now: u64| now.checked_add(count).filter(|sum| *sum <= most);
        let taken = self
            .now
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, more);
        taken.map(drop).map_err(|_| Errno::NOSPC)
    }

    fn give(&self, count: u64) {
        self.now.fetch_sub(count, Ordering::Relaxed);
    }

    /// The bound, and what is free of it.
    fn known(&self) -> (u64, u64) {
        let most = self.most.load(Ordering::Relaxed);
        let now = self.now.load(Ordering::Relaxed);
        (most, most.saturating_sub(now))
    }
}

/// Bounds of one file system.
#[derive(Debug)]
pub(super) struct Room {
    pages: Bounded,
    names: Bounded,
}

impl Room {
    pub(super) fn new(bytes: u64, names: u64) -> Self {
        Self {
            pages: Bounded::new(bytes / PAGE),
            names: Bounded::new(names),
        }
    }

    pub(super) fn set_bytes(&self, bytes: u64) {
        self.pages.most.store(bytes / PAGE, Ordering::Relaxed);
    }

    pub(super) fn set_names(&self, names: u64) {
        self.names.most.store(names, Ordering::Relaxed);
    }

    /// `ENOSPC`: there are not so many.
    pub(super) fn take_pages(&self, count: u64) -> Result<()> {
        self.pages.take(count)
    }

    pub(super) fn give_pages(&self, count: usize) {
        self.pages.give(count as u64);
    }

    /// `ENOSPC`: there are too many.
    pub(super) fn take_name(&self) -> Result<()> {
        self.names.take(1)
    }

    pub(super) fn give_name(&self) {
        self.names.give(1);
    }

    /// All pages and the free ones.
    pub(super) fn pages(&self) -> (u64, u64) {
        self.pages.known()
    }

    /// All names and the free ones.
    pub(super) fn names(&self) -> (u64, u64) {
        self.names.known()
    }
}
