//! Files by a directory's descriptor and a name in it: nothing here depends on the current directory, and a walk
//! that goes name by name cannot be led elsewhere.

use crate::{Errno, Result, check, check_long, own};
use std::ffi::{CStr, CString};
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd, RawFd};

bitflags::bitflags! {
    /// What a path may not lead over (`openat2`).
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct Resolve: u64 {
        /// Nothing above the directory, no absolute path or link: `EXDEV`.
        const BENEATH = libc::RESOLVE_BENEATH;
        /// No link of /proc that leads to an open file: `ELOOP`.
        const NO_MAGICLINKS = libc::RESOLVE_NO_MAGICLINKS;
        /// No symbolic link: `ELOOP`.
        const NO_SYMLINKS = libc::RESOLVE_NO_SYMLINKS;
        /// No other file system: `EXDEV`.
        const NO_XDEV = libc::RESOLVE_NO_XDEV;
    }
}

/// What fstat() tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names of stat(2)")]
pub struct FileStat {
    pub dev: u64,
    pub ino: u64,
    pub mode: u32,
    pub nlink: u64,
    pub uid: u32,
    pub gid: u32,
    pub rdev: u64,
    pub size: u64,
    pub blksize: u32,
    pub blocks: u64,
    /// Seconds and nanoseconds since 1970.
    pub accessed: (i64, i64),
    /// Seconds and nanoseconds since 1970.
    pub modified: (i64, i64),
    /// Seconds and nanoseconds since 1970.
    pub changed: (i64, i64),
}

/// What fstatvfs() tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names of statvfs(3)")]
pub struct FileSystem {
    pub bsize: u64,
    pub blocks: u64,
    pub bavail: u64,
    pub files: u64,
    pub favail: u64,
    pub namemax: u64,
    pub read_only: bool,
}

/// A time to set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SetTime {
    /// It stays.
    Keep,
    /// The current time.
    Now,
    /// Seconds and nanoseconds since 1970.
    At(i64, i64),
}

/// Opens `path`, seen from a directory (`openat2`, since Linux 5.6). The descriptor is closed on exec.
///
/// # Errors
/// - `ENOSYS`: an older kernel.
/// - `EAGAIN`: something was renamed on the way, and it is not sure that the path stayed below; ask again.
/// - others: as open(), and as [`Resolve`] says.
pub fn open(
    dir: BorrowedFd<'_>,
    path: &CStr,
    flags: i32,
    mode: u32,
    resolve: Resolve,
) -> Result<OwnedFd> {
    // SAFETY: the structure is plain numbers, for which zeros are a value.
    let mut how: libc::open_how = unsafe { std::mem::zeroed() };
    how.flags = u64::from((flags | libc::O_CLOEXEC).cast_unsigned());
    // Bits of a mode where no file can be made are an error to this call, unlike to open().
    if flags & libc::O_CREAT != 0 || flags & libc::O_TMPFILE == libc::O_TMPFILE {
        how.mode = u64::from(mode & 0o7777);
    }
    how.resolve = resolve.bits();
    // SAFETY: the descriptor, the path and the structure are borrowed for the call, which is told its size.
    let raw = unsafe {
        libc::syscall(
            libc::SYS_openat2,
            dir.as_raw_fd(),
            path.as_ptr(),
            &raw const how,
            size_of::<libc::open_how>(),
        )
    };
    let raw = RawFd::try_from(check_long(raw)?).map_err(|_| Errno::MFILE)?;
    Ok(own(raw))
}

/// Opens only to name a file: nothing is read or written by such a descriptor.
pub const O_PATH: i32 = libc::O_PATH;

/// Opens the file of one name in a directory, and nothing else: no link is followed, no other file system entered.
/// Kernels without `openat2` look up one name just as safely, but enter other file systems.
///
/// # Errors
/// - `EINVAL`: it is not one name.
/// - `EXDEV`: another file system.
/// - others: as open().
pub fn open_name(dir: BorrowedFd<'_>, name: &CStr, flags: i32, mode: u32) -> Result<OwnedFd> {
    let text = name.to_bytes();
    if text.is_empty() || matches!(text, b"." | b"..") || text.contains(&b'/') {
        return Err(Errno::INVAL);
    }
    let flags = flags | libc::O_NOFOLLOW;
    let resolve = Resolve::BENEATH | Resolve::NO_MAGICLINKS | Resolve::NO_SYMLINKS;
    match open(dir, name, flags, mode, resolve | Resolve::NO_XDEV) {
        Err(Errno::NOSYS) => {
            let (dir, flags) = (dir.as_raw_fd(), flags | libc::O_CLOEXEC);
            // SAFETY: descriptor and name are borrowed for the call.
            Ok(own(check(unsafe {
                libc::openat(dir, name.as_ptr(), flags, mode)
            })?))
        }
        opened => opened,
    }
}

/// Makes an ordinary file that only its owner may use, where none is (`EEXIST`).
pub fn make_file(dir: BorrowedFd<'_>, name: &CStr) -> Result<()> {
    let flags = libc::O_CREAT | libc::O_EXCL | libc::O_WRONLY;
    open_name(dir, name, flags, 0o600).map(drop)
}

/// Opens the file of a descriptor once more, also one that was opened with O_PATH only.
pub fn reopen(fd: BorrowedFd<'_>, flags: i32) -> Result<OwnedFd> {
    let path = path_of(fd)?;
    // SAFETY: the path is a C string that outlives the call.
    let raw = unsafe { libc::open(path.as_ptr(), flags | libc::O_CLOEXEC) };
    Ok(own(check(raw)?))
}

/// A path that leads to the file of a descriptor.
fn path_of(fd: BorrowedFd<'_>) -> Result<CString> {
    let path = format!("/proc/self/fd/{}", fd.as_raw_fd());
    CString::new(path).map_err(|_| Errno::INVAL)
}

/// What a file is.
pub fn stat(fd: BorrowedFd<'_>) -> Result<FileStat> {
    let mut stat = MaybeUninit::<libc::stat>::uninit();
    // SAFETY: the descriptor is borrowed for the call, which writes one structure on this stack.
    check(unsafe { libc::fstat(fd.as_raw_fd(), stat.as_mut_ptr()) })?;
    // SAFETY: the call has succeeded, so the structure is filled.
    let stat = unsafe { stat.assume_init() };
    Ok(FileStat {
        dev: stat.st_dev,
        ino: stat.st_ino,
        mode: stat.st_mode,
        nlink: stat.st_nlink,
        uid: stat.st_uid,
        gid: stat.st_gid,
        rdev: stat.st_rdev,
        size: u64::try_from(stat.st_size).unwrap_or(0),
        blksize: u32::try_from(stat.st_blksize).unwrap_or(4096),
        blocks: u64::try_from(stat.st_blocks).unwrap_or(0),
        accessed: (stat.st_atime, stat.st_atime_nsec),
        modified: (stat.st_mtime, stat.st_mtime_nsec),
        changed: (stat.st_ctime, stat.st_ctime_nsec),
    })
}

/// What the file system of a file is.
pub fn statvfs(fd: BorrowedFd<'_>) -> Result<FileSystem> {
    let mut stat = MaybeUninit::<libc::statvfs>::uninit();
    // SAFETY: the descriptor is borrowed for the call, which writes one structure on this stack.
    check(unsafe { libc::fstatvfs(fd.as_raw_fd(), stat.as_mut_ptr()) })?;
    // SAFETY: the call has succeeded, so the structure is filled.
    let stat = unsafe { stat.assume_init() };
    Ok(FileSystem {
        bsize: stat.f_frsize,
        blocks: stat.f_blocks,
        bavail: stat.f_bavail,
        files: stat.f_files,
        favail: stat.f_favail,
        namemax: stat.f_namemax,
        read_only: stat.f_flag & libc::ST_RDONLY != 0,
    })
}

/// Makes a directory.
pub fn make_dir(dir: BorrowedFd<'_>, name: &CStr, mode: u32) -> Result<()> {
    // SAFETY: descriptor and name are borrowed for the call.
    check(unsafe { libc::mkdirat(dir.as_raw_fd(), name.as_ptr(), mode) }).map(drop)
}

/// Makes a file of any type but directory and link.
pub fn make_node(dir: BorrowedFd<'_>, name: &CStr, mode: u32, device: u64) -> Result<()> {
    // SAFETY: descriptor and name are borrowed for the call.
    check(unsafe { libc::mknodat(dir.as_raw_fd(), name.as_ptr(), mode, device) }).map(drop)
}

/// Makes a symbolic link.
pub fn symlink(target: &CStr, dir: BorrowedFd<'_>, name: &CStr) -> Result<()> {
    // SAFETY: descriptor and strings are borrowed for the call.
    check(unsafe { libc::symlinkat(target.as_ptr(), dir.as_raw_fd(), name.as_ptr()) }).map(drop)
}

/// The text of a symbolic link: of a name, or with an empty one of the descriptor itself.
pub fn read_link(dir: BorrowedFd<'_>, name: &CStr) -> Result<Vec<u8>> {
    let mut text = vec![0_u8; 4096];
    let room = text.as_mut_ptr().cast();
    // SAFETY: the descriptor and the name are borrowed for the call, which writes at most as many bytes as it is told.
    let len = unsafe { libc::readlinkat(dir.as_raw_fd(), name.as_ptr(), room, text.len()) };
    text.truncate(usize::try_from(len).map_err(|_| Errno::last())?);
    Ok(text)
}

/// Gives a file one more name. A symbolic link is not followed.
pub fn link(
    (dir, name): (BorrowedFd<'_>, &CStr),
    (to, new_name): (BorrowedFd<'_>, &CStr),
) -> Result<()> {
    let (from, old, flags) = (dir.as_raw_fd(), name.as_ptr(), 0);
    // SAFETY: descriptors and names are borrowed for the call.
    check(unsafe { libc::linkat(from, old, to.as_raw_fd(), new_name.as_ptr(), flags) }).map(drop)
}

/// Gives the file of a descriptor one more name, also one that was opened with O_PATH only.
pub fn link_fd(fd: BorrowedFd<'_>, dir: BorrowedFd<'_>, name: &CStr) -> Result<()> {
    let path = path_of(fd)?;
    let flags = libc::AT_SYMLINK_FOLLOW;
    let (old, to) = (path.as_ptr(), dir.as_raw_fd());
    // SAFETY: descriptor and strings are borrowed for the call.
    check(unsafe { libc::linkat(libc::AT_FDCWD, old, to, name.as_ptr(), flags) }).map(drop)
}

/// Takes a name away; of a directory with `as_dir`.
pub fn unlink(dir: BorrowedFd<'_>, name: &CStr, as_dir: bool) -> Result<()> {
    let flags = if as_dir { libc::AT_REMOVEDIR } else { 0 };
    // SAFETY: descriptor and name are borrowed for the call.
    check(unsafe { libc::unlinkat(dir.as_raw_fd(), name.as_ptr(), flags) }).map(drop)
}

/// Gives a file another name; `flags` are those of renameat2().
pub fn rename(
    (dir, name): (BorrowedFd<'_>, &CStr),
    (to, new_name): (BorrowedFd<'_>, &CStr),
    flags: u32,
) -> Result<()> {
    let (from, old, to) = (dir.as_raw_fd(), name.as_ptr(), to.as_raw_fd());
    // SAFETY: descriptors and names are borrowed for the call.
    check(unsafe { libc::renameat2(from, old, to, new_name.as_ptr(), flags) }).map(drop)
}

/// Sets permissions, also of a file that was opened with O_PATH only.
pub fn chmod(fd: BorrowedFd<'_>, mode: u32) -> Result<()> {
    let path = path_of(fd)?;
    // SAFETY: the path is a C string that outlives the call.
    check(unsafe { libc::chmod(path.as_ptr(), mode) }).map(drop)
}

/// Sets owner and group; `None` leaves one as it is.
pub fn chown(fd: BorrowedFd<'_>, uid: Option<u32>, gid: Option<u32>) -> Result<()> {
    let (uid, gid) = (uid.unwrap_or(u32::MAX), gid.unwrap_or(u32::MAX));
    let (fd, flags) = (fd.as_raw_fd(), libc::AT_EMPTY_PATH);
    // SAFETY: the descriptor is borrowed for the call; the path is a constant.
    check(unsafe { libc::fchownat(fd, c"".as_ptr(), uid, gid, flags) }).map(drop)
}

/// Sets the times of access and modification.
pub fn set_times(fd: BorrowedFd<'_>, accessed: SetTime, modified: SetTime) -> Result<()> {
    let time = |time| match time {
        SetTime::Keep => (0, libc::UTIME_OMIT),
        SetTime::Now => (0, libc::UTIME_NOW),
        SetTime::At(seconds, nanoseconds) => (seconds, nanoseconds),
    };
    let spec = |(tv_sec, tv_nsec)| libc::timespec { tv_sec, tv_nsec };
    let times = [spec(time(accessed)), spec(time(modified))];
    let path = path_of(fd)?;
    // SAFETY: path and times are borrowed for the call.
    check(unsafe { libc::utimensat(libc::AT_FDCWD, path.as_ptr(), times.as_ptr(), 0) }).map(drop)
}

/// Moves the position: `whence` as lseek() has it. Returns the new one.
pub fn seek(fd: BorrowedFd<'_>, offset: i64, whence: i32) -> Result<u64> {
    // SAFETY: the descriptor is borrowed for the call, which takes numbers.
    let at = unsafe { libc::lseek(fd.as_raw_fd(), offset, whence) };
    u64::try_from(at).map_err(|_| Errno::last())
}

/// Takes room for a range, or with `punch` gives it back and leaves zeros.
pub fn space(fd: BorrowedFd<'_>, punch: bool, start: u64, len: u64) -> Result<()> {
    let number = |of: u64| i64::try_from(of).map_err(|_| Errno::FBIG);
    let (start, len) = (number(start)?, number(len)?);
    let mode = if punch {
        libc::FALLOC_FL_PUNCH_HOLE | libc::FALLOC_FL_KEEP_SIZE
    } else {
        0
    };
    // SAFETY: the descriptor is borrowed for the call, which takes numbers.
    check(unsafe { libc::fallocate(fd.as_raw_fd(), mode, start, len) }).map(drop)
}

/// The value of an extended attribute.
pub fn xattr(fd: BorrowedFd<'_>, name: &CStr) -> Result<Vec<u8>> {
    let path = path_of(fd)?;
    let mut value = vec![0_u8; 64 << 10];
    let (room, most) = (value.as_mut_ptr().cast(), value.len());
    // SAFETY: the strings are borrowed for the call, which writes at most as many bytes as it is told.
    let len = unsafe { libc::getxattr(path.as_ptr(), name.as_ptr(), room, most) };
    value.truncate(usize::try_from(len).map_err(|_| Errno::last())?);
    Ok(value)
}

/// The names of its extended attributes, each closed by a NUL.
pub fn xattrs(fd: BorrowedFd<'_>) -> Result<Vec<u8>> {
    let path = path_of(fd)?;
    let mut names = vec![0_u8; 64 << 10];
    let (room, most) = (names.as_mut_ptr().cast(), names.len());
    // SAFETY: the path is borrowed for the call, which writes at most as many bytes as it is told.
    let len = unsafe { libc::listxattr(path.as_ptr(), room, most) };
    names.truncate(usize::try_from(len).map_err(|_| Errno::last())?);
    Ok(names)
}

/// Sets an extended attribute. `exists`: it must, or must not, exist before.
pub fn set_xattr(
    fd: BorrowedFd<'_>,
    name: &CStr,
    value: &[u8],
    exists: Option<bool>,
) -> Result<()> {
    let path = path_of(fd)?;
    let flags = match exists {
        None => 0,
        Some(false) => libc::XATTR_CREATE,
        Some(true) => libc::XATTR_REPLACE,
    };
    let (bytes, len) = (value.as_ptr().cast(), value.len());
    // SAFETY: strings and value are borrowed for the call, which is told how long the value is.
    check(unsafe { libc::setxattr(path.as_ptr(), name.as_ptr(), bytes, len, flags) }).map(drop)
}

/// Removes an extended attribute.
pub fn remove_xattr(fd: BorrowedFd<'_>, name: &CStr) -> Result<()> {
    let path = path_of(fd)?;
    // SAFETY: the strings are borrowed for the call.
    check(unsafe { libc::removexattr(path.as_ptr(), name.as_ptr()) }).map(drop)
}

#[cfg(test)]
mod tests {
    use super::{Resolve, link, open, read_link, stat, symlink, unlink};
    use crate::Errno;
    use std::os::fd::{AsFd, OwnedFd};

    #[test]
    fn a_name_by_a_directory_stays_in_it() {
        let base = std::env::temp_dir().join(format!("resmgr-dirfd-{}", std::process::id()));
        std::fs::create_dir(&base).unwrap();
        let dir = OwnedFd::from(std::fs::File::open(&base).unwrap());
        let dir = dir.as_fd();
        symlink(c"/etc/passwd", dir, c"out").unwrap();
        let create = libc::O_CREAT | libc::O_RDWR;
        let file = open(dir, c"file", create, 0o600, Resolve::BENEATH).unwrap();
        assert_eq!(stat(file.as_fd()).unwrap().mode & 0o777, 0o600);
        link((dir, c"file"), (dir, c"second")).unwrap();
        assert_eq!(stat(file.as_fd()).unwrap().nlink, 2);
        let path = libc::O_PATH | libc::O_NOFOLLOW;
        let of = |name, resolve| open(dir, name, path, 0, resolve).map(drop);
        assert_eq!(of(c"..", Resolve::BENEATH), Err(Errno::XDEV));
        assert_eq!(of(c"out", Resolve::BENEATH), Ok(()));
        let read = |name| open(dir, name, libc::O_RDONLY, 0, Resolve::BENEATH).map(drop);
        assert_eq!(read(c"out"), Err(Errno::XDEV));
        assert_eq!(read_link(dir, c"out").unwrap(), b"/etc/passwd");
        for name in [c"file", c"second", c"out"] {
            unlink(dir, name, false).unwrap();
        }
        std::fs::remove_dir(&base).unwrap();
    }
}
