//! [`Bench`]: a resource and its manager, in this process.

use super::Client;
use crate::dispatch::{Handle, Helper, Limits, Manager, Running};
use crate::ipc::{ChannelFlags, ChannelId, ChannelOptions, Credentials};
use crate::resource::{AsyncResource, Resource};
use crate::{Result, StartError};
use resmgr_sys::process;
use std::ops::Deref;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// Where the clients' process numbers begin: behind any that Linux gives.
const FIRST_PID: u32 = 1 << 23;
/// How long calls of the bench wait for an answer that may never come.
const PATIENCE: Duration = Duration::from_secs(10);

/// A resource that is served in this process, for tests. It is also its own first [`Client`]: of the user and group of
/// this process. Dropping it ends the manager, as a server ends.
#[derive(Debug)]
pub struct Bench {
    first: Client,
    next_pid: AtomicU32,
    patience: Duration,
    channel: ChannelId,
    running: Running,
    /// Joined behind `running`, which ends it.
    more: Option<Helper>,
    /// Whether another call can be answered while one handler is under way.
    interleaves: bool,
}

impl Bench {
    /// Serves a resource with one thread.
    ///
    /// # Errors
    /// Those of making a channel and a thread: `EMFILE`, `EAGAIN`.
    pub fn new<R: Resource>(resource: R) -> Result<Self, StartError> {
        Self::with_threads(1, resource)
    }

    /// The same with several threads.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn with_threads<R: Resource>(threads: usize, resource: R) -> Result<Self, StartError> {
        let manager = manager()?.threads(threads).unnamed(resource);
        Self::serve(manager, threads > 1)
    }

    /// As [`new`](Self::new), with bounds on what each client may take.
    ///
    /// # Errors
    /// As [`new`](Self::new); `EINVAL`: a bound that may not be.
    pub fn with_limits<R: Resource>(limits: Limits, resource: R) -> Result<Self, StartError> {
        Self::serve(manager()?.limits(limits)?.unnamed(resource), false)
    }

    /// The same for an asynchronous resource, in a runtime of its own.
    ///
    /// # Errors
    /// As [`new`](Self::new), and those of making a runtime.
    pub fn new_async<R: AsyncResource>(resource: R) -> Result<Self, StartError> {
        Self::serve(manager()?.unnamed_async(0, resource)?, true)
    }

    /// Has one more thread serve from now on.
    pub(super) fn add_thread(&mut self) -> Result<(), StartError> {
        self.more = self.running.handle().help()?;
        Ok(())
    }

    pub(super) fn interleaves(&self) -> bool {
        self.interleaves
    }

    fn serve(manager: Manager, interleaves: bool) -> Result<Self, StartError> {
        let channel = manager.channel();
        let running = manager.spawn()?;
        let whose = Credentials {
            pid: FIRST_PID,
            uid: process::effective_uid(),
            gid: process::effective_gid(),
        };
        let first = Client::new(channel, running.handle(), whose, PATIENCE)
            .map_err(|errno| StartError::new("attach to the bench", errno))?;
        Ok(Self {
            first,
            next_pid: AtomicU32::new(FIRST_PID + 1),
            patience: PATIENCE,
            channel,
            running,
            more: None,
            interleaves,
        })
    }

    /// The same with another time after which calls that should have been answered fail with `ETIMEDOUT`; 10 seconds
    /// are what a new bench has.
    #[must_use]
    pub fn patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self.first.set_patience(patience);
        self
    }

    /// A client of its own, of this user and group: for the resource another process.
    ///
    /// # Errors
    /// - `EMFILE`, `ENFILE`: there are too many.
    pub fn client(&self, uid: u32, gid: u32) -> Result<Client> {
        let pid = self.next_pid.fetch_add(1, Ordering::Relaxed);
        let whose = Credentials { pid, uid, gid };
        Client::new(self.channel, self.handle(), whose, self.patience)
    }

    /// A client of its own, of the user and group of this process.
    ///
    /// # Errors
    /// As [`client`](Self::client).
    pub fn another(&self) -> Result<Client> {
        self.client(process::effective_uid(), process::effective_gid())
    }

    /// What ends the manager while clients are at work.
    pub fn handle(&self) -> Handle {
        self.running.handle()
    }
}

/// The bench's calls are those of its first client.
impl Deref for Bench {
    type Target = Client;

    fn deref(&self) -> &Client {
        &self.first
    }
}

fn manager() -> Result<Manager, StartError> {
    Manager::with_options(ChannelOptions {
        flags: ChannelFlags::PRIVATE,
        ..ChannelOptions::default()
    })
}
