//! [`Manager`]: files and the loop that serves them.

use super::attach::Attachments;
use super::handle::{Handle, Running};
use super::limits::Limits;
use super::pool::PoolOptions;
use super::shared::Shared;
use super::threads::Server;
use super::trace;
use crate::ipc::{Channel, ChannelFlags, ChannelId, ChannelOptions, ConnectRights};
use crate::names;
use crate::resource::{AsyncResource, Awaited};
use crate::resource::{Attached, Place, Resource, Seated};
use crate::{Errno, StartError};
use resmgr_namespace::AttachFlags;
use resmgr_sys::clock::Deadline;
use resmgr_sys::signal;
use std::os::fd::BorrowedFd;
use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

/// Signals that end a program: SIGINT, SIGTERM.
const ENDING: [i32; 2] = [signal::INT, signal::TERM];
/// How long a manager that ends waits for asynchronous handlers of close.
const CLOSE_PATIENCE: Duration = Duration::from_secs(5);
/// How often tasks have their turn before it is looked whether they have ended.
const ROUNDS: usize = 1000;

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
    pool: PoolOptions,
    /// What a program's own loop serves with.
    server: Option<Box<Server>>,
    /// Runs asynchronous handlers: in [`run`](Self::run), unless the program has given one of its own.
    runtime: Runtime,
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
        trace::start();
        let shared = Arc::new(Shared::new(channel));
        Ok(Self {
            shared,
            pool: PoolOptions::fixed(1),
            server: None,
            runtime: Runtime::default(),
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
    pub fn attach<R: Resource>(
        self,
        path: impl AsRef<Path>,
        resource: R,
    ) -> Result<Self, StartError> {
        self.attach_with(path, AttachFlags::empty(), resource)
    }

    /// The same with a place among other registrations of the path (`BEFORE`, `AFTER`, `OPAQUE`), or seen
    /// by this process itself (`SELF`; without it, a process does not find its own files).
    ///
    /// # Errors
    /// As [`attach`](Self::attach); `EINVAL` for `BEFORE` with `AFTER`.
    pub fn attach_with<R: Resource>(
        self,
        path: impl AsRef<Path>,
        flags: AttachFlags,
        resource: R,
    ) -> Result<Self, StartError> {
        let path = path.as_ref();
        self.attach_seat(path, flags, |place| resource.seated(place))
    }

    /// Adds a resource whose handlers are asynchronous. They run in tokio on the thread of [`run`](Self::run), or in
    /// the runtime that [`on_runtime`](Self::on_runtime) has named before.
    ///
    /// # Errors
    /// As [`attach`](Self::attach); those of making a runtime.
    #[doc(alias = "resmgr_attach")]
    pub fn attach_async<R: AsyncResource>(
        self,
        path: impl AsRef<Path>,
        resource: R,
    ) -> Result<Self, StartError> {
        self.attach_async_with(path, AttachFlags::empty(), resource)
    }

    /// The same with flags, as [`attach_with`](Self::attach_with).
    pub fn attach_async_with<R: AsyncResource>(
        self,
        path: impl AsRef<Path>,
        flags: AttachFlags,
        resource: R,
    ) -> Result<Self, StartError> {
        let path = path.as_ref();
        self.attach_seat(path, flags, |place| seat_async(resource, place))
    }

    /// Bounds what each client may take from now on: see [`Limits`]. What has been taken stays.
    ///
    /// # Errors
    /// - `EINVAL`: one of the channel's bounds is 0 that may not be, or more than it may be.
    #[doc(alias = "RLIMIT_NOFILE")]
    pub fn limits(self, limits: Limits) -> Result<Self, StartError> {
        let set = self.shared.set_limits(&limits);
        set.map_err(|errno| StartError::new("set limits", errno))?;
        Ok(self)
    }

    /// Has asynchronous handlers run in this runtime of the program's. Call it before they are attached.
    pub fn on_runtime(mut self, runtime: tokio::runtime::Handle) -> Self {
        self.shared.runtime.get_or_init(|| runtime.clone());
        self.runtime = Runtime::Given(runtime);
        self
    }

    fn attach_seat(
        mut self,
        path: &Path,
        flags: AttachFlags,
        seat: impl FnOnce(Place<'_>) -> Result<Seated, StartError>,
    ) -> Result<Self, StartError> {
        let shared = Arc::clone(&self.shared);
        shared.attach(path, flags, &mut || self.runtime(), seat)?;
        Ok(self)
    }

    /// Where asynchronous handlers run; also for those that are attached later.
    fn runtime(&mut self) -> Result<tokio::runtime::Handle, StartError> {
        let runtime = self.runtime.handle()?;
        self.shared.runtime.get_or_init(|| runtime.clone());
        Ok(runtime)
    }

    /// Adds a file that has no name, for tests: it is reached by channel and handle 0.
    #[doc(hidden)]
    pub fn unnamed<R: Resource>(mut self, resource: R) -> Self {
        let runtime = &mut || self.runtime();
        let seat = resource.seated(Place {
            number: 0,
            path: String::new(),
            runtime,
        });
        match seat {
            Ok(seat) => self.shared.links.add(0, seat.0),
            Err(error) => tracing::error!(%error, "a file without a name is not served"),
        }
        self
    }

    /// The same for one whose handlers are asynchronous: the file of the handle `number`.
    #[doc(hidden)]
    pub fn unnamed_async<R: AsyncResource>(
        mut self,
        number: u32,
        resource: R,
    ) -> Result<Self, StartError> {
        let runtime = &mut || self.runtime();
        let seat = seat_async(
            resource,
            Place {
                number,
                path: String::new(),
                runtime,
            },
        )?;
        self.shared.links.add(number, seat.0);
        Ok(self)
    }

    /// Where it receives.
    #[doc(hidden)]
    pub fn channel(&self) -> ChannelId {
        self.shared.channel.id()
    }

    /// Answers with exactly this many threads (1 to 256; 1 is what a new manager has). With one, a handler that
    /// waits on its thread makes every client wait.
    pub fn threads(mut self, count: usize) -> Self {
        self.pool = PoolOptions::fixed(count.clamp(1, PoolOptions::MOST));
        self
    }

    /// Answers with as many threads as there is work for, between these marks. Calls of one open keep their order, as
    /// [`Order`](crate::resource::Order) says.
    ///
    /// # Errors
    /// - `EINVAL`: the marks contradict each other.
    #[doc(alias = "thread_pool_create")]
    pub fn pool(mut self, options: PoolOptions) -> Result<Self, StartError> {
        let failed = |errno| StartError::new("make a thread pool", errno);
        options.check().map_err(failed)?;
        self.pool = options;
        Ok(self)
    }

    /// What its threads do beside serving files: messages of the program's own types, pulses, descriptors, signals and
    /// timers. It may be used before the manager runs and while it does, also by handlers.
    #[doc(alias = "message_attach")]
    #[doc(alias = "pulse_attach")]
    #[doc(alias = "select_attach")]
    #[doc(alias = "sigwait_attach")]
    pub fn attachments(&self) -> Arc<Attachments> {
        Arc::clone(&self.shared.attachments)
    }

    /// Has SIGINT and SIGTERM end [`run`](Self::run) with success. Call it before the program starts
    /// threads of its own: the signals are blocked for this thread, and for those it starts, from here on.
    /// Without it both end the process as ever, and its names go with it.
    pub fn stop_on_signals(self) -> Result<Self, StartError> {
        for signal in ENDING {
            let handle = self.handle();
            let attached = self
                .shared
                .attachments
                .attach_signal(signal, move |_| handle.stop());
            attached.map_err(|errno| StartError::new("take signals", errno))?;
        }
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
    pub fn run(self) -> Result<(), StartError> {
        let served = self.serve();
        served.map_err(|errno| StartError::new("serve", errno))
    }

    /// Answers one message or pulse, and returns: for programs that have a loop of their own. False when nothing has come
    /// until the deadline, a signal handler has run, or somebody has [stopped](Handle::stop) the manager. To wait for
    /// other things beside, see [`poll_fd`](Self::poll_fd); one that has passed makes it a poll.
    ///
    /// Asynchronous resources need [`on_runtime`](Self::on_runtime), or they wait for [`run`](Self::run).
    #[doc(alias = "dispatch_block")]
    #[doc(alias = "dispatch_handler")]
    #[doc(alias = "dispatch_timeout")]
    pub fn serve_once(&mut self, until: Deadline) -> crate::Result<bool> {
        let shared = &self.shared;
        let server = self
            .server
            .get_or_insert_with(|| Box::new(Server::new(shared)));
        server.once(until)
    }

    /// A descriptor that is readable when [`serve_once`](Self::serve_once) would not wait: see
    /// [`Channel::poll_fd`].
    ///
    /// # Errors
    /// As [`Channel::poll_fd`].
    pub fn poll_fd(&self) -> crate::Result<BorrowedFd<'_>> {
        self.shared.channel.poll_fd()
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
        let shared = &self.shared;
        let several = (self.pool.maximum > 1).then(|| Server::pool(shared, self.pool));
        match (&self.runtime, several.transpose()?) {
            (Runtime::Own(runtime), None) => runtime.block_on(Server::new(shared).work_async()),
            (Runtime::Own(runtime), Some(pool)) => {
                let pool = pool.spawn()?;
                let worked = runtime.block_on(Server::new(shared).work_async());
                pool.stop()?;
                worked
            }
            (_, None) => Server::new(shared).work(),
            (_, Some(pool)) => pool.run().and_then(|()| shared.ended()),
        }
    }
}

/// An asynchronous resource at its place. What it is is asked here already, where its handlers run.
pub(super) fn seat_async<R: AsyncResource>(
    resource: R,
    place: Place<'_>,
) -> Result<Seated, StartError> {
    let runtime = (place.runtime)()?;
    let _inside = runtime.enter();
    Ok(place.seat(Awaited::on(resource, runtime.clone())))
}

/// Where asynchronous handlers run.
#[derive(Debug, Default)]
enum Runtime {
    /// There are none.
    #[default]
    None,
    /// In the manager's own, on the thread that runs it.
    Own(tokio::runtime::Runtime),
    /// In the program's.
    Given(tokio::runtime::Handle),
}

impl Runtime {
    fn handle(&mut self) -> Result<tokio::runtime::Handle, StartError> {
        if matches!(self, Self::None) {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build();
            let failed = |error| StartError::new("make a runtime", error);
            *self = Self::Own(runtime.map_err(failed)?);
        }
        Ok(match self {
            Self::Own(runtime) => runtime.handle().clone(),
            Self::Given(handle) => handle.clone(),
            Self::None => return Err(StartError::new("make a runtime", Errno::NOSYS)),
        })
    }
}

/// Names first, so that nobody comes anew; then whoever still waits.
impl Drop for Manager {
    fn drop(&mut self) {
        self.shared.links.take_names();
        self.shared.channel.destroy();
        let seats = self.shared.clear();
        if let Runtime::Own(runtime) = &self.runtime {
            end_handlers(runtime, &seats, &self.shared);
        }
        drop(seats);
        self.shared.close();
        // What its handlers have left to other threads may wait for somebody else's server: not as long as that takes.
        if let Runtime::Own(runtime) = std::mem::take(&mut self.runtime) {
            runtime.shutdown_timeout(CLOSE_PATIENCE);
        }
    }
}

/// Has the asynchronous handlers end: those that were dropped, and the last ones, of close.
fn end_handlers(runtime: &tokio::runtime::Runtime, seats: &[Arc<dyn Attached>], shared: &Shared) {
    let deadline = Instant::now() + CLOSE_PATIENCE;
    // Each of their tasks holds its attachment.
    let at_work = |seat: &Arc<dyn Attached>| seat.is_awaited() && Arc::strong_count(seat) > 1;
    while seats.iter().any(at_work) {
        if Instant::now() > deadline {
            tracing::error!("a handler of close did not end; it is dropped");
            return;
        }
        runtime.block_on(async {
            for _ in 0..ROUNDS {
                tokio::task::yield_now().await;
            }
        });
        shared.drop_tasks();
        if seats.iter().any(at_work) {
            thread::sleep(Duration::from_millis(1));
        }
    }
}

#[cfg(test)]
mod tests;
