//! [`Call`]: one request to a handler, and the three ways out of it.
//!
//! A handler returns `Result<Done>`: an errno, or a [`Done`]. A `Done` comes only from answering the call or
//! from [deferring](Call::defer) it, and both consume it. So a call that was neither answered nor refused
//! cannot be forgotten, and none is answered twice.

mod deferred;
mod kinds;
mod output;
mod pending;
mod watch;

pub use deferred::{Deferred, OnUnblock};
pub(crate) use kinds::Books;
pub use kinds::{Control, Kind, Operation, Private, Read, Write};
pub(crate) use output::Output;
pub(crate) use pending::{Again, CallName, Desk, Duty, Measured, Pending, Task};
pub(crate) use watch::Watch;

use super::handlers::Operate;
use super::lane::Turn;
use super::{At, OpenFile};
use crate::ipc::{Message, MessageInfo, Rcvid};
use crate::{Errno, Result};
use std::io::IoSlice;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

/// Proof that a call was answered, or that somebody has taken over answering it.
#[derive(Debug)]
#[must_use = "a handler returns it"]
pub struct Done(());

/// A request to a handler: where in the file, whose, and the data that came with it. What can be asked
/// and answered depends on its kind: [`Read`], [`Write`], [`Control`] (devctl) or [`Private`] (a message of
/// the resource's own).
///
/// Dropping it answers nothing: a handler that returns an errno leaves the answer to the framework.
pub struct Call<'a, K> {
    at: At,
    kind: K,
    input: &'a [u8],
    room: usize,
    way: Way<'a>,
    watch: Option<Arc<dyn Watch>>,
}

impl<K> std::fmt::Debug for Call<'_, K> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Call")
            .field("at", &self.at)
            .field("room", &self.room)
            .finish_non_exhaustive()
    }
}

/// The way back to the client, as the dispatcher lends it.
pub(crate) struct Way<'a> {
    /// The right to answer; `None` once it was used.
    pub(crate) message: &'a mut Option<Message>,
    /// Memory for what goes back.
    pub(crate) output: &'a mut Output,
    /// The open that the call is on.
    pub(crate) file: &'a Arc<dyn OpenFile>,
    /// Who keeps deferred calls.
    pub(crate) desk: &'a Arc<dyn Desk>,
    /// What is booked when it has been answered.
    pub(crate) books: Books,
    /// The call's place in its lane, for resources whose calls go on after they have returned.
    pub(crate) turn: Option<Turn>,
    /// Where a write's status and count are kept until it is safe; `None` when it is answered at once.
    pub(crate) held: Option<&'a mut Option<Held>>,
}

/// The answer to a write that has yet to be made safe.
pub(crate) type Held = (i64, u64);

impl Way<'_> {
    /// Answers what no handler of its own answers.
    pub(crate) fn tell(self, told: Told) -> Result<Done> {
        let message = self.message.take().ok_or(Errno::IO)?;
        told.send(message);
        Ok(Done(()))
    }

    /// Somebody else answers, by way of what is returned.
    pub(crate) fn pend(self) -> Result<(Done, Arc<Pending>)> {
        let message = self.message.take().ok_or(Errno::IO)?;
        let (file, desk) = (Arc::clone(self.file), Arc::clone(self.desk));
        let pending = Pending::begin(message, OnUnblock::LetGo, (Some(file), 0), desk)?;
        Ok((Done(()), pending))
    }
}

/// An answer of the framework's.
#[derive(Debug, Default)]
pub(crate) struct Told {
    pub(crate) status: i64,
    pub(crate) bytes: Vec<u8>,
    pub(crate) fd: Option<OwnedFd>,
}

impl Told {
    /// A status alone.
    pub(crate) fn status(status: i64) -> Self {
        Self {
            status,
            ..Self::default()
        }
    }

    /// Bytes alone.
    pub(crate) fn bytes(bytes: Vec<u8>) -> Self {
        Self {
            bytes,
            ..Self::default()
        }
    }

    pub(crate) fn send(self, message: Message) {
        let sent = match &self.fd {
            None => message.reply(self.status, &self.bytes),
            Some(fd) => message.reply_with_descriptors(self.status, &self.bytes, &[fd.as_fd()]),
        };
        if let Err(errno) = sent {
            tracing::debug!(%errno, "a client went without its answer");
        }
    }
}

impl<'a, K: Kind> Call<'a, K> {
    pub(crate) fn new(at: At, kind: K, input: &'a [u8], room: usize, way: Way<'a>) -> Self {
        Self {
            at,
            kind,
            input,
            room,
            way,
            watch: None,
        }
    }

    /// Where, and whose.
    pub fn at(&self) -> &At {
        &self.at
    }

    /// Whether a handler that would have to wait must fail with `EAGAIN`.
    #[doc(alias = "O_NONBLOCK")]
    pub fn nonblock(&self) -> bool {
        self.at.nonblock
    }

    /// Bytes that may go back.
    pub fn room(&self) -> usize {
        self.room
    }

    /// The name of the call: what [`Resource::unblock`](super::Resource::unblock) gets.
    pub fn rcvid(&self) -> Option<Rcvid> {
        self.way.message.as_ref().map(Message::rcvid)
    }

    /// Everything that the framework knows of the message: client and connection, thread, priority, lengths.
    #[doc(alias = "ctp->info")]
    #[doc(alias = "_msg_info")]
    pub fn info(&self) -> Option<MessageInfo> {
        self.way.message.as_ref().map(Message::info)
    }

    /// The caller's groups beside its own, looked for when this is called; with [`At::client`], who asks a check
    /// ([`Subject`](crate::resource::check::Subject)). Empty for root, who needs none, and for a program that
    /// somebody else passes calls on for.
    #[doc(alias = "ConnectClientInfo")]
    #[doc(alias = "iofunc_client_info")]
    pub fn groups(&self) -> Vec<u32> {
        self.info()
            .map(|info| self.way.desk.client(&info).groups)
            .unwrap_or_default()
    }

    /// Whether the client has asked to be let go. A handler that waits on a thread of its own looks at it.
    #[doc(alias = "_NTO_MI_UNBLOCK_REQ")]
    pub fn unblock_requested(&self) -> bool {
        self.way
            .message
            .as_ref()
            .is_none_or(Message::unblock_requested)
    }

    /// Takes the duty to answer away from the dispatcher: the client stays blocked until the deferred reply
    /// is used or dropped. `unblock` says what happens when the client asks to be let go meanwhile.
    ///
    /// # Errors
    /// - `EIO`: the call was answered before.
    /// - `EAGAIN`, `ENOMEM`: as many calls of its client wait as may, or as much is kept for them
    ///   ([`Limits`](crate::dispatch::Limits)). The client gets this error, too.
    #[doc(alias = "_RESMGR_NOREPLY")]
    pub fn defer(self, unblock: OnUnblock) -> Result<(Done, Deferred<K>)> {
        let message = self.way.message.take().ok_or(Errno::IO)?;
        let (file, desk) = (Arc::clone(self.way.file), Arc::clone(self.way.desk));
        // An asynchronous handler has the room for its answer from the start.
        let room = if file.is_awaited() { self.room } else { 0 };
        let kept = self.input.len() + room;
        let pending = Pending::begin_deferred(message, unblock, (file, kept), desk)?;
        if let Some(watch) = self.watch.clone() {
            pending.on_cancel(move || watch.done(Err(Errno::INTR)));
        }
        let deferred = Deferred {
            pending,
            at: self.at,
            kind: self.kind,
            input: self.input.to_vec(),
            room: self.room,
            books: self.way.books,
            watch: self.watch,
            passed_on: false,
        };
        Ok((Done(()), deferred))
    }

    /// The call as it came, for a resource of another type.
    pub(crate) fn into_parts(self) -> (Operate<'a>, Way<'a>) {
        let operate = Operate {
            operation: self.kind.operation(),
            at: self.at,
            input: self.input,
            room: self.room,
            watch: self.watch,
        };
        (operate, self.way)
    }

    /// Sends a status and bytes, and books `moved` bytes.
    fn finish(self, status: i64, moved: u64, parts: &[&[u8]]) -> Result<Done> {
        if let Some(watch) = &self.watch {
            watch.done(Ok(moved));
        }
        if let Some(held) = self.way.held {
            *held = Some((status, moved));
            return Ok(Done(()));
        }
        let message = self.way.message.take().ok_or(Errno::IO)?;
        send(
            message,
            &**self.way.file,
            (self.way.books, moved),
            status,
            parts,
        );
        Ok(Done(()))
    }
}

/// Books and replies. Books first: whoever has the answer may look at once.
pub(crate) fn send(
    message: Message,
    file: &dyn OpenFile,
    (books, moved): (Books, u64),
    status: i64,
    parts: &[&[u8]],
) {
    file.core().book(books, moved);
    let sent = match parts {
        [one] => message.reply(status, one),
        [head, data] => message.reply_vectored(status, &[IoSlice::new(head), IoSlice::new(data)]),
        _ => message.reply(status, &[]),
    };
    if let Err(errno) = sent {
        tracing::debug!(%errno, "a client went without its answer");
    }
}
