//! The link protocol: who may write which word, and in which order.
//!
//! A link is two pieces of memory: the client's part, which only the client process writes, and the
//! server's part, which only the server process writes. Every word has one writing process, so no peer
//! can undo the other's step, and every decision that both take part in is made the same way: *each side
//! writes its own word, fences, and reads the other's*. At least one of them then sees the other, and the
//! types here say what each does when both do.
//!
//! | decision | client writes, reads | server writes, reads |
//! |---|---|---|
//! | must the bell be rung? | ring entry, `watched` | `watched`, ring entry |
//! | must the client be woken? | `waiting`, `answer` | `answer`, `waiting` |
//! | withdrawn or received? | `request`, `taken` | `taken`, `request` |
//! | must the client be told that its message was taken? | `waiting`, `taken` | `taken`, `waiting` |
//! | must a boost be asked for? | ring entry, `boost_from` | `boost_from`, ring entry |
//! | sent or closed? | ring entry, `closed` | `closed`, ring entry |
//!
//! One look goes ahead of this order: the server looks at the slot that spoke last, whose request is complete
//! before its ring entry is written ([`Answerer::announced_early`]), and puts off the look at the ring, whose
//! line would have to come from the client's processor. Two things keep the order of a client's announcements
//! all the same. The request says how many ring entries its sender knew of, and it is taken early only if the
//! server has read as many, those of earlier calls of this kind left aside. And after a few such calls the
//! ring comes first again. A server that goes to sleep has looked at the ring after asking for bells, as ever;
//! the early look never stands in for that.
//!
//! *Sleeping at a socket.* A caller that waits for more than the answer (for a signal as well, or in an
//! executor) cannot sleep on a word. It writes the number of a socket into `waiting` instead of 1, and
//! whoever wakes it sends a byte there. The decision is the same, by the same two words: the caller writes
//! `waiting`, fences and reads `answer`; the server writes `answer`, fences and reads `waiting`. If both see
//! the other, there is a byte too many, which a later sleep finds and drops. The byte is never lost between
//! the caller's look and its sleep, since it stays in the socket, and whoever takes it looks at `answer` and
//! at the reasons to stop *after* taking it. The server gets the socket in a packet that the client sends
//! before it first writes that number; numbers are not used twice. So a server that reads a number which it
//! does not know finds the packet in its inbox, or the client has slept, woken and given the place to another
//! thread meanwhile, and needs no byte.
//!
//! *Sleeping until the message is taken.* A caller whose time for the reply is over already waits for a receiver
//! to take its message, and sets one more bit in `waiting`. Without a socket it sleeps on `taken` instead of
//! `answer`, since a futex is one word; an answer to a message that nobody has taken therefore writes `taken` as
//! well before it wakes such a sleeper. The server reads the bit with the line that it reads to take a call. A
//! client that sets it for nothing has its server make a system call for each message of its own, as one that
//! sleeps does.
//!
//! *Asking to be let go.* A client announces that only after it has seen its call taken, and it is one thread of
//! the server that takes the call and perhaps another that reads the announcement. So the server notes for
//! itself that a receiver has the call ([`Phase`]) before it tells the client.
//!
//! Everything is generic over [`Word`], owns no memory and makes no system call: the type that ships runs
//! over mapped memory, and the same type runs in a model checker (`tests/loom`).

mod call;
mod gate;
mod phase;
mod ring;
mod threshold;

pub use call::{Answerer, Caller, Sleeper, Taken, Withdrawal};
pub use gate::Gate;
pub use phase::Phase;
pub use ring::{Entry, EntryKind, Ring};
pub use threshold::Threshold;

use resmgr_sys::order;
use std::sync::atomic::{AtomicU32, Ordering};

/// A 32-bit word that two processes share.
pub trait Word {
    /// Reads it.
    fn load(&self, order: Ordering) -> u32;
    /// Writes it.
    fn store(&self, value: u32, order: Ordering);
    /// Writes `new` if it holds `current`; tells whether it did.
    fn replace(&self, current: u32, new: u32) -> bool;
    /// The full fence between "I have written mine" and "now I read yours".
    fn fence();
    /// The same, when "mine" was written by a [`replace`](Self::replace) of this thread, which may have been
    /// one.
    fn fence_after_replace();
}

impl Word for AtomicU32 {
    #[inline]
    fn load(&self, order: Ordering) -> u32 {
        Self::load(self, order)
    }

    #[inline]
    fn store(&self, value: u32, order: Ordering) {
        Self::store(self, value, order);
    }

    #[inline]
    fn replace(&self, current: u32, new: u32) -> bool {
        self.compare_exchange(current, new, Ordering::AcqRel, Ordering::Acquire)
            .is_ok()
    }

    #[inline]
    fn fence() {
        order::full_fence();
    }

    #[inline]
    fn fence_after_replace() {
        order::full_fence_after_replace();
    }
}
