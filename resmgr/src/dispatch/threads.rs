//! The threads that serve a manager: one, or a pool of them.

use super::pool::{Member, PoolOptions, ThreadPool};
use super::shared::{RECEIVE, Shared};
use super::worker::Scratch;
use crate::ipc::Received;
use crate::resource::Desk;
use crate::{Errno, Result};
use resmgr_sys::clock::Deadline;
use resmgr_sys::process;
use std::fmt;
use std::sync::Arc;

/// One thread: what it receives into, and what it keeps from call to call.
#[doc(alias = "dispatch_context_t")]
pub(super) struct Server {
    shared: Arc<Shared>,
    desk: Arc<dyn Desk>,
    buffer: Vec<u8>,
    scratch: Scratch,
}

impl Server {
    pub(super) fn new(shared: &Arc<Shared>) -> Self {
        process::refresh_ids();
        Self {
            shared: Arc::clone(shared),
            desk: Arc::clone(shared) as Arc<dyn Desk>,
            buffer: vec![0; RECEIVE],
            scratch: Scratch::default(),
        }
    }

    /// Receives and answers until the manager is told to stop; then passes the word on.
    pub(super) fn work(mut self) -> Result<()> {
        while let Some(received) = self.block() {
            self.handle(received);
        }
        self.shared.ended()
    }

    /// Receives and answers one message, pulse or task; false when nothing has come by then, or when the manager is to
    /// stop.
    pub(super) fn once(&mut self, until: Deadline) -> Result<bool> {
        if self.shared.is_stopping() {
            return self.shared.ended().map(|()| false);
        }
        match self.shared.channel.receive_until(&mut self.buffer, until) {
            Ok(received) => self.handle(received),
            Err(Errno::TIMEDOUT | Errno::INTR) => return Ok(false),
            Err(Errno::SRCH) if self.shared.is_stopping() => return Ok(false),
            Err(errno) => return Err(errno),
        }
        Ok(true)
    }

    /// The same as a task of tokio.
    pub(super) async fn work_async(mut self) -> Result<()> {
        let channel = self.shared.channel.to_async()?;
        while !self.shared.is_stopping() {
            let received = channel.receive(&mut self.buffer).await;
            if let Some(received) = self.shared.check(received) {
                self.handle(received);
            }
            // Clients that never leave the channel empty must not keep handlers from going on.
            tokio::task::coop::consume_budget().await;
        }
        self.shared.wake();
        self.shared.ended()
    }

    /// Serves with a pool of threads, of which the calling one is one if it does not run a runtime.
    pub(super) fn pool(shared: &Arc<Shared>, options: PoolOptions) -> Result<ThreadPool> {
        shared.expect_several();
        let (members, wakes) = (Arc::clone(shared), Arc::clone(shared));
        let make = move || Ok(Self::new(&members));
        ThreadPool::new(options, make, move || wakes.wake())
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server").finish_non_exhaustive()
    }
}

impl Member for Server {
    type Work = Received;

    fn block(&mut self) -> Option<Received> {
        while !self.shared.is_stopping() {
            let received = self.shared.channel.receive(&mut self.buffer);
            if let Some(received) = self.shared.check(received) {
                return Some(received);
            }
        }
        // One pulse wakes one thread: each passes the word on, also to one that runs a runtime and is none of the
        // pool's.
        self.shared.wake();
        None
    }

    fn handle(&mut self, received: Received) {
        let Self {
            shared,
            desk,
            buffer,
            scratch,
        } = self;
        shared.take_up(received, desk, buffer, scratch);
    }
}

impl Shared {
    /// What was received, unless it is nothing: then a thread looks whether it is to stop.
    fn check(&self, received: Result<Received>) -> Option<Received> {
        match received {
            Ok(received) => Some(received),
            // A signal handler ran on this thread; it may have asked to stop.
            Err(Errno::INTR) => None,
            Err(Errno::SRCH) if self.is_stopping() => None,
            Err(errno) => {
                self.fail(errno);
                None
            }
        }
    }
}
