//! Channels: where a server receives.

use super::{ChannelFlags, ChannelId, ClientInfo, ConnectRights, Message, Pulse, Scoid};
use resmgr_sys::Result;
use resmgr_sys::clock::Deadline;
use std::io::IoSliceMut;

/// How a receiver or a sender waits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Waiting {
    /// Spins for a short time while that has been paying off, then sleeps.
    #[default]
    Adaptive,
    /// Sleeps at once.
    Block,
    /// Never sleeps: for measurements and for threads that own a processor.
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
}

/// What a receive returns.
#[derive(Debug)]
pub enum Received {
    /// A message; its first bytes are in the buffer.
    Message(Message),
    /// A pulse.
    Pulse(Pulse),
}

/// A channel of this process. Clones name the same channel; it is destroyed when the last one goes.
#[derive(Clone, Debug)]
pub struct Channel;

impl Channel {
    /// Makes a channel.
    #[doc(alias = "ChannelCreate")]
    pub fn create(flags: ChannelFlags) -> Result<Self> {
        Self::with_options(ChannelOptions {
            flags,
            ..ChannelOptions::default()
        })
    }

    /// Makes a channel with every choice.
    pub fn with_options(_options: ChannelOptions) -> Result<Self> {
        unimplemented!()
    }

    /// Its id, unique in this process.
    pub fn id(&self) -> ChannelId {
        unimplemented!()
    }

    /// Waits for the next message or pulse.
    #[doc(alias = "MsgReceive")]
    pub fn receive(&self, buffer: &mut [u8]) -> Result<Received> {
        self.receive_until(buffer, None)
    }

    /// The same with a deadline (`ETIMEDOUT`).
    pub fn receive_until(&self, buffer: &mut [u8], deadline: Deadline) -> Result<Received> {
        self.receive_vectored(&mut [IoSliceMut::new(buffer)], deadline)
    }

    /// The same into several parts.
    #[doc(alias = "MsgReceivev")]
    pub fn receive_vectored(
        &self,
        _parts: &mut [IoSliceMut<'_>],
        _deadline: Deadline,
    ) -> Result<Received> {
        unimplemented!()
    }

    /// Waits for the next pulse; messages stay queued.
    #[doc(alias = "MsgReceivePulse")]
    pub fn receive_pulse(&self, _deadline: Deadline) -> Result<Pulse> {
        unimplemented!()
    }

    /// Puts a pulse into this channel's own queue.
    pub fn pulse(&self, _priority: u8, _code: i8, _value: i64) -> Result<()> {
        unimplemented!()
    }

    /// Frees a client's id after its DISCONNECT pulse, or cuts off a living client (its sends fail).
    pub fn detach_client(&self, _scoid: Scoid) -> Result<()> {
        unimplemented!()
    }

    /// Who a client is.
    #[doc(alias = "ConnectClientInfo")]
    pub fn client_info(&self, _scoid: Scoid) -> Result<ClientInfo> {
        unimplemented!()
    }

    /// Destroys the channel now, whoever else has a clone: everybody blocked on it gets `ESRCH`.
    #[doc(alias = "ChannelDestroy")]
    pub fn destroy(&self) {
        unimplemented!()
    }
}
