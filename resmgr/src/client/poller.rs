//! [`Poller`]: files in somebody's event loop.

use super::poll::{GONE, disarm, is_gone};
use super::wake::Wake;
use super::{Conditions, File, NotifyAction};
use crate::ipc::{Event, Semaphore};
use crate::resource::lock;
use crate::{Errno, Result};
use resmgr_sys::clock::Deadline;
use std::collections::BTreeMap;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::sync::Mutex;

/// Files of one poller.
const FILES_MAX: usize = 1024;

/// Files that are watched until they are ready, behind one descriptor: it goes into any poll(2), epoll or executor
/// next to ordinary ones, and is readable when [`ready`](Self::ready) may have something to tell.
///
/// Files are told of as long as they are ready (by level): a file that was told of, and is still ready, makes the
/// descriptor readable again. (In tokio: `AsyncFd::new(poller)`, and `clear_ready` when `ready` has nothing.) A poller has a duplicate of each file, so the open lasts until the file is taken
/// out. Any thread may use it.
///
/// ```no_run
/// use resmgr::client::{Conditions, OpenFlags, Poller, open};
///
/// # fn main() -> resmgr::Result<()> {
/// let sensor = open("/dev/sensor", OpenFlags::READ)?;
/// let poller = Poller::new()?;
/// poller.add(1, &sensor, Conditions::INPUT)?;
/// loop {
///     for file in poller.wait(None)? {
///         let mut buffer = [0; 64];
///         println!("{}: {} bytes", file.key, sensor.read(&mut buffer)?);
///     }
/// }
/// # }
/// ```
#[derive(Debug)]
#[doc(alias = "select")]
#[doc(alias = "epoll")]
pub struct Poller {
    wake: Wake,
    files: Mutex<BTreeMap<u64, Watched>>,
}

/// A file that a [`Poller`] found ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReadyFile {
    /// By what it was added.
    pub key: u64,
    /// What it is ready for; `ERR` and `HUP`, once, when its server has gone.
    pub conditions: Conditions,
}

#[derive(Debug)]
struct Watched {
    file: File,
    wanted: Conditions,
    told: Semaphore,
    event: Event,
}

impl Poller {
    /// One without files.
    ///
    /// # Errors
    /// - `EMFILE`: no descriptors are left. `EAGAIN`: too many channels.
    pub fn new() -> Result<Self> {
        Ok(Self {
            wake: Wake::new()?,
            files: Mutex::default(),
        })
    }

    /// Watches a file, under a key of the caller's choice.
    ///
    /// # Errors
    /// - `EEXIST`: the key is taken.
    /// - `ENOSYS`: the server does not tell when a file is ready.
    /// - `EAGAIN`: 1024 files are watched, or as many events as there may be are in use.
    /// - others: as of [`dup`](File::dup) and [`notify`](File::notify).
    #[doc(alias = "EPOLL_CTL_ADD")]
    pub fn add(&self, key: u64, file: &File, wanted: Conditions) -> Result<()> {
        let told = self.wake.semaphore();
        let event = Event::semaphore(&told)?;
        let watched = Watched {
            file: file.dup()?,
            wanted,
            told,
            event,
        };
        let mut files = lock(&self.files);
        if files.contains_key(&key) {
            return Err(Errno::EXIST);
        }
        if files.len() >= FILES_MAX {
            return Err(Errno::AGAIN);
        }
        watched.arm()?;
        files.insert(key, watched);
        Ok(())
    }

    /// Watches a file no more.
    ///
    /// # Errors
    /// - `ENOENT`: there is none of this key.
    #[doc(alias = "EPOLL_CTL_DEL")]
    pub fn remove(&self, key: u64) -> Result<()> {
        let gone = lock(&self.files).remove(&key);
        // Not under the lock: this talks to the server.
        gone.map(drop).ok_or(Errno::NOENT)
    }

    /// The files that are ready now, without waiting for one; servers are asked, and answer at once.
    ///
    /// # Errors
    /// - `EINTR`: a signal ended a question. Others: a server's answer. The other files are told of next time.
    pub fn ready(&self) -> Result<Vec<ReadyFile>> {
        let gone = self.wake.take();
        let mut ready = Vec::new();
        for (key, watched) in &*lock(&self.files) {
            let is_gone = gone.contains(&i64::from(watched.file.connection.id().raw()));
            if !is_gone && !watched.was_told() {
                continue;
            }
            let conditions = watched.look().inspect_err(|_| watched.told.post())?;
            if !conditions.is_empty() {
                let key = *key;
                ready.push(ReadyFile { key, conditions });
            }
        }
        Ok(ready)
    }

    /// Waits until files are ready; none after `deadline`.
    ///
    /// # Errors
    /// As [`ready`](Self::ready); `EINTR`: a signal handler ran on this thread.
    #[doc(alias = "epoll_wait")]
    pub fn wait(&self, deadline: Deadline) -> Result<Vec<ReadyFile>> {
        loop {
            let ready = self.ready()?;
            if !ready.is_empty() || !self.wake.wait(deadline)? {
                return Ok(ready);
            }
        }
    }
}

impl AsFd for Poller {
    /// Readable when [`ready`](Poller::ready) may have something to tell. Do not read from it.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.wake.as_fd()
    }
}

/// The same for executors that want the number.
impl AsRawFd for Poller {
    fn as_raw_fd(&self) -> RawFd {
        self.as_fd().as_raw_fd()
    }
}

impl Watched {
    fn was_told(&self) -> bool {
        let told = self.told.try_wait();
        while self.told.try_wait() {}
        told
    }

    /// The event comes at once if the file is ready already.
    fn arm(&self) -> Result<Conditions> {
        self.file
            .notify(NotifyAction::CondArm, self.wanted, &self.event)
    }

    /// What it is ready for. In any case the event comes again when there is something to tell.
    fn look(&self) -> Result<Conditions> {
        let action = NotifyAction::PollArm;
        let looked = self.file.notify(action, self.wanted, &self.event);
        let conditions = match looked {
            Err(errno) if is_gone(errno) => return Ok(GONE),
            looked => looked?,
        };
        if !conditions.is_empty() {
            match self.arm() {
                // It says so the next time.
                Err(errno) if is_gone(errno) => self.told.post(),
                armed => drop(armed?),
            }
        }
        Ok(conditions)
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        disarm(&self.file, self.wanted);
    }
}
