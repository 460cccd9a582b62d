//! The server's bulk memory of a link: where longer replies lie until their client has read them.

use super::ServerLink;
use super::arena::{Arena, Block};
use resmgr_sys::{Errno, Result};
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

/// A slot's piece of bulk memory, kept for the slot's next reply.
#[derive(Clone, Copy, Debug)]
struct Kept {
    block: Block,
    /// The call that it was taken for.
    number: u32,
}

/// Which slot has which piece. Made at the first long reply: a link that has none costs nothing.
#[derive(Debug)]
pub(crate) struct ReplyArea(Mutex<Option<Pieces>>);

#[derive(Debug)]
struct Pieces {
    arena: Arena,
    kept: BTreeMap<u16, Kept>,
}

impl ReplyArea {
    pub(super) fn new() -> Self {
        Self(Mutex::new(None))
    }

    /// A piece of at least `len` bytes for this call's reply; returns its offset in the bulk part and its
    /// length. The slot's last piece serves again if it is long enough. A longer one replaces it, and what
    /// `keep` bytes of it held is copied.
    ///
    /// # Errors
    /// - `ENOMEM`: longer replies are under way than the link has memory for.
    pub(crate) fn piece(
        &self,
        link: &ServerLink,
        (slot, number): (u16, u32),
        len: usize,
        keep: usize,
    ) -> Result<(usize, usize)> {
        let mut guard = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let pieces = guard.get_or_insert_with(|| Pieces {
            arena: Arena::new(link.memory.layout.bulk),
            kept: BTreeMap::new(),
        });
        let old = pieces.kept.get(&slot).map(|kept| kept.block);
        let block = match old {
            Some(block) if block.len >= len => block,
            _ => pieces.replace(link, slot, len, keep)?,
        };
        pieces.kept.insert(slot, Kept { block, number });
        Ok((block.at, block.len))
    }
}

impl Pieces {
    /// A longer piece in place of the slot's old one. Without something to keep, the old one goes first,
    /// so that it may become part of the new one.
    fn replace(&mut self, link: &ServerLink, slot: u16, len: usize, keep: usize) -> Result<Block> {
        if keep == 0 {
            self.free(slot);
        }
        let block = self.arena.take(len).or_else(|| {
            self.sweep(link);
            self.arena.take(len)
        });
        let block = block.ok_or(Errno::NOMEM)?;
        if let Some(old) = self.kept.get(&slot) {
            let mut bytes = vec![0; keep.min(old.block.len)];
            link.memory
                .server
                .read(link.memory.layout.bulk_at + old.block.at, &mut bytes)?;
            link.memory
                .server
                .write(link.memory.layout.bulk_at + block.at, &bytes)?;
            self.free(slot);
        }
        Ok(block)
    }

    fn free(&mut self, slot: u16) {
        if let Some(old) = self.kept.remove(&slot) {
            self.arena.give_back(old.block);
        }
    }

    /// Takes back the pieces of slots whose clients have read their replies.
    fn sweep(&mut self, link: &ServerLink) {
        let arena = &mut self.arena;
        self.kept.retain(|slot, kept| {
            let in_use =
                !link.is_free(*slot) || !link.memory.answerer(*slot).is_finished(kept.number);
            if !in_use {
                arena.give_back(kept.block);
            }
            in_use
        });
    }
}
