//! [`HostFile`]: a file of the host, held by a descriptor and never by a path.

use crate::resource::Attr;
use crate::wire::Stat;
use crate::{Errno, Result};
use resmgr_sys::dirfd::{self, FileStat, SetTime};
use std::ffi::{CString, OsStr, OsString};
use std::fs::File;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::DirEntryExt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Entries that one listing may have (`EOVERFLOW`).
const ENTRIES_MAX: usize = 1 << 20;

/// A file of the host: a descriptor that only names it, so that it stays this file whatever becomes of its names.
#[derive(Debug)]
pub struct HostFile(OwnedFd);

pub(super) fn text(name: &OsStr) -> Result<CString> {
    CString::new(name.as_bytes()).map_err(|_| Errno::INVAL)
}

impl HostFile {
    pub(super) fn new(fd: OwnedFd) -> Self {
        Self(fd)
    }

    pub(super) fn fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }

    /// The file of a name in this directory. A symbolic link is itself.
    pub(super) fn lookup(&self, name: &OsStr) -> Result<Self> {
        dirfd::open_name(self.fd(), &text(name)?, dirfd::O_PATH, 0).map(Self)
    }

    pub(super) fn attr(&self) -> Result<Attr> {
        Ok(attr_of(&dirfd::stat(self.fd())?))
    }

    /// Its bytes. Only ordinary files and directories have some: a device's or a pipe's would not be the directory's.
    ///
    /// # Errors
    /// - `ENXIO`: it is another kind of file.
    /// - others: the host's, `EACCES` among them where this process may not.
    pub(super) fn open(&self, flags: i32) -> Result<File> {
        let attr = self.attr()?;
        if !attr.is_regular() && !attr.is_dir() {
            return Err(Errno::NXIO);
        }
        dirfd::reopen(self.fd(), flags).map(File::from)
    }

    fn names(&self) -> Result<Vec<(OsString, u64)>> {
        let path = format!("/proc/self/fd/{}", self.0.as_raw_fd());
        let mut names = Vec::new();
        for entry in std::fs::read_dir(path)? {
            let entry = entry?;
            names.push((entry.file_name(), entry.ino()));
            if names.len() > ENTRIES_MAX {
                return Err(Errno::OVERFLOW);
            }
        }
        Ok(names)
    }
}

fn attr_of(stat: &FileStat) -> Attr {
    let attr = Attr::of_mode(stat.mode).owner(stat.uid, stat.gid);
    Attr {
        ino: stat.ino,
        size: stat.size,
        space: Some(stat.blocks.saturating_mul(512)),
        nlink: u32::try_from(stat.nlink).unwrap_or(u32::MAX),
        rdev: stat.rdev,
        blksize: stat.blksize,
        accessed: time(stat.accessed),
        modified: time(stat.modified),
        changed: time(stat.changed),
        ..attr
    }
}

/// A point in time, from seconds and nanoseconds since 1970.
fn time((seconds, nanoseconds): (i64, i64)) -> Option<SystemTime> {
    let whole = Duration::from_secs(seconds.unsigned_abs());
    let base = if seconds < 0 {
        UNIX_EPOCH.checked_sub(whole)
    } else {
        UNIX_EPOCH.checked_add(whole)
    };
    base?.checked_add(Duration::from_nanos(nanoseconds.unsigned_abs()))
}

pub(super) fn set_time(time: Option<SystemTime>) -> SetTime {
    let Some(time) = time else {
        return SetTime::Keep;
    };
    match time.duration_since(UNIX_EPOCH) {
        Ok(since) => SetTime::At(
            since.as_secs().cast_signed(),
            i64::from(since.subsec_nanos()),
        ),
        Err(before) => {
            let before = before.duration();
            let up = u64::from(before.subsec_nanos() > 0);
            let nanoseconds = (1_000_000_000 - before.subsec_nanos()) % 1_000_000_000;
            let seconds = -(before.as_secs() + up).cast_signed();
            SetTime::At(seconds, i64::from(nanoseconds))
        }
    }
}

/// What one open has: the file's bytes, or a directory's names as they were when the list began.
#[derive(Debug)]
pub struct HostOpen {
    file: Option<File>,
    names: Mutex<Option<Vec<(OsString, u64)>>>,
}

impl HostOpen {
    pub(super) fn new(file: Option<File>) -> Self {
        Self {
            file,
            names: Mutex::default(),
        }
    }

    /// `EBADF`: it was opened for neither reading nor writing.
    pub(super) fn file(&self) -> Result<&File> {
        self.file.as_ref().ok_or(Errno::BADF)
    }

    fn locked(&self) -> MutexGuard<'_, Option<Vec<(OsString, u64)>>> {
        self.names.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives the names from one on, read anew at the first, until `add` has no room.
    pub(super) fn list(
        &self,
        dir: &HostFile,
        from: u64,
        mut add: impl FnMut(&OsStr, u64, u64) -> bool,
    ) -> Result<()> {
        let mut names = self.locked();
        if from == 0 || names.is_none() {
            *names = Some(dir.names()?);
        }
        let from = usize::try_from(from).unwrap_or(usize::MAX);
        let all = names.iter().flatten().enumerate().skip(from);
        for (number, (name, ino)) in all {
            if !add(name, *ino, number as u64 + 1) {
                break;
            }
        }
        Ok(())
    }
}

pub(super) fn is_device(mode: u32) -> bool {
    [Stat::CHARACTER, Stat::BLOCK].contains(&(mode & Stat::TYPE))
}
