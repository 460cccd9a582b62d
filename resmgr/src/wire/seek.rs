//! [`Seek`]: _IO_LSEEK, and places in a file as other messages name them.

use super::bytes::{get, put};
use super::{COMBINE_FLAG, IO_HEADER, MessageType};
use crate::{Errno, Result};
use std::io::SeekFrom;

/// Where to, as lseek() says it. The numbers are Linux's, which QNX's are as well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[doc(alias = "_io_lseek")]
pub enum Seek {
    /// Bytes from the start.
    #[doc(alias = "SEEK_SET")]
    Start(u64),
    /// Bytes from the position.
    #[doc(alias = "SEEK_CUR")]
    Current(i64),
    /// Bytes from the end.
    #[doc(alias = "SEEK_END")]
    End(i64),
    /// The first byte from here on that was written.
    #[doc(alias = "SEEK_DATA")]
    Data(u64),
    /// The first byte from here on that was not; at the latest, the end.
    #[doc(alias = "SEEK_HOLE")]
    Hole(u64),
}

impl From<SeekFrom> for Seek {
    fn from(to: SeekFrom) -> Self {
        match to {
            SeekFrom::Start(offset) => Self::Start(offset),
            SeekFrom::Current(offset) => Self::Current(offset),
            SeekFrom::End(offset) => Self::End(offset),
        }
    }
}

impl Seek {
    /// From `whence` and offset.
    ///
    /// # Errors
    /// - `EINVAL`: no such `whence`, or a negative offset from the start.
    pub(super) fn from_words(whence: i16, offset: i64) -> Result<Self> {
        let from_start = u64::try_from(offset).map_err(|_| Errno::INVAL);
        match whence {
            0 => from_start.map(Self::Start),
            1 => Ok(Self::Current(offset)),
            2 => Ok(Self::End(offset)),
            3 => from_start.map(Self::Data),
            4 => from_start.map(Self::Hole),
            _ => Err(Errno::INVAL),
        }
    }

    /// The same where only the start, the position and the end can be meant.
    pub(super) fn base_from_words(whence: i16, offset: i64) -> Result<Self> {
        match Self::from_words(whence, offset)? {
            Self::Data(_) | Self::Hole(_) => Err(Errno::INVAL),
            base => Ok(base),
        }
    }

    /// As `whence` and offset.
    ///
    /// # Errors
    /// - `EINVAL`: an offset from the start that no file can have.
    pub(super) fn to_words(self) -> Result<(i16, i64)> {
        let offset = |offset| i64::try_from(offset).map_err(|_| Errno::INVAL);
        Ok(match self {
            Self::Start(from) => (0, offset(from)?),
            Self::Current(by) => (1, by),
            Self::End(by) => (2, by),
            Self::Data(from) => (3, offset(from)?),
            Self::Hole(from) => (4, offset(from)?),
        })
    }

    /// `EBADMSG` for too few bytes; `EINVAL` as [`from_words`](Self::from_words).
    pub(super) fn decode(message: &[u8]) -> Result<Self> {
        Self::from_words(get(message, 4)?, get(message, 8)?)
    }

    /// A seek with a message behind it, and that message: a read or a write.
    ///
    /// # Errors
    /// - `EBADMSG`: the length points outside the message.
    /// - `ENOSYS`: what follows is neither, or has a follower itself.
    pub(super) fn decode_combine(message: &[u8]) -> Result<(Self, &[u8])> {
        let seek = Self::decode(message)?;
        let len = usize::from(get::<u16>(message, 2)? & !COMBINE_FLAG);
        if len < IO_HEADER {
            return Err(Errno::BADMSG);
        }
        let next = message.get(len..).ok_or(Errno::BADMSG)?;
        let moves = matches!(
            MessageType(get(next, 0)?),
            MessageType::READ | MessageType::WRITE | MessageType::READ64 | MessageType::WRITE64
        );
        if moves && get::<u16>(next, 2)? & COMBINE_FLAG == 0 {
            Ok((seek, next))
        } else {
            Err(Errno::NOSYS)
        }
    }

    /// Appends the message.
    ///
    /// # Errors
    /// - `EINVAL`: an offset from the start that no file can have.
    pub fn encode(self, out: &mut Vec<u8>) -> Result<()> {
        self.encode_with(0, out)
    }

    /// Appends the message so that a read or a write may follow it at once: `readblock()`, `writeblock()`.
    ///
    /// # Errors
    /// As [`encode`](Self::encode).
    #[doc(alias = "readblock")]
    #[doc(alias = "writeblock")]
    pub fn encode_combine(self, out: &mut Vec<u8>) -> Result<()> {
        self.encode_with(COMBINE_FLAG | 16, out)
    }

    fn encode_with(self, combine_len: u16, out: &mut Vec<u8>) -> Result<()> {
        let (whence, offset) = self.to_words()?;
        put!(out; MessageType::LSEEK.0, combine_len, whence, 0_u16, offset);
        Ok(())
    }
}

/// Reads the reply to an _IO_LSEEK: the new position.
pub fn decode_seek_reply(reply: &[u8]) -> Result<u64> {
    get(reply, 0)
}

#[cfg(test)]
mod tests {
    use super::Seek;
    use crate::Errno;
    use crate::wire::{MessageType, Request, Transfer};

    const ALL: [Seek; 5] = [
        Seek::Start(9),
        Seek::Current(-3),
        Seek::End(-1),
        Seek::Data(1 << 40),
        Seek::Hole(0),
    ];

    #[test]
    fn what_was_encoded_is_decoded_and_what_is_cut_short_is_malformed() {
        for seek in ALL {
            let mut bytes = Vec::new();
            seek.encode(&mut bytes).unwrap();
            assert_eq!(Request::decode(&bytes), Ok(Request::Seek(seek)));
            for len in 0..bytes.len() {
                assert_eq!(Request::decode(&bytes[..len]), Err(Errno::BADMSG));
            }
        }
        let far = Seek::Start(u64::MAX).encode(&mut Vec::new());
        assert_eq!(far, Err(Errno::INVAL));
    }

    #[test]
    fn cb3_a_seek_may_have_a_read_or_a_write_behind_it_and_nothing_else() {
        let mut bytes = Vec::new();
        Seek::Start(512).encode_combine(&mut bytes).unwrap();
        assert_eq!(Request::decode(&bytes), Err(Errno::BADMSG));
        let alone = bytes.clone();
        let one = Transfer {
            len: 3,
            offset: None,
            nonblock: None,
        };
        one.encode(MessageType::WRITE, &mut bytes);
        bytes.extend_from_slice(b"abc");
        let Ok(Request::Combine(Seek::Start(512), next)) = Request::decode(&bytes) else {
            panic!("no combine");
        };
        assert_eq!(Request::decode(next), Ok(Request::Write(one, b"abc")));
        let twice = [alone.clone(), bytes].concat();
        assert_eq!(Request::decode(&twice), Err(Errno::NOSYS));
        let mut inside = [alone, vec![0; 16]].concat();
        inside[2..4].copy_from_slice(&0x8004_u16.to_ne_bytes());
        assert_eq!(Request::decode(&inside), Err(Errno::BADMSG));
    }
}
