//! A process as a descriptor: the only identity that is never reused.

use crate::epoll::{self, Ready};
use crate::{Errno, Result, check, check_long, own};
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

    /// A number for this process that no other one of this boot has: `pid` says which it is.
    ///
    /// On kernels from 6.9 on it is the inode number of the descriptor. Before that all such descriptors had
    /// one, and it is the time when the process started; two processes with the same number can share it only
    /// if one ended, and the other began, within one clock tick. The two kinds are never mixed on one kernel.
    ///
    /// # Errors
    /// - `ESRCH`: it has ended, and only its start time would tell.
    pub fn identity(&self, pid: u32) -> Result<u64> {
        if let Some(inode) = self.inode()? {
            return Ok(inode);
        }
        let started = start_time(pid)?;
        // The number was this process's for as long as it lived.
        if self.is_alive() {
            Ok(started)
        } else {
            Err(Errno::SRCH)
        }
    }

    /// The inode number, if it is the process's own.
    fn inode(&self) -> Result<Option<u64>> {
        // PID_FS_MAGIC; the C library does not have the name yet.
        const PIDFS: u64 = 0x5049_4446;
        let mut system = std::mem::MaybeUninit::<libc::statfs>::zeroed();
        // SAFETY: the structure lives on this stack.
        check(unsafe { libc::fstatfs(self.0.as_raw_fd(), system.as_mut_ptr()) })?;
        // SAFETY: all zeros are a value of it, and the call has filled it in.
        let system = unsafe { system.assume_init() };
        // The field's type differs between processors; the number fits all of them.
        if u64::try_from(system.f_type) != Ok(PIDFS) {
            return Ok(None);
        }
        let mut seen = std::mem::MaybeUninit::<libc::stat>::zeroed();
        // SAFETY: the structure lives on this stack.
        check(unsafe { libc::fstat(self.0.as_raw_fd(), seen.as_mut_ptr()) })?;
        // SAFETY: all zeros are a value of it, and the call has filled it in.
        let seen = unsafe { seen.assume_init() };
        Ok(Some(seen.st_ino))
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

    #[test]
    fn an_identity_is_a_processes_own_and_stays_when_it_has_ended() {
        let me = std::process::id();
        let own = PidFd::open(me).unwrap().identity(me).unwrap();
        assert_eq!(PidFd::open(me).unwrap().identity(me), Ok(own));
        let mut child = std::process::Command::new("true").spawn().unwrap();
        let other = PidFd::open(child.id()).unwrap();
        // Whether or not it has ended by now, it has not been waited for.
        let identity = other.identity(child.id());
        assert!(identity != Ok(own) && identity != Ok(0));
        child.wait().unwrap();
        if other.inode().unwrap().is_some() {
            assert_eq!(other.identity(child.id()), identity);
        } else {
            assert!(other.identity(child.id()).is_err());
        }
    }
}
