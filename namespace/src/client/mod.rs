//! [`Session`]: a process's conversation with one namespace, across all who serve it one after another.
//!
//! One per process and directory. It may be shared by threads; one call is under way at a time, and the
//! others wait for their turn, each until its own deadline. When the server has gone, whoever notices
//! first finds or starts the next one and attaches everything of this process again, in order and with
//! the same ids, before any other request: so a caller never sees a namespace that lacks its own names.
//!
//! A forked child has none of its parent's names and must open a session of its own; calls on the
//! parent's fail there with `EBADF` ([`Session::is_ours`]).
//!
//! Failures: the server's errno as it is; `ETIMEDOUT` when the deadline passes (a server that does not
//! run, or none that can be started); `EPROTO` when what answers is no namespace.

mod hangups;
mod known;
mod link;
mod reach;
mod watch;

use crate::StartError;
use crate::directory::RuntimeDir;
use crate::path::{Pathname, Rooted};
use crate::protocol::{self, Request, Resolved};
use crate::registration::{Attach, AttachId, Entry, FileType, Link as Symlink};
use crate::tree::Listing;
use hangups::Hangups;
use known::Known;
use link::{Link, is_gone};
use reach::reach;
use resmgr_sys::fork::{self, PrivateFd};
use resmgr_sys::{Errno, Result, socket};
use std::collections::BTreeMap;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
pub use watch::Watch;

/// How long a call waits, unless [`Session::set_patience`] says otherwise.
pub const PATIENCE: Duration = Duration::from_secs(10);
/// Requests that are sent before the first answer is read, when a new server is given all names: few enough
/// for both queues of the socket.
const AHEAD: usize = 32;

/// What to do when nobody serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Absent {
    /// Start a server.
    Start,
    /// Wait for somebody to do so.
    Wait,
    /// Fail.
    Fail,
}

/// A name of this process, to be had again from the next server.
#[derive(Clone, Debug)]
enum Held {
    Name(Attach),
    Link(Symlink),
}

impl Held {
    fn request(self, id: AttachId) -> Request {
        match self {
            Self::Name(attach) => Request::Attach {
                id,
                attach: Ok(attach),
            },
            Self::Link(link) => Request::Link { id, link: Ok(link) },
        }
    }
}

#[derive(Debug, Default)]
struct State {
    link: Option<Link>,
    names: BTreeMap<AttachId, Held>,
    listens: bool,
}

/// A process's conversation with the namespace of one directory.
#[derive(Debug)]
pub struct Session {
    dir: RuntimeDir,
    generation: u32,
    absent: Absent,
    patience: Mutex<Duration>,
    /// Whether a call is under way. A flag and not the lock below, because waiting for a turn has a deadline.
    busy: Mutex<bool>,
    turn: Condvar,
    /// Locked only by whoever has the turn.
    state: Mutex<State>,
    known: Known,
}

/// The right to talk to the server.
struct Turn<'a> {
    session: &'a Session,
    state: MutexGuard<'a, State>,
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        *self
            .session
            .busy
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = false;
        self.session.turn.notify_one();
    }
}

impl Session {
    /// Reaches the directory's server, and starts one if there is none and the directory is the caller's.
    ///
    /// # Errors
    /// [`StartError::Nobody`]: nobody serves a directory that is not the caller's.
    pub fn open(dir: &RuntimeDir) -> Result<Self, StartError> {
        Self::begin(dir, Absent::Start)
    }

    /// Reaches the directory's server, and starts none: for programs that only look.
    ///
    /// # Errors
    /// [`StartError::Nobody`]: nobody serves it.
    pub fn connect(dir: &RuntimeDir) -> Result<Self, StartError> {
        Self::begin(dir, Absent::Fail)
    }

    fn begin(dir: &RuntimeDir, absent: Absent) -> Result<Self, StartError> {
        let own = dir.is_own();
        let first = if own { absent } else { Absent::Fail };
        let mut state = State::default();
        let known = Known::default();
        restore(dir, &mut state, first, Instant::now() + PATIENCE)?;
        known.renew(state.link.as_mut().and_then(Link::take_view));
        // A server of somebody else's directory may be followed by another; its owner starts that one.
        let absent = if absent == Absent::Start && !own {
            Absent::Wait
        } else {
            absent
        };
        Ok(Self {
            dir: dir.clone(),
            generation: fork::generation(),
            absent,
            patience: Mutex::new(PATIENCE),
            busy: Mutex::new(false),
            turn: Condvar::new(),
            state: Mutex::new(state),
            known,
        })
    }

    /// The directory.
    pub fn dir(&self) -> &RuntimeDir {
        &self.dir
    }

    /// Whether this process opened it; a forked child's copy is of no use.
    pub fn is_ours(&self) -> bool {
        self.generation == fork::generation()
    }

    /// Sets how long a call may wait.
    pub fn set_patience(&self, patience: Duration) {
        *self.patience.lock().unwrap_or_else(PoisonError::into_inner) = patience;
    }

    /// Registers a path. The name lives until it is detached, the session is dropped, or the process ends.
    ///
    /// # Errors
    /// - `EBUSY`: exclusive, and the path is taken.
    /// - `EINVAL`: both BEFORE and AFTER, or no channel.
    /// - `EACCES`: the namespace is somebody else's, and no rule of it allows this.
    /// - `EAGAIN`, `ENFILE`: too many names of this process; of all.
    #[doc(alias = "resmgr_attach")]
    #[doc(alias = "name_attach")]
    pub fn attach(&self, attach: &Attach) -> Result<AttachId> {
        self.enter(Held::Name(attach.clone()))
    }

    /// Makes a symbolic link in the tree. It lives as long as a name does, and is
    /// [taken back](Self::detach) like one.
    ///
    /// # Errors
    /// - `EEXIST`: the path is registered, a parent of something that is, a link, or below one.
    /// - `ENOENT`, `EINVAL`, `ENAMETOOLONG`: the target is empty, has a NUL, or is too long.
    /// - `EACCES`: the namespace is somebody else's.
    /// - `EAGAIN`, `ENFILE`: too many names of this process; of all.
    #[doc(alias = "pathmgr_symlink")]
    pub fn link(&self, link: &Symlink) -> Result<AttachId> {
        self.enter(Held::Link(link.clone()))
    }

    /// Where the link at exactly this path leads, as it was made.
    ///
    /// # Errors
    /// - `EINVAL`: it is no link.
    /// - `ENOENT`: there is nothing.
    #[doc(alias = "readlink")]
    pub fn read_link(&self, path: &Pathname) -> Result<Vec<u8>> {
        self.call(&Request::ReadLink(Ok(path.clone())))
    }

    fn enter(&self, held: Held) -> Result<AttachId> {
        let request = held.clone().request(AttachId(0));
        let deadline = self.deadline();
        let mut turn = self.turn(deadline)?;
        let content = self.ask(&mut turn.state, &request, deadline)?;
        let id = protocol::decode_attached(&content).map_err(|_| Errno::PROTO)?;
        turn.state.names.insert(id, held);
        Ok(id)
    }

    /// Takes a registration back.
    ///
    /// # Errors
    /// - `ENOENT`: it is not one of this session's.
    #[doc(alias = "resmgr_detach")]
    pub fn detach(&self, id: AttachId) -> Result<()> {
        let deadline = self.deadline();
        let mut turn = self.turn(deadline)?;
        self.ask(&mut turn.state, &Request::Detach(id), deadline)?;
        turn.state.names.remove(&id);
        Ok(())
    }

    /// All registrations that a path leads to, the first to be asked first. Links are followed, and prefix
    /// lengths are those of the path that came out: [`follow`](Self::follow) tells it.
    ///
    /// # Errors
    /// As [`follow`](Self::follow).
    pub fn resolve(&self, path: &Pathname, file_type: FileType) -> Result<Vec<Entry>> {
        let resolved = self.follow(&path.clone().into(), file_type)?;
        if resolved.entries.is_empty() {
            Err(Errno::NOENT)
        } else {
            Ok(resolved.entries)
        }
    }

    /// Where a path leads: the path itself, when links were followed, and the registrations that it leads to.
    /// What was asked before is not asked again while nothing has changed in the namespace.
    ///
    /// # Errors
    /// - `ENOENT`: there is none, and no link.
    /// - `ENOTDIR`: what is registered at the beginning of the path is no directory.
    /// - `ELOOP`: too many links. `ENAMETOOLONG`: what they lead to is too long.
    pub fn follow(&self, path: &Rooted, file_type: FileType) -> Result<Resolved> {
        if !self.is_ours() {
            return Err(Errno::BADF);
        }
        if let Some(known) = self.known.find(path, file_type) {
            return known;
        }
        let request = Request::Resolve {
            file_type,
            path: Ok(path.clone()),
        };
        let deadline = self.deadline();
        let mut turn = self.turn(deadline)?;
        let mark = self.known.mark();
        let content = self.ask(&mut turn.state, &request, deadline);
        let answer = content
            .and_then(|content| protocol::decode_resolved(&content).map_err(|_| Errno::PROTO));
        self.known.keep(mark, (path, file_type), &answer);
        answer
    }

    /// A page of the names below a path: those behind `after`, or the first ones when it is empty. Links are
    /// followed.
    ///
    /// # Errors
    /// - `ENOENT`: the path is neither registered nor the parent of something that is.
    pub fn list(&self, path: &Pathname, after: &[u8]) -> Result<Listing> {
        let content = self.call(&Request::List {
            after: after.to_vec(),
            path: Ok(path.clone()),
        })?;
        protocol::decode_listing(&content).map_err(|_| Errno::PROTO)
    }

    /// Watches a path from now on. It costs the server a connection, and there are 4096 watches for everybody
    /// together, of which other users than the directory's owner may have half.
    ///
    /// # Errors
    /// - `ENFILE`: too many are watched.
    /// - `ETIMEDOUT`: nobody serves.
    pub fn watch(&self, path: &Pathname, file_type: FileType, deadline: Instant) -> Result<Watch> {
        if !self.is_ours() {
            return Err(Errno::BADF);
        }
        Watch::new((&self.dir, self.absent), (path, file_type), deadline)
    }

    /// Forgets what it has resolved, as a program does that has changed its groups, or that measures.
    pub fn forget(&self) {
        self.known.forget();
    }

    /// How many requests were answered in this directory, all clients' together, since its page was made.
    /// `None` where there is no page. For tools and tests: an open of a known name leaves it as it is.
    pub fn answered(&self) -> Option<u64> {
        self.known.answered().filter(|_| self.is_ours())
    }

    /// Says that this process has a socket `p/PID`, which is to be removed when the process ends.
    pub fn serve(&self) -> Result<()> {
        let deadline = self.deadline();
        let mut turn = self.turn(deadline)?;
        self.ask(&mut turn.state, &Request::Serve, deadline)?;
        turn.state.listens = true;
        Ok(())
    }

    /// The socket `p/PID` of this process in a directory that is somebody else's, made by its server: clients
    /// connect to it from now on. It is removed when this process ends.
    ///
    /// # Errors
    /// - `EACCES`: this user may not register any name there.
    pub fn listen(&self) -> Result<OwnedFd> {
        let deadline = self.deadline();
        let mut turn = self.turn(deadline)?;
        self.ask(&mut turn.state, &Request::Listen, deadline)?;
        let brought = turn
            .state
            .link
            .as_mut()
            .and_then(|link| link.brought.take());
        let socket = brought.ok_or(Errno::PROTO)?;
        // Only this process can do it: clients see who did.
        socket::listen_again(socket.as_fd())?;
        turn.state.listens = true;
        Ok(socket)
    }

    /// Makes sure that somebody serves, and has this process's names.
    pub fn recover(&self) -> Result<()> {
        let deadline = self.deadline();
        let mut turn = self.turn(deadline)?;
        self.ready(&mut turn.state, deadline).map(drop)
    }

    /// A descriptor that hangs up when the server goes: poll it for that (not for data), then call
    /// [`recover`](Self::recover) and take a new one.
    pub fn watch_fd(&self) -> Result<PrivateFd> {
        let deadline = self.deadline();
        let mut turn = self.turn(deadline)?;
        let link = self.ready(&mut turn.state, deadline)?;
        Ok(PrivateFd::new(link.socket.as_fd().try_clone_to_owned()?))
    }

    /// The process that serves now.
    pub fn server_pid(&self) -> Result<u32> {
        let deadline = self.deadline();
        let mut turn = self.turn(deadline)?;
        self.ready(&mut turn.state, deadline)
            .map(|link| link.server)
    }

    fn deadline(&self) -> Instant {
        Instant::now() + *self.patience.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn turn(&self, deadline: Instant) -> Result<Turn<'_>> {
        if !self.is_ours() {
            return Err(Errno::BADF);
        }
        let mut busy = self.busy.lock().unwrap_or_else(PoisonError::into_inner);
        while *busy {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(Errno::TIMEDOUT);
            }
            let waited = self.turn.wait_timeout(busy, left);
            busy = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        *busy = true;
        drop(busy);
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(Turn {
            session: self,
            state,
        })
    }

    fn call(&self, request: &Request) -> Result<Vec<u8>> {
        let deadline = self.deadline();
        let mut turn = self.turn(deadline)?;
        self.ask(&mut turn.state, request, deadline)
    }

    /// Asks whoever serves; asks the next one when that one goes before it answers.
    fn ask(&self, state: &mut State, request: &Request, deadline: Instant) -> Result<Vec<u8>> {
        let mut hangups = Hangups::default();
        loop {
            let link = self.linked(state, deadline)?;
            let server = link.server;
            match link.round_trip(request, deadline) {
                Ok(answer) => return answer,
                Err(Errno::TIMEDOUT) => return Err(Errno::TIMEDOUT),
                Err(errno) => {
                    state.link = None;
                    if !is_gone(errno) {
                        return Err(errno);
                    }
                    hangups.one_more(server, deadline)?;
                }
            }
        }
    }

    /// The link, made anew if the server has gone.
    fn ready<'a>(&self, state: &'a mut State, deadline: Instant) -> Result<&'a mut Link> {
        if state.link.as_ref().is_some_and(Link::is_over) {
            state.link = None;
        }
        self.linked(state, deadline)
    }

    /// The link, made anew if it is known to be over. A request finds out by itself: looking first would
    /// be a system call more for each.
    fn linked<'a>(&self, state: &'a mut State, deadline: Instant) -> Result<&'a mut Link> {
        if state.link.is_none() {
            restore(&self.dir, state, self.absent, deadline)?;
            self.known
                .renew(state.link.as_mut().and_then(Link::take_view));
        }
        state.link.as_mut().ok_or(Errno::CONNRESET)
    }
}

/// Reaches a server and gives it everything that this process has.
fn restore(
    dir: &RuntimeDir,
    state: &mut State,
    absent: Absent,
    deadline: Instant,
) -> Result<(), StartError> {
    let failed = |errno| StartError::system("connect to", dir.path(), errno);
    let mut hangups = Hangups::default();
    loop {
        let (mut link, kept) = reach(dir, absent, deadline)?;
        match hand_over(&mut link, state, kept, deadline) {
            Ok(()) => {
                state.link = Some(link);
                return Ok(());
            }
            Err(errno) if is_gone(errno) => {
                hangups.one_more(link.server, deadline).map_err(failed)?;
            }
            Err(errno) => return Err(failed(errno)),
        }
    }
}

fn hand_over(link: &mut Link, state: &State, kept: u32, deadline: Instant) -> Result<()> {
    let names = state.names.iter();
    let mut requests: Vec<_> = names.map(|(id, held)| held.clone().request(*id)).collect();
    requests.extend(state.listens.then_some(Request::Serve));
    requests.extend((kept > 0).then_some(Request::Settled));
    for some in requests.chunks(AHEAD) {
        let serials = some.iter().map(|request| link.send(request, deadline));
        let serials = serials.collect::<Result<Vec<_>>>()?;
        for (request, serial) in some.iter().zip(serials) {
            match (link.receive(serial, false, deadline)?, request) {
                (Ok(_), _) => {}
                (Err(errno), Request::Attach { .. } | Request::Link { .. }) => {
                    // Only possible where the journal was lost: somebody else was faster.
                    tracing::warn!(?request, %errno, "a name did not survive its server");
                }
                (Err(errno), _) => return Err(errno),
            }
        }
    }
    Ok(())
}
