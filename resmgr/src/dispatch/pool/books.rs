//! [`Books`]: who is there, who waits, and how many are to be started.
//!
//! # What can overlap
//! Members leave and come back at the same time as others, threads come up late, and the limits change meanwhile.
//! All counts are under one lock, and what follows from them is decided under the same lock, so:
//!
//! - *A need is met once.* Threads that are being started count as if they waited already. Else every member
//!   that leaves before the first of them has come up would start `increment` more.
//! - *Never more than the maximum.* A thread is counted before it is made, and taken off again if it cannot be.
//!   Two that decide at the same time see each other's.
//! - *One goes at a time.* A member that comes back counts itself as waiting, or ends, in the step in which it
//!   looks: of two that come back to the last place below the high water mark, one stays.
//! - *Nobody is forgotten at the end.* Whether to wait at all is looked at in that step, too. So after a stop
//!   nobody begins to wait; those that do are counted, and wake each other: see [`Core::wake`](super::Core::wake).

use super::{PoolCounts, PoolOptions};
use crate::{Errno, Result};

/// A pool's counts, under its lock.
#[derive(Debug)]
pub(super) struct Books {
    pub(super) limits: PoolOptions,
    /// Members, `starting` and `waiting` ones included.
    threads: usize,
    /// Threads that have not come to wait yet.
    starting: usize,
    waiting: usize,
    pub(super) stopping: bool,
    /// The last one could not be started.
    complained: bool,
    /// Why there was nobody left.
    failure: Option<Errno>,
}

/// What a member does; the books count it as that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Doing {
    Starting,
    Waiting,
    Working,
}

impl Books {
    pub(super) fn new(limits: PoolOptions) -> Self {
        Self {
            limits,
            threads: 0,
            starting: 0,
            waiting: 0,
            stopping: false,
            complained: false,
            failure: None,
        }
    }

    pub(super) fn counts(&self) -> PoolCounts {
        PoolCounts {
            threads: self.threads,
            waiting: self.waiting,
        }
    }

    /// Room for so many new members, or for as many as there may be. They count from now on.
    fn reserve(&mut self, wanted: usize) -> usize {
        let room = self.limits.maximum.saturating_sub(self.threads);
        let count = if self.stopping { 0 } else { wanted.min(room) };
        self.threads += count;
        self.starting += count;
        count
    }

    /// How many are short of the low water mark.
    fn short(&self) -> usize {
        let soon = self.waiting + self.starting;
        self.limits.low_water.saturating_sub(soon)
    }

    /// All that are missing below the low water mark: how many to start.
    pub(super) fn fill(&mut self) -> usize {
        self.reserve(self.short())
    }

    /// A member goes to wait. `None`: it has to end instead.
    pub(super) fn enter(&mut self, from: Doing) -> Option<Doing> {
        let surplus = from == Doing::Working && self.waiting >= self.limits.high_water;
        if self.stopping || surplus {
            return None;
        }
        if from == Doing::Starting {
            self.starting -= 1;
            self.complained = false;
        }
        self.waiting += 1;
        Some(Doing::Waiting)
    }

    /// A member has waited, and has got something to do or not. Returns how many to start, and whether to
    /// [wake](Self::must_wake).
    pub(super) fn leave(&mut self, with_work: bool) -> (usize, bool) {
        self.waiting -= 1;
        let missing = if with_work && self.short() > 0 {
            self.reserve(self.limits.increment)
        } else {
            0
        };
        (missing, self.must_wake())
    }

    /// A member ends. The last one ends the pool.
    pub(super) fn end(&mut self, while_doing: Doing) {
        match while_doing {
            Doing::Starting => self.starting -= 1,
            Doing::Waiting => self.waiting -= 1,
            Doing::Working => {}
        }
        self.threads -= 1;
        self.stopping |= self.threads == 0;
    }

    /// So many were not started. Returns whether that is news.
    pub(super) fn not_started(&mut self, count: usize, errno: Errno) -> bool {
        let stopped = self.stopping;
        (0..count).for_each(|_| self.end(Doing::Starting));
        if self.stopping && !stopped {
            self.failure = Some(errno);
        }
        !std::mem::replace(&mut self.complained, true) && !stopped
    }

    /// How the pool has ended; to be asked once.
    ///
    /// # Errors
    /// - why nobody could be started, if the pool has ended because of that.
    pub(super) fn outcome(&mut self) -> Result<()> {
        self.failure.take().map_or(Ok(()), Err)
    }

    /// Whether somebody has to be woken so that it ends.
    pub(super) fn must_wake(&self) -> bool {
        self.stopping && self.waiting > 0
    }
}

#[cfg(test)]
mod tests {
    use super::{Books, Doing, PoolOptions};
    use crate::Errno;

    fn books(low_water: usize, increment: usize, high_water: usize, maximum: usize) -> Books {
        Books::new(PoolOptions {
            low_water,
            increment,
            high_water,
            maximum,
        })
    }

    fn begin(books: &mut Books) {
        for _ in 0..books.fill() {
            assert_eq!(books.enter(Doing::Starting), Some(Doing::Waiting));
        }
    }

    #[test]
    fn tp3_a_need_is_met_once() {
        let mut books = books(2, 2, 4, 10);
        begin(&mut books);
        assert_eq!(books.leave(true).0, 2);
        // Nobody has come up yet, and both are as good as there.
        assert_eq!(books.leave(true).0, 0);
        assert_eq!(books.counts().threads, 4);
    }

    #[test]
    fn tp1_there_are_never_more_than_the_maximum() {
        let mut books = books(2, 5, 5, 4);
        begin(&mut books);
        assert_eq!(books.leave(true).0, 2);
        assert_eq!((books.counts().threads, books.fill()), (4, 0));
    }

    #[test]
    fn tp1_who_comes_back_to_a_full_pool_ends() {
        let mut books = books(1, 1, 1, 2);
        begin(&mut books);
        assert_eq!(books.leave(true).0, 1);
        assert_eq!(books.enter(Doing::Starting), Some(Doing::Waiting));
        assert_eq!(books.enter(Doing::Working), None);
        books.end(Doing::Working);
        assert_eq!((books.counts().threads, books.counts().waiting), (1, 1));
    }

    #[test]
    fn tp3_a_member_that_gets_nothing_is_not_replaced() {
        let mut books = books(1, 1, 1, 2);
        begin(&mut books);
        assert_eq!(books.leave(false).0, 0);
        books.end(Doing::Working);
        assert!(books.stopping && books.outcome().is_ok());
    }

    #[test]
    fn tp3_what_cannot_be_started_is_tried_again_at_the_next_need() {
        let mut books = books(2, 1, 2, 4);
        begin(&mut books);
        assert_eq!(books.leave(true).0, 1);
        assert!(books.not_started(1, Errno::AGAIN));
        assert_eq!(books.leave(true).0, 1);
        assert!(!books.not_started(1, Errno::AGAIN));
        assert_eq!(books.counts().threads, 2);
        assert!(!books.stopping);
        // The end of those that there are is no failure.
        (0..2).for_each(|_| books.end(Doing::Working));
        assert_eq!(books.outcome(), Ok(()));
    }

    #[test]
    fn tp2_a_pool_that_has_nobody_fails() {
        let mut books = books(2, 1, 2, 4);
        assert_eq!(books.fill(), 2);
        assert!(books.not_started(1, Errno::AGAIN));
        assert!(!books.stopping);
        books.not_started(1, Errno::NOMEM);
        assert_eq!((books.outcome(), books.fill()), (Err(Errno::NOMEM), 0));
    }
}
