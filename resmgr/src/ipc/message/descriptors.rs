//! Descriptors that come with a message, and that go with its reply.

use super::Message;
use crate::ipc::link::{AnswerFields, INLINE};
use crate::ipc::timeout;
use resmgr_sys::{Errno, Result};
use std::io::IoSlice;
use std::os::fd::{BorrowedFd, OwnedFd};

impl Message {
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
        if self.take_lends() == 0 {
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
        self.record(staged.map(|_| status), fields.len);
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
}
