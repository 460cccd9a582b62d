//! [`Server`]: answers for one runtime directory. Embeddable in any process, also in one that may fork.
//!
//! One thread, one epoll set, no runtime: a library that serves inside somebody's program must not bring
//! threads, timers and descriptors of its own into a process that may fork or exec at any moment, and
//! must cost nothing while nobody asks. So it sleeps without a timeout; only the countdown to an idle
//! exit (and the pause after running out of descriptors) has one.
//!
//! Invariants:
//! - It serves only while it holds the directory's lock.
//! - It never waits for a client: sends do not block, and a client whose queue is full loses its
//!   connection, as does one that sends what the protocol does not know.
//! - Names go when their session ends, and when their process dies, whichever comes first; the process is
//!   watched by pidfd, because a forked child may keep its socket open.
//! - Every table has a bound ([`Config`]).
//!
//! Failures: [`StartError`] when it cannot begin; afterwards an `Errno` only if waiting itself fails.

mod converse;
mod holding;
mod registry;
mod rights;
mod ruling;
mod watches;

use crate::StartError;
use crate::directory::RuntimeDir;
use crate::protocol::{MOST, encode_answer};
use crate::registration::AttachId;
use crate::rules::Rules;
use holding::Holding;
use registry::Registry;
use resmgr_sys::epoll::{Epoll, Event, Ready};
use resmgr_sys::fork::PrivateFd;
use resmgr_sys::{Errno, Result, socket, who};
use slab::Slab;
use std::collections::{BTreeSet, HashMap};
use std::fs;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use watches::Watches;

/// The socket's name in the directory.
pub(crate) const SOCKET: &str = "ns";
/// Clients that are let in before the others get their turn.
const TURN: usize = 16;
/// How long the listener rests when this process has no descriptor left.
const REST: Duration = Duration::from_millis(100);

const LISTENER: u64 = 0;
const STOP: u64 = 1;
const SESSION: u64 = 1 << 32;
const PROCESS: u64 = 2 << 32;

/// Bounds, and when to leave.
#[derive(Clone, Copy, Debug)]
pub struct Config {
    /// Leave after so long without any session or kept name; `None`: never.
    pub idle: Option<Duration>,
    /// Conversations at once. More are refused with `ENFILE`; users other than the owner get at most a
    /// quarter of them each.
    pub sessions: usize,
    /// Names of one session; more get `EAGAIN`.
    pub names_per_session: usize,
    /// Names altogether; more get `ENFILE`.
    pub names: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            idle: Some(Duration::from_secs(10)),
            sessions: 16_384,
            names_per_session: 1 << 20,
            names: 1 << 22,
        }
    }
}

/// Which rules a server begins with.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Ruling {
    /// Those of the file that the last server of the directory has read, if it read one: whoever starts a
    /// successor need not know of them.
    #[default]
    Inherited,
    /// Those of this file.
    File(PathBuf),
    /// None: the defaults.
    Defaults,
}

/// What a server is started with beside its bounds.
#[derive(Debug, Default)]
pub struct Start {
    /// Who may do what.
    pub rules: Ruling,
    /// A socket that a service manager has bound to the directory's `ns` and goes on to hold: it stays when the
    /// server ends, and who connects then waits in it for the next one.
    ///
    /// Clients see who called listen(2) last as the server; so it is called again. Those who connected before
    /// see the service manager's pid, with the same user.
    pub socket: Option<OwnedFd>,
}

/// Why [`Server::run`] came back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// Nobody needed it for [`Config::idle`].
    Idle,
    /// The stop descriptor became readable.
    Stopped,
}

/// One client's conversation.
#[derive(Debug)]
struct Session {
    socket: PrivateFd,
    process: usize,
    uid: u32,
    gid: u32,
    /// Its supplementary groups, where rules are for it.
    groups: Box<[u32]>,
    greeted: bool,
    names: BTreeSet<AttachId>,
}

/// The one that serves.
#[derive(Debug)]
pub struct Server {
    dir: RuntimeDir,
    config: Config,
    listener: PrivateFd,
    /// The listener's name is a service manager's to remove.
    activated: bool,
    epoll: Epoll,
    sessions: Slab<Session>,
    per_uid: HashMap<u32, usize>,
    registry: Registry,
    watches: Watches,
    rules: Rules,
    rules_file: Option<PathBuf>,
    /// The request that is being answered.
    buffer: Box<[u8; MOST]>,
    breaches: u64,
    /// Set while the listener rests.
    resume: Option<Instant>,
    idle_since: Instant,
    /// Dropped last: until then nobody else serves.
    _holding: Holding,
}

impl Server {
    /// Takes the directory's lock, the names that a predecessor left, and the socket.
    ///
    /// # Errors
    /// [`StartError::Served`]: another process (or thread of this one) serves it.
    pub fn new(dir: &RuntimeDir, config: Config) -> Result<Self, StartError> {
        Self::with(dir, config, Start::default())
    }

    /// The same with rules, or with a socket that is there already.
    ///
    /// # Errors
    /// - [`StartError::Rules`]: the file is no good.
    /// - [`StartError::Directory`]: the socket is another one.
    pub fn with(dir: &RuntimeDir, config: Config, start: Start) -> Result<Self, StartError> {
        let failed = |errno| StartError::system("serve", dir.path(), errno);
        if !dir.is_own() {
            return Err(failed(Errno::PERM));
        }
        let socket = start.socket.map(|socket| check_bound(dir, socket));
        let socket = socket.transpose()?;
        let first = ruling::first(&start.rules)?;
        let holding = Holding::take(dir)?;
        let (rules, rules_file) = ruling::settle(dir, start.rules, first)?;
        let epoll = Epoll::new().map_err(failed)?;
        let registry = Registry::load(dir, config);
        for (key, process) in &registry.processes {
            epoll
                .add(&process.pidfd, PROCESS | key as u64, Ready::IN)
                .map_err(failed)?;
        }
        let activated = socket.is_some();
        let listener = match socket {
            Some(socket) => take_over(socket),
            None => listen(dir),
        }
        .map_err(failed)?;
        epoll.add(&listener, LISTENER, Ready::IN).map_err(failed)?;
        registry.announce();
        Ok(Self {
            dir: dir.clone(),
            config,
            listener,
            activated,
            epoll,
            sessions: Slab::new(),
            per_uid: HashMap::new(),
            registry,
            watches: Watches::default(),
            rules,
            rules_file,
            buffer: Box::new([0; MOST]),
            breaches: 0,
            resume: None,
            idle_since: Instant::now(),
            _holding: holding,
        })
    }

    /// The file whose rules hold; `None` where the defaults of [`rules`](crate::rules) do.
    pub fn rules_file(&self) -> Option<&Path> {
        self.rules_file.as_deref()
    }

    /// Reads the rules again: they hold from now on, and what is registered stays. Returns how many there are.
    ///
    /// # Errors
    /// - [`StartError::Rules`]: the file is no good. The old rules stay.
    pub fn read_rules(&mut self) -> Result<usize, StartError> {
        if let Some(file) = &self.rules_file {
            self.rules = Rules::read(file)?;
            // What clients know by now, and what they watch, may look different to them.
            self.registry.changed();
            self.tell();
        }
        Ok(self.rules.len())
    }

    /// Serves until `stop` becomes readable, or until nobody needs it. May be called again.
    pub fn run(&mut self, stop: Option<BorrowedFd<'_>>) -> Result<Ended> {
        if let Some(stop) = stop {
            self.epoll.add(&stop, STOP, Ready::IN)?;
        }
        let ended = self.serve_until_stopped();
        if let Some(stop) = stop {
            self.epoll.remove(&stop)?;
        }
        ended
    }

    fn serve_until_stopped(&mut self) -> Result<Ended> {
        self.idle_since = Instant::now();
        let mut events = Vec::new();
        loop {
            match self.epoll.wait(self.deadline(), &mut events) {
                Ok(()) | Err(Errno::INTR) => {}
                Err(errno) => return Err(errno),
            }
            if events.iter().any(|event| event.token == STOP) {
                return Ok(Ended::Stopped);
            }
            self.round(&events);
            self.tell();
            if self.is_over() {
                return Ok(Ended::Idle);
            }
        }
    }

    /// How many conversations ended because of what the client sent.
    pub fn breaches(&self) -> u64 {
        self.breaches
    }

    /// Deaths and ends first and new clients last, so that a slot freed in this round is not taken again
    /// while an event for its former owner is still to come.
    fn round(&mut self, events: &[Event]) {
        for event in events {
            let slot = usize::try_from(event.token & u64::from(u32::MAX)).unwrap_or(usize::MAX);
            match event.token & !u64::from(u32::MAX) {
                SESSION => self.converse(slot),
                PROCESS => self.bury(slot),
                _ => {}
            }
        }
        if self.resume.is_some_and(|at| at <= Instant::now()) {
            self.resume = None;
            let _ = self.epoll.add(&self.listener, LISTENER, Ready::IN);
        }
        if events.iter().any(|event| event.token == LISTENER) {
            self.accept();
        }
    }

    fn is_idle(&self) -> bool {
        self.sessions.is_empty() && self.registry.kept() == 0
    }

    fn deadline(&self) -> Option<Instant> {
        let leave = self
            .config
            .idle
            .filter(|_| self.is_idle())
            .map(|idle| self.idle_since + idle);
        leave.into_iter().chain(self.resume).min()
    }

    /// A client that connects from here on finds a closed door, and looks for the next server.
    fn is_over(&mut self) -> bool {
        let Some(idle) = self.config.idle.filter(|_| self.is_idle()) else {
            return false;
        };
        if self.idle_since.elapsed() < idle {
            return false;
        }
        self.accept();
        self.is_idle()
    }

    fn accept(&mut self) {
        for _ in 0..TURN {
            match socket::accept(self.listener.as_fd()) {
                Ok(Some(client)) => self.admit(client),
                Ok(None) => return,
                Err(errno) => {
                    tracing::warn!(%errno, "no more clients can be let in for now");
                    let _ = self.epoll.remove(&self.listener);
                    self.resume = Some(Instant::now() + REST);
                    return;
                }
            }
        }
    }

    /// Lets a client in if the kernel says who it is and there is room; otherwise its end is dropped here.
    fn admit(&mut self, client: OwnedFd) {
        let Ok(peer) = socket::peer_credentials(client.as_fd()) else {
            return;
        };
        let Ok(pidfd) = socket::peer_pidfd(client.as_fd()) else {
            return;
        };
        if !pidfd.is_alive() {
            return;
        }
        if !self.admits(peer.uid) {
            let _ = socket::send(client.as_fd(), &encode_answer(0, &Err(Errno::ACCES)), &[]);
            return;
        }
        if !self.has_room(peer.uid) {
            tracing::warn!(peer.pid, peer.uid, "too many sessions");
            let _ = socket::send(client.as_fd(), &encode_answer(0, &Err(Errno::NFILE)), &[]);
            return;
        }
        // The number may be a dead one's whose end is still to be noticed: this peer lives.
        let former = self.registry.known(peer.pid);
        if let Some(dead) = former.filter(|key| !self.registry.processes[*key].pidfd.is_alive()) {
            self.bury(dead);
        }
        let groups = if self.is_master(peer.uid) {
            Vec::new()
        } else {
            who::peer_groups(client.as_fd()).unwrap_or_default()
        };
        let (process, is_new) = self.registry.process_of(&peer, pidfd);
        let slot = self.sessions.insert(Session {
            socket: PrivateFd::new(client),
            process,
            uid: peer.uid,
            gid: peer.gid,
            groups: groups.into(),
            greeted: false,
            names: BTreeSet::new(),
        });
        self.registry.processes[process].sessions.push(slot);
        *self.per_uid.entry(peer.uid).or_default() += 1;
        let pidfd = &self.registry.processes[process].pidfd;
        let watched = if is_new {
            self.epoll.add(pidfd, PROCESS | process as u64, Ready::IN)
        } else {
            Ok(())
        };
        let session = &self.sessions[slot].socket;
        if watched
            .and_then(|()| self.epoll.add(session, SESSION | slot as u64, Ready::IN))
            .is_err()
        {
            self.close(slot);
        }
    }

    fn has_room(&self, uid: u32) -> bool {
        let same = self.per_uid.get(&uid).copied().unwrap_or(0);
        let own = self.is_master(uid);
        self.sessions.len() < self.config.sessions && (own || same < self.config.sessions / 4)
    }

    /// A process has died: its sessions, its names and its socket go.
    fn bury(&mut self, process: usize) {
        let Some(dead) = self.registry.processes.get(process) else {
            return;
        };
        if dead.pidfd.is_alive() {
            return;
        }
        tracing::debug!(pid = dead.pid, "gone");
        for slot in dead.sessions.clone() {
            self.close(slot);
        }
        if let Some(dead) = self.registry.processes.get(process) {
            let _ = self.epoll.remove(&dead.pidfd);
            self.registry.died(process);
        }
        self.idle_since = Instant::now();
    }

    /// Ends a conversation, and with it its names; with the last one a process is forgotten, unless
    /// something of it must go when it dies.
    fn close(&mut self, slot: usize) {
        self.watches.close(slot, self.is_other(slot));
        let session = self.sessions.remove(slot);
        let _ = self.epoll.remove(&session.socket);
        self.registry.forget(session.names);
        if let Some(count) = self.per_uid.get_mut(&session.uid) {
            *count -= 1;
            if *count == 0 {
                self.per_uid.remove(&session.uid);
            }
        }
        let process = &mut self.registry.processes[session.process];
        process.sessions.retain(|other| *other != slot);
        if self.registry.is_stranger(session.process) {
            let _ = self
                .epoll
                .remove(&self.registry.processes[session.process].pidfd);
            self.registry.died(session.process);
        }
        self.idle_since = Instant::now();
    }
}

/// Removes the socket and, if it says nothing, the journal, before the lock goes.
impl Drop for Server {
    fn drop(&mut self) {
        if self.listener.is_ours() {
            if !self.activated {
                let _ = fs::remove_file(self.dir.entry(SOCKET));
            }
            self.registry.close();
        }
    }
}

/// Whether a socket is bound to the directory's name for it.
fn check_bound(dir: &RuntimeDir, socket: OwnedFd) -> Result<OwnedFd, StartError> {
    let path = dir.path().join(SOCKET);
    let bound = UnixListener::from(socket);
    let address = bound.local_addr();
    if !address.is_ok_and(|address| address.as_pathname() == Some(&path)) {
        return Err(StartError::Directory {
            path,
            reason: "is not what the socket that was handed over is bound to".into(),
            errno: Errno::INVAL,
        });
    }
    Ok(bound.into())
}

/// Listens on a socket on which somebody else has listened. The lock is held.
fn take_over(socket: OwnedFd) -> Result<PrivateFd> {
    let listener = PrivateFd::new(socket);
    socket::set_nonblocking(listener.as_fd())?;
    socket::listen_again(listener.as_fd())?;
    Ok(listener)
}

/// Takes the place of whatever socket a dead predecessor left. The lock is held.
fn listen(dir: &RuntimeDir) -> Result<PrivateFd> {
    let path = dir.entry(SOCKET);
    match fs::remove_file(&path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error.into()),
        _ => {}
    }
    let listener = PrivateFd::new(socket::listen(&path)?);
    // Who may connect is the directory's business: a user's own lets nobody else in at all.
    fs::set_permissions(&path, fs::Permissions::from_mode(0o666))?;
    Ok(listener)
}
