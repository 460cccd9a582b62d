//! Links whose other end is the test, and the handshake's packets as bytes; see [`crate::fuzzing`].

use super::handshake::{Hello, Welcome};
use super::link::{LinkMemory, ServerLink};
use super::{Channel, Connection, Credentials, Scoid};
use resmgr_sys::Result;
use resmgr_sys::epoll::EventFd;
use resmgr_sys::memory::Region;
use resmgr_sys::pidfd::PidFd;
use std::sync::Arc;

/// A client of a channel that is nothing but memory and a bell.
#[derive(Debug)]
pub struct RawClient {
    /// The client's part of the link.
    pub client: Arc<Region>,
    /// The server's part.
    pub server: Arc<Region>,
    /// Who it is to the server.
    pub scoid: Scoid,
    bell: EventFd,
    link: Arc<ServerLink>,
}

impl RawClient {
    /// A client of this user. With `direct`, its messages may lie in this process's own memory.
    ///
    /// # Errors
    /// As [`Connection::attach`].
    pub fn attach(channel: &Channel, uid: u32, direct: bool) -> Result<Self> {
        let memory = LinkMemory::local(channel.shared().layout())?;
        let (client, server) = (Arc::clone(&memory.client), Arc::clone(&memory.server));
        let bell = EventFd::new()?;
        let far_bell = bell.try_clone()?;
        let peer = Credentials {
            pid: std::process::id(),
            uid,
            gid: uid,
        };
        let process = direct.then(|| PidFd::open(peer.pid)).transpose()?;
        let chid = channel.id();
        let link = channel.shared().add_client(|scoid| {
            let mut link = ServerLink::new((chid, scoid), peer, memory, far_bell, None);
            link.direct = process;
            link
        })?;
        Ok(Self {
            client,
            server,
            scoid: link.scoid,
            bell,
            link,
        })
    }

    /// Rings.
    pub fn ring(&self) {
        self.bell.ring();
    }

    /// Whether the server has closed the link.
    pub fn is_cut(&self) -> bool {
        self.link.is_gone()
    }

    /// What the background thread does when it learns that the client has gone.
    pub fn go(&self, channel: &Channel) {
        channel.shared().client_gone(&self.link);
    }
}

/// Both parts of a connection's link: the client's and the server's.
pub fn memory(connection: &Connection) -> (Arc<Region>, Arc<Region>) {
    let memory = &connection.link().memory;
    (Arc::clone(&memory.client), Arc::clone(&memory.server))
}

/// Decodes what a client says first, and encodes it again.
///
/// # Errors
/// The decoder's own.
pub fn hello(packet: &[u8]) -> Result<Vec<u8>> {
    Hello::decode(packet).map(|hello| hello.encode().to_vec())
}

/// Decodes what a server answers, and encodes it again.
///
/// # Errors
/// The decoder's own.
pub fn welcome(packet: &[u8]) -> Result<Vec<u8>> {
    Welcome::decode(packet).map(|welcome| welcome.encode().to_vec())
}

/// What an inspector makes of a process's answer; how many records it took.
///
/// # Errors
/// The decoder's own.
pub fn inspected(packet: &[u8]) -> Result<usize> {
    super::inspect::taken(packet)
}

/// The same of a tracer.
///
/// # Errors
/// The decoder's own.
pub fn traced(packet: &[u8]) -> Result<usize> {
    super::inspect::traced(packet)
}
