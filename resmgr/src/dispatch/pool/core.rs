//! [`Core`]: a pool's threads, from their start to their end.

use super::books::{Books, Doing};
use super::home::Home;
use super::{Member, PoolCounts, PoolOptions};
use crate::{Errno, Result};
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::{self, JoinHandle};

type Wake = dyn Fn() + Send + Sync;
type Body = dyn Fn(&Arc<Core>) + Send + Sync;

/// What the threads of a pool share.
pub(super) struct Core {
    /// No other lock of the pool is taken under it.
    books: Mutex<Books>,
    /// Taken before the books. Held while a thread is made, so that a join misses none.
    threads: Mutex<Vec<JoinHandle<()>>>,
    /// For their names.
    started: AtomicUsize,
    /// Set by the thread that starts the pool.
    home: OnceLock<Home>,
    wake: Box<Wake>,
    /// A member from its making to its end.
    body: Box<Body>,
}

impl fmt::Debug for Core {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let books = &self.books;
        f.debug_struct("Core")
            .field("books", books)
            .finish_non_exhaustive()
    }
}

impl Core {
    pub(super) fn new(options: PoolOptions, wake: Box<Wake>, body: Box<Body>) -> Self {
        Self {
            books: Mutex::new(Books::new(options)),
            threads: Mutex::default(),
            started: AtomicUsize::new(0),
            home: OnceLock::new(),
            wake,
            body,
        }
    }

    pub(super) fn has_begun(&self) -> bool {
        self.home.get().is_some()
    }

    pub(super) fn books(&self) -> MutexGuard<'_, Books> {
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn threads(&self) -> MutexGuard<'_, Vec<JoinHandle<()>>> {
        self.threads.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns how many members there have to be; they count already.
    pub(super) fn begin(&self) -> Result<usize> {
        let _ = self.home.set(Home::of_this_thread()?);
        Ok(self.books().fill())
    }

    /// Starts so many threads, which count already. Those that cannot be started are missed at the next need.
    pub(super) fn start(self: &Arc<Self>, count: usize) {
        if count == 0 {
            return;
        }
        let mut threads = self.threads();
        // Those that have ended are in their last instructions at the most.
        threads.retain(|thread| !thread.is_finished());
        for done in 0..count {
            match self.start_one() {
                Ok(thread) => threads.push(thread),
                Err(errno) => return self.not_started(count - done, errno),
            }
        }
    }

    /// After a stop there are no new ones, or a join would never come to an end.
    fn start_one(self: &Arc<Self>) -> Result<JoinHandle<()>> {
        if self.books().stopping {
            return Err(Errno::CANCELED);
        }
        let number = self.started.fetch_add(1, Ordering::Relaxed) + 1;
        let core = Arc::clone(self);
        let body = move || {
            if let Some(Err(errno)) = core.home.get().map(Home::enter) {
                tracing::warn!(%errno, "a thread keeps the priority of the one that has started it");
            }
            core.run_member();
        };
        let builder = thread::Builder::new().name(format!("resmgr-{number}"));
        Ok(builder.spawn(body)?)
    }

    fn not_started(&self, count: usize, errno: Errno) {
        let mut books = self.books();
        if books.not_started(count, errno) {
            let PoolCounts { threads, .. } = books.counts();
            tracing::warn!(%errno, threads, "a thread pool cannot grow; it tries again at the next need");
        }
    }

    /// The calling thread is a member, which counts already, until that ends.
    pub(super) fn run_member(self: &Arc<Self>) {
        if catch_unwind(AssertUnwindSafe(|| (self.body)(self))).is_err() {
            tracing::error!(
                "a member of a thread pool has panicked outside of its work, and ended"
            );
        }
    }

    pub(super) fn serve<M: Member>(self: &Arc<Self>, make: &impl Fn() -> Result<M>) {
        let mut seat = Seat {
            core: self,
            doing: Doing::Starting,
        };
        let mut member = match catch_unwind(AssertUnwindSafe(make)) {
            Ok(Ok(member)) => member,
            Ok(Err(errno)) => return seat.give_up(errno),
            Err(_) => return seat.give_up(Errno::IO),
        };
        while seat.enter() {
            let work = member.block();
            seat.leave(work.is_some());
            let Some(work) = work else {
                break;
            };
            if catch_unwind(AssertUnwindSafe(|| member.handle(work))).is_err() {
                tracing::error!("work in a thread pool has panicked, and is left undone");
            }
        }
        // Before it is off the books: who waits for the end of the pool waits for this, too.
        drop(member);
    }

    pub(super) fn stop(&self) {
        self.books().stopping = true;
        self.wake();
    }

    /// In a pool that stops: wakes one that waits. That one comes here again, so one wake-up is under way until
    /// nobody waits. One that gets work instead does the same, so there may be one or the other too many.
    fn wake(&self) {
        if self.books().must_wake() {
            (self.wake)();
        }
    }

    /// Waits for all threads but the calling one.
    pub(super) fn join(&self) -> Result<()> {
        let me = thread::current().id();
        loop {
            let threads = std::mem::take(&mut *self.threads());
            if threads.is_empty() {
                return self.books().outcome();
            }
            for thread in threads {
                // What has panicked in it was told of.
                if thread.thread().id() != me {
                    let _ = thread.join();
                }
            }
        }
    }
}

/// A member's place in the books, given back when it ends, however it ends.
struct Seat<'a> {
    core: &'a Arc<Core>,
    doing: Doing,
}

impl Seat<'_> {
    /// Whether the member is to wait; else it ends.
    fn enter(&mut self) -> bool {
        match self.core.books().enter(self.doing) {
            Some(doing) => {
                self.doing = doing;
                true
            }
            None => false,
        }
    }

    fn leave(&mut self, with_work: bool) {
        self.doing = Doing::Working;
        let (missing, wakes) = self.core.books().leave(with_work);
        self.core.start(missing);
        if wakes {
            (self.core.wake)();
        }
    }

    /// The member could not be made.
    fn give_up(self, errno: Errno) {
        let Self { core, .. } = self;
        std::mem::forget(self);
        core.not_started(1, errno);
    }
}

impl Drop for Seat<'_> {
    fn drop(&mut self) {
        self.core.books().end(self.doing);
        if self.doing == Doing::Waiting {
            // A panic: it was perhaps the one that was woken.
            self.core.wake();
        }
    }
}
