//! The asynchronous form: each call is a task, which ends with an answer, or when nobody waits for one any more.

use super::asynchronous::AsyncResource;
use super::call::{
    Books, Call, Control, Deferred, Desk, Done, Duty, Kind, OnUnblock, Pending, Private, Read,
    Told, Write,
};
use super::connect::Connected;
use super::handlers::{Handlers, Operate, Pace, forward};
use super::{
    Attr, Buffer, Change, Devctl, Entries, Filesystem, New, Ocb, OpenFile, Opening, Operation,
    Order, RenameFlags, Waiters, Way,
};
use crate::ipc::{Message, Rcvid};
use crate::wire::{Conditions, NotifyAction, OpenFlags, Seek, Space};
use crate::{Errno, Result};
use std::ffi::{OsStr, OsString};
use std::future::Future;
use std::os::fd::OwnedFd;
use std::sync::{Arc, OnceLock};
use tokio::runtime::Handle;

/// The asynchronous form, and where it runs: that is known when it is attached.
pub(crate) struct Awaited<R>(pub(crate) R, OnceLock<Handle>);

impl<R> Awaited<R> {
    pub(crate) fn new(resource: R) -> Self {
        Self(resource, OnceLock::new())
    }

    pub(crate) fn on(resource: R, runtime: Handle) -> Self {
        Self(resource, runtime.into())
    }
}

/// Runs the work on a call, and answers it with what comes of it.
///
/// The task is ended where it waits when the client is let go or dies. It may have ended, or not have been spawned,
/// by then: the answer is decided by who takes the message out of `pending`, not by the task's end.
pub(crate) fn run(
    runtime: &Handle,
    pending: &Arc<Pending>,
    work: impl Future<Output = Result<Told>> + Send + 'static,
) {
    let duty = Duty(Arc::clone(pending), "call");
    spawn(runtime, pending, async move {
        let told = work.await;
        let Ok(message) = duty.0.take() else {
            return;
        };
        match told {
            Ok(told) => told.send(message),
            Err(errno) => {
                let sent = message.error(errno);
                tracing::trace!(?sent, %errno, "refused");
            }
        }
    });
}

/// Runs the work on a message that opens something, or changes names; its bytes are needed to go on.
pub(crate) fn connect(
    runtime: &Handle,
    message: Message,
    raw: Arc<[u8]>,
    desk: &Arc<dyn Desk>,
    work: impl Future<Output = Result<Connected>> + Send + 'static,
) -> Result<()> {
    let (desk, kept) = (Arc::clone(desk), (None, raw.len()));
    let pending = Pending::begin(message, OnUnblock::LetGo, kept, Arc::clone(&desk))?;
    let duty = Duty(Arc::clone(&pending), "connect");
    spawn(runtime, &pending, async move {
        let connected = work.await;
        if let Ok(message) = duty.0.take() {
            desk.connected(message, &raw, connected);
        }
    });
    Ok(())
}

/// Spawns the work on a call, and has the call's end end it.
pub(crate) fn spawn(
    runtime: &Handle,
    pending: &Pending,
    work: impl Future<Output = ()> + Send + 'static,
) {
    let task = runtime.spawn(work).abort_handle();
    pending.on_cancel(move || task.abort());
}

/// A call that has become a task's.
struct Job<R: AsyncResource, K: Kind> {
    handlers: Arc<Awaited<R>>,
    ocb: Arc<Ocb<R::Node, R::Open>>,
    deferred: Deferred<K>,
    /// Nobody else's turn comes before the task has ended.
    _turn: Option<super::lane::Turn>,
    /// The open is not closed before the task has ended.
    _file: Arc<dyn OpenFile>,
}

impl<R: AsyncResource> Job<R, Read> {
    async fn read(self, room: usize) {
        let mut buffer = Buffer::new(room);
        let at = *self.deferred.at();
        let read = self.handlers.0.read(&self.ocb, &at, &mut buffer).await;
        let read = read.and_then(|count| buffer.filled(count));
        let sent = match read {
            Ok(data) => self.deferred.bytes(data),
            Err(errno) => self.deferred.error(errno),
        };
        tracing::trace!(?sent, "read");
    }
}

impl<R: AsyncResource> Job<R, Write> {
    async fn write(mut self) {
        let written = self.take().await;
        let sent = match written {
            Ok(count) => self.deferred.taken(count),
            Err(errno) => self.deferred.error(errno),
        };
        tracing::trace!(?sent, "written");
    }

    async fn take(&mut self) -> Result<usize> {
        let flags = self.ocb.flags();
        let resource = &self.handlers.0;
        let mut at = *self.deferred.at();
        if matches!(self.deferred.books, Books::Write { from: Some(_) })
            && flags.contains(OpenFlags::APPEND)
        {
            at.offset = self.handlers.attr(&self.ocb.node).await?.size;
            let from = Some(at.offset);
            self.deferred.books = Books::Write { from };
        }
        let count = resource.write(&self.ocb, &at, self.deferred.data()).await?;
        if flags.contains(OpenFlags::DATA_SYNC) {
            resource
                .sync(&self.ocb, !flags.contains(OpenFlags::SYNC))
                .await?;
        }
        Ok(count)
    }
}

impl<R: AsyncResource> Job<R, Control> {
    async fn devctl(self) {
        let mut reply = Vec::new();
        let deferred = &self.deferred;
        let command = Devctl::new(
            deferred.command(),
            deferred.data(),
            &mut reply,
            deferred.room(),
        );
        let resource = &self.handlers.0;
        let told = resource.devctl(&self.ocb, deferred.at(), command).await;
        let sent = match told {
            Ok(value) => self.deferred.reply_with(value, &reply),
            Err(errno) => self.deferred.error(errno),
        };
        tracing::trace!(?sent, "devctl");
    }
}

impl<R: AsyncResource> Job<R, Private> {
    async fn msg(self) {
        let mut reply = Vec::new();
        let deferred = &self.deferred;
        let (kind, data) = (deferred.kind_of_message(), deferred.data());
        let resource = &self.handlers.0;
        let client = deferred.at().client;
        let told = resource.msg(&self.ocb, kind, data, &mut reply);
        let told = super::caller::during(client, told).await;
        let sent = match told {
            Ok(status) => self.deferred.reply(status, &reply),
            Err(errno) => self.deferred.error(errno),
        };
        tracing::trace!(?sent, "message");
    }
}

impl<R: AsyncResource> Handlers for Awaited<R> {
    type Node = R::Node;
    type Open = R::Open;
    type Kept = Arc<Ocb<R::Node, R::Open>>;

    fn pace(&self) -> Pace {
        // Nobody is served before it has been attached.
        self.1
            .get()
            .map_or(Pace::AtOnce, |runtime| Pace::Awaited(runtime.clone()))
    }

    fn is_awaited(&self, _ocb: &Ocb<Self::Node, Self::Open>) -> bool {
        true
    }

    fn settle(&self, runtime: &Handle) {
        self.1.get_or_init(|| runtime.clone());
    }

    fn operate(
        this: &Arc<Self>,
        ocb: &Self::Kept,
        operate: Operate<'_>,
        mut way: Way<'_>,
    ) -> Result<Done> {
        let Operate {
            operation,
            at,
            input,
            room,
            watch,
        } = operate;
        let runtime = this.1.get().ok_or(Errno::NOSYS)?;
        let (handlers, ocb, file) = (Arc::clone(this), Arc::clone(ocb), Arc::clone(way.file));
        let turn = way.turn.take();
        macro_rules! job {
            ($kind:ident, $run:ident($($argument:tt)*)) => {{
                let call = Call::new(at, $kind, input, room, way).watched(watch);
                let (done, deferred) = call.defer(OnUnblock::LetGo)?;
                let pending = Arc::clone(&deferred.pending);
                let job = Job { handlers, ocb, deferred, _turn: turn, _file: file };
                spawn(runtime, &pending, job.$run($($argument)*));
                Ok(done)
            }};
        }
        match operation {
            Operation::Read(kind) => job!(kind, read(room)),
            Operation::Write(kind) => job!(kind, write()),
            Operation::Control(kind) => job!(kind, devctl()),
            Operation::Private(kind) => job!(kind, msg()),
        }
    }

    async fn look(
        &self,
        ocb: &Ocb<Self::Node, Self::Open>,
        (action, wanted): (NotifyAction, Conditions),
    ) -> Result<()> {
        self.0.look(ocb, action, wanted).await
    }

    /// A client that asks is let go, and its handler's future dropped.
    fn unblock(&self, _ocb: &Ocb<Self::Node, Self::Open>, _call: Rcvid) {}

    forward!(AsyncResource; .await);
}
