//! The kernel's record lock: it goes with the process, and fork does not copy it.

use crate::{Errno, Result, check};
use std::os::fd::{AsRawFd, BorrowedFd};

/// Tries to lock the whole file for this process alone; false when another process has it.
///
/// The lock belongs to the process: it ends when the process does, and also when *any* descriptor of
/// the same file is closed in it. So nothing else may open that file.
pub fn try_lock(file: BorrowedFd<'_>) -> Result<bool> {
    let request = libc::flock {
        l_type: libc::c_short::try_from(libc::F_WRLCK).map_err(|_| Errno::INVAL)?,
        l_whence: libc::c_short::try_from(libc::SEEK_SET).map_err(|_| Errno::INVAL)?,
        l_start: 0,
        l_len: 0,
        l_pid: 0,
    };
    // SAFETY: the structure lives on this stack, the descriptor is borrowed.
    match check(unsafe { libc::fcntl(file.as_raw_fd(), libc::F_SETLK, &raw const request) }) {
        Ok(_) => Ok(true),
        Err(Errno::AGAIN | Errno::ACCES) => Ok(false),
        Err(errno) => Err(errno),
    }
}
