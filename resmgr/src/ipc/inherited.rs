//! What a descriptor says of the connection that it stands for, for children and new programs.

use super::link::ClientLink;
use super::{ChannelId, ConnectFlags, Target};
use resmgr_sys::{Errno, Result, process};

/// Nothing tells the exec of a new child from any other: what children must not have goes with both.
pub(super) fn closes_on_exec(flags: ConnectFlags) -> bool {
    flags.intersects(ConnectFlags::CLOEXEC | ConnectFlags::NOINHERIT)
}

/// Flags of a connection that this program finds: it is marked if this program has rights that whoever
/// started it does not have.
pub(super) fn found_flags(said: ConnectFlags) -> ConnectFlags {
    if process::is_privileged() {
        said | ConnectFlags::INSECURE
    } else {
        said
    }
}

/// What a descriptor says of its connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Text {
    pub(super) target: Target,
    /// Which channel of that number: see [`Far::birth`](super::link::Far).
    pub(super) birth: u64,
    pub(super) flags: ConnectFlags,
}

impl Text {
    const MAGIC: u32 = u32::from_ne_bytes(*b"RSMC");
    const VERSION: u32 = 1;
    pub(super) const BYTES: usize = 32;

    pub(super) fn of(link: &ClientLink, flags: ConnectFlags) -> Self {
        let target = Target {
            nd: 0,
            pid: link.far.pid,
            chid: link.far.chid,
        };
        Self {
            target,
            birth: link.far.birth,
            flags,
        }
    }

    pub(super) fn encode(self) -> [u8; Self::BYTES] {
        let Target { nd, pid, chid } = self.target;
        let words = [
            Self::MAGIC,
            Self::VERSION,
            nd,
            pid,
            chid.0,
            self.flags.bits(),
        ];
        let mut bytes = [0; Self::BYTES];
        for (place, word) in bytes.chunks_exact_mut(4).zip(words) {
            place.copy_from_slice(&word.to_ne_bytes());
        }
        bytes[24..].copy_from_slice(&self.birth.to_ne_bytes());
        bytes
    }

    /// Whoever started this program may have written it. It names a channel that this process could attach to
    /// by itself, and no more than that comes of it: the server checks this process's own rights.
    ///
    /// # Errors
    /// - `EBADF`: no text of this kind, or the connection was not meant for children.
    pub(super) fn decode(bytes: &[u8; Self::BYTES]) -> Result<Self> {
        let mut words = bytes.chunks_exact(4).map(|field| {
            field
                .first_chunk()
                .map_or(0, |field| u32::from_ne_bytes(*field))
        });
        let mut word = || words.next().unwrap_or(0);
        if (word(), word()) != (Self::MAGIC, Self::VERSION) {
            return Err(Errno::BADF);
        }
        let target = Target {
            nd: word(),
            pid: word(),
            chid: ChannelId(word()),
        };
        let flags = ConnectFlags::from_bits(word()).ok_or(Errno::BADF)?;
        let birth = bytes[24..]
            .first_chunk()
            .map_or(0, |field| u64::from_ne_bytes(*field));
        let named = target.nd == 0 && target.pid != 0 && birth != 0;
        if !named || flags.intersects(ConnectFlags::NOINHERIT | ConnectFlags::DEAD) {
            return Err(Errno::BADF);
        }
        Ok(Self {
            target,
            birth,
            flags,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::Text;
    use crate::ipc::{ChannelId, ConnectFlags, Target};
    use resmgr_sys::Errno;

    #[test]
    fn texts_survive_the_way_and_others_are_refused() {
        let target = Target {
            nd: 0,
            pid: 5,
            chid: ChannelId(6),
        };
        let text = Text {
            target,
            birth: 1 << 40 | 7,
            flags: ConnectFlags::REG_EVENTS,
        };
        assert_eq!(Text::decode(&text.encode()), Ok(text));
        let refused = |change: fn(&mut Text)| {
            let mut text = text;
            change(&mut text);
            assert_eq!(Text::decode(&text.encode()), Err(Errno::BADF));
        };
        refused(|text| text.target.nd = 1);
        refused(|text| text.target.pid = 0);
        refused(|text| text.birth = 0);
        refused(|text| text.flags = ConnectFlags::NOINHERIT);
        refused(|text| text.flags = ConnectFlags::from_bits_retain(1 << 30));
        assert_eq!(Text::decode(&[0; Text::BYTES]), Err(Errno::BADF));
    }
}
