//! This process: its channels, its links to other processes' channels, and its background thread.

use super::attachment::Attachment;
use super::attachments::{Attachments, NewId};
use super::channel::Shared;
use super::kernel::{Kernel, Source};
use super::link::{ClientLink, Far, LinkMemory, LinkState, ServerLink, WakePoint};
use super::priority::Standing;
use super::timer::Ticking;
use super::{
    ChannelFlags, ChannelId, Coid, ConnectFlags, Credentials, ProcessLimits, Target, rendezvous,
};
use resmgr_namespace::{RuntimeDir, Session};
use resmgr_sys::epoll::EventFd;
use resmgr_sys::fork::{PerProcess, PrivateFd};
use resmgr_sys::pidfd::PidFd;
use resmgr_sys::{Errno, Result};
use slab::Slab;
use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

/// Channels of a process: their numbers are part of [`Rcvid`](super::Rcvid).
const MOST_CHANNELS: usize = 8191;
/// Timers of a process.
const MOST_TIMERS: usize = 4096;

static PROCESS: PerProcess<Process> = PerProcess::new();

/// The state of this process. A child of fork begins with none.
pub(super) fn current() -> &'static Process {
    PROCESS.get(Process::new)
}

/// The link to one channel, once there is one. Locked while one is made, so that all attaches of this
/// process to the same channel share it, and a server that does not answer delays only those.
type Place = Arc<Mutex<Option<Arc<ClientLink>>>>;

#[derive(Debug)]
pub(super) struct Process {
    limits: Mutex<ProcessLimits>,
    channels: Mutex<Slab<Weak<Shared>>>,
    links: Mutex<HashMap<(u32, ChannelId), Place>>,
    pub(super) connections: Attachments,
    kernel: Mutex<Option<Arc<Kernel>>>,
    timers: AtomicUsize,
    /// The directory of the listening socket.
    listening: Mutex<Option<RuntimeDir>>,
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Process {
    fn new() -> Self {
        // Each link takes a few descriptors, and the usual soft limit is low.
        let _ = resmgr_sys::process::raise_descriptor_limit();
        Self {
            limits: Mutex::default(),
            channels: Mutex::default(),
            links: Mutex::default(),
            connections: Attachments::default(),
            kernel: Mutex::default(),
            timers: AtomicUsize::new(0),
            listening: Mutex::default(),
        }
    }

    pub(super) fn set_limits(&self, limits: ProcessLimits) {
        *lock(&self.limits) = limits;
    }

    fn limits(&self) -> ProcessLimits {
        *lock(&self.limits)
    }

    fn kernel(&self) -> Result<Arc<Kernel>> {
        let mut kernel = lock(&self.kernel);
        if let Some(kernel) = &*kernel {
            return Ok(Arc::clone(kernel));
        }
        Ok(Arc::clone(kernel.insert(Kernel::start()?)))
    }

    pub(super) fn watch_session(&self, session: &'static Session) -> Result<()> {
        let watched = session.watch_fd()?;
        self.kernel()?
            .watch(Source::Session { session, watched })
            .map(drop)
    }

    /// The background thread listens for calls of this link that no thread waits for.
    pub(super) fn watch_begun(&self, link: &Arc<ClientLink>, point: Arc<WakePoint>) -> Result<()> {
        let link = Arc::downgrade(link);
        self.kernel()?
            .watch(Source::Begun { link, point })
            .map(drop)
    }

    // Channels.

    pub(super) fn add_channel(
        &self,
        make: impl FnOnce(ChannelId) -> Result<Shared>,
    ) -> Result<Arc<Shared>> {
        let mut channels = lock(&self.channels);
        if channels.len() >= self.limits().channels.min(MOST_CHANNELS) {
            return Err(Errno::AGAIN);
        }
        let entry = channels.vacant_entry();
        let chid = u32::try_from(entry.key() + 1).map_err(|_| Errno::AGAIN)?;
        let shared = Arc::new(make(ChannelId(chid))?);
        entry.insert(Arc::downgrade(&shared));
        Ok(shared)
    }

    pub(super) fn channel(&self, chid: ChannelId) -> Option<Arc<Shared>> {
        let key = usize::try_from(chid.0).ok()?.checked_sub(1)?;
        lock(&self.channels).get(key)?.upgrade()
    }

    // Timers.

    /// The background thread waits for a timer.
    ///
    /// # Errors
    /// - `EAGAIN`: as many timers as a process may have.
    pub(super) fn watch_timer(&self, ticking: &Arc<Ticking>) -> Result<u64> {
        if self.timers.fetch_add(1, Ordering::Relaxed) >= MOST_TIMERS {
            self.timers.fetch_sub(1, Ordering::Relaxed);
            return Err(Errno::AGAIN);
        }
        let source = Source::Timer(Arc::clone(ticking));
        let watched = self.kernel().and_then(|kernel| kernel.watch(source));
        if watched.is_err() {
            self.timers.fetch_sub(1, Ordering::Relaxed);
        }
        watched
    }

    pub(super) fn unwatch_timer(&self, token: u64) {
        self.timers.fetch_sub(1, Ordering::Relaxed);
        if let Some(kernel) = &*lock(&self.kernel) {
            kernel.forget(token);
        }
    }

    // Pools.

    /// The background thread keeps the books of the channel's pulse pool.
    pub(super) fn watch_pool(&self, channel: &Arc<Shared>, bells: PrivateFd) -> Result<()> {
        let source = Source::Pool(Arc::downgrade(channel), bells);
        self.kernel()?.watch(source).map(drop)
    }

    /// It keeps them no more.
    pub(super) fn unwatch_pool(&self, channel: &Shared) {
        if let Some(kernel) = &*lock(&self.kernel) {
            let is_it = |source: &Source| matches!(source, Source::Pool(other, _) if std::ptr::eq(other.as_ptr(), channel));
            kernel.forget_where(is_it);
        }
    }

    /// A channel was destroyed, and these clients with it.
    pub(super) fn channel_gone(&self, chid: ChannelId, clients: &[Arc<ServerLink>]) {
        if let Some(key) = usize::try_from(chid.0)
            .ok()
            .and_then(|chid| chid.checked_sub(1))
        {
            lock(&self.channels).try_remove(key);
        }
        for link in clients {
            self.server_link_gone(link);
            self.far_end_gone(chid, link);
        }
        self.stop_listening_if_idle();
        super::deaths::stop_if_unwanted();
    }

    /// A channel has closed this link. If its client is in this process, there is no socket to tell it.
    pub(super) fn far_end_gone(&self, chid: ChannelId, gone: &ServerLink) {
        if gone.socket().is_some() {
            return;
        }
        let place = lock(&self.links).get(&(std::process::id(), chid)).cloned();
        let link = place.and_then(|place| lock(&place).clone());
        let is_it = |link: &ClientLink| {
            link.remote().is_none() && (link.far.chid, link.far.scoid) == (chid, gone.scoid)
        };
        let link = link.filter(|link| is_it(link));
        if let Some(link) = link.or_else(|| self.connections.unshared(is_it)) {
            self.server_gone(&link);
        }
    }

    /// The background thread forgets a client.
    pub(super) fn server_link_gone(&self, gone: &Arc<ServerLink>) {
        if let Some(kernel) = &*lock(&self.kernel) {
            let is_it = |source: &Source| matches!(source, Source::Client { link, .. } if Arc::ptr_eq(link, gone));
            kernel.forget_where(is_it);
        }
    }

    /// Makes this process reachable by its number.
    pub(super) fn listen(&self) -> Result<()> {
        let mut listening = lock(&self.listening);
        if listening.is_some() {
            return Ok(());
        }
        // The namespace removes the socket when this process dies; so it has to know of it first.
        let session = super::sessions::own().map_err(|error| error.errno())?;
        session.serve()?;
        let socket = rendezvous::listen(session.dir())?;
        self.kernel()?
            .watch(Source::Listener(PrivateFd::new(socket)))?;
        *listening = Some(session.dir().clone());
        Ok(())
    }

    fn stop_listening_if_idle(&self) {
        let mut listening = lock(&self.listening);
        let is_public = |channel: Arc<Shared>| !channel.flags.contains(ChannelFlags::PRIVATE);
        if lock(&self.channels)
            .iter()
            .any(|(_, channel)| channel.upgrade().is_some_and(is_public))
        {
            return;
        }
        if let Some(dir) = listening.take() {
            rendezvous::stop_listening(&dir);
            if let Some(kernel) = &*lock(&self.kernel) {
                kernel.forget_where(|source| matches!(source, Source::Listener(_)));
            }
        }
    }

    // Threads.

    pub(super) fn wants_thread_deaths(&self) -> bool {
        !self.told_of_threads().is_empty()
    }

    fn told_of_threads(&self) -> Vec<Arc<Shared>> {
        let wants = |channel: &Arc<Shared>| channel.flags.contains(ChannelFlags::THREAD_DEATH);
        lock(&self.channels)
            .iter()
            .filter_map(|(_, channel)| channel.upgrade())
            .filter(wants)
            .collect()
    }

    /// The background thread tells the end of a thread from now on.
    pub(super) fn watch_thread(&self, tid: u32, end: PidFd) -> Result<()> {
        self.kernel()?.watch(Source::Thread { tid, end }).map(drop)
    }

    pub(super) fn forget_threads(&self) {
        if let Some(kernel) = &*lock(&self.kernel) {
            kernel.forget_where(|source| matches!(source, Source::Thread { .. }));
        }
    }

    /// A thread of this process has ended.
    pub(super) fn thread_ended(&self, tid: u32) {
        for channel in self.told_of_threads() {
            channel.thread_died(tid);
        }
    }

    // Connections.

    /// A new connection to a channel, on the link that this process has to it or makes; `birth`, if not 0, says
    /// which channel of that number is meant.
    pub(super) fn attach(
        &self,
        target: Target,
        birth: u64,
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
            let link = self.make_link(pid, target.chid, birth)?;
            self.add_or_end(&link, id, flags)?
        } else {
            self.attach_shared((pid, target.chid), birth, id, flags)?
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
    pub(super) fn link_of(&self, coid: Coid) -> Option<Arc<ClientLink>> {
        let found = self.connections.get(coid)?;
        Some(Arc::clone(&found.link))
    }

    fn attach_shared(
        &self,
        key: (u32, ChannelId),
        birth: u64,
        id: NewId,
        flags: ConnectFlags,
    ) -> Result<(Arc<Attachment>, Option<Arc<Attachment>>)> {
        let place = Arc::clone(lock(&self.links).entry(key).or_default());
        let mut kept = lock(&place);
        if let Some(link) = kept.as_ref().filter(|link| link.is_usable()) {
            if birth != 0 && birth != link.far.birth {
                return Err(Errno::SRCH);
            }
            let most = self.limits().connections;
            return self.connections.add(link, id, flags, most);
        }
        let link = self.make_link(key.0, key.1, birth)?;
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

    fn make_link(&self, pid: u32, chid: ChannelId, birth: u64) -> Result<Arc<ClientLink>> {
        if pid == std::process::id() {
            return self.make_local_link(chid, birth);
        }
        let link = Arc::new(rendezvous::connect(pid, chid, birth)?);
        self.kernel()?.watch(Source::Server(Arc::clone(&link)))?;
        Ok(link)
    }

    /// Client and server in one process: the same protocol over the same layout, without sockets.
    fn make_local_link(&self, chid: ChannelId, birth: u64) -> Result<Arc<ClientLink>> {
        let channel = self.channel(chid).filter(|found| found.is_born(birth));
        let channel = channel.ok_or(Errno::SRCH)?;
        let memory = LinkMemory::local(channel.layout)?;
        let bell = EventFd::new()?;
        let far_bell = bell.try_clone()?;
        let peer = Credentials::of_self();
        let server = channel.add_client(|scoid| {
            let who = (peer, Standing::OWN);
            ServerLink::new((chid, scoid), who, memory, far_bell, None)
        })?;
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

    /// A connection goes, if it has not gone yet; the last one takes the link with it. Threads that are blocked
    /// in a send on it are let go.
    pub(super) fn detach(&self, attachment: &Attachment) {
        if !attachment.end() {
            return;
        }
        let (link, coid) = (&attachment.link, attachment.coid);
        let key = (link.far.pid, link.far.chid);
        let place = lock(&self.links).get(&key).cloned();
        // The place's lock keeps an attach from taking the link that is about to end.
        let mut kept = place.as_ref().map(|place| lock(place));
        self.connections.remove(attachment);
        let last = {
            let mut coids = lock(&link.coids);
            // One only: a new connection may have got the number already.
            let at = coids.iter().position(|other| *other == coid);
            at.map(|at| coids.swap_remove(at));
            coids.is_empty()
        };
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
        ended.end(LinkState::Detached);
        if let Some(kernel) = &*lock(&self.kernel) {
            let is_it = |source: &Source| match source {
                Source::Server(link) => Arc::ptr_eq(link, ended),
                Source::Begun { link, .. } => std::ptr::eq(link.as_ptr(), Arc::as_ptr(ended)),
                _ => false,
            };
            kernel.forget_where(is_it);
        }
        if was_open
            && ended.remote().is_none()
            && let Some(channel) = self.channel(ended.far.chid)
        {
            channel.local_client_gone(ended.far.scoid);
        }
    }

    /// The server of a link has gone: its callers wake up, and the channels that asked for it get a pulse for
    /// each connection.
    pub(super) fn server_gone(&self, link: &Arc<ClientLink>) {
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
