//! The messages about an open itself: [`Dup`], [`OpenFd`], [`FdInfo`](FdInfoReply).

use super::bytes::{get, put};
use super::{MessageType, OpenFlags};
use crate::Result;

/// _IO_DUP: the connection that the new one is to share its open with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[doc(alias = "_io_dup")]
pub struct Dup {
    /// The client on that channel, as the server names it.
    pub scoid: u32,
    /// The connection.
    pub coid: i32,
}

impl Dup {
    /// Bytes on the wire: the header, four of padding, the 64 of a _msg_info, two words.
    pub const SIZE: usize = 80;

    pub(super) fn decode(message: &[u8]) -> Result<Self> {
        get::<u32>(message, Self::SIZE - 4)?;
        Ok(Self {
            scoid: get(message, 28)?,
            coid: get(message, 32)?,
        })
    }

    /// Appends the message.
    pub fn encode(&self, out: &mut Vec<u8>) {
        put!(out; MessageType::DUP.0, 0_u16, 0_u32);
        encode_info(self.scoid, self.coid, out);
        put!(out; 0_u32, 0_u32);
    }
}

/// _IO_OPENFD: the connection whose file the new one is to open again, with flags and a position of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[doc(alias = "_io_openfd")]
pub struct OpenFd {
    /// How to open.
    pub flags: OpenFlags,
    /// Share modes.
    pub share: u16,
    /// The client on that channel, as the server names it.
    pub scoid: u32,
    /// The connection that is open already.
    pub coid: i32,
}

impl OpenFd {
    /// Bytes on the wire: the header, three words, padding, the 64 of a _msg_info, two words.
    pub const SIZE: usize = 88;

    pub(super) fn decode(message: &[u8]) -> Result<Self> {
        get::<u32>(message, Self::SIZE - 4)?;
        Ok(Self {
            flags: OpenFlags::from_bits_retain(get(message, 4)?),
            share: get(message, 8)?,
            scoid: get(message, 36)?,
            coid: get(message, 40)?,
        })
    }

    /// Appends the message.
    pub fn encode(&self, out: &mut Vec<u8>) {
        put!(out; MessageType::OPENFD.0, 0_u16, self.flags.bits(), self.share, 0_u16, 0_u32);
        encode_info(self.scoid, self.coid, out);
        put!(out; 0_u32, 0_u32);
    }
}

/// A _msg_info of which a server needs two words only.
pub(super) fn encode_info(scoid: u32, coid: i32, out: &mut Vec<u8>) {
    put!(out; 0_u32, 0_u32, 0_i32, 0_i32, 0_i32, scoid, coid, 0_i16, 0_i16);
    put!(out; 0_i64, 0_i64, 0_i64, 0_u32, 0_u32);
}

/// In an _IO_FDINFO: the path below the server's name, not from the root.
#[doc(alias = "_FDINFO_FLAG_LOCALPATH")]
pub const FDINFO_LOCAL_PATH: u32 = 1;

/// Appends an _IO_FDINFO: flags, and room for the path in bytes.
#[doc(alias = "_io_fdinfo")]
pub fn encode_fd_info(flags: u32, path_room: u32, out: &mut Vec<u8>) {
    put!(out; MessageType::FDINFO.0, 0_u16, flags, path_room, 0_u32);
}

pub(super) fn decode_fd_info(message: &[u8]) -> Result<u32> {
    get::<u32>(message, 12)?;
    get(message, 4)
}

/// The reply to an _IO_FDINFO: two zero words, 48 bytes about the open, and the path, which is not closed by
/// a NUL. The status is the length of the path, also where it had no room. (The 48 bytes have a layout of ours.)
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[doc(alias = "_io_fdinfo_reply")]
#[doc(alias = "_fdinfo")]
pub struct FdInfoReply {
    /// Type and permission bits of the file.
    pub mode: u32,
    /// How it was opened.
    pub flags: OpenFlags,
    /// The position.
    pub offset: u64,
    /// Bytes of the file.
    pub size: u64,
    /// Share modes.
    pub share: u16,
    /// Opens of the file.
    pub count: u16,
    /// Those for reading.
    pub readers: u16,
    /// Those for writing.
    pub writers: u16,
    /// The path; empty when the server does not know one.
    pub path: Vec<u8>,
}

impl FdInfoReply {
    /// Bytes before the path.
    pub const HEADER: usize = 56;

    /// Reads the reply. The path is what follows the fixed part; too few bytes are `EBADMSG`.
    pub fn decode(reply: &[u8]) -> Result<Self> {
        get::<u32>(reply, Self::HEADER - 4)?;
        Ok(Self {
            mode: get(reply, 8)?,
            flags: OpenFlags::from_bits_retain(get(reply, 12)?),
            offset: get(reply, 16)?,
            size: get(reply, 24)?,
            share: get(reply, 36)?,
            count: get(reply, 38)?,
            readers: get(reply, 40)?,
            writers: get(reply, 42)?,
            path: reply.get(Self::HEADER..).unwrap_or_default().to_vec(),
        })
    }

    /// Appends the reply.
    pub fn encode(&self, out: &mut Vec<u8>) {
        put!(out; 0_u32, 0_u32, self.mode, self.flags.bits(), self.offset, self.size, 0_u32);
        put!(out; self.share, self.count, self.readers, self.writers, 0_u16, 0_u16, 0_u64);
        out.extend_from_slice(&self.path);
    }
}

#[cfg(test)]
mod tests {
    use super::{Dup, FdInfoReply, OpenFd};
    use crate::Errno;
    use crate::wire::{self, OpenFlags, Request};

    fn check(request: Request<'_>, size: usize, write: impl FnOnce(&mut Vec<u8>)) {
        let mut bytes = Vec::new();
        write(&mut bytes);
        assert_eq!((bytes.len(), Request::decode(&bytes)), (size, Ok(request)));
        for len in 0..bytes.len() {
            assert_eq!(Request::decode(&bytes[..len]), Err(Errno::BADMSG));
        }
    }

    #[test]
    fn what_was_encoded_is_decoded_and_what_is_cut_short_is_malformed() {
        let (scoid, coid) = (65_537, 0x4000_0001);
        let dup = Dup { scoid, coid };
        check(Request::Dup(dup), Dup::SIZE, |out| dup.encode(out));
        let open = OpenFd {
            flags: OpenFlags::READ | OpenFlags::APPEND,
            share: 3,
            scoid,
            coid,
        };
        check(Request::OpenFd(open), OpenFd::SIZE, |out| open.encode(out));
        check(Request::FdInfo(1), 16, |out| {
            wire::encode_fd_info(1, 9, out);
        });
    }

    #[test]
    fn the_reply_carries_the_path() {
        let reply = FdInfoReply {
            mode: 0o20_666,
            flags: OpenFlags::WRITE,
            offset: 3,
            size: 1 << 40,
            share: 1,
            count: 2,
            readers: 4,
            writers: 5,
            path: b"/dev/x".to_vec(),
        };
        let mut bytes = Vec::new();
        reply.encode(&mut bytes);
        assert_eq!(bytes.len(), FdInfoReply::HEADER + 6);
        assert_eq!(FdInfoReply::decode(&bytes), Ok(reply));
        assert_eq!(FdInfoReply::decode(&bytes[..55]), Err(Errno::BADMSG));
    }
}
