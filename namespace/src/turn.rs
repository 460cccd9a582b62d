//! [`Turn`]: the right to start a server, so that of thousands that miss one only one does.
//!
//! A lock that the kernel takes back from a process that dies with it. It decides nothing but who tries
//! first: who serves, the directory's own lock says. So it may fail, be forgotten, or be had twice.

use crate::directory::RuntimeDir;
use resmgr_sys::fork::PrivateFd;
use std::fs::{self, OpenOptions, TryLockError};
use std::os::unix::fs::OpenOptionsExt;

const NAME: &str = "start";

/// Had until it is dropped.
#[derive(Debug)]
pub(crate) struct Turn {
    /// `None` where there is no file to lock: then everybody has a turn.
    _file: Option<PrivateFd>,
}

impl Turn {
    /// Takes the turn; `None` while somebody else has it.
    pub(crate) fn take(dir: &RuntimeDir) -> Option<Self> {
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(false).mode(0o600);
        let Ok(file) = options.open(dir.entry(NAME)) else {
            return Some(Self { _file: None });
        };
        match file.try_lock() {
            // A forked child's copy would keep the lock.
            Ok(()) => Some(Self {
                _file: Some(PrivateFd::new(file.into())),
            }),
            Err(TryLockError::WouldBlock) => None,
            Err(TryLockError::Error(_)) => Some(Self { _file: None }),
        }
    }

    /// Removes the file.
    pub(crate) fn forget(dir: &RuntimeDir) {
        let _ = fs::remove_file(dir.entry(NAME));
    }
}

#[cfg(test)]
mod tests {
    use super::Turn;
    use crate::directory::RuntimeDir;

    #[test]
    fn one_at_a_time_has_the_turn() {
        let base = tempfile::tempdir().unwrap();
        let dir = RuntimeDir::at(&base.path().join("ns")).unwrap();
        let first = Turn::take(&dir).unwrap();
        assert!(Turn::take(&dir).is_none());
        drop(first);
        assert!(Turn::take(&dir).is_some());
        Turn::forget(&dir);
        assert!(std::fs::read_dir(dir.path()).unwrap().next().is_none());
    }
}
