//! Slots and bulk memory of a client's calls: claimed, given back, and taken again from calls
//! that were given up.

use super::arena::{Arena, Block};
use super::client::ClientLink;
use super::layout;
use super::staging::Staged;
use crate::ipc::SendError;
use crate::ipc::protocol::Caller;
use resmgr_sys::{Errno, Result};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, MutexGuard, PoisonError};

impl ClientLink {
    #[inline(always)]
    #[expect(clippy::inline_always)] // as announce_and_wait of link::calling
    pub(super) fn claim<'a>(
        self: &'a Arc<Self>,
        detached: &'a AtomicBool,
    ) -> Result<Staged<'a>, SendError> {
        if detached.load(Ordering::Relaxed) {
            return Err(SendError::Gone(Errno::BADF));
        }
        if self.given_up_count.load(Ordering::Acquire) > 0 {
            self.reclaim();
        }
        let slot = self.slots.claim().ok_or(SendError::Unsent(Errno::AGAIN))?;
        // The server was the last to read these three lines. Asked for now, they come together.
        let layout = &self.memory.layout;
        let ring = layout.ring_word(self.tail.load(Ordering::Relaxed) & (layout.ring - 1));
        self.memory.client.prefetch_for_write(ring);
        self.memory.client.prefetch_for_write(layout::slot(slot));
        self.memory
            .client
            .prefetch_for_write(layout::slot_data(slot));
        let last = self.memory.caller(slot).request.load(Ordering::Relaxed) >> 2;
        let number = Caller::<AtomicU32>::next(last);
        Ok(Staged {
            link: self,
            detached,
            slot,
            number,
            block: None,
            bytes: 0,
        })
    }

    #[inline]
    pub(super) fn give_back(&self, slot: u16, block: Option<Block>) {
        if let Some(block) = block {
            self.arena().give_back(block);
        }
        self.slots.release(slot);
    }

    /// The slot's call has no caller any more: it is free when the server has noticed.
    pub(super) fn give_up(&self, call: (u16, u32, Option<Block>)) {
        self.disown_parcels(call.0, call.1);
        self.given_up().push(call);
        self.given_up_count.fetch_add(1, Ordering::Release);
    }

    /// Slots whose calls were given up are free once the server has acknowledged that.
    fn reclaim(self: &Arc<Self>) {
        let mut given_up = self.given_up();
        given_up.retain(|(slot, number, block)| {
            let noticed = self.memory.caller(*slot).is_answered(*number);
            if noticed {
                self.memory.caller(*slot).finish(*number);
                self.end_parcels(*slot, *number);
                self.give_back(*slot, *block);
                self.given_up_count.fetch_sub(1, Ordering::Release);
            }
            !noticed
        });
    }

    fn given_up(&self) -> MutexGuard<'_, Vec<(u16, u32, Option<Block>)>> {
        self.given_up.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn arena(&self) -> MutexGuard<'_, Arena> {
        self.arena.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Bulk memory for a message.
    ///
    /// # Errors
    /// - `EMSGSIZE`: longer than the link's memory altogether.
    /// - `ENOMEM`: other messages under way leave no room.
    pub(super) fn take_block(&self, len: usize) -> Result<Block> {
        if len > self.memory.layout.bulk {
            return Err(Errno::MSGSIZE);
        }
        self.arena().take(len).ok_or(Errno::NOMEM)
    }
}
