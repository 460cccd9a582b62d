//! [`World`]: a runtime directory of its own, and everything that lives in it.

use crate::observe::{processes_of, until};
use crate::{LIMIT, Log, Peer, User};
use resmgr_namespace::{Pathname, RuntimeDir, Session};
use resmgr_sys::epoll::{Ready, poll_one};
use resmgr_sys::pidfd::PidFd;
use resmgr_sys::{Errno, signal};
use std::os::fd::AsFd as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Instant;
use tempfile::TempDir;

/// A runtime directory. When it goes, its processes go first; then nothing may be left of them.
#[derive(Debug)]
pub struct World {
    directory: TempDir,
    peers: Mutex<Vec<Peer>>,
    orphans: Mutex<Vec<u32>>,
}

impl World {
    /// An empty one: whoever needs its namespace first starts it.
    pub fn new() -> Self {
        Self::with_mode(0o700)
    }

    /// One whose servers other users can reach, as they reach the system's.
    pub fn of_all_users() -> Self {
        Self::with_mode(0o755)
    }

    fn with_mode(mode: u32) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let mode = std::fs::Permissions::from_mode(mode);
        std::fs::set_permissions(directory.path(), mode).unwrap();
        Self {
            directory,
            peers: Mutex::default(),
            orphans: Mutex::default(),
        }
    }

    /// The runtime directory.
    pub fn path(&self) -> &Path {
        self.directory.path()
    }

    /// The socket of a process.
    pub fn socket_of(&self, pid: u32) -> PathBuf {
        self.path().join("p").join(pid.to_string())
    }

    /// Starts a process in it.
    pub fn peer(&self) -> Peer {
        self.add(Peer::start(self.path(), None, None))
    }

    /// Starts a process of another user in it.
    pub fn peer_of(&self, user: User) -> Peer {
        self.add(Peer::start(self.path(), Some(user), None))
    }

    /// Starts a process whose managers write down each message.
    pub fn peer_with_log(&self) -> (Peer, Log) {
        let log = Log::at(self.path().join("log"));
        let peer = self.add(Peer::start(self.path(), None, Some(log.path())));
        (peer, log)
    }

    fn add(&self, peer: Peer) -> Peer {
        self.peers.lock().unwrap().push(peer.clone());
        peer
    }

    /// Kills a process of it, and waits until it is dead.
    pub fn kill(&self, peer: &Peer) {
        peer.kill();
        self.peers
            .lock()
            .unwrap()
            .retain(|other| other.pid() != peer.pid());
    }

    /// A peer's forked child, which ends with this world.
    pub fn orphan(&self, pid: u32) {
        self.orphans.lock().unwrap().push(pid);
    }

    /// Ends the forked children.
    pub fn end_orphans(&self) {
        self.orphans.lock().unwrap().drain(..).for_each(end);
    }

    /// Who serves the names.
    pub fn namespaced(&self) -> Option<u32> {
        let text = std::fs::read_to_string(self.path().join("lock")).ok()?;
        text.trim().parse().ok()
    }

    /// How many processes have a socket here.
    pub fn sockets(&self) -> usize {
        std::fs::read_dir(self.path().join("p")).map_or(0, Iterator::count)
    }

    /// Whether the tree has any name, as somebody who only looks sees it.
    pub fn has_names(&self) -> bool {
        let dir = RuntimeDir::at(self.path()).unwrap();
        match Session::connect(&dir) {
            Err(_) => false,
            Ok(session) => {
                let root = Pathname::new("/").unwrap();
                !matches!(session.list(&root, b""), Err(Errno::NOENT))
                    && session
                        .list(&root, b"")
                        .is_ok_and(|page| !page.names.is_empty())
            }
        }
    }

    /// How many requests whoever serves has answered, this look's own among them.
    pub fn answered(&self) -> u64 {
        let dir = RuntimeDir::at(self.path()).unwrap();
        Session::connect(&dir).unwrap().answered().unwrap()
    }

    fn kill_all(&self) {
        // Taken out first: a lock must not be poisoned by a failure in here.
        let peers = std::mem::take(&mut *self.peers.lock().unwrap());
        peers.iter().for_each(Peer::kill);
        self.end_orphans();
    }

    /// Kills whoever serves the names, and waits until it is dead.
    pub fn kill_namespaced(&self) {
        self.namespaced().into_iter().for_each(end);
    }

    fn end_namespaced(&self) {
        let serving = self.namespaced().and_then(|pid| PidFd::open(pid).ok());
        if let Some(daemon) = serving {
            let _ = daemon.signal(signal::TERM);
            let deadline = Some(Instant::now() + LIMIT);
            let _ = poll_one(daemon.as_fd(), Ready::IN, deadline);
        }
    }
}

impl Default for World {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.kill_all();
        if !std::thread::panicking() {
            until("no socket of a dead process is left", || {
                self.sockets() == 0
            });
            until("no name of a dead process is left", || !self.has_names());
        }
        self.end_namespaced();
        let left = || processes_of(&self.path().display().to_string());
        if std::thread::panicking() {
            left().into_iter().for_each(end);
        } else {
            until("no process is left", || left().is_empty());
            assert!(
                !self.path().join("ns").exists(),
                "the daemon left its socket"
            );
        }
    }
}

/// Kills a process and waits until it is dead.
fn end(pid: u32) {
    let Ok(pidfd) = PidFd::open(pid) else { return };
    let _ = pidfd.signal(signal::KILL);
    let _ = poll_one(pidfd.as_fd(), Ready::IN, Some(Instant::now() + LIMIT));
}
