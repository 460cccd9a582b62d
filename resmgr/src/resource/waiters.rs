//! [`Waiters`]: who waits for a resource to be ready, in calls and by notification.

mod queue;
#[cfg(test)]
mod tests;

use super::lock;
use super::notify::{Action, Armed, Connection, Notified, Notify, Request};
use crate::ipc::{Coid, Scoid};
use crate::wire::Conditions;
use crate::{Errno, Result};
use queue::Queues;
use std::sync::Mutex;

/// How many calls of one client may wait in one [`Waiters`](super::Waiters), unless it was told otherwise: as many as a
/// client may have under way by default.
pub const WAITING_PER_CLIENT: usize = 1024;

/// A call that is to be answered later.
pub(crate) trait Parked {
    /// Whether its client still waits for the answer; not when it was unblocked, or has gone. Once this is
    /// `false` it stays so.
    fn is_waiting(&self) -> bool;
    /// Whose it is.
    fn client(&self) -> Scoid;
}

/// An event that a client has registered.
pub(crate) trait Notice: Clone {
    /// Delivers it. A client that has gone does not get it, and nobody is told.
    fn deliver(self, conditions: Conditions);
}

/// There is no room for another call to wait. It is handed back: answer it with `EAGAIN`.
#[derive(Debug)]
pub(crate) struct Full<P>(pub(crate) P);

impl<P> From<Full<P>> for Errno {
    fn from(_: Full<P>) -> Self {
        Self::AGAIN
    }
}

/// The calls that a resource has not answered yet, and the notifications that its clients have armed.
///
/// Two calls do it: a handler that finds nothing to read [waits](Self::wait), and whoever brings something
/// [wakes](Self::wake). Both are made while the author holds the lock that guards what the handler looked
/// at: between looking and waiting nothing may come that wakes nobody. `Waiters` has a lock of its own, which
/// it never holds while it calls the author or delivers an event.
///
/// A call whose client has been unblocked or has gone is dropped from its queue without being retried.
#[derive(Debug)]
pub(crate) struct Waiters<P, E> {
    state: Mutex<State<P, E>>,
    per_client: usize,
}

#[derive(Debug)]
struct State<P, E> {
    queues: Queues<P>,
    notify: Notify<E>,
}

impl<P: Parked, E: Notice> Default for Waiters<P, E> {
    fn default() -> Self {
        Self::with_limit(WAITING_PER_CLIENT)
    }
}

impl<P: Parked, E: Notice> Waiters<P, E> {
    /// The same with another bound on the calls of one client that wait here.
    pub(crate) fn with_limit(per_client: usize) -> Self {
        let state = State {
            queues: Queues::default(),
            notify: Notify::default(),
        };
        Self {
            state: Mutex::new(state),
            per_client,
        }
    }

    /// Bounds the conditions that one client may have armed.
    pub(crate) fn limit_armed(&self, per_client: usize) {
        lock(&self.state).notify.set_limit(per_client);
    }

    /// Has a call wait until one of the conditions is the case, behind those that wait for the same.
    ///
    /// # Errors
    /// - [`Full`] (`EAGAIN`): too many calls of its client wait here.
    pub(crate) fn wait(&self, conditions: Conditions, call: P) -> Result<(), Full<P>> {
        let mut state = lock(&self.state);
        let (done, void) = state.queues.push(conditions, call, self.per_client);
        drop(state);
        // Dropping a call may say so in a log: not under the lock.
        drop(void);
        done
    }

    /// Something has come: `retry` gets the calls that wait for one of these conditions, in their order. It
    /// answers a call and returns `None`, or hands it back because there is not enough for it; then it stays
    /// the first, and those behind it wait on. What begins to wait meanwhile is not retried.
    ///
    /// If none is handed back, there may be something left: then clients that have armed a notification get
    /// it. (It can come when nothing is left, as poll() of other systems, too, may wake in vain.)
    ///
    /// Returns how many calls were answered.
    pub(crate) fn wake(&self, conditions: Conditions, retry: impl FnMut(P) -> Option<P>) -> usize {
        self.wake_with(conditions, u32::MAX, retry)
    }

    /// The same, for notifications that wait until there is `count` of something.
    pub(crate) fn wake_with(
        &self,
        conditions: Conditions,
        count: u32,
        mut retry: impl FnMut(P) -> Option<P>,
    ) -> usize {
        let mut answered = 0;
        let last = lock(&self.state).queues.last();
        while let Some((place, call)) = self.next(conditions, last) {
            if let Some(call) = retry(call) {
                lock(&self.state).queues.put(place, call);
                return answered;
            }
            answered += 1;
        }
        let armed = lock(&self.state).notify.trigger(conditions, count);
        deliver(armed);
        answered
    }

    fn next(&self, conditions: Conditions, last: u64) -> Option<((u32, u64), P)> {
        let (next, void) = lock(&self.state).queues.pop(conditions, last);
        drop(void);
        next
    }
}

/// What the dispatcher calls.
impl<P: Parked, E: Notice> Waiters<P, E> {
    /// Does what a client's notify message asks. `satisfied` tells what is the case, and is asked after the
    /// notification was armed, so that nothing is missed that comes meanwhile, whatever lock the author holds.
    ///
    /// # Errors
    /// - `EAGAIN`: the client has armed too much.
    #[doc(alias = "iofunc_notify")]
    pub(crate) fn notify(
        &self,
        by: Connection,
        request: Request<E>,
        satisfied: impl FnOnce() -> Conditions,
    ) -> Result<Notified<E>> {
        let nothing = Conditions::empty();
        let wanted = request.clone();
        let done = lock(&self.state).notify.notify(by, wanted, nothing, &[])?;
        let now = satisfied() & request.conditions;
        if now.is_empty() || request.action == Action::TransitionArm {
            return Ok(done);
        }
        // Again with what is the case, which takes back what was armed. If that has been triggered in
        // between, its event is under way and need not be delivered twice.
        let notify = &mut lock(&self.state).notify;
        let is_told = done.armed && !notify.is_armed(by, request.conditions);
        let mut done = notify.notify(by, request, now, &[])?;
        done.deliver = done.deliver.filter(|_| !is_told);
        Ok(done)
    }

    /// A client has gone.
    pub(crate) fn remove_client(&self, client: Scoid) {
        let mut state = lock(&self.state);
        state.notify.remove_client(client);
        let void = state.queues.take_void_of(client);
        drop(state);
        drop(void);
    }

    /// A connection has been closed: its notifications are triggered for the last time, so that another
    /// thread that polls it wakes, and go.
    pub(crate) fn remove_connection(&self, client: Scoid, coid: Coid) {
        let mut state = lock(&self.state);
        let armed = state.notify.trigger_connection(client, coid);
        drop(state);
        deliver(armed);
    }

    /// How many calls are kept here.
    #[cfg(test)]
    pub(crate) fn kept(&self) -> usize {
        lock(&self.state).queues.len()
    }

    /// An open has gone.
    #[doc(alias = "iofunc_notify_remove")]
    pub(crate) fn remove_open(&self, open: u64) {
        lock(&self.state).notify.remove_open(open);
    }
}

fn deliver<E: Notice>(armed: Vec<Armed<E>>) {
    for one in armed {
        one.event.deliver(one.conditions);
    }
}
