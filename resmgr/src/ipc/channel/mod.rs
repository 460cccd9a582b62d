//! Channels: where a server receives.

mod boost;
mod poll;
mod pooled;
mod receive;
mod state;
#[cfg(feature = "tokio")]
mod tokio;

use super::link::{Layout, ServerLink};
use super::{
    ChannelFlags, ChannelId, ChannelLimits, ClientInfo, ConnectRights, Credentials, Message, Pulse,
    PulseCode, PulseFlags, PulsePool, Scoid,
};
use super::{held::Held, process, timeout, wait::Spin};
use resmgr_sys::clock::Deadline;
use resmgr_sys::epoll::{Epoll, EventFd, Ready};
use resmgr_sys::{Errno, Result};
use state::{Client, State};
use std::io::IoSliceMut;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
#[cfg(feature = "tokio")]
pub use tokio::AsyncChannel;

/// How a receiver or a sender waits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Waiting {
    /// Looks for a short time while that has been paying off, then sleeps.
    #[default]
    Adaptive,
    /// Sleeps at once.
    Block,
    /// Never sleeps: for measurements, and for threads that own a processor.
    Spin,
}

/// How a channel is made.
#[derive(Clone, Copy, Debug, Default)]
pub struct ChannelOptions {
    /// What it does.
    pub flags: ChannelFlags,
    /// Who may attach.
    pub rights: ConnectRights,
    /// How its receivers wait.
    pub waiting: Waiting,
    /// Long messages may be read in the memory of clients that allow it
    /// ([`SendOptions::direct`](super::SendOptions::direct)), with process_vm_readv. Then a page of such a client
    /// that answers late, or never, holds up the thread that receives or reads the message.
    pub direct: bool,
    /// How many descriptors a message may bring ([`Message::descriptors`]), 4 at the most. A channel that asks for
    /// none never has one of a client's in its process.
    pub descriptors: u8,
    /// How much its clients may take.
    pub limits: ChannelLimits,
}

/// What a receive returns.
#[derive(Debug)]
pub enum Received {
    /// A message; its first bytes are in the buffer.
    Message(Message),
    /// A pulse.
    Pulse(Pulse),
}

/// Bells report each ring once and are never read.
const BELL: Ready = Ready::IN.union(Ready::EDGE);
/// The channel's own bell in its sets: no slab key is as large.
const OWN_BELL: u64 = u64::MAX;

/// What all clones of a channel, and the background thread, share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) chid: ChannelId,
    /// Tells it from every other channel that this process and its parents have had; never 0.
    key: u64,
    habits: boost::Habits,
    /// A receiver is boosted; changed under the lock.
    boosted: AtomicBool,
    pub(crate) flags: ChannelFlags,
    pub(crate) rights: ConnectRights,
    /// When it was made: tells it from others that had its number, in this process or in another one.
    pub(crate) birth: u64,
    pub(crate) direct: bool,
    /// How many descriptors a message may bring.
    pub(crate) descriptors: u8,
    limits: ChannelLimits,
    /// What a link has within those bounds.
    pub(crate) layout: Layout,
    waiting: Waiting,
    spin: Spin,
    /// The clients' bells and the channel's own. Receivers wait here; the last to come is woken first.
    bells: Epoll,
    /// The same for receivers that take only pulses. Made when there is one.
    pulse_bells: OnceLock<Epoll>,
    /// The same for an event loop. Made when somebody asks for it.
    poll_set: OnceLock<Epoll>,
    /// The same for the background thread, if the channel has a pool of pulses.
    pool_bells: OnceLock<Epoll>,
    own_bell: EventFd,
    /// Messages that are known by number. Its lock is taken after the next one.
    pub(in crate::ipc) held: Held,
    /// Taken before no other lock of the project except a link's.
    state: Mutex<State>,
}

impl Shared {
    fn new(chid: ChannelId, options: &ChannelOptions) -> Result<Self> {
        static KEYS: AtomicU64 = AtomicU64::new(1);
        let bells = Epoll::new()?;
        let own_bell = EventFd::new()?;
        bells.add(&own_bell, OWN_BELL, BELL)?;
        Ok(Self {
            chid,
            key: KEYS.fetch_add(1, Ordering::Relaxed),
            habits: boost::Habits::of(options.flags),
            boosted: AtomicBool::new(false),
            flags: options.flags,
            rights: options.rights,
            birth: now(),
            direct: options.direct,
            descriptors: options.descriptors,
            limits: options.limits,
            layout: options.limits.layout()?,
            waiting: options.waiting,
            spin: Spin::new(),
            bells,
            pulse_bells: OnceLock::new(),
            poll_set: OnceLock::new(),
            pool_bells: OnceLock::new(),
            own_bell,
            held: Held::default(),
            state: Mutex::new(State::new()),
        })
    }

    /// Whether it is the channel of this birth; 0 stands for any.
    pub(crate) fn is_born(&self, birth: u64) -> bool {
        birth == 0 || birth == self.birth
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn each_set(&self, mut act: impl FnMut(&Epoll) -> Result<()>) -> Result<()> {
        act(&self.bells)?;
        self.pulse_bells.get().map_or(Ok(()), &mut act)?;
        self.poll_set.get().map_or(Ok(()), &mut act)?;
        self.pool_bells.get().map_or(Ok(()), act)
    }

    fn pulse_bells(&self) -> Result<&Epoll> {
        let state = self.lock();
        if self.pulse_bells.get().is_none() {
            let set = Epoll::new()?;
            set.add(&self.own_bell, OWN_BELL, BELL)?;
            Self::add_bells(&state, &set)?;
            let _ = self.pulse_bells.set(set);
        }
        drop(state);
        self.pulse_bells.get().ok_or(Errno::NOMEM)
    }

    /// Every client's bell, in a new set.
    fn add_bells(state: &State, set: &Epoll) -> Result<()> {
        for (key, client) in &state.clients {
            if let Client::Live(link) = client {
                set.add(&link.bell, key as u64, BELL)?;
            }
        }
        Ok(())
    }

    /// Takes in a client process; `make` builds the link once its scoid is known.
    pub(crate) fn add_client(
        &self,
        make: impl FnOnce(Scoid) -> ServerLink,
    ) -> Result<Arc<ServerLink>> {
        let mut state = self.lock();
        if state.destroyed {
            return Err(Errno::SRCH);
        }
        if state.clients.len() >= self.limits.clients as usize {
            return Err(Errno::NFILE);
        }
        let link = state.add_client(|scoid| Arc::new(make(scoid)))?;
        if let Err(errno) = self.add_bell(&link) {
            state.remove_client(&link, false);
            return Err(errno);
        }
        if self.habits.boosts() {
            link.boost_from(boost::ALWAYS);
        }
        Ok(link)
    }

    /// Whether a process of this user may still come.
    ///
    /// # Errors
    /// - `EUSERS`: as many of them as one user may have are clients. Root and the server's own user may have as
    ///   many as there is room for: both can do worse to this process.
    pub(crate) fn check_share(&self, peer: &Credentials) -> Result<()> {
        if ConnectRights::Owner.permit(peer, Vec::new) {
            return Ok(());
        }
        let state = self.lock();
        let has = |(_, client): (usize, &Client)| match client {
            Client::Live(link) => link.peer.uid == peer.uid,
            Client::Gone(gone) => gone.uid == peer.uid,
        };
        let theirs = state.clients.iter().filter(|client| has(*client)).count();
        if theirs >= self.limits.clients_per_user as usize {
            return Err(Errno::USERS);
        }
        Ok(())
    }

    /// A client process has gone, or its link was closed. The pulses that it sent before stay in the queue.
    pub(crate) fn client_gone(&self, link: &Arc<ServerLink>) {
        self.drop_client(link, self.flags.contains(ChannelFlags::DISCONNECT));
    }

    /// A client in this process has detached.
    pub(crate) fn local_client_gone(&self, scoid: Scoid) {
        let link = State::key(scoid).and_then(|key| self.lock().link(key).cloned());
        if let Some(link) = link {
            self.client_gone(&link);
        }
    }

    fn drop_client(&self, link: &Arc<ServerLink>, keep_id: bool) {
        let mut state = self.lock();
        state.drain(link);
        self.remove(&mut state, link, keep_id);
    }

    /// Cuts a link off and forgets it, before anybody else can: the background thread, which is told of the
    /// cut, waits for the lock and then finds nothing to report.
    fn remove(&self, state: &mut State, link: &Arc<ServerLink>, keep_id: bool) {
        link.cut();
        let _ = self.each_set(|set| set.remove(&link.bell));
        state.remove_client(link, keep_id);
        self.held.forget(link.scoid);
        self.call_receiver(state);
    }

    /// Puts a pulse of this process into the queue.
    pub(crate) fn push_pulse(&self, pulse: Pulse) -> Result<()> {
        let mut state = self.lock();
        if state.destroyed {
            return Err(Errno::SRCH);
        }
        state.queue.push_pulse(super::queue::PendingPulse {
            pulse,
            link: None,
            inherits: false,
        });
        self.call_receiver(&state);
        self.boost(&mut state);
        Ok(())
    }

    /// The server of one of this process's connections has gone.
    pub(crate) fn coid_died(&self, coid: super::Coid) {
        if self.flags.contains(ChannelFlags::COID_DISCONNECT) {
            let value = i64::from(coid.raw());
            let (code, priority) = (PulseCode::COID_DEATH, state::SYSTEM_PRIORITY);
            // A channel that is being destroyed needs no pulse.
            let _ = self.push_pulse(Pulse {
                code,
                value,
                scoid: None,
                priority,
            });
        }
    }

    /// A thread of this process has ended.
    pub(crate) fn thread_died(&self, tid: u32) {
        // A channel that is being destroyed needs no pulse.
        let _ = self.push_pulse(Pulse {
            code: PulseCode::THREAD_DEATH,
            value: i64::from(tid),
            scoid: None,
            priority: state::SYSTEM_PRIORITY,
        });
    }

    fn call_receiver(&self, state: &State) {
        if state.is_awaited() || self.never_sleeps() {
            self.own_bell.ring();
        }
    }

    /// Ends the channel: everybody who is blocked on it gets `ESRCH`, whatever state it is in.
    fn destroy(&self) {
        let mut state = self.lock();
        if state.destroyed {
            return;
        }
        let links = state.take_all();
        for link in &links {
            // From here on clients see the word; what they announced before is answered by the drain.
            link.memory.gate().close();
            state.drain(link);
            link.dismiss_taken();
        }
        while let Some(item) = state.queue.pop() {
            if let super::queue::Item::Call(call) = item {
                call.link.dismiss_held(call.slot, call.number);
            }
        }
        drop(state);
        for link in &links {
            link.cut();
        }
        self.held.clear();

        if self.pool_bells.get().is_some() {
            process::current().unwatch_pool(self);
        }
        process::current().channel_gone(self.chid, &links);
        // One ring wakes one receiver of each set, and each that leaves wakes the next.
        self.own_bell.ring();
    }
}

/// Nanoseconds of the epoch, and never 0.
fn now() -> u64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let nanoseconds = now.map_or(1, |since| since.as_nanos());
    u64::try_from(nanoseconds).unwrap_or(u64::MAX).max(1)
}

/// The handle's own part: the last clone destroys the channel.
#[derive(Debug)]
struct Owner(Arc<Shared>);

impl Drop for Owner {
    fn drop(&mut self) {
        self.0.destroy();
    }
}

/// A channel of this process. Clones name the same channel; it is destroyed when the last one goes.
///
/// Any number of threads may receive on it; the last one to wait is the first to be served. Messages and
/// pulses come by priority, first come first served within one.
#[derive(Clone, Debug)]
pub struct Channel(Arc<Owner>);

impl Channel {
    /// Makes a channel. Unless it is PRIVATE, other processes of the same user can attach to it from now on
    /// by process and channel id.
    ///
    /// # Errors
    /// - `EAGAIN`: too many channels.
    /// - `ENOTSUP`: an unknown flag.
    /// - `EACCES`, `EPERM`, …: the runtime directory cannot be used (see [`crate::ipc`]).
    #[doc(alias = "ChannelCreate")]
    pub fn create(flags: ChannelFlags) -> Result<Self> {
        Self::with_options(ChannelOptions {
            flags,
            ..ChannelOptions::default()
        })
    }

    /// Makes a channel with every choice but a pulse pool.
    ///
    /// # Errors
    /// - `EINVAL`: more than 4 descriptors with a message.
    /// - those of [`create`](Self::create);
    /// - `EINVAL`: a bound that cannot be, or the flag `PULSE_POOL` without a pool.
    pub fn with_options(options: ChannelOptions) -> Result<Self> {
        Self::make(options, None)
    }

    fn make(options: ChannelOptions, pool: Option<PulsePool>) -> Result<Self> {
        timeout::clear();
        if options.descriptors > super::TakenDescriptors::MOST {
            return Err(Errno::INVAL);
        }
        if !ChannelFlags::all().contains(options.flags) {
            return Err(Errno::NOTSUP);
        }
        if pool.is_some() != options.flags.contains(ChannelFlags::PULSE_POOL) {
            return Err(Errno::INVAL);
        }
        let shared = process::current().add_channel(|chid| Shared::new(chid, &options))?;
        let channel = Self(Arc::new(Owner(shared)));
        if let Some(pool) = pool {
            Shared::use_pool(&channel.0.0, pool)?;
        }
        if !options.flags.contains(ChannelFlags::PRIVATE) {
            process::current().listen()?;
        }
        if options.flags.contains(ChannelFlags::THREAD_DEATH) {
            super::deaths::start();
        }
        Ok(channel)
    }

    /// Its id, unique in this process.
    #[doc(alias = "chid")]
    pub fn id(&self) -> ChannelId {
        self.shared().chid
    }

    pub(super) fn shared(&self) -> &Shared {
        &self.0.0
    }

    /// # Errors
    /// - `EBADF`: no client has this id.
    /// - `ESRCH`: the client has gone.
    pub(super) fn client_link(&self, scoid: Scoid) -> Result<Arc<ServerLink>> {
        let key = State::key(scoid).ok_or(Errno::BADF)?;
        let state = self.shared().lock();
        match state.clients.get(key) {
            None if state.destroyed => Err(Errno::SRCH),
            None => Err(Errno::BADF),
            Some(Client::Live(link)) if !link.is_gone() => Ok(Arc::clone(link)),
            Some(_) => Err(Errno::SRCH),
        }
    }

    /// Waits for the next message or pulse. A message that is longer than the buffer is reached by
    /// [`Message::read`].
    ///
    /// # Errors
    /// - `ESRCH`: the channel was destroyed.
    /// - `EINTR`: a signal handler ran on this thread, or the process was stopped and goes on (which the
    ///   system does not tell apart). Receive again, unless a handler of yours means something else.
    #[doc(alias = "MsgReceive")]
    pub fn receive(&self, buffer: &mut [u8]) -> Result<Received> {
        self.receive_until(buffer, None)
    }

    /// The same with a deadline (`ETIMEDOUT`); one that has passed makes it a poll.
    pub fn receive_until(&self, buffer: &mut [u8], deadline: Deadline) -> Result<Received> {
        self.receive_vectored(&mut [IoSliceMut::new(buffer)], deadline)
    }

    /// The same into several parts, which are filled one behind the other.
    #[doc(alias = "MsgReceivev")]
    pub fn receive_vectored(
        &self,
        parts: &mut [IoSliceMut<'_>],
        deadline: Deadline,
    ) -> Result<Received> {
        match timeout::take() {
            None => self.shared().receive(parts, deadline),
            Some(set) => set.receive(deadline, |deadline| self.shared().receive(parts, deadline)),
        }
    }

    /// Waits for the next pulse; messages stay queued.
    ///
    /// # Errors
    /// As [`receive`](Self::receive).
    #[doc(alias = "MsgReceivePulse")]
    pub fn receive_pulse(&self, deadline: Deadline) -> Result<Pulse> {
        match timeout::take() {
            None => self.shared().receive_pulse(deadline),
            Some(set) => set.receive(deadline, |deadline| self.shared().receive_pulse(deadline)),
        }
    }

    /// The calling thread receives from no channel any more: it counts as a receiver of none, so no urgent
    /// sender raises it (see [`ipc`](crate::ipc)), and it has its own priority and processors again. A thread counts as a
    /// receiver of the channel that it received from last, until it ends.
    ///
    /// QNX writes this as a receive from channel -1.
    pub fn leave() {
        super::priority::receiver::leave();
    }

    /// Puts a pulse into this channel's own queue.
    ///
    /// # Errors
    /// - `ESRCH`: the channel was destroyed.
    /// - `EAGAIN`: its pool of pulses is empty (and the pool's event has happened).
    pub fn pulse(&self, priority: u8, code: i8, value: i64) -> Result<()> {
        self.pulse_with(priority, code, value, PulseFlags::empty())
    }

    /// The same with flags: see [`PulseFlags`]. The pulses of this process are those of one client.
    pub fn pulse_with(&self, priority: u8, code: i8, value: i64, flags: PulseFlags) -> Result<()> {
        timeout::clear();
        let pulse = Pulse {
            code,
            value,
            scoid: None,
            priority: priority.max(1),
        };
        self.shared().offer_pulse(pulse, flags)
    }

    /// Frees a client's id after its DISCONNECT pulse, or cuts off a living client: its sends fail then.
    ///
    /// # Errors
    /// - `EINVAL`: no client has this id.
    #[doc(alias = "ConnectDetach")]
    pub fn detach_client(&self, scoid: Scoid) -> Result<()> {
        timeout::clear();
        let key = State::key(scoid).ok_or(Errno::INVAL)?;
        let mut state = self.shared().lock();
        match state.clients.get(key) {
            None => Err(Errno::INVAL),
            Some(Client::Gone(_)) => {
                state.clients.remove(key);
                Ok(())
            }
            Some(Client::Live(link)) => {
                let link = Arc::clone(link);
                link.memory.gate().close();
                link.dismiss_taken();
                // The caller is through with this client: its id is free, and no pulse is needed.
                self.shared().remove(&mut state, &link, false);
                drop(state);
                process::current().server_link_gone(&link);
                process::current().far_end_gone(self.id(), &link);
                Ok(())
            }
        }
    }

    /// Who a client is. Of one that has gone, and whose id is not detached yet, its supplementary groups are no
    /// longer known. For this process itself see [`ClientInfo::of_self`].
    ///
    /// # Errors
    /// - `EINVAL`: no client has this id.
    #[doc(alias = "ConnectClientInfo")]
    pub fn client_info(&self, scoid: Scoid) -> Result<ClientInfo> {
        let key = State::key(scoid).ok_or(Errno::INVAL)?;
        let link = match self.shared().lock().clients.get(key).ok_or(Errno::INVAL)? {
            Client::Live(link) => Arc::clone(link),
            Client::Gone(credentials) => {
                return Ok(ClientInfo::new(*credentials, Vec::new(), None));
            }
        };
        // Not under the lock: it asks the system.
        Ok(link.client_info())
    }

    /// Destroys the channel now, whoever else has a clone: everybody who is blocked on it gets `ESRCH`.
    #[doc(alias = "ChannelDestroy")]
    pub fn destroy(&self) {
        self.shared().destroy();
    }
}
