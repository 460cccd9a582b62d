//! What all clones of a channel, and the background thread, share.

use super::courtesy::Courtesy;
use super::snapshot::OpenCounter;
use super::state::{Client, State};
use super::turns::Turns;
use super::{BELL, ChannelOptions, OWN_BELL, Waiting, boost};
use crate::ipc::link::{Layout, Service};
use crate::ipc::{ChannelFlags, ChannelId, ChannelLimits, ConnectRights, Pulse, PulseCode};
use crate::ipc::{held::Held, process, wait::Spin};
use resmgr_sys::epoll::{Epoll, EventFd};
use resmgr_sys::{Errno, Result};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

/// What all clones of a channel, and the background thread, share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) chid: ChannelId,
    /// Tells it from every other channel that this process and its parents have had; never 0.
    pub(super) key: u64,
    pub(super) habits: boost::Habits,
    /// A receiver is boosted; changed under the lock.
    pub(super) boosted: AtomicBool,
    pub(crate) flags: ChannelFlags,
    pub(crate) rights: ConnectRights,
    /// When it was made: tells it from others that had its number, in this process or in another one.
    pub(crate) birth: u64,
    pub(crate) direct: bool,
    /// How many descriptors a message may bring.
    pub(crate) descriptors: u8,
    /// Bounds for clients to come, and what a link has within them.
    limits: Mutex<(ChannelLimits, Layout)>,
    pub(super) waiting: Waiting,
    pub(super) spin: Spin,
    pub(super) courtesy: Courtesy,
    /// Bytes that the client of the last call has had to copy: so many it may copy before its next one.
    pub(super) copied: AtomicU64,
    /// The clients' bells and the channel's own. Receivers wait here; the last to come is woken first.
    pub(super) bells: Epoll,
    /// The same for receivers that take only pulses. Made when there is one.
    pub(super) pulse_bells: OnceLock<Epoll>,
    /// The same for an event loop. Made when somebody asks for it.
    pub(super) poll_set: OnceLock<Epoll>,
    /// The same for the background thread, if the channel has a pool of pulses.
    pub(super) pool_bells: OnceLock<Epoll>,
    pub(super) own_bell: EventFd,
    /// Pulses that receivers have taken.
    pub(super) pulses: AtomicU64,
    /// How long some calls took.
    pub(super) service: Arc<Service>,
    /// Whose turn it is, if several threads keep the order of what they receive.
    pub(super) turns: Arc<Turns>,
    /// Who counts the clients' open files, if somebody does.
    pub(super) open_counter: OnceLock<OpenCounter>,
    /// Messages that are known by number. Its lock is taken after the next one.
    pub(in crate::ipc) held: Held,
    /// Taken before no other lock of the project except a link's.
    pub(super) state: Mutex<State>,
}

impl Shared {
    pub(super) fn new(chid: ChannelId, options: &ChannelOptions) -> Result<Self> {
        static KEYS: AtomicU64 = AtomicU64::new(1);
        let bells = Epoll::new()?;
        let own_bell = EventFd::new()?;
        bells.add(&own_bell, OWN_BELL, BELL)?;
        let habits = boost::Habits::of(options.flags);
        Ok(Self {
            chid,
            key: KEYS.fetch_add(1, Ordering::Relaxed),
            habits,
            boosted: AtomicBool::new(false),
            flags: options.flags,
            rights: options.rights,
            birth: now(),
            direct: options.direct,
            descriptors: options.descriptors,
            limits: Mutex::new((options.limits, options.limits.layout()?)),
            waiting: options.waiting,
            spin: Spin::new(),
            courtesy: Courtesy::new(),
            copied: AtomicU64::new(0),
            bells,
            pulse_bells: OnceLock::new(),
            poll_set: OnceLock::new(),
            pool_bells: OnceLock::new(),
            own_bell,
            pulses: AtomicU64::new(0),
            service: Arc::default(),
            turns: Arc::default(),
            open_counter: OnceLock::new(),
            held: Held::default(),
            state: Mutex::new(State::new(habits)),
        })
    }

    pub(super) fn limits(&self) -> ChannelLimits {
        self.limits.lock().unwrap_or_else(PoisonError::into_inner).0
    }

    /// What a link has within the bounds.
    pub(crate) fn layout(&self) -> Layout {
        self.limits.lock().unwrap_or_else(PoisonError::into_inner).1
    }

    /// Sets the bounds for clients to come.
    pub(super) fn set_limits(&self, limits: ChannelLimits) -> Result<()> {
        let layout = limits.layout()?;
        *self.limits.lock().unwrap_or_else(PoisonError::into_inner) = (limits, layout);
        Ok(())
    }

    /// Whether it is the channel of this birth; 0 stands for any.
    pub(crate) fn is_born(&self, birth: u64) -> bool {
        birth == 0 || birth == self.birth
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn each_set(&self, mut act: impl FnMut(&Epoll) -> Result<()>) -> Result<()> {
        act(&self.bells)?;
        self.pulse_bells.get().map_or(Ok(()), &mut act)?;
        self.poll_set.get().map_or(Ok(()), &mut act)?;
        self.pool_bells.get().map_or(Ok(()), act)
    }

    pub(super) fn pulse_bells(&self) -> Result<&Epoll> {
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
    pub(super) fn add_bells(state: &State, set: &Epoll) -> Result<()> {
        for (key, client) in &state.clients {
            if let Client::Live(link) = client {
                set.add(&link.bell, key as u64, BELL)?;
            }
        }
        Ok(())
    }

    /// Puts a pulse of the system into the queue.
    pub(crate) fn push_pulse(&self, pulse: Pulse) -> Result<()> {
        let mut state = self.lock();
        if state.destroyed {
            return Err(Errno::SRCH);
        }
        let pending = crate::ipc::queue::PendingPulse::of_system(pulse);
        state.queue.push_pulse(pending);
        self.call_receiver(&state);
        self.boost(&mut state);
        Ok(())
    }

    /// The server of one of this process's connections has gone.
    pub(crate) fn coid_died(&self, coid: crate::ipc::Coid) {
        if self.flags.contains(ChannelFlags::COID_DISCONNECT) {
            let value = i64::from(coid.raw());
            let (code, priority) = (PulseCode::COID_DEATH, super::state::SYSTEM_PRIORITY);
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
            priority: super::state::SYSTEM_PRIORITY,
        });
    }

    pub(super) fn call_receiver(&self, state: &State) {
        if state.is_awaited() || self.never_sleeps() {
            self.own_bell.ring();
        }
    }

    /// Ends the channel: everybody who is blocked on it gets `ESRCH`, whatever state it is in.
    pub(super) fn destroy(&self) {
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
            if let crate::ipc::queue::Item::Call(call) = item {
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
