//! The server's two words about itself: does somebody have to ring, and is it still open?

use super::Word;
use std::sync::atomic::Ordering;

/// The server's words at the head of its part of a link.
#[derive(Debug)]
pub struct Gate<'a, W> {
    /// 1: somebody looks at this link's ring, nobody needs to ring. Fresh memory says that nobody does.
    pub watched: &'a W,
    /// 1: the channel has gone.
    pub closed: &'a W,
}

impl<W: Word> Gate<'_, W> {
    /// Client, right after a push (which ends with a replace): whether to ring the bell. A server that does not look
    /// at the ring any more cleared `watched` before its last look, so either it saw the entry or this sees the word.
    #[inline]
    pub fn must_ring(&self) -> bool {
        W::fence_after_replace();
        self.watched.load(Ordering::Relaxed) == 0
    }

    /// Client, after a push (and its fence): whether the server had closed the link before it looked for
    /// the last time. If not, the server finds the entry and answers it.
    #[inline]
    pub fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire) != 0
    }

    /// Server: from now on this link is looked at without a bell.
    #[inline]
    pub fn watch(&self) {
        self.watched.store(1, Ordering::Relaxed);
    }

    /// Server: from now on clients must ring. Look at the ring once more after this.
    #[inline]
    pub fn unwatch(&self) {
        self.watched.store(0, Ordering::Relaxed);
        W::fence();
    }

    /// Server: nothing is received here any more. Answer what the ring still holds after this.
    pub fn close(&self) {
        self.closed.store(1, Ordering::Release);
        W::fence();
    }
}
