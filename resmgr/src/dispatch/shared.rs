//! [`Shared`]: what the threads of a manager have in common, and their loop.

use super::attach::Attachments;
use super::bindings::Bindings;
use super::calls::Calls;
use super::leaving::{Gone, Leaving, Thing};
use super::left::Left;
use super::limits::Limits;
use super::links::Links;
use super::worker::{Bytes, Scratch, Worker};
use crate::ipc::{Channel, Message, MessageInfo, Pulse, PulseCode, Rcvid, Received, Scoid};
use crate::resource::check::Client;
use crate::resource::locks::{Removed, WaitGraph};
use crate::resource::{
    Attached, CallName, Charged, Connected, Desk, Measured, OpenFile, Pending, Tally, Task, grant,
    lock,
};
use crate::wire::{ConnectKind, Request, TRANSFER_MAX};
use crate::{Errno, Result};

use std::cell::Cell;

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock};

/// Bytes of a message that are received at once: the longest write there is and its header, so that no byte
/// of it is copied twice. What lies behind (in a combine) is fetched. Pages that no message has reached
/// cost nothing.
pub(super) const RECEIVE: usize = TRANSFER_MAX + 4096;
/// The pulse that wakes a worker so that it sees the stop flag, or a task. It is none of a program's own; a client may
/// send it, too: it says nothing by itself.
const WAKE: i8 = PulseCode::READY - 1;
/// Opens of a resource that was taken away that are ended before the next message is received: some tens of
/// microseconds, where handlers do little.
pub(super) const FORGOTTEN_AT_ONCE: usize = 64;
/// What it bears when it is for the next slice of what clients have left.
const SEE_OFF: i64 = 1;
/// It comes when nothing else does.
const SEE_OFF_PRIORITY: u8 = 1;
/// Where the wake-up stands in the queue; busy workers look at the flag after each message anyway.
const WAKE_PRIORITY: u8 = 10;

thread_local! {
    /// The manager whose worker this thread is while it runs handlers: it looks for tasks when they are done.
    static AT_WORK: Cell<usize> = const { Cell::new(0) };
}

/// What the threads of a manager share.
pub(super) struct Shared {
    /// Where they receive.
    pub(super) channel: Channel,
    /// The attachments, by the number that connect messages bear.
    pub(super) links: Links,
    /// Where handlers of asynchronous resources run, if there is such a place.
    pub(super) runtime: OnceLock<tokio::runtime::Handle>,
    pub(super) bindings: Arc<Bindings>,
    calls: Calls,
    /// Who waits for whose advisory locks, over all files.
    pub(super) graph: Arc<WaitGraph>,
    /// What notifications clients have armed, over all files.
    pub(super) armed: Arc<Tally>,
    /// What is left of clients that have gone.
    leaving: Leaving,
    /// What is to be done between two messages.
    left: Left,
    /// A pulse is under way because of them.
    woken: AtomicBool,
    /// The calls whose handlers run now; only kept where several threads may run them.
    running: Mutex<Vec<(Rcvid, Arc<dyn OpenFile>)>>,
    several: AtomicBool,
    stopping: AtomicBool,
    /// Why it could not go on.
    failed: Mutex<Option<Errno>>,
    /// What the program has attached beside its files.
    pub(super) attachments: Arc<Attachments>,
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared")
            .field("channel", &self.channel)
            .field("bindings", &self.bindings)
            .finish_non_exhaustive()
    }
}

impl Shared {
    pub(super) fn new(channel: Channel) -> Self {
        let limits = Limits::default();
        let bindings = Arc::new(Bindings::new(limits.most(limits.opens)));
        let counted = Arc::clone(&bindings);
        channel.count_opens(move |scoid| counted.count(scoid));
        let attachments = Arc::new(Attachments::new(&channel));
        let (calls, bytes) = (
            limits.most(limits.waiting),
            limits.most(limits.waiting_bytes),
        );
        let graph = Arc::<WaitGraph>::default();
        graph.set_limits(limits.locks, limits.most(limits.all_locks));
        Self {
            channel,
            links: Links::default(),
            runtime: OnceLock::new(),
            bindings,
            calls: Calls::new(calls, bytes),
            graph,
            armed: Arc::new(Tally::new(limits.most(limits.armed))),
            leaving: Leaving::default(),
            left: Left::default(),
            woken: AtomicBool::new(false),
            running: Mutex::default(),
            several: AtomicBool::new(false),
            stopping: AtomicBool::new(false),
            failed: Mutex::default(),
            attachments,
        }
    }

    /// Bounds what clients take from now on.
    pub(super) fn set_limits(&self, limits: &Limits) -> Result<()> {
        self.channel.set_limits(limits.channel)?;
        self.bindings.set_most(limits.most(limits.opens));
        let (calls, bytes) = (
            limits.most(limits.waiting),
            limits.most(limits.waiting_bytes),
        );
        self.calls.set_most(calls, bytes);
        let on_all = limits.most(limits.all_locks);
        self.graph.set_limits(limits.locks, on_all);
        self.armed.set(limits.most(limits.armed));
        Ok(())
    }

    /// Says that several threads work.
    pub(super) fn expect_several(&self) {
        self.several.store(true, Ordering::Relaxed);
        self.channel.order_calls(true);
    }

    /// Has the workers end after what they are doing.
    pub(super) fn stop(&self) {
        self.stopping.store(true, Ordering::Release);
        self.wake();
    }

    /// A full pulse queue means that workers are about to wake anyway.
    pub(super) fn wake(&self) {
        if let Err(errno) = self.channel.pulse(WAKE_PRIORITY, WAKE, 0) {
            tracing::debug!(%errno, "no pulse to wake the workers");
        }
    }

    pub(super) fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Acquire)
    }

    /// Everything that leads to resources goes: whoever waits for them, the opens, the attachments. What resources
    /// keep of their calls leads back here, so nothing would ever go by itself. Returns the attachments.
    pub(super) fn clear(&self) -> Vec<Arc<dyn Attached>> {
        self.calls.clear();
        self.left.drop_all();
        for gone in self.leaving.clear() {
            let scoid = gone.scoid;
            gone.for_each(|thing| Self::end(thing, scoid));
        }
        for (scoid, opens) in self.bindings.clear() {
            for file in opens.values() {
                Self::forget_holder(&**file, scoid);
            }
        }
        self.links.clear()
    }

    /// Nothing is done between two messages any more: what was left goes.
    pub(super) fn drop_tasks(&self) {
        self.left.drop_all();
    }

    /// There are no more messages, and nothing is left to be done.
    pub(super) fn close(&self) {
        self.left.close();
    }

    /// It cannot go on: every thread ends, and the manager says why.
    pub(super) fn fail(&self, errno: Errno) {
        lock(&self.failed).get_or_insert(errno);
        self.stop();
    }

    /// How it has ended.
    pub(super) fn ended(&self) -> Result<()> {
        match *lock(&self.failed) {
            Some(errno) => Err(errno),
            None => Ok(()),
        }
    }

    /// One turn of the loop: what was received, and what that has left to be done.
    pub(super) fn take_up(
        &self,
        received: Received,
        desk: &Arc<dyn Desk>,
        buffer: &[u8],
        scratch: &mut Scratch,
    ) {
        AT_WORK.set(self.address());
        let worker = Worker { shared: self, desk };
        match received {
            Received::Message(message) => worker.handle(message, buffer, scratch),
            Received::Pulse(pulse) => self.pulse(pulse),
        }
        self.work_off(&worker, scratch);
        if self.leaving.is_any()
            && let Some(count) = self.leaving.due()
        {
            self.see_off(count);
        }
        AT_WORK.set(0);
    }

    fn address(&self) -> usize {
        std::ptr::from_ref(self).addr()
    }

    /// Does the tasks that are there now. Those that they make wait for the messages that have come meanwhile.
    ///
    /// Who leaves a task and finds that somebody is woken already does not wake anybody. So that is taken back before
    /// the tasks are counted, by an exchange: what was left before it was seen is counted then.
    fn work_off(&self, worker: &Worker<'_>, scratch: &mut Scratch) {
        if self.woken.load(Ordering::Relaxed) {
            self.woken.swap(false, Ordering::AcqRel);
        }
        if self.left.is_empty() {
            return;
        }
        let tasks = self.left.take();
        let done = tasks.len();
        for task in tasks {
            worker.task(task, scratch);
        }
        if done > 0 && self.left.done(done) {
            self.wake();
        }
    }

    fn pulse(&self, pulse: Pulse) {
        match (pulse.code, pulse.scoid) {
            (PulseCode::DISCONNECT, Some(scoid)) => self.forget_client(scoid),
            (PulseCode::UNBLOCK, Some(scoid)) => {
                self.unblock((scoid, Rcvid::from_raw(pulse.value)));
            }
            (WAKE, _) if pulse.value == SEE_OFF => self.leaving.was_called(),
            _ if self.attachments.handle_pulse(&pulse) => {}
            _ => tracing::trace!(code = pulse.code, "a pulse that nobody has asked for"),
        }
    }

    /// A client's process has ended: its calls go first, then its opens, slice by slice.
    fn forget_client(&self, scoid: Scoid) {
        let calls = self.calls.forget_client(scoid);
        let opens = self.bindings.unbind_client(scoid).into_values();
        self.leaving.add(Gone::new(scoid, calls, opens));
    }

    /// A slice of what a client has left, and a pulse that brings about the next one.
    fn see_off(&self, count: usize) {
        if let Some(mut gone) = self.leaving.next() {
            let scoid = gone.scoid;
            if gone.slice(count, |left| Self::end(left, scoid)) {
                self.leaving.done();
                if let Err(errno) = self.forget_scoid(scoid) {
                    tracing::debug!(%scoid, %errno, "a client that has gone was not known");
                }
            } else {
                self.leaving.put_back(gone);
            }
        }
        if self.leaving.must_call()
            && let Err(errno) = self.channel.pulse(SEE_OFF_PRIORITY, WAKE, SEE_OFF)
        {
            // Other pulses of this process fill the queue: one of them will bring about the slice.
            tracing::debug!(%errno, "no pulse for the next slice");
            self.leaving.was_called();
        }
    }

    /// Nothing is left of a client: its number may be another's.
    fn forget_scoid(&self, scoid: Scoid) -> Result<()> {
        self.graph.tally().forget(scoid);
        self.armed.forget(scoid);
        self.channel.detach_client(scoid)
    }

    fn end(thing: Thing, scoid: Scoid) {
        match thing {
            Thing::Call(pending) => pending.gone(),
            Thing::Open(file) => Self::forget_holder(&*file, scoid),
        }
    }

    /// The opens of an attachment that was taken away, and the calls on them, end. Not here: a handler may have asked.
    pub(super) fn end_opens_of(&self, link: u32) {
        let opens = self.bindings.unbind_link(link);
        self.later(Task::Refuse(link));
        for (scoid, opens) in opens {
            self.later(Task::Forget(scoid, opens));
        }
    }

    /// Refuses the calls that wait on opens of an attachment.
    pub(super) fn refuse_calls_of(&self, link: u32) {
        for pending in self.calls.of_link(link) {
            pending.refuse(Errno::BADF);
        }
    }

    /// Ends opens of a client: as many as keep nobody waiting for long, and the others later.
    pub(super) fn forget_opens(&self, scoid: Scoid, mut opens: Vec<Arc<dyn OpenFile>>) {
        let rest = opens.len().saturating_sub(FORGOTTEN_AT_ONCE);
        for file in opens.drain(rest..) {
            Self::forget_locks(&*file, scoid);
        }
        if !opens.is_empty() {
            self.later(Task::Forget(scoid, opens));
        }
    }

    /// What a client has on a file beside the open itself: advisory locks, notifications.
    pub(super) fn forget_holder(file: &dyn OpenFile, scoid: Scoid) {
        Self::forget_locks(file, scoid);
        Self::forget_events(file, scoid);
    }

    fn forget_locks(file: &dyn OpenFile, scoid: Scoid) {
        let record = &file.core().record;
        let removed = record.with_held(|locks| Some(locks.remove_client(scoid)));
        if let Some(Removed { granted, dropped }) = removed {
            grant(granted);
            // Their calls have gone before.
            drop(dropped);
        }
    }

    fn forget_events(file: &dyn OpenFile, scoid: Scoid) {
        if let Some(waiters) = file.waiters() {
            waiters.remove_client(scoid);
        }
    }

    /// A client asks to be let go. A call that is found nowhere has been answered, or is about to be taken over: then
    /// it is looked at once more there.
    fn unblock(&self, name: CallName) {
        if let Some(pending) = self.calls.find(name) {
            pending.unblock();
            return;
        }
        let file = {
            let running = lock(&self.running);
            let call = running.iter().find(|(rcvid, _)| *rcvid == name.1);
            call.map(|(_, file)| Arc::clone(file))
        };
        if let Some(file) = file {
            self.later(Task::Unblock(file, name.1));
        }
    }

    /// Notes that a handler runs, until the returned value goes.
    pub(super) fn running(
        &self,
        message: Option<&Message>,
        file: &Arc<dyn OpenFile>,
    ) -> Option<Running<'_>> {
        if !self.several.load(Ordering::Relaxed) {
            return None;
        }
        let rcvid = message?.rcvid();
        lock(&self.running).push((rcvid, Arc::clone(file)));
        Some(Running(self, rcvid))
    }
}

/// A handler runs.
pub(super) struct Running<'a>(&'a Shared, Rcvid);

impl Drop for Running<'_> {
    fn drop(&mut self) {
        let mut running = lock(&self.0.running);
        if let Some(at) = running.iter().position(|(rcvid, _)| *rcvid == self.1) {
            let ended = running.swap_remove(at);
            drop(running);
            drop(ended);
        }
    }
}

impl Desk for Shared {
    fn keep(&self, pending: &Arc<Pending>, user: Charged) -> Result<()> {
        self.calls.keep(pending, user)
    }

    fn forget(&self, name: CallName) {
        self.calls.forget(name);
    }

    fn later(&self, task: Task) {
        if !self.left.push(task) {
            return;
        }
        if AT_WORK.get() != self.address() && !self.woken.swap(true, Ordering::AcqRel) {
            self.wake();
        }
    }

    fn release(&self, file: Arc<dyn OpenFile>) {
        // Where this is the only thread of the manager, nobody else lets go of the open meanwhile.
        let is_only = !self.several.load(Ordering::Relaxed) && AT_WORK.get() == self.address();
        if is_only && Arc::strong_count(&file) > 1 {
            drop(file);
        } else {
            self.later(Task::Release(file));
        }
    }

    fn client(&self, info: &MessageInfo) -> Client {
        let credentials = info.credentials;
        // Root needs none; and of a program that somebody else passes on, none are known.
        let groups = if credentials.uid == 0 || credentials.pid != info.pid {
            Vec::new()
        } else {
            self.channel.client_groups(info.scoid)
        };
        Client {
            credentials,
            groups,
        }
    }

    fn connected(self: Arc<Self>, message: Message, raw: &[u8], connected: Result<Connected>) {
        let desk = Arc::clone(&self) as Arc<dyn Desk>;
        let worker = Worker {
            shared: &self,
            desk: &desk,
        };
        let bytes = Bytes {
            info: message.info(),
            raw,
            start: 0,
            end: None,
        };
        let mut message = Some(message);
        let answered = connected.and_then(|connected| {
            let asked = match Request::decode(raw)? {
                Request::Connect(connect, next) => (connect.kind, next),
                // openfd()
                _ => (ConnectKind::OPEN, &[][..]),
            };
            let scratch = &mut Scratch::default();
            worker.connected(connected, asked, &mut message, bytes, scratch)
        });
        Worker::settle(message, answered);
    }

    fn measured(self: Arc<Self>, message: Message, measured: Measured) {
        let desk = Arc::clone(&self) as Arc<dyn Desk>;
        let worker = Worker {
            shared: &self,
            desk: &desk,
        };
        worker.measured(message, measured);
    }
}
