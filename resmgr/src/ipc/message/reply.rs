//! The reply: put together piece by piece, or at once, and published.

use super::Message;
use crate::ipc::SharedBytesMut;
use crate::ipc::link::{self, AnswerFields, IN_SLOT, INLINE};
use crate::ipc::ranges::Ranges;
use crate::ipc::timeout;
use resmgr_sys::{Errno, Result};
use std::io::IoSlice;

/// What [`Message::write`] has put together.
#[derive(Debug, Default)]
pub(super) struct ReplySoFar {
    ranges: Ranges,
    at: usize,
    room: usize,
}

impl Message {
    /// Room for `len` bytes of the reply from `offset` on, to be built where the client reads them; less where
    /// the client has less room. They are part of the reply from now on, whatever is written there; a following
    /// [`reply`](Self::reply) without data sends them.
    ///
    /// # Errors
    /// As [`write`](Self::write).
    pub fn reply_in_place(&mut self, offset: usize, len: usize) -> Result<SharedBytesMut<'_>> {
        if !self.is_waiting() {
            return Err(Errno::SRCH);
        }
        let len = len.min(self.reply_len().saturating_sub(offset));
        if len == 0 {
            return Ok(SharedBytesMut::new(&self.link.memory.server, 0, 0));
        }
        let at = self.link.memory.layout.bulk_at + self.extend(offset, len)? + offset;
        Ok(SharedBytesMut::new(&self.link.memory.server, at, len))
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
        self.write_vectored(&[IoSlice::new(data)], offset)
    }

    /// The same from several parts, one behind the other.
    #[doc(alias = "MsgWritev")]
    pub fn write_vectored(&mut self, parts: &[IoSlice<'_>], offset: usize) -> Result<usize> {
        timeout::clear();
        if !self.is_waiting() {
            return Err(Errno::SRCH);
        }
        let all = parts.iter().map(|part| part.len()).sum::<usize>();
        let len = all.min(self.reply_len().saturating_sub(offset));
        if len == 0 {
            return Ok(0);
        }
        let at = self.extend(offset, len)?;
        let place = self.link.memory.layout.bulk_at + at + offset;
        self.copy_out(place, parts, len)?;
        Ok(len)
    }

    /// Notes that `len` bytes at `offset` of the reply are going to be written; returns where the reply lies in
    /// the bulk part.
    fn extend(&mut self, offset: usize, len: usize) -> Result<usize> {
        self.make_room(offset + len)?;
        let reply = self.reply.get_or_insert_default();
        reply.ranges.add(offset, len)?;
        Ok(reply.at)
    }

    /// Bulk memory for a reply up to `end`; grows by doubling, and keeps what is there.
    fn make_room(&mut self, end: usize) -> Result<()> {
        let limit = self.reply_len();
        let (room, keep) = match &self.reply {
            Some(reply) => (reply.room, reply.ranges.end()),
            None => (0, 0),
        };
        if end <= room {
            return Ok(());
        }
        let wanted = end
            .checked_next_power_of_two()
            .unwrap_or(end)
            .min(limit)
            .max(end);
        let call = (self.slot, self.number);
        // Where there is no memory, nothing was written: a short reply still has its place in the slot.
        let piece = self.link.replies.piece(&self.link, call, wanted, keep)?;
        let reply = self.reply.get_or_insert_default();
        (reply.at, reply.room) = piece;
        Ok(())
    }

    /// Answers: the client's send returns `status`, and its reply buffer begins with `data` (as much of it as
    /// there is room for).
    ///
    /// # Errors
    /// - `ESRCH`: the client waits no more; nothing was sent.
    /// - `ENOMEM`: more reply memory is in use than the link has; the client gets this error, too.
    #[doc(alias = "MsgReply")]
    #[inline]
    pub fn reply(self, status: i64, data: &[u8]) -> Result<()> {
        self.reply_vectored(status, &[IoSlice::new(data)])
    }

    /// The same from several parts.
    #[doc(alias = "MsgReplyv")]
    #[inline]
    pub fn reply_vectored(mut self, status: i64, parts: &[IoSlice<'_>]) -> Result<()> {
        timeout::clear();
        self.answered = true;
        self.link.claim_answer(self.slot, self.number)?;
        let all = parts.iter().map(|part| part.len()).sum::<usize>();
        let len = all.min(self.reply_len());
        let staged = if self.reply.is_none() && len <= INLINE {
            self.stage_in_slot(status, parts, len)
        } else {
            self.stage_in_bulk(status, parts, len)
        };
        let fields = staged.unwrap_or_else(AnswerFields::refusal);
        self.record(staged.map(|_| status), fields.len);
        self.link.publish(self.slot, self.number, &fields);
        staged.map(drop)
    }

    #[inline]
    pub(super) fn stage_in_slot(
        &self,
        status: i64,
        parts: &[IoSlice<'_>],
        len: usize,
    ) -> Result<AnswerFields> {
        self.copy_out(link::slot_data(self.slot), parts, len)?;
        Ok(AnswerFields {
            errno: 0,
            ranges: 0,
            status,
            len: len as u64,
            at: IN_SLOT,
        })
    }

    #[cold]
    pub(super) fn stage_in_bulk(
        &mut self,
        status: i64,
        parts: &[IoSlice<'_>],
        len: usize,
    ) -> Result<AnswerFields> {
        let (at, end) = if self.reply.is_some() {
            let at = self.extend(0, len)?;
            (
                at,
                self.reply.as_ref().map_or(0, |reply| reply.ranges.end()),
            )
        } else {
            // All of it, and at once: there is nothing to keep a record of.
            let call = (self.slot, self.number);
            (self.link.replies.piece(&self.link, call, len, 0)?.0, len)
        };
        self.copy_out(self.link.memory.layout.bulk_at + at, parts, len)?;
        Ok(AnswerFields {
            errno: 0,
            ranges: self.list_ranges()?,
            status,
            len: end as u64,
            at: at as u64,
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
    fn list_ranges(&self) -> Result<u32> {
        let Some(reply) = self
            .reply
            .as_ref()
            .filter(|reply| !reply.ranges.is_from_start())
        else {
            return Ok(0);
        };
        let (list, count) = reply.ranges.encode();
        let place = link::slot_data(self.slot);
        self.link.memory.server.write(place, &list)?;
        Ok(count)
    }
}
