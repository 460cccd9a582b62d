//! The messages that change a file's attributes, and the small ones beside them: mode, owner, times, limits,
//! sync.

use super::MessageType;
use super::bytes::{get, put};
use crate::{Errno, Result};

/// Nanoseconds in a second.
const SECOND: i64 = 1_000_000_000;
/// In place of nanoseconds: the server's clock. The number is Linux's.
const UTIME_NOW: i64 = (1 << 30) - 1;
/// In place of nanoseconds: stays as it is. The number is Linux's.
const UTIME_OMIT: i64 = (1 << 30) - 2;

/// What becomes of a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimeChange {
    /// It stays.
    #[doc(alias = "UTIME_OMIT")]
    Keep,
    /// It becomes what the server's clock says.
    #[doc(alias = "UTIME_NOW")]
    Now,
    /// It becomes this, in nanoseconds since 1970.
    At(i64),
}

/// _IO_UTIME and _IO_UTIME64: new times of a file.
///
/// _IO_UTIME is 24 bytes: header, `cur_flag` (not 0: both become the server's time), and two times in whole
/// seconds of 64 bits. _IO_UTIME64 is ours, 40 bytes: header, a zero word, and two pairs of seconds and
/// nanoseconds, 64 bits each; of the nanoseconds, `UTIME_NOW` and `UTIME_OMIT` mean what they do in
/// utimensat(). Clients send the latter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[doc(alias = "_io_utime")]
pub struct Utime {
    /// Of the last read.
    pub accessed: TimeChange,
    /// Of the last write.
    pub modified: TimeChange,
}

impl Utime {
    /// Whether nothing is to be changed.
    pub(crate) fn keeps_both(self) -> bool {
        let keeps = |time| time == TimeChange::Keep;
        keeps(self.accessed) && keeps(self.modified)
    }

    /// `EBADMSG`: too short. `EINVAL`: a time that does not exist, or lies too far away.
    pub(super) fn decode(message: &[u8]) -> Result<Self> {
        let (now, accessed, modified): (i32, i64, i64) =
            (get(message, 4)?, get(message, 8)?, get(message, 16)?);
        if now != 0 {
            return Ok(Self {
                accessed: TimeChange::Now,
                modified: TimeChange::Now,
            });
        }
        let at = |seconds: i64| seconds.checked_mul(SECOND).map(TimeChange::At);
        Ok(Self {
            accessed: at(accessed).ok_or(Errno::INVAL)?,
            modified: at(modified).ok_or(Errno::INVAL)?,
        })
    }

    /// The same of an _IO_UTIME64.
    pub(super) fn decode64(message: &[u8]) -> Result<Self> {
        let time = |at| pair(get(message, at)?, get(message, at + 8)?);
        get::<i64>(message, 32)?;
        Ok(Self {
            accessed: time(8)?,
            modified: time(24)?,
        })
    }

    /// Appends an _IO_UTIME64.
    pub fn encode(&self, out: &mut Vec<u8>) {
        put!(out; MessageType::UTIME64.0, 0_u16, 0_u32);
        for change in [self.accessed, self.modified] {
            let (seconds, rest) = match change {
                TimeChange::Keep => (0, UTIME_OMIT),
                TimeChange::Now => (0, UTIME_NOW),
                TimeChange::At(time) => (time.div_euclid(SECOND), time.rem_euclid(SECOND)),
            };
            put!(out; seconds, rest);
        }
    }
}

fn pair(seconds: i64, rest: i64) -> Result<TimeChange> {
    match rest {
        UTIME_NOW => Ok(TimeChange::Now),
        UTIME_OMIT => Ok(TimeChange::Keep),
        0..SECOND => {
            let time = i128::from(seconds) * i128::from(SECOND) + i128::from(rest);
            let time = i64::try_from(time).map_err(|_| Errno::INVAL)?;
            Ok(TimeChange::At(time))
        }
        _ => Err(Errno::INVAL),
    }
}

/// Appends an _IO_CHMOD. Of `mode`, the permission bits count.
#[doc(alias = "_io_chmod")]
pub fn encode_chmod(mode: u32, out: &mut Vec<u8>) {
    put!(out; MessageType::CHMOD.0, 0_u16, mode);
}

pub(super) fn decode_chmod(message: &[u8]) -> Result<u32> {
    get(message, 4)
}

/// Appends an _IO_CHOWN. `None` leaves an id as it is, as does the number 2^32 - 1.
#[doc(alias = "_io_chown")]
pub fn encode_chown(uid: Option<u32>, gid: Option<u32>, out: &mut Vec<u8>) {
    let id = |id: Option<u32>| id.unwrap_or(u32::MAX);
    put!(out; MessageType::CHOWN.0, 0_u16, id(gid), id(uid));
}

/// User and group.
pub(super) fn decode_chown(message: &[u8]) -> Result<(Option<u32>, Option<u32>)> {
    let id = |at| get::<u32>(message, at).map(|id| (id != u32::MAX).then_some(id));
    Ok((id(8)?, id(4)?))
}

/// Appends an _IO_PATHCONF; the value comes back as the reply's status. The names have the numbers of Linux
/// (`_PC_LINK_MAX` 0 and on).
#[doc(alias = "_io_pathconf")]
pub fn encode_pathconf(name: u16, out: &mut Vec<u8>) {
    put!(out; MessageType::PATHCONF.0, 0_u16, name, 0_u16);
}

pub(super) fn decode_pathconf(message: &[u8]) -> Result<u16> {
    let (name, _): (u16, u16) = (get(message, 4)?, get(message, 6)?);
    Ok(name)
}

/// In an _IO_SYNC: data and attributes, as fsync() has it. The number is Linux's.
#[doc(alias = "O_SYNC")]
pub const SYNC_ALL: u32 = 0x10_1000;
/// In an _IO_SYNC: the data, and what is needed to find them again, as fdatasync() has it. The number is Linux's.
#[doc(alias = "O_DSYNC")]
pub const SYNC_DATA: u32 = 0x1000;

/// Appends an _IO_SYNC.
#[doc(alias = "_io_sync")]
pub fn encode_sync(flags: u32, out: &mut Vec<u8>) {
    put!(out; MessageType::SYNC.0, 0_u16, flags);
}

pub(super) fn decode_sync(message: &[u8]) -> Result<u32> {
    get(message, 4)
}

#[cfg(test)]
mod tests {
    use super::{TimeChange, Utime};
    use crate::Errno;
    use crate::wire::{self, MessageType, Request};

    fn check(request: Request<'_>, write: impl FnOnce(&mut Vec<u8>)) {
        let mut bytes = Vec::new();
        write(&mut bytes);
        assert_eq!(Request::decode(&bytes), Ok(request));
        for len in 0..bytes.len() {
            assert_eq!(
                Request::decode(&bytes[..len]),
                Err(Errno::BADMSG),
                "{request:?}"
            );
        }
    }

    #[test]
    fn what_was_encoded_is_decoded_and_what_is_cut_short_is_malformed() {
        check(Request::Chmod(0o4755), |out| {
            wire::encode_chmod(0o4755, out);
        });
        check(Request::Pathconf(4), |out| wire::encode_pathconf(4, out));
        check(Request::Sync(wire::SYNC_DATA), |out| {
            wire::encode_sync(wire::SYNC_DATA, out);
        });
        for (accessed, modified) in [
            (TimeChange::Keep, TimeChange::Now),
            (TimeChange::At(-1), TimeChange::At(i64::MAX)),
            (TimeChange::At(i64::MIN), TimeChange::At(0)),
        ] {
            let utime = Utime { accessed, modified };
            check(Request::Utime(utime), |out| utime.encode(out));
        }
    }

    #[test]
    fn chown_has_the_group_first_and_minus_one_leaves_an_id() {
        let (uid, gid) = (Some(7), None);
        check(Request::Chown { uid, gid }, |out| {
            wire::encode_chown(uid, gid, out);
        });
        let mut bytes = Vec::new();
        wire::encode_chown(Some(1), Some(2), &mut bytes);
        assert_eq!(bytes[4..8], 2_u32.to_ne_bytes());
    }

    #[test]
    fn utime_counts_seconds_or_takes_the_time_of_now() {
        let message = |now: i32, seconds: i64| {
            let mut out = Vec::new();
            out.extend_from_slice(&MessageType::UTIME.0.to_ne_bytes());
            out.extend_from_slice(&[0; 2]);
            out.extend_from_slice(&now.to_ne_bytes());
            out.extend_from_slice(&seconds.to_ne_bytes());
            out.extend_from_slice(&5_i64.to_ne_bytes());
            out
        };
        let both = |accessed, modified| Ok(Request::Utime(Utime { accessed, modified }));
        assert_eq!(
            Request::decode(&message(1, 0)),
            both(TimeChange::Now, TimeChange::Now)
        );
        assert_eq!(
            Request::decode(&message(0, -1)),
            both(
                TimeChange::At(-1_000_000_000),
                TimeChange::At(5_000_000_000)
            )
        );
        assert_eq!(Request::decode(&message(0, i64::MAX)), Err(Errno::INVAL));
        let mut odd = Vec::new();
        let keep = TimeChange::Keep;
        Utime {
            accessed: keep,
            modified: keep,
        }
        .encode(&mut odd);
        odd[16..24].copy_from_slice(&1_000_000_000_i64.to_ne_bytes());
        assert_eq!(Request::decode(&odd), Err(Errno::INVAL));
    }
}
