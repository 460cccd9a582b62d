//! What happens in directories, told by the kernel.

use crate::fork::PrivateFd;
use crate::{Errno, Result, check, own};
use std::ffi::CString;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// Readable when something in one of its directories is new or is not as it was.
#[derive(Debug)]
pub struct Changes(PrivateFd);

impl Changes {
    /// Those of no directory yet.
    ///
    /// # Errors
    /// - `EMFILE`: this user has as many as the system lets it have, or this process as many descriptors.
    pub fn new() -> Result<Self> {
        let flags = libc::IN_NONBLOCK | libc::IN_CLOEXEC;
        // SAFETY: no pointers.
        let fd = check(unsafe { libc::inotify_init1(flags) })?;
        Ok(Self(PrivateFd::new(own(fd))))
    }

    /// From now on also those of this directory; again is no harm.
    ///
    /// # Errors
    /// - `ENOENT`, `ENOTDIR`: it is none.
    /// - `EACCES`: this user may not read it.
    /// - `ENOSPC`: too many are watched.
    pub fn add(&self, directory: &Path) -> Result<()> {
        let path = CString::new(directory.as_os_str().as_bytes()).map_err(|_| Errno::INVAL)?;
        let kinds = libc::IN_CREATE | libc::IN_MOVED_TO | libc::IN_ATTRIB | libc::IN_MODIFY;
        let fd = self.0.as_fd().as_raw_fd();
        // SAFETY: the path ends with a zero and outlives the call.
        check(unsafe { libc::inotify_add_watch(fd, path.as_ptr(), kinds | libc::IN_ONLYDIR) })?;
        Ok(())
    }

    /// Takes all that has been told, so that it is readable for what comes after.
    pub fn clear(&self) {
        let mut bytes = [0_u8; 4096];
        // SAFETY: at most as many bytes as there are go to this stack.
        while unsafe {
            libc::read(
                self.0.as_fd().as_raw_fd(),
                bytes.as_mut_ptr().cast(),
                bytes.len(),
            )
        } > 0
        {}
    }
}

impl AsFd for Changes {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::Changes;
    use crate::Errno;
    use crate::epoll::{Ready, poll_one};
    use std::fs;
    use std::os::fd::AsFd;
    use std::time::Instant;

    #[test]
    fn what_is_made_or_changed_is_told_once() {
        let base = tempfile::tempdir().unwrap();
        let changes = Changes::new().unwrap();
        let told = || poll_one(changes.as_fd(), Ready::IN, Some(Instant::now())).unwrap();
        assert_eq!(changes.add(&base.path().join("x")), Err(Errno::NOENT));
        changes.add(base.path()).unwrap();
        assert!(!told());
        for content in ["", "more"] {
            fs::write(base.path().join("x"), content).unwrap();
            assert!(told());
            changes.clear();
            assert!(!told());
        }
    }
}
