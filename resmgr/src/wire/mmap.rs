//! [`MmapRequest`]: _IO_MMAP, which asks for something that can be mapped.

use super::MessageType;
use super::bytes::{get, put};
use super::fd::encode_info;
use crate::Result;

bitflags::bitflags! {
    /// What the memory is to be for. The numbers are Linux's.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub struct Protection: u32 {
        /// Reading.
        #[doc(alias = "PROT_READ")]
        const READ = 1;
        /// Writing.
        #[doc(alias = "PROT_WRITE")]
        const WRITE = 2;
        /// Running.
        #[doc(alias = "PROT_EXEC")]
        const EXECUTE = 4;
    }
}

/// _IO_MMAP, 104 bytes: header, protection, offset, a _msg_info that says nothing, and the length in the first
/// two of six words that are zero in QNX's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[doc(alias = "_io_mmap")]
pub struct MmapRequest {
    /// What the memory is to be for.
    pub prot: Protection,
    /// Where in the file it begins.
    pub offset: u64,
    /// Bytes; 0: the client does not say.
    pub len: u64,
}

impl MmapRequest {
    /// Bytes on the wire.
    pub const SIZE: usize = 104;

    pub(super) fn decode(message: &[u8]) -> Result<Self> {
        get::<u32>(message, Self::SIZE - 4)?;
        Ok(Self {
            prot: Protection::from_bits_truncate(get(message, 4)?),
            offset: get(message, 8)?,
            len: get(message, 80)?,
        })
    }

    /// Appends the message.
    pub fn encode(&self, out: &mut Vec<u8>) {
        put!(out; MessageType::MMAP.0, 0_u16, self.prot.bits(), self.offset);
        encode_info(0, 0, out);
        put!(out; self.len, 0_u64, 0_u64);
    }
}

/// The reply to an _IO_MMAP, 24 bytes: a zero word, flags, offset, and two words for a connection and a
/// descriptor. Here the descriptor goes with the reply by itself: the words are -1 and 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[doc(alias = "_io_mmap_reply")]
pub struct MmapReply {
    /// Reserved.
    pub flags: u32,
    /// Where in the descriptor's file the memory begins.
    pub offset: u64,
}

impl MmapReply {
    /// Bytes on the wire.
    pub const SIZE: usize = 24;

    /// Reads the reply; too few bytes are `EBADMSG`.
    pub fn decode(reply: &[u8]) -> Result<Self> {
        get::<u32>(reply, Self::SIZE - 4)?;
        Ok(Self {
            flags: get(reply, 4)?,
            offset: get(reply, 8)?,
        })
    }

    /// Appends the reply.
    pub fn encode(&self, out: &mut Vec<u8>) {
        put!(out; 0_u32, self.flags, self.offset, -1_i32, 0_i32);
    }
}

#[cfg(test)]
mod tests {
    use super::{MmapReply, MmapRequest, Protection};
    use crate::Errno;
    use crate::wire::Request;

    #[test]
    fn what_was_encoded_is_decoded_and_what_is_cut_short_is_malformed() {
        let map = MmapRequest {
            prot: Protection::READ | Protection::WRITE,
            offset: 1 << 40,
            len: 4096,
        };
        let mut bytes = Vec::new();
        map.encode(&mut bytes);
        assert_eq!(bytes.len(), MmapRequest::SIZE);
        assert_eq!(Request::decode(&bytes), Ok(Request::Mmap(map)));
        for len in 0..bytes.len() {
            assert_eq!(Request::decode(&bytes[..len]), Err(Errno::BADMSG));
        }
        let reply = MmapReply {
            flags: 1,
            offset: 9,
        };
        let mut bytes = Vec::new();
        reply.encode(&mut bytes);
        assert_eq!(MmapReply::decode(&bytes), Ok(reply));
        assert_eq!(MmapReply::decode(&bytes[..23]), Err(Errno::BADMSG));
    }
}
