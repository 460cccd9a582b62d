//! Descriptors of the program that are waited for by a channel's receivers.
//!
//! A receiver sleeps on the bells of its channel, so the background thread waits for the descriptors. One that is
//! ready is told once, by a pulse of the system, and then rests until it is armed again: so there is one pulse for
//! each at the most, however long nobody receives.

use super::channel::{SYSTEM_PRIORITY, Shared};
use super::{Channel, Pulse, PulseCode, process};
use resmgr_sys::epoll::{Epoll, Ready};
use resmgr_sys::{Errno, Result, fork};
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Instant;

/// What the background thread waits for.
#[derive(Debug)]
pub(super) struct ReadySet {
    set: Epoll,
    channel: Weak<Shared>,
}

impl ReadySet {
    /// The background thread: some of them are ready. What does not fit into one look makes the set ready again.
    ///
    /// # Errors
    /// - `ESRCH`: the channel has gone, and nobody waits for them any more.
    pub(super) fn happened(&self) -> Result<()> {
        let channel = self.channel.upgrade().ok_or(Errno::SRCH)?;
        let mut events = Vec::new();
        self.set.wait(Some(Instant::now()), &mut events)?;
        for event in events {
            channel.push_pulse(Pulse {
                code: PulseCode::READY,
                value: join(event.token, event.ready),
                scoid: None,
                priority: SYSTEM_PRIORITY,
            })?;
        }
        Ok(())
    }
}

impl AsFd for ReadySet {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.set.as_fd()
    }
}

/// A token has 32 bits.
fn join(token: u64, ready: Ready) -> i64 {
    (token << 32 | u64::from(ready.bits())).cast_signed()
}

/// A set that the background thread waits for.
#[derive(Debug)]
struct Watched {
    ready: Arc<ReadySet>,
    token: u64,
    generation: u32,
}

/// Descriptors that are waited for on behalf of one channel. It does not keep the channel.
#[derive(Debug)]
pub(crate) struct Readiness {
    channel: Weak<Shared>,
    /// From the first descriptor on.
    watched: Mutex<Option<Watched>>,
}

impl Readiness {
    pub(crate) fn of(channel: &Channel) -> Self {
        Self {
            channel: channel.downgrade(),
            watched: Mutex::default(),
        }
    }

    fn set(&self) -> Result<Arc<ReadySet>> {
        let mut watched = self.watched.lock().unwrap_or_else(PoisonError::into_inner);
        let generation = fork::generation();
        if let Some(watched) = &*watched {
            // A child of fork shares the set with its parent, and must not touch it.
            let is_ours = watched.generation == generation;
            return is_ours
                .then(|| Arc::clone(&watched.ready))
                .ok_or(Errno::SRCH);
        }
        let ready = Arc::new(ReadySet {
            set: Epoll::new()?,
            channel: Weak::clone(&self.channel),
        });
        let token = process::current().watch_ready(&ready)?;
        let _ = watched.insert(Watched {
            ready: Arc::clone(&ready),
            token,
            generation,
        });
        Ok(ready)
    }

    /// Waits for a descriptor; it is told once.
    ///
    /// # Errors
    /// - `EEXIST`: it is there already.
    /// - `EPERM`: an ordinary file or directory, which is always ready.
    /// - `ENOMEM`, `ENOSPC`: no memory for it, or this user waits for too many.
    /// - `ESRCH`: the set is the parent's of this process.
    pub(crate) fn add(&self, fd: BorrowedFd<'_>, token: u32, interest: Ready) -> Result<()> {
        self.set()?
            .set
            .add(&fd, token.into(), interest | Ready::ONCE)
    }

    /// Waits for it again.
    ///
    /// # Errors
    /// - `ENOENT`: it is not there.
    pub(crate) fn rearm(&self, fd: BorrowedFd<'_>, token: u32, interest: Ready) -> Result<()> {
        self.set()?
            .set
            .modify(&fd, token.into(), interest | Ready::ONCE)
    }

    /// Waits for it no more. A pulse that tells of it may still be in the queue.
    pub(crate) fn remove(&self, fd: BorrowedFd<'_>) -> Result<()> {
        self.set()?.set.remove(&fd)
    }

    /// Which descriptor a pulse tells of, and what of it; `None`: it is no such pulse. Only this process sends them.
    pub(crate) fn told(pulse: &Pulse) -> Option<(u32, Ready)> {
        if pulse.code != PulseCode::READY || pulse.scoid.is_some() {
            return None;
        }
        let value = pulse.value.cast_unsigned();
        let token = u32::try_from(value >> 32).ok()?;
        let ready = u32::try_from(value & u64::from(u32::MAX)).ok()?;
        Some((token, Ready::from_bits_retain(ready)))
    }
}

impl Drop for Readiness {
    fn drop(&mut self) {
        let watched = self
            .watched
            .get_mut()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(watched) = watched.take()
            && watched.generation == fork::generation()
        {
            process::current().unwatch_ready(watched.token);
        }
    }
}
