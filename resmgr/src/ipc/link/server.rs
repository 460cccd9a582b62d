//! The server's end of a link.

use super::headers::RequestFields;
use super::inbox::ServerInbox;
use super::layout::{self, CELLS};
use super::service::Service;
use super::slots::Phases;
use super::{LinkMemory, ReplyArea};
use crate::ipc::channel::Turns;
use crate::ipc::priority::{ORDINARY, Standing, UNPRIVILEGED_PLACE};
use crate::ipc::{ChannelId, ClientInfo, ConnectRights, Credentials, Rcvid, Scoid, janitor};
use resmgr_sys::epoll::EventFd;
use resmgr_sys::fork::PrivateFd;
use resmgr_sys::pidfd::PidFd;
use resmgr_sys::{Errno, Result, socket, who};
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, Weak};

/// The client broke the rules of the link: it is closed, and nobody else notices.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Breach(pub(crate) &'static str);

/// One client process on one channel.
#[derive(Debug)]
pub(crate) struct ServerLink {
    pub(crate) chid: ChannelId,
    pub(crate) scoid: Scoid,
    /// From the kernel.
    pub(crate) peer: Credentials,
    pub(crate) memory: LinkMemory,
    /// The client rings it; the channel's receivers wait for it.
    pub(crate) bell: EventFd,
    pub(crate) replies: ReplyArea,
    /// The client's process, if messages may be read in its memory.
    pub(crate) direct: Option<PidFd>,
    /// From the kernel, too; asked for when a claim of the client needs it.
    standing: OnceLock<Standing>,
    /// None for a client in this process.
    socket: Option<PrivateFd>,
    /// How many descriptors a message of this client may bring.
    pub(crate) accepts: u8,
    /// For replies with descriptors to a client in this process.
    pub(super) far_inbox: Mutex<Weak<super::inbox::ClientInbox>>,
    /// What the client has sent on the socket.
    pub(super) inbox: ServerInbox,
    /// How far the ring has been read, and which pulses; under the channel's lock.
    pub(super) head: AtomicU32,
    pub(super) pulses_seen: AtomicU32,
    pub(super) pulses_taken: AtomicU32,
    /// How many may be pending. Written before the client has the link.
    pub(super) pulses_most: AtomicU32,
    /// Slot and number of the call that came last.
    pub(super) latest: AtomicU64,
    /// How many of its calls and pulses are in the queue, and the turn of the last one; under the channel's lock.
    queued: AtomicU32,
    last_turn: AtomicU64,
    /// Ring entries still to come, of calls that were taken ahead of them; under the channel's lock.
    pub(super) owed: AtomicU32,
    /// How many unblock requests may still come: a well-behaved client makes at most one for each call.
    pub(super) unblocks_due: AtomicU32,
    pub(super) phases: Phases,
    /// The channel's.
    pub(crate) service: Arc<Service>,
    /// The channel's, too.
    pub(crate) turns: Arc<Turns>,
    /// What the numbers of its calls begin at in their names.
    first_name: u32,
    gone: AtomicBool,
}

impl ServerLink {
    pub(crate) fn new(
        (chid, scoid): (ChannelId, Scoid),
        peer: Credentials,
        memory: LinkMemory,
        bell: EventFd,
        socket: Option<PrivateFd>,
    ) -> Self {
        let phases = Phases::new(memory.layout.calls);
        Self {
            chid,
            scoid,
            peer,
            standing: OnceLock::new(),
            memory,
            bell,
            replies: ReplyArea::new(),
            direct: None,
            socket,
            accepts: 0,
            far_inbox: Mutex::default(),
            inbox: ServerInbox::default(),
            head: AtomicU32::new(0),
            pulses_seen: AtomicU32::new(0),
            pulses_taken: AtomicU32::new(0),
            pulses_most: AtomicU32::new(CELLS),
            latest: AtomicU64::new(0),
            queued: AtomicU32::new(0),
            last_turn: AtomicU64::new(0),
            owed: AtomicU32::new(0),
            unblocks_due: AtomicU32::new(0),
            phases,
            service: Arc::default(),
            turns: Arc::default(),
            first_name: next_first_name(),
            gone: AtomicBool::new(false),
        }
    }

    /// Everything that a well-behaved client can have announced at a time.
    pub(crate) fn most_arrivals(&self) -> u32 {
        self.memory.layout.ring
    }

    /// Whether the client has gone, or was cut off.
    #[inline]
    pub(crate) fn is_gone(&self) -> bool {
        self.gone.load(Ordering::Acquire)
    }

    /// One more of it comes into the queue. The turn that it gets: `next` for the only one.
    pub(crate) fn queue_up(&self, next: u64) -> u64 {
        // Plain loads and stores: everybody who comes here has the channel's lock.
        let queued = self.queued.load(Ordering::Relaxed);
        let turn = match queued {
            0 => next,
            _ => next.max(self.last_turn() + 1),
        };
        self.queued.store(queued + 1, Ordering::Relaxed);
        self.last_turn.store(turn, Ordering::Relaxed);
        turn
    }

    /// One less is in the queue.
    pub(crate) fn leave_queue(&self) {
        let queued = self.queued.load(Ordering::Relaxed);
        self.queued
            .store(queued.saturating_sub(1), Ordering::Relaxed);
    }

    /// The turn of what came last.
    pub(crate) fn last_turn(&self) -> u64 {
        self.last_turn.load(Ordering::Relaxed)
    }

    /// Ends the conversation: the socket's end tells the client and this process's background thread.
    pub(crate) fn cut(&self) {
        self.gone.store(true, Ordering::Release);
        if let Some(socket) = &self.socket {
            socket::shutdown(socket.as_fd());
        }
    }

    /// Cuts off a client that broke the rules, and says so.
    pub(crate) fn breached(&self, Breach(what): Breach) {
        tracing::warn!(
            pid = self.peer.pid,
            what,
            "client broke the protocol; link closed"
        );
        self.cut();
    }

    pub(crate) fn socket(&self) -> Option<&PrivateFd> {
        self.socket.as_ref()
    }

    /// How far the client's claims are believed. The kernel is asked at the first claim that needs it: most clients
    /// never make one, and the answer is eight system calls, most of them in /proc.
    fn standing(&self) -> Standing {
        *self.standing.get_or_init(|| self.ask_standing())
    }

    #[cfg(test)]
    pub(crate) fn standing_as(self, standing: Standing) -> Self {
        let _ = self.standing.set(standing);
        self
    }

    #[cold]
    fn ask_standing(&self) -> Standing {
        let Some(socket) = self.socket() else {
            return Standing::OWN;
        };
        let found = while_it_lives(socket, || Ok(Standing::of_process(self.peer.pid)));
        found.unwrap_or(Standing::ORDINARY)
    }

    /// A claim of a place in the queue is capped by what the kernel says of the peer: only processes that
    /// may run higher can stand above the highest priority that QNX gives to unprivileged ones.
    #[inline]
    pub(super) fn permitted_priority(&self, claimed: u8) -> u8 {
        if claimed <= UNPRIVILEGED_PLACE {
            claimed.max(1)
        } else {
            claimed.min(self.standing().place)
        }
    }

    /// What a receiver may take of the client's claim: as much as its process may have itself.
    #[inline]
    pub(crate) fn run_priority(&self, claimed: u8) -> u8 {
        if claimed <= ORDINARY {
            claimed
        } else {
            claimed.min(self.standing().running)
        }
    }

    /// Whether the client may ask for a boost at all.
    pub(crate) fn may_ask_for_boost(&self) -> bool {
        self.standing().running > ORDINARY
    }

    /// Tells the client from which priority on to ask for a boost; 0: never. A client that is known not to have
    /// such a priority is never asked to. The caller holds the channel's lock.
    pub(crate) fn boost_from(&self, priority: u8) {
        let standing = self.standing.get();
        let reachable = standing.is_none_or(|known| known.running >= priority);
        let threshold = self.memory.threshold();
        threshold.set(if reachable { priority } else { 0 });
    }

    /// Whether the client says that it takes registered events only.
    pub(crate) fn takes_registered_only(&self) -> bool {
        let word = self.memory.client.word(layout::REGISTERED_ONLY);
        word.load(Ordering::Relaxed) != 0
    }

    pub(crate) fn rcvid(&self, slot: u16, number: u32) -> Rcvid {
        let number = number.wrapping_add(self.first_name);
        Rcvid::new(self.chid, self.scoid, slot, number)
    }

    /// The client's supplementary groups when it attached. A client in this process has those of the process.
    pub(crate) fn groups(&self) -> Vec<u32> {
        match self.socket() {
            Some(socket) => who::peer_groups(socket.as_fd()).unwrap_or_default(),
            None => ClientInfo::of_self().groups,
        }
    }

    /// Who the client is, as far as the system tells now.
    pub(crate) fn client_info(&self) -> ClientInfo {
        let Some(socket) = self.socket() else {
            return ClientInfo::of_self();
        };
        let groups = who::peer_groups(socket.as_fd()).unwrap_or_default();
        let now = while_it_lives(socket, || who::who(self.peer.pid));
        ClientInfo::new(self.peer, groups, now.ok())
    }

    /// On whose behalf a message is. What the client says is believed from root and from our own user only.
    pub(crate) fn credentials(&self, fields: &RequestFields) -> Credentials {
        let [pid, uid, gid] = fields.ids;
        let is_trusted = || ConnectRights::Owner.permit(&self.peer, Vec::new);
        if fields.on_behalf && is_trusted() {
            Credentials { pid, uid, gid }
        } else {
            self.peer
        }
    }
}

/// Every link counts its calls from 1, and a client may get the id of one that has gone. So that it does not get
/// the names of its calls, too, which somebody may still hold, the names begin elsewhere: the step is the golden
/// section of all numbers that a name has room for, which keeps any thousand links some thousand calls apart.
fn next_first_name() -> u32 {
    static LINKS: AtomicU32 = AtomicU32::new(0);
    const STEP: u32 = 2_592_223;
    LINKS.fetch_add(1, Ordering::Relaxed).wrapping_mul(STEP)
}

impl Drop for ServerLink {
    fn drop(&mut self) {
        if let Some(socket) = self.socket.take() {
            janitor::close_socket(socket);
        }
    }
}

/// What `look` finds of a peer's process by its number: that is the peer's as long as it lives, so what was read
/// before it is seen to live is its own.
fn while_it_lives<T>(socket: &PrivateFd, look: impl FnOnce() -> Result<T>) -> Result<T> {
    let process = socket::peer_pidfd(socket.as_fd())?;
    let found = look()?;
    process.is_alive().then_some(found).ok_or(Errno::SRCH)
}
