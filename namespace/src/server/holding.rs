//! [`Holding`]: the record lock that makes a process the one that serves a directory.
//!
//! The kernel drops such a lock when the process ends, fork does not copy it, and it is lost when *any*
//! descriptor of the file is closed in the process. So within one process a list keeps a second attempt
//! from opening the file at all. The file holds the pid of its holder, for people.
//!
//! The holder removes the file before it lets go. Whoever had it open then gets the lock of a file that
//! has no name any more; so the name is compared after locking, and another attempt made.

use crate::StartError;
use crate::directory::RuntimeDir;
use resmgr_sys::{Errno, fork, lock};
use std::fs::{self, File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::os::fd::AsFd;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::sync::Mutex;

const NAME: &str = "lock";
/// Attempts that end with a nameless file: each costs another server its whole life, so few are enough.
const ATTEMPTS: usize = 16;

/// A directory as this process knows it: fork generation, device, inode.
type Key = (u32, u64, u64);

/// What this process serves. Taken with `try_lock` only: a forked child may find it locked for ever.
static HELD: Mutex<Vec<Key>> = Mutex::new(Vec::new());

/// Held for as long as this process serves the directory.
#[derive(Debug)]
pub(super) struct Holding {
    dir: RuntimeDir,
    key: Key,
    /// Keeps the lock; never read.
    _file: File,
}

impl Holding {
    /// Takes the lock, or says who has it.
    pub(super) fn take(dir: &RuntimeDir) -> Result<Self, StartError> {
        let seen = fs::metadata(dir.entry("."));
        let seen = seen.map_err(|error| StartError::system("open", dir.path(), error))?;
        let key = (fork::generation(), seen.dev(), seen.ino());
        reserve(dir, key)?;
        match lock_file(dir) {
            Ok(file) => Ok(Self {
                dir: dir.clone(),
                key,
                _file: file,
            }),
            Err(error) => {
                release(key);
                Err(error)
            }
        }
    }
}

impl Drop for Holding {
    fn drop(&mut self) {
        if self.key.0 == fork::generation() {
            let _ = fs::remove_file(self.dir.entry(NAME));
            release(self.key);
        }
    }
}

fn reserve(dir: &RuntimeDir, key: Key) -> Result<(), StartError> {
    let busy = || StartError::Served {
        path: dir.path().into(),
        pid: std::process::id(),
    };
    let mut held = HELD.try_lock().map_err(|_| busy())?;
    if held.contains(&key) {
        return Err(busy());
    }
    held.push(key);
    Ok(())
}

fn release(key: Key) {
    // Only moments can have it locked here: this generation's own threads in `reserve`.
    if let Ok(mut held) = HELD.lock() {
        held.retain(|other| *other != key);
    }
}

fn lock_file(dir: &RuntimeDir) -> Result<File, StartError> {
    let path = dir.entry(NAME);
    let failed = |error: Errno| StartError::system("lock", dir.path().join(NAME), error);
    for _ in 0..ATTEMPTS {
        let mut options = OpenOptions::new();
        options
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600);
        let mut file = options.open(&path).map_err(|error| failed(error.into()))?;
        if !lock::try_lock(file.as_fd()).map_err(failed)? {
            let mut text = String::new();
            let _ = (&file).take(16).read_to_string(&mut text);
            let pid = text.trim().parse().unwrap_or(0);
            return Err(StartError::Served {
                path: dir.path().into(),
                pid,
            });
        }
        let locked = file.metadata().map_err(|error| failed(error.into()))?;
        if fs::symlink_metadata(&path).is_ok_and(|named| named.ino() == locked.ino()) {
            let line = format!("{}\n", std::process::id());
            let noted = file
                .set_len(0)
                .and_then(|()| file.write_all(line.as_bytes()));
            noted.map_err(|error| failed(error.into()))?;
            return Ok(file);
        }
    }
    Err(failed(Errno::AGAIN))
}
