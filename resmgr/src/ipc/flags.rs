//! The flag words of channels and connections.

use super::Credentials;
use resmgr_sys::process;

bitflags::bitflags! {
    /// What a channel does beside receiving. The numbers are QNX's.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    #[doc(alias = "_NTO_CHF")]
    pub struct ChannelFlags: u32 {
        /// Receivers keep their own priority, and nobody raises them. Without it they take the sender's with each message and pulse (see
        /// [`set_priority`](super::set_priority)).
        #[doc(alias = "_NTO_CHF_FIXED_PRIORITY")]
        const FIXED_PRIORITY = 0x0001;
        /// A blocked client that wants to give up becomes a pulse, and stays blocked until the reply.
        #[doc(alias = "_NTO_CHF_UNBLOCK")]
        const UNBLOCK = 0x0002;
        /// A pulse for each thread of this process that ends, to each channel with the flag; the value is the
        /// thread's number. The ends of threads that this library has never heard of, and that begin and end
        /// between two receives, are not seen; kernels before 6.9 tell no ends, and there that of a
        /// thread which never calls this library is noticed before a receiver sleeps only.
        #[doc(alias = "_NTO_CHF_THREAD_DEATH")]
        const THREAD_DEATH = 0x0004;
        /// A pulse when the last connection of a client process goes. The server must then detach the
        /// scoid of the pulse, or the id stays taken.
        #[doc(alias = "_NTO_CHF_DISCONNECT")]
        const DISCONNECT = 0x0008;
        /// Messages from other nodes may come. There are none: nothing changes.
        #[doc(alias = "_NTO_CHF_NET_MSG")]
        const NET_MSG = 0x0010;
        /// The length of a message is known also when its sender is on another node. It is always known
        /// here: nothing changes.
        #[doc(alias = "_NTO_CHF_SENDER_LEN")]
        const SENDER_LEN = 0x0020;
        /// A pulse to this channel for each connection of this process whose server goes.
        #[doc(alias = "_NTO_CHF_COID_DISCONNECT")]
        const COID_DISCONNECT = 0x0040;
        /// The room for a reply is known also when the sender is on another node. It is always known here:
        /// nothing changes.
        #[doc(alias = "_NTO_CHF_REPLY_LEN")]
        const REPLY_LEN = 0x0080;
        /// The channel has a pool of pulses of its own: set by
        /// [`Channel::with_pulse_pool`](super::Channel::with_pulse_pool).
        #[doc(alias = "_NTO_CHF_PULSE_POOL")]
        const PULSE_POOL = 0x0100;
        /// Only this process may attach; others get `EPERM`.
        #[doc(alias = "_NTO_CHF_PRIVATE")]
        const PRIVATE = 0x1000;
        /// The server knows what to do with pulses that resume a paused message. There are none, as on QNX 8
        /// (see [`Message::pause`](super::Message::pause)): nothing changes.
        #[doc(alias = "_NTO_CHF_MSG_PAUSING")]
        const MSG_PAUSING = 0x2000;
        /// A receiver takes over the sender's processors, and has its own again when it receives a pulse, or
        /// on a channel without this flag. The kernel is asked for those of the sender's thread; where it
        /// names none of the client's (a client in another pid namespace), or lets this process use none of
        /// them (a cpuset), the receiver keeps its own, and [`statistics`](super::statistics()) counts that.
        #[doc(alias = "_NTO_CHF_INHERIT_RUNMASK")]
        const INHERIT_RUNMASK = 0x4000;
        /// A client's deadline asks by a pulse of another code than its signals. Here both ask by
        /// UNBLOCK pulses, so it changes nothing; with [`UNBLOCK`](Self::UNBLOCK) beside it, as ever.
        #[doc(alias = "_NTO_CHF_UNBLOCK_TIMER")]
        const UNBLOCK_TIMER = 0x8000;
    }
}

bitflags::bitflags! {
    /// What a connection does beside sending. The numbers are QNX's.
    ///
    /// Those that only other releases or a network have are refused with `ENOTSUP`: LOCAL, ALLOWED (NETCON),
    /// NONBLOCK, ASYNC, PIPE (GLOBAL) and DUP2.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    #[doc(alias = "_NTO_COF")]
    pub struct ConnectFlags: u32 {
        /// An id in the descriptor space is closed by exec: it is the descriptor's own flag. Side-channel ids
        /// never survive exec.
        #[doc(alias = "_NTO_COF_CLOEXEC")]
        const CLOEXEC = 0x0001;
        /// The server has gone (reported, never set).
        #[doc(alias = "_NTO_COF_DEAD")]
        const DEAD = 0x0002;
        /// No child has an id in the descriptor space: in a forked one the number stays taken, but names no
        /// connection (`EBADF`), and exec closes it, since nothing tells the exec of a new child from another.
        #[doc(alias = "_NTO_COF_NOINHERIT")]
        const NOINHERIT = 0x0004;
        /// The connection shares nothing with others of this process: the server sees a client of its own.
        /// Said when attaching; not changed later.
        #[doc(alias = "_NTO_COF_NOSHARE")]
        const NOSHARE = 0x0040;
        /// A mark for the program, with no effect: events come as without it. What is known of QNX's flag is its
        /// name and number, and not which events it would hold back, or what their server would be told.
        /// [`REG_EVENTS`](Self::REG_EVENTS) restricts what may come.
        #[doc(alias = "_NTO_COF_NOEVENT")]
        const NOEVENT = 0x0800;
        /// A mark for the program, with no effect. A connection that a program with more rights than whoever
        /// started it finds among its descriptors has it.
        #[doc(alias = "_NTO_COF_INSECURE")]
        const INSECURE = 0x1000;
        /// The server may deliver only events that were registered. As connections to one channel share what
        /// lies underneath, one that asks for this asks for all of them, until the last one goes; to take the flag
        /// away again changes nothing before that.
        #[doc(alias = "_NTO_COF_REG_EVENTS")]
        const REG_EVENTS = 0x2000;
    }
}

bitflags::bitflags! {
    /// What is special about a message. The numbers are QNX's; those that only differing machines and networks
    /// have are never set.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    #[doc(alias = "_NTO_MI")]
    pub struct MessageFlags: u16 {
        /// The machine's byte order is big-endian.
        #[doc(alias = "_NTO_MI_ENDIAN_BIG")]
        const ENDIAN_BIG = 0x0001;
        /// The client has asked to be let go.
        #[doc(alias = "_NTO_MI_UNBLOCK_REQ")]
        const UNBLOCK_REQ = 0x0100;
        /// The client is a program of 64 bits, as everybody on this machine who can attach.
        #[doc(alias = "_NTO_MI_BITS_64")]
        const BITS_64 = 0x1000;
    }
}

impl MessageFlags {
    /// What is the same for every message.
    pub(crate) const MACHINE: Self = {
        let endian = if cfg!(target_endian = "big") {
            Self::ENDIAN_BIG
        } else {
            Self::empty()
        };
        let bits = if cfg!(target_pointer_width = "64") {
            Self::BITS_64
        } else {
            Self::empty()
        };
        endian.union(bits)
    };
}

bitflags::bitflags! {
    /// What is special about a client process. The numbers are QNX's; what this system does not tell of another
    /// process, or does not have, is never set.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    #[doc(alias = "_NTO_CI")]
    pub struct ClientFlags: u32 {
        /// The machine's byte order is big-endian.
        #[doc(alias = "_NTO_CI_ENDIAN_BIG")]
        const ENDIAN_BIG = 0x0001;
        /// It runs in the background of its terminal.
        #[doc(alias = "_NTO_CI_BKGND_PGRP")]
        const BACKGROUND = 0x0004;
        /// It is stopped.
        #[doc(alias = "_NTO_CI_STOPPED")]
        const STOPPED = 0x0080;
        /// All its groups are told.
        #[doc(alias = "_NTO_CI_FULL_GROUPS")]
        const FULL_GROUPS = 0x8000_0000;
    }
}

/// Which users may attach to a channel. Checked by the server, with what the kernel says of the client.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ConnectRights {
    /// The server's own user, and root.
    #[default]
    Owner,
    /// The server's own user, root, and clients that are in this group: their effective one, or one of their
    /// supplementary groups.
    Group(u32),
    /// Everybody who can reach the socket.
    Anyone,
}

impl ConnectRights {
    /// Whether a process with these credentials may attach. Its `groups` are asked for only if they matter.
    pub(crate) fn permit(self, client: &Credentials, groups: impl FnOnce() -> Vec<u32>) -> bool {
        client.uid == 0
            || client.uid == process::effective_uid()
            || match self {
                Self::Owner => false,
                Self::Group(gid) => client.gid == gid || groups().contains(&gid),
                Self::Anyone => true,
            }
    }
}
