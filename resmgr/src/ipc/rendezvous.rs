//! How a client and a server meet: a socket named after the server's process in the runtime directory,
//! one packet each way, and from then on memory. Who wants to look only ([`inspect`]) is told and gets nothing.
//!
//! Both sides take each other's identity from the kernel: credentials, and a descriptor of the process,
//! which no later process can inherit as it can a number.

use super::channel::Shared;
use super::handshake::{self, Hello, Welcome};
use super::link::{ClientLink, Far, LinkMemory, Offer, Remote, ServerLink};
use super::{ChannelFlags, ChannelId, Credentials, inspect, janitor, process};
use resmgr_namespace::RuntimeDir;
use resmgr_sys::epoll::EventFd;
use resmgr_sys::fork::{PerProcess, PrivateFd};
use resmgr_sys::pidfd::PidFd;
use resmgr_sys::{Errno, Result, socket, who};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How long an attach waits for a server that does not answer (stopped, or its background thread starved).
const PATIENCE: Duration = Duration::from_secs(10);

/// The directory of the processes' sockets, inside the runtime directory.
const SOCKETS: &str = "p";

fn name_of(pid: u32) -> String {
    format!("{SOCKETS}/{pid}")
}

/// Server: binds this process's socket in its own runtime directory.
pub(super) fn listen(dir: &RuntimeDir) -> Result<OwnedFd> {
    let made = std::fs::DirBuilder::new()
        .mode(0o755)
        .create(dir.entry(SOCKETS));
    if let Err(error) = made
        && error.kind() != std::io::ErrorKind::AlreadyExists
    {
        return Err(error.into());
    }
    let path = dir.entry(&name_of(std::process::id()));
    // Left by a dead process that had this number.
    let _ = std::fs::remove_file(&path);
    let listener = socket::listen(&path)?;
    // Who may connect is the directory's matter, and then each channel's.
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o666))?;
    Ok(listener)
}

/// The processes that have a socket in this directory, in no order; also dead ones that nobody has cleared away.
pub(super) fn sockets(dir: &RuntimeDir) -> Result<Vec<u32>> {
    let entries = match std::fs::read_dir(dir.entry(SOCKETS)) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error.into()),
    };
    let number = |entry: std::fs::DirEntry| entry.file_name().to_str()?.parse().ok();
    Ok(entries.filter_map(Result::ok).filter_map(number).collect())
}

/// Server: removes the socket's name.
pub(super) fn stop_listening(dir: &RuntimeDir) {
    let _ = std::fs::remove_file(dir.entry(&name_of(std::process::id())));
}

/// Which of all channels that ever had a number: 0 stands for any.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Which {
    /// When the channel was made: see [`Far::birth`].
    pub(super) birth: u64,
    /// The process: see [`PidFd::identity`].
    pub(super) process: u64,
    /// Whether a message follows at once: that one finds out whether the process lives.
    pub(super) asks: bool,
}

impl Which {
    /// The channel of this birth.
    pub(super) fn born(birth: u64) -> Self {
        Self {
            birth,
            ..Self::default()
        }
    }

    /// Whether the process of this identity is meant. One that cannot be told from others of its number is not.
    pub(super) fn is_by(self, identity: impl FnOnce() -> Result<u64>) -> bool {
        self.process == 0 || identity() == Ok(self.process)
    }
}

/// A client that was taken in.
pub(super) struct Admitted {
    pub(super) link: Arc<ServerLink>,
    pub(super) channel: Arc<Shared>,
    pub(super) process: PidFd,
}

/// What became of a stranger.
pub(super) enum Stranger {
    Client(Admitted),
    Tracer(inspect::Tracing),
    /// It was told what it wanted, or why not.
    Answered,
}

/// Server: a stranger has said something, or closed. Takes it in, or answers why not.
pub(super) fn admit(socket: PrivateFd) -> Result<Stranger> {
    let mut bytes = [0; handshake::LONGEST];
    // Descriptors would be closed by this thread: they go with the socket, elsewhere.
    let seen = socket::peek(socket.as_fd(), &mut bytes);
    if !seen.is_ok_and(|seen| seen.len > 0 && !seen.too_long && !seen.carries) {
        janitor::close_socket(socket);
        return Err(Errno::BADMSG);
    }
    let packet = socket::receive_plain(socket.as_fd(), &mut bytes)?;
    if let Some(asked) = inspect::asks(&bytes[..packet.len]) {
        return inspect::answer(socket, asked).map(|()| Stranger::Answered);
    }
    if let Some(asked) = inspect::traces(&bytes[..packet.len]) {
        let tracing = inspect::begin_tracing(socket, asked)?;
        return Ok(tracing.map_or(Stranger::Answered, Stranger::Tracer));
    }
    let mut socket = Some(socket);
    let taken = Hello::decode(&bytes[..packet.len]).and_then(|hello| take_in(&mut socket, hello));
    let (admitted, offer) = match (taken, socket) {
        (Ok(taken), _) => taken,
        (Err(errno), Some(socket)) => {
            refuse(&socket, errno)?;
            return Ok(Stranger::Answered);
        }
        // It went with a link that could not be kept.
        (Err(errno), None) => return Err(errno),
    };
    let (link, channel) = (&admitted.link, &admitted.channel);
    let welcome = Welcome {
        scoid: link.scoid,
        flags: channel.flags,
        birth: channel.birth,
        direct: channel.direct,
        descriptors: channel.descriptors,
        layout: link.memory.layout,
    }
    .encode();
    let fds = [
        offer.client.as_fd(),
        offer.server.as_fd(),
        link.bell.as_fd(),
    ];
    let to = link.socket().ok_or(Errno::NOTCONN)?;
    if let Err(errno) = socket::send(to.as_fd(), &welcome, &fds) {
        channel.client_gone(link);
        return Err(errno);
    }
    Ok(Stranger::Client(admitted))
}

/// Tells a stranger why not. That this process has no descriptor left is `EAGAIN` to somebody else: the
/// numbers of its own table are not meant.
fn refuse(stranger: &PrivateFd, errno: Errno) -> Result<()> {
    let told = match errno {
        Errno::MFILE => Errno::AGAIN,
        other => other,
    };
    socket::send(stranger.as_fd(), &Welcome::refusal(told), &[])
}

/// Checks the client's rights and makes the link, which takes the socket.
fn take_in(place: &mut Option<PrivateFd>, hello: Hello) -> Result<(Admitted, Offer)> {
    let socket = place.as_ref().ok_or(Errno::NOTCONN)?;
    let kernel = socket::peer_credentials(socket.as_fd())?;
    let peer = Credentials {
        pid: kernel.pid,
        uid: kernel.uid,
        gid: kernel.gid,
    };
    let process = socket::peer_pidfd(socket.as_fd())?;
    let channel = process::current().channel(hello.chid).ok_or(Errno::SRCH)?;
    if !channel.is_born(hello.birth) {
        return Err(Errno::SRCH);
    }
    let groups = || who::peer_groups(socket.as_fd()).unwrap_or_default();
    if channel.flags.contains(ChannelFlags::PRIVATE) || !channel.rights.permit(&peer, groups) {
        return Err(Errno::PERM);
    }
    channel.check_share(&peer)?;
    let (memory, offer) = LinkMemory::offer(channel.layout())?;
    let bell = EventFd::new()?;
    let direct = channel.direct.then(|| process.try_clone()).transpose()?;
    let link = channel.add_client(|scoid| {
        let mut link = ServerLink::new((hello.chid, scoid), peer, memory, bell, place.take());
        link.direct = direct;
        link.accepts = channel.descriptors;
        link
    })?;
    Ok((
        Admitted {
            link,
            channel,
            process,
        },
        offer,
    ))
}

/// Client: meets the process `pid` and attaches to its channel, if it is the one that is meant.
///
/// # Errors
/// - `ESRCH`: no such process, or another one by now; it has no public channel, or not this one.
/// - `EPERM`: the channel is private, or not open to this user.
/// - `EAGAIN`: it can take in no more clients now.
/// - `EMFILE`: this process has no descriptors left.
/// - `ETIMEDOUT`: it does not answer.
/// - `EPROTONOSUPPORT`: it was built with another layout.
/// - `EPROTO`: it is no server of this kind.
pub(super) fn connect(pid: u32, chid: ChannelId, which: Which) -> Result<ClientLink> {
    let birth = which.birth;
    let socket = reach(pid, PATIENCE)?;
    // Before anything is checked: it gives nothing away, and a server that finds it when it accepts need not wait
    // for it.
    socket::send(socket.as_fd(), &Hello { chid, birth }.encode(), &[]).map_err(lost)?;
    // Whoever listens must be the process that was asked for.
    if socket::peer_credentials(socket.as_fd())?.pid != pid {
        return Err(Errno::SRCH);
    }
    let process = socket::peer_pidfd(socket.as_fd())?;
    let remote = Remote::new(socket, process);
    if !which.is_by(|| remote.identity(pid)) {
        return Err(Errno::SRCH);
    }
    let mut bytes = [0; handshake::LONGEST];
    let deadline = Some(Instant::now() + PATIENCE);
    let packet =
        socket::receive_until(remote.socket.as_fd(), &mut bytes, deadline).map_err(lost)?;
    let welcome = Welcome::decode(&bytes[..packet.len])?;
    if birth != 0 && welcome.birth != birth {
        return Err(Errno::SRCH);
    }
    let [client, server, bell] = match <[OwnedFd; 3]>::try_from(packet.fds) {
        Ok(fds) => fds,
        // The kernel drops what the table has no room for, and says only that something was dropped.
        Err(fds) if packet.truncated && fds.len() < 3 => return Err(Errno::MFILE),
        Err(_) => return Err(Errno::PROTO),
    };
    let memory = LinkMemory::accept(&Offer { client, server }, welcome.layout)?;
    let unblock = welcome.flags.contains(ChannelFlags::UNBLOCK);
    let far = Far {
        pid,
        chid,
        scoid: welcome.scoid,
        birth: welcome.birth,
        unblock,
        direct: welcome.direct,
        descriptors: welcome.descriptors,
    };
    let bell = EventFd::from_received(bell)?;
    Ok(ClientLink::new(far, memory, bell, Some(remote)))
}

/// The server went while it was being asked.
pub(super) fn lost(errno: Errno) -> Errno {
    match errno {
        Errno::PIPE | Errno::CONNRESET => Errno::SRCH,
        other => other,
    }
}

/// Where the last server was found: opened and checked, so that the next attach need not do that again.
static FOUND: PerProcess<Mutex<Option<RuntimeDir>>> = PerProcess::new();

/// Finds the process's socket: in the user's own directory, else in the system's.
pub(super) fn reach(pid: u32, patience: Duration) -> Result<PrivateFd> {
    let name = name_of(pid);
    let lock = || {
        let found = FOUND.get(Mutex::default);
        found.lock().unwrap_or_else(PoisonError::into_inner)
    };
    // Whose directory a process may trust changes with its user.
    let known = lock().clone().filter(RuntimeDir::is_trusted);
    if let Some(dir) = known
        && let Some(socket) = reach_in(&dir, &name, patience)?
    {
        return Ok(socket);
    }
    for dir in RuntimeDir::search().map_err(|error| error.errno())? {
        if let Some(socket) = reach_in(&dir, &name, patience)? {
            *lock() = Some(dir);
            return Ok(socket);
        }
    }
    Err(Errno::SRCH)
}

fn reach_in(dir: &RuntimeDir, name: &str, patience: Duration) -> Result<Option<PrivateFd>> {
    match socket::connect(&dir.entry(name), patience) {
        Ok(socket) => Ok(Some(PrivateFd::new(socket))),
        Err(Errno::NOENT | Errno::CONNREFUSED) => Ok(None),
        Err(Errno::ACCES) => Err(Errno::PERM),
        Err(errno) => Err(errno),
    }
}
