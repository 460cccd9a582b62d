//! [`Waiters`]: who waits for a resource to be ready, as its author sees them.

use super::call::{Call, Control, Deferred, Done, Kind, OnUnblock, Private, Read, Write};
use super::notify::{Connection, Notified, Request};
use super::tally::Permit;
use super::waiters::{Full, Notice, Parked, Waiters as List};
use crate::ipc::{Channel, Coid, Event, Rcvid, Scoid};
use crate::wire::Conditions;
use crate::{Errno, Result};
use std::sync::Arc;

/// A call that waits.
#[derive(Debug)]
#[non_exhaustive]
pub enum Waiting {
    /// A read.
    Read(Deferred<Read>),
    /// A write.
    Write(Deferred<Write>),
    /// A device command.
    Control(Deferred<Control>),
    /// A private message.
    Private(Deferred<Private>),
}

impl Waiting {
    /// Has its handler called again: see [`Deferred::again`].
    pub fn again(self) {
        match self {
            Self::Read(call) => call.again(),
            Self::Write(call) => call.again(),
            Self::Control(call) => call.again(),
            Self::Private(call) => call.again(),
        }
    }

    /// Answers it with an error.
    ///
    /// # Errors
    /// - `ESRCH`: its client no longer waits.
    pub fn error(self, errno: Errno) -> Result<()> {
        match self {
            Self::Read(call) => call.error(errno),
            Self::Write(call) => call.error(errno),
            Self::Control(call) => call.error(errno),
            Self::Private(call) => call.error(errno),
        }
    }

    /// Its name.
    pub fn rcvid(&self) -> Rcvid {
        match self {
            Self::Read(call) => call.rcvid(),
            Self::Write(call) => call.rcvid(),
            Self::Control(call) => call.rcvid(),
            Self::Private(call) => call.rcvid(),
        }
    }

    fn is_waiting_still(&self) -> bool {
        match self {
            Self::Read(call) => call.is_waiting(),
            Self::Write(call) => call.is_waiting(),
            Self::Control(call) => call.is_waiting(),
            Self::Private(call) => call.is_waiting(),
        }
    }
}

macro_rules! from {
    ($($kind:ident),*) => {$(
        impl From<Deferred<$kind>> for Waiting {
            fn from(call: Deferred<$kind>) -> Self {
                Self::$kind(call)
            }
        }
    )*};
}
from!(Read, Write, Control, Private);

impl Parked for Waiting {
    fn is_waiting(&self) -> bool {
        self.is_waiting_still()
    }

    fn client(&self) -> Scoid {
        self.rcvid().client().unwrap_or(Scoid::from_raw(0))
    }
}

/// A client's event, and the way to it.
#[derive(Clone, Debug)]
pub(crate) struct Bell {
    pub(crate) channel: Channel,
    pub(crate) client: Rcvid,
    pub(crate) event: Event,
    /// That its client may have it armed.
    #[expect(dead_code, reason = "only held")]
    pub(crate) permit: Option<Arc<Permit>>,
}

impl Notice for Bell {
    fn deliver(self, conditions: Conditions) {
        if let Err(errno) = self.channel.deliver(self.client, &self.event) {
            tracing::debug!(?conditions, %errno, "a notification did not reach its client");
        }
    }
}

/// Calls that wait until a resource is ready, and the notifications that clients have armed on it: for poll() and
/// select() as well as for blocking reads.
///
/// An author uses it in two calls. A handler that finds nothing says [`wait`](Self::wait); whoever brings something
/// says [`wake`](Self::wake), and the handlers of those who wait are called again. The resource names it in
/// [`waiters`](super::Resource::waiters), and says in [`ready`](super::Resource::ready) what is the case.
///
/// Both calls are made while the author holds the lock that guards what the handler has looked at: else something
/// could come between looking and waiting, and wake nobody. No handler runs, and no lock of the author's is taken,
/// inside either of them.
///
/// ```
/// use resmgr::prelude::*;
/// use std::collections::VecDeque;
/// use std::sync::Mutex;
///
/// /// What one writes, another reads; reads wait.
/// #[derive(Default)]
/// struct Line {
///     lines: Mutex<VecDeque<Vec<u8>>>,
///     waiters: Waiters,
/// }
///
/// impl Resource for Line {
///     type Node = ();
///     type Open = ();
///     fn root(&self) {}
///     fn attr(&self, (): &()) -> Result<Attr> {
///         Ok(Attr::device(0o666))
///     }
///     fn open(&self, (): &(), _how: &Opening) -> Result<()> {
///         Ok(())
///     }
///     fn read(&self, _ocb: &Ocb, call: Call<'_, Read>) -> Result<Done> {
///         let mut lines = self.lines.lock().unwrap();
///         match lines.pop_front() {
///             Some(line) => call.bytes(&line),
///             None => self.waiters.wait(Conditions::INPUT, call),
///         }
///     }
///     fn write(&self, _ocb: &Ocb, call: Call<'_, Write>) -> Result<Done> {
///         let mut lines = self.lines.lock().unwrap();
///         lines.push_back(call.data().to_vec());
///         self.waiters.wake(Conditions::INPUT);
///         call.all()
///     }
///     fn ready(&self, _ocb: &Ocb) -> Conditions {
///         let mut ready = Conditions::OUTPUT;
///         ready.set(Conditions::INPUT, !self.lines.lock().unwrap().is_empty());
///         ready
///     }
///     fn waiters(&self, _ocb: &Ocb) -> Option<&Waiters> {
///         Some(&self.waiters)
///     }
/// }
/// ```
#[derive(Debug, Default)]
#[doc(alias = "iofunc_notify_t")]
pub struct Waiters(List<Waiting, Bell>);

impl Waiters {
    /// Nobody waits yet. One client may have [`WAITING_PER_CLIENT`](super::WAITING_PER_CLIENT) calls here.
    pub fn new() -> Self {
        Self::default()
    }

    /// The same with another bound on the calls of one client.
    pub fn with_limit(per_client: usize) -> Self {
        Self(List::with_limit(per_client))
    }

    /// The same with another bound on the notifications that one client may have armed here
    /// ([`ARMED_PER_CLIENT`](super::ARMED_PER_CLIENT) if nothing is said): `EAGAIN` beyond it.
    pub fn armed(self, per_client: usize) -> Self {
        self.0.limit_armed(per_client);
        self
    }

    /// Has a call wait until one of the conditions is the case. A client that asks to be let go is let go.
    ///
    /// # Errors
    /// - `EAGAIN`: the call must not wait (O_NONBLOCK), or too many of its client's wait here.
    pub fn wait<K: Kind>(&self, conditions: Conditions, call: Call<'_, K>) -> Result<Done>
    where
        Waiting: From<Deferred<K>>,
    {
        if call.nonblock() {
            return Err(Errno::AGAIN);
        }
        let (done, deferred) = call.defer(OnUnblock::LetGo)?;
        self.keep(conditions, deferred.into());
        Ok(done)
    }

    /// The same for a call that was deferred before.
    pub fn keep(&self, conditions: Conditions, call: Waiting) {
        if let Err(Full(call)) = self.0.wait(conditions, call) {
            let sent = call.error(Errno::AGAIN);
            tracing::debug!(?sent, "too many calls of one client wait");
        }
    }

    /// Something has come: the handlers of the calls that wait for one of these conditions are called again, in their
    /// order, once the handler that runs now has ended. Who has armed a notification is told. Returns how many
    /// calls that were.
    #[doc(alias = "iofunc_notify_trigger")]
    pub fn wake(&self, conditions: Conditions) -> usize {
        self.wake_each(conditions, |call| {
            call.again();
            None
        })
    }

    /// Something has come: `answer` gets the calls that wait for one of these conditions, in their order. It answers a
    /// call, or hands it back because there is not enough for it: then it stays the first. Who has armed a
    /// notification is told unless one was handed back. Returns how many were taken.
    pub fn wake_each(
        &self,
        conditions: Conditions,
        answer: impl FnMut(Waiting) -> Option<Waiting>,
    ) -> usize {
        self.0.wake(conditions, answer)
    }

    /// The same, for notifications that wait until there is `count` of something.
    #[doc(alias = "iofunc_notify_trigger")]
    pub fn wake_counted(&self, conditions: Conditions, count: u32) -> usize {
        self.0.wake_with(conditions, count, |call| {
            call.again();
            None
        })
    }

    pub(crate) fn notify(
        &self,
        by: Connection,
        request: Request<Bell>,
        satisfied: impl FnOnce() -> Conditions,
    ) -> Result<Notified<Bell>> {
        self.0.notify(by, request, satisfied)
    }

    pub(crate) fn remove_client(&self, client: Scoid) {
        self.0.remove_client(client);
    }

    pub(crate) fn remove_connection(&self, client: Scoid, coid: Coid) {
        self.0.remove_connection(client, coid);
    }

    /// How many calls are kept here.
    #[cfg(test)]
    pub(crate) fn kept(&self) -> usize {
        self.0.kept()
    }

    pub(crate) fn remove_open(&self, open: u64) {
        self.0.remove_open(open);
    }
}
