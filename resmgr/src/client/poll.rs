//! [`poll()`]: waiting for several files, in the manner of poll(2).

use super::wake::Wake;
use super::{Caller, Conditions, File, NotifyAction};
use crate::ipc::{Event, Semaphore};
use crate::resource::lock;
use crate::{Errno, Result};
use resmgr_sys::fork::PerProcess;
use std::sync::Mutex;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// What was used for earlier waits, and serves for later ones.
static IDLE: PerProcess<Mutex<Vec<Sleeper>>> = PerProcess::new();
/// How many are kept.
const IDLE_MAX: usize = 8;

/// A file that [`poll()`] looks at.
#[derive(Clone, Copy, Debug)]
#[doc(alias = "pollfd")]
pub struct PollFile<'a> {
    file: &'a File,
    wanted: Conditions,
    ready: Conditions,
}

impl<'a> PollFile<'a> {
    /// Waits for any of these conditions.
    pub fn new(file: &'a File, wanted: Conditions) -> Self {
        Self {
            file,
            wanted,
            ready: Conditions::empty(),
        }
    }

    /// The file.
    pub fn file(&self) -> &'a File {
        self.file
    }

    /// What the last call found: some of the wanted conditions, or `ERR` and `HUP` when its server has gone.
    #[doc(alias = "revents")]
    pub fn ready(&self) -> Conditions {
        self.ready
    }
}

/// Waits until a file is ready; returns how many are. `None` waits as long as it takes, and no time only looks.
///
/// Each server is asked once, and tells by an event when something has changed. A server that does not tell
/// (`ENOSYS`) has files that never make anybody wait: they count as ready for what is wanted of them. A server
/// that has gone makes its files ready with `ERR` and `HUP`.
///
/// # Errors
/// - `EINTR`: a signal handler ran on this thread.
/// - `EAGAIN`, `EMFILE`: as many events or descriptors as there may be are in use.
/// - others: a server's answer.
pub fn poll(files: &mut [PollFile<'_>], timeout: Option<Duration>) -> Result<usize> {
    let deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
    let sleeper = Sleeper::take()?;
    sleeper.wake.take();
    let waits = timeout != Some(Duration::ZERO);
    let mut asked: Vec<_> = files.iter().map(|one| Asked::new(one.file)).collect();
    let found = loop {
        let count = round(files, &mut asked, waits.then_some(&sleeper.event))?;
        if count > 0 || !waits || !sleeper.wake.wait(deadline)? {
            break count;
        }
        sleeper.wake.take();
    };
    drop(asked);
    sleeper.give_back();
    Ok(found)
}

/// Asks each server. Once a file is ready nothing more is armed: nobody is going to wait.
fn round(
    files: &mut [PollFile<'_>],
    asked: &mut [Asked<'_>],
    event: Option<&Event>,
) -> Result<usize> {
    let mut count = 0;
    for (one, asked) in files.iter_mut().zip(asked) {
        one.ready = match event.filter(|_| count == 0) {
            Some(event) => asked.arm(one.wanted, event),
            None => asked.look(one.wanted),
        }?;
        count += usize::from(!one.ready.is_empty());
    }
    Ok(count)
}

/// A file that is polled, through a handle of which nobody else has armed conditions.
struct Asked<'a> {
    file: &'a File,
    /// Where the file's own handle is being polled by somebody else.
    other: Option<File>,
    /// The file's own handle is this one's.
    owns: bool,
    armed: Conditions,
}

impl<'a> Asked<'a> {
    fn new(file: &'a File) -> Self {
        Self {
            file,
            other: None,
            owns: false,
            armed: Conditions::empty(),
        }
    }

    fn look(&self, wanted: Conditions) -> Result<Conditions> {
        let handle = self.other.as_ref().unwrap_or(self.file);
        let asked = handle.notify(NotifyAction::Poll, wanted, &Event::none());
        told(asked, wanted)
    }

    fn arm(&mut self, wanted: Conditions, event: &Event) -> Result<Conditions> {
        let asked = self
            .handle()
            .and_then(|handle| handle.notify(NotifyAction::PollArm, wanted, event));
        if asked == Ok(Conditions::empty()) {
            self.armed = wanted;
        }
        told(asked, wanted)
    }

    fn handle(&mut self) -> Result<&File> {
        self.owns = self.owns || !self.file.polled.swap(true, Ordering::AcqRel);
        if self.owns {
            return Ok(self.file);
        }
        if self.other.is_none() {
            self.other = Some(self.file.dup()?);
        }
        Ok(self.other.as_ref().unwrap_or(self.file))
    }
}

impl Drop for Asked<'_> {
    fn drop(&mut self) {
        let handle = self.other.as_ref().unwrap_or(self.file);
        disarm(handle, self.armed);
        if self.owns {
            self.file.polled.store(false, Ordering::Release);
        }
    }
}

/// Takes events back. One that is on its way already does no harm.
pub(super) fn disarm(file: &File, armed: Conditions) {
    if armed.is_empty() {
        return;
    }
    let none = Event::none();
    // As long as a file that is closed waits for its server.
    let deadline = Instant::now().checked_add(super::file::DROP_PATIENCE);
    let calls = file.on_behalf(Caller {
        deadline,
        ..Caller::default()
    });
    if let Err(errno) = calls.notify(NotifyAction::TranArm, armed, &none) {
        tracing::debug!(%errno, "events of a file were not taken back");
    }
}

/// What an answer means for somebody who waits.
fn told(asked: Result<Conditions>, wanted: Conditions) -> Result<Conditions> {
    match asked {
        Err(Errno::NOSYS) => Ok(wanted),
        Err(errno) if is_gone(errno) => Ok(GONE),
        asked => asked,
    }
}

/// What a file is ready for whose server has gone.
pub(super) const GONE: Conditions = Conditions::ERROR.union(Conditions::HANG_UP);

/// Whether there is nobody to ask any more.
pub(super) fn is_gone(errno: Errno) -> bool {
    matches!(errno, Errno::SRCH | Errno::BADF | Errno::PROTO)
}

/// What one wait sleeps on, and the event that ends it.
#[derive(Debug)]
struct Sleeper {
    wake: Wake,
    event: Event,
    /// The event's. One that nobody has makes room for others.
    _told: Semaphore,
}

impl Sleeper {
    fn take() -> Result<Self> {
        if let Some(idle) = lock(IDLE.get(Mutex::default)).pop() {
            return Ok(idle);
        }
        let wake = Wake::new()?;
        let told = wake.semaphore();
        let event = Event::semaphore(&told)?;
        Ok(Self {
            wake,
            event,
            _told: told,
        })
    }

    fn give_back(self) {
        let mut idle = lock(IDLE.get(Mutex::default));
        if idle.len() < IDLE_MAX {
            idle.push(self);
        }
    }
}
