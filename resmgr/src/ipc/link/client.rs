//! The client's end of a link.

use super::LinkMemory;
use super::ServerLink;
use super::arena::{Arena, Block};
use super::control::{self, Packet};
use super::inbox::ClientInbox;
use super::lanes::Lanes;
use super::layout::{self, CELLS, PulseFields, RequestFields};
use super::slots::FreeSlots;
use super::staging::Staged;
use super::watch::Watch;
use crate::ipc::cancel::CancelToken;
use crate::ipc::priority::ORDINARY;
use crate::ipc::protocol::{Caller, Entry, EntryKind, Sleeper, Withdrawal};
use crate::ipc::timeout::{self, Expiry};
use crate::ipc::wait::{Plan, Spin};
use crate::ipc::{
    ChannelId, Coid, Reply, Scoid, SendError, SendOptions, Waiting, janitor, process,
};
use resmgr_sys::clock::{self, Deadline};
use resmgr_sys::epoll::EventFd;
use resmgr_sys::fork::{self, PrivateFd};
use resmgr_sys::pidfd::PidFd;
use resmgr_sys::{Errno, Result, futex, sched, socket};
use std::io::{IoSlice, IoSliceMut};
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Whether a link can be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LinkState {
    Open,
    /// The server or its channel has gone: `ESRCH`.
    Dead,
    /// This process has detached its last connection: `EBADF`.
    Detached,
}

/// What the server said of itself in the handshake.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Far {
    pub(crate) pid: u32,
    pub(crate) chid: ChannelId,
    pub(crate) scoid: Scoid,
    /// When the channel was made. Another one may get its number; this it cannot get.
    pub(crate) birth: u64,
    /// The channel has the UNBLOCK flag.
    pub(crate) unblock: bool,
    /// The server reads long messages in this process's memory if a send allows it.
    pub(crate) direct: bool,
    /// How many descriptors a message may bring.
    pub(crate) descriptors: u8,
}

/// A server in another process.
#[derive(Debug)]
pub(crate) struct Remote {
    pub(crate) socket: PrivateFd,
    pub(crate) process: PidFd,
}

/// This process on one channel.
#[derive(Debug)]
pub(crate) struct ClientLink {
    pub(crate) far: Far,
    pub(crate) memory: LinkMemory,
    bell: EventFd,
    /// The way to a server in another process, and that process; none for one in this process.
    remote: Option<Remote>,
    /// The server's end, if it is in this process.
    pub(super) local: Option<Arc<ServerLink>>,
    /// What the server has sent on the socket.
    pub(super) inbox: Arc<ClientInbox>,
    /// Which threads the server can wake one by one.
    pub(super) lanes: Lanes,
    generation: u32,
    tail: AtomicU32,
    slots: FreeSlots,
    /// Slots of calls that were given up and that the server has not noticed yet; the count lets the
    /// ordinary path skip the lock.
    given_up: Mutex<Vec<(u16, u32, Option<Block>)>>,
    given_up_count: AtomicUsize,
    arena: Mutex<Arena>,
    /// Pulses sent so far.
    pulses: Mutex<u32>,
    pub(super) state: AtomicU8,
    /// Kept here, too: the server can write the client's part.
    registered_only: AtomicBool,
    /// Whether the kernel lets the server read this process's memory, as far as is known.
    pub(super) direct: AtomicBool,
    pub(super) spin: Spin,
    /// Calls that no thread waits for.
    pub(super) begun: super::begun::Begun,
    /// The connections that share this link.
    pub(crate) coids: Mutex<Vec<Coid>>,
}

/// What came of a call that was announced.
pub(super) enum Carried {
    /// The answer is there, and the slot is the caller's. With why the server was asked to let go, if it was.
    Answered(Option<SendError>),
    /// No answer; the slot and its block are not the caller's any more.
    Lost(SendError),
}

/// Why a wait for an answer ended.
pub(super) enum Wake {
    /// With why the server was asked to let go, if it was.
    Answered(Option<SendError>),
    Gone(Errno),
    GiveUp(SendError),
}

/// How one wait is to be.
struct Sleep<'w, 'a> {
    deadline: Deadline,
    /// The server has been asked: signals, deadline and cancellation have had their effect.
    asked: bool,
    /// How to look first, if that was decided already.
    plan: Option<Plan>,
    watch: &'w mut Option<Watch<'a>>,
}

impl ClientLink {
    pub(crate) fn new(far: Far, memory: LinkMemory, bell: EventFd, remote: Option<Remote>) -> Self {
        let layout = memory.layout;
        Self {
            far,
            memory,
            bell,
            remote,
            local: None,
            inbox: Arc::default(),
            lanes: Lanes::default(),
            generation: fork::generation(),
            tail: AtomicU32::new(0),
            slots: FreeSlots::new(layout.calls),
            given_up: Mutex::default(),
            given_up_count: AtomicUsize::new(0),
            arena: Mutex::new(Arena::new(layout.bulk)),
            pulses: Mutex::default(),
            state: AtomicU8::new(0),
            registered_only: AtomicBool::new(false),
            direct: AtomicBool::new(true),
            spin: Spin::new(),
            begun: super::begun::Begun::default(),
            coids: Mutex::default(),
        }
    }

    /// To a server in this process.
    pub(crate) fn to_local(far: Far, bell: EventFd, server: Arc<ServerLink>) -> Self {
        let mut link = Self::new(far, server.memory.clone(), bell, None);
        // A reply's descriptors need no packet either.
        *server
            .far_inbox
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = Arc::downgrade(&link.inbox);
        link.local = Some(server);
        link
    }

    pub(crate) fn remote(&self) -> Option<&Remote> {
        self.remote.as_ref()
    }

    /// Whether a new connection may share the link. The background thread may not have come to the server's
    /// death yet, and whoever attaches after it must not be told that all is well.
    pub(crate) fn is_usable(&self) -> bool {
        self.state() == LinkState::Open
            && !self.memory.gate().is_closed()
            && self
                .remote
                .as_ref()
                .is_none_or(|remote| remote.process.is_alive())
    }

    /// Whether this process made it, and not a parent.
    pub(crate) fn is_ours(&self) -> bool {
        self.generation == fork::generation()
    }

    /// Whether the server has gone, as far as this process knows. Only its own link may be looked into: a child
    /// does not have the memory.
    pub(crate) fn is_dead(&self) -> bool {
        self.state() != LinkState::Open || self.memory.gate().is_closed()
    }

    #[inline]
    pub(crate) fn state(&self) -> LinkState {
        match self.state.load(Ordering::Acquire) {
            0 if self.generation == fork::generation() => LinkState::Open,
            1 => LinkState::Dead,
            _ => LinkState::Detached,
        }
    }

    /// Ends the link for good and wakes everybody who waits on it.
    pub(crate) fn end(&self, state: LinkState) {
        let value = if state == LinkState::Dead { 1 } else { 2 };
        let _ = self
            .state
            .compare_exchange(0, value, Ordering::AcqRel, Ordering::Acquire);
        if let Some(remote) = &self.remote {
            socket::shutdown(remote.socket.as_fd());
        }
        self.kick_all();
    }

    /// Has every sender look around: something that it looks for has been stored.
    ///
    /// A sender claims its slot, announces that it sleeps, and then looks; this stores, and then looks for
    /// claimed slots and sleepers. Between the two steps of each side stands a full fence (the sender's is
    /// that of `prepare_sleep`), so either the slot is seen here, or what was stored is seen there.
    pub(crate) fn kick_all(&self) {
        resmgr_sys::order::full_fence();
        for slot in self.slots.claimed(self.memory.layout.calls) {
            self.kick(slot);
        }
    }

    /// Wakes the thread that waits in `slot`, if there is one, so that it looks around.
    pub(crate) fn kick(&self, slot: u16) {
        let caller = self.memory.caller(slot);
        let wake = |sleeper| match sleeper {
            Sleeper::AtSocket(number) => {
                self.lanes.nudge(number);
                1
            }
            _ => futex::wake(caller.answer, u32::MAX),
        };
        caller.kick(wake, sched::yield_now);
    }

    pub(super) fn check_open(&self) -> Result<()> {
        match self.state() {
            LinkState::Open => Ok(()),
            LinkState::Dead => Err(Errno::SRCH),
            LinkState::Detached => Err(Errno::BADF),
        }
    }

    /// Sends and waits for the answer, through a connection that may be `detached` meanwhile; again as often as
    /// the server asks for it.
    #[inline]
    pub(crate) fn call(
        self: &Arc<Self>,
        detached: &AtomicBool,
        message: &[IoSlice<'_>],
        reply: &mut [IoSliceMut<'_>],
        fields: RequestFields,
        options: &SendOptions<'_>,
    ) -> Result<Reply, SendError> {
        loop {
            match self.call_once(detached, message, reply, fields, options) {
                Err(SendError::Refused(Errno::RESTART)) => {}
                done => return done,
            }
        }
    }

    fn call_once(
        self: &Arc<Self>,
        detached: &AtomicBool,
        message: &[IoSlice<'_>],
        reply: &mut [IoSliceMut<'_>],
        fields: RequestFields,
        options: &SendOptions<'_>,
    ) -> Result<Reply, SendError> {
        self.check_open().map_err(SendError::Gone)?;
        let mut staged = self.claim(detached)?;
        if options.has_descriptors() {
            // Ahead of the message: a server may see that before its announcement.
            self.lend_descriptors(&staged, options)?;
        }
        let direct = self.goes_direct(message, options);
        let filled = if direct {
            staged.fill_directly(message, fields)
        } else {
            staged.fill(message, fields)
        };
        if let Err(error) = filled {
            self.end_parcels(staged.slot, staged.number);
            self.give_back(staged.slot, staged.block);
            return Err(error);
        }
        match self.carry(&staged, fields.priority, options) {
            Carried::Answered(_) if direct && staged.is_unreadable() => {
                // No receiver has had the message. From now on this link stages.
                self.direct.store(false, Ordering::Relaxed);
                self.end_parcels(staged.slot, staged.number);
                self.give_back(staged.slot, staged.block);
                self.call(detached, message, reply, fields, options)
            }
            Carried::Answered(asked) => {
                let mut collected = staged.collect(reply);
                if options.has_descriptors() {
                    collected = self.take_descriptors(&staged, options, collected);
                }
                let collected = collected.map_err(|error| staged.as_asked(error, asked));
                self.give_back(staged.slot, staged.block);
                if let Err(error) = collected {
                    self.note_breach(error);
                }
                collected
            }
            Carried::Lost(error) => Err(error),
        }
    }

    /// Announces the call in the slot and waits for its answer.
    #[inline]
    pub(super) fn carry(
        self: &Arc<Self>,
        staged: &Staged<'_>,
        priority: u8,
        options: &SendOptions<'_>,
    ) -> Carried {
        let cancel = options.cancel.map(|token| token.enter(self, staged.slot));
        let wake = self.announce_and_wait(staged, priority, options);
        drop(cancel);
        match wake {
            Wake::Answered(asked) => Carried::Answered(asked),
            // Nobody will use the slot again, and nobody may: its memory may still be written.
            Wake::Gone(errno) => Carried::Lost(SendError::Gone(errno)),
            Wake::GiveUp(reason) => {
                self.give_up((staged.slot, staged.number, staged.block));
                Carried::Lost(reason)
            }
        }
    }

    /// The slot's call has no caller any more: it is free when the server has noticed.
    pub(super) fn give_up(&self, call: (u16, u32, Option<Block>)) {
        self.given_up().push(call);
        self.given_up_count.fetch_add(1, Ordering::Release);
    }

    /// Ends the link if its server has broken the rules.
    pub(super) fn note_breach(&self, error: SendError) {
        if error == SendError::Protocol {
            tracing::warn!(
                pid = self.far.pid,
                "the server broke the protocol; link closed"
            );
            self.end(LinkState::Dead);
        }
    }

    fn announce_and_wait(
        &self,
        staged: &Staged<'_>,
        priority: u8,
        options: &SendOptions<'_>,
    ) -> Wake {
        let plan = self.spin.plan(options.waiting);
        // From before the announcement, so that no signal falls between it and the sleep.
        let watch = (self.far.unblock && plan == Plan::Sleep).then(|| Watch::begin(self));
        self.announce(EntryKind::Call, staged.slot);
        self.want_boost(priority);
        if self.memory.gate().is_closed() {
            self.end(LinkState::Dead);
        }
        self.wait(staged, options, plan, watch.flatten())
    }

    /// Waits for the answer. A signal, the deadline or a cancellation ends the wait at once while no
    /// receiver has the message, or if the channel has no UNBLOCK flag; otherwise the server is asked,
    /// once, and the wait goes on until it answers.
    pub(super) fn wait<'a>(
        &'a self,
        staged: &Staged<'_>,
        options: &SendOptions<'_>,
        plan: Plan,
        mut watch: Option<Watch<'a>>,
    ) -> Wake {
        let caller = self.memory.caller(staged.slot);
        let mut plan = Some(plan);
        let mut asked = None;
        let mut limit = options.deadline;
        loop {
            let deadline = limit.filter(|_| asked.is_none());
            let sleep = Sleep {
                deadline,
                asked: asked.is_some(),
                plan: plan.take(),
                watch: &mut watch,
            };
            let mut reason = match self.wait_once(&caller, staged, options, sleep) {
                Ok(Wake::Answered(_)) => return Wake::Answered(asked),
                Ok(wake) => return wake,
                Err(reason) => reason,
            };
            if matches!(reason, SendError::Gone(_)) {
                self.desert(staged, asked.is_some());
                return Wake::GiveUp(reason);
            }
            if asked.is_some() {
                continue;
            }
            if reason == SendError::TimedOut {
                let is_taken = || caller.is_taken(staged.number);
                let withdraw = || caller.withdraw(staged.number) == Withdrawal::Withdrawn;
                match timeout::expired(is_taken, withdraw) {
                    Expiry::End(why) => reason = why,
                    Expiry::GoOn(later) => {
                        limit = later;
                        continue;
                    }
                }
            }
            if !self.far.unblock {
                caller.abandon(staged.number);
                return Wake::GiveUp(reason);
            }
            if caller.withdraw(staged.number) == Withdrawal::Withdrawn {
                return Wake::GiveUp(reason);
            }
            asked = Some(reason);
            self.announce(EntryKind::Unblock, staged.slot);
        }
    }

    /// The connection of a call was detached, and others of the link go on. The call ends whatever the channel
    /// does about unblocking: there is nobody to take the answer any more. A server that has the message and
    /// asked to be told learns of it, and its answer is `ESRCH`, since the request is void before it is told.
    #[cold]
    pub(super) fn desert(&self, staged: &Staged<'_>, asked: bool) {
        self.memory.caller(staged.slot).abandon(staged.number);
        if self.far.unblock && !asked {
            self.announce(EntryKind::Unblock, staged.slot);
        }
    }

    /// One look and one sleep; an error is a reason to stop waiting.
    #[inline]
    fn wait_once<'a>(
        &'a self,
        caller: &Caller<'_, AtomicU32>,
        staged: &Staged<'_>,
        options: &SendOptions<'_>,
        mut sleep: Sleep<'_, 'a>,
    ) -> Result<Wake, SendError> {
        let (deadline, asked) = (sleep.deadline, sleep.asked);
        let cancelled = || !asked && options.cancel.is_some_and(CancelToken::is_cancelled);
        let number = staged.number;
        let detached = || staged.detached.load(Ordering::Acquire);
        let state = || self.state.load(Ordering::Acquire) != 0 || detached();
        let ready = || caller.is_answered(number) || state() || cancelled();
        loop {
            let plan = sleep.plan.take();
            let plan = plan.unwrap_or_else(|| self.spin.plan(options.waiting));
            if self.spin.follow(plan, ready) {
                break;
            }
            if options.waiting == Waiting::Spin {
                if clock::remaining(deadline).is_some_and(|left| left.is_zero()) {
                    return Err(SendError::TimedOut);
                }
                continue;
            }
            let place = self.place_to_sleep(sleep.watch);
            let Some(value) = caller.prepare_sleep(number, place) else {
                break;
            };
            // Whoever ends or cancels stores that first and then looks for sleepers: seen here, or woken.
            let slept = match &sleep.watch {
                _ if ready() => Ok(()),
                Some(watch) => watch.sleep(deadline, !asked),
                None => futex::wait(caller.answer, value, deadline),
            };
            caller.end_sleep();
            match slept {
                Err(Errno::INTR) if !asked => return Err(SendError::Interrupted),
                Err(Errno::TIMEDOUT) => return Err(SendError::TimedOut),
                _ => {}
            }
            if ready() {
                break;
            }
        }
        if caller.is_answered(number) {
            return Ok(Wake::Answered(None));
        }
        match self.check_open() {
            Err(errno) => Ok(Wake::Gone(errno)),
            Ok(()) if detached() => Err(SendError::Gone(Errno::BADF)),
            Ok(()) => Err(SendError::Interrupted),
        }
    }

    /// Where to sleep. On an UNBLOCK channel signals are watched, if that is possible.
    fn place_to_sleep<'a>(&'a self, watch: &mut Option<Watch<'a>>) -> Sleeper {
        if self.far.unblock && watch.is_none() {
            *watch = Watch::begin(self);
        }
        watch
            .as_ref()
            .map_or(Sleeper::OnWord, |watch| Sleeper::AtSocket(watch.number))
    }

    /// Publishes a ring entry, and rings if nobody looks.
    #[inline]
    pub(super) fn announce(&self, kind: EntryKind, index: u16) {
        self.memory.ring().push(&self.tail, Entry { kind, index });
        if self.memory.gate().must_ring() {
            self.bell.ring();
        }
    }

    /// After an announcement: does it wait behind less urgent work?
    #[inline]
    fn want_boost(&self, priority: u8) {
        if priority > ORDINARY {
            self.ask_for_boost(priority);
        }
    }

    #[cold]
    fn ask_for_boost(&self, priority: u8) {
        if !self.memory.threshold().must_ask(priority) {
            return;
        }
        match &self.remote {
            // A socket that is full holds such packets enough.
            Some(remote) => {
                let _ = control::send(remote.socket.as_fd(), Packet::Boost, &[]);
            }
            None => {
                if let Some(channel) = process::current().channel(self.far.chid) {
                    channel.asked_to_boost(None);
                }
            }
        }
    }

    /// How many entries this process has published, as far as this thread knows: its own at least.
    #[inline]
    pub(super) fn announced(&self) -> u16 {
        layout::place_in_ring(self.tail.load(Ordering::Relaxed))
    }

    #[inline]
    pub(super) fn claim<'a>(
        self: &'a Arc<Self>,
        detached: &'a AtomicBool,
    ) -> Result<Staged<'a>, SendError> {
        if detached.load(Ordering::Relaxed) {
            return Err(SendError::Gone(Errno::BADF));
        }
        if self.given_up_count.load(Ordering::Acquire) > 0 {
            self.reclaim();
        }
        let slot = self.slots.claim().ok_or(SendError::Unsent(Errno::AGAIN))?;
        // The server was the last to read these three lines. Asked for now, they come together.
        let layout = &self.memory.layout;
        let ring = layout.ring_word(self.tail.load(Ordering::Relaxed) % layout.ring);
        self.memory.client.prefetch_for_write(ring);
        self.memory.client.prefetch_for_write(layout::slot(slot));
        self.memory
            .client
            .prefetch_for_write(layout::slot_data(slot));
        let last = self.memory.caller(slot).request.load(Ordering::Relaxed) >> 2;
        let number = Caller::<AtomicU32>::next(last);
        Ok(Staged {
            link: self,
            detached,
            slot,
            number,
            block: None,
        })
    }

    #[inline]
    pub(super) fn give_back(&self, slot: u16, block: Option<Block>) {
        if let Some(block) = block {
            self.arena().give_back(block);
        }
        self.slots.release(slot);
    }

    /// Slots whose calls were given up are free once the server has acknowledged that.
    fn reclaim(self: &Arc<Self>) {
        let mut given_up = self.given_up();
        given_up.retain(|(slot, number, block)| {
            let noticed = self.memory.caller(*slot).is_answered(*number);
            if noticed {
                self.memory.caller(*slot).finish(*number);
                self.end_parcels(*slot, *number);
                self.give_back(*slot, *block);
                self.given_up_count.fetch_sub(1, Ordering::Release);
            }
            !noticed
        });
    }

    fn given_up(&self) -> MutexGuard<'_, Vec<(u16, u32, Option<Block>)>> {
        self.given_up.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn arena(&self) -> MutexGuard<'_, Arena> {
        self.arena.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Bulk memory for a message.
    ///
    /// # Errors
    /// - `EMSGSIZE`: longer than the link's memory altogether.
    /// - `ENOMEM`: other messages under way leave no room.
    pub(super) fn take_block(&self, len: usize) -> Result<Block> {
        if len > self.memory.layout.bulk {
            return Err(Errno::MSGSIZE);
        }
        self.arena().take(len).ok_or(Errno::NOMEM)
    }

    /// Sends a pulse.
    ///
    /// # Errors
    /// - `EAGAIN`: as many as the link holds, or as the channel's pool allows, are not yet received.
    /// - `ESRCH`, `EBADF`: the server has gone, or the connection.
    pub(crate) fn pulse(&self, fields: PulseFields) -> Result<()> {
        self.check_open()?;
        let mut sent = self.pulses.lock().unwrap_or_else(PoisonError::into_inner);
        let taken = self
            .memory
            .server
            .word(layout::PULSES_TAKEN)
            .load(Ordering::Acquire);
        // 0 on a channel without a pool.
        let share = self
            .memory
            .server
            .word(layout::PULSE_SHARE)
            .load(Ordering::Relaxed);
        let most = if share == 0 { CELLS } else { share.min(CELLS) };
        if sent.wrapping_sub(taken) >= most {
            return Err(Errno::AGAIN);
        }
        let cell = *sent % CELLS;
        self.memory
            .client
            .write(self.memory.layout.cell(cell), &fields.encode())?;
        *sent = sent.wrapping_add(1);
        // Under the lock: the server expects the cells in turn.
        self.announce(EntryKind::Pulse, u16::try_from(cell).unwrap_or(0));
        self.want_boost(fields.priority);
        drop(sent);
        // A pool's books are kept while nobody receives, too: by the server's background thread, which listens
        // for this. If the link rings for its receivers as well, the second ring does no harm.
        if share != 0 {
            self.bell.ring();
        }
        if self.memory.gate().is_closed() {
            Err(Errno::SRCH)
        } else {
            Ok(())
        }
    }

    /// From now on only registered events may come from this server.
    pub(crate) fn take_registered_only(&self) {
        self.registered_only.store(true, Ordering::Release);
        let word = self.memory.client.word(layout::REGISTERED_ONLY);
        word.store(1, Ordering::Release);
    }

    pub(crate) fn takes_registered_only(&self) -> bool {
        self.registered_only.load(Ordering::Acquire)
    }
}

impl Drop for ClientLink {
    fn drop(&mut self) {
        if let Some(Remote { socket, .. }) = self.remote.take() {
            janitor::close_socket(socket);
        }
    }
}
