//! The flag words of channels and connections.

use super::Credentials;
use resmgr_sys::process;

bitflags::bitflags! {
    /// What a channel does beside receiving. The numbers are QNX's.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    #[doc(alias = "_NTO_CHF")]
    pub struct ChannelFlags: u32 {
        /// Receivers keep their own priority.
        #[doc(alias = "_NTO_CHF_FIXED_PRIORITY")]
        const FIXED_PRIORITY = 0x0001;
        /// A blocked client that wants to give up becomes a pulse, and stays blocked until the reply.
        #[doc(alias = "_NTO_CHF_UNBLOCK")]
        const UNBLOCK = 0x0002;
        /// A pulse when the last connection of a client process goes. The server must then detach the
        /// scoid of the pulse, or the id stays taken.
        #[doc(alias = "_NTO_CHF_DISCONNECT")]
        const DISCONNECT = 0x0008;
        /// A pulse to this channel for each connection of this process whose server goes.
        #[doc(alias = "_NTO_CHF_COID_DISCONNECT")]
        const COID_DISCONNECT = 0x0040;
        /// The channel has a pool of pulses of its own: set by
        /// [`Channel::with_pulse_pool`](super::Channel::with_pulse_pool).
        #[doc(alias = "_NTO_CHF_PULSE_POOL")]
        const PULSE_POOL = 0x0100;
        /// Only this process may attach; others get `EPERM`.
        #[doc(alias = "_NTO_CHF_PRIVATE")]
        const PRIVATE = 0x1000;
    }
}

bitflags::bitflags! {
    /// What a connection does beside sending. The numbers are QNX's.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    #[doc(alias = "_NTO_COF")]
    pub struct ConnectFlags: u32 {
        /// An id in the descriptor space is closed by exec.
        #[doc(alias = "_NTO_COF_CLOEXEC")]
        const CLOEXEC = 0x0001;
        /// The server has gone (reported, never set).
        #[doc(alias = "_NTO_COF_DEAD")]
        const DEAD = 0x0002;
        /// The server may deliver only events that were registered. As connections to one channel share what
        /// lies underneath, one that asks for this asks for all of them, until the last one goes.
        #[doc(alias = "_NTO_COF_REG_EVENTS")]
        const REG_EVENTS = 0x2000;
    }
}

/// Which users may attach to a channel. Checked by the server, with what the kernel says of the client.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ConnectRights {
    /// The server's own user, and root.
    #[default]
    Owner,
    /// The server's own user, root, and clients whose effective group is this one.
    Group(u32),
    /// Everybody who can reach the socket.
    Anyone,
}

impl ConnectRights {
    /// Whether a process with these credentials may attach.
    pub(crate) fn permit(self, client: &Credentials) -> bool {
        client.uid == 0
            || client.uid == process::effective_uid()
            || match self {
                Self::Owner => false,
                Self::Group(gid) => client.gid == gid,
                Self::Anyone => true,
            }
    }
}
