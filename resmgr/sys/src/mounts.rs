//! Mounts of this process, for programs that mount and must leave nothing behind.

use crate::{Errno, Result, check};
use std::ffi::CString;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// Gives the calling thread, and what it starts from now on, a copy of the system's mounts: what they mount
/// nobody else sees, and it goes with the last of them.
///
/// # Errors
/// - `EPERM`: not root.
pub fn make_private() -> Result<()> {
    // SAFETY: no pointers.
    check(unsafe { libc::unshare(libc::CLONE_NEWNS) })?;
    let nothing = std::ptr::null();
    let flags = libc::MS_REC | libc::MS_PRIVATE;
    // SAFETY: the path is a C string; changing how mounts propagate takes no other argument.
    check(unsafe { libc::mount(nothing, c"/".as_ptr(), nothing, flags, std::ptr::null()) })
        .map(drop)
}

/// Takes a mount out of the tree at once; it ends when nobody uses it any more.
///
/// # Errors
/// - `EINVAL`: nothing is mounted there.
pub fn detach(path: &Path) -> Result<()> {
    let path = CString::new(path.as_os_str().as_bytes()).map_err(|_| Errno::INVAL)?;
    // SAFETY: the path is a C string that outlives the call.
    check(unsafe { libc::umount2(path.as_ptr(), libc::MNT_DETACH) }).map(drop)
}
