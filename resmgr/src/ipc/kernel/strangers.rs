//! Connections that have not said hello yet, and what happens when descriptors run out.

use super::{Kernel, Source, Token};
use crate::ipc::janitor;
use crate::ipc::rendezvous::{self, Admitted, Stranger};
use resmgr_sys::epoll::{EventFd, Ready};
use resmgr_sys::fork::PrivateFd;
use resmgr_sys::{Errno, socket};
use std::os::fd::AsFd;
use std::sync::Arc;

/// Connections that have not said hello yet. More push out the oldest.
const MOST_STRANGERS: usize = 64;

impl Kernel {
    pub(super) fn take_in_strangers(
        &self,
        listener: &PrivateFd,
        source: &Arc<Source>,
        token: Token,
    ) {
        loop {
            match socket::accept(listener.as_fd()) {
                // One at a time: the set tells of the next, and everybody else has a turn before it.
                Ok(Some(stranger)) => return self.welcome(PrivateFd::new(stranger)),
                Ok(None) => return,
                Err(Errno::MFILE) if self.make_room() => {}
                Err(errno) => {
                    // Without a descriptor to spare the listener would stay ready for ever.
                    tracing::warn!(%errno, "no client can be taken in now");
                    let _ = self.epoll.modify(&listener.as_fd(), token, Ready::empty());
                    self.lock().starved = Some(Arc::clone(source));
                    return;
                }
            }
        }
    }

    /// Descriptors have run out: gives up the spare one, or else the stranger that has been silent longest. False:
    /// there is neither.
    fn make_room(&self) -> bool {
        let (spare, oldest) = {
            let mut table = self.lock();
            table.needs_spare = true;
            (table.spare.take(), table.strangers.first().copied())
        };
        match (spare, oldest) {
            (Some(_), _) => true,
            (None, Some(oldest)) => self.forget(oldest).is_some(),
            (None, None) => false,
        }
    }

    /// A descriptor may have become free: keeps a spare one, and listens again.
    pub(super) fn feed_listener(&self) {
        let mut table = self.lock();
        if table.needs_spare {
            table.spare = EventFd::new().ok();
            table.needs_spare = table.spare.is_none();
        }
        let Some(starved) = table.starved.take() else {
            return;
        };
        let found = table
            .sources
            .iter()
            .find(|(_, (_, source))| Arc::ptr_eq(source, &starved));
        if let (Source::Listener(fd), Some((key, (made, _)))) = (&*starved, found) {
            let token = u64::from(*made) << 32 | key as u64;
            let _ = self.epoll.modify(&fd.as_fd(), token, Ready::IN);
        }
    }

    /// A client says hello right after it has connected, so mostly that is here already.
    fn welcome(&self, stranger: PrivateFd) {
        match socket::peek(stranger.as_fd(), &mut [0]) {
            Err(Errno::AGAIN) => self.add_stranger(stranger),
            _ => self.admit(stranger),
        }
    }

    fn add_stranger(&self, stranger: PrivateFd) {
        let oldest = {
            let table = self.lock();
            (table.strangers.len() >= MOST_STRANGERS)
                .then(|| table.strangers.first().copied())
                .flatten()
        };
        if let Some(oldest) = oldest
            && let Some(Source::Stranger(socket)) = self.forget(oldest).and_then(Arc::into_inner)
        {
            janitor::close_socket(socket);
        }
        if let Ok(token) = self.watch(Source::Stranger(stranger)) {
            self.lock().strangers.push(token);
        }
    }

    pub(super) fn greet(&self, source: Arc<Source>) {
        if let Some(Source::Stranger(socket)) = Arc::into_inner(source) {
            self.admit(socket);
        }
    }

    fn admit(&self, stranger: PrivateFd) {
        match rendezvous::admit(stranger) {
            Ok(Stranger::Client(Admitted {
                link,
                channel,
                process,
            })) => {
                let client = Source::Client {
                    link: Arc::clone(&link),
                    channel: Arc::downgrade(&channel),
                    process,
                };
                if let Err(errno) = self.watch(client) {
                    tracing::warn!(%errno, "a client cannot be watched; link closed");
                    channel.client_gone(&link);
                }
            }
            Ok(Stranger::Tracer(tracing)) => {
                if let Err(errno) = self.watch(Source::Tracer(tracing)) {
                    tracing::warn!(%errno, "a tracer cannot be watched; recording ends");
                }
            }
            Ok(Stranger::Answered) => {}
            Err(errno) => tracing::debug!(%errno, "a client was not taken in"),
        }
    }
}
