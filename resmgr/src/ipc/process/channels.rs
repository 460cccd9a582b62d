//! The channels of this process: their numbers, and how others reach them.

use super::{Process, lock};
use crate::ipc::channel::Shared;
use crate::ipc::kernel::Source;
use crate::ipc::link::{ClientLink, ServerLink};
use crate::ipc::{ChannelFlags, ChannelId, rendezvous};
use resmgr_sys::fork::PrivateFd;
use resmgr_sys::{Errno, Result};
use std::sync::Arc;

/// Channels of a process: their numbers are part of [`Rcvid`](crate::ipc::Rcvid).
const MOST_CHANNELS: usize = 8191;

impl Process {
    pub(in crate::ipc) fn add_channel(
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

    pub(in crate::ipc) fn channel(&self, chid: ChannelId) -> Option<Arc<Shared>> {
        let key = usize::try_from(chid.0).ok()?.checked_sub(1)?;
        lock(&self.channels).get(key)?.upgrade()
    }

    /// All that there are, by their numbers.
    pub(in crate::ipc) fn channels(&self) -> Vec<Arc<Shared>> {
        let channels = lock(&self.channels);
        channels
            .iter()
            .filter_map(|(_, channel)| channel.upgrade())
            .collect()
    }

    /// A channel was destroyed, and these clients with it.
    pub(in crate::ipc) fn channel_gone(&self, chid: ChannelId, clients: &[Arc<ServerLink>]) {
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
        crate::ipc::deaths::stop_if_unwanted();
    }

    /// A channel has closed this link. If its client is in this process, there is no socket to tell it.
    pub(in crate::ipc) fn far_end_gone(&self, chid: ChannelId, gone: &ServerLink) {
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
    pub(in crate::ipc) fn server_link_gone(&self, gone: &Arc<ServerLink>) {
        if let Some(kernel) = &*lock(&self.kernel) {
            let is_it = |source: &Source| matches!(source, Source::Client { link, .. } if Arc::ptr_eq(link, gone));
            kernel.forget_where(is_it);
        }
    }

    /// The background thread keeps the books of the channel's pulse pool.
    pub(in crate::ipc) fn watch_pool(&self, channel: &Arc<Shared>, bells: PrivateFd) -> Result<()> {
        let source = Source::Pool(Arc::downgrade(channel), bells);
        self.kernel()?.watch(source).map(drop)
    }

    /// It keeps them no more.
    pub(in crate::ipc) fn unwatch_pool(&self, channel: &Shared) {
        if let Some(kernel) = &*lock(&self.kernel) {
            let is_it = |source: &Source| matches!(source, Source::Pool(other, _) if std::ptr::eq(other.as_ptr(), channel));
            kernel.forget_where(is_it);
        }
    }

    /// Makes this process reachable by its number.
    pub(in crate::ipc) fn listen(&self) -> Result<()> {
        let mut listening = lock(&self.listening);
        if listening.is_some() {
            return Ok(());
        }
        // The namespace removes the socket when this process dies; so it has to know of it first.
        let session = crate::ipc::sessions::own().map_err(|error| error.errno())?;
        let socket = if session.dir().is_own() {
            session.serve()?;
            rendezvous::listen(session.dir())?
        } else {
            session.listen()?
        };
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
}
