//! A time limit for the next call of a thread, set in advance.
//!
//! The calls have deadlines of their own, which are the better choice in new code. This is for code that cannot
//! pass one: it calls something that blocks somewhere inside, or follows QNX's interface.

use super::event::perform_own;
use super::{Clock, Event, EventFlags, EventKind, SendError, caller};
use resmgr_sys::clock::Deadline;
use resmgr_sys::{Errno, Result};
use std::cell::Cell;
use std::time::{Duration, Instant};

bitflags::bitflags! {
    /// Blocked states of a thread. The numbers are QNX's.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    #[doc(alias = "_NTO_TIMEOUT")]
    pub struct TimeoutStates: u32 {
        /// A send whose message nobody has yet.
        #[doc(alias = "_NTO_TIMEOUT_SEND")]
        const SEND = 0x10;
        /// A receive.
        #[doc(alias = "_NTO_TIMEOUT_RECEIVE")]
        const RECEIVE = 0x20;
        /// A send whose message a receiver has.
        #[doc(alias = "_NTO_TIMEOUT_REPLY")]
        const REPLY = 0x40;
    }
}

/// When a timeout comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimeoutTime {
    /// At once: the call is a poll.
    #[doc(alias = "_NTO_TIMEOUT_IMMEDIATE")]
    Now,
    /// So long after it was set, whenever the call begins.
    After(Duration),
    /// At a point of the monotonic clock.
    At(Instant),
    /// When a clock shows this. It is looked at once: setting it later makes no difference.
    #[doc(alias = "TIMER_ABSTIME")]
    Shows(Clock, Duration),
}

impl TimeoutTime {
    /// `None`: never, as far as the monotonic clock goes.
    fn deadline(self) -> Deadline {
        let now = Instant::now();
        match self {
            Self::Now => Some(now),
            Self::After(left) => now.checked_add(left),
            Self::At(at) => Some(at),
            Self::Shows(clock, at) => now.checked_add(at.saturating_sub(clock.now())),
        }
    }
}

/// What was set.
#[derive(Clone, Copy, Debug)]
pub(super) struct Set {
    states: TimeoutStates,
    at: Instant,
    event: Event,
}

/// A limit of a send that is not simply its end.
#[derive(Clone, Copy, Debug)]
struct Sending {
    /// For which of its states.
    states: TimeoutStates,
    /// The call's own deadline.
    own: Deadline,
    event: Event,
}

thread_local! {
    /// The only thing that calls look at which have no timeout.
    static IS_SET: Cell<bool> = const { Cell::new(false) };
    static SET: Cell<Option<Set>> = const { Cell::new(None) };
    /// Of the send that this thread is in, if its limit is more than a deadline.
    static SENDING: Cell<Option<Sending>> = const { Cell::new(None) };
}

/// Sets a time limit for this thread's next blocking call, in these states: it ends with `ETIMEDOUT`. Every call
/// of this module that is one of the kernel's in QNX takes it back, whether it blocks or not (dropping a connection or a
/// timer is one, too), so it has to be set for each call anew. No states: takes it back now.
///
/// - A send with both SEND and REPLY has the limit for all of its time; with one of them, only while it is in
///   that state. On an UNBLOCK channel the limit of the REPLY state is a request to the server, and the send ends
///   when that answers.
/// - Where the call has a deadline of its own, the earlier one counts.
/// - `Now` makes a poll: a receive takes what is there. A send with SEND has no time to wait for a receiver to
///   wake up, so it fails unless one is looking. (In QNX it succeeds when a receiver is blocked.)
/// - REPLY without SEND: if the time comes while nobody has the message, the send ends when a receiver takes it.
///
/// ```
/// use resmgr::Errno;
/// use resmgr::ipc::{Channel, ChannelFlags, TimeoutStates, TimeoutTime, timeout_next};
///
/// # fn main() -> resmgr::Result<()> {
/// let channel = Channel::create(ChannelFlags::PRIVATE)?;
/// timeout_next(TimeoutStates::RECEIVE, TimeoutTime::Now);
/// assert_eq!(channel.receive(&mut [0; 64]).unwrap_err(), Errno::TIMEDOUT);
/// # Ok(())
/// # }
/// ```
#[doc(alias = "TimerTimeout")]
#[doc(alias = "timer_timeout")]
pub fn timeout_next(states: TimeoutStates, time: TimeoutTime) {
    set(states, time, Event::unblock());
}

/// The same with an event instead of the end of the call. The blocked thread performs it itself. A signal also ends
/// the call as signals do (`EINTR`), whatever becomes of it; after any other event the call goes on.
/// [`Event::unblock`] ends it with `ETIMEDOUT`.
///
/// # Errors
/// - `EINVAL`: another process's event, or a handle.
pub fn timeout_next_with(states: TimeoutStates, time: TimeoutTime, event: &Event) -> Result<()> {
    let unblock = event.kind() == EventKind::Unblock;
    if !unblock
        && (event.flags().contains(EventFlags::HANDLE) || event.verify() == Err(Errno::INVAL))
    {
        return Err(Errno::INVAL);
    }
    set(states, time, *event);
    Ok(())
}

fn set(states: TimeoutStates, time: TimeoutTime, event: Event) {
    let set = time.deadline().filter(|_| !states.is_empty());
    let set = set.map(|at| Set { states, at, event });
    IS_SET.set(set.is_some());
    SET.set(set);
}

/// A call that blocks begins: what was set for it. Nothing is set any more.
#[inline]
pub(super) fn take() -> Option<Set> {
    if IS_SET.get() { take_set() } else { None }
}

/// A call that does not block begins.
#[inline]
pub(super) fn clear() {
    if IS_SET.get() {
        take_set();
    }
}

#[cold]
fn take_set() -> Option<Set> {
    IS_SET.set(false);
    SET.take()
}

fn earlier(one: Deadline, other: Instant) -> Instant {
    one.map_or(other, |one| one.min(other))
}

impl Set {
    /// Runs a receive with the limit, if it is for receives.
    #[cold]
    pub(super) fn receive<T>(
        self,
        own: Deadline,
        mut call: impl FnMut(Deadline) -> Result<T>,
    ) -> Result<T> {
        if !self.states.contains(TimeoutStates::RECEIVE) {
            return call(own);
        }
        let received = call(Some(earlier(own, self.at)));
        let is_ours = matches!(received, Err(Errno::TIMEDOUT)) && !has_passed(own);
        if !is_ours || self.event.kind() == EventKind::Unblock {
            return received;
        }
        perform(&self.event);
        if is_signal(&self.event) {
            return Err(Errno::INTR);
        }
        call(own)
    }

    /// Runs a send with the limit, if it is for sends.
    #[cold]
    pub(super) fn send<T>(
        self,
        own: Deadline,
        call: impl FnOnce(Deadline) -> Result<T, SendError>,
    ) -> Result<T, SendError> {
        let both = TimeoutStates::SEND | TimeoutStates::REPLY;
        let states = self.states & both;
        if states.is_empty() {
            return call(own);
        }
        let plain = states == both && self.event.kind() == EventKind::Unblock;
        let sending = Sending {
            states,
            own,
            event: self.event,
        };
        // A signal handler may send while this does.
        let outer = SENDING.replace((!plain).then_some(sending));
        let sent = call(Some(earlier(own, self.at)));
        SENDING.set(outer);
        sent
    }
}

fn has_passed(deadline: Deadline) -> bool {
    deadline.is_some_and(|at| Instant::now() >= at)
}

fn is_signal(event: &Event) -> bool {
    use EventKind::{Signal, SignalCode, SignalThread};
    matches!(event.kind(), Signal | SignalCode | SignalThread)
}

fn perform(event: &Event) {
    if let Err(errno) = perform_own(event, caller::priority()) {
        tracing::debug!(%errno, "a timeout's event did not happen");
    }
}

/// What the end of a deadline means for a send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Expiry {
    /// It ends, or the server is asked to let it end.
    End(SendError),
    /// It goes on until then.
    GoOn(Deadline),
    /// The same, but it expires anew when a receiver takes its message.
    UntilTaken(Deadline),
}

/// The deadline of the send that this thread is in has passed, or a receiver has taken the message of one that
/// went on [until that](Expiry::UntilTaken). `is_taken` says whether a receiver has it; `withdraw` takes it back,
/// if none has.
#[cold]
pub(super) fn expired(is_taken: impl Fn() -> bool, withdraw: impl FnOnce() -> bool) -> Expiry {
    let Some(sending) = SENDING.get().filter(|sending| !has_passed(sending.own)) else {
        return Expiry::End(SendError::TimedOut);
    };
    let unblocks = sending.event.kind() == EventKind::Unblock;
    match sending.states {
        TimeoutStates::REPLY if !is_taken() => {
            return Expiry::UntilTaken(sending.own);
        }
        // Somebody has it: the state is over for good.
        TimeoutStates::SEND if unblocks && !withdraw() => return Expiry::GoOn(sending.own),
        TimeoutStates::SEND if !unblocks && is_taken() => return Expiry::GoOn(sending.own),
        _ if unblocks => return Expiry::End(SendError::TimedOut),
        _ => {}
    }
    // Once: from now on there is the send's own deadline only.
    SENDING.set(None);
    perform(&sending.event);
    if is_signal(&sending.event) {
        Expiry::End(SendError::Interrupted)
    } else {
        Expiry::GoOn(sending.own)
    }
}

#[cfg(test)]
mod tests {
    use super::{TimeoutStates, TimeoutTime, clear, take, timeout_next};
    use crate::ipc::Clock;
    use std::time::{Duration, Instant};

    #[test]
    fn t1_what_is_set_is_taken_once() {
        assert!(take().is_none());
        timeout_next(TimeoutStates::RECEIVE, TimeoutTime::Now);
        assert!(take().is_some_and(|set| set.at <= Instant::now()));
        assert!(take().is_none());
        timeout_next(
            TimeoutStates::all(),
            TimeoutTime::After(Duration::from_secs(9)),
        );
        clear();
        assert!(take().is_none());
    }

    #[test]
    fn t4_no_states_take_it_back() {
        timeout_next(TimeoutStates::SEND, TimeoutTime::Now);
        timeout_next(TimeoutStates::empty(), TimeoutTime::Now);
        assert!(take().is_none());
    }

    #[test]
    fn t3_every_clock_has_its_own_time() {
        for clock in [Clock::Monotonic, Clock::Realtime, Clock::Boottime] {
            let at = clock.now() + Duration::from_secs(100);
            timeout_next(TimeoutStates::SEND, TimeoutTime::Shows(clock, at));
            let left = take().unwrap().at - Instant::now();
            assert!((90..=100).contains(&left.as_secs()), "{clock:?}: {left:?}");
        }
        timeout_next(TimeoutStates::SEND, TimeoutTime::After(Duration::MAX));
        assert!(take().is_none());
    }
}
