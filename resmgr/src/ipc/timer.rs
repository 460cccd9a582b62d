//! Timers: an event at a time, or again and again.

use super::event::perform_own;
use super::{Event, EventFlags, EventKind, caller, process, timeout};
use resmgr_sys::timer::{Clock, Schedule, TimerFd};
use resmgr_sys::{Errno, Result, signal};
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// The shortest time that is not "never".
const SOONEST: Duration = Duration::from_nanos(1);

/// What a timer and the background thread share.
#[derive(Debug)]
pub(super) struct Ticking {
    timer: TimerFd,
    event: Event,
    /// Its maker's, for pulses that inherit.
    priority: u8,
    /// Held while the event happens, so that nothing happens after a stop has returned.
    books: Mutex<Books>,
}

#[derive(Debug, Default)]
struct Books {
    ended: bool,
    overruns: u64,
}

impl Ticking {
    pub(super) fn descriptor(&self) -> BorrowedFd<'_> {
        self.timer.as_fd()
    }

    fn lock(&self) -> MutexGuard<'_, Books> {
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The background thread: it may have expired.
    pub(super) fn expired(&self) {
        let mut books = self.lock();
        // Stopped or set again since: then there is nothing to take.
        let count = self.timer.take();
        if count == 0 || books.ended {
            return;
        }
        let happened = perform_own(&self.event, self.priority);
        let missed = count - u64::from(happened.is_ok());
        books.overruns = books.overruns.saturating_add(missed);
        if let Err(errno) = happened {
            tracing::debug!(%errno, "a timer's event did not happen");
        }
    }
}

/// What a timer is about to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[doc(alias = "_timer_info")]
pub struct TimerInfo {
    /// Time until it expires next; `None` when it is not set.
    pub left: Option<Duration>,
    /// Time between the following ones; zero for one that expires once.
    pub interval: Duration,
    /// Expiries since the last start that had no event of their own.
    pub overruns: u64,
}

/// A timer of this process. Dropping it stops it: its event does not happen after that.
///
/// The process's background thread performs the event. If that comes late, several expiries of a periodic timer
/// make one event; what is missed then, and what could not happen (a pulse that finds no room, say), is counted
/// as [overruns](TimerInfo::overruns).
///
/// ```
/// use resmgr::ipc::{Channel, ChannelFlags, Clock, Connection, Event, Timer};
/// use std::time::Duration;
///
/// # fn main() -> resmgr::Result<()> {
/// let channel = Channel::create(ChannelFlags::PRIVATE)?;
/// let to_myself = Connection::attach(0, channel.id())?;
/// let timer = Timer::new(Clock::Monotonic, &Event::pulse(&to_myself, None, 1, 42))?;
/// timer.start(Duration::from_millis(1), Duration::ZERO)?;
/// assert_eq!(channel.receive_pulse(None)?.value, 42);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
#[doc(alias = "timer_t")]
#[doc(alias = "TimerDestroy")]
pub struct Timer {
    ticking: Arc<Ticking>,
    token: u64,
}

impl Timer {
    /// A timer that is not set. The event is one of this process: a pulse (on any connection: to a channel of
    /// its own, or to a server), a signal, a semaphore or a function.
    ///
    /// # Errors
    /// - `EINVAL`: another process's event, a handle, or one that only ends a call.
    /// - `EAGAIN`: 4096 timers.
    /// - `EMFILE`, `ENOMEM`: no descriptor for it, or no memory.
    #[doc(alias = "TimerCreate")]
    #[doc(alias = "timer_create")]
    pub fn new(clock: Clock, event: &Event) -> Result<Self> {
        timeout::clear();
        if event.kind() == EventKind::Unblock
            || event.flags().contains(EventFlags::HANDLE)
            || event.verify() == Err(Errno::INVAL)
        {
            return Err(Errno::INVAL);
        }
        let ticking = Arc::new(Ticking {
            timer: TimerFd::new(clock)?,
            event: *event,
            priority: caller::priority(),
            books: Mutex::default(),
        });
        let token = process::current().watch_timer(&ticking)?;
        Ok(Self { ticking, token })
    }

    /// A timer whose event is SIGALRM for the process.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    #[doc(alias = "TimerAlarm")]
    pub fn alarm(clock: Clock) -> Result<Self> {
        Self::new(clock, &Event::signal(signal::ALRM)?)
    }

    /// Starts it anew: it expires after `first`, and then after each `interval` (zero: never again).
    ///
    /// A `first` of zero expires at once. (In QNX it stops the timer: see [`stop`](Self::stop).)
    ///
    /// # Errors
    /// - `EINVAL`: longer than the system can count.
    #[doc(alias = "TimerSettime")]
    #[doc(alias = "timer_settime")]
    pub fn start(&self, first: Duration, interval: Duration) -> Result<()> {
        self.set(Schedule {
            first: first.max(SOONEST),
            interval,
            absolute: false,
        })
    }

    /// The same; it first expires when its clock shows `at` (see [`Clock::now`]), or at once if that has been.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    #[doc(alias = "TIMER_ABSTIME")]
    pub fn start_at(&self, at: Duration, interval: Duration) -> Result<()> {
        self.set(Schedule {
            first: at.max(SOONEST),
            interval,
            absolute: true,
        })
    }

    /// Stops it until it is started again. When this returns, its event does not happen any more.
    ///
    /// # Errors
    /// None on a system that keeps its word.
    pub fn stop(&self) -> Result<()> {
        self.set(Schedule::default())
    }

    fn set(&self, schedule: Schedule) -> Result<()> {
        timeout::clear();
        let mut books = self.ticking.lock();
        books.overruns = 0;
        self.ticking.timer.set(schedule)
    }

    /// What it is about to do.
    #[doc(alias = "TimerInfo")]
    #[doc(alias = "timer_gettime")]
    #[doc(alias = "timer_getoverrun")]
    pub fn info(&self) -> Result<TimerInfo> {
        timeout::clear();
        let books = self.ticking.lock();
        let (left, interval) = self.ticking.timer.left()?;
        Ok(TimerInfo {
            left: (!left.is_zero()).then_some(left),
            interval,
            overruns: books.overruns,
        })
    }
}

impl Drop for Timer {
    fn drop(&mut self) {
        timeout::clear();
        // A child of fork has no share in its parent's timer, nor in the lock.
        if !self.ticking.timer.is_ours() {
            return;
        }
        self.ticking.lock().ended = true;
        process::current().unwatch_timer(self.token);
    }
}
