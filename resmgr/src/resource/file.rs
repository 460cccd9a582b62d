//! [`Opened`]: one open of a file of a resource, as the dispatcher sees it.

use super::call::{Desk, Done};
use super::call::{Duty, Measured, Told};
use super::connect::{self, Connected};
use super::handlers::{Handlers, Operate, Pace, now};
use super::ocb::Core;
use super::record::grant;
use super::seat::{Attached, Seat};
use super::{Ocb, Waiters, Way, caller, guarded, inform};
use crate::ipc::{Message, Rcvid};
use crate::wire::{
    Conditions, Connect, FDINFO_LOCAL_PATH, NotifyAction, OpenFd, OpenFlags, Request,
};
use crate::{Errno, Result};
use smallvec::SmallVec;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// A path below an attachment: most are short, and then take no memory of their own.
type Below = SmallVec<[u8; 16]>;

/// One open of a file.
pub(crate) struct Opened<H: Handlers> {
    pub(crate) seat: Arc<Seat<H>>,
    pub(crate) ocb: H::Kept,
    /// The path below the attached one.
    below: Below,
}

impl<H: Handlers> Opened<H> {
    pub(crate) fn new(seat: Arc<Seat<H>>, ocb: Ocb<H::Node, H::Open>, below: &[u8]) -> Self {
        Self {
            seat,
            ocb: ocb.into(),
            below: Below::from_slice(below),
        }
    }
}

impl<H: Handlers> Opened<H> {
    /// The path that the answer to a request has in it; empty if it has none.
    pub(crate) fn path_for(&self, request: &Request<'_>) -> String {
        match request {
            Request::FdInfo(flags) if flags & FDINFO_LOCAL_PATH != 0 => {
                String::from_utf8_lossy(&self.below).into_owned()
            }
            Request::FdInfo(_) => OpenFile::path(self),
            _ => String::new(),
        }
    }
}

impl<H: Handlers> Drop for Opened<H> {
    fn drop(&mut self) {
        let core = &self.ocb.core;
        grant(
            core.record
                .with_held(|locks| locks.release_open(core.number())),
        );
        if let Some(waiters) = self.seat.handlers.waiters(&self.ocb) {
            waiters.remove_open(core.number());
        }
        match self.seat.handlers.tasks_of(&self.ocb) {
            None => {
                let closed = guarded(|| now(self.seat.handlers.close(&self.ocb)));
                if let Err(errno) = closed {
                    tracing::debug!(%errno, "a handler of close failed");
                }
            }
            Some((runtime, ocb)) => {
                let seat = Arc::clone(&self.seat);
                drop(runtime.spawn(async move { seat.handlers.close(&ocb).await }));
            }
        }
        self.seat.release(&self.ocb.core.record);
    }
}

/// What is done when a resource has looked.
pub(crate) type Then = Box<dyn FnOnce() -> Result<Told> + Send>;

/// An open, whatever its resource is.
pub(crate) trait OpenFile: Send + Sync {
    /// The framework's part of it.
    fn core(&self) -> &Core;
    /// Where it is, for people.
    fn path(&self) -> String;
    /// The number of its attachment.
    fn link(&self) -> u32;
    /// Whether its attachment was taken away, with its opens.
    fn is_down(&self) -> bool;
    /// Has a handler answer.
    fn operate(&self, operate: Operate<'_>, way: Way<'_>) -> Result<Done>;
    /// Everything that handlers answer by returning.
    fn inform(&self, ask: inform::Ask<'_>, way: Way<'_>) -> Result<Done>;
    /// A client of a call on it asks to be let go.
    fn unblock(&self, call: Rcvid);
    /// Whether calls go on after they have returned from here.
    fn is_awaited(&self) -> bool;
    /// Where an appending write goes; only where nothing is awaited.
    fn end(&self) -> Result<u64>;
    /// Has a request, of which these are the bytes and the place in the client's message, go on when the end is
    /// known; only where that is awaited.
    fn measure(&self, request: (&[u8], usize), way: Way<'_>) -> Result<()>;
    /// Makes what was written safe; only where nothing is awaited.
    fn sync(&self) -> Result<()>;
    /// A new open of the same file; `None` when the answer comes later, with the message taken.
    fn reopen(
        &self,
        one: OpenFd,
        message: &mut Option<Message>,
        raw: &[u8],
        desk: &Arc<dyn Desk>,
    ) -> Result<Option<Connected>>;
    /// Has a question about conditions go on when the resource knows what holds; only where that is awaited.
    fn look(&self, asked: (NotifyAction, Conditions), way: Way<'_>, then: Then) -> Result<Done>;
    /// Which conditions hold.
    fn ready(&self) -> Conditions;
    /// Where those wait who are to be told.
    fn waiters(&self) -> Option<&Waiters>;
}

impl fmt::Debug for dyn OpenFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("OpenFile").field(&self.path()).finish()
    }
}

impl<H: Handlers> OpenFile for Opened<H> {
    fn core(&self) -> &Core {
        &self.ocb.core
    }

    fn path(&self) -> String {
        self.seat.path(&self.below)
    }

    fn link(&self) -> u32 {
        self.seat.number
    }

    fn is_down(&self) -> bool {
        self.seat.is_down.load(Ordering::Acquire)
    }

    fn operate(&self, operate: Operate<'_>, way: Way<'_>) -> Result<Done> {
        H::operate(&self.seat.handlers, &self.ocb, operate, way)
    }

    fn inform(&self, ask: inform::Ask<'_>, way: Way<'_>) -> Result<Done> {
        inform::inform(self, ask, way)
    }

    fn unblock(&self, call: Rcvid) {
        self.seat.handlers.unblock(&self.ocb, call);
    }

    fn is_awaited(&self) -> bool {
        self.seat.handlers.is_awaited(&self.ocb)
    }

    fn sync(&self) -> Result<()> {
        let data_only = !self.ocb.flags().contains(OpenFlags::SYNC);
        now(self.seat.handlers.sync(&self.ocb, data_only))
    }

    fn waiters(&self) -> Option<&Waiters> {
        self.seat.handlers.waiters(&self.ocb)
    }

    fn end(&self) -> Result<u64> {
        now(self.seat.attr(&self.ocb.node)).map(|attr| attr.size)
    }

    fn measure(&self, (raw, start): (&[u8], usize), mut way: Way<'_>) -> Result<()> {
        let tasks = self.seat.handlers.tasks_of(&self.ocb);
        let (runtime, ocb) = tasks.ok_or(Errno::IO)?;
        let (turn, raw) = (way.turn.take(), raw.to_vec());
        let (file, desk) = (Arc::clone(way.file), Arc::clone(way.desk));
        let seat = Arc::clone(&self.seat);
        let (_, pending) = way.pend()?;
        let duty = Duty(Arc::clone(&pending), "call");
        super::awaited::spawn(&runtime, &pending, async move {
            let end = seat.attr(&ocb.node).await.map(|attr| attr.size);
            if let Ok(message) = duty.0.take() {
                let measured = Measured {
                    file,
                    turn,
                    raw,
                    start,
                    end,
                };
                desk.measured(message, measured);
            }
        });
        Ok(())
    }

    fn reopen(
        &self,
        one: OpenFd,
        message: &mut Option<Message>,
        raw: &[u8],
        desk: &Arc<dyn Desk>,
    ) -> Result<Option<Connected>> {
        let client = desk.client(&message.as_ref().ok_or(Errno::IO)?.info());
        let (seat, node) = (Arc::clone(&self.seat), self.ocb.node.clone());
        let below = self.below.clone();
        let reopened = async move {
            let connect = Connect {
                flags: one.flags,
                share: one.share,
                path: &below,
                ..Connect::default()
            };
            let reopened = connect::reopen(&seat, &connect, &client, node);
            caller::during(client.credentials, reopened).await
        };
        match self.seat.handlers.pace() {
            Pace::AtOnce => guarded(|| now(reopened)).map(Some),
            Pace::Awaited(runtime) => {
                let message = message.take().ok_or(Errno::IO)?;
                super::awaited::connect(&runtime, message, raw.into(), desk, reopened)?;
                Ok(None)
            }
        }
    }

    fn look(&self, asked: (NotifyAction, Conditions), way: Way<'_>, then: Then) -> Result<Done> {
        let tasks = self.seat.handlers.tasks_of(&self.ocb);
        let (runtime, ocb) = tasks.ok_or(Errno::IO)?;
        let (done, pending) = way.pend()?;
        let seat = Arc::clone(&self.seat);
        super::awaited::run(&runtime, &pending, async move {
            seat.handlers.look(&ocb, asked).await?;
            guarded(then)
        });
        Ok(done)
    }

    fn ready(&self) -> Conditions {
        self.seat.handlers.ready(&self.ocb)
    }
}
