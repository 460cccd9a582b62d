//! [`Manager`]: files and the loop that serves them.

use super::handle::{Handle, Running};
use super::shared::Shared;
use super::signals::Signals;
use crate::ipc::{Channel, ChannelFlags, ChannelId, ChannelOptions, ConnectRights};
use crate::names::{self, Registration, pathname};
use crate::resource::{Device, Node, Plainly};
use crate::{Errno, StartError};
use resmgr_namespace::{Attach, AttachFlags, FileType};
use std::path::Path;
use std::sync::Arc;
use std::thread;

/// How many threads a manager may have.
const THREADS_MAX: usize = 256;

/// A resource manager: one channel, the files attached to it, and the threads that answer for them.
///
/// ```no_run
/// use resmgr::prelude::*;
///
/// struct Hello;
///
/// impl Device for Hello {
///     fn read(&self, at: &At, buf: &mut [u8]) -> Result<usize> {
///         at.copy(b"Hello, world!\n", buf)
///     }
///     fn write(&self, _at: &At, data: &[u8]) -> Result<usize> {
///         print!("{}", String::from_utf8_lossy(data));
///         Ok(data.len())
///     }
/// }
///
/// fn main() -> Result<(), StartError> {
///     Manager::new()?.attach("/dev/hello", Hello)?.run()
/// }
/// ```
#[derive(Debug)]
#[doc(alias = "dispatch_create")]
pub struct Manager {
    shared: Arc<Shared>,
    names: Vec<Registration>,
    threads: usize,
    signals: Option<Signals>,
}

impl Manager {
    /// A manager without files, open to its own user and to root.
    pub fn new() -> Result<Self, StartError> {
        Self::open_to(ConnectRights::Owner)
    }

    /// The same, open to others as well. Each file's permission bits still say who may open it.
    pub fn open_to(rights: ConnectRights) -> Result<Self, StartError> {
        Self::with_options(ChannelOptions {
            rights,
            ..ChannelOptions::default()
        })
    }

    /// The same with every choice of its channel; UNBLOCK and DISCONNECT are added to its flags.
    #[doc(alias = "dispatch_create_channel")]
    pub fn with_options(mut options: ChannelOptions) -> Result<Self, StartError> {
        options.flags |= ChannelFlags::UNBLOCK | ChannelFlags::DISCONNECT;
        if !options.flags.contains(ChannelFlags::PRIVATE) {
            names::reach()?;
        }
        let channel = Channel::with_options(options)
            .map_err(|errno| StartError::new("create the manager's channel", errno))?;
        let shared = Arc::new(Shared::new(channel));
        Ok(Self {
            shared,
            names: Vec::new(),
            threads: 1,
            signals: None,
        })
    }

    /// Adds a file under a path. A relative path is one of the current directory. A path that is taken
    /// already is legal: the newest registration is asked first.
    ///
    /// # Errors
    /// - `EINVAL`, `ENOENT`: no path.
    /// - `ENAMETOOLONG`: it is too long.
    /// - `EACCES`: the namespace is root's, and no rule lets this user have the name.
    #[doc(alias = "resmgr_attach")]
    pub fn attach<D: Device>(self, path: impl AsRef<Path>, device: D) -> Result<Self, StartError> {
        self.attach_with(path, AttachFlags::empty(), device)
    }

    /// The same with a place among other registrations of the path (`BEFORE`, `AFTER`, `OPAQUE`), or seen
    /// by this process itself (`SELF`; without it, a process does not find its own files).
    ///
    /// # Errors
    /// As [`attach`](Self::attach); `EINVAL` for `BEFORE` with `AFTER`.
    pub fn attach_with<D: Device>(
        mut self,
        path: impl AsRef<Path>,
        flags: AttachFlags,
        device: D,
    ) -> Result<Self, StartError> {
        let path = path.as_ref();
        let failed = |errno| StartError::new("attach", errno).name(path);
        let handle = u32::try_from(self.names.len()).map_err(|_| failed(Errno::NFILE))?;
        let attach = Attach {
            path: pathname(path).map_err(failed)?,
            chid: self.shared.channel.id().raw().cast_signed(),
            handle,
            file_type: FileType::ANY,
            flags,
            exclusive: false,
        };
        self.shared
            .add(handle, Node::new(Box::new(Plainly(device)), handle));
        self.names.push(Registration::new(&attach)?);
        Ok(self)
    }

    /// Adds a file that has no name, for tests: it is reached by channel and handle 0.
    #[doc(hidden)]
    pub fn unnamed<D: Device>(self, device: D) -> Self {
        self.shared.add(0, Node::new(Box::new(Plainly(device)), 0));
        self
    }

    /// Where it receives.
    #[doc(hidden)]
    pub fn channel(&self) -> ChannelId {
        self.shared.channel.id()
    }

    /// Answers with this many threads (1 to 256; 1 is what a new manager has). With one, a handler that
    /// waits makes every client wait.
    pub fn threads(mut self, count: usize) -> Self {
        self.threads = count.clamp(1, THREADS_MAX);
        self
    }

    /// Has SIGINT and SIGTERM end [`run`](Self::run) with success. Call it before the program starts
    /// threads of its own: the signals are blocked for this thread, and for those it starts, from here on.
    /// Without it both end the process as ever, and its names go with it.
    pub fn stop_on_signals(mut self) -> Result<Self, StartError> {
        let signals = Signals::take().map_err(|errno| StartError::new("take signals", errno))?;
        self.signals = Some(signals);
        Ok(self)
    }

    /// What ends it from another thread.
    pub fn handle(&self) -> Handle {
        Handle::new(&self.shared)
    }

    /// Serves until somebody stops it. Then its names go, and clients that wait for an answer get `ESRCH`.
    #[doc(alias = "dispatch_block")]
    #[doc(alias = "dispatch_handler")]
    #[doc(alias = "thread_pool_start")]
    pub fn run(mut self) -> Result<(), StartError> {
        let failed = |errno| StartError::new("serve", errno);
        let signals = self
            .signals
            .take()
            .map(|signals| signals.watch(self.handle()));
        let _watch = signals.transpose().map_err(failed)?;
        self.serve().map_err(failed)
    }

    /// Serves on a thread of its own: for programs that do something else, too, and for tests. Dropping
    /// what is returned stops it.
    pub fn spawn(self) -> Result<Running, StartError> {
        let handle = self.handle();
        let body = move || self.run();
        let thread = thread::Builder::new().name("resmgr".into()).spawn(body);
        let thread = thread.map_err(|error| StartError::new("start a thread", error))?;
        Ok(Running::new(handle, thread))
    }

    fn serve(&self) -> crate::Result<()> {
        let shared = &*self.shared;
        thread::scope(|scope| {
            for number in 1..self.threads {
                let builder = thread::Builder::new().name(format!("resmgr-{number}"));
                let worker = builder.spawn_scoped(scope, || shared.work());
                if let Err(error) = worker {
                    shared.stop();
                    return Err(error.into());
                }
            }
            shared.work()
        })
    }
}

/// Names first, so that nobody comes anew; then whoever still waits.
impl Drop for Manager {
    fn drop(&mut self) {
        self.names.clear();
        self.shared.channel.destroy();
    }
}

#[cfg(test)]
mod tests;
