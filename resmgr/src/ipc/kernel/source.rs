//! What the kernel thread waits for.

use crate::ipc::channel::Shared;
use crate::ipc::inspect::Tracing;
use crate::ipc::link::{ClientLink, ServerLink, WakePoint};
use crate::ipc::readiness::ReadySet;
use crate::ipc::timer::Ticking;
use resmgr_namespace::Session;
use resmgr_sys::epoll::Ready;
use resmgr_sys::fork::PrivateFd;
use resmgr_sys::pidfd::PidFd;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::{Arc, Weak};

/// Something that the thread waits for.
#[derive(Debug)]
pub(in crate::ipc) enum Source {
    /// The process's listening socket.
    Listener(PrivateFd),
    /// A connection that has not said hello.
    Stranger(PrivateFd),
    /// A client of one of our channels, and its process.
    Client {
        link: Arc<ServerLink>,
        channel: Weak<Shared>,
        process: PidFd,
    },
    /// A server that we are a client of.
    Server(Arc<ClientLink>),
    /// A timer of this process.
    Timer(Arc<Ticking>),
    /// The bells of a channel that has a pool of pulses.
    Pool(Weak<Shared>, PrivateFd),
    /// Descriptors of the program.
    Ready(Arc<ReadySet>),
    /// Somebody who traces this process.
    Tracer(Tracing),
    /// A thread of this process whose end somebody wants to know.
    Thread { tid: u32, end: PidFd },
    /// Calls to a server that no thread waits for.
    Begun {
        link: Weak<ClientLink>,
        point: Arc<WakePoint>,
    },
    /// The namespace.
    Session {
        session: &'static Session,
        watched: PrivateFd,
    },
}

impl Source {
    /// What to wait for.
    pub(super) fn descriptors(&self) -> Vec<BorrowedFd<'_>> {
        match self {
            Self::Listener(fd)
            | Self::Stranger(fd)
            | Self::Pool(_, fd)
            | Self::Session { watched: fd, .. } => {
                vec![fd.as_fd()]
            }
            Self::Timer(ticking) => vec![ticking.descriptor()],
            Self::Ready(set) => vec![set.as_fd()],
            Self::Tracer(tracing) => tracing.descriptor().into_iter().collect(),
            Self::Thread { end, .. } => vec![end.as_fd()],
            Self::Begun { point, .. } => vec![point.as_fd()],
            Self::Client { link, process, .. } => link
                .socket()
                .map(AsFd::as_fd)
                .into_iter()
                .chain([process.as_fd()])
                .collect(),
            Self::Server(link) => {
                let remote = link.remote();
                remote.map_or(vec![], |far| vec![far.socket.as_fd(), far.process.as_fd()])
            }
        }
    }

    pub(super) fn interest(&self) -> Ready {
        match self {
            // Its data belong to whoever calls; only its end matters here.
            Self::Session { .. } => Ready::PEER_CLOSED,
            _ => Ready::IN | Ready::PEER_CLOSED,
        }
    }
}
