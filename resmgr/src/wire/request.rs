//! [`Request`]: what a client's bytes ask for.

use super::attributes::{Utime, decode_chmod, decode_chown, decode_pathconf, decode_sync};
use super::bytes::get;
use super::fd::decode_fd_info;
use super::{
    COMBINE_FLAG, Connect, DevctlHeader, Dup, IO_HEADER, LockRequest, MessageType, MmapRequest,
    Msg, Notify, OpenFd, Seek, Space, Transfer, Xattr,
};
use crate::{Errno, Result};

/// A decoded message. Its data may go on behind the bytes that it was decoded from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Request<'a> {
    /// A path; the second part is what follows it in a combine.
    Connect(Connect<'a>, &'a [u8]),
    /// read().
    Read(Transfer),
    /// write(), with the first of its data.
    Write(Transfer, &'a [u8]),
    /// fstat().
    Stat,
    /// lseek().
    Seek(Seek),
    /// readblock() and writeblock(): a seek, and the read or write that comes behind it, to be decoded in its
    /// turn.
    Combine(Seek, &'a [u8]),
    /// devctl(), with the first of its data.
    Devctl(DevctlHeader, &'a [u8]),
    /// A second descriptor of an open.
    Dup(Dup),
    /// A descriptor goes.
    Close,
    /// fchmod(): the new permission bits.
    Chmod(u32),
    /// fchown(); what is `None` stays.
    Chown {
        /// The new owner.
        uid: Option<u32>,
        /// The new group.
        gid: Option<u32>,
    },
    /// futimens().
    Utime(Utime),
    /// fpathconf(): which limit.
    Pathconf(u16),
    /// fsync(): [`SYNC_ALL`](super::SYNC_ALL) or [`SYNC_DATA`](super::SYNC_DATA).
    Sync(u32),
    /// ftruncate(), and the space of a file.
    Space(Space),
    /// Advisory locks.
    Lock(LockRequest),
    /// openfd(): the file of another connection once more.
    OpenFd(OpenFd),
    /// Where a descriptor leads; flags such as [`FDINFO_LOCAL_PATH`](super::FDINFO_LOCAL_PATH).
    FdInfo(u32),
    /// ionotify().
    Notify(Notify),
    /// mmap().
    Mmap(MmapRequest),
    /// A private message, with the first of its data.
    Msg(Msg, &'a [u8]),
    /// Extended attributes.
    Xattr(Xattr<'a>),
}

impl<'a> Request<'a> {
    /// Decodes the first bytes of a message. Never panics, whatever they are.
    ///
    /// # Errors
    /// - `EBADMSG`: shorter than its type says, or a length points outside it.
    /// - `ENOSYS`: a type, or an extended type, that nobody here answers.
    /// - `EINVAL`: a place, time, lock, event or flag that does not exist.
    /// - `ENAMETOOLONG`: a path longer than any can be.
    /// - `ERANGE`, `E2BIG`: name or value of an extended attribute has a length that none can have.
    pub fn decode(message: &'a [u8]) -> Result<Self> {
        let kind = MessageType(get(message, 0)?);
        if kind == MessageType::CONNECT {
            return Connect::decode(message).map(|(one, next)| Self::Connect(one, next));
        }
        if !get::<u16>(message, 2).is_ok_and(|len| len & COMBINE_FLAG != 0) {
            return Self::decode_one(kind, message);
        }
        // Beside a connect message, only a seek may have a follower.
        if kind != MessageType::LSEEK {
            return Err(Errno::NOSYS);
        }
        Seek::decode_combine(message).map(|(seek, next)| Self::Combine(seek, next))
    }

    /// Decodes a message of an open file that stands alone.
    fn decode_one(kind: MessageType, message: &'a [u8]) -> Result<Self> {
        let rest = |from: usize| message.get(from..).unwrap_or(&[]);
        Ok(match kind {
            MessageType::READ | MessageType::READ64 => Self::Read(Transfer::decode(message)?),
            MessageType::WRITE | MessageType::WRITE64 => {
                let one = Transfer::decode(message)?;
                Self::Write(one, rest(one.header_len()))
            }
            MessageType::STAT => get::<u32>(message, 4).map(|_| Self::Stat)?,
            MessageType::LSEEK => Self::Seek(Seek::decode(message)?),
            MessageType::DEVCTL => Self::Devctl(DevctlHeader::decode(message)?, rest(IO_HEADER)),
            MessageType::DUP => Self::Dup(Dup::decode(message)?),
            MessageType::CLOSE => get::<u16>(message, 2).map(|_| Self::Close)?,
            MessageType::MSG => match Msg::decode(message)? {
                Msg {
                    manager: Msg::XATTR,
                    subtype,
                } => Self::Xattr(Xattr::decode(subtype, message)?),
                one => Self::Msg(one, rest(Msg::HEADER)),
            },
            _ => return Self::decode_fixed(kind, message),
        })
    }

    /// Decodes a message that is a header only.
    fn decode_fixed(kind: MessageType, message: &'a [u8]) -> Result<Self> {
        Ok(match kind {
            MessageType::CHMOD => Self::Chmod(decode_chmod(message)?),
            MessageType::CHOWN => {
                let (uid, gid) = decode_chown(message)?;
                Self::Chown { uid, gid }
            }
            MessageType::UTIME => Self::Utime(Utime::decode(message)?),
            MessageType::UTIME64 => Self::Utime(Utime::decode64(message)?),
            MessageType::PATHCONF => Self::Pathconf(decode_pathconf(message)?),
            MessageType::SYNC => Self::Sync(decode_sync(message)?),
            MessageType::SPACE => Self::Space(Space::decode(message)?),
            MessageType::LOCK => Self::Lock(LockRequest::decode(message)?),
            MessageType::OPENFD => Self::OpenFd(OpenFd::decode(message)?),
            MessageType::FDINFO => Self::FdInfo(decode_fd_info(message)?),
            MessageType::NOTIFY | MessageType::NOTIFY64 => Self::Notify(Notify::decode(message)?),
            MessageType::MMAP => Self::Mmap(MmapRequest::decode(message)?),
            _ => return Err(Errno::NOSYS),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::Request;
    use crate::Errno;
    use crate::wire::{self, Dcmd, DevctlHeader, DevctlReply, Dup, MessageType, Transfer};

    fn bytes(write: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
        let mut out = Vec::new();
        write(&mut out);
        out
    }

    #[test]
    fn headers_have_the_sizes_of_qnx() {
        let plain = Transfer {
            len: 5,
            offset: None,
            nonblock: None,
        };
        assert_eq!(bytes(|out| plain.encode(MessageType::READ, out)).len(), 16);
        assert_eq!(bytes(wire::encode_stat).len(), 8);
        assert_eq!(bytes(wire::encode_close).len(), 4);
        assert_eq!(
            bytes(|out| Dup { scoid: 1, coid: 2 }.encode(out)).len(),
            Dup::SIZE
        );
        let devctl = DevctlHeader {
            command: Dcmd::none(1, 1),
            len: 0,
        };
        assert_eq!(bytes(|out| devctl.encode(out)).len(), 16);
        assert_eq!(
            bytes(|out| DevctlReply { value: 1, len: 0 }.encode(out)).len(),
            16
        );
    }

    #[test]
    fn if9_none_and_offset_are_known_and_any_other_extended_type_is_enosys() {
        let at = Transfer {
            len: 5,
            offset: Some(1 << 40),
            nonblock: Some(true),
        };
        let mut write = bytes(|out| at.encode(MessageType::WRITE, out));
        write.extend_from_slice(b"hello");
        assert_eq!(Request::decode(&write), Ok(Request::Write(at, b"hello")));
        let plain = Transfer {
            len: 5,
            offset: None,
            nonblock: Some(false),
        };
        let mut read = bytes(|out| plain.encode(MessageType::READ, out));
        assert_eq!(Request::decode(&read), Ok(Request::Read(plain)));
        read[8] = 1;
        assert_eq!(Request::decode(&read), Err(Errno::NOSYS));
    }

    #[test]
    fn a_count_of_more_than_32_bits_is_the_most_that_they_can_say() {
        let one = |kind: MessageType, high: u32| {
            let mut message = bytes(|out| {
                let len = 7;
                Transfer {
                    len,
                    offset: None,
                    nonblock: None,
                }
                .encode(kind, out);
            });
            message[12..16].copy_from_slice(&high.to_ne_bytes());
            match Request::decode(&message) {
                Ok(Request::Read(one) | Request::Write(one, _)) => one.len,
                other => panic!("{other:?}"),
            }
        };
        assert_eq!(one(MessageType::READ64, 0), 7);
        assert_eq!(one(MessageType::READ64, 1), u32::MAX);
        assert_eq!(one(MessageType::WRITE64, 1), u32::MAX);
        assert_eq!(one(MessageType::WRITE, 1), 7);
    }

    #[test]
    fn what_was_encoded_is_decoded() {
        let dup = Dup {
            scoid: 65_537,
            coid: 0x4000_0001,
        };
        assert_eq!(
            Request::decode(&bytes(|out| dup.encode(out))),
            Ok(Request::Dup(dup))
        );
        let devctl = DevctlHeader {
            command: Dcmd::to_device::<u16>(5, 1),
            len: 2,
        };
        let mut message = bytes(|out| devctl.encode(out));
        message.extend_from_slice(&[1, 2]);
        assert_eq!(
            Request::decode(&message),
            Ok(Request::Devctl(devctl, &[1, 2]))
        );
        assert_eq!(
            Request::decode(&bytes(wire::encode_stat)),
            Ok(Request::Stat)
        );
        assert_eq!(
            Request::decode(&bytes(wire::encode_close)),
            Ok(Request::Close)
        );
    }

    #[test]
    fn a_message_cut_short_is_malformed() {
        let dup = bytes(|out| Dup { scoid: 1, coid: 2 }.encode(out));
        for len in 0..dup.len() {
            assert_eq!(
                Request::decode(&dup[..len]),
                Err(Errno::BADMSG),
                "{len} bytes"
            );
        }
    }

    #[test]
    fn an_unknown_type_is_enosys() {
        for kind in [0x1FF_u16, 0xF000, MessageType::SHUTDOWN.0] {
            assert_eq!(Request::decode(&kind.to_ne_bytes()), Err(Errno::NOSYS));
        }
    }

    #[test]
    fn random_bytes_never_panic() {
        let mut state = 0x9E37_79B9_7F4A_7C15_u64;
        let mut random = move || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state
        };
        for round in 0..20_000_u64 {
            let len = usize::try_from(random() % 128).unwrap();
            let mut message: Vec<u8> = (0..len).map(|_| random().to_ne_bytes()[0]).collect();
            let kind = 0x100 + u16::try_from(round % 0x24).unwrap();
            for (to, from) in message.iter_mut().zip(kind.to_ne_bytes()) {
                *to = from;
            }
            let _ = Request::decode(&message);
            let _ = wire::LinkReply::decode(&message);
            let _ = wire::dirents(&message).count();
        }
    }
}
