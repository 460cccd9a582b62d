//! Ending a manager: [`Handle`] from anywhere, [`Running`] from whoever spawned it.

use super::attach::Attachments;
use super::shared::Shared;
use crate::ipc::Scoid;
use crate::{Errno, StartError};
use std::sync::{Arc, Weak};
use std::thread::JoinHandle;

/// Ends a manager from another thread.
#[derive(Clone, Debug)]
pub struct Handle {
    shared: Weak<Shared>,
}

impl Handle {
    pub(super) fn new(shared: &Arc<Shared>) -> Self {
        Self {
            shared: Arc::downgrade(shared),
        }
    }

    /// Whether the manager still keeps something of a client: its number, opens, locks, calls.
    pub(crate) fn knows(&self, client: Scoid) -> bool {
        let shared = self.shared.upgrade();
        shared.is_some_and(|shared| shared.channel.client_info(client).is_ok())
    }

    /// Asks the manager to end: handlers that run are finished and answered, then the names go, and
    /// clients that still wait get `ESRCH`. It does not wait for that. Asking again does nothing.
    #[doc(alias = "dispatch_destroy")]
    pub fn stop(&self) {
        if let Some(shared) = self.shared.upgrade() {
            shared.stop();
        }
    }
}

impl Handle {
    /// What its threads do beside serving files: see [`Manager::attachments`](super::Manager::attachments). `None`: it
    /// has ended.
    pub fn attachments(&self) -> Option<Arc<Attachments>> {
        let shared = self.shared.upgrade()?;
        Some(Arc::clone(&shared.attachments))
    }
}

/// A manager on threads of its own. Dropping it stops the manager and waits until it has ended.
#[derive(Debug)]
pub struct Running {
    handle: Handle,
    thread: Option<JoinHandle<Result<(), StartError>>>,
}

impl Running {
    pub(super) fn new(handle: Handle, thread: JoinHandle<Result<(), StartError>>) -> Self {
        Self {
            handle,
            thread: Some(thread),
        }
    }

    /// What ends it from another thread.
    pub fn handle(&self) -> Handle {
        self.handle.clone()
    }

    /// Stops the manager, waits until it has ended, and tells how.
    pub fn stop(mut self) -> Result<(), StartError> {
        self.handle.stop();
        self.join()
    }

    /// Waits until somebody else stops the manager.
    pub fn wait(mut self) -> Result<(), StartError> {
        self.join()
    }

    fn join(&mut self) -> Result<(), StartError> {
        let Some(thread) = self.thread.take() else {
            return Ok(());
        };
        // Handlers' panics are caught; one that comes this far is the framework's own.
        thread
            .join()
            .unwrap_or_else(|_| Err(StartError::new("serve", Errno::IO)))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.handle.stop();
        if let Err(error) = self.join() {
            tracing::error!(%error, "a manager ended badly");
        }
    }
}
