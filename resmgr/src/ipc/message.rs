//! A received message: the right, and the duty, to answer it.

use super::link::{self, RequestFields, ServerLink};
use super::queue::Call;
use super::ranges::Ranges;
use super::timeout;
use super::{
    ChannelId, Coid, MessageFlags, MessageInfo, Rcvid, SharedBytes, SharedBytesMut, process,
};
use link::{AnswerFields, Breach, IN_SLOT, INLINE};
use resmgr_sys::vm::Far;
use resmgr_sys::{Errno, Result};
use std::io::{IoSlice, IoSliceMut};
use std::os::fd::{BorrowedFd, OwnedFd};
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

/// What [`Message::write`] has put together.
#[derive(Debug, Default)]
struct ReplySoFar {
    ranges: Ranges,
    at: usize,
    room: usize,
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
        for part in parts {
            let len = self.copy(part, self.received)?;
            self.received += len;
            if len < part.len() {
                break;
            }
        }
        Ok(())
    }

    /// Whether the message lies in the client's own memory.
    #[inline]
    pub(super) fn is_far(&self) -> bool {
        self.fields.at == link::DIRECT
    }

    /// Finds out where a message lies that is in the client's own memory, and whether it can be read.
    pub(super) fn find_far(&mut self) -> Result<Result<()>, Breach> {
        let pieces = self.link.far_pieces(self.slot, self.fields.len)?;
        let probed = self.link.read_far(&pieces, 0, &mut [0]);
        self.far = Some(pieces);
        Ok(probed)
    }

    /// The client has broken the rules of the link: it is cut off, and gets no answer.
    pub(super) fn breached(mut self, breach: Breach) {
        self.answered = true;
        self.link.breached(breach);
    }

    /// Answers a message that cannot be read.
    pub(super) fn send_back(mut self, errno: Errno) {
        self.answered = true;
        if self.link.claim_answer(self.slot, self.number).is_ok() {
            let fields = match errno {
                Errno::PERM | Errno::NOSYS => AnswerFields::unreadable(),
                errno => AnswerFields::refusal(errno),
            };
            self.link.publish(self.slot, self.number, &fields);
        }
    }

    /// Who sent what, and whether the client has asked to be let go by now.
    #[doc(alias = "MsgInfo")]
    pub fn info(&self) -> MessageInfo {
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
        let channel = process::current().channel(self.info().chid);
        let channel = channel.filter(|_| self.is_waiting()).ok_or(Errno::SRCH)?;
        channel.run_at(self.info().priority.min(self.link.standing.running));
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
        timeout::clear();
        if !self.is_waiting() {
            return Err(Errno::SRCH);
        }
        self.copy(buffer, offset)
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
        let at = self.link.memory.layout.bulk_at + self.extend(offset, len)? + offset;
        Ok(SharedBytesMut::new(&self.link.memory.server, at, len))
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

    #[cold]
    fn copy_far(&self, far: &[Far], buffer: &mut [u8], offset: usize) -> Result<usize> {
        if !buffer.is_empty() {
            self.link.read_far(far, offset, buffer)?;
        }
        // A client that gave up meanwhile may have used its memory for something else.
        if self.is_waiting() {
            Ok(buffer.len())
        } else {
            Err(Errno::SRCH)
        }
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
        let len = data.len().min(self.reply_len().saturating_sub(offset));
        if len == 0 {
            return Ok(0);
        }
        let at = self.extend(offset, len)?;
        let server = &self.link.memory.server;
        server.write(self.link.memory.layout.bulk_at + at + offset, &data[..len])?;
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
        let reply = self.reply.get_or_insert_default();
        if end <= reply.room {
            return Ok(());
        }
        let keep = reply.ranges.end();
        let wanted = end
            .checked_next_power_of_two()
            .unwrap_or(end)
            .min(limit)
            .max(end);
        let call = (self.slot, self.number);
        (reply.at, reply.room) = self.link.replies.piece(&self.link, call, wanted, keep)?;
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
        self.link.publish(self.slot, self.number, &fields);
        staged.map(drop)
    }

    #[inline]
    fn stage_in_slot(
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
    fn stage_in_bulk(
        &mut self,
        status: i64,
        parts: &[IoSlice<'_>],
        len: usize,
    ) -> Result<AnswerFields> {
        let at = self.extend(0, len)?;
        self.copy_out(self.link.memory.layout.bulk_at + at, parts, len)?;
        Ok(AnswerFields {
            errno: 0,
            ranges: self.list_ranges()?,
            status,
            len: self.reply.as_ref().map_or(0, |reply| reply.ranges.end()) as u64,
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

    /// Copies of the descriptors that the client sent along; none the second time. They are what the client says
    /// they are, or not: reading or closing one can last for ever.
    ///
    /// # Errors
    /// - `ESRCH`: the client waits no more.
    /// - `EBADMSG`: it said that there are some, and sent none.
    pub fn descriptors(&mut self) -> Result<Vec<OwnedFd>> {
        if !self.is_waiting() {
            return Err(Errno::SRCH);
        }
        if std::mem::take(&mut self.fields.lends) == 0 {
            return Ok(Vec::new());
        }
        self.link.take_parcel(self.slot, self.number)
    }

    /// How many descriptors the client takes with the reply.
    pub fn descriptor_room(&self) -> usize {
        self.fields.takes.into()
    }

    /// Answers, and gives the client copies of descriptors.
    ///
    /// # Errors
    /// - `ESRCH`: the client waits no more; nothing was sent.
    /// - `EMSGSIZE`: the client takes fewer; it gets this error, too.
    /// - `EAGAIN`: the client has not read earlier ones; it gets this error, too.
    /// - `ENOMEM`: as [`reply`](Self::reply).
    pub fn reply_with_descriptors(
        mut self,
        status: i64,
        data: &[u8],
        fds: &[BorrowedFd<'_>],
    ) -> Result<()> {
        timeout::clear();
        self.answered = true;
        self.link.claim_answer(self.slot, self.number)?;
        let len = data.len().min(self.reply_len());
        let staged = if self.reply.is_none() && len <= INLINE {
            self.stage_in_slot(status, &[IoSlice::new(data)], len)
        } else {
            self.stage_in_bulk(status, &[IoSlice::new(data)], len)
        };
        let staged = staged.and_then(|fields| self.stage_descriptors(fields, fds));
        let fields = staged.unwrap_or_else(AnswerFields::refusal);
        self.link.publish(self.slot, self.number, &fields);
        staged.map(drop)
    }

    fn stage_descriptors(
        &self,
        fields: AnswerFields,
        fds: &[BorrowedFd<'_>],
    ) -> Result<AnswerFields> {
        let count = u8::try_from(fds.len()).map_err(|_| Errno::MSGSIZE)?;
        if count > self.fields.takes {
            return Err(Errno::MSGSIZE);
        }
        if count > 0 {
            // Before the answer: who sees that finds them in the socket.
            self.link.send_parcel(self.slot, self.number, fds)?;
        }
        Ok(fields.with_descriptors(count))
    }

    /// Answers with an error: the client's send fails with it. After `ERESTART` the client sends the same message
    /// again at once, as a new call.
    ///
    /// # Errors
    /// - `ESRCH`: the client waits no more; nothing was sent.
    /// - `EINVAL`: `ERESTART` after a part of the reply was written; the client gets `EIO`.
    #[doc(alias = "MsgError")]
    pub fn error(mut self, errno: Errno) -> Result<()> {
        if errno == Errno::RESTART && self.reply.is_some() {
            return Err(Errno::INVAL);
        }
        self.refuse(errno)
    }

    /// Lets a client go that has asked for it: its send fails with that for which it asked (a signal or a
    /// cancellation: [`Interrupted`](super::SendError::Interrupted), its deadline:
    /// [`TimedOut`](super::SendError::TimedOut)).
    ///
    /// # Errors
    /// - `ESRCH`: the client waits no more; nothing was sent.
    /// - `EINVAL`: it has not asked (see [`unblock_requested`](Self::unblock_requested)); it gets `EIO`.
    #[doc(alias = "MsgError")]
    pub fn error_as_asked(mut self) -> Result<()> {
        timeout::clear();
        if !self.unblock_requested() {
            let gone = !self.is_waiting();
            return Err(if gone { Errno::SRCH } else { Errno::INVAL });
        }
        self.answered = true;
        self.link.claim_answer(self.slot, self.number)?;
        self.link
            .publish(self.slot, self.number, &AnswerFields::as_asked());
        Ok(())
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
        if self.fields.lends > 0 {
            self.link.drop_parcel(self.slot, self.number);
        }
        // A handler that loses its message must not leave the client blocked for ever.
        if !self.answered && self.refuse(Errno::IO).is_ok() {
            tracing::warn!(
                pid = self.link.peer.pid,
                "a message was dropped unanswered: EIO"
            );
        }
    }
}
