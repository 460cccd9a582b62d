//! [`mount`] and what it returns: a mount that serves on threads of its own until it ends.

use crate::mounting::options::Options;
use crate::mounting::place::{self, MountError, Place};
use crate::serving::bridge::{Bridge, RECEIVERS};
use crate::state::names::Names;
use fuser::{Config, Session, SessionACL};
use resmgr::client::Caller;
use resmgr_sys::epoll::{Epoll, Event, EventFd, Ready};
use resmgr_sys::{Errno, Result};
use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long the start may take that asks the namespace what the source is.
const START: Duration = Duration::from_secs(10);
/// How long the threads may take to end when the kernel has cut the connection.
const GRACE: Duration = Duration::from_secs(1);

/// Why a wait ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The mount is gone.
    Gone,
    /// The descriptor that the caller passed became readable.
    Asked,
}

/// A live mount. Dropping it takes it off, lazily if it is in use; programs that still have files open
/// there then get `ENOTCONN` when this process ends.
#[derive(Debug)]
pub struct Mounted {
    place: Place,
    /// Kept to see whether the kernel still talks to us.
    device: OwnedFd,
    over: Arc<EventFd>,
    table: File,
}

/// Mounts the namespace, or the part of it that the options name, on a directory. When this returns, the
/// kernel's first request has been answered and programs can use it.
///
/// # Errors
/// A sentence for a person. Nothing is left mounted.
pub fn mount(point: &Path, options: &Options) -> Result<Mounted, MountError> {
    let failed = |doing: &str, errno: Errno| {
        MountError::new(
            format!("mount on {}: {doing}: {errno}", point.display()),
            errno,
        )
    };
    let point = place::check_mount_point(point)?;
    let names = Names::open()?;
    check_source(options)?;
    let bridge =
        Bridge::new(options, names).map_err(|error| failed("starting a thread", error.into()))?;
    let over = Arc::new(EventFd::new().map_err(|errno| failed("making a descriptor", errno))?);
    let (device, place) = place::mount(&point, options)?;
    let ours = device
        .try_clone()
        .map_err(|error| failed("duplicating a descriptor", error.into()))?;
    let session = Session::from_fd(bridge, device, SessionACL::All, config())
        .map_err(|error| failed("greeting the kernel", error.into()))?;
    let bell = Arc::clone(&over);
    std::thread::Builder::new()
        .name("mount-session".into())
        .spawn(move || {
            if let Err(error) = session.run() {
                tracing::warn!("the connection to the kernel broke: {error}");
            }
            bell.ring();
        })
        .map_err(|error| failed("starting a thread", error.into()))?;
    let table = File::open("/proc/self/mountinfo")
        .map_err(|error| failed("opening /proc/self/mountinfo", error.into()))?;
    Ok(Mounted {
        place,
        device: ours,
        over,
        table,
    })
}

/// Who may come in is the kernel's affair (`allow_other`), so fuser lets everybody through.
fn config() -> Config {
    let mut config = Config::default();
    config.n_threads = Some(RECEIVERS);
    config.acl = SessionACL::All;
    config
}

/// A source must be a directory, or nothing yet. Whoever cannot be asked will be asked later.
fn check_source(options: &Options) -> Result<(), MountError> {
    let caller = Caller {
        deadline: Some(Instant::now() + START),
        ..Caller::default()
    };
    match caller.stat(&options.source) {
        Ok(stat) if !stat.is_dir() => Err(MountError::new(
            format!("source {}: not a directory", options.source.display()),
            Errno::NOTDIR,
        )),
        Err(Errno::NOTDIR) => Err(MountError::new(
            format!("source {}: not below a directory", options.source.display()),
            Errno::NOTDIR,
        )),
        Ok(_) | Err(_) => Ok(()),
    }
}

impl Mounted {
    /// Waits until the mount has gone, or until `asked` becomes readable.
    pub fn wait(&self, asked: Option<&dyn AsFd>) -> Result<End> {
        const OVER: u64 = 0;
        const TABLE: u64 = 1;
        const ASKED: u64 = 2;
        let set = Epoll::new()?;
        set.add(&self.over.as_fd(), OVER, Ready::IN)?;
        // The table of mounts says by an "error" that it has changed.
        set.add(&self.table.as_fd(), TABLE, Ready::empty())?;
        if let Some(asked) = asked {
            set.add(&asked.as_fd(), ASKED, Ready::IN)?;
        }
        let mut events: Vec<Event> = Vec::new();
        loop {
            // A receiver that waits inline for a stopped server cannot see the end, and fuser waits for all
            // receivers. So once the mount has left the table we look whether the kernel still talks to us;
            // after a lazy unmount it does, until the last file is closed. (The descriptor itself cannot be
            // polled for that: each request would wake us.)
            let listed = self.place.is_listed();
            if !listed && !place::is_connected(self.device.as_fd()) {
                set.remove(&self.table.as_fd())?;
                set.wait(Some(Instant::now() + GRACE), &mut events)?;
                return Ok(End::Gone);
            }
            let deadline = (!listed).then(|| Instant::now() + Duration::from_millis(200));
            match set.wait(deadline, &mut events) {
                Ok(()) | Err(Errno::INTR) => {}
                Err(errno) => return Err(errno),
            }
            if events.iter().any(|event| event.token == OVER) {
                return Ok(End::Gone);
            }
            if events.iter().any(|event| event.token == ASKED) {
                return Ok(End::Asked);
            }
        }
    }

    /// Takes the mount off now, lazily if it is in use.
    pub fn unmount(&self) -> Result<()> {
        self.place.unmount()
    }
}
