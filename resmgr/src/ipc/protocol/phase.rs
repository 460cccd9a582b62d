//! The server's own word about the call in a slot: what it knows without asking the client.

use super::{Answerer, Taken, Word};
use std::sync::atomic::Ordering;

const IDLE: u32 = 0;
const HELD: u32 = 1;
const TAKEN: u32 = 2;
const UNBLOCKED: u32 = 3;
const STATE: u32 = 3;
const NUMBER_SHIFT: u32 = 2;

/// State, and the number of the call while a receiver has it. Private to the server, so that a client can
/// neither announce a call twice nor have one answered twice.
#[derive(Debug)]
pub struct Phase<'a, W> {
    /// The word.
    pub word: &'a W,
}

impl<W: Word> Phase<'_, W> {
    #[inline]
    fn load(&self) -> u32 {
        self.word.load(Ordering::Acquire)
    }

    /// Idle to held by the server itself (queued); false when it is not idle. Only whoever has the channel's
    /// lock does this, and nobody else leaves idle, so looking first is as good as a compare-and-exchange.
    #[inline]
    pub fn hold(&self) -> bool {
        let idle = self.load() == IDLE;
        if idle {
            // Whoever reads it next does so under the lock, or gets it from who has.
            self.word.store(HELD, Ordering::Relaxed);
        }
        idle
    }

    /// Held to taken by a receiver. Unless the call is live, whoever called this has to
    /// [`claim`](Self::claim) it next.
    ///
    /// This word comes first: once a client sees that its call is taken, it may announce that it wants to be
    /// let go, and another thread of the server may read that at once. It must find the call taken here.
    #[inline]
    pub fn take(&self, answerer: &Answerer<'_, W>, number: u32) -> Taken {
        // Published by the store that the next step begins with.
        self.word
            .store(number << NUMBER_SHIFT | TAKEN, Ordering::Relaxed);
        answerer.take(number)
    }

    /// Taken back to held: the one who gets true answers. False: somebody else has, or the link was closed.
    #[inline]
    pub fn claim(&self, number: u32) -> bool {
        let number = number << NUMBER_SHIFT;
        self.word.replace(number | TAKEN, HELD) || self.word.replace(number | UNBLOCKED, HELD)
    }

    /// Held back to idle, before the answer becomes visible.
    #[inline]
    pub fn release(&self) {
        self.word.store(IDLE, Ordering::Release);
    }

    /// Marks a taken call: its client wants to be let go. The number of the call, at the first time.
    pub fn request_unblock(&self) -> Option<u32> {
        let now = self.load();
        let marked = now & STATE == TAKEN && self.word.replace(now, now | UNBLOCKED);
        marked.then_some(now >> NUMBER_SHIFT)
    }

    /// Whether no call of the slot is with the server.
    pub fn is_idle(&self) -> bool {
        self.load() == IDLE
    }

    /// Whether the client of this taken call wants to be let go.
    pub fn is_unblocked(&self, number: u32) -> bool {
        self.load() == number << NUMBER_SHIFT | UNBLOCKED
    }

    /// The number of the call that a receiver has.
    pub fn taken(&self) -> Option<u32> {
        let now = self.load();
        matches!(now & STATE, TAKEN | UNBLOCKED).then_some(now >> NUMBER_SHIFT)
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Answerer, Caller, Taken};
    use super::Phase;
    use std::sync::atomic::AtomicU32;

    #[test]
    fn a_call_is_answered_once() {
        let [word, request, waiting, taken, answer] = Default::default();
        let (request, waiting, taken, answer) = (&request, &waiting, &taken, &answer);
        let phase = Phase::<AtomicU32> { word: &word };
        let caller = Caller::<AtomicU32> {
            request,
            waiting,
            taken,
            answer,
        };
        let answerer = Answerer {
            request,
            waiting,
            taken,
            answer,
        };
        caller.submit(9);
        assert!(phase.hold());
        assert!(!phase.hold());
        assert_eq!(phase.request_unblock(), None);
        assert_eq!(phase.take(&answerer, 9), Taken::Live);
        assert_eq!(phase.taken(), Some(9));
        assert_eq!(phase.request_unblock(), Some(9));
        assert_eq!(phase.request_unblock(), None);
        assert!(phase.is_unblocked(9));
        assert!(!phase.claim(8));
        assert!(phase.claim(9));
        assert!(!phase.claim(9));
        phase.release();
        assert!(phase.is_idle() && phase.hold());
    }
}
