//! [`Notify`]: who wants to be told when a file is ready (ionotify, and through it select and poll).

#[cfg(test)]
mod tests;

use crate::ipc::{Coid, Scoid};
use crate::wire::Conditions;
use crate::{Errno, Result};

/// How many conditions of one file a client may have armed, over all its connections, unless the file's
/// [`Waiters`](super::Waiters) say otherwise.
pub const ARMED_PER_CLIENT: usize = 4096;

/// What a client asks for (the numbers of ionotify).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// To be told of the next change only.
    #[doc(alias = "_NOTIFY_ACTION_TRANARM")]
    TransitionArm,
    /// To be told by the event, at once if it is the case already.
    #[doc(alias = "_NOTIFY_ACTION_CONDARM")]
    ConditionArm,
    /// What is the case.
    #[doc(alias = "_NOTIFY_ACTION_POLL")]
    Poll,
    /// What is the case, and to be told by the event only if nothing is.
    #[doc(alias = "_NOTIFY_ACTION_POLLARM")]
    PollArm,
}

impl Action {
    fn arms(self) -> bool {
        self != Self::Poll
    }

    fn reports(self) -> bool {
        matches!(self, Self::Poll | Self::PollArm)
    }
}

/// One of a client's connections to a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Connection {
    /// The client.
    pub(crate) client: Scoid,
    /// The number that it has given the connection.
    pub(crate) coid: Coid,
    /// The open behind it, by a number that no other one of the manager has.
    pub(crate) open: u64,
}

/// What a client wants.
#[derive(Clone, Debug)]
pub(crate) struct Request<E> {
    /// How.
    pub(crate) action: Action,
    /// What of.
    pub(crate) conditions: Conditions,
    /// By what; `None` only takes back what was armed.
    pub(crate) event: Option<E>,
}

/// An event to be delivered now. Its registration has gone: the client arms it anew.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Armed<E> {
    /// To whom.
    pub(crate) by: Connection,
    /// Why.
    pub(crate) conditions: Conditions,
    /// What.
    pub(crate) event: E,
}

/// What came of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Notified<E> {
    /// What the client is told in the reply.
    pub(crate) result: Conditions,
    /// Whether something was armed.
    pub(crate) armed: bool,
    /// What is to be delivered at once.
    pub(crate) deliver: Option<Armed<E>>,
}

/// What is armed on one file. Takes no memory while that is nothing.
///
/// A registration is for a connection and a condition. A new request replaces those that it names, also
/// when it arms nothing itself; it leaves the connection's other ones alone.
#[derive(Debug)]
#[doc(alias = "iofunc_notify_t")]
pub(crate) struct Notify<E> {
    /// In the order of their requests; those of one stand together.
    entries: Vec<Entry<E>>,
    last: u64,
    /// How many conditions one client may have armed.
    per_client: usize,
}

#[derive(Debug)]
#[doc(alias = "iofunc_notify_event_t")]
struct Entry<E> {
    by: Connection,
    condition: Conditions,
    /// How much there must be.
    count: u32,
    /// The request that it came with: one event is delivered for all of it that is the case at a time.
    request: u64,
    event: E,
}

impl<E> Default for Notify<E> {
    fn default() -> Self {
        Self {
            entries: Vec::new(),
            last: 0,
            per_client: ARMED_PER_CLIENT,
        }
    }
}

impl<E: Clone> Notify<E> {
    /// Does what a client asks when `satisfied` is the case. `counts` says how much of a condition (by its
    /// bit) there must be at least before it is triggered: 1 where it says nothing.
    ///
    /// Where something that was asked for is the case already, nothing is armed, except for the next change.
    ///
    /// # Errors
    /// - `EAGAIN`: the client has armed too much.
    #[doc(alias = "iofunc_notify")]
    pub(crate) fn notify(
        &mut self,
        by: Connection,
        request: Request<E>,
        satisfied: Conditions,
        counts: &[u32],
    ) -> Result<Notified<E>> {
        let Request {
            action,
            conditions,
            event,
        } = request;
        let now = satisfied & conditions;
        let mut done = Notified {
            result: if action.reports() {
                now
            } else {
                Conditions::empty()
            },
            armed: false,
            deliver: None,
        };
        if !action.arms() {
            return Ok(done);
        }
        self.disarm(by, conditions);
        let Some(event) = event else {
            return Ok(done);
        };
        if now.is_empty() || action == Action::TransitionArm {
            done.armed = self.arm(by, conditions, &event, counts)?;
        } else if action == Action::ConditionArm {
            done.deliver = Some(Armed {
                by,
                conditions: now,
                event,
            });
        }
        Ok(done)
    }

    /// What is to be delivered, in the order of the requests, now that there is `count` of these conditions.
    #[doc(alias = "iofunc_notify_trigger")]
    pub(crate) fn trigger(&mut self, conditions: Conditions, count: u32) -> Vec<Armed<E>> {
        self.take(conditions, count, |_| true)
    }

    /// The same for one connection only, such as one that is closed.
    #[doc(alias = "iofunc_notify_trigger_strict")]
    #[cfg_attr(not(test), expect(dead_code, reason = "for C programs"))]
    pub(crate) fn trigger_strict(
        &mut self,
        by: Connection,
        conditions: Conditions,
        count: u32,
    ) -> Vec<Armed<E>> {
        self.take(conditions, count, |whose| *whose == by)
    }

    /// All that a connection has armed, whatever it waits for: the connection goes.
    pub(crate) fn trigger_connection(&mut self, client: Scoid, coid: Coid) -> Vec<Armed<E>> {
        let is_it = |whose: &Connection| (whose.client, whose.coid) == (client, coid);
        self.take(Conditions::all(), u32::MAX, is_it)
    }

    fn take(
        &mut self,
        conditions: Conditions,
        count: u32,
        is_meant: impl Fn(&Connection) -> bool,
    ) -> Vec<Armed<E>> {
        let mut taken: Vec<(u64, Armed<E>)> = Vec::new();
        let is_due = |entry: &mut Entry<E>| {
            conditions.contains(entry.condition) && entry.count <= count && is_meant(&entry.by)
        };
        for entry in self.entries.extract_if(.., is_due) {
            match taken.last_mut() {
                Some((request, armed)) if *request == entry.request => {
                    armed.conditions |= entry.condition;
                }
                _ => taken.push((entry.request, entry.armed())),
            }
        }
        self.shrink();
        taken.into_iter().map(|(_, armed)| armed).collect()
    }

    fn arm(
        &mut self,
        by: Connection,
        conditions: Conditions,
        event: &E,
        counts: &[u32],
    ) -> Result<bool> {
        let of_client = self.entries.iter().filter(|old| old.by.client == by.client);
        if of_client.count() + conditions.iter().count() > self.per_client {
            return Err(Errno::AGAIN);
        }
        self.last += 1;
        for condition in conditions.iter() {
            let index = usize::try_from(condition.bits().trailing_zeros()).unwrap_or(usize::MAX);
            self.entries.push(Entry {
                by,
                condition,
                count: counts.get(index).copied().unwrap_or(1),
                request: self.last,
                event: event.clone(),
            });
        }
        Ok(!conditions.is_empty())
    }
}

impl<E> Notify<E> {
    /// Bounds what one client may have armed.
    pub(crate) fn set_limit(&mut self, per_client: usize) {
        self.per_client = per_client;
    }

    /// Whether nothing is armed.
    #[cfg_attr(not(test), expect(dead_code, reason = "for C programs"))]
    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Whether a trigger would find something.
    #[doc(alias = "IOFUNC_NOTIFY_INPUT_CHECK")]
    #[cfg_attr(not(test), expect(dead_code, reason = "for C programs"))]
    pub(crate) fn check(&self, conditions: Conditions, count: u32) -> bool {
        let mut entries = self.entries.iter();
        entries.any(|entry| conditions.contains(entry.condition) && entry.count <= count)
    }

    /// Whether all of these are armed by the connection.
    pub(crate) fn is_armed(&self, by: Connection, conditions: Conditions) -> bool {
        let own = self.entries.iter().filter(|entry| entry.is_of(by));
        let armed = own.fold(Conditions::empty(), |all, entry| all | entry.condition);
        armed.contains(conditions)
    }

    /// Takes back what the connection has armed of these.
    pub(crate) fn disarm(&mut self, by: Connection, conditions: Conditions) {
        self.drop_if(|entry| entry.is_of(by) && conditions.contains(entry.condition));
    }

    /// A client has gone.
    #[doc(alias = "iofunc_notify_remove")]
    pub(crate) fn remove_client(&mut self, client: Scoid) {
        self.drop_if(|entry| entry.by.client == client);
    }

    /// A connection has gone, perhaps one of several to its open.
    #[cfg_attr(not(test), expect(dead_code, reason = "for C programs"))]
    pub(crate) fn remove_connection(&mut self, client: Scoid, coid: Coid) {
        self.drop_if(|entry| (entry.by.client, entry.by.coid) == (client, coid));
    }

    /// An open has gone.
    pub(crate) fn remove_open(&mut self, open: u64) {
        self.drop_if(|entry| entry.by.open == open);
    }

    fn drop_if(&mut self, goes: impl Fn(&Entry<E>) -> bool) {
        self.entries.retain(|entry| !goes(entry));
        self.shrink();
    }

    fn shrink(&mut self) {
        if self.entries.is_empty() {
            self.entries = Vec::new();
        }
    }
}

impl<E> Entry<E> {
    /// A connection's number may be given anew while nothing tells of its close.
    fn is_of(&self, by: Connection) -> bool {
        (self.by.client, self.by.coid) == (by.client, by.coid)
    }

    fn armed(self) -> Armed<E> {
        Armed {
            by: self.by,
            conditions: self.condition,
            event: self.event,
        }
    }
}
