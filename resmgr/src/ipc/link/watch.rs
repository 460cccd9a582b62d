//! Waiting for an answer and for a signal: the sender of an UNBLOCK channel.
//!
//! While it sleeps its signals are held back, so that one which comes becomes a request to the server and
//! its handler runs after the reply. It sleeps on a set of two: a descriptor that shows held signals and is
//! never read, and the socket by which a server wakes this thread.
//!
//! Signals are held from before the call is announced if the thread is going to sleep at once. While it
//! looks first (see `wait`) they are not: a handler that runs in these microseconds runs before the reply,
//! and the server is not asked. Holding them for every call would cost two system calls where the ordinary
//! call has none.

use super::ClientLink;
use super::lanes::WakePoint;
use resmgr_sys::clock::Deadline;
use resmgr_sys::epoll::{Epoll, Ready};
use resmgr_sys::signal::{Held, HeldSignals};
use resmgr_sys::{Errno, Result, fork};
use std::cell::Cell;
use std::sync::Arc;
use std::time::Instant;

const ANSWER: u64 = 0;
const SIGNAL: u64 = 1;

/// What a thread needs to wait so; kept for its next wait.
#[derive(Debug)]
struct Watcher {
    generation: u32,
    set: Epoll,
    point: Arc<WakePoint>,
    _signals: HeldSignals,
}

thread_local! {
    static WATCHER: Cell<Option<Box<Watcher>>> = const { Cell::new(None) };
}

impl Watcher {
    fn new() -> Result<Box<Self>> {
        let (set, point, signals) = (Epoll::new()?, WakePoint::new()?, HeldSignals::new()?);
        set.add(&*point, ANSWER, Ready::IN | Ready::EDGE)?;
        set.add(&signals, SIGNAL, Ready::IN | Ready::EDGE)?;
        Ok(Box::new(Self {
            generation: fork::generation(),
            set,
            point,
            _signals: signals,
        }))
    }

    /// The thread's own; a new one for its first wait, after a fork, and in a handler that has interrupted
    /// another wait.
    fn take() -> Result<Box<Self>> {
        let kept = WATCHER.try_with(Cell::take).ok().flatten();
        match kept.filter(|watcher| watcher.generation == fork::generation()) {
            Some(watcher) => Ok(watcher),
            None => Self::new(),
        }
    }
}

/// One wait. While it lives, the thread's signals are held back.
#[derive(Debug)]
pub(super) struct Watch<'a> {
    link: &'a ClientLink,
    watcher: Option<Box<Watcher>>,
    /// What the server knows the thread's socket by.
    pub(super) number: u32,
    /// Dropped last: then the handlers run.
    held: Held,
}

impl<'a> Watch<'a> {
    /// `None`: descriptors or lanes have run out, and the thread waits as on any other channel.
    pub(super) fn begin(link: &'a ClientLink) -> Option<Self> {
        let held = Held::hold();
        let watcher = Watcher::take().ok()?;
        let number = link.claim_lane(&watcher.point);
        let watcher = Some(watcher);
        match number {
            Ok(number) => Some(Self {
                link,
                watcher,
                number,
                held,
            }),
            Err(_) => {
                let _ = WATCHER.try_with(|kept| kept.set(watcher));
                None
            }
        }
    }

    /// Sleeps until it is woken, or a signal comes (if `watching` for them).
    ///
    /// # Errors
    /// - `EINTR`: a signal is pending.
    /// - `ETIMEDOUT`: `deadline` has passed.
    pub(super) fn sleep(&self, deadline: Deadline, watching: bool) -> Result<()> {
        let Some(watcher) = &self.watcher else {
            return Err(Errno::INTR);
        };
        let mut events = Vec::with_capacity(2);
        match watcher.set.wait(deadline, &mut events) {
            // With signals held: the process was stopped, and goes on.
            Ok(()) | Err(Errno::INTR) => {}
            Err(errno) => return Err(errno),
        }
        if events.iter().any(|event| event.token == ANSWER) {
            watcher.point.drain();
        }
        let signal = events.iter().any(|event| event.token == SIGNAL);
        if signal && watching && self.held.has_interrupt() {
            return Err(Errno::INTR);
        }
        if events.is_empty() && deadline.is_some_and(|at| Instant::now() >= at) {
            return Err(Errno::TIMEDOUT);
        }
        Ok(())
    }
}

impl Drop for Watch<'_> {
    fn drop(&mut self) {
        self.link.lanes.release(self.number);
        let watcher = self.watcher.take();
        let _ = WATCHER.try_with(|kept| kept.set(watcher));
    }
}
