//! Where things lie in the two parts of a link, and how their headers are written.
//!
//! Both parts are sparse files: what is never touched costs address space only. A slot lies in both parts,
//! with the request on the client's side and the answer on the server's.
//!
//! | client's part | server's part |
//! |---|---|
//! | `registered_only` | gate: `ring_me`, `closed`, `boost_from`, `pulses_taken`, `pulse_share` |
//! | slots: request header, then small messages | slots: answer header, small replies, `taken` |
//! | ring | |
//! | pulse cells | |
//! | bulk: larger messages | bulk: larger replies |
//!
//! The first slots share a page with the gate, since most links never have more than one or two calls under
//! way: such a link that has done little holds three pages in all.

use crate::ipc::PulseFlags;
use crate::ipc::{SendOptions, caller};
use resmgr_sys::{Errno, Result};

/// Pulses under way at a time.
pub(crate) const CELLS: u32 = 128;
/// What lies in a slot itself; longer messages go to the bulk part.
pub(crate) const INLINE: usize = 896;
const SLOT: usize = 1024;
const HEADER: usize = 64;
const CELL: usize = 16;
const PAGE: usize = 4096;
/// Room for the gate.
const SLOTS_AT: usize = 1024;

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
        let cells_at = ring_at + ring as usize * 4;
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

    /// Client's part: a word of the ring.
    #[inline]
    pub(crate) fn ring_word(&self, index: u32) -> usize {
        self.ring_at + index as usize * 4
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

/// Server's part: nobody looks at the ring.
pub(crate) const RING_ME: usize = 0;
/// Server's part: the channel has gone.
pub(crate) const CLOSED: usize = 4;
/// Server's part: from which priority on a client asks for a boost; 0: it never does.
pub(crate) const BOOST_FROM: usize = 8;
/// Server's part: how many pulses were received.
pub(crate) const PULSES_TAKEN: usize = 64;
/// Server's part: how many pulses the client may have pending, if the channel has a pool; 0 if it has none.
pub(crate) const PULSE_SHARE: usize = 68;

/// A place in the ring, as a request carries it.
#[inline]
pub(crate) fn place_in_ring(entries: u32) -> u16 {
    halves(entries)[1]
}

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

/// What goes with a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RequestFields {
    /// Bytes of the message.
    pub(crate) len: u64,
    /// Bytes that the client has room for.
    pub(crate) reply_room: u64,
    /// Where the message lies: an offset into the bulk part, or [`IN_SLOT`].
    pub(crate) at: u64,
    /// The client's connection.
    pub(crate) coid: i32,
    /// The client's thread.
    pub(crate) tid: u32,
    /// Claimed priority.
    pub(crate) priority: u8,
    /// Whether the ids below are meant.
    pub(crate) on_behalf: bool,
    /// Descriptors that come with the message, in a control packet.
    pub(crate) lends: u8,
    /// Descriptors that may come with the reply.
    pub(crate) takes: u8,
    /// On whose behalf: process, user, group.
    pub(crate) ids: [u32; 3],
}

impl RequestFields {
    /// Words of it in a slot's header.
    pub(crate) const WORDS: usize = 6;

    /// What goes with a send of this thread; its message is still to be placed.
    #[inline]
    pub(crate) fn of(coid: i32, reply_room: usize, options: &SendOptions<'_>) -> Self {
        let behalf = options.on_behalf;
        let sender = caller::thread();
        Self {
            len: 0,
            reply_room: reply_room as u64,
            at: IN_SLOT,
            coid,
            tid: sender.id,
            priority: options.priority.unwrap_or_else(|| sender.sends_with()),
            on_behalf: behalf.is_some(),
            lends: options.lends(),
            takes: options.takes(),
            ids: behalf.map_or([0; 3], |ids| [ids.pid, ids.uid, ids.gid]),
        }
    }

    /// `announced`: the client's place in the ring when it filled the slot ([`announced`](Self::announced)).
    #[inline]
    pub(crate) fn encode(&self, announced: u16) -> [u64; Self::WORDS] {
        let [pid, uid, gid] = self.ids;
        let flags = u32::from(self.priority)
            | u32::from(self.on_behalf) << 8
            | u32::from(self.lends) << 9
            | u32::from(self.takes) << 12
            | u32::from(announced) << 16;
        [
            self.len,
            self.reply_room,
            self.at,
            join(self.coid.cast_unsigned(), self.tid),
            join(flags, pid),
            join(uid, gid),
        ]
    }

    /// How many ring entries the sending thread had seen published, modulo 2^16: whoever takes the call ahead of
    /// its own entry can tell whether it would overtake another.
    #[inline]
    pub(crate) fn announced(words: &[u64; Self::WORDS]) -> u16 {
        let [low, _] = halves(split(words[4]).0);
        low
    }

    #[inline]
    pub(crate) fn decode(words: [u64; Self::WORDS]) -> Self {
        let [len, reply_room, at, sender, flags, ids] = words;
        let (flags, pid) = split(flags);
        let (coid, tid) = split(sender);
        let (uid, gid) = split(ids);
        Self {
            len,
            reply_room,
            at,
            coid: coid.cast_signed(),
            tid,
            priority: flags.to_le_bytes()[0],
            on_behalf: flags & 1 << 8 != 0,
            lends: (flags >> 9 & 7) as u8,
            takes: (flags >> 12 & 7) as u8,
            ids: [pid, uid, gid],
        }
    }
}

/// What goes with an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct AnswerFields {
    /// The error number of a refusal, or 0.
    pub(crate) errno: u32,
    /// How many ranges of the reply were written ([`pieces`](Self::pieces)), and how many descriptors come with
    /// it ([`descriptors`](Self::descriptors)).
    pub(crate) ranges: u32,
    /// The server's status.
    pub(crate) status: i64,
    /// Up to where the reply was written.
    pub(crate) len: u64,
    /// Where the reply lies: an offset into the bulk part, or [`IN_SLOT`].
    pub(crate) at: u64,
}

impl AnswerFields {
    /// Words of it in a slot's header.
    pub(crate) const WORDS: usize = 4;

    pub(crate) fn refusal(errno: Errno) -> Self {
        Self {
            errno: errno.raw().cast_unsigned(),
            ranges: 0,
            status: -1,
            len: 0,
            at: IN_SLOT,
        }
    }

    /// The answer of a channel that goes: no refusal by the service.
    pub(crate) fn gone() -> Self {
        Self {
            ranges: u32::MAX,
            ..Self::refusal(Errno::SRCH)
        }
    }

    /// The answer to a message whose memory the server may not read: the client sends it again, staged.
    pub(crate) fn unreadable() -> Self {
        Self {
            ranges: u32::MAX - 1,
            ..Self::refusal(Errno::PERM)
        }
    }

    /// The answer to a client that asked to be let go: the error for which it asked.
    pub(crate) fn as_asked() -> Self {
        Self {
            errno: u32::MAX,
            ..Self::refusal(Errno::INTR)
        }
    }

    pub(crate) fn is_as_asked(&self) -> bool {
        self.errno == u32::MAX
    }

    /// How many ranges of the reply were written: 0 means one, from the start. They are listed in the slot.
    #[inline]
    pub(crate) fn pieces(&self) -> u32 {
        self.ranges & 0xff
    }

    /// The same answer, with descriptors.
    pub(crate) fn with_descriptors(self, count: u8) -> Self {
        Self {
            ranges: self.ranges | u32::from(count) << 8,
            ..self
        }
    }

    /// How many descriptors come with the reply.
    pub(crate) fn descriptors(&self) -> u32 {
        self.ranges >> 8
    }

    pub(crate) fn is_unreadable(&self) -> bool {
        self.ranges == u32::MAX - 1
    }

    pub(crate) fn is_gone(&self) -> bool {
        self.ranges == u32::MAX
    }

    #[inline]
    pub(crate) fn encode(&self) -> [u64; Self::WORDS] {
        [
            join(self.errno, self.ranges),
            self.status.cast_unsigned(),
            self.len,
            self.at,
        ]
    }

    #[inline]
    pub(crate) fn decode(words: [u64; Self::WORDS]) -> Self {
        let [outcome, status, len, at] = words;
        let (errno, ranges) = split(outcome);
        Self {
            errno,
            ranges,
            status: status.cast_signed(),
            len,
            at,
        }
    }
}

/// A pulse in its cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PulseFields {
    pub(crate) value: i64,
    pub(crate) code: i8,
    pub(crate) priority: u8,
    pub(crate) flags: PulseFlags,
    /// Its receiver shall not take its priority.
    pub(crate) inherits: bool,
}

impl PulseFields {
    pub(crate) const BYTES: usize = CELL;

    pub(crate) fn encode(&self) -> [u8; Self::BYTES] {
        let mut bytes = [0; Self::BYTES];
        bytes[0..8].copy_from_slice(&self.value.to_ne_bytes());
        bytes[8] = self.code.cast_unsigned();
        bytes[9] = self.priority;
        bytes[10..12].copy_from_slice(&self.flags.bits().to_ne_bytes());
        bytes[12] = u8::from(self.inherits);
        bytes
    }

    pub(crate) fn decode(bytes: &[u8; Self::BYTES]) -> Self {
        let value = u64_at(bytes, 0).cast_signed();
        Self {
            value,
            code: bytes[8].cast_signed(),
            priority: bytes[9],
            flags: PulseFlags::from_bits_truncate(u16::from_ne_bytes([bytes[10], bytes[11]])),
            inherits: bytes[12] != 0,
        }
    }
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    bytes[at..]
        .first_chunk()
        .map_or(0, |field| u64::from_ne_bytes(*field))
}

#[inline]
fn join(low: u32, high: u32) -> u64 {
    u64::from(low) | u64::from(high) << 32
}

/// The upper half and the lower half.
#[inline]
#[expect(clippy::cast_possible_truncation)] // each half on its own
fn halves(word: u32) -> [u16; 2] {
    [(word >> 16) as u16, word as u16]
}

#[inline]
#[expect(clippy::cast_possible_truncation)] // each half on its own
fn split(word: u64) -> (u32, u32) {
    (word as u32, (word >> 32) as u32)
}

#[cfg(test)]
mod tests {
    use super::{AnswerFields, IN_SLOT, Layout, MOST_BULK, MOST_CALLS, RequestFields, slot};
    use resmgr_sys::Errno;

    #[test]
    fn headers_survive_the_way() {
        let request = RequestFields {
            len: 1,
            reply_room: u64::MAX,
            at: 3,
            coid: -4,
            tid: 5,
            priority: 6,
            on_behalf: true,
            lends: 4,
            takes: 3,
            ids: [7, 8, 9],
        };
        assert_eq!(RequestFields::decode(request.encode(77)), request);
        assert_eq!(RequestFields::announced(&request.encode(0xfedc)), 0xfedc);
        let answer = AnswerFields {
            errno: 1,
            ranges: 2,
            status: -3,
            len: 4,
            at: 5,
        };
        assert_eq!(AnswerFields::decode(answer.encode()), answer);
    }

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
            assert!(layout.ring_word(0) >= slot(calls - 1) + 1024);
            assert!(layout.cell(0) > layout.ring_word(layout.ring - 1));
            assert!(layout.bulk_at > layout.cell(127));
            assert!(layout.len().is_multiple_of(4096));
        }
        assert_eq!(Layout::new(0, 0), Err(Errno::INVAL));
        assert_eq!(Layout::new(MOST_CALLS + 1, 0), Err(Errno::INVAL));
        assert_eq!(Layout::new(1, usize::MAX), Err(Errno::INVAL));
    }
}
