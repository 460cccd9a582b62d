//! A process as a descriptor: the only identity that is never reused.

use crate::epoll::{self, Ready};
use crate::{Errno, Result, check_long, own};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::time::Instant;

/// A descriptor that becomes readable when its process ends.
#[derive(Debug)]
pub struct PidFd(OwnedFd);

impl PidFd {
    /// Opens the process that has this number now.
    ///
    /// # Errors
    /// - `ESRCH`: there is none.
    pub fn open(pid: u32) -> Result<Self> {
        // SAFETY: no pointers.
        let fd = unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0u32) };
        Ok(Self(own(
            RawFd::try_from(check_long(fd)?).map_err(|_| Errno::MFILE)?
        )))
    }

    /// Opens one thread: the descriptor becomes readable when that thread ends, whatever its process does.
    ///
    /// # Errors
    /// - `ESRCH`: there is none.
    /// - `EINVAL`: the kernel knows processes only (before 6.9).
    pub fn open_thread(tid: u32) -> Result<Self> {
        // O_EXCL; the C library's headers do not have the name yet.
        const THREAD: libc::c_int = libc::O_EXCL;
        // SAFETY: no pointers.
        let fd = unsafe { libc::syscall(libc::SYS_pidfd_open, tid, THREAD) };
        Ok(Self(own(
            RawFd::try_from(check_long(fd)?).map_err(|_| Errno::MFILE)?
        )))
    }

    pub(crate) fn from_owned(fd: OwnedFd) -> Self {
        Self(fd)
    }

    /// A second descriptor of the same process.
    pub fn try_clone(&self) -> Result<Self> {
        Ok(Self(self.0.try_clone()?))
    }

    /// Whether the process still runs.
    pub fn is_alive(&self) -> bool {
        !matches!(
            epoll::poll_one(self.as_fd(), Ready::IN, Some(Instant::now())),
            Ok(true)
        )
    }

    /// Sends a signal to exactly this process.
    pub fn signal(&self, signal: i32) -> Result<()> {
        // SAFETY: the descriptor is borrowed, no siginfo is given.
        let done = unsafe {
            libc::syscall(
                libc::SYS_pidfd_send_signal,
                self.0.as_raw_fd(),
                signal,
                std::ptr::null::<libc::siginfo_t>(),
                0u32,
            )
        };
        check_long(done).map(drop)
    }
}

impl AsFd for PidFd {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// When a process started, in clock ticks since boot: with the number it names a process across time,
/// where a descriptor cannot be kept (in a file).
pub fn start_time(pid: u32) -> Result<u64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).map_err(|_| Errno::SRCH)?;
    // The name may hold spaces and brackets; the fields begin behind the last bracket.
    let fields = stat.rsplit_once(')').ok_or(Errno::SRCH)?.1;
    fields
        .split_whitespace()
        .nth(19)
        .and_then(|text| text.parse().ok())
        .ok_or(Errno::SRCH)
}

#[cfg(test)]
mod tests {
    use super::{PidFd, start_time};

    #[test]
    fn this_process_is_alive_and_has_a_start_time() {
        let pid = std::process::id();
        assert!(PidFd::open(pid).unwrap().is_alive());
        assert!(start_time(pid).unwrap() > 0);
        assert_eq!(start_time(pid), start_time(pid));
    }
}
