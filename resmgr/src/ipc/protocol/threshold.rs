//! The server's word about its receivers: who is more urgent than their work?

use super::Word;
use std::sync::atomic::Ordering;

/// What stands for "never".
const NEVER: u32 = u32::MAX;

/// From which priority on a client asks for a boost. A word of the server's part of a link; as long as nobody has
/// written it, every client asks whose priority is more than an ordinary one.
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
        u32::from(priority) >= self.from.load(Ordering::Relaxed)
    }

    /// Server: writes it, if it is another than before; 0 stands for never. Look at the ring after this.
    pub fn set(&self, from: u8) {
        let from = if from == 0 { NEVER } else { from.into() };
        // Nobody else writes it.
        if self.from.load(Ordering::Relaxed) != from {
            self.from.store(from, Ordering::Relaxed);
        }
        W::fence();
    }
}
