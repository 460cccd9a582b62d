//! A slot of the client that carries one call: claimed, filled, published, read, given back.

use super::ClientLink;
use super::arena::Block;
use super::headers::{AnswerFields, RequestFields};
use super::layout::{self, IN_SLOT, INLINE};
use crate::ipc::protocol::Caller;
use crate::ipc::ranges;
use crate::ipc::{Reply, SendError};
use resmgr_sys::Errno;
use std::io::{IoSlice, IoSliceMut};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

/// The slot, held by one thread.
#[derive(Debug)]
pub(super) struct Staged<'a> {
    pub(super) link: &'a ClientLink,
    /// The connection that the call goes through was detached.
    pub(super) detached: &'a AtomicBool,
    pub(super) slot: u16,
    pub(super) number: u32,
    pub(super) block: Option<Block>,
    /// Bytes that may be copied before the answer is there.
    pub(super) bytes: u64,
}

impl Staged<'_> {
    /// Copies the message to where the server reads it, and marks the slot as sent. A long message is
    /// whole in shared memory before it becomes visible, so the server never has to wait for this side.
    #[inline]
    pub(super) fn fill(
        &mut self,
        parts: &[IoSlice<'_>],
        mut fields: RequestFields,
    ) -> Result<(), SendError> {
        let len = parts.iter().map(|part| part.len()).sum::<usize>();
        let place = if len <= INLINE {
            layout::slot_data(self.slot)
        } else {
            let block = self.link.take_block(len).map_err(SendError::Unsent)?;
            self.block = Some(block);
            fields.at = block.at as u64;
            self.link.memory.layout.bulk_at + block.at
        };
        fields.len = len as u64;
        let memory = &self.link.memory;
        memory
            .client
            .write_parts(place, parts)
            .map_err(SendError::Unsent)?;
        self.submit(fields);
        Ok(())
    }

    /// The same for a message of `len` bytes that fits into the slot.
    #[inline]
    pub(super) fn fill_slot(
        &mut self,
        parts: &[IoSlice<'_>],
        len: usize,
        fields: &RequestFields,
    ) -> Result<(), Errno> {
        let place = layout::slot_data(self.slot);
        self.link.memory.client.write_parts(place, parts)?;
        self.submit(RequestFields {
            len: len as u64,
            ..*fields
        });
        Ok(())
    }

    /// Writes the header and marks the slot as sent: the message is where the fields say.
    #[inline(always)]
    #[expect(clippy::inline_always)] // a call and back is 29 instructions of 640
    pub(super) fn submit(&mut self, fields: RequestFields) {
        self.bytes = fields.len.saturating_add(fields.reply_room);
        let announced = self.link.announced();
        let memory = &self.link.memory;
        memory.request(self.slot).set(fields.encode(announced));
        memory.caller(self.slot).submit(self.number);
    }

    /// From now on this is the next call in the slot.
    pub(super) fn renumber(&mut self) {
        self.number = Caller::<AtomicU32>::next(self.number);
    }

    /// Marks the same message as sent once more: it still lies where it lay.
    pub(super) fn submit_again(&mut self) {
        self.submit(RequestFields::decode(
            self.link.memory.request(self.slot).get(),
        ));
    }

    /// Whether the connection that the call goes through was detached.
    #[inline]
    pub(super) fn is_detached(&self) -> bool {
        self.detached.load(Ordering::Acquire)
    }

    /// What an error means to the caller: the server may have answered with that for which it was asked.
    #[cold]
    pub(super) fn as_asked(&self, error: SendError, asked: Option<SendError>) -> SendError {
        let fields = AnswerFields::decode(self.link.memory.answer(self.slot).get());
        match asked {
            Some(reason) if error == SendError::Protocol && fields.is_as_asked() => reason,
            _ => error,
        }
    }

    /// Whether the server could not read the message in this process's memory.
    pub(super) fn is_unreadable(&self) -> bool {
        AnswerFields::decode(self.link.memory.answer(self.slot).get()).is_unreadable()
    }

    /// What the server has answered, if it is no error.
    #[inline]
    pub(super) fn answer(&self) -> Result<AnswerFields, SendError> {
        let fields = AnswerFields::decode(self.link.memory.answer(self.slot).get());
        if fields.is_gone() {
            return Err(SendError::Gone(Errno::SRCH));
        }
        if fields.errno != 0 {
            let errno = i32::try_from(fields.errno).ok().and_then(Errno::from_raw);
            return Err(errno.map_or(SendError::Protocol, SendError::Refused));
        }
        Ok(fields)
    }

    /// The same for an answer that lies in the slot in one piece. `None`: it is another one, or an error, and has not
    /// been taken.
    #[inline]
    pub(super) fn collect_from_slot(&self, reply: &mut [IoSliceMut<'_>]) -> Option<Reply> {
        let fields = AnswerFields::decode(self.link.memory.answer(self.slot).get());
        if fields.errno != 0 || fields.ranges != 0 || fields.at != IN_SLOT {
            return None;
        }
        let len = usize::try_from(fields.len).ok();
        let len = len.filter(|len| *len <= INLINE)?;
        let mut place = layout::slot_data(self.slot);
        let mut left = len;
        for part in reply {
            let count = left.min(part.len());
            let server = &self.link.memory.server;
            server.read(place, &mut part[..count]).ok()?;
            place += count;
            left -= count;
        }
        // Something left: there was less room than the server wrote.
        (left == 0).then_some(Reply {
            status: fields.status,
            len,
        })
    }

    /// Copies the answer into the caller's buffers, after checking what the server wrote.
    #[inline]
    pub(super) fn collect(&self, reply: &mut [IoSliceMut<'_>]) -> Result<Reply, SendError> {
        let fields = self.answer()?;
        let copied = self.copy_in(&fields, reply);
        if fields.at != IN_SLOT {
            // Only the server's bulk memory waits for this; in the slot, the next request says it.
            self.link.memory.caller(self.slot).finish(self.number);
        }
        copied.ok_or(SendError::Protocol)
    }

    /// `None`: the server wrote something that no server may.
    #[inline]
    fn copy_in(&self, fields: &AnswerFields, reply: &mut [IoSliceMut<'_>]) -> Option<Reply> {
        let room = reply.iter().map(|part| part.len()).sum::<usize>();
        let len = usize::try_from(fields.len)
            .ok()
            .filter(|len| *len <= room)?;
        let layout = &self.link.memory.layout;
        let place = layout.checked_place(self.slot, fields.at, fields.len)?;
        if fields.pieces() == 0 {
            self.scatter(place, 0, len, reply)?;
        } else {
            for (start, end) in self.ranges(fields)? {
                self.scatter(place, start, end, reply)?;
            }
        }
        Some(Reply {
            status: fields.status,
            len,
        })
    }

    /// The list of written pieces that lies in the slot when a reply has gaps.
    fn ranges(&self, fields: &AnswerFields) -> Option<Vec<(usize, usize)>> {
        let count = usize::try_from(fields.pieces())
            .ok()
            .filter(|count| *count <= ranges::MOST)?;
        let mut bytes = vec![0; count * ranges::BYTES];
        self.link
            .memory
            .server
            .read(layout::slot_data(self.slot), &mut bytes)
            .ok()?;
        let word = |bytes: &[u8]| bytes.first_chunk().map(|word| u64::from_ne_bytes(*word));
        let limit = usize::try_from(fields.len).ok()?;
        bytes
            .chunks_exact(ranges::BYTES)
            .map(|pair| {
                let start = usize::try_from(word(pair)?).ok()?;
                let end = start.checked_add(usize::try_from(word(pair.get(8..)?)?).ok()?)?;
                (end <= limit && fields.at != IN_SLOT).then_some((start, end))
            })
            .collect()
    }

    /// Copies the bytes `start..end` of the reply at `place` into the parts, which are seen as one buffer.
    #[inline]
    fn scatter(
        &self,
        place: usize,
        start: usize,
        end: usize,
        parts: &mut [IoSliceMut<'_>],
    ) -> Option<()> {
        let mut part_start = 0;
        for part in parts {
            let part_end = part_start + part.len();
            let (from, to) = (start.max(part_start), end.min(part_end));
            if from < to {
                let target = &mut part[from - part_start..to - part_start];
                self.link.memory.server.read(place + from, target).ok()?;
            }
            part_start = part_end;
        }
        Some(())
    }
}
