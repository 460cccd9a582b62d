//! Where things lie in the two parts of a link.
//!
//! Both parts are sparse files: what is never touched costs address space only. A slot lies in both parts,
//! with the request on the client's side and the answer on the server's.
//!
//! | client's part | server's part |
//! |---|---|
//! | `registered_only` | gate: `watched`, `closed`, `boost_from`, `pulses_taken`, `pulse_share` |
//! | slots: request header, then small messages | slots: answer header, small replies, `taken` |
//! | the ring's rest | |
//! | pulse cells | |
//! | bulk: larger messages | bulk: larger replies |
//!
//! The first slots share a page with the gate, since most links never have more than one or two calls under
//! way: such a link that has done little holds two pages in all.

use resmgr_sys::{Errno, Result};

/// Pulses under way at a time.
pub(crate) const CELLS: u32 = 128;
/// What lies in a slot itself; longer messages go to the bulk part.
pub(crate) const INLINE: usize = 896;
const SLOT: usize = 1024;
const HEADER: usize = 64;
pub(super) const CELL: usize = 16;
const PAGE: usize = 4096;
/// Room for the gate, and in the client's part for the first entries of the ring.
const SLOTS_AT: usize = 1024;
const HEAD_ENTRIES_AT: usize = 64;
const HEAD_ENTRIES: u32 = 240;
const _: () = assert!(HEAD_ENTRIES_AT + HEAD_ENTRIES as usize * 4 == SLOTS_AT);
// The smallest ring has room for all pulses, so it is longer than that.
const _: () = assert!(HEAD_ENTRIES < (CELLS + MOST_OWED).next_power_of_two());

/// Calls under way that any link may have.
pub(crate) const MOST_CALLS: u16 = 4096;
/// Bulk bytes on each side that any link may have.
pub(crate) const MOST_BULK: usize = 1 << 30;
/// Announcements of a slot that may be under way: a call, its unblock request, and the next call.
const ENTRIES_OF_A_SLOT: u32 = 3;
/// Entries of calls that were taken ahead of them, and stand in the ring beside all others.
pub(super) const MOST_OWED: u32 = 8;

/// How much of everything one link has. Its server decides, and both sides know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Layout {
    /// Calls under way at a time: slots.
    pub(crate) calls: u16,
    /// Entries of the ring, a power of two: what can be announced at a time.
    pub(crate) ring: u32,
    /// Bytes of bulk memory on each side.
    pub(crate) bulk: usize,
    ring_at: usize,
    cells_at: usize,
    /// Where the bulk memory begins, in both parts.
    pub(crate) bulk_at: usize,
}

impl Layout {
    /// # Errors
    /// - `EINVAL`: no calls at all, or more of something than any link may have.
    pub(crate) fn new(calls: u16, bulk: usize) -> Result<Self> {
        let bulk = bulk.checked_next_multiple_of(PAGE).ok_or(Errno::INVAL)?;
        if calls == 0 || calls > MOST_CALLS || bulk > MOST_BULK {
            return Err(Errno::INVAL);
        }
        let entries = u32::from(calls) * ENTRIES_OF_A_SLOT + CELLS + MOST_OWED;
        let ring = entries.next_power_of_two();
        let ring_at = SLOTS_AT + usize::from(calls) * SLOT;
        let cells_at = ring_at + (ring - HEAD_ENTRIES) as usize * 4;
        let bulk_at = (cells_at + CELLS as usize * CELL).next_multiple_of(PAGE);
        Ok(Self {
            calls,
            ring,
            bulk,
            ring_at,
            cells_at,
            bulk_at,
        })
    }

    /// Length of either part.
    pub(crate) fn len(&self) -> usize {
        self.bulk_at + self.bulk
    }

    /// Client's part: a word of the ring. The first ones lie in the head, where they share a page with the first
    /// slots: so a link that has announced little needs no page for its ring.
    #[inline]
    pub(crate) fn ring_word(&self, index: u32) -> usize {
        match index.checked_sub(HEAD_ENTRIES) {
            None => HEAD_ENTRIES_AT + index as usize * 4,
            Some(index) => self.ring_at + index as usize * 4,
        }
    }

    /// Client's part: a pulse.
    #[inline]
    pub(crate) fn cell(&self, index: u32) -> usize {
        self.cells_at + index as usize * CELL
    }

    /// Whether `len` bytes at `at` are a place that a peer may name: inside the slot, or inside the bulk part.
    /// Returns the offset into the part. This is the only function that turns a peer's word into a place.
    #[inline]
    pub(crate) fn checked_place(&self, index: u16, at: u64, len: u64) -> Option<usize> {
        if at == IN_SLOT {
            return (len <= INLINE as u64).then_some(slot_data(index));
        }
        let end = at.checked_add(len)?;
        (end <= self.bulk as u64)
            .then(|| usize::try_from(at).ok().map(|at| self.bulk_at + at))
            .flatten()
    }
}

/// Server's part: somebody looks at the ring.
pub(crate) const WATCHED: usize = 0;
/// Server's part: the channel has gone.
pub(crate) const CLOSED: usize = 4;
/// Server's part: from which priority on a client asks for a boost.
pub(crate) const BOOST_FROM: usize = 8;
/// Server's part: how many pulses were received.
pub(crate) const PULSES_TAKEN: usize = 64;
/// Server's part: how many pulses the client may have pending, if the channel has a pool; 0 if it has none.
pub(crate) const PULSE_SHARE: usize = 68;

/// Client's part: 1 when it takes registered events only. A server that believes it spares itself a packet.
pub(crate) const REGISTERED_ONLY: usize = 0;

/// Both parts: the header of a slot.
pub(crate) const fn slot(index: u16) -> usize {
    SLOTS_AT + index as usize * SLOT
}

/// Both parts: the small message or reply of a slot.
pub(crate) const fn slot_data(index: u16) -> usize {
    slot(index) + DATA
}

/// Both parts, in a slot: a small message or reply.
pub(crate) const DATA: usize = HEADER;
/// Server's part, in a slot: which call a receiver has. Away from the answer, on which the client spins.
pub(crate) const TAKEN: usize = HEADER + INLINE;
const _: () = assert!(TAKEN + 4 <= SLOT);

/// Stands for "the bytes lie in the slot".
pub(crate) const IN_SLOT: u64 = u64::MAX;

/// Stands for "the bytes lie in the client's own memory, and the slot lists the pieces".
pub(crate) const DIRECT: u64 = u64::MAX - 1;

#[cfg(test)]
mod tests {
    use super::{HEAD_ENTRIES, IN_SLOT, Layout, MOST_BULK, MOST_CALLS, slot};
    use resmgr_sys::Errno;

    #[test]
    fn places_outside_are_refused() {
        let layout = Layout::new(1024, 64 << 20).unwrap();
        let bulk = layout.bulk as u64;
        assert_eq!(layout.checked_place(0, IN_SLOT, 897), None);
        assert_eq!(layout.checked_place(2, IN_SLOT, 896), Some(slot(2) + 64));
        assert_eq!(layout.checked_place(0, bulk, 1), None);
        assert_eq!(layout.checked_place(0, u64::MAX - 1, 8), None);
        assert_eq!(layout.checked_place(0, 0, bulk), Some(layout.bulk_at));
    }

    #[test]
    fn everything_has_its_place_in_links_of_any_size() {
        for (calls, bulk) in [(1, 0), (1024, 64 << 20), (MOST_CALLS, MOST_BULK)] {
            let layout = Layout::new(calls, bulk).unwrap();
            assert_eq!(layout.ring_word(HEAD_ENTRIES - 1) + 4, slot(0));
            assert!(layout.ring_word(HEAD_ENTRIES) >= slot(calls - 1) + 1024);
            assert!(layout.cell(0) > layout.ring_word(layout.ring - 1));
            assert!(layout.bulk_at > layout.cell(127));
            assert!(layout.len().is_multiple_of(4096));
        }
        assert_eq!(Layout::new(0, 0), Err(Errno::INVAL));
        assert_eq!(Layout::new(MOST_CALLS + 1, 0), Err(Errno::INVAL));
        assert_eq!(Layout::new(1, usize::MAX), Err(Errno::INVAL));
    }
}
