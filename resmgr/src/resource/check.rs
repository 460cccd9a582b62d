//! What is checked before a handler runs. Each function answers one question and changes nothing.

use super::Attr;
use crate::ipc::Credentials;
use crate::wire::{OpenFlags, PathEnd};
use crate::{Errno, Result};
use std::io::SeekFrom;

/// The last offset that a file can have.
const OFFSET_MAX: u64 = i64::MAX.cast_unsigned();

/// Whether a file that exists may be opened like this.
///
/// # Errors
/// - `EEXIST`: it was to be made, and only made.
/// - `ENOTDIR`: a directory was meant, and it is none.
/// - `EISDIR`: a directory cannot be written.
/// - `EACCES`: its permissions say no.
#[doc(alias = "iofunc_open")]
pub(crate) fn check_open(
    attr: &Attr,
    client: &Credentials,
    flags: OpenFlags,
    end: PathEnd,
) -> Result<()> {
    if flags.contains(OpenFlags::CREATE | OpenFlags::EXCLUSIVE) {
        return Err(Errno::EXIST);
    }
    let meant = !end.is_empty() || flags.contains(OpenFlags::DIRECTORY);
    if meant && !attr.is_dir() {
        return Err(Errno::NOTDIR);
    }
    if attr.is_dir() && flags.intersects(OpenFlags::WRITE | OpenFlags::TRUNCATE) {
        return Err(Errno::ISDIR);
    }
    check_access(attr, client, flags)
}

/// Whether the permission bits of the caller's class (owner, group, others) allow this. Root may all.
///
/// The groups are the effective one only: a client's supplementary groups do not travel.
#[doc(alias = "iofunc_check_access")]
pub(crate) fn check_access(attr: &Attr, client: &Credentials, flags: OpenFlags) -> Result<()> {
    let class = match client {
        Credentials { uid: 0, .. } => return Ok(()),
        Credentials { uid, .. } if *uid == attr.uid => 6,
        Credentials { gid, .. } if *gid == attr.gid => 3,
        _ => 0,
    };
    let write = flags.intersects(OpenFlags::WRITE | OpenFlags::TRUNCATE);
    let read = flags.contains(OpenFlags::READ);
    let wanted = u32::from(read) << 2 | u32::from(write) << 1;
    let allowed = attr.mode >> class;
    if wanted & !allowed == 0 {
        Ok(())
    } else {
        Err(Errno::ACCES)
    }
}

/// Whether the open was made with this access.
#[doc(alias = "iofunc_read_verify")]
#[doc(alias = "iofunc_write_verify")]
pub(crate) fn check_mode(flags: OpenFlags, access: OpenFlags) -> Result<()> {
    if flags.contains(access) {
        Ok(())
    } else {
        Err(Errno::BADF)
    }
}

/// Whether `len` bytes from `offset` on can be in a file; `beyond` is the error when they end too far.
pub(crate) fn check_span(offset: u64, len: usize, beyond: Errno) -> Result<()> {
    if offset > OFFSET_MAX {
        return Err(Errno::INVAL);
    }
    let end = u64::try_from(len)
        .ok()
        .and_then(|len| offset.checked_add(len));
    if end.is_none_or(|end| end > OFFSET_MAX) {
        Err(beyond)
    } else {
        Ok(())
    }
}

/// Where a seek leads: `EINVAL` before the start, `EOVERFLOW` past what an offset can hold.
#[doc(alias = "iofunc_lseek_default")]
pub(crate) fn check_seek(to: SeekFrom, position: u64, size: u64) -> Result<u64> {
    let (base, by) = match to {
        SeekFrom::Start(offset) => (offset, 0),
        SeekFrom::Current(by) => (position, by),
        SeekFrom::End(by) => (size, by),
    };
    let beyond = if by < 0 {
        Errno::INVAL
    } else {
        Errno::OVERFLOW
    };
    let offset = base.checked_add_signed(by).ok_or(beyond)?;
    if offset > OFFSET_MAX {
        Err(Errno::OVERFLOW)
    } else {
        Ok(offset)
    }
}

#[cfg(test)]
mod tests {
    use super::{check_access, check_mode, check_open, check_seek, check_span};
    use crate::Errno;
    use crate::ipc::Credentials;
    use crate::resource::Attr;
    use crate::wire::{OpenFlags, PathEnd, Stat};
    use std::io::SeekFrom;

    const READ: OpenFlags = OpenFlags::READ;
    const WRITE: OpenFlags = OpenFlags::WRITE;

    fn client(uid: u32, gid: u32) -> Credentials {
        Credentials { pid: 1, uid, gid }
    }

    #[test]
    fn if18_the_class_of_the_caller_decides_and_root_passes() {
        let attr = Attr::device(0o640).owner(10, 20);
        let cases = [
            (client(10, 99), READ | WRITE, true),
            (client(99, 20), READ, true),
            (client(99, 20), WRITE, false),
            (client(99, 99), READ, false),
            (client(99, 99), OpenFlags::empty(), true),
            (client(0, 0), READ | WRITE, true),
        ];
        for (who, flags, allowed) in cases {
            assert_eq!(
                check_access(&attr, &who, flags).is_ok(),
                allowed,
                "{who:?} {flags:?}"
            );
        }
        let only_others = Attr::device(0o006).owner(10, 20);
        assert_eq!(
            check_access(&only_others, &client(10, 20), READ),
            Err(Errno::ACCES)
        );
    }

    #[test]
    fn if4_open_is_refused_with_the_reason_of_posix() {
        let file = Attr::file(0o644, 5).owner(10, 10);
        let dir = Attr {
            mode: Stat::DIRECTORY | 0o755,
            ..file
        };
        let create = OpenFlags::CREATE | OpenFlags::EXCLUSIVE;
        let none = PathEnd::empty();
        let cases = [
            (file, READ, none, Ok(())),
            (file, READ | create, none, Err(Errno::EXIST)),
            (file, READ | OpenFlags::CREATE, none, Ok(())),
            (file, READ, PathEnd::SLASH, Err(Errno::NOTDIR)),
            (file, READ | OpenFlags::DIRECTORY, none, Err(Errno::NOTDIR)),
            (file, WRITE, none, Err(Errno::ACCES)),
            (file, READ | OpenFlags::TRUNCATE, none, Err(Errno::ACCES)),
            (dir, READ, PathEnd::SLASH, Ok(())),
            (dir, WRITE, none, Err(Errno::ISDIR)),
        ];
        for (attr, flags, end, expected) in cases {
            assert_eq!(
                check_open(&attr, &client(99, 99), flags, end),
                expected,
                "{flags:?}"
            );
        }
    }

    #[test]
    fn if8_an_open_allows_what_it_was_made_for() {
        assert_eq!(check_mode(READ, READ), Ok(()));
        assert_eq!(check_mode(READ, WRITE), Err(Errno::BADF));
        assert_eq!(check_mode(OpenFlags::empty(), READ), Err(Errno::BADF));
    }

    #[test]
    fn if10_a_seek_stays_inside_what_an_offset_can_hold() {
        let most = i64::MAX.cast_unsigned();
        let cases = [
            (SeekFrom::Start(9), Ok(9)),
            (SeekFrom::Current(-5), Ok(0)),
            (SeekFrom::Current(-6), Err(Errno::INVAL)),
            (SeekFrom::End(1), Ok(101)),
            (SeekFrom::End(-101), Err(Errno::INVAL)),
            (SeekFrom::Current(i64::MAX), Err(Errno::OVERFLOW)),
            (SeekFrom::Start(most), Ok(most)),
        ];
        for (to, expected) in cases {
            assert_eq!(check_seek(to, 5, 100), expected, "{to:?}");
        }
    }

    #[test]
    fn a_span_ends_where_offsets_end() {
        let most = i64::MAX.cast_unsigned();
        assert_eq!(check_span(most, 0, Errno::FBIG), Ok(()));
        assert_eq!(check_span(most, 1, Errno::FBIG), Err(Errno::FBIG));
        assert_eq!(check_span(most + 1, 0, Errno::FBIG), Err(Errno::INVAL));
    }
}
