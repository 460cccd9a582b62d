//! The client's end of calls whose message and reply stay in the link's memory.

use super::ClientLink;
use super::arena::Block;
use super::calling::Carried;
use super::headers::RequestFields;
use super::staging::Staged;
use crate::ipc::shared::{SharedBytes, SharedBytesMut};
use crate::ipc::{SendError, SendOptions};
use resmgr_sys::{Errno, Result};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// A piece of bulk memory that the program has, and the slot of its last call while it reads the reply.
#[derive(Debug)]
pub(crate) struct Lent {
    /// None once it was lost to a call that was given up: the server may still read it.
    block: Option<Block>,
    len: usize,
    /// Slot and number of the call whose reply is being read.
    answered: Option<(u16, u32)>,
}

impl ClientLink {
    /// Room for a message of `len` bytes.
    ///
    /// # Errors
    /// - `ESRCH`, `EBADF`: the server has gone, or the connection.
    /// - `EMSGSIZE`, `ENOMEM`: longer than the link's memory, or than what is free of it.
    pub(crate) fn lend(&self, len: usize) -> Result<Lent> {
        self.check_open()?;
        Ok(Lent {
            block: Some(self.take_block(len)?),
            len,
            answered: None,
        })
    }

    pub(crate) fn lent_bytes(&self, lent: &Lent) -> SharedBytesMut<'_> {
        let (at, len) = match lent.block {
            Some(block) if self.is_ours() => (self.memory.layout.bulk_at + block.at, lent.len),
            _ => (0, 0),
        };
        SharedBytesMut::new(&self.memory.client, at, len)
    }

    /// Sends what was built in `lent` and waits for the answer: its status, and where the reply lies.
    pub(crate) fn call_lent(
        self: &Arc<Self>,
        detached: &AtomicBool,
        lent: &mut Lent,
        fields: RequestFields,
        options: &SendOptions<'_>,
    ) -> Result<(i64, usize, usize), SendError> {
        loop {
            match self.call_lent_once(detached, lent, fields, options) {
                Err(SendError::Refused(Errno::RESTART)) => {}
                done => return done,
            }
        }
    }

    fn call_lent_once(
        self: &Arc<Self>,
        detached: &AtomicBool,
        lent: &mut Lent,
        mut fields: RequestFields,
        options: &SendOptions<'_>,
    ) -> Result<(i64, usize, usize), SendError> {
        self.check_open().map_err(SendError::Gone)?;
        let block = lent.block.take();
        let at = block.ok_or(SendError::Unsent(Errno::INVAL))?.at;
        let claimed = self.claim(detached).and_then(|staged| {
            if options.has_descriptors() {
                self.lend_descriptors(&staged, options)?;
            }
            Ok(staged)
        });
        let mut staged = match claimed {
            Ok(staged) => staged,
            Err(error) => {
                lent.block = block;
                return Err(error);
            }
        };
        staged.block = block;
        fields.at = at as u64;
        fields.len = lent.len as u64;
        staged.submit(fields);
        match self.carry(&staged, fields.priority, options) {
            Carried::Answered(asked) => {
                lent.block = staged.block;
                let mut found = self.look_at_answer(&staged, fields.reply_room);
                if options.has_descriptors() {
                    found = self.take_descriptors(&staged, options.take, found);
                }
                let found = found.map_err(|error| staged.as_asked(error, asked));
                match found {
                    Ok(_) => lent.answered = Some((staged.slot, staged.number)),
                    Err(error) => {
                        self.give_back(staged.slot, None);
                        self.note_breach(error);
                    }
                }
                found
            }
            Carried::Lost(error) => Err(error),
        }
    }

    /// Checks what the server wrote, and leaves the reply where it is.
    fn look_at_answer(
        &self,
        staged: &Staged<'_>,
        room: u64,
    ) -> Result<(i64, usize, usize), SendError> {
        staged.answer().and_then(|fields| {
            let layout = &self.memory.layout;
            let place = layout.checked_place(staged.slot, fields.at, fields.len);
            let len = usize::try_from(fields.len).ok();
            match (place, len) {
                (Some(place), Some(len)) if fields.len <= room => Ok((fields.status, place, len)),
                _ => Err(SendError::Protocol),
            }
        })
    }

    pub(crate) fn reply_bytes(&self, place: usize, len: usize) -> SharedBytes<'_> {
        let len = if self.is_ours() { len } else { 0 };
        SharedBytes::new(&self.memory.server, place, len)
    }

    /// The program is through with the reply.
    pub(crate) fn finish_lent(&self, lent: &mut Lent) {
        if let Some((slot, number)) = lent.answered.take()
            && self.is_ours()
        {
            self.memory.caller(slot).finish(number);
            self.give_back(slot, None);
        }
    }

    /// The program is through with everything.
    pub(crate) fn take_back(&self, lent: &mut Lent) {
        self.finish_lent(lent);
        if let Some(block) = lent.block.take()
            && self.is_ours()
        {
            self.arena().give_back(block);
        }
    }
}
