//! Starting a server for a directory that has none: `namespaced`, detached, or a thread of this process.
//!
//! The daemon is preferred because it outlives whoever started it, and because stopping a program
//! (Ctrl-Z) must not stop everybody's names. The thread is for machines where only a library is there.
//!
//! A program with rights that its caller does not have believes no environment here. Nobody's file is run
//! that somebody else (but root) could have put there.

use crate::StartError;
use crate::directory::RuntimeDir;
use crate::server::{Config, Server};
use resmgr_sys::epoll::{Ready, poll_one};
use resmgr_sys::pidfd::PidFd;
use resmgr_sys::{Errno, process, signal};
use std::io::Read as _;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Names the daemon's file; privileged programs ignore it.
pub(crate) const VARIABLE: &str = "RESMGR_NAMESPACED";
const BINARY: &str = "namespaced";
/// Where an administrator's daemons lie, which users' PATH often lacks.
const ADMINISTRATORS: [&str; 2] = ["/usr/local/sbin", "/usr/sbin"];
/// How far above a program's own directory the daemon is looked for: cargo puts examples and tests one
/// level below the binaries.
const LEVELS: usize = 2;
/// Much longer than a server needs to begin, also on a busy machine: a thread of somebody's program is no
/// good place for a server while there may be a better one.
const DOUBT: Duration = Duration::from_secs(2);
/// Sessions that a thread inside somebody's program serves: each takes two of its descriptors.
const THREAD_SESSIONS: usize = 256;

/// How an attempt ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Started {
    /// A server answers from now on.
    Ready,
    /// Somebody else is just becoming, or has just been, the server: try to connect again a little later.
    Elsewhere,
}

/// Starts a server for a directory of one's own. `since` is when the caller began to look for one: a
/// daemon that has brought none for [`DOUBT`] is not what it should be, and then the lock tells whether
/// somebody else serves.
pub(crate) fn start(
    dir: &RuntimeDir,
    since: Instant,
    deadline: Instant,
) -> Result<Started, StartError> {
    if since.elapsed() < DOUBT
        && let Some(binary) = find()
    {
        match spawn(&binary, dir, deadline) {
            Ok(started) => return Ok(started),
            Err(errno) => tracing::warn!(?binary, %errno, "cannot be started; serving on a thread"),
        }
    }
    serve_here(dir)
}

fn serve_here(dir: &RuntimeDir) -> Result<Started, StartError> {
    let config = Config {
        sessions: THREAD_SESSIONS,
        ..Config::default()
    };
    let mut server = match Server::new(dir, config) {
        Ok(server) => server,
        Err(StartError::Served { .. }) => return Ok(Started::Elsewhere),
        Err(error) => return Err(error),
    };
    let run = move || {
        // The program's signals are for the program's own threads.
        signal::block_all();
        if let Err(errno) = server.run(None) {
            tracing::error!(%errno, "the namespace is served no longer");
        }
    };
    let thread = std::thread::Builder::new()
        .name("resmgr-names".into())
        .spawn(run);
    thread.map_err(|error| StartError::system("start a thread for", dir.path(), error))?;
    Ok(Started::Ready)
}

fn spawn(binary: &Path, dir: &RuntimeDir, deadline: Instant) -> Result<Started, Errno> {
    let (mut ready, announce) = std::io::pipe()?;
    let mut command = Command::new(binary);
    command.arg("--detach").arg("--dir").arg(dir.path());
    command
        .arg("--ready-fd")
        .arg(announce.as_raw_fd().to_string());
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    process::detached(&mut command, Some(announce.as_fd()));
    let child = command.spawn()?;
    drop(announce);
    let spoke = wait_until(ready.as_fd(), deadline);
    reap(child, deadline);
    // An end without a line: it found somebody else serving, or failed.
    let mut line = [0];
    let served = spoke && ready.read(&mut line).is_ok_and(|count| count == 1);
    Ok(if served {
        Started::Ready
    } else {
        Started::Elsewhere
    })
}

fn wait_until(fd: BorrowedFd<'_>, deadline: Instant) -> bool {
    loop {
        match poll_one(fd, Ready::IN, Some(deadline)) {
            Err(Errno::INTR) => {}
            result => return result.unwrap_or(false),
        }
    }
}

/// Takes the child that went to the background and left at once. Whatever does not leave is no daemon of
/// ours, and would stay a zombie.
fn reap(mut child: Child, deadline: Instant) {
    let left = PidFd::open(child.id()).is_ok_and(|pidfd| wait_until(pidfd.as_fd(), deadline));
    if !left {
        let _ = child.kill();
    }
    let _ = child.wait();
}

/// The daemon's file: named by the environment, beside the program or above, in PATH.
fn find() -> Option<PathBuf> {
    let privileged = process::is_privileged();
    if !privileged && let Some(named) = std::env::var_os(VARIABLE) {
        return Some(named.into());
    }
    let program = std::env::current_exe().unwrap_or_default();
    let levels = if privileged { 1 } else { LEVELS };
    let mut places: Vec<PathBuf> = program
        .ancestors()
        .skip(1)
        .take(levels)
        .map(Path::to_path_buf)
        .collect();
    if !privileged && let Some(path) = std::env::var_os("PATH") {
        places.extend(std::env::split_paths(&path).filter(|place| place.is_absolute()));
    }
    places.extend(ADMINISTRATORS.map(PathBuf::from));
    places
        .into_iter()
        .find(|place| is_trusted(place))
        .map(|place| place.join(BINARY))
}

/// Whether a directory has a daemon that only root or this user can have put there.
fn is_trusted(place: &Path) -> bool {
    const OTHERS_WRITE: u32 = 0o002;
    let ours = |path: &Path| {
        let Ok(seen) = std::fs::metadata(path) else {
            return None;
        };
        let owner = seen.uid() == 0 || seen.uid() == process::effective_uid();
        (owner && seen.mode() & OTHERS_WRITE == 0).then_some(seen)
    };
    let is_file = ours(&place.join(BINARY)).is_some_and(|seen| seen.is_file());
    is_file && ours(place).is_some()
}
