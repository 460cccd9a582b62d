//! [`LockRequest`]: _IO_LOCK, the advisory locks of fcntl() and flock().

use super::bytes::{get, put};
use super::{MessageType, Seek};
use crate::{Errno, Result};

/// Whose lock, and whether to wait for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LockAction {
    /// Of the process: tell what stands in the way. Subtype 5.
    #[doc(alias = "F_GETLK")]
    Get,
    /// Of the process: now, or `EAGAIN`. Subtype 6.
    #[doc(alias = "F_SETLK")]
    Set,
    /// Of the process: wait for it. Subtype 7.
    #[doc(alias = "F_SETLKW")]
    SetWait,
    /// Of the open, and of the whole file: now, or `EAGAIN`. Subtype 0x100; the number is ours.
    #[doc(alias = "flock")]
    #[doc(alias = "LOCK_NB")]
    Flock,
    /// Of the open, and of the whole file: wait for it. Subtype 0x101; the number is ours.
    #[doc(alias = "flock")]
    FlockWait,
}

const ACTIONS: [(u32, LockAction); 5] = [
    (5, LockAction::Get),
    (6, LockAction::Set),
    (7, LockAction::SetWait),
    (0x100, LockAction::Flock),
    (0x101, LockAction::FlockWait),
];

/// What is locked out. The numbers are Linux's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LockKind {
    /// Writers: 0.
    #[doc(alias = "F_RDLCK")]
    #[doc(alias = "LOCK_SH")]
    Read,
    /// Everybody else: 1.
    #[doc(alias = "F_WRLCK")]
    #[doc(alias = "LOCK_EX")]
    Write,
    /// Nobody: the lock goes, or there is none: 2.
    #[doc(alias = "F_UNLCK")]
    #[doc(alias = "LOCK_UN")]
    Unlock,
}

const KINDS: [(i16, LockKind); 3] = [
    (0, LockKind::Read),
    (1, LockKind::Write),
    (2, LockKind::Unlock),
];

/// Bytes of a `struct flock`: type and `whence` (16 bits each), padding, start and length (64 bits), process,
/// and a zero word.
const FLOCK: u32 = 32;

/// _IO_LOCK, 44 bytes: header, subtype, length of what follows, and a `struct flock`. The subtypes are Linux's
/// commands of fcntl().
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[doc(alias = "_io_lock")]
pub struct LockRequest {
    /// What is to be done.
    pub action: LockAction,
    /// The lock.
    pub kind: LockKind,
    /// Where the range begins: `Start`, `Current` or `End`. Of no meaning to flock().
    pub base: Seek,
    /// Bytes; 0 stands for all that come behind, also later, and a negative number for those before.
    pub len: i64,
}

impl LockRequest {
    /// `EBADMSG`: too short. `EINVAL`: no such action, kind or place.
    pub(super) fn decode(message: &[u8]) -> Result<Self> {
        let (subtype, nbytes): (u32, u32) = (get(message, 4)?, get(message, 8)?);
        let (kind, whence): (i16, i16) = (get(message, 12)?, get(message, 14)?);
        let (start, len): (i64, i64) = (get(message, 20)?, get(message, 28)?);
        get::<u64>(message, 36)?;
        if nbytes < FLOCK {
            return Err(Errno::BADMSG);
        }
        Ok(Self {
            action: named(&ACTIONS, subtype)?,
            kind: named(&KINDS, kind)?,
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
        let (subtype, kind) = (number(&ACTIONS, self.action), number(&KINDS, self.kind));
        put!(out; MessageType::LOCK.0, 0_u16, subtype, FLOCK);
        put!(out; kind, whence, 0_u32, start, self.len, 0_i32, 0_u32);
        Ok(())
    }
}

/// The reply to [`LockAction::Get`], 44 bytes: three zero words and a `struct flock`. Other actions have none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[doc(alias = "_io_lock_reply")]
pub struct LockReply {
    /// What stands in the way; [`Unlock`](LockKind::Unlock): nothing.
    pub kind: LockKind,
    /// Where it begins, from the start of the file.
    pub start: u64,
    /// Its bytes; 0 stands for all that come behind.
    pub len: u64,
    /// The process that has it; 0 when it is none's.
    pub pid: i32,
}

impl LockReply {
    /// Bytes on the wire.
    pub const SIZE: usize = 44;

    /// Nothing stands in the way.
    pub const FREE: Self = Self {
        kind: LockKind::Unlock,
        start: 0,
        len: 0,
        pid: 0,
    };

    /// Reads the reply: `EBADMSG` for too few bytes, `EINVAL` for a kind that does not exist.
    pub fn decode(reply: &[u8]) -> Result<Self> {
        get::<u32>(reply, Self::SIZE - 4)?;
        Ok(Self {
            kind: named(&KINDS, get(reply, 12)?)?,
            start: get(reply, 20)?,
            len: get(reply, 28)?,
            pid: get(reply, 36)?,
        })
    }

    /// Appends the reply.
    pub fn encode(&self, out: &mut Vec<u8>) {
        put!(out; 0_u32, 0_u32, 0_u32, number(&KINDS, self.kind), 0_i16, 0_u32);
        put!(out; self.start, self.len, self.pid, 0_u32);
    }
}

fn named<N: PartialEq + Copy, T: Copy>(table: &[(N, T)], number: N) -> Result<T> {
    let found = table.iter().find(|(known, _)| *known == number);
    found.map(|(_, name)| *name).ok_or(Errno::INVAL)
}

fn number<N: Copy + Default, T: PartialEq + Copy>(table: &[(N, T)], name: T) -> N {
    let found = table.iter().find(|(_, known)| *known == name);
    found.map_or_else(N::default, |(number, _)| *number)
}

#[cfg(test)]
mod tests {
    use super::{ACTIONS, KINDS, LockKind, LockReply, LockRequest};
    use crate::Errno;
    use crate::wire::{Request, Seek};

    #[test]
    fn if15_what_was_encoded_is_decoded_and_what_is_cut_short_is_malformed() {
        for ((_, action), (_, kind)) in ACTIONS.into_iter().zip(KINDS.into_iter().cycle()) {
            let lock = LockRequest {
                action,
                kind,
                base: Seek::End(-5),
                len: -1,
            };
            let mut bytes = Vec::new();
            lock.encode(&mut bytes).unwrap();
            assert_eq!(bytes.len(), 44);
            assert_eq!(Request::decode(&bytes), Ok(Request::Lock(lock)));
            for len in 0..bytes.len() {
                assert_eq!(Request::decode(&bytes[..len]), Err(Errno::BADMSG));
            }
            for place in [4, 12, 14] {
                let mut odd = bytes.clone();
                odd[place] = 99;
                assert_eq!(Request::decode(&odd), Err(Errno::INVAL));
            }
        }
    }

    #[test]
    fn the_reply_tells_who_has_the_lock() {
        let reply = LockReply {
            kind: LockKind::Write,
            start: 7,
            len: u64::MAX,
            pid: 12,
        };
        let mut bytes = Vec::new();
        reply.encode(&mut bytes);
        assert_eq!(bytes.len(), LockReply::SIZE);
        assert_eq!(LockReply::decode(&bytes), Ok(reply));
        assert_eq!(LockReply::decode(&bytes[..43]), Err(Errno::BADMSG));
    }
}
