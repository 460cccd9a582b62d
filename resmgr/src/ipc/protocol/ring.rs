//! The submission ring: in which order a client's calls, pulses and unblock requests reach its server.

use super::Word;
use std::sync::atomic::Ordering;

/// What a ring entry announces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EntryKind {
    /// The slot holds a new request.
    Call,
    /// The cell holds a new pulse.
    Pulse,
    /// The thread that waits in the slot wants to be let go.
    Unblock,
}

/// One announcement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// What.
    pub kind: EntryKind,
    /// Of which slot or cell (14 bits).
    pub index: u16,
}

const INDEX_BITS: u32 = 14;
const LAP_SHIFT: u32 = 16;

impl Entry {
    fn encode(self, lap: u16) -> u32 {
        let kind = match self.kind {
            EntryKind::Call => 0,
            EntryKind::Pulse => 1,
            EntryKind::Unblock => 2,
        };
        u32::from(lap) << LAP_SHIFT | kind << INDEX_BITS | u32::from(self.index)
    }

    /// `None`: a kind that does not exist, a breach by the client.
    fn decode(raw: u32) -> Option<Self> {
        let kind = match raw >> INDEX_BITS & 3 {
            0 => EntryKind::Call,
            1 => EntryKind::Pulse,
            2 => EntryKind::Unblock,
            _ => return None,
        };
        let index = u16::try_from(raw & ((1 << INDEX_BITS) - 1)).ok()?;
        Some(Self { kind, index })
    }
}

/// The ring, seen from either side; `slot(n)` is its n-th word, and there are `len` of them (a power of 2).
///
/// An entry carries the number of the lap in which it was written, so a single store both fills and
/// publishes it, and there is no shared tail. The client's threads agree on their order by
/// compare-and-exchange on the entry itself: a thread that stops half-way (in a signal handler, say) has
/// either published or not begun, so it never stands in the way of the others.
///
/// The ring cannot overflow as long as each slot and cell is announced again only after the server has
/// taken its last announcement: at most three entries a slot and one a cell are under way.
#[derive(Debug)]
pub struct Ring<F> {
    slot: F,
    len: u32,
}

impl<'a, W: Word + 'a, F: Fn(u32) -> &'a W> Ring<F> {
    /// The ring of `len` words (a power of two).
    #[inline]
    pub fn new(len: u32, slot: F) -> Self {
        Self { slot, len }
    }

    // Both without a division, which would cost more than all the rest of a push.

    #[inline]
    fn word(&self, position: u32) -> &'a W {
        (self.slot)(position & (self.len - 1))
    }

    /// Laps count from 1, so the zeros of fresh memory are no entry.
    #[inline]
    fn lap(&self, position: u32) -> u16 {
        let lap = position >> self.len.trailing_zeros();
        (lap.wrapping_add(1) & 0xffff) as u16
    }

    /// Client: publishes `entry`. `tail` is where this process has come to, a hint that all its threads share.
    #[inline]
    pub fn push(&self, tail: &W, entry: Entry) {
        loop {
            let position = tail.load(Ordering::Acquire);
            let (word, lap) = (self.word(position), self.lap(position));
            let current = word.load(Ordering::Acquire);
            let written = current >> LAP_SHIFT;
            if written == u32::from(lap.wrapping_sub(1)) {
                if word.replace(current, entry.encode(lap)) {
                    tail.replace(position, position.wrapping_add(1));
                    return;
                }
            } else if written == u32::from(lap) {
                // Somebody published here and has not yet moved the hint: do it in their place.
                tail.replace(position, position.wrapping_add(1));
            }
            // Any other lap: the hint was read so long ago that the ring has gone round. Read it again.
        }
    }

    /// Server: the entry at `head`, if it has been published. `Err(())`: it is none that a client could
    /// have written rightly.
    #[inline]
    #[expect(clippy::result_unit_err)] // there is one breach, and the caller names it
    pub fn peek(&self, head: u32) -> Result<Option<Entry>, ()> {
        let raw = self.word(head).load(Ordering::Acquire);
        if raw >> LAP_SHIFT != u32::from(self.lap(head)) {
            return Ok(None);
        }
        Entry::decode(raw).map(Some).ok_or(())
    }
}

#[cfg(test)]
mod tests {
    use super::{Entry, EntryKind, Ring, Word};
    use std::cell::RefCell;
    use std::sync::atomic::{AtomicU32, Ordering};

    #[test]
    fn entries_come_out_in_order_through_many_laps() {
        // Just before the lap number wraps at 16 bits: lap 65,530 has been written everywhere.
        let words: Vec<AtomicU32> = (0..8).map(|_| AtomicU32::new(65_530 << 16)).collect();
        let ring = Ring::new(8, |at| &words[at as usize]);
        let start = 8 * 65_530;
        let tail = AtomicU32::new(start);
        for position in start..start + 8 * 20 {
            assert_eq!(ring.peek(position), Ok(None));
            let entry = Entry {
                kind: EntryKind::Pulse,
                index: (position % 16_000) as u16,
            };
            ring.push(&tail, entry);
            assert_eq!(ring.peek(position), Ok(Some(entry)));
        }
    }

    /// A word that notes when it is replaced.
    struct Noted<'a> {
        word: AtomicU32,
        name: &'static str,
        notes: &'a RefCell<Vec<&'static str>>,
    }

    impl Word for Noted<'_> {
        fn load(&self, order: Ordering) -> u32 {
            self.word.load(order)
        }

        fn store(&self, value: u32, order: Ordering) {
            self.word.store(value, order);
        }

        fn replace(&self, current: u32, new: u32) -> bool {
            self.notes.borrow_mut().push(self.name);
            Word::replace(&self.word, current, new)
        }

        fn fence() {}

        fn fence_after_replace() {}
    }

    /// A thread that stops between the two steps, in a signal handler say, must not leave a gap behind which
    /// the entries of others are not seen.
    #[test]
    fn an_entry_is_published_before_the_hint_moves() {
        let notes = RefCell::default();
        let word = |name| Noted {
            word: AtomicU32::new(0),
            name,
            notes: &notes,
        };
        let (entry, tail) = (word("entry"), word("hint"));
        let pulse = Entry {
            kind: EntryKind::Pulse,
            index: 0,
        };
        Ring::new(1, |_| &entry).push(&tail, pulse);
        assert_eq!(*notes.borrow(), ["entry", "hint"]);
    }

    #[test]
    fn an_unknown_kind_is_a_breach() {
        let word = AtomicU32::new(1 << 16 | 3 << 14);
        assert_eq!(Ring::new(1, |_| &word).peek(0), Err(()));
    }
}
