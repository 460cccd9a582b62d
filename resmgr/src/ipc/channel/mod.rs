//! Channels: where a server receives.

mod boost;
mod clients;
mod courtesy;
mod poll;
mod pooled;
mod receive;
mod shared;
mod snapshot;
mod state;
mod tokio;
mod turns;

use super::{
    ChannelFlags, ChannelId, ChannelLimits, ConnectRights, Message, Pulse, PulseFlags, PulsePool,
};
use super::{process, timeout};
use resmgr_sys::clock::Deadline;
use resmgr_sys::epoll::Ready;
use resmgr_sys::{Errno, Result};
pub(crate) use shared::Shared;
pub(crate) use snapshot::{ClientSeen, Seen as ChannelSeen};
pub(super) use state::SYSTEM_PRIORITY;
use std::io::IoSliceMut;
use std::sync::{Arc, Weak};
pub use tokio::AsyncChannel;
pub(crate) use turns::Turns;

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
/// pulses come by priority. Within one, clients take turns, each with what it has sent first; those that have one
/// thing in the queue are served as they came.
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

    /// The channel, for somebody who does not keep it.
    pub(super) fn downgrade(&self) -> Weak<Shared> {
        Arc::downgrade(&self.0.0)
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
        timeout::clear();
        super::priority::receiver::leave();
    }

    /// Puts a pulse into this channel's own queue.
    ///
    /// # Errors
    /// - `ESRCH`: the channel was destroyed.
    /// - `EAGAIN`: 128 of them are not yet received; or, if the channel has a pool of pulses, that is empty (and its
    ///   event has happened).
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

    /// Destroys the channel now, whoever else has a clone: everybody who is blocked on it gets `ESRCH`.
    #[doc(alias = "ChannelDestroy")]
    pub fn destroy(&self) {
        timeout::clear();
        self.shared().destroy();
    }
}
