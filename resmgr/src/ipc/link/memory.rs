//! The two parts of a link as this process has mapped them.

use super::layout::{self, Layout};
use crate::ipc::protocol::{Answerer, Caller, Gate, Ring, Threshold};
use resmgr_sys::Result;
use resmgr_sys::memory::{self, Access, Line, Region, Seals};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::AtomicU32;

/// Both parts. Inside one process, client and server share the same two mappings.
#[derive(Clone, Debug)]
pub(crate) struct LinkMemory {
    /// Written by the client process only.
    pub(crate) client: Arc<Region>,
    /// Written by the server process only.
    pub(crate) server: Arc<Region>,
    pub(crate) layout: Layout,
}

/// The descriptors that a server hands to a client, for one packet; nobody keeps them.
#[derive(Debug)]
pub(crate) struct Offer {
    pub(crate) client: OwnedFd,
    pub(crate) server: OwnedFd,
}

impl LinkMemory {
    /// For a client of this process.
    pub(crate) fn local(layout: Layout) -> Result<Self> {
        Ok(Self {
            client: Arc::new(Region::anonymous(layout.len())?),
            server: Arc::new(Region::anonymous(layout.len())?),
            layout,
        })
    }

    /// Server: new memory for a client of another process. The client can write one part only, and
    /// can change the length of neither, so no access can end in SIGBUS.
    pub(crate) fn offer(layout: Layout) -> Result<(Self, Offer)> {
        let len = layout.len();
        let fixed = Seals::SHRINK | Seals::GROW | Seals::SEAL;
        let client = memory::memfd(c"resmgr-client", len)?;
        memory::seal(client.as_fd(), fixed)?;
        let server = memory::memfd(c"resmgr-server", len)?;
        let ours = Region::map(server.as_fd(), len, Access::Write)?;
        memory::seal(server.as_fd(), fixed | Seals::FUTURE_WRITE)?;
        let theirs = Region::map(client.as_fd(), len, Access::Write)?;
        let memory = Self {
            client: Arc::new(theirs),
            server: Arc::new(ours),
            layout,
        };
        Ok((memory, Offer { client, server }))
    }

    /// Client: maps what a server has sent, after checking it.
    pub(crate) fn accept(offer: &Offer, layout: Layout) -> Result<Self> {
        let len = layout.len();
        memory::check_received(offer.client.as_fd(), len)?;
        memory::check_received(offer.server.as_fd(), len)?;
        let client = Region::map(offer.client.as_fd(), len, Access::Write)?;
        let server = Region::map(offer.server.as_fd(), len, Access::Read)?;
        Ok(Self {
            client: Arc::new(client),
            server: Arc::new(server),
            layout,
        })
    }

    #[inline]
    pub(crate) fn ring<'a>(&'a self) -> Ring<impl Fn(u32) -> &'a AtomicU32> {
        Ring::new(self.layout.ring, |index| {
            self.client.word(self.layout.ring_word(index))
        })
    }

    /// The server's word about boosts.
    pub(crate) fn threshold(&self) -> Threshold<'_, AtomicU32> {
        Threshold {
            from: self.server.word(layout::BOOST_FROM),
        }
    }

    #[inline]
    pub(crate) fn gate(&self) -> Gate<'_, AtomicU32> {
        Gate {
            watched: self.server.word(layout::WATCHED),
            closed: self.server.word(layout::CLOSED),
        }
    }

    /// The header of a slot in the client's part: `request`, `waiting`, and the request's fields.
    #[inline]
    pub(crate) fn request(&self, index: u16) -> &Line {
        self.client.line(layout::slot(index))
    }

    /// The header of a slot in the server's part: `answer`, and the answer's fields.
    #[inline]
    pub(crate) fn answer(&self, index: u16) -> &Line {
        self.server.line(layout::slot(index))
    }

    #[inline]
    pub(crate) fn caller(&self, index: u16) -> Caller<'_, AtomicU32> {
        let [request, waiting] = &self.request(index).words;
        let [answer, _] = &self.answer(index).words;
        let taken = self.server.word(layout::slot(index) + layout::TAKEN);
        Caller {
            request,
            waiting,
            taken,
            answer,
        }
    }

    #[inline]
    pub(crate) fn answerer(&self, index: u16) -> Answerer<'_, AtomicU32> {
        let Caller {
            request,
            waiting,
            taken,
            answer,
        } = self.caller(index);
        Answerer {
            request,
            waiting,
            taken,
            answer,
        }
    }
}
