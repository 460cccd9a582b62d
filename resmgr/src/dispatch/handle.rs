//! A manager from outside: [`Handle`] from anywhere, [`Running`] for whoever spawned it.

use super::attach::Attachments;
use super::links::{Detach, LinkId};
use super::manager::seat_async;
use super::shared::Shared;
use super::threads::Server;
use crate::ipc::Scoid;
use crate::resource::{AsyncResource, Place, Resource, Seated};
use crate::{Errno, StartError};
use resmgr_namespace::AttachFlags;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Weak};
use std::thread::{self, JoinHandle};

/// A manager, for other threads and for its handlers: it ends it, and changes what is attached while it serves.
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

    /// Has one more thread receive and answer, from now until the manager ends. `None`: it has ended.
    pub(crate) fn help(&self) -> Result<Option<Helper>, StartError> {
        let Some(shared) = self.shared.upgrade() else {
            return Ok(None);
        };
        shared.expect_several();
        let body = move || {
            if let Err(errno) = Server::new(&shared).work() {
                tracing::error!(%errno, "a thread of a manager ended badly");
            }
        };
        let thread = thread::Builder::new().name("resmgr".into()).spawn(body);
        let thread = thread.map_err(|error| StartError::new("start a thread", error))?;
        Ok(Some(Helper(Some(thread))))
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
    /// Adds a resource under a path while the manager serves; a handler may do so, too.
    ///
    /// ```
    /// use resmgr::dispatch::{Detach, Handle};
    /// use resmgr::parts::Text;
    /// use resmgr::prelude::*;
    ///
    /// /// A sensor was plugged in, and is pulled out again.
    /// fn plugged(manager: &Handle) -> std::result::Result<(), Box<dyn std::error::Error>> {
    ///     let link = manager.attach("/dev/sensor1", AttachFlags::empty(), Text::get(|| "21.5\n"))?;
    ///     manager.detach(link, Detach::All)?;
    ///     Ok(())
    /// }
    /// ```
    ///
    /// # Errors
    /// As [`Manager::attach_with`](super::Manager::attach_with), and
    /// - `ESRCH`: the manager has ended, or is about to.
    /// - `ENOTSUP`: the resource has asynchronous files, and the manager no [runtime](Self::attach_async).
    #[doc(alias = "resmgr_attach")]
    pub fn attach<R: Resource>(
        &self,
        path: impl AsRef<Path>,
        flags: AttachFlags,
        resource: R,
    ) -> Result<LinkId, StartError> {
        self.attach_seat(path.as_ref(), flags, |place| resource.seated(place))
    }

    /// The same for one whose handlers are asynchronous.
    ///
    /// # Errors
    /// As [`attach`](Self::attach), and `ENOTSUP`: the manager has no runtime. It has one if it began with an
    /// asynchronous resource, or was [told](super::Manager::on_runtime) which.
    #[doc(alias = "resmgr_attach")]
    pub fn attach_async<R: AsyncResource>(
        &self,
        path: impl AsRef<Path>,
        flags: AttachFlags,
        resource: R,
    ) -> Result<LinkId, StartError> {
        self.attach_seat(path.as_ref(), flags, |place| seat_async(resource, place))
    }

    /// Takes an attachment away: its name at once, and with [`Detach::All`] its opens, too. Calls on these are `EBADF`
    /// from here on; the resource is told of their end between two messages, and is dropped when the last has ended.
    ///
    /// # Errors
    /// - `EINVAL`: it is none, or none any more. `ESRCH`: the manager has ended.
    #[doc(alias = "resmgr_detach")]
    pub fn detach(&self, link: LinkId, what: Detach) -> crate::Result<()> {
        let shared = self.shared.upgrade().ok_or(Errno::SRCH)?;
        shared.detach(link, what)
    }

    /// What is attached, in the order in which it was, and where.
    #[doc(alias = "resmgr_pathname")]
    pub fn links(&self) -> Vec<(LinkId, PathBuf)> {
        let shared = self.shared.upgrade();
        shared.map_or_else(Vec::new, |shared| shared.attached())
    }

    fn attach_seat(
        &self,
        path: &Path,
        flags: AttachFlags,
        seat: impl FnOnce(Place<'_>) -> Result<Seated, StartError>,
    ) -> Result<LinkId, StartError> {
        let failed = |errno| StartError::new("attach", errno).name(path);
        let shared = self.shared.upgrade().ok_or_else(|| failed(Errno::SRCH))?;
        let runtime = shared.runtime.get().cloned();
        let runtime = &mut || runtime.clone().ok_or_else(|| failed(Errno::NOTSUP));
        shared.attach(path, flags, runtime, seat)
    }

    /// What its threads do beside serving files: see [`Manager::attachments`](super::Manager::attachments). `None`: it
    /// has ended.
    pub fn attachments(&self) -> Option<Arc<Attachments>> {
        let shared = self.shared.upgrade()?;
        Some(Arc::clone(&shared.attachments))
    }
}

/// One more thread of a manager. Dropping it waits until that has ended: stop the manager before.
#[derive(Debug)]
pub(crate) struct Helper(Option<JoinHandle<()>>);

impl Drop for Helper {
    fn drop(&mut self) {
        if let Some(Err(_)) = self.0.take().map(JoinHandle::join) {
            tracing::error!("a thread of a manager panicked");
        }
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
