//! Mounting and unmounting, for a process that may (root, or root of its own user namespace).

use crate::{Errno, Result, check};
use std::ffi::CString;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

bitflags::bitflags! {
    /// How a file system is mounted.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub struct MountFlags: u64 {
        /// Nothing can be written.
        const RDONLY = libc::MS_RDONLY;
        /// Set-user-id bits mean nothing.
        const NOSUID = libc::MS_NOSUID;
        /// Device nodes mean nothing.
        const NODEV = libc::MS_NODEV;
        /// No program can be started from it.
        const NOEXEC = libc::MS_NOEXEC;
        /// Access times stay.
        const NOATIME = libc::MS_NOATIME;
    }
}

fn text(bytes: &[u8]) -> Result<CString> {
    CString::new(bytes).map_err(|_| Errno::INVAL)
}

/// Mounts `source` of type `kind` on `target`; `data` is what that type of file system asks for.
#[doc(alias = "mount(2)")]
pub fn mount(
    source: &Path,
    target: &Path,
    kind: &str,
    flags: MountFlags,
    data: &str,
) -> Result<()> {
    let source = text(source.as_os_str().as_bytes())?;
    let target = text(target.as_os_str().as_bytes())?;
    let kind = text(kind.as_bytes())?;
    let data = text(data.as_bytes())?;
    // SAFETY: four strings with their terminators, which live until the call returns.
    let done = unsafe {
        libc::mount(
            source.as_ptr(),
            target.as_ptr(),
            kind.as_ptr(),
            flags.bits(),
            data.as_ptr().cast(),
        )
    };
    check(done).map(drop)
}

/// Takes the topmost mount off `target`, without following a symbolic link there. A `lazy` one leaves
/// the tree at once and ends when its last open file is closed.
///
/// # Errors
/// - `EBUSY`: it is in use, and `lazy` was not asked for.
/// - `EINVAL`: nothing is mounted there.
#[doc(alias = "umount2(2)")]
pub fn unmount(target: &Path, lazy: bool) -> Result<()> {
    let target = text(target.as_os_str().as_bytes())?;
    let flags = libc::UMOUNT_NOFOLLOW | if lazy { libc::MNT_DETACH } else { 0 };
    // SAFETY: a string with its terminator, which lives until the call returns.
    check(unsafe { libc::umount2(target.as_ptr(), flags) }).map(drop)
}

/// Gives the calling thread, and what it starts from now on, a copy of the system's mounts: what they
/// mount nobody else sees, and it goes with the last of them. For programs that must leave nothing behind.
///
/// # Errors
/// - `EPERM`: not root.
#[doc(alias = "unshare(2)")]
pub fn make_private() -> Result<()> {
    // SAFETY: no pointers.
    check(unsafe { libc::unshare(libc::CLONE_NEWNS) })?;
    let nothing = std::ptr::null();
    let flags = libc::MS_REC | libc::MS_PRIVATE;
    // SAFETY: the path is a C string; changing how mounts propagate takes no other argument.
    check(unsafe { libc::mount(nothing, c"/".as_ptr(), nothing, flags, std::ptr::null()) })
        .map(drop)
}
