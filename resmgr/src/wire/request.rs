//! [`Request`]: what a client's bytes ask for.

use super::bytes::get;
use super::io::{Dup, IO_HEADER, Transfer, decode_seek};
use super::{COMBINE_FLAG, Connect, DevctlHeader, MessageType};
use crate::{Errno, Result};
use std::io::SeekFrom;

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
    Seek(SeekFrom),
    /// devctl(), with the first of its data.
    Devctl(DevctlHeader, &'a [u8]),
    /// A second descriptor of an open.
    Dup(Dup),
    /// A descriptor goes.
    Close,
}

impl<'a> Request<'a> {
    /// Decodes the first bytes of a message. Never panics, whatever they are.
    ///
    /// # Errors
    /// - `EBADMSG`: shorter than its type says, or a length points outside it.
    /// - `ENOSYS`: a type, or an extended type, that nobody here answers.
    /// - `EINVAL`: a seek that cannot be meant.
    /// - `ENAMETOOLONG`: a path longer than any can be.
    pub fn decode(message: &'a [u8]) -> Result<Self> {
        let rest = |from: usize| message.get(from..).unwrap_or(&[]);
        let kind = MessageType(get(message, 0)?);
        check_alone(kind, message)?;
        match kind {
            MessageType::CONNECT => {
                Connect::decode(message).map(|(one, next)| Self::Connect(one, next))
            }
            MessageType::READ => Transfer::decode(message).map(Self::Read),
            MessageType::WRITE => {
                Transfer::decode(message).map(|one| Self::Write(one, rest(one.header_len())))
            }
            MessageType::STAT => get::<u32>(message, 4).map(|_| Self::Stat),
            MessageType::LSEEK => decode_seek(message).map(Self::Seek),
            MessageType::DEVCTL => {
                DevctlHeader::decode(message).map(|one| Self::Devctl(one, rest(IO_HEADER)))
            }
            MessageType::DUP => Dup::decode(message).map(Self::Dup),
            MessageType::CLOSE => get::<u16>(message, 2).map(|_| Self::Close),
            _ => Err(Errno::NOSYS),
        }
    }
}

/// A combine begins with a connect message; no other may have a follower.
fn check_alone(kind: MessageType, message: &[u8]) -> Result<()> {
    if kind != MessageType::CONNECT
        && get::<u16>(message, 2).is_ok_and(|len| len & COMBINE_FLAG != 0)
    {
        return Err(Errno::NOSYS);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::Request;
    use crate::Errno;
    use crate::wire::{self, Dcmd, DevctlHeader, DevctlReply, Dup, MessageType, Transfer};
    use std::io::SeekFrom;

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
            bytes(|out| wire::encode_seek(SeekFrom::End(-1), out).unwrap()).len(),
            16
        );
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
    fn what_was_encoded_is_decoded() {
        for to in [SeekFrom::Start(9), SeekFrom::Current(-3), SeekFrom::End(-1)] {
            let seek = bytes(|out| wire::encode_seek(to, out).unwrap());
            assert_eq!(Request::decode(&seek), Ok(Request::Seek(to)));
        }
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
        assert_eq!(Request::decode(&0x1FF_u16.to_ne_bytes()), Err(Errno::NOSYS));
        assert_eq!(
            Request::decode(&0xF000_u16.to_ne_bytes()),
            Err(Errno::NOSYS)
        );
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
