//! Connections: from where a client sends.

use super::{
    CancelToken, ChannelId, Coid, ConnectFlags, Credentials, SendError, ServerInfo, Waiting,
};
use resmgr_sys::Result;
use resmgr_sys::clock::Deadline;
use std::io::{IoSlice, IoSliceMut};

/// Which channel to attach to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Target {
    /// Node; only 0, this machine.
    pub nd: u32,
    /// Process; 0 for the caller's own.
    pub pid: u32,
    /// Channel of that process.
    pub chid: ChannelId,
}

/// Where the connection's id comes from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum IdSpace {
    /// Above every possible descriptor.
    #[default]
    #[doc(alias = "_NTO_SIDE_CHANNEL")]
    SideChannel,
    /// The lowest free descriptor from this number on: the id *is* a descriptor.
    Descriptor(i32),
}

/// What a send may have beside its data.
#[derive(Clone, Copy, Debug, Default)]
pub struct SendOptions<'a> {
    /// Place in the server's queue; `None` takes the thread's.
    pub priority: Option<u8>,
    /// Until when to wait for the answer.
    pub deadline: Deadline,
    /// For whom the message is, if not for this process. Servers believe it from root and from their own user.
    pub on_behalf: Option<Credentials>,
    /// How to wait.
    pub waiting: Waiting,
    /// What lets another thread ask for this send to end.
    pub cancel: Option<&'a CancelToken>,
}

/// An answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reply {
    /// What the server gave as status.
    pub status: i64,
    /// Bytes of the reply buffer that the server wrote, from its start.
    pub len: usize,
}

/// A connection to a channel. Dropping it detaches it.
#[derive(Debug)]
pub struct Connection;

impl Connection {
    /// Attaches to a channel of this machine, in the side-channel space.
    #[doc(alias = "ConnectAttach")]
    pub fn attach(_pid: u32, _chid: ChannelId) -> Result<Self> {
        unimplemented!()
    }

    /// Attaches with every choice.
    pub fn attach_with(_target: Target, _space: IdSpace, _flags: ConnectFlags) -> Result<Self> {
        unimplemented!()
    }

    /// Its id in this process.
    pub fn id(&self) -> Coid {
        unimplemented!()
    }

    /// The server behind it.
    #[doc(alias = "ConnectServerInfo")]
    pub fn server_info(&self) -> ServerInfo {
        unimplemented!()
    }

    /// Sends and waits for the answer.
    #[doc(alias = "MsgSend")]
    pub fn send(&self, message: &[u8], reply: &mut [u8]) -> Result<Reply, SendError> {
        let (message, reply) = (&[IoSlice::new(message)], &mut [IoSliceMut::new(reply)]);
        self.send_with(message, reply, SendOptions::default())
    }

    /// The same with vectors and options.
    #[doc(alias = "MsgSendv")]
    pub fn send_with(
        &self,
        _message: &[IoSlice<'_>],
        _reply: &mut [IoSliceMut<'_>],
        _options: SendOptions<'_>,
    ) -> Result<Reply, SendError> {
        unimplemented!()
    }

    /// Sends a pulse; `None` takes the thread's priority.
    #[doc(alias = "MsgSendPulse")]
    pub fn send_pulse(&self, _priority: Option<u8>, _code: i8, _value: i64) -> Result<()> {
        unimplemented!()
    }

    /// Detaches now; dropping does the same.
    #[doc(alias = "ConnectDetach")]
    pub fn detach(self) {}
}
