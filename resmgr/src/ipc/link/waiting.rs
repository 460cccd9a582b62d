//! How a client waits for an answer, and what ends the wait.

use super::client::ClientLink;
use super::headers;
use super::staging::Staged;
use super::watch::Watch;
use crate::ipc::cancel::CancelToken;
use crate::ipc::protocol::{Caller, EntryKind, Sleeper, Withdrawal};
use crate::ipc::timeout::{self, Expiry};
use crate::ipc::wait::Plan;
use crate::ipc::{SendError, SendOptions, Waiting};
use resmgr_sys::clock::{self, Deadline};
use resmgr_sys::{Errno, Result, futex};
use std::sync::atomic::{AtomicU32, Ordering};

/// Why a wait for an answer ended.
#[derive(Clone, Copy, Debug)]
pub(super) enum Wake {
    /// With why the server was asked to let go, if it was.
    Answered(Option<SendError>),
    Gone(Errno),
    GiveUp(SendError),
}

/// What came of the end of a wait's time.
enum TimeIsOver {
    Woken(Wake),
    Stop(SendError),
    GoOn(Deadline),
}

/// How one wait is to be.
struct Sleep<'w, 'a> {
    deadline: Deadline,
    /// The server has been asked: signals, deadline and cancellation have had their effect.
    asked: bool,
    /// How to look first, if that was decided already.
    plan: Option<Plan>,
    watch: &'w mut Option<Watch<'a>>,
}

/// Announces sleep: on which word, and while it holds which value. `None`: no reason to sleep any more.
#[inline]
fn prepare_sleep<'a, const UNTIL_TAKEN: bool>(
    caller: &Caller<'a, AtomicU32>,
    number: u32,
    place: Sleeper,
) -> Option<(&'a AtomicU32, u32)> {
    if UNTIL_TAKEN {
        let value = caller.prepare_sleep_until_taken(number, place)?;
        return Some((caller.taken, value));
    }
    let value = caller.prepare_sleep(number, place)?;
    Some((caller.answer, value))
}

impl ClientLink {
    /// Looks for the answer as planned, which is mostly enough, and then waits for it.
    #[inline(always)]
    #[expect(clippy::inline_always)] // as announce_and_wait of link::calling
    pub(super) fn wait<'a>(
        &'a self,
        staged: &Staged<'_>,
        options: &SendOptions<'_>,
        plan: Plan,
        watch: Option<Watch<'a>>,
    ) -> Wake {
        let caller = self.memory.caller(staged.slot);
        let stop = || caller.is_answered(staged.number) || self.must_stop(staged, options.cancel);
        if self.spin.follow(plan, stop) && caller.is_answered(staged.number) {
            // Looked at here: there is hardly ever one, and to drop an `Option` of it may be a call.
            if let Some(watch) = watch {
                drop(watch);
            }
            return Wake::Answered(None);
        }
        self.wait_longer(&caller, staged, options, watch)
    }

    /// Whether there is a reason to look around, other than the answer.
    #[inline]
    fn must_stop(&self, staged: &Staged<'_>, cancel: Option<&CancelToken>) -> bool {
        self.state.load(Ordering::Acquire) != 0
            || staged.is_detached()
            || cancel.is_some_and(CancelToken::is_cancelled)
    }

    /// Waits for the answer. A signal, the deadline or a cancellation ends the wait at once while no
    /// receiver has the message, or if the channel has no UNBLOCK flag; otherwise the server is asked,
    /// once, and the wait goes on until it answers.
    #[cold]
    fn wait_longer<'a>(
        &'a self,
        caller: &Caller<'_, AtomicU32>,
        staged: &Staged<'_>,
        options: &SendOptions<'_>,
        mut watch: Option<Watch<'a>>,
    ) -> Wake {
        self.say_since_when(staged.slot, staged.number);
        // It has just been looked for.
        let mut plan = Some(Plan::Sleep);
        let mut asked = None;
        let mut limit = options.deadline;
        loop {
            let deadline = limit.filter(|_| asked.is_none());
            let sleep = Sleep {
                deadline,
                asked: asked.is_some(),
                plan: plan.take(),
                watch: &mut watch,
            };
            let mut reason = match self.wait_once::<false>(caller, staged, options, sleep) {
                Ok(Wake::Answered(_)) => return Wake::Answered(asked),
                Ok(wake) => return wake,
                Err(reason) => reason,
            };
            if reason == SendError::TimedOut && asked.is_none() {
                match self.time_is_over(staged, options, &mut watch) {
                    TimeIsOver::Woken(wake) => return wake,
                    TimeIsOver::Stop(why) => reason = why,
                    TimeIsOver::GoOn(later) => {
                        limit = later;
                        continue;
                    }
                }
            }
            if matches!(reason, SendError::Gone(_)) {
                self.desert(staged, asked.is_some());
                return Wake::GiveUp(reason);
            }
            if asked.is_some() {
                continue;
            }
            if !self.far.unblock {
                caller.abandon(staged.number);
                return Wake::GiveUp(reason);
            }
            if caller.withdraw(staged.number) == Withdrawal::Withdrawn {
                return Wake::GiveUp(reason);
            }
            asked = Some(reason);
            self.announce(EntryKind::Unblock, staged.slot);
        }
    }

    /// For whoever inspects the server. Not before the thread has looked for the answer in vain: calls that are
    /// answered at once pay nothing for it. A begun call that is waited for keeps the time when it was begun.
    #[cold]
    pub(super) fn say_since_when(&self, slot: u16, number: u32) {
        let word = &self.memory.request(slot).fields[headers::SINCE];
        // Relaxed: nothing depends on it.
        if headers::since(word.load(Ordering::Relaxed), number).is_none() {
            word.store(headers::since_now(number), Ordering::Relaxed);
        }
    }

    /// What the end of the time means, and how the wait ended if it only meant that it ends when a receiver has
    /// the message.
    #[cold]
    fn time_is_over<'a>(
        &'a self,
        staged: &Staged<'_>,
        options: &SendOptions<'_>,
        watch: &mut Option<Watch<'a>>,
    ) -> TimeIsOver {
        let caller = self.memory.caller(staged.slot);
        let is_taken = || caller.is_taken(staged.number);
        let withdraw = || caller.withdraw(staged.number) == Withdrawal::Withdrawn;
        loop {
            let deadline = match timeout::expired(is_taken, withdraw) {
                Expiry::End(why) => return TimeIsOver::Stop(why),
                Expiry::GoOn(later) => return TimeIsOver::GoOn(later),
                Expiry::UntilTaken(later) => later,
            };
            let sleep = Sleep {
                deadline,
                asked: false,
                plan: None,
                watch,
            };
            match self.wait_once::<true>(&caller, staged, options, sleep) {
                Ok(wake) => return TimeIsOver::Woken(wake),
                Err(SendError::TimedOut) => {}
                Err(why) => return TimeIsOver::Stop(why),
            }
        }
    }

    /// The connection of a call was detached, and others of the link go on. The call ends whatever the channel
    /// does about unblocking: there is nobody to take the answer any more. A server that has the message and
    /// asked to be told learns of it, and its answer is `ESRCH`, since the request is void before it is told.
    #[cold]
    pub(super) fn desert(&self, staged: &Staged<'_>, asked: bool) {
        self.memory.caller(staged.slot).abandon(staged.number);
        if self.far.unblock && !asked {
            self.announce(EntryKind::Unblock, staged.slot);
        }
    }

    /// One look and one sleep; an error is a reason to stop waiting. With `UNTIL_TAKEN` the time is over when a
    /// receiver has the message.
    #[inline]
    fn wait_once<'a, const UNTIL_TAKEN: bool>(
        &'a self,
        caller: &Caller<'_, AtomicU32>,
        staged: &Staged<'_>,
        options: &SendOptions<'_>,
        mut sleep: Sleep<'_, 'a>,
    ) -> Result<Wake, SendError> {
        let (deadline, asked) = (sleep.deadline, sleep.asked);
        let number = staged.number;
        let cancel = options.cancel.filter(|_| !asked);
        let taken = || UNTIL_TAKEN && caller.is_taken(number);
        let ready = || caller.is_answered(number) || self.must_stop(staged, cancel) || taken();
        loop {
            let plan = sleep.plan.take();
            let plan = plan.unwrap_or_else(|| self.spin.plan(options.waiting, staged.bytes));
            if self.spin.follow(plan, ready) {
                break;
            }
            if options.waiting == Waiting::Spin {
                if clock::remaining(deadline).is_some_and(|left| left.is_zero()) {
                    return Err(SendError::TimedOut);
                }
                continue;
            }
            let place = self.place_to_sleep(sleep.watch);
            let Some((word, value)) = prepare_sleep::<UNTIL_TAKEN>(caller, number, place) else {
                break;
            };
            // Whoever ends or cancels stores that first and then looks for sleepers: seen here, or woken.
            let slept = match &sleep.watch {
                _ if ready() => Ok(()),
                Some(watch) => watch.sleep(deadline, !asked),
                None => futex::wait(word, value, deadline),
            };
            caller.end_sleep();
            match slept {
                Err(Errno::INTR) if !asked => return Err(SendError::Interrupted),
                Err(Errno::TIMEDOUT) => return Err(SendError::TimedOut),
                _ => {}
            }
            if ready() {
                break;
            }
        }
        if caller.is_answered(number) {
            return Ok(Wake::Answered(None));
        }
        match self.check_open() {
            Err(errno) => Ok(Wake::Gone(errno)),
            Ok(()) if staged.is_detached() => Err(SendError::Gone(Errno::BADF)),
            Ok(()) if taken() => Err(SendError::TimedOut),
            Ok(()) => Err(SendError::Interrupted),
        }
    }

    /// Where to sleep. On an UNBLOCK channel signals are watched, if that is possible.
    fn place_to_sleep<'a>(&'a self, watch: &mut Option<Watch<'a>>) -> Sleeper {
        if self.far.unblock && watch.is_none() {
            *watch = Watch::begin(self);
        }
        watch
            .as_ref()
            .map_or(Sleeper::OnWord, |watch| Sleeper::AtSocket(watch.number))
    }
}
