//! A received message: the right, and the duty, to answer it.

use super::link::{self, RequestFields, ServerLink};
use super::ranges::Ranges;
use super::timeout;
use super::{ChannelId, Coid, MessageInfo, Rcvid};
use link::{AnswerFields, IN_SLOT, INLINE};
use resmgr_sys::{Errno, Result};
use std::io::IoSlice;
use std::sync::Arc;

/// A client's call, until it is answered. Dropping it unanswered answers `EIO`.
///
/// It may be kept, sent to another thread and answered there; the client stays blocked meanwhile. Every
/// method fails with `ESRCH` once the client no longer waits (it died, detached or gave up).
#[derive(Debug)]
pub struct Message {
    link: Arc<ServerLink>,
    slot: u16,
    number: u32,
    /// Where the client's message lies, in its part of the link.
    source: usize,
    info: MessageInfo,
    reply: ReplySoFar,
    answered: bool,
}

/// What [`Message::write`] has put together.
#[derive(Debug, Default)]
struct ReplySoFar {
    ranges: Ranges,
    at: usize,
    room: usize,
}

impl Message {
    pub(super) fn new(
        link: Arc<ServerLink>,
        (slot, number): (u16, u32),
        fields: &RequestFields,
        chid: ChannelId,
    ) -> Result<Self> {
        // Checked when the call was announced; the fields are a private copy since.
        let source = link::checked_place(slot, fields.at, fields.len).ok_or(Errno::PROTO)?;
        let info = MessageInfo {
            pid: link.peer.pid,
            tid: fields.tid,
            chid,
            scoid: link.scoid,
            coid: Coid(fields.coid),
            priority: fields.priority,
            len: 0,
            source_len: usize::try_from(fields.len).unwrap_or(usize::MAX),
            reply_len: usize::try_from(fields.reply_room).unwrap_or(usize::MAX),
            credentials: link.credentials(fields),
        };
        Ok(Self {
            link,
            slot,
            number,
            source,
            info,
            reply: ReplySoFar::default(),
            answered: false,
        })
    }

    pub(super) fn received(&mut self, len: usize) {
        self.info.len = len;
    }

    /// Who sent what.
    #[doc(alias = "MsgInfo")]
    pub fn info(&self) -> &MessageInfo {
        &self.info
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

    /// Copies from the client's message, from `offset` on; returns the count, 0 at its end.
    ///
    /// # Errors
    /// - `ESRCH`: the client waits no more.
    #[doc(alias = "MsgRead")]
    pub fn read(&self, buffer: &mut [u8], offset: usize) -> Result<usize> {
        timeout::clear();
        if !self.is_waiting() {
            return Err(Errno::SRCH);
        }
        let len = buffer
            .len()
            .min(self.info.source_len.saturating_sub(offset));
        if len > 0 {
            self.link
                .memory
                .client
                .read(self.source + offset, &mut buffer[..len])?;
        }
        Ok(len)
    }

    /// Copies into the client's reply from `offset` on; returns the count that had room. The client stays
    /// blocked; bytes that nobody writes stay as they were in its buffer.
    ///
    /// # Errors
    /// - `ESRCH`: the client waits no more.
    /// - `ENOMEM`: longer replies are under way than the link has memory for.
    /// - `ENOBUFS`: the reply is in more than 56 separate pieces.
    #[doc(alias = "MsgWrite")]
    pub fn write(&mut self, data: &[u8], offset: usize) -> Result<usize> {
        timeout::clear();
        if !self.is_waiting() {
            return Err(Errno::SRCH);
        }
        let len = data.len().min(self.info.reply_len.saturating_sub(offset));
        if len == 0 {
            return Ok(0);
        }
        self.make_room(offset + len)?;
        self.reply.ranges.add(offset, len)?;
        self.link
            .memory
            .server
            .write(link::BULK_AT + self.reply.at + offset, &data[..len])?;
        Ok(len)
    }

    /// Bulk memory for a reply up to `end`; grows by doubling, and keeps what is there.
    fn make_room(&mut self, end: usize) -> Result<()> {
        if end <= self.reply.room {
            return Ok(());
        }
        let keep = self.reply.ranges.end();
        let wanted = end
            .checked_next_power_of_two()
            .unwrap_or(end)
            .min(self.info.reply_len)
            .max(end);
        let call = (self.slot, self.number);
        (self.reply.at, self.reply.room) =
            self.link.replies.piece(&self.link, call, wanted, keep)?;
        Ok(())
    }

    /// Answers: the client's send returns `status`, and its reply buffer begins with `data` (as much of it as
    /// there is room for).
    ///
    /// # Errors
    /// - `ESRCH`: the client waits no more; nothing was sent.
    /// - `ENOMEM`: more reply memory is in use than the link has; the client gets this error, too.
    #[doc(alias = "MsgReply")]
    pub fn reply(self, status: i64, data: &[u8]) -> Result<()> {
        self.reply_vectored(status, &[IoSlice::new(data)])
    }

    /// The same from several parts.
    #[doc(alias = "MsgReplyv")]
    pub fn reply_vectored(mut self, status: i64, parts: &[IoSlice<'_>]) -> Result<()> {
        timeout::clear();
        self.answered = true;
        self.link.claim_answer(self.slot, self.number)?;
        let staged = self.stage(status, parts);
        let fields = staged.unwrap_or_else(AnswerFields::refusal);
        self.link.publish(self.slot, self.number, &fields);
        staged.map(drop)
    }

    /// Puts the reply where the client finds it.
    #[inline]
    fn stage(&mut self, status: i64, parts: &[IoSlice<'_>]) -> Result<AnswerFields> {
        let all = parts.iter().map(|part| part.len()).sum::<usize>();
        let len = all.min(self.info.reply_len);
        let in_slot = self.reply.ranges.is_empty() && len <= INLINE;
        let (at, place) = if in_slot {
            (IN_SLOT, link::slot_data(self.slot))
        } else {
            self.make_room(len)?;
            self.reply.ranges.add(0, len)?;
            (self.reply.at as u64, link::BULK_AT + self.reply.at)
        };
        self.copy_out(place, parts, len)?;
        let end = if in_slot {
            len
        } else {
            self.reply.ranges.end()
        };
        let ranges = self.list_ranges(in_slot)?;
        Ok(AnswerFields {
            errno: 0,
            ranges,
            status,
            len: end as u64,
            at,
        })
    }

    #[inline]
    fn copy_out(&self, mut place: usize, parts: &[IoSlice<'_>], mut left: usize) -> Result<()> {
        for part in parts {
            let len = part.len().min(left);
            self.link.memory.server.write(place, &part[..len])?;
            place += len;
            left -= len;
        }
        Ok(())
    }

    /// A reply with gaps needs the list of its pieces, which goes into the slot.
    fn list_ranges(&self, in_slot: bool) -> Result<u32> {
        if in_slot || self.reply.ranges.is_from_start() {
            return Ok(0);
        }
        let (list, count) = self.reply.ranges.encode();
        self.link
            .memory
            .server
            .write(link::slot_data(self.slot), &list)?;
        Ok(count)
    }

    /// Answers with an error: the client's send fails with it.
    ///
    /// # Errors
    /// - `ESRCH`: the client waits no more; nothing was sent.
    #[doc(alias = "MsgError")]
    pub fn error(mut self, errno: Errno) -> Result<()> {
        self.refuse(errno)
    }

    fn refuse(&mut self, errno: Errno) -> Result<()> {
        timeout::clear();
        self.answered = true;
        self.link.claim_answer(self.slot, self.number)?;
        self.link.refuse_held(self.slot, self.number, errno);
        Ok(())
    }
}

impl Drop for Message {
    fn drop(&mut self) {
        // A handler that loses its message must not leave the client blocked for ever.
        if !self.answered && self.refuse(Errno::IO).is_ok() {
            tracing::warn!(pid = self.info.pid, "a message was dropped unanswered: EIO");
        }
    }
}
