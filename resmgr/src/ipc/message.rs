//! A received message: the right, and the duty, to answer it.

mod descriptors;
mod far;
mod refusal;
mod reply;

use super::link::{self, RequestFields, ServerLink, Service};
use super::queue::{Call, IN_LINE, LENDS};
use super::recorder;
use super::timeout;
use super::{ChannelId, Coid, MessageFlags, MessageInfo, Rcvid, Scoid, SharedBytes, process};
use link::Breach;
use reply::ReplySoFar;
use resmgr_sys::vm::Far;
use resmgr_sys::{Errno, Result};
use std::io::IoSliceMut;
use std::sync::Arc;

/// A client's call, until it is answered. Dropping it unanswered answers `EIO`.
///
/// It may be kept, sent to another thread and answered there; the client stays blocked meanwhile. Every
/// method fails with `ESRCH` once the client no longer waits (it died, detached or gave up).
#[derive(Debug)]
pub struct Message {
    link: Arc<ServerLink>,
    /// A private copy of what the client said of the call, checked.
    fields: RequestFields,
    /// Where the client's message lies, in its part of the link.
    source: usize,
    /// Bytes that the receive copied.
    received: usize,
    /// The message's pieces, if it lies in the client's own memory.
    far: Option<Box<[Far]>>,
    /// Boxed, because most replies are in one piece.
    reply: Option<Box<ReplySoFar>>,
    chid: ChannelId,
    number: u32,
    slot: u16,
    answered: bool,
}

impl Message {
    #[inline]
    pub(super) fn new(call: Call, chid: ChannelId) -> Self {
        let Call {
            link,
            slot,
            number,
            fields,
            source,
        } = call;
        Self {
            link,
            fields,
            source,
            received: 0,
            far: None,
            reply: None,
            chid,
            number,
            slot,
            answered: false,
        }
    }

    /// Copies as much of the message as there is room for: the receive itself.
    #[inline]
    pub(super) fn receive(&mut self, parts: &mut [IoSliceMut<'_>]) -> Result<()> {
        self.received = self.scatter(parts, 0)?;
        Ok(())
    }

    /// The client has broken the rules of the link: it is cut off, and gets no answer.
    pub(super) fn breached(mut self, breach: Breach) {
        self.answered = true;
        self.link.breached(breach);
    }

    /// Who sent what, and whether the client has asked to be let go by now.
    #[doc(alias = "MsgInfo")]
    pub fn info(&self) -> MessageInfo {
        timeout::clear();
        let (fields, link) = (&self.fields, &self.link);
        let mut flags = MessageFlags::MACHINE;
        flags.set(MessageFlags::UNBLOCK_REQ, self.unblock_requested());
        MessageInfo {
            nd: 0,
            source_nd: 0,
            flags,
            pid: link.peer.pid,
            tid: fields.tid,
            chid: self.chid,
            scoid: link.scoid,
            coid: Coid(fields.coid),
            priority: fields.priority,
            len: self.received,
            source_len: self.source_len(),
            reply_len: self.reply_len(),
            credentials: link.credentials(fields),
        }
    }

    #[inline]
    fn source_len(&self) -> usize {
        usize::try_from(self.fields.len).unwrap_or(usize::MAX)
    }

    #[inline]
    fn reply_len(&self) -> usize {
        usize::try_from(self.fields.reply_room).unwrap_or(usize::MAX)
    }

    /// The name that an unblock pulse carries.
    pub fn rcvid(&self) -> Rcvid {
        self.link.rcvid(self.slot, self.number)
    }

    /// Whether the client has asked to be let go.
    #[doc(alias = "_NTO_MI_UNBLOCK_REQ")]
    pub fn unblock_requested(&self) -> bool {
        self.link.is_unblocked(self.slot, self.number)
    }

    /// Whether the client still waits for the answer.
    pub fn is_waiting(&self) -> bool {
        self.link.is_waiting(self.slot, self.number)
    }

    /// Gives the calling thread the priority that it would have if it had just received this message: for
    /// a thread that goes on with a message that was received before. It counts as a receiver of the
    /// message's channel from now on.
    ///
    /// # Errors
    /// - `ESRCH`: the client waits no more, or the channel was destroyed.
    #[doc(alias = "MsgCurrent")]
    pub fn make_current(&self) -> Result<()> {
        timeout::clear();
        let channel = process::current().channel(self.info().chid);
        let channel = channel.filter(|_| self.is_waiting()).ok_or(Errno::SRCH)?;
        channel.run_at(self.link.run_priority(self.fields.priority));
        Ok(())
    }

    /// Pauses the message until a pulse with `cookie` resumes it.
    ///
    /// # Errors
    /// - `ENOSYS`: always, as on QNX 8. What it was for, two processes whose page faults wait for each
    ///   other, cannot happen here: a server never touches a client's pages.
    #[doc(alias = "MsgPause")]
    pub fn pause(&self, _cookie: i64) -> Result<()> {
        Err(Errno::NOSYS)
    }

    /// Copies from the client's message, from `offset` on; returns the count, 0 at its end.
    ///
    /// # Errors
    /// - `ESRCH`: the client waits no more.
    /// - `EFAULT`: the message lies in the client's own memory, and is not there any more.
    #[doc(alias = "MsgRead")]
    pub fn read(&self, buffer: &mut [u8], offset: usize) -> Result<usize> {
        self.read_vectored(&mut [IoSliceMut::new(buffer)], offset)
    }

    /// The same into several parts, which are filled one behind the other.
    #[doc(alias = "MsgReadv")]
    pub fn read_vectored(&self, parts: &mut [IoSliceMut<'_>], offset: usize) -> Result<usize> {
        timeout::clear();
        if !self.is_waiting() {
            return Err(Errno::SRCH);
        }
        self.scatter(parts, offset)
    }

    /// The client's message where it lies, to be read without a copy.
    ///
    /// # Errors
    /// - `ESRCH`: the client waits no more.
    /// - `EOPNOTSUPP`: it is not in the link's memory (see [`SendOptions::direct`](super::SendOptions::direct)).
    pub fn shared(&self) -> Result<SharedBytes<'_>> {
        if !self.is_waiting() {
            return Err(Errno::SRCH);
        }
        if self.far.is_some() {
            return Err(Errno::NOTSUP);
        }
        let client = &self.link.memory.client;
        Ok(SharedBytes::new(client, self.source, self.source_len()))
    }

    #[inline]
    fn scatter(&self, parts: &mut [IoSliceMut<'_>], offset: usize) -> Result<usize> {
        let mut copied = 0;
        for part in parts {
            let len = self.copy(part, offset.saturating_add(copied))?;
            copied += len;
            if len < part.len() {
                break;
            }
        }
        Ok(copied)
    }

    #[inline]
    fn copy(&self, buffer: &mut [u8], offset: usize) -> Result<usize> {
        let len = buffer.len().min(self.source_len().saturating_sub(offset));
        if let Some(far) = &self.far {
            return self.copy_far(far, &mut buffer[..len], offset);
        }
        if len > 0 {
            let client = &self.link.memory.client;
            client.read(self.source + offset, &mut buffer[..len])?;
        }
        Ok(len)
    }
}

/// A mark like [`IN_LINE`]: it is timed.
const TIMED: u8 = 1 << 7;
/// The same of one that is recorded and not answered yet.
const RECORDED: u8 = 1 << 5;
/// Bytes of a recorded message that are looked at.
const LOOKED_AT: usize = 2048;

impl Message {
    /// Whether it is one of the few that are timed.
    #[inline]
    pub(super) fn is_to_be_timed(&self) -> bool {
        Service::times(self.number)
    }

    #[cold]
    pub(super) fn begin_timing(&mut self) {
        self.fields.lends |= TIMED;
        self.link.service.begin(self.name());
    }

    #[cold]
    pub(super) fn begin_recording(&mut self) {
        self.fields.lends |= RECORDED;
        let mut bytes = [0; LOOKED_AT];
        // One in the client's own memory is not read twice.
        let len = if self.is_far() {
            0
        } else {
            self.copy(&mut bytes, 0).unwrap_or(0)
        };
        let begun = bytes.get(..len).unwrap_or(&bytes);
        recorder::received(self.rcvid(), &self.info(), begun);
    }

    /// For those who look on: which file it is about.
    #[inline]
    pub(crate) fn note_path(&self, path: impl FnOnce() -> String) {
        if self.fields.lends & RECORDED != 0 {
            recorder::note_path(self.rcvid(), path().as_bytes());
        }
    }

    /// For those who look on: it is answered later.
    #[inline]
    pub(crate) fn note_deferred(&self) {
        if self.fields.lends & RECORDED != 0 {
            recorder::note_deferred(self.rcvid());
        }
    }

    /// Notes what it is going to be answered, if it is recorded.
    #[inline]
    fn record(&mut self, outcome: Result<i64>, len: u64) {
        if self.fields.lends & RECORDED != 0 {
            self.end_recording(outcome, len);
        }
    }

    #[cold]
    fn end_recording(&mut self, outcome: Result<i64>, len: u64) {
        self.fields.lends &= !RECORDED;
        recorder::answered(self.rcvid(), outcome, len);
    }

    fn name(&self) -> (Scoid, u16, u32) {
        (self.link.scoid, self.slot, self.number)
    }

    /// How many descriptors it brings that nobody has asked for; none any more.
    fn take_lends(&mut self) -> u8 {
        let lends = self.fields.lends & LENDS;
        self.fields.lends &= !LENDS;
        lends
    }

    /// Whether it has a place among the messages of its channel
    /// ([`Channel::in_turn`](super::Channel::in_turn_taking)).
    #[inline]
    pub(super) fn stands_in_line(&self) -> bool {
        self.fields.lends & IN_LINE != 0
    }

    /// Nobody has to wait for it any more.
    pub(crate) fn leave_line(&mut self) {
        if self.stands_in_line() {
            self.fields.lends &= !IN_LINE;
            self.link.turns.end(self.rcvid());
        }
    }

    #[cold]
    fn end_special(&mut self) {
        if self.take_lends() > 0 {
            self.link.drop_parcel(self.slot, self.number);
        }
        if self.fields.lends & TIMED != 0 {
            self.link.service.end(self.name());
        }
        self.leave_line();
        if self.answered {
            // The client had gone: else this would have been recorded with the answer.
            self.record(Err(Errno::SRCH), 0);
        }
    }
}

impl Drop for Message {
    fn drop(&mut self) {
        if self.fields.lends > 0 {
            self.end_special();
        }
        // A handler that loses its message must not leave the client blocked for ever.
        if !self.answered {
            if self.refuse(Errno::IO).is_ok() {
                tracing::warn!(
                    pid = self.link.peer.pid,
                    "a message was dropped unanswered: EIO"
                );
            }
            self.record(Err(Errno::SRCH), 0);
        }
    }
}
