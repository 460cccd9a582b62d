//! Waiting for an answer and for a signal: the sender of an UNBLOCK channel.
//!
//! While it sleeps its signals are held back, so that one which comes becomes a request to the server and
//! its handler runs after the reply. It sleeps on a set of two: a descriptor that shows held signals and is
//! never read, and a socket by which a server wakes this thread.
//!
//! Signals are held from before the call is announced if the thread is going to sleep at once. While it
//! looks first (see `wait`) they are not: a handler that runs in these microseconds runs before the reply,
//! and the server is not asked. Holding them for every call would cost two system calls where the ordinary
//! call has none.

use super::ClientLink;
use super::lanes::{LaneFor, WakePoint};
use resmgr_sys::clock::Deadline;
use resmgr_sys::epoll::{Epoll, Ready};
use resmgr_sys::fork::PerProcess;
use resmgr_sys::signal::{Held, HeldSignals};
use resmgr_sys::{Errno, Result};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

const ANSWER: u64 = 0;
const SIGNAL: u64 = 1;

/// What a thread needs to wait so.
#[derive(Debug)]
struct Watcher {
    set: Epoll,
    point: Arc<WakePoint>,
    _signals: HeldSignals,
}

/// Those that nobody waits with now. Any thread may take one: what is ready is decided by who waits. So there
/// are as many as have waited at a time, not one for each thread; locked with signals held back only.
static IDLE: PerProcess<Mutex<Vec<Watcher>>> = PerProcess::new();

/// Watchers that are kept for later waits.
const MOST_IDLE: usize = 64;

fn idle() -> MutexGuard<'static, Vec<Watcher>> {
    let idle = IDLE.get(Mutex::default);
    idle.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Watcher {
    fn new() -> Result<Self> {
        let (set, point, signals) = (Epoll::new()?, WakePoint::new()?, HeldSignals::new()?);
        set.add(&*point, ANSWER, Ready::IN | Ready::EDGE)?;
        set.add(&signals, SIGNAL, Ready::IN | Ready::EDGE)?;
        Ok(Self {
            set,
            point,
            _signals: signals,
        })
    }

    /// The one that was used last, whose socket the server is likely to have.
    fn take() -> Result<Self> {
        let kept = idle().pop();
        kept.map_or_else(Self::new, Ok)
    }

    fn put_back(self) {
        let mut idle = idle();
        if idle.len() < MOST_IDLE {
            idle.push(self);
        }
    }
}

/// One wait. While it lives, the thread's signals are held back.
#[derive(Debug)]
pub(super) struct Watch<'a> {
    link: &'a ClientLink,
    watcher: Option<Watcher>,
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
        let Ok(number) = link.claim_lane(&watcher.point, LaneFor::Thread) else {
            watcher.put_back();
            return None;
        };
        Some(Self {
            link,
            watcher: Some(watcher),
            number,
            held,
        })
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
        if let Some(watcher) = self.watcher.take() {
            watcher.put_back();
        }
    }
}
