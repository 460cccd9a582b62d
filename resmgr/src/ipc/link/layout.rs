//! Where things lie in the two parts of a link, and how their headers are written.
//!
//! Both parts are sparse files: what is never touched costs address space only. A slot lies in both parts,
//! with the request on the client's side and the answer on the server's.
//!
//! | client's part | server's part |
//! |---|---|
//! | ring | gate: `ring_me`, `closed`, `pulses_taken` |
//! | pulse cells | |
//! | slots: request header, then small messages | slots: answer header, small replies, `taken` |
//! | bulk: larger messages | bulk: larger replies |

use resmgr_sys::Errno;

/// Calls under way at a time.
pub(crate) const SLOTS: u16 = 1024;
/// Pulses under way at a time.
pub(crate) const CELLS: u32 = 128;
/// Ring entries: at most three for each slot and one for each cell are under way.
pub(crate) const RING: u32 = 4096;
const _: () = assert!(RING.is_power_of_two() && RING >= 3 * SLOTS as u32 + CELLS);

/// What lies in a slot itself; longer messages go to the bulk part.
pub(crate) const INLINE: usize = 896;
const SLOT: usize = 1024;
const HEADER: usize = 64;
const CELL: usize = 16;

/// Bytes of bulk memory on each side.
pub(crate) const BULK: usize = 64 << 20;

const CELLS_AT: usize = RING as usize * 4;
const SLOTS_AT: usize = 20480;
const _: () = assert!(CELLS_AT + CELLS as usize * CELL <= SLOTS_AT);
/// Where the bulk memory begins, in both parts.
pub(crate) const BULK_AT: usize = SLOTS_AT + SLOTS as usize * SLOT;
/// Length of either part.
pub(crate) const LEN: usize = BULK_AT + BULK;

/// Server's part: nobody looks at the ring.
pub(crate) const RING_ME: usize = 0;
/// Server's part: the channel has gone.
pub(crate) const CLOSED: usize = 4;
/// Server's part: how many pulses were received.
pub(crate) const PULSES_TAKEN: usize = 64;

/// Client's part: a word of the ring.
pub(crate) const fn ring(index: u32) -> usize {
    index as usize * 4
}

/// A place in the ring, as a request carries it.
#[inline]
pub(crate) fn place_in_ring(entries: u32) -> u16 {
    halves(entries)[1]
}

/// Client's part: a pulse.
pub(crate) const fn cell(index: u32) -> usize {
    CELLS_AT + index as usize * CELL
}

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
    /// On whose behalf: process, user, group.
    pub(crate) ids: [u32; 3],
}

impl RequestFields {
    /// Words of it in a slot's header.
    pub(crate) const WORDS: usize = 6;

    /// `announced`: the client's place in the ring when it filled the slot ([`announced`](Self::announced)).
    #[inline]
    pub(crate) fn encode(&self, announced: u16) -> [u64; Self::WORDS] {
        let [pid, uid, gid] = self.ids;
        let flags =
            u32::from(self.priority) | u32::from(self.on_behalf) << 8 | u32::from(announced) << 16;
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
            ids: [pid, uid, gid],
        }
    }
}

/// What goes with an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct AnswerFields {
    /// The error number of a refusal, or 0.
    pub(crate) errno: u32,
    /// How many ranges of the reply were written: 0 means one, from the start. They are listed in the slot.
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
}

impl PulseFields {
    pub(crate) const BYTES: usize = CELL;

    pub(crate) fn encode(&self) -> [u8; Self::BYTES] {
        let mut bytes = [0; Self::BYTES];
        bytes[0..8].copy_from_slice(&self.value.to_ne_bytes());
        bytes[8] = self.code.cast_unsigned();
        bytes[9] = self.priority;
        bytes
    }

    pub(crate) fn decode(bytes: &[u8; Self::BYTES]) -> Self {
        let value = u64_at(bytes, 0).cast_signed();
        Self {
            value,
            code: bytes[8].cast_signed(),
            priority: bytes[9],
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

/// Whether `len` bytes at `at` are a place that a peer may name: inside the slot, or inside the bulk part.
/// Returns the offset into the part. This is the only function that turns a peer's word into a place.
pub(crate) fn checked_place(index: u16, at: u64, len: u64) -> Option<usize> {
    if at == IN_SLOT {
        return (len <= INLINE as u64).then_some(slot(index) + DATA);
    }
    let end = at.checked_add(len)?;
    (end <= BULK as u64)
        .then(|| usize::try_from(at).ok().map(|at| BULK_AT + at))
        .flatten()
}

#[cfg(test)]
mod tests {
    use super::{AnswerFields, BULK, BULK_AT, IN_SLOT, RequestFields, checked_place, slot};

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
        assert_eq!(checked_place(0, IN_SLOT, 897), None);
        assert_eq!(checked_place(2, IN_SLOT, 896), Some(slot(2) + 64));
        assert_eq!(checked_place(0, BULK as u64, 1), None);
        assert_eq!(checked_place(0, u64::MAX - 1, 8), None);
        assert_eq!(checked_place(0, 0, BULK as u64), Some(BULK_AT));
    }
}
