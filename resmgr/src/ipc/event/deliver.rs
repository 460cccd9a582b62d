//! From a server to a client: the server says what it was given, the client's process checks and performs.

use super::table::{self, Asker};
use super::{Event, EventFlags, EventKind};
use crate::ipc::link::{Breach, ClientLink, ServerLink};
use crate::ipc::{Channel, Message, Rcvid, Scoid, caller, timeout};
use resmgr_sys::{Errno, Result};
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// Whose process an event is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventTarget {
    /// A client.
    Client(Scoid),
    /// The client of a call, also when it has been answered.
    Call(Rcvid),
}

impl From<Scoid> for EventTarget {
    fn from(scoid: Scoid) -> Self {
        Self::Client(scoid)
    }
}

impl From<Rcvid> for EventTarget {
    fn from(rcvid: Rcvid) -> Self {
        Self::Call(rcvid)
    }
}

impl From<&Message> for EventTarget {
    fn from(message: &Message) -> Self {
        Self::Call(message.rcvid())
    }
}

impl EventTarget {
    pub(in crate::ipc) fn scoid(self) -> Result<Scoid> {
        match self {
            Self::Client(scoid) => Ok(scoid),
            Self::Call(rcvid) => rcvid.client().ok_or(Errno::BADF),
        }
    }
}

/// What a packet says before the event: the priority of whoever delivers.
const HEAD: usize = 4;
const PACKET: usize = HEAD + Event::BYTES;
/// The highest priority that is believed of a server. (What it gives is used for pulses that inherit.)
const MOST_PRIORITY: u8 = 63;

impl Channel {
    /// Has an event performed in a client's process: one that the client gave to this server. `to` is a client
    /// (scoid), a message, or the name of a call, which may have been answered long ago.
    ///
    /// Never waits for the client. A success says that it is on its way: whether the client accepts it is seen
    /// by nobody but the client. A client in this process performs it at once, and its errors are returned.
    ///
    /// ```
    /// use resmgr::ipc::{Channel, ChannelFlags, Connection, Event, Received};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let service = Channel::create(ChannelFlags::PRIVATE)?;
    /// let client = std::thread::spawn({
    ///     let service = Connection::attach(0, service.id())?;
    ///     move || -> resmgr::Result<i64> {
    ///         let own = Channel::create(ChannelFlags::PRIVATE)?;
    ///         let to_myself = Connection::attach(0, own.id())?;
    ///         let ready = Event::pulse(&to_myself, None, 1, 0).updateable();
    ///         service.send(&ready.to_bytes(), &mut [])?;
    ///         // The reply has come; the event comes later.
    ///         Ok(own.receive_pulse(None)?.value)
    ///     }
    /// });
    ///
    /// let mut request = [0; Event::BYTES];
    /// if let Received::Message(message) = service.receive(&mut request)? {
    ///     let (event, who) = (Event::from_bytes(&request)?, message.rcvid());
    ///     message.reply(0, &[])?;
    ///     service.deliver(who, &event.with_value(42))?;
    /// }
    /// assert_eq!(client.join().unwrap()?, 42);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// - `EBADF`: no client has this id: its connection is detached.
    /// - `ESRCH`: the client has gone. (Forget it after either.)
    /// - `EACCES`: the client takes registered events only, or this one is registered for somebody else.
    /// - `EAGAIN`: the client does not read its events, or has no room for the pulse.
    /// - `EINVAL`: an event that cannot be delivered.
    #[doc(alias = "MsgDeliverEvent")]
    pub fn deliver(&self, to: impl Into<EventTarget>, event: &Event) -> Result<()> {
        timeout::clear();
        let link = self.check_event(to.into(), event)?;
        if link.socket().is_none() {
            let asker = Asker::Server {
                pid: std::process::id(),
                chid: self.id(),
                registered_only: link.takes_registered_only(),
            };
            let events = table::current();
            return events.perform(&events.resolve(event, asker)?, caller::priority());
        }
        if event.kind() == EventKind::None && !event.flags.contains(EventFlags::HANDLE) {
            return Ok(());
        }
        let mut packet = [0; PACKET];
        packet[0] = caller::priority();
        packet[HEAD..].copy_from_slice(&event.to_bytes());
        link.send_event(&packet)
    }

    /// Whether an event can be delivered, as far as a server can know without asking the client, which it
    /// never waits for.
    ///
    /// In QNX the kernel looks into the client. Here a server learns of a bad pulse or handle in its own process
    /// only (see [`Event::verify`]).
    ///
    /// # Errors
    /// - `EBADF`: no client has this id.
    /// - `ESRCH`: the client has gone; within one process, also: its pulse's connection is dead.
    /// - `EACCES`: the client takes registered events only.
    /// - `EINVAL`: an event that cannot be delivered.
    #[doc(alias = "MsgVerifyEvent")]
    pub fn verify_event(&self, to: impl Into<EventTarget>, event: &Event) -> Result<()> {
        timeout::clear();
        let link = self.check_event(to.into(), event)?;
        if link.socket().is_none() && !event.flags.contains(EventFlags::HANDLE) {
            return event.verify();
        }
        Ok(())
    }

    fn check_event(&self, to: EventTarget, event: &Event) -> Result<Arc<ServerLink>> {
        let link = self.client_link(to.scoid()?)?;
        let handle = event.flags.contains(EventFlags::HANDLE);
        if event.kind() == EventKind::Unblock {
            return Err(Errno::INVAL);
        }
        if !handle && link.takes_registered_only() {
            return Err(Errno::ACCES);
        }
        Ok(link)
    }
}

/// The background thread of a client: a server says that an event has come. What is none at all is a breach;
/// what the client does not want from this server is counted and ignored.
pub(in crate::ipc) fn arrived(link: &ClientLink, packet: &[u8]) -> Result<(), Breach> {
    let (head, event) = packet
        .split_first_chunk::<HEAD>()
        .ok_or(Breach("an event that is none"))?;
    let event = Event::from_bytes(event).map_err(|_| Breach("an event that is none"))?;
    let asker = Asker::Server {
        pid: link.far.pid,
        chid: link.far.chid,
        registered_only: link.takes_registered_only(),
    };
    let events = table::current();
    let performed = events.resolve(&event, asker).and_then(|meant| {
        let priority = head[0].clamp(1, MOST_PRIORITY);
        events.perform(&meant, priority)
    });
    if let Err(errno) = performed {
        let before = events.refused.fetch_add(1, Ordering::Relaxed);
        if before == 0 {
            tracing::warn!(pid = link.far.pid, %errno, "an event was refused; more are told as debug");
        }
        tracing::debug!(pid = link.far.pid, %errno, "an event was refused");
    }
    Ok(())
}
