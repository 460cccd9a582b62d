//! Connections by number: what interfaces need that have numbers only.

use super::attachment::Attachment;
use super::attachments::NewId;
use super::inherited::{self, Text};
use super::rendezvous::Which;
use super::{Coid, Connection, ServerInfo, process, timeout};
use resmgr_sys::standin::StandIn;
use resmgr_sys::{Errno, Result};
use std::ops::Deref;
use std::os::fd::{AsRawFd, IntoRawFd, OwnedFd};
use std::sync::Arc;

/// A connection that somebody else owns, found by its number. Dropping it detaches nothing.
#[derive(Debug)]
pub struct ConnectionRef(Connection);

impl Deref for ConnectionRef {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        &self.0
    }
}

impl Connection {
    /// The connection with this number, whoever owns it.
    ///
    /// It stays what it is: when it is detached meanwhile, its calls fail with `EBADF`, also if the number is
    /// another connection's by then. A number in the descriptor space that a parent of this process made, or
    /// that `dup` made, becomes a connection here (see [`Connection`]); only that may have to wait.
    ///
    /// # Errors
    /// - `EBADF`: no connection has this number.
    /// - for one that is inherited: as [`attach`](Self::attach), `ESRCH` if its channel has gone.
    pub fn by_id(coid: Coid) -> Result<ConnectionRef> {
        let process = process::current();
        let found = process.connections.get(coid);
        let found = found.map_or_else(|| find(coid), Ok)?;
        Ok(ConnectionRef(Self::user(found)))
    }

    /// The connection that a descriptor stands for, which this program was started with, or which another
    /// program has sent it: this process attaches with its own rights.
    ///
    /// # Errors
    /// As [`by_id`](Self::by_id). The descriptor is closed then.
    pub fn from_descriptor(fd: OwnedFd) -> Result<Self> {
        let coid = Coid(fd.as_raw_fd());
        let found = lookup(coid).map_or_else(|| find(coid), Ok)?;
        let _ = fd.into_raw_fd();
        Ok(Self::owner(found))
    }

    /// The connection with this number, or the one with the next higher: compare the `coid` of the answer. Dead
    /// ones are there until they are detached, with the flag DEAD.
    ///
    /// Inherited connections that have not been used yet are found by their own number only.
    ///
    /// # Errors
    /// - `EINVAL`: there is none.
    #[doc(alias = "ConnectServerInfo")]
    pub fn info_from(coid: Coid) -> Result<ServerInfo> {
        timeout::clear();
        if lookup(coid).is_none()
            && let Ok(found) = find(coid)
        {
            return Ok(found.info());
        }
        let found = scan(coid, |_| true).ok_or(Errno::INVAL)?;
        Ok(found.info())
    }

    /// The same without the dead ones, and only the number: what QNX answers when it is given no place for more.
    /// Whoever receives a COID_DEATH pulse asks this before cleaning up: if the answer is the pulse's value, the
    /// number is another connection's by then.
    ///
    /// # Errors
    /// - `EINVAL`: there is none.
    #[doc(alias = "ConnectServerInfo")]
    pub fn live_from(coid: Coid) -> Result<Coid> {
        timeout::clear();
        let found = scan(coid, |attachment| !attachment.link.is_dead());
        found.map(|found| found.coid).ok_or(Errno::INVAL)
    }

    /// Detaches the connection with this number, whoever owns it. Threads that are blocked in a send on it fail
    /// with `EBADF`, whatever the channel's UNBLOCK flag says; other connections to the same channel go on. A
    /// server that has such a message finds its answer to be `ESRCH`, and an UNBLOCK channel gets the pulse.
    ///
    /// # Errors
    /// - `EINVAL`: no connection has this number.
    #[doc(alias = "ConnectDetach")]
    pub fn detach_id(coid: Coid) -> Result<()> {
        timeout::clear();
        if let Some(found) = lookup(coid) {
            process::current().detach(&found);
            return Ok(());
        }
        // Inherited and never used: the server does not know of it.
        said(coid).map(drop).map_err(|_| Errno::INVAL)
    }
}

/// The connection with this number, if the number still means it: else it is detached on the way.
fn lookup(coid: Coid) -> Option<Arc<Attachment>> {
    let found = process::current().connections.get(coid)?;
    if found.is_there() {
        return Some(found);
    }
    process::current().detach(&found);
    None
}

/// The first from `coid` on that is there and `wanted`.
fn scan(coid: Coid, wanted: impl Fn(&Attachment) -> bool) -> Option<Arc<Attachment>> {
    let mut from = coid;
    loop {
        let found = process::current().connections.from(from)?;
        if !found.is_there() {
            process::current().detach(&found);
        } else if wanted(&found) {
            return Some(found);
        }
        from = Coid(found.coid.0.checked_add(1)?);
    }
}

/// What the descriptor with this number says, if it stands for a connection.
fn said(coid: Coid) -> Result<(StandIn, Text)> {
    if coid.is_side_channel() {
        return Err(Errno::BADF);
    }
    let mut bytes = [0; Text::BYTES];
    let stand_in = StandIn::adopt(coid.0, &mut bytes)?;
    match Text::decode(&bytes) {
        Ok(text) => Ok((stand_in, text)),
        Err(errno) => {
            stand_in.leave();
            Err(errno)
        }
    }
}

/// Makes the connection that an inherited descriptor stands for.
fn find(coid: Coid) -> Result<Arc<Attachment>> {
    let (stand_in, text) = said(coid)?;
    // It stays open whatever comes of this.
    stand_in.leave();
    let (id, flags) = (NewId::Found(coid.0), inherited::found_flags(text.flags));
    process::current().attach(text.target, Which::born(text.birth), id, flags)
}
