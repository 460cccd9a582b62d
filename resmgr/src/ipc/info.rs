//! What each side may know of the other.

use super::{ChannelId, ClientFlags, Coid, ConnectFlags, MessageFlags, Scoid, timeout};
use resmgr_sys::process;
use resmgr_sys::who::{self, Who};

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
    /// The client's node: 0, this machine.
    pub nd: u32,
    /// The server's node as the client names it: 0.
    #[doc(alias = "srcnd")]
    pub source_nd: u32,
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
    /// What is special, at the time of asking.
    pub flags: MessageFlags,
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

/// One of a process's ids in its three forms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ids {
    /// Who started it.
    pub real: u32,
    /// Who it acts as.
    pub effective: u32,
    /// Who it may act as again.
    pub saved: u32,
}

impl From<[u32; 3]> for Ids {
    fn from([real, effective, saved]: [u32; 3]) -> Self {
        Self {
            real,
            effective,
            saved,
        }
    }
}

/// What a server may know of a client process. All of it comes from the system, nothing from the client.
#[derive(Clone, Debug, PartialEq, Eq)]
#[doc(alias = "_client_info")]
#[doc(alias = "ConnectClientInfo")]
#[doc(alias = "ConnectClientInfoExt")]
pub struct ClientInfo {
    /// Its node: 0, this machine.
    pub nd: u32,
    /// Process, effective user and effective group, as they were when it attached. A client that changes its
    /// user afterwards stays whom the channel has let in, unlike in QNX.
    pub credentials: Credentials,
    /// Its supplementary groups when it attached. The system has a bound of 65,536; QNX's call has the caller's.
    pub groups: Vec<u32>,
    /// Its session now; 0 if it cannot be told (it has ended, or the system hides it from this user).
    pub sid: u32,
    /// Its user now, if that can be told; else the effective one of the attach in all three.
    pub user_ids: Ids,
    /// The same for its group.
    pub group_ids: Ids,
    /// What is special about it now.
    pub flags: ClientFlags,
}

impl ClientInfo {
    /// This process itself: what QNX answers for the scoid -1.
    #[doc(alias = "ConnectClientInfo")]
    pub fn of_self() -> Self {
        timeout::clear();
        let now = who::who(std::process::id()).ok();
        let groups = now.as_ref().map_or_else(Vec::new, |now| now.groups.clone());
        Self::new(Credentials::of_self(), groups, now)
    }

    /// A client with what can be told of it now.
    pub(super) fn new(credentials: Credentials, groups: Vec<u32>, now: Option<Who>) -> Self {
        let mut flags = ClientFlags::FULL_GROUPS;
        flags.set(ClientFlags::ENDIAN_BIG, cfg!(target_endian = "big"));
        let now = now.unwrap_or_else(|| Who {
            uids: [credentials.uid; 3],
            gids: [credentials.gid; 3],
            ..Who::default()
        });
        flags.set(ClientFlags::BACKGROUND, now.in_background);
        flags.set(ClientFlags::STOPPED, now.is_stopped);
        Self {
            nd: 0,
            credentials,
            groups,
            sid: now.session,
            user_ids: now.uids.into(),
            group_ids: now.gids.into(),
            flags,
        }
    }
}

impl Credentials {
    /// This process.
    pub(super) fn of_self() -> Self {
        Self {
            pid: std::process::id(),
            uid: process::effective_uid(),
            gid: process::effective_gid(),
        }
    }
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
