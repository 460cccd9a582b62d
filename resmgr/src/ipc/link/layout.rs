//! Where things lie in the two parts of a link, and how their headers are written.
//!
//! Both parts are sparse files: what is never touched costs address space only. A slot lies in both parts,
//! with the request on the client's side and the answer on the server's.
//!
//! | client's part | server's part |
//! |---|---|
//! | ring | gate: `ring_me`, `closed`, `pulses_taken`, `pulse_share` |
//! | pulse cells, `registered_only` | |
//! | slots: request header, then small messages | slots: answer header, small replies, `taken` |
//! | bulk: larger messages | bulk: larger replies |

use crate::ipc::PulseFlags;
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
/// Server's part: how many pulses the client may have pending, if the channel has a pool; 0 if it has none.
pub(crate) const PULSE_SHARE: usize = 68;

/// Client's part: a word of the ring.
pub(crate) const fn ring(index: u32) -> usize {
    index as usize * 4
}

/// Client's part: a pulse.
pub(crate) const fn cell(index: u32) -> usize {
    CELLS_AT + index as usize * CELL
}

/// Client's part: 1 when it takes registered events only. A server that believes it spares itself a packet.
pub(crate) const REGISTERED_ONLY: usize = CELLS_AT + CELLS as usize * CELL;
const _: () = assert!(REGISTERED_ONLY + 4 <= SLOTS_AT);

/// Both parts: the header of a slot.
pub(crate) const fn slot(index: u16) -> usize {
    SLOTS_AT + index as usize * SLOT
}

/// Both parts: the small message or reply of a slot.
pub(crate) const fn slot_data(index: u16) -> usize {
    slot(index) + DATA
}

/// Client's part, in a slot: number and state of the call.
pub(crate) const REQUEST: usize = 0;
/// Client's part, in a slot: the caller sleeps.
pub(crate) const WAITING: usize = 4;
/// Server's part, in a slot: which call is answered.
pub(crate) const ANSWER: usize = 0;
/// Both parts, in a slot: the fields that go with the request or the answer.
pub(crate) const FIELDS: usize = 8;
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
    pub(crate) const BYTES: usize = 48;

    pub(crate) fn encode(&self) -> [u8; Self::BYTES] {
        let mut bytes = [0; Self::BYTES];
        bytes[0..8].copy_from_slice(&self.len.to_ne_bytes());
        bytes[8..16].copy_from_slice(&self.reply_room.to_ne_bytes());
        bytes[16..24].copy_from_slice(&self.at.to_ne_bytes());
        bytes[24..28].copy_from_slice(&self.coid.to_ne_bytes());
        bytes[28..32].copy_from_slice(&self.tid.to_ne_bytes());
        bytes[32] = self.priority;
        bytes[33] = u8::from(self.on_behalf);
        for (place, id) in bytes[36..48].chunks_exact_mut(4).zip(self.ids) {
            place.copy_from_slice(&id.to_ne_bytes());
        }
        bytes
    }

    pub(crate) fn decode(bytes: &[u8; Self::BYTES]) -> Self {
        Self {
            len: u64_at(bytes, 0),
            reply_room: u64_at(bytes, 8),
            at: u64_at(bytes, 16),
            coid: u32_at(bytes, 24).cast_signed(),
            tid: u32_at(bytes, 28),
            priority: bytes[32],
            on_behalf: bytes[33] != 0,
            ids: [u32_at(bytes, 36), u32_at(bytes, 40), u32_at(bytes, 44)],
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
    pub(crate) const BYTES: usize = 32;

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

    pub(crate) fn encode(&self) -> [u8; Self::BYTES] {
        let mut bytes = [0; Self::BYTES];
        bytes[0..4].copy_from_slice(&self.errno.to_ne_bytes());
        bytes[4..8].copy_from_slice(&self.ranges.to_ne_bytes());
        bytes[8..16].copy_from_slice(&self.status.to_ne_bytes());
        bytes[16..24].copy_from_slice(&self.len.to_ne_bytes());
        bytes[24..32].copy_from_slice(&self.at.to_ne_bytes());
        bytes
    }

    pub(crate) fn decode(bytes: &[u8; Self::BYTES]) -> Self {
        Self {
            errno: u32_at(bytes, 0),
            ranges: u32_at(bytes, 4),
            status: u64_at(bytes, 8).cast_signed(),
            len: u64_at(bytes, 16),
            at: u64_at(bytes, 24),
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
}

impl PulseFields {
    pub(crate) const BYTES: usize = CELL;

    pub(crate) fn encode(&self) -> [u8; Self::BYTES] {
        let mut bytes = [0; Self::BYTES];
        bytes[0..8].copy_from_slice(&self.value.to_ne_bytes());
        bytes[8] = self.code.cast_unsigned();
        bytes[9] = self.priority;
        bytes[10..12].copy_from_slice(&self.flags.bits().to_ne_bytes());
        bytes
    }

    pub(crate) fn decode(bytes: &[u8; Self::BYTES]) -> Self {
        let value = u64_at(bytes, 0).cast_signed();
        Self {
            value,
            code: bytes[8].cast_signed(),
            priority: bytes[9],
            flags: PulseFlags::from_bits_truncate(u16::from_ne_bytes([bytes[10], bytes[11]])),
        }
    }
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    bytes[at..]
        .first_chunk()
        .map_or(0, |field| u64::from_ne_bytes(*field))
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    bytes[at..]
        .first_chunk()
        .map_or(0, |field| u32::from_ne_bytes(*field))
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
        assert_eq!(RequestFields::decode(&request.encode()), request);
        let answer = AnswerFields {
            errno: 1,
            ranges: 2,
            status: -3,
            len: 4,
            at: 5,
        };
        assert_eq!(AnswerFields::decode(&answer.encode()), answer);
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
