//! The server's word about its receivers: who is more urgent than their work?

use super::Word;
use std::sync::atomic::Ordering;

/// From which priority on a client asks for a boost; 0: never. A word of the server's part of a link.
#[derive(Debug)]
pub struct Threshold<'a, W> {
    /// The word.
    pub from: &'a W,
}

impl<W: Word> Threshold<'_, W> {
    /// Client, after a push and the fence of [`Gate::must_ring`](super::Gate::must_ring): whether to ask. If the server's
    /// receivers have come to run lower since, and this does not see it, the server finds the entry.
    #[inline]
    pub fn must_ask(&self, priority: u8) -> bool {
        let from = self.from.load(Ordering::Relaxed);
        from != 0 && u32::from(priority) >= from
    }

    /// Server: writes it, if it is another than before. Look at the ring after this.
    pub fn set(&self, from: u8) {
        let from = u32::from(from);
        // Nobody else writes it.
        if self.from.load(Ordering::Relaxed) != from {
            self.from.store(from, Ordering::Relaxed);
        }
        W::fence();
    }
}
