//! [`Space`]: _IO_SPACE, which cuts, frees and allocates.

use super::bytes::{get, put};
use super::{MessageType, Seek};
use crate::{Errno, Result};

/// What becomes of the space.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SpaceKind {
    /// It is taken, as posix_fallocate() has it: the file grows if it must. Subtype 10; 110 in the form with
    /// 64 bits, which has the same layout here.
    #[doc(alias = "F_ALLOCSP")]
    Allocate,
    /// It is given back, and reads as zeros. Without a length, the file ends where it begins, also if that is
    /// behind its end: ftruncate(). Subtype 11; 111 in the form with 64 bits.
    #[doc(alias = "F_FREESP")]
    Free,
}

/// _IO_SPACE, 24 bytes: header, subtype, `whence`, start, length. The subtypes have the classic numbers of System
/// V; those of the forms with 64 bits are ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[doc(alias = "_io_space")]
pub struct Space {
    /// What is to be done.
    pub kind: SpaceKind,
    /// Where the space begins: `Start`, `Current` or `End`.
    pub base: Seek,
    /// Bytes; 0 stands for all to the end, and cuts the file.
    pub len: u64,
}

impl Space {
    /// `EBADMSG`: too short. `EINVAL`: no such subtype or place.
    pub(super) fn decode(message: &[u8]) -> Result<Self> {
        let (subtype, whence): (u16, i16) = (get(message, 4)?, get(message, 6)?);
        let (start, len): (i64, u64) = (get(message, 8)?, get(message, 16)?);
        Ok(Self {
            kind: match subtype {
                10 | 110 => SpaceKind::Allocate,
                11 | 111 => SpaceKind::Free,
                _ => return Err(Errno::INVAL),
            },
            base: Seek::base_from_words(whence, start)?,
            len,
        })
    }

    /// Appends the message.
    ///
    /// # Errors
    /// - `EINVAL`: a start that no file can have.
    pub fn encode(&self, out: &mut Vec<u8>) -> Result<()> {
        let (whence, start) = self.base.to_words()?;
        let subtype: u16 = match self.kind {
            SpaceKind::Allocate => 110,
            SpaceKind::Free => 111,
        };
        put!(out; MessageType::SPACE.0, 0_u16, subtype, whence, start, self.len);
        Ok(())
    }
}

/// Reads the reply to an _IO_SPACE: the file's size afterwards.
pub fn decode_space_reply(reply: &[u8]) -> Result<u64> {
    get(reply, 0)
}

#[cfg(test)]
mod tests {
    use super::{Space, SpaceKind};
    use crate::Errno;
    use crate::wire::{Request, Seek};

    #[test]
    fn hp11_what_was_encoded_is_decoded_and_what_is_cut_short_is_malformed() {
        for (kind, base, len) in [
            (SpaceKind::Free, Seek::Start(9), 0),
            (SpaceKind::Allocate, Seek::Current(-3), 1 << 40),
            (SpaceKind::Free, Seek::End(-9), u64::MAX),
        ] {
            let (space, mut bytes) = (Space { kind, base, len }, Vec::new());
            space.encode(&mut bytes).unwrap();
            assert_eq!(bytes.len(), 24);
            assert_eq!(Request::decode(&bytes), Ok(Request::Space(space)));
            for len in 0..bytes.len() {
                assert_eq!(Request::decode(&bytes[..len]), Err(Errno::BADMSG));
            }
            bytes[4] -= 100;
            assert_eq!(Request::decode(&bytes), Ok(Request::Space(space)));
            bytes[6] = 3;
            assert_eq!(Request::decode(&bytes), Err(Errno::INVAL));
            bytes[4] = 0;
            assert_eq!(Request::decode(&bytes), Err(Errno::INVAL));
        }
    }
}
