//! Connections that are kept, one to each server, so that an open need not make a link and end it again.
//!
//! All connections of this process to a channel share one link: a second one costs next to nothing, the
//! first one a handshake and two pieces of shared memory. A program that opens one file at a time, as
//! `cat` does, would pay for that each time; so would each stat(2). On one processor, open and close through
//! the mount took 260 µs without a connection that stays and take 68 µs with one, stat(2) 220 and 50 µs
//! (`fuse/open-close` and `fuse/stat` of the benchmark, Xeon, Linux 6.18, 2026-11-22).
//!
//! Invariants: at most [`MOST`] are kept, the oldest go first. A connection to a server that has gone is
//! dropped with the next request that fails, or when another one is kept. It is made on the way to the
//! server, where the request would have made one: so it waits for nobody whom the request does not wait for.

use crate::serving::traffic::Key;
use resmgr::ipc::{ChannelId, ConnectFlags, Connection};
use resmgr_namespace::Entry;
use resmgr_sys::{Errno, Result};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Most at one time: each takes descriptors and memory on both sides.
const MOST: usize = 64;

/// Who answers for a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Server {
    /// With whom requests are counted.
    pub(crate) key: Key,
    /// The channel of that process.
    channel: ChannelId,
    /// Which process of that number, as the namespace says: another one is not spoken to.
    identity: u64,
}

impl Server {
    /// Nobody but the namespace.
    pub(crate) const NAMES: Self = Self {
        key: Key::Names,
        channel: ChannelId::from_raw(0),
        identity: 0,
    };

    /// The channel that a name leads to.
    pub(crate) fn of(entry: &Entry) -> Self {
        Self {
            key: Key::Process(entry.pid),
            channel: ChannelId::from_raw(entry.chid.cast_unsigned()),
            identity: entry.identity,
        }
    }
}

/// The connections, the oldest first.
#[derive(Debug, Default)]
pub(crate) struct Lines(Mutex<Vec<(Server, Connection)>>);

impl Lines {
    fn lock(&self) -> MutexGuard<'_, Vec<(Server, Connection)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps a connection to a server from now on. Most reasons why there can be none are no business of this
    /// module: the request itself will meet them.
    ///
    /// # Errors
    /// - `ETIMEDOUT`: the server does not answer, and the request need not find that out once more.
    pub(crate) fn keep(&self, server: Server) -> Result<()> {
        let Key::Process(pid) = server.key else {
            return Ok(());
        };
        if self.lock().iter().any(|(known, _)| *known == server) {
            return Ok(());
        }
        // Outside the lock, since it may wait.
        let connection = match Connection::attach_to(pid, server.identity, server.channel) {
            Ok(connection) => connection,
            Err(Errno::TIMEDOUT) => return Err(Errno::TIMEDOUT),
            Err(_) => return Ok(()),
        };
        let mut gone = self.take_dead();
        let mut lines = self.lock();
        // Another thread may have been faster; then there are two, which is no harm.
        if lines.len() >= MOST {
            gone.push(lines.remove(0));
        }
        lines.push((server, connection));
        drop(lines);
        drop(gone);
        Ok(())
    }

    /// Drops the connections to servers that have gone.
    pub(crate) fn sweep(&self) {
        drop(self.take_dead());
    }

    /// What is returned is dropped outside the lock.
    fn take_dead(&self) -> Vec<(Server, Connection)> {
        let dead = |line: &mut (Server, Connection)| {
            line.1.server_info().flags.contains(ConnectFlags::DEAD)
        };
        self.lock().extract_if(.., dead).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::{Lines, Server};
    use crate::state::names::tests::entry;
    use resmgr::ipc::{Channel, ChannelFlags};
    use resmgr_namespace::{AttachFlags, Entry};
    use resmgr_sys::pidfd::PidFd;

    #[test]
    fn one_connection_is_kept_while_its_channel_lives() {
        let lines = Lines::default();
        let channel = Channel::create(ChannelFlags::PRIVATE).unwrap();
        let pid = std::process::id();
        let own = Entry {
            chid: channel.id().raw().cast_signed(),
            identity: PidFd::open(pid).unwrap().identity(pid).unwrap(),
            ..entry(pid, 1, AttachFlags::empty())
        };
        let server = Server::of(&own);
        lines.keep(server).unwrap();
        lines.keep(server).unwrap();
        lines.keep(Server::NAMES).unwrap();
        let (mut nobody, mut other) = (own, own);
        nobody.chid = 9_999;
        // Its number and channel are the same, and it is not the one that the namespace named.
        other.identity += 1;
        lines.keep(Server::of(&nobody)).unwrap();
        lines.keep(Server::of(&other)).unwrap();
        assert_eq!(lines.lock().len(), 1);
        lines.sweep();
        assert_eq!(lines.lock().len(), 1);
        channel.destroy();
        lines.sweep();
        assert!(lines.lock().is_empty());
    }
}
