//! What is said on a link's socket after the handshake. Calls do not travel here; what cannot be put into
//! memory does: descriptors, and events for a client that may be asleep.
//!
//! | packet | who | fields | descriptors |
//! |---|---|---|---|
//! | wake | client | kind, lane, number | one: where to wake whoever sleeps at that number; it replaces the lane's last |
//! | descriptors | both | kind, count, slot, number | `count`, which go with that call's message or reply |
//! | boost | client | kind | none: a message of high priority waits (see `channel::boost`) |
//! | event | server | kind, then up to 128 bytes | none |
//!
//! Anything else is a breach. A packet is looked at before it is taken, so that descriptors that nobody
//! asked for are never installed in this process, nor closed by the thread that looks: they go down with
//! the socket, which the janitor closes.

use super::Breach;
use crate::ipc::janitor;
use resmgr_sys::{Errno, socket};
use std::os::fd::{BorrowedFd, OwnedFd};

/// Bytes of an event.
pub(crate) const MOST_EVENT: usize = 128;
/// Descriptors that go with one message or reply.
pub(crate) const MOST_DESCRIPTORS: u8 = 4;
const _: () = assert!(MOST_DESCRIPTORS as usize <= socket::MOST_FDS);
/// Threads that sleep at a time where a socket wakes them, each at a lane of the link. A lane is a descriptor in
/// the server, so there is no lane for each call that may be under way: one client could use up what the server
/// has for all.
pub(crate) const THREAD_LANES: u8 = 64;
/// Lanes of a link: one more is for the calls that nobody is blocked in.
pub(crate) const LANES: u8 = THREAD_LANES + 1;
/// Packets that the background thread reads at a time, before it looks after others.
pub(crate) const BATCH: usize = 16;
/// Calls of a link with which descriptors are under way.
pub(crate) const MOST_PARCELS: usize = 64;

const HEAD: usize = 4;
const LONGEST: usize = HEAD + MOST_EVENT;

const WAKE: u8 = 1;
const DESCRIPTORS: u8 = 2;
const EVENT: u8 = 3;
const BOOST: u8 = 4;

/// Descriptors that go with a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Parcel {
    pub(crate) slot: u16,
    pub(crate) number: u32,
    /// How many, at least one.
    pub(crate) count: u8,
}

/// What either side may say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Packet<'a> {
    Wake { lane: u8, number: u32 },
    Descriptors(Parcel),
    Boost,
    Event(&'a [u8]),
}

impl<'a> Packet<'a> {
    /// Bytes of the packet, in `buffer`.
    fn encode(self, buffer: &mut [u8; LONGEST]) -> &[u8] {
        let word;
        let (head, rest) = match self {
            Self::Wake { lane, number } => {
                word = number.to_ne_bytes();
                ([WAKE, lane, 0, 0], &word[..])
            }
            Self::Descriptors(parcel) => {
                let [low, high] = parcel.slot.to_ne_bytes();
                word = parcel.number.to_ne_bytes();
                ([DESCRIPTORS, parcel.count, low, high], &word[..])
            }
            Self::Boost => ([BOOST, 0, 0, 0], &[][..]),
            Self::Event(bytes) => ([EVENT, 0, 0, 0], &bytes[..bytes.len().min(MOST_EVENT)]),
        };
        buffer[..HEAD].copy_from_slice(&head);
        buffer[HEAD..HEAD + rest.len()].copy_from_slice(rest);
        &buffer[..HEAD + rest.len()]
    }

    /// `None`: no such packet.
    fn decode(bytes: &'a [u8]) -> Option<Self> {
        let (head, rest) = bytes.split_first_chunk::<HEAD>()?;
        let word = || <[u8; 4]>::try_from(rest).ok().map(u32::from_ne_bytes);
        match *head {
            [WAKE, lane, 0, 0] if lane < LANES => Some(Self::Wake {
                lane,
                number: word()?,
            }),
            [DESCRIPTORS, count, low, high] if (1..=MOST_DESCRIPTORS).contains(&count) => {
                Some(Self::Descriptors(Parcel {
                    slot: u16::from_ne_bytes([low, high]),
                    number: word()?,
                    count,
                }))
            }
            [BOOST, 0, 0, 0] if rest.is_empty() => Some(Self::Boost),
            [EVENT, 0, 0, 0] if rest.len() <= MOST_EVENT => Some(Self::Event(rest)),
            _ => None,
        }
    }

    fn descriptors(&self) -> usize {
        match self {
            Self::Wake { .. } => 1,
            Self::Descriptors(parcel) => parcel.count.into(),
            Self::Boost | Self::Event(_) => 0,
        }
    }
}

/// Sends a packet. Never waits.
///
/// # Errors
/// - `EAGAIN`: the peer does not read.
/// - `EPIPE`, `ECONNRESET`: it has gone.
pub(crate) fn send(
    to: BorrowedFd<'_>,
    packet: Packet<'_>,
    fds: &[BorrowedFd<'_>],
) -> Result<(), Errno> {
    let mut buffer = [0; LONGEST];
    socket::send(to, packet.encode(&mut buffer), fds)
}

/// What reading up to some number of packets came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Read {
    /// There is nothing more now.
    All,
    /// There may be more.
    Some,
    /// The peer has closed its end.
    End,
}

/// Reads up to `most` packets. `wanted` says whether a packet may come now, before its descriptors are
/// taken; `take` gets it with them. The caller holds the lock of this link's inbox.
pub(crate) fn read<State: ?Sized>(
    from: BorrowedFd<'_>,
    most: usize,
    state: &mut State,
    wanted: impl Fn(&State, Packet<'_>) -> Result<(), Breach>,
    mut take: impl FnMut(&mut State, Packet<'_>, Vec<OwnedFd>) -> Result<(), Breach>,
) -> Result<Read, Breach> {
    for _ in 0..most {
        let mut buffer = [0; LONGEST];
        let seen = match socket::peek(from, &mut buffer) {
            Ok(seen) => seen,
            Err(Errno::AGAIN | Errno::INTR) => return Ok(Read::All),
            Err(_) => return Ok(Read::End),
        };
        if seen.len == 0 && !seen.carries {
            return Ok(Read::End);
        }
        if seen.too_long {
            return Err(Breach("a control packet that is too long"));
        }
        let bytes = buffer;
        let packet = Packet::decode(&bytes[..seen.len]).ok_or(Breach("no such control packet"))?;
        if seen.carries != (packet.descriptors() > 0) {
            return Err(Breach("descriptors that nobody asked for"));
        }
        wanted(state, packet)?;
        let taken = if seen.carries {
            socket::receive_all(from, &mut buffer)
        } else {
            socket::receive_plain(from, &mut buffer)
        };
        // Under the lock nobody else reads: it is the packet that was looked at.
        let Ok(taken) = taken else {
            return Ok(Read::End);
        };
        if taken.truncated || taken.fds.len() != packet.descriptors() {
            janitor::close(taken.fds);
            return Err(Breach("another number of descriptors than was said"));
        }
        take(state, packet, taken.fds)?;
    }
    Ok(Read::Some)
}

#[cfg(test)]
mod tests {
    use super::{LONGEST, MOST_EVENT, Packet, Parcel};

    #[test]
    fn packets_survive_the_way() {
        let parcel = Parcel {
            slot: 1023,
            number: 0x3fff_fff1,
            count: 4,
        };
        let packets = [
            Packet::Wake {
                lane: 64,
                number: 2,
            },
            Packet::Descriptors(parcel),
            Packet::Event(&[7; MOST_EVENT]),
            Packet::Event(&[]),
        ];
        for packet in packets {
            let mut buffer = [0; LONGEST];
            assert_eq!(Packet::decode(packet.encode(&mut buffer)), Some(packet));
        }
    }

    #[test]
    fn what_is_no_packet_is_none() {
        let wrong: [&[u8]; 9] = [
            b"",
            b"hel",
            b"hello?",
            &[1, 65, 0, 0, 2, 0, 0, 0],
            &[1, 0, 0, 0, 2, 0, 0],
            &[2, 0, 0, 0, 1, 0, 0, 0],
            &[2, 5, 0, 0, 1, 0, 0, 0],
            &[2, 1, 0, 0, 1, 0, 0],
            &[3, 0, 0, 1],
        ];
        for bytes in wrong {
            assert_eq!(Packet::decode(bytes), None, "{bytes:?}");
        }
        let mut long = vec![0; LONGEST + 1];
        long[0] = 3;
        assert_eq!(Packet::decode(&long), None);
    }
}
