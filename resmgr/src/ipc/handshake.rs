//! What a client and a server say before they share memory: one packet each way.
//!
//! | packet | fields |
//! |---|---|
//! | hello | magic, layout version, channel, its birth or 0 (two words) |
//! | welcome | magic, layout version, error number or 0, scoid, channel flags (the highest bits: the server reads in the client's memory; how many descriptors a message may bring), calls, pages of bulk memory, the channel's birth (two words); with three descriptors: the client's part, the server's part, the bell |

use super::link::Layout;
use super::{ChannelFlags, ChannelId, Scoid};
use resmgr_sys::{Errno, Result};

const MAGIC: u32 = u32::from_ne_bytes(*b"RSM1");

/// Counted up with every change of what lies where in a link, and in what order it is used: two builds that
/// disagree refuse each other.
const VERSION: u32 = 7;

/// More than either packet has.
pub(super) const LONGEST: usize = 64;

/// What a client says first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Hello {
    pub(super) chid: ChannelId,
    /// Only if it is the channel of this birth; 0: any.
    pub(super) birth: u64,
}

impl Hello {
    pub(super) fn encode(self) -> [u8; 20] {
        let [low, high] = halves(self.birth);
        words([MAGIC, VERSION, self.chid.0, low, high])
    }

    /// # Errors
    /// - `EPROTONOSUPPORT`: another layout.
    /// - `EBADMSG`: no such packet.
    pub(super) fn decode(bytes: &[u8]) -> Result<Self> {
        let [magic, version, chid, low, high] = split(bytes)?;
        check(magic, version)?;
        Ok(Self {
            chid: ChannelId(chid),
            birth: whole([low, high]),
        })
    }
}

/// What a server answers when it takes the client in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Welcome {
    pub(super) scoid: Scoid,
    pub(super) flags: ChannelFlags,
    pub(super) birth: u64,
    /// Long messages may be read in the client's memory.
    pub(super) direct: bool,
    /// How many descriptors a message may bring.
    pub(super) descriptors: u8,
    /// How much of everything the link has.
    pub(super) layout: Layout,
}

const PAGE_BITS: u32 = 12;

/// Beside the channel's flags in their word.
const DIRECT: u32 = 1 << 31;
const DESCRIPTORS: u32 = 28;

impl Welcome {
    pub(super) fn encode(self) -> [u8; 36] {
        let direct = if self.direct { DIRECT } else { 0 };
        let [low, high] = halves(self.birth);
        let extra = direct | u32::from(self.descriptors & 7) << DESCRIPTORS;
        words([
            MAGIC,
            VERSION,
            0,
            self.scoid.0,
            self.flags.bits() | extra,
            u32::from(self.layout.calls),
            u32::try_from(self.layout.bulk >> PAGE_BITS).unwrap_or(0),
            low,
            high,
        ])
    }

    /// The packet of a server that does not.
    pub(super) fn refusal(errno: Errno) -> [u8; 36] {
        words([
            MAGIC,
            VERSION,
            errno.raw().cast_unsigned(),
            0,
            0,
            0,
            0,
            0,
            0,
        ])
    }

    /// # Errors
    /// - what the server answered;
    /// - `EPROTONOSUPPORT`: another layout.
    /// - `EPROTO`: no such packet.
    pub(super) fn decode(bytes: &[u8]) -> Result<Self> {
        let fields = split(bytes).map_err(|_| Errno::PROTO)?;
        let [magic, version, errno, scoid, flags, calls, pages, low, high] = fields;
        check(magic, version)?;
        match i32::try_from(errno).map(Errno::from_raw) {
            Ok(None) if errno == 0 => {}
            Ok(Some(errno)) => return Err(errno),
            _ => return Err(Errno::PROTO),
        }
        Ok(Self {
            scoid: Scoid(scoid),
            flags: ChannelFlags::from_bits_truncate(flags),
            birth: whole([low, high]),
            direct: flags & DIRECT != 0,
            descriptors: (flags >> DESCRIPTORS & 7) as u8,
            layout: Layout::new(
                u16::try_from(calls).map_err(|_| Errno::PROTO)?,
                (pages as usize) << PAGE_BITS,
            )
            .map_err(|_| Errno::PROTO)?,
        })
    }
}

fn check(magic: u32, version: u32) -> Result<()> {
    match (magic, version) {
        (MAGIC, VERSION) => Ok(()),
        (MAGIC, _) => Err(Errno::PROTONOSUPPORT),
        _ => Err(Errno::BADMSG),
    }
}

fn halves(word: u64) -> [u32; 2] {
    [word, word >> 32].map(|half| u32::try_from(half & u64::from(u32::MAX)).unwrap_or(0))
}

fn whole([low, high]: [u32; 2]) -> u64 {
    u64::from(high) << 32 | u64::from(low)
}

fn words<const WORDS: usize, const BYTES: usize>(words: [u32; WORDS]) -> [u8; BYTES] {
    const { assert!(WORDS * 4 == BYTES) };
    let mut bytes = [0; BYTES];
    for (place, word) in bytes.chunks_exact_mut(4).zip(words) {
        place.copy_from_slice(&word.to_ne_bytes());
    }
    bytes
}

fn split<const WORDS: usize>(bytes: &[u8]) -> Result<[u32; WORDS]> {
    if bytes.len() != WORDS * 4 {
        return Err(Errno::BADMSG);
    }
    let mut words = [0; WORDS];
    for (word, field) in words.iter_mut().zip(bytes.chunks_exact(4)) {
        *word = field
            .first_chunk()
            .map_or(0, |field| u32::from_ne_bytes(*field));
    }
    Ok(words)
}

#[cfg(test)]
mod tests {
    use super::{Hello, Layout, Welcome};
    use crate::ipc::{ChannelFlags, ChannelId, Scoid};
    use resmgr_sys::Errno;

    #[test]
    fn packets_survive_the_way_and_others_are_refused() {
        let hello = Hello {
            chid: ChannelId(7),
            birth: 1 << 40 | 3,
        };
        assert_eq!(Hello::decode(&hello.encode()), Ok(hello));
        assert_eq!(Hello::decode(&hello.encode()[..19]), Err(Errno::BADMSG));
        let mut other = hello.encode();
        other[5] ^= 1;
        assert_eq!(Hello::decode(&other), Err(Errno::PROTONOSUPPORT));
        let welcome = Welcome {
            scoid: Scoid(5),
            flags: ChannelFlags::UNBLOCK,
            birth: 1 << 40 | 3,
            direct: true,
            descriptors: 4,
            layout: Layout::new(100, 8192).unwrap(),
        };
        assert_eq!(Welcome::decode(&welcome.encode()), Ok(welcome));
        assert_eq!(
            Welcome::decode(&Welcome::refusal(Errno::PERM)),
            Err(Errno::PERM)
        );
        assert_eq!(Welcome::decode(b"garbage"), Err(Errno::PROTO));
    }
}
