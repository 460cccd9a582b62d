//! The client's end of a link.

use super::LinkMemory;
use super::ServerLink;
use super::arena::{Arena, Block};
use super::inbox::ClientInbox;
use super::lanes::Lanes;
use super::layout;
use super::slots::FreeSlots;
use crate::ipc::protocol::Sleeper;
use crate::ipc::wait::Spin;
use crate::ipc::{ChannelId, Coid, Scoid, janitor};
use resmgr_sys::epoll::EventFd;
use resmgr_sys::fork::{self, PrivateFd};
use resmgr_sys::pidfd::PidFd;
use resmgr_sys::{Errno, Result, futex, sched, socket};
use std::collections::HashSet;
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

/// Whether a link can be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LinkState {
    Open,
    /// The server or its channel has gone: `ESRCH`.
    Dead,
    /// This process has detached its last connection: `EBADF`.
    Detached,
}

/// What the server said of itself in the handshake.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Far {
    pub(crate) pid: u32,
    pub(crate) chid: ChannelId,
    pub(crate) scoid: Scoid,
    /// When the channel was made. Another one may get its number; this it cannot get.
    pub(crate) birth: u64,
    /// The channel has the UNBLOCK flag.
    pub(crate) unblock: bool,
    /// The server reads long messages in this process's memory if a send allows it.
    pub(crate) direct: bool,
    /// How many descriptors a message may bring.
    pub(crate) descriptors: u8,
}

/// A server in another process.
#[derive(Debug)]
pub(crate) struct Remote {
    pub(crate) socket: PrivateFd,
    pub(crate) process: PidFd,
    /// See [`Remote::identity`].
    identity: OnceLock<u64>,
}

impl Remote {
    pub(crate) fn new(socket: PrivateFd, process: PidFd) -> Self {
        let identity = OnceLock::new();
        Self {
            socket,
            process,
            identity,
        }
    }

    /// The process's identity: see [`PidFd::identity`]. The descriptor stands for one process for ever, so the
    /// system is asked once.
    pub(crate) fn identity(&self, pid: u32) -> Result<u64> {
        if let Some(known) = self.identity.get() {
            return Ok(*known);
        }
        let asked = self.process.identity(pid)?;
        Ok(*self.identity.get_or_init(|| asked))
    }
}

/// This process on one channel.
#[derive(Debug)]
pub(crate) struct ClientLink {
    pub(crate) far: Far,
    pub(crate) memory: LinkMemory,
    pub(super) bell: EventFd,
    /// The way to a server in another process, and that process; none for one in this process.
    remote: Option<Remote>,
    /// The server's end, if it is in this process.
    pub(super) local: Option<Arc<ServerLink>>,
    /// What the server has sent on the socket.
    pub(super) inbox: Arc<ClientInbox>,
    /// Which threads the server can wake one by one.
    pub(super) lanes: Lanes,
    generation: u32,
    pub(super) tail: AtomicU32,
    pub(super) slots: FreeSlots,
    /// Slots of calls that were given up and that the server has not noticed yet; the count lets the
    /// ordinary path skip the lock.
    pub(super) given_up: Mutex<Vec<(u16, u32, Option<Block>)>>,
    pub(super) given_up_count: AtomicUsize,
    pub(super) arena: Mutex<Arena>,
    pub(super) pulses: Mutex<super::announcing::Pulses>,
    pub(super) state: AtomicU8,
    /// Kept here, too: the server can write the client's part.
    registered_only: AtomicBool,
    /// Whether the kernel lets the server read this process's memory, as far as is known.
    pub(super) direct: AtomicBool,
    pub(super) spin: Spin,
    /// Calls that no thread waits for.
    pub(super) begun: super::begun::Begun,
    /// The connections that share this link.
    pub(crate) coids: Mutex<HashSet<Coid>>,
}

impl ClientLink {
    pub(crate) fn new(far: Far, memory: LinkMemory, bell: EventFd, remote: Option<Remote>) -> Self {
        let layout = memory.layout;
        Self {
            far,
            memory,
            bell,
            remote,
            local: None,
            inbox: Arc::default(),
            lanes: Lanes::default(),
            generation: fork::generation(),
            tail: AtomicU32::new(0),
            slots: FreeSlots::new(layout.calls),
            given_up: Mutex::default(),
            given_up_count: AtomicUsize::new(0),
            arena: Mutex::new(Arena::new(layout.bulk)),
            pulses: Mutex::default(),
            state: AtomicU8::new(0),
            registered_only: AtomicBool::new(false),
            direct: AtomicBool::new(true),
            spin: Spin::new(),
            begun: super::begun::Begun::default(),
            coids: Mutex::default(),
        }
    }

    /// To a server in this process.
    pub(crate) fn to_local(far: Far, bell: EventFd, server: Arc<ServerLink>) -> Self {
        let mut link = Self::new(far, server.memory.clone(), bell, None);
        // A reply's descriptors need no packet either.
        *server
            .far_inbox
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = Arc::downgrade(&link.inbox);
        link.local = Some(server);
        link
    }

    pub(crate) fn remote(&self) -> Option<&Remote> {
        self.remote.as_ref()
    }

    /// Whether a new connection may share the link, as far as this process knows.
    pub(crate) fn is_open(&self) -> bool {
        self.state() == LinkState::Open && !self.memory.gate().is_closed()
    }

    /// Whether the server lives, as the system knows it. The background thread may not have come to its death yet,
    /// and whoever attaches after it must not be told that all is well.
    pub(crate) fn is_alive(&self) -> bool {
        let mut remote = self.remote.iter();
        remote.all(|remote| remote.process.is_alive())
    }

    /// Whether this process made it, and not a parent.
    pub(crate) fn is_ours(&self) -> bool {
        self.generation == fork::generation()
    }

    /// Whether the server has gone, as far as this process knows. Only its own link may be looked into: a child
    /// does not have the memory.
    pub(crate) fn is_dead(&self) -> bool {
        self.state() != LinkState::Open || self.memory.gate().is_closed()
    }

    #[inline]
    pub(crate) fn state(&self) -> LinkState {
        match self.state.load(Ordering::Acquire) {
            0 if self.generation == fork::generation() => LinkState::Open,
            1 => LinkState::Dead,
            _ => LinkState::Detached,
        }
    }

    /// Ends the link for good and wakes everybody who waits on it.
    pub(crate) fn end(&self, state: LinkState) {
        let value = if state == LinkState::Dead { 1 } else { 2 };
        let ended = self
            .state
            .compare_exchange(0, value, Ordering::AcqRel, Ordering::Acquire);
        if let (Ok(_), Some(remote)) = (ended, &self.remote) {
            socket::shutdown(remote.socket.as_fd());
        }
        self.kick_all();
    }

    /// Has every sender look around: something that it looks for has been stored.
    ///
    /// A sender claims its slot, announces that it sleeps, and then looks; this stores, and then looks for
    /// claimed slots and sleepers. Between the two steps of each side stands a full fence (the sender's is
    /// that of `prepare_sleep`), so either the slot is seen here, or what was stored is seen there.
    pub(crate) fn kick_all(&self) {
        resmgr_sys::order::full_fence();
        for slot in self.slots.claimed(self.memory.layout.calls) {
            self.kick(slot);
        }
    }

    /// Wakes the thread that waits in `slot`, if there is one, so that it looks around.
    pub(crate) fn kick(&self, slot: u16) {
        let caller = self.memory.caller(slot);
        let wake = |sleeper| match sleeper {
            Sleeper::AtSocket(number) => {
                self.lanes.nudge(number);
                1
            }
            Sleeper::OnTaken => futex::wake(caller.taken, u32::MAX),
            _ => futex::wake(caller.answer, u32::MAX),
        };
        caller.kick(wake, sched::yield_now);
    }

    pub(super) fn check_open(&self) -> Result<()> {
        match self.state() {
            LinkState::Open => Ok(()),
            LinkState::Dead => Err(Errno::SRCH),
            LinkState::Detached => Err(Errno::BADF),
        }
    }

    /// From now on only registered events may come from this server.
    pub(crate) fn take_registered_only(&self) {
        self.registered_only.store(true, Ordering::Release);
        let word = self.memory.client.word(layout::REGISTERED_ONLY);
        word.store(1, Ordering::Release);
    }

    pub(crate) fn takes_registered_only(&self) -> bool {
        self.registered_only.load(Ordering::Acquire)
    }
}

impl Drop for ClientLink {
    fn drop(&mut self) {
        if let Some(Remote { socket, .. }) = self.remote.take() {
            janitor::close_socket(socket);
        }
    }
}
