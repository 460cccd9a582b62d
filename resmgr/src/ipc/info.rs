//! What each side may know of the other.

use super::{ChannelId, Coid, ConnectFlags, Scoid};

/// A process and its ids, as the kernel gave them when it connected; or as a client passes them on for
/// another program (see [`MessageInfo::credentials`]).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[doc(alias = "_cred_info")]
pub struct Credentials {
    /// Process.
    pub pid: u32,
    /// Effective user.
    pub uid: u32,
    /// Effective group.
    pub gid: u32,
}

/// What a server may know of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[doc(alias = "_msg_info")]
pub struct MessageInfo {
    /// The client's process, as the kernel says.
    pub pid: u32,
    /// The client's thread, as the client says.
    pub tid: u32,
    /// The channel that it arrived on.
    pub chid: ChannelId,
    /// The client process on this channel.
    pub scoid: Scoid,
    /// The client's connection, as the client says: with `scoid` it names one of its descriptors.
    pub coid: Coid,
    /// The sender's priority.
    pub priority: u8,
    /// Bytes that the receive copied.
    #[doc(alias = "msglen")]
    pub len: usize,
    /// Bytes that the client sent; what did not fit is reached by [`Message::read`](super::Message::read).
    #[doc(alias = "srcmsglen")]
    pub source_len: usize,
    /// Room that the client has for the reply.
    #[doc(alias = "dstmsglen")]
    pub reply_len: usize,
    /// On whose behalf the message is: the client itself, or whom it names if it runs as root or as the
    /// server's own user (a mount passes on the ids of the program that called it).
    pub credentials: Credentials,
}

/// What a server may know of a client process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[doc(alias = "_client_info")]
#[doc(alias = "ConnectClientInfo")]
pub struct ClientInfo {
    /// The process behind the scoid, from the kernel.
    pub credentials: Credentials,
}

/// What a client may know of the server behind a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[doc(alias = "_server_info")]
#[doc(alias = "ConnectServerInfo")]
pub struct ServerInfo {
    /// Its node: 0, this machine.
    pub nd: u32,
    /// The server's process.
    pub pid: u32,
    /// Its channel.
    pub chid: ChannelId,
    /// This process's id there.
    pub scoid: Scoid,
    /// The connection.
    pub coid: Coid,
    /// The connection's flags; `DEAD` when the server has gone.
    pub flags: ConnectFlags,
}
