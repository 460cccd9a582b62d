//! What an inspector and a process say: one packet there, a stream of packets back.
//!
//! | packet | content |
//! |---|---|
//! | request | magic, version, after which channel, after which of its clients (32-bit words; 0: from the first) |
//! | answer | any number of records of [`WORDS`] 64-bit words each |
//!
//! A record begins with its kind; those of a channel follow it (first its receivers, each record as many as there is
//! room for), and those of a client follow that. The last one
//! says how it ended: with an error, from which place on there is more, or that that was all.
//!
//! Who traces says so on a connection that stays open, each time with one packet of magic, version, what is wanted
//! ([`Wanted`]) and 0, and gets such an answer each time: `told` has its records.

use crate::ipc::{ChannelId, Scoid};
use resmgr_sys::{Errno, Result};

const MAGIC: u32 = u32::from_ne_bytes(*b"RSI1");
const TRACE_MAGIC: u32 = u32::from_ne_bytes(*b"RST1");
const VERSION: u32 = 1;

/// Words of a record.
pub(super) const WORDS: usize = 11;
const BYTES: usize = WORDS * 8;
/// Records of a packet.
pub(super) const BATCH: usize = 40;
/// Bytes of the longest packet.
pub(super) const PACKET: usize = BATCH * BYTES;

/// A record.
pub(super) type Record = [u64; WORDS];

/// The kinds of records.
pub(super) mod kind {
    pub(in crate::ipc::inspect) const CHANNEL: u64 = 1;
    pub(in crate::ipc::inspect) const CLIENT: u64 = 2;
    pub(in crate::ipc::inspect) const CALL: u64 = 3;
    pub(in crate::ipc::inspect) const END: u64 = 4;
    pub(in crate::ipc::inspect) const RECEIVERS: u64 = 5;
    pub(in crate::ipc::inspect) const SERVED: u64 = 6;
    pub(in crate::ipc::inspect) const SENT: u64 = 7;
    pub(in crate::ipc::inspect) const HEAD: u64 = 8;
    pub(in crate::ipc::inspect) const PATH: u64 = 9;
    pub(in crate::ipc::inspect) const LOST: u64 = 10;
    pub(in crate::ipc::inspect) const NAME: u64 = 11;
}

/// Stands for a number that is not known.
pub(super) const UNKNOWN: u64 = u64::MAX;

/// From where on an answer goes: behind this client of this channel. Places come in order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    pub(super) chid: u32,
    pub(super) scoid: u32,
}

impl Place {
    pub(super) fn channel(self) -> ChannelId {
        ChannelId(self.chid)
    }

    /// `None`: from the channel's first one on.
    pub(super) fn client(self) -> Option<Scoid> {
        (self.scoid != 0).then_some(Scoid(self.scoid))
    }
}

/// What a tracer wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub(super) enum Wanted {
    /// That recording begins: the first thing that it says.
    Begin = 1,
    /// What was recorded.
    Fetch = 2,
    /// The same, and all that is not answered yet; then recording has ended.
    End = 3,
}

/// The packet of an inspector.
pub(super) fn request(after: Place) -> [u8; 16] {
    packet([MAGIC, VERSION, after.chid, after.scoid])
}

/// The packet of a tracer.
pub(super) fn trace_request(wanted: Wanted) -> [u8; 16] {
    packet([TRACE_MAGIC, VERSION, wanted as u32, 0])
}

fn packet(words: [u32; 4]) -> [u8; 16] {
    let mut bytes = [0; 16];
    for (place, word) in bytes.chunks_exact_mut(4).zip(words) {
        place.copy_from_slice(&word.to_ne_bytes());
    }
    bytes
}

/// Whether a stranger's first packet is one of an inspector; and what it asks for.
///
/// # Errors
/// - `EPROTONOSUPPORT`: another version.
pub(super) fn decode_request(bytes: &[u8]) -> Option<Result<Place>> {
    match words(bytes)? {
        [MAGIC, VERSION, chid, scoid] => Some(Ok(Place { chid, scoid })),
        [MAGIC, ..] => Some(Err(Errno::PROTONOSUPPORT)),
        _ => None,
    }
}

/// Whether a packet is one of a tracer; and what it wants.
///
/// # Errors
/// - `EPROTONOSUPPORT`: another version.
/// - `EPROTO`: something that nobody can want.
pub(super) fn decode_trace_request(bytes: &[u8]) -> Option<Result<Wanted>> {
    let all = [Wanted::Begin, Wanted::Fetch, Wanted::End];
    match words(bytes)? {
        [TRACE_MAGIC, VERSION, wanted, _] => {
            let known = all.into_iter().find(|one| *one as u32 == wanted);
            Some(known.ok_or(Errno::PROTO))
        }
        [TRACE_MAGIC, ..] => Some(Err(Errno::PROTONOSUPPORT)),
        _ => None,
    }
}

fn words(bytes: &[u8]) -> Option<[u32; 4]> {
    let bytes: &[u8; 16] = bytes.try_into().ok()?;
    let mut words = [0; 4];
    for (word, field) in words.iter_mut().zip(bytes.chunks_exact(4)) {
        *word = field
            .first_chunk()
            .map_or(0, |field| u32::from_ne_bytes(*field));
    }
    Some(words)
}

/// Records as packets.
pub(super) fn packets(records: &[Record]) -> impl Iterator<Item = Vec<u8>> + '_ {
    let bytes = |batch: &[Record]| {
        let words = batch.iter().flatten();
        words.flat_map(|word| word.to_ne_bytes()).collect()
    };
    records.chunks(BATCH).map(bytes)
}

/// The records of a packet.
///
/// # Errors
/// - `EPROTO`: it is none.
pub(super) fn records(packet: &[u8]) -> Result<Vec<Record>> {
    if packet.is_empty() || packet.len() > PACKET || !packet.len().is_multiple_of(BYTES) {
        return Err(Errno::PROTO);
    }
    let record = |bytes: &[u8]| {
        let mut record = [0; WORDS];
        for (word, field) in record.iter_mut().zip(bytes.chunks_exact(8)) {
            *word = field
                .first_chunk()
                .map_or(0, |field| u64::from_ne_bytes(*field));
        }
        record
    };
    Ok(packet.chunks_exact(BYTES).map(record).collect())
}

#[cfg(test)]
mod tests {
    use super::{BATCH, Place, WORDS, Wanted, decode_request, decode_trace_request};
    use super::{packets, records, request, trace_request};
    use resmgr_sys::Errno;

    #[test]
    fn packets_survive_the_way_and_others_are_refused() {
        let place = Place { chid: 3, scoid: 9 };
        assert_eq!(decode_request(&request(place)), Some(Ok(place)));
        assert_eq!(decode_request(b"sixteen bytes..."), None);
        let mut other = request(place);
        other[4] ^= 64;
        assert_eq!(decode_request(&other), Some(Err(Errno::PROTONOSUPPORT)));
        let traces = trace_request(Wanted::Fetch);
        assert_eq!(decode_request(&traces), None);
        assert_eq!(decode_trace_request(&traces), Some(Ok(Wanted::Fetch)));
        assert_eq!(decode_trace_request(&request(place)), None);
        for (byte, errno) in [(4, Errno::PROTONOSUPPORT), (8, Errno::PROTO)] {
            let mut other = traces;
            other[byte] ^= 64;
            assert_eq!(decode_trace_request(&other), Some(Err(errno)));
        }
        let sent = vec![[7; WORDS]; BATCH + 1];
        let got: Vec<_> = packets(&sent)
            .flat_map(|packet| records(&packet).unwrap())
            .collect();
        assert_eq!(got, sent);
        for wrong in [0, 1, WORDS * 8 - 1, (BATCH + 1) * WORDS * 8] {
            assert_eq!(records(&vec![0; wrong]), Err(Errno::PROTO), "{wrong}");
        }
    }
}
