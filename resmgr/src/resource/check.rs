//! What is checked before a handler runs. Each function answers one question and changes nothing.
//!
//! The framework asks them for a file that is served by itself. In a tree that an author keeps (directories
//! whose entries come, go and change hands) only the author knows the directory and the file at once: these
//! are the same checks, to be called first. They say what Linux says, errno for errno.
//!
//! | call | check | then |
//! |---|---|---|
//! | each directory on the way | [`check_search`] | |
//! | open | [`check_open`] | |
//! | open with O_CREAT, mkdir, mknod, symlink | [`check_create`] | a file with the [`Ownership`] that it returns |
//! | link | [`check_create`] for the new name | |
//! | unlink, rmdir | [`check_remove`] | `ENOTEMPTY` is the author's to tell |
//! | rename | [`check_rename`] | |
//! | chmod, chown | [`check_chmod`], [`check_chown`] | the mode and owner that they return |
//! | utime | [`check_utime`] | |
//! | write, truncate | | [`mode_after_write`] |
//! | extended attributes | [`check_xattr`] | |
//! | access | [`check_access`] | |

mod change;
mod names;
mod subject;
mod xattr;

pub use crate::wire::Access;
pub use change::{Ownership, check_chmod, check_chown, check_utime, mode_after_write};
pub use names::{Entry, check_create, check_remove, check_rename, check_search};
pub(crate) use subject::Client;
pub use subject::{Mount, Subject};
pub use xattr::check_xattr;

use super::Attr;
use crate::wire::{OpenFlags, PathEnd, Seek};
use crate::{Errno, Result};
use std::io::SeekFrom;

/// Sets the user when executed.
#[doc(alias = "S_ISUID")]
const SETUID: u32 = 0o4000;
/// Sets the group when executed; of a directory: what is made in it gets its group.
#[doc(alias = "S_ISGID")]
const SETGID: u32 = 0o2000;
/// Of a directory: only owners remove its entries.
#[doc(alias = "S_ISVTX")]
const STICKY: u32 = 0o1000;

/// The last offset that a file can have.
const OFFSET_MAX: u64 = i64::MAX.cast_unsigned();

/// Whether a file that exists may be opened like this.
///
/// # Errors
/// - `EEXIST`: it was to be made, and only made.
/// - `ENOTDIR`: a directory was meant, and it is none.
/// - `EISDIR`: a directory cannot be written, nor made by open().
/// - `EACCES`: its permissions say no.
#[doc(alias = "iofunc_open")]
pub fn check_open<'a>(
    attr: &Attr,
    client: impl Into<Subject<'a>>,
    flags: OpenFlags,
    end: PathEnd,
) -> Result<()> {
    check_open_on(Mount::default(), attr, client, flags, end)
}

/// The same for a file of a mount.
///
/// # Errors
/// - `EROFS`: it was to be written, and cannot be there.
/// - others: as [`check_open`].
pub fn check_open_on<'a>(
    mount: Mount,
    attr: &Attr,
    client: impl Into<Subject<'a>>,
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
    let access = Access::of(flags);
    if attr.is_dir() && (access.contains(Access::WRITE) || flags.contains(OpenFlags::CREATE)) {
        return Err(Errno::ISDIR);
    }
    // A device is not written on the mount that its name is on.
    if access.contains(Access::WRITE) && attr.is_regular() {
        mount.check_write()?;
    }
    check_access(attr, client, access)
}

/// Whether the permission bits of the caller's class (owner, group, others) allow all of this.
///
/// Root may read and write all, search all directories, and execute what somebody may execute.
///
/// # Errors
/// - `EACCES`: no.
#[doc(alias = "iofunc_check_access")]
pub fn check_access<'a>(attr: &Attr, client: impl Into<Subject<'a>>, wanted: Access) -> Result<()> {
    let client = client.into();
    let allowed = if client.is_root() {
        let executable = attr.is_dir() || attr.mode & 0o111 != 0;
        Access::READ | Access::WRITE | Access::from_bits_truncate(u32::from(executable))
    } else if client.owns(attr) {
        Access::from_bits_truncate(attr.mode >> 6)
    } else if client.is_in(attr.gid) {
        Access::from_bits_truncate(attr.mode >> 3)
    } else {
        Access::from_bits_truncate(attr.mode)
    };
    if allowed.contains(wanted) {
        Ok(())
    } else {
        Err(Errno::ACCES)
    }
}

/// Whether the open was made with this access: `EBADF`.
#[doc(alias = "iofunc_read_verify")]
#[doc(alias = "iofunc_write_verify")]
pub fn check_mode(flags: OpenFlags, access: OpenFlags) -> Result<()> {
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

/// Where data or a hole begin in a file that is one piece of data.
///
/// # Errors
/// - `ENXIO`: at or past its end.
pub(crate) fn check_data_or_hole(to: Seek, size: u64) -> Result<u64> {
    match to {
        Seek::Data(offset) | Seek::Hole(offset) if offset >= size => Err(Errno::NXIO),
        Seek::Data(offset) => Ok(offset),
        Seek::Hole(_) => Ok(size),
        _ => Err(Errno::INVAL),
    }
}

/// A handler's count, if it is one that it may give.
pub(crate) fn counted(len: usize, most: usize) -> Result<usize> {
    if len > most {
        tracing::error!(len, most, "a handler returned more bytes than it was given");
        return Err(Errno::IO);
    }
    Ok(len)
}

#[cfg(test)]
mod tests {
    use super::{Access, Mount, Subject, check_access, check_mode, check_open, check_open_on};
    use super::{check_seek, check_span};
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
                check_access(&attr, &who, Access::of(flags)).is_ok(),
                allowed,
                "{who:?} {flags:?}"
            );
        }
        let only_others = Attr::device(0o006).owner(10, 20);
        assert_eq!(
            check_access(&only_others, &client(10, 20), Access::READ),
            Err(Errno::ACCES)
        );
    }

    #[test]
    fn if18_all_groups_of_the_caller_count_for_and_against_it() {
        let member = Subject {
            uid: 99,
            gid: 99,
            groups: &[5, 20],
        };
        let for_group = Attr::device(0o040).owner(10, 20);
        assert_eq!(check_access(&for_group, member, Access::READ), Ok(()));
        let for_others = Attr::device(0o004).owner(10, 20);
        let refused = check_access(&for_others, member, Access::READ);
        assert_eq!(refused, Err(Errno::ACCES));
    }

    #[test]
    fn if18_root_executes_what_somebody_may_execute() {
        let root = &client(0, 0);
        let file = Attr::file(0o600, 0).owner(10, 20);
        assert_eq!(
            check_access(&file, root, Access::EXECUTE),
            Err(Errno::ACCES)
        );
        let program = Attr::file(0o001, 0).owner(10, 20);
        assert_eq!(check_access(&program, root, Access::all()), Ok(()));
        let mode = Stat::DIRECTORY;
        let dir = Attr { mode, ..file };
        assert_eq!(check_access(&dir, root, Access::all()), Ok(()));
    }

    #[test]
    fn if4_nothing_is_written_on_a_read_only_mount_but_devices() {
        let mount = Mount {
            read_only: true,
            ..Mount::default()
        };
        let (file, device) = (Attr::file(0o666, 0), Attr::device(0o666));
        let none = PathEnd::empty();
        let create = OpenFlags::CREATE | OpenFlags::EXCLUSIVE;
        let cases = [
            (file, READ, Ok(())),
            (file, WRITE, Err(Errno::ROFS)),
            (file, READ | OpenFlags::TRUNCATE, Err(Errno::ROFS)),
            (file, WRITE | create, Err(Errno::EXIST)),
            (device, WRITE, Ok(())),
        ];
        for (attr, flags, expected) in cases {
            let opened = check_open_on(mount, &attr, &client(99, 99), flags, none);
            assert_eq!(opened, expected, "{flags:?}");
        }
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
            (dir, READ | OpenFlags::CREATE, none, Err(Errno::ISDIR)),
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
