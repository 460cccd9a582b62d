//! The connections of this process, and the links that they share.

use super::{Place, Process, lock};
use crate::ipc::attachment::Attachment;
use crate::ipc::attachments::NewId;
use crate::ipc::channel::Shared;
use crate::ipc::kernel::Source;
use crate::ipc::link::{ClientLink, Far, LinkMemory, LinkState, ServerLink};
use crate::ipc::rendezvous::Which;
use crate::ipc::{ChannelFlags, ChannelId, Coid, ConnectFlags, Credentials, Target, rendezvous};
use resmgr_sys::epoll::EventFd;
use resmgr_sys::fork::PerProcess;
use resmgr_sys::pidfd::PidFd;
use resmgr_sys::{Errno, Result};
use std::sync::atomic::Ordering;
use std::sync::{Arc, OnceLock};

impl Process {
    /// A new connection to a channel, on the link that this process has to it or makes; `which` says which
    /// channel of that number is meant.
    pub(in crate::ipc) fn attach(
        &self,
        target: Target,
        which: Which,
        id: NewId,
        flags: ConnectFlags,
    ) -> Result<Arc<Attachment>> {
        if target.nd != 0 {
            return Err(Errno::HOSTUNREACH);
        }
        let pid = if target.pid == 0 {
            std::process::id()
        } else {
            target.pid
        };
        let (made, replaced) = if flags.contains(ConnectFlags::NOSHARE) {
            let link = self.make_link(pid, target.chid, which)?;
            self.add_or_end(&link, id, flags)?
        } else {
            self.attach_shared((pid, target.chid), which, id, flags)?
        };
        // Not before now: its end may need the lock of this very place.
        if let Some(replaced) = replaced {
            self.detach(&replaced);
        }
        if flags.contains(ConnectFlags::REG_EVENTS) {
            made.link.take_registered_only();
        }
        Ok(made)
    }

    /// The link of the connection with this number. Waits for nobody.
    pub(in crate::ipc) fn link_of(&self, coid: Coid) -> Option<Arc<ClientLink>> {
        let found = self.connections.get(coid)?;
        Some(Arc::clone(&found.link))
    }

    fn attach_shared(
        &self,
        key: (u32, ChannelId),
        which: Which,
        id: NewId,
        flags: ConnectFlags,
    ) -> Result<(Arc<Attachment>, Option<Arc<Attachment>>)> {
        let place = Arc::clone(lock(&self.links).entry(key).or_default());
        let mut kept = lock(&place);
        // A link that is another process's is one to a dead process, whose end is still to be noticed: it stays
        // with those who have it.
        let is_meant = |link: &Arc<ClientLink>| {
            is_by(link, which) && link.is_open() && (which.asks || link.is_alive())
        };
        if let Some(link) = kept.as_ref().filter(|link| is_meant(link)) {
            if which.birth != 0 && which.birth != link.far.birth {
                return Err(Errno::SRCH);
            }
            let most = self.limits().connections;
            return self.connections.add(link, id, flags, most);
        }
        let link = self.make_link(key.0, key.1, which)?;
        let added = self.add_or_end(&link, id, flags)?;
        *kept = Some(link);
        Ok(added)
    }

    /// The first connection of a new link.
    fn add_or_end(
        &self,
        link: &Arc<ClientLink>,
        id: NewId,
        flags: ConnectFlags,
    ) -> Result<(Arc<Attachment>, Option<Arc<Attachment>>)> {
        let most = self.limits().connections;
        let added = self.connections.add(link, id, flags, most);
        if lock(&link.coids).is_empty() {
            self.end_link(link);
        }
        added
    }

    fn make_link(&self, pid: u32, chid: ChannelId, which: Which) -> Result<Arc<ClientLink>> {
        if pid == std::process::id() {
            return self.make_local_link(chid, which);
        }
        let link = Arc::new(rendezvous::connect(pid, chid, which)?);
        self.kernel()?.watch(Source::Server(Arc::clone(&link)))?;
        Ok(link)
    }

    /// Client and server in one process: the same protocol over the same layout, without sockets.
    fn make_local_link(&self, chid: ChannelId, which: Which) -> Result<Arc<ClientLink>> {
        if !is_this(which) {
            return Err(Errno::SRCH);
        }
        let channel = self
            .channel(chid)
            .filter(|found| found.is_born(which.birth));
        let channel = channel.ok_or(Errno::SRCH)?;
        let memory = LinkMemory::local(channel.layout())?;
        let bell = EventFd::new()?;
        let far_bell = bell.try_clone()?;
        let peer = Credentials::of_self();
        let server = channel
            .add_client(|scoid| ServerLink::new((chid, scoid), peer, memory, far_bell, None))?;
        let unblock = channel.flags.contains(ChannelFlags::UNBLOCK);
        let far = Far {
            pid: peer.pid,
            chid,
            scoid: server.scoid,
            birth: channel.birth,
            unblock,
            direct: false,
            descriptors: channel.descriptors,
        };
        Ok(Arc::new(ClientLink::to_local(far, bell, server)))
    }

    /// One more connection on the link of one that shares it with nobody else.
    pub(in crate::ipc) fn beside(&self, attachment: &Attachment) -> Result<Arc<Attachment>> {
        if attachment.detached().load(Ordering::Acquire) {
            return Err(Errno::BADF);
        }
        let most = self.limits().connections;
        let flags = ConnectFlags::NOSHARE;
        let (made, replaced) = self
            .connections
            .add(&attachment.link, NewId::Side, flags, most)?;
        if let Some(replaced) = replaced {
            self.detach(&replaced);
        }
        Ok(made)
    }

    /// All connections of a link go.
    pub(in crate::ipc) fn sever(&self, link: &ClientLink) {
        let coids = lock(&link.coids).clone();
        for coid in coids {
            if let Some(attachment) = self.connections.get(coid) {
                self.detach(&attachment);
            }
        }
    }

    /// A connection goes, if it has not gone yet; the last one takes the link with it. Threads that are blocked
    /// in a send on it are let go.
    pub(in crate::ipc) fn detach(&self, attachment: &Attachment) {
        if !attachment.end() {
            return;
        }
        let (link, coid) = (&attachment.link, attachment.coid);
        let key = (link.far.pid, link.far.chid);
        let place = lock(&self.links).get(&key).cloned();
        // The place's lock keeps an attach from taking the link that is about to end.
        let mut kept = place.as_ref().map(|place| lock(place));
        let last = {
            let mut coids = lock(&link.coids);
            coids.remove(&coid);
            coids.is_empty()
        };
        // Not before now: from here on a new connection may get the number.
        self.connections.remove(attachment);
        if !last {
            drop(kept);
            link.kick_all();
            return;
        }
        if let Some(kept) = &mut kept
            && kept.as_ref().is_some_and(|kept| Arc::ptr_eq(kept, link))
        {
            **kept = None;
        }
        drop(kept);
        self.tidy(place, key);
        self.end_link(link);
    }

    /// Forgets an empty place, unless an attach is on its way to it.
    fn tidy(&self, place: Option<Place>, key: (u32, ChannelId)) {
        let mut links = lock(&self.links);
        // One count is ours, one the table's; who is about to lock it has a third, got under the table's lock.
        if let Some(place) = place
            && Arc::strong_count(&place) == 2
            && lock(&place).is_none()
        {
            links.remove(&key);
        }
    }

    fn end_link(&self, ended: &Arc<ClientLink>) {
        let was_open = ended.state() == LinkState::Open;
        // Before the end, which would wake the background thread for nothing.
        if let Some(kernel) = &*lock(&self.kernel) {
            let is_it = |source: &Source| match source {
                Source::Server(link) => Arc::ptr_eq(link, ended),
                Source::Begun { link, .. } => std::ptr::eq(link.as_ptr(), Arc::as_ptr(ended)),
                _ => false,
            };
            kernel.forget_where(is_it);
        }
        ended.end(LinkState::Detached);
        if was_open
            && ended.remote().is_none()
            && let Some(channel) = self.channel(ended.far.chid)
        {
            channel.local_client_gone(ended.far.scoid);
        }
    }

    /// The server of a link has gone: its callers wake up, and the channels that asked for it get a pulse for
    /// each connection.
    pub(in crate::ipc) fn server_gone(&self, link: &Arc<ClientLink>) {
        link.end(LinkState::Dead);
        let coids = lock(&link.coids).clone();
        let channels: Vec<Arc<Shared>> = lock(&self.channels)
            .iter()
            .filter_map(|(_, channel)| channel.upgrade())
            .collect();
        for channel in channels {
            for coid in &coids {
                channel.coid_died(*coid);
            }
        }
    }
}

/// Whether a link leads to the process that is meant.
fn is_by(link: &ClientLink, which: Which) -> bool {
    match link.remote() {
        Some(remote) => which.is_by(|| remote.identity(link.far.pid)),
        None => is_this(which),
    }
}

/// Whether this process is meant, and not one that had its number before.
fn is_this(which: Which) -> bool {
    which.is_by(own_identity)
}

/// This process's own identity; a forked child is another process.
fn own_identity() -> Result<u64> {
    static KNOWN: PerProcess<OnceLock<u64>> = PerProcess::new();
    let known = KNOWN.get(OnceLock::new);
    if let Some(identity) = known.get() {
        return Ok(*identity);
    }
    let pid = std::process::id();
    let asked = PidFd::open(pid)?.identity(pid)?;
    Ok(*known.get_or_init(|| asked))
}
