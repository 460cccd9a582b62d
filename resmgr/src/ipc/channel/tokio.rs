//! Receiving in tokio.

use super::{Channel, Received};
use resmgr_sys::{Errno, Result};
use std::os::fd::{AsRawFd, RawFd};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// A channel's poll descriptor, and what keeps it open.
#[derive(Debug)]
struct PollFd {
    channel: Channel,
    fd: RawFd,
}

impl AsRawFd for PollFd {
    fn as_raw_fd(&self) -> RawFd {
        self.fd
    }
}

/// A channel that is received from in tasks of tokio; made by [`Channel::to_async`].
#[derive(Debug)]
pub struct AsyncChannel(AsyncFd<PollFd>);

impl Channel {
    /// The same channel for tasks. Call it in a runtime of tokio that has I/O enabled.
    ///
    /// # Errors
    /// As [`poll_fd`](Self::poll_fd).
    pub fn to_async(&self) -> Result<AsyncChannel> {
        let fd = self.poll_fd()?.as_raw_fd();
        let channel = self.clone();
        // The other form is unsafe because a descriptor may be closed while tokio has it; this one lives as long
        // as the channel beside it, and never changes.
        #[allow(deprecated)]
        let watched = AsyncFd::with_interest(PollFd { channel, fd }, Interest::READABLE)?;
        Ok(AsyncChannel(watched))
    }
}

impl AsyncChannel {
    /// The next message or pulse. Dropping the future loses nothing: what it has not returned is still in the
    /// channel.
    ///
    /// # Errors
    /// - `ESRCH`: the channel was destroyed.
    #[doc(alias = "MsgReceive")]
    pub async fn receive(&self, buffer: &mut [u8]) -> Result<Received> {
        loop {
            let mut ready = self.0.readable().await?;
            // Nothing is awaited between taking the message and returning it.
            match self.channel().try_receive(buffer) {
                Err(Errno::AGAIN) => ready.clear_ready(),
                done => return done,
            }
        }
    }

    /// The channel.
    pub fn channel(&self) -> &Channel {
        &self.0.get_ref().channel
    }
}
