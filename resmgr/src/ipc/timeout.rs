//! A time limit for the next call of a thread, set in advance.
//!
//! The calls have deadlines of their own, which are the better choice in new code. This is for code that cannot
//! pass one: it calls something that blocks somewhere inside, or follows QNX's interface.

use super::{Clock, Event, EventFlags, EventKind, Timer};
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

thread_local! {
    /// The only thing that calls look at which have no timeout.
    static IS_SET: Cell<bool> = const { Cell::new(false) };
    static SET: Cell<Option<Set>> = const { Cell::new(None) };
    /// Of the send that this thread is in: which of its states the timeout is for, and its own deadline.
    static SENDING: Cell<Option<(TimeoutStates, Deadline)>> = const { Cell::new(None) };
}

/// Sets a time limit for this thread's next blocking call, in these states: it ends with `ETIMEDOUT`. Every call
/// of this module takes it back, whether it blocks or not, so it has to be set for each call anew. No states:
/// takes it back now.
///
/// - A send with both SEND and REPLY has the limit for all of its time; with one of them, only while it is in
///   that state. On an UNBLOCK channel the limit of the REPLY state is a request to the server, and the send ends
///   when that answers.
/// - Where the call has a deadline of its own, the earlier one counts.
/// - `Now` makes a poll: a receive takes what is there. A send with SEND has no time to wait for a receiver to
///   wake up, so it fails unless one is looking. (In QNX it succeeds when a receiver is blocked.)
/// - REPLY without SEND: if the time comes while nobody has the message, the end of that state is noticed some
///   milliseconds late.
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

/// The same with an event instead of the end of the call: the call goes on, unless the event is a signal whose
/// handler ends it (`EINTR`). [`Event::unblock`] ends it. The states say which call it is for; whichever of its
/// states it is in when the time comes, the event happens.
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
    pub(super) fn receive<T>(
        self,
        deadline: Deadline,
        call: impl FnOnce(Deadline) -> Result<T>,
    ) -> Result<T> {
        if !self.states.contains(TimeoutStates::RECEIVE) {
            return call(deadline);
        }
        match self.alarm()? {
            None => call(Some(earlier(deadline, self.at))),
            Some(_alarm) => call(deadline),
        }
    }

    /// Runs a send with the limit, if it is for sends.
    pub(super) fn send<T>(
        self,
        deadline: Deadline,
        call: impl FnOnce(Deadline) -> Result<T, super::SendError>,
    ) -> Result<T, super::SendError> {
        let both = TimeoutStates::SEND | TimeoutStates::REPLY;
        let states = self.states & both;
        if states.is_empty() {
            return call(deadline);
        }
        if let Some(_alarm) = self.alarm().map_err(super::SendError::Unsent)? {
            return call(deadline);
        }
        // A signal handler may send while this does.
        let outer = SENDING.replace((states != both).then_some((states, deadline)));
        let sent = call(Some(earlier(deadline, self.at)));
        SENDING.set(outer);
        sent
    }

    /// What makes the event happen, if it is more than the end of the call. It goes with the call.
    fn alarm(&self) -> Result<Option<Timer>> {
        if self.event.kind() == EventKind::Unblock {
            return Ok(None);
        }
        let timer = Timer::new(Clock::Monotonic, &self.event)?;
        timer.start(
            self.at.saturating_duration_since(Instant::now()),
            Duration::ZERO,
        )?;
        Ok(Some(timer))
    }
}

/// What the end of a deadline means for the send that this thread is in, if it is not simply its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// Only for a message that nobody has: otherwise the wait goes on until this.
    Send(Deadline),
    /// Only for a message that somebody has: otherwise the wait goes on, and looks again.
    Reply(Deadline),
}

/// Asked when a deadline has passed.
pub(super) fn phase() -> Option<Phase> {
    let (states, own) = SENDING.get()?;
    let own_has_passed = own.is_some_and(|at| Instant::now() >= at);
    match states {
        _ if own_has_passed => None,
        TimeoutStates::SEND => Some(Phase::Send(own)),
        _ => Some(Phase::Reply(own)),
    }
}

/// How long a send waits between two looks whether somebody has its message.
const LOOK: Duration = Duration::from_millis(5);

/// When to look again.
pub(super) fn next_look(own: Deadline) -> Deadline {
    Some(earlier(own, Instant::now() + LOOK))
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
