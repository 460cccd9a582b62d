//! The headers of a link: what goes with a request, an answer and a pulse, and how it is written.

use super::layout::{CELL, IN_SLOT};
use crate::ipc::PulseFlags;
use crate::ipc::{SendOptions, caller};
use resmgr_sys::{Errno, clock};
use std::time::Duration;

/// A place in the ring, as a request carries it.
#[inline]
pub(crate) fn place_in_ring(entries: u32) -> u16 {
    halves(entries)[1]
}

/// The word of a slot's header behind the request: which call its client waits for, and since when. For whoever
/// inspects the server; nothing is decided by it. Nobody takes it back: the next call has another number.
pub(super) const SINCE: usize = RequestFields::WORDS;
/// So many bits of it are microseconds of the coarse monotonic clock, which last for nine years.
const TIME: u32 = 48;

/// That word for a client that begins to wait for the call `number`.
pub(super) fn since_now(number: u32) -> u64 {
    (u64::from(number) << TIME) | (clock::coarse() / 1000)
}

/// How long a client has been waiting for this call, by what the word says.
pub(super) fn since(word: u64, number: u32) -> Option<Duration> {
    if word >> TIME != u64::from(number) & 0xffff {
        return None;
    }
    let began = word & ((1 << TIME) - 1);
    let now = clock::coarse() / 1000;
    Some(Duration::from_micros(now.saturating_sub(began)))
}

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
    use super::{AnswerFields, RequestFields};

    #[test]
    fn a_time_is_that_of_its_call_only() {
        let word = super::since_now(0x12_3456);
        assert!(super::since(word, 0x12_3456).is_some());
        assert_eq!(super::since(word, 0x12_3457), None);
        assert_eq!(super::since(0, 7), None);
    }

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
}
