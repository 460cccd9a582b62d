//! The server's end of a link.

use super::headers::RequestFields;
use super::inbox::ServerInbox;
use super::layout::{self, CELLS};
use super::slots::Phases;
use super::{LinkMemory, ReplyArea};
use crate::ipc::priority::{ORDINARY, Standing};
use crate::ipc::{ChannelId, ClientInfo, ConnectRights, Credentials, Rcvid, Scoid, janitor};
use resmgr_sys::epoll::EventFd;
use resmgr_sys::fork::PrivateFd;
use resmgr_sys::pidfd::PidFd;
use resmgr_sys::{Errno, socket, who};
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Mutex, Weak};

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
    /// From the kernel, too.
    pub(crate) standing: Standing,
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
    /// Ring entries still to come, of calls that were taken ahead of them; under the channel's lock.
    pub(super) owed: AtomicU32,
    /// How many unblock requests may still come: a well-behaved client makes at most one for each call.
    pub(super) unblocks_due: AtomicU32,
    pub(super) phases: Phases,
    /// What the numbers of its calls begin at in their names.
    first_name: u32,
    gone: AtomicBool,
}

impl ServerLink {
    pub(crate) fn new(
        (chid, scoid): (ChannelId, Scoid),
        (peer, standing): (Credentials, Standing),
        memory: LinkMemory,
        bell: EventFd,
        socket: Option<PrivateFd>,
    ) -> Self {
        memory.gate().unwatch();
        let phases = Phases::new(memory.layout.calls);
        Self {
            chid,
            scoid,
            peer,
            standing,
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
            owed: AtomicU32::new(0),
            unblocks_due: AtomicU32::new(0),
            phases,
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

    /// Tells the client from which priority on to ask for a boost; 0: never. A client that cannot have
    /// such a priority is never asked to. The caller holds the channel's lock.
    pub(crate) fn boost_from(&self, priority: u8) {
        let reachable = self.standing.running >= priority;
        let threshold = self.memory.threshold();
        threshold.set(if reachable { priority } else { 0 });
    }

    /// Whether the client may ask for a boost at all.
    pub(super) fn may_ask_for_boost(&self) -> bool {
        self.standing.running > ORDINARY
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

    /// Who the client is, as far as the system tells now.
    pub(crate) fn client_info(&self) -> ClientInfo {
        let Some(socket) = self.socket() else {
            return ClientInfo::of_self();
        };
        let groups = who::peer_groups(socket.as_fd()).unwrap_or_default();
        // The number is the client's as long as it lives: what was read before that is still so was its own.
        let now = socket::peer_pidfd(socket.as_fd()).and_then(|process| {
            let now = who::who(self.peer.pid)?;
            process.is_alive().then_some(now).ok_or(Errno::SRCH)
        });
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
