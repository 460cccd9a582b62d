//! Channels with a pool of pulses of their own.

use super::state::Client;
use super::{BELL, Channel, ChannelOptions, Shared};
use crate::ipc::pool::{Pool, PulsePool};
use crate::ipc::queue::{Offered, PendingPulse};
use crate::ipc::{ChannelFlags, Pulse, PulseFlags, process};
use resmgr_sys::epoll::Epoll;
use resmgr_sys::fork::PrivateFd;
use resmgr_sys::{Errno, Result};
use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::Instant;

impl Channel {
    /// Makes a channel with a pool of pulses of its own. The flag `PULSE_POOL` is set by this.
    ///
    /// A pulse that finds the pool empty is dropped, and the pool's event happens: by default the process is
    /// killed. The pulses that the system sends (DISCONNECT, UNBLOCK, COIDDEATH…) do not use the pool, and are
    /// never dropped.
    ///
    /// The background thread keeps the books of such a channel, whether anybody receives or not, so each of its
    /// pulses costs a system call and some microseconds of that thread.
    ///
    /// # Where it differs from QNX
    /// - A client process has a bounded share of the pool, and gets `EAGAIN` beyond it: no single client can use
    ///   up the pool.
    /// - A pulse uses the pool until it is received, also while a receiver is waiting.
    /// - A channel without a pool has 128 pulses for each client, and no pool that all processes share.
    ///
    /// # Errors
    /// As [`create`](Self::create), and
    /// - `EINVAL`: a pool without pulses, or a share that is 0 or too large.
    /// - `EOVERFLOW`: more than 65,536 pulses.
    /// - `ENOMEM`: no memory for it.
    #[doc(alias = "ChannelCreatePulsePool")]
    pub fn with_pulse_pool(options: ChannelOptions, pool: PulsePool) -> Result<Self> {
        let flags = options.flags | ChannelFlags::PULSE_POOL;
        Self::make(ChannelOptions { flags, ..options }, Some(pool))
    }
}

impl Shared {
    /// Gives a new channel its pool, before anybody can attach.
    pub(super) fn use_pool(this: &Arc<Self>, terms: PulsePool) -> Result<()> {
        let pool = Pool::new(terms)?;
        let share = pool.share();
        let bells = Epoll::new()?;
        let watched = PrivateFd::new(bells.as_fd().try_clone_to_owned()?);
        {
            let mut state = this.lock();
            state.queue.use_pool(pool);
            // Another thread of this process may have attached to the number already.
            for (key, client) in &state.clients {
                if let Client::Live(link) = client {
                    link.share_pulses(share);
                    bells.add(&link.bell, key as u64, BELL)?;
                }
            }
            let _ = this.pool_bells.set(bells);
        }
        process::current().watch_pool(this, watched)
    }

    /// The background thread: some client has rung. Takes in what there is, so that a pulse that finds the pool
    /// empty is noticed while nobody receives.
    pub(crate) fn keep_books(&self) {
        let Some(bells) = self.pool_bells.get() else {
            return;
        };
        let mut events = Vec::new();
        let mut state = self.lock();
        // At most 32 clients at a time: what is left makes the set ready again.
        if bells.wait(Some(Instant::now()), &mut events).is_err() || state.destroyed {
            return;
        }
        for event in &events {
            let key = usize::try_from(event.token).ok();
            if let Some(link) = key.and_then(|key| state.link(key)).map(Arc::clone) {
                state.drain(&link);
            }
        }
        if !state.queue.is_empty() {
            self.call_receiver(&state);
        }
    }

    /// Puts a pulse that this process's program sends into the queue.
    pub(super) fn offer_pulse(&self, pulse: Pulse, flags: PulseFlags) -> Result<()> {
        let mut state = self.lock();
        if state.destroyed {
            return Err(Errno::SRCH);
        }
        let offered = state.queue.offer(PendingPulse::of_program(pulse), flags);
        self.call_receiver(&state);
        match offered {
            Offered::Dropped => Err(Errno::AGAIN),
            Offered::Queued | Offered::Merged => Ok(()),
        }
    }
}
