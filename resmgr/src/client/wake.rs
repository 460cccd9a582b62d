//! [`Wake`]: what a thread sleeps on that waits for files to become ready.
//!
//! Servers tell it by an event of this process, which posts to a semaphore, which rings a bell; and a server that
//! goes is told of by the pulse of a channel. Both are descriptors in one set. Nothing is lost, however many
//! events come: a semaphore counts.

use crate::Result;
use crate::ipc::{Channel, ChannelFlags, PulseCode, Received, Semaphore};
use resmgr_sys::clock::Deadline;
use resmgr_sys::epoll::{Epoll, EventFd, Ready};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::sync::Arc;

/// Bell, deaths, and the set of both.
#[derive(Debug)]
pub(crate) struct Wake {
    bell: Arc<EventFd>,
    deaths: Channel,
    set: Epoll,
}

impl Wake {
    /// Takes two descriptors and a channel, which has some of its own.
    pub(crate) fn new() -> Result<Self> {
        let (bell, set) = (Arc::new(EventFd::new()?), Epoll::new()?);
        let flags = ChannelFlags::PRIVATE | ChannelFlags::COID_DISCONNECT;
        let deaths = Channel::create(flags)?;
        set.add(&*bell, 0, Ready::IN)?;
        set.add(&deaths.poll_fd()?, 1, Ready::IN)?;
        Ok(Self { bell, deaths, set })
    }

    /// One more semaphore that wakes the sleeper.
    pub(crate) fn semaphore(&self) -> Semaphore {
        Semaphore::ringing(Arc::clone(&self.bell))
    }

    /// Sleeps until something has come since the last [`take`](Self::take); false after `deadline`.
    ///
    /// # Errors
    /// - `EINTR`: a signal handler ran on this thread.
    pub(crate) fn wait(&self, deadline: Deadline) -> Result<bool> {
        let mut events = Vec::new();
        self.set.wait(deadline, &mut events)?;
        Ok(!events.is_empty())
    }

    /// Takes note of all that has come; returns the connections whose servers have gone. What comes from here on
    /// wakes again, so whoever calls this looks at the files afterwards.
    pub(crate) fn take(&self) -> Vec<i64> {
        self.bell.take();
        let mut gone = Vec::new();
        // Nobody can send to this channel but its own process, which does not.
        while let Ok(received) = self.deaths.try_receive(&mut []) {
            if let Received::Pulse(pulse) = received
                && pulse.code == PulseCode::COID_DEATH
            {
                gone.push(pulse.value);
            }
        }
        gone
    }
}

impl AsFd for Wake {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.set.as_fd()
    }
}

impl AsRawFd for Wake {
    fn as_raw_fd(&self) -> RawFd {
        self.as_fd().as_raw_fd()
    }
}
