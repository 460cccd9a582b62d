//! [`Limits`]: what one client may take of a manager.
//!
//! A client is a process that has connected. What it takes is counted in this process, and is given back when it is
//! closed, answered or unlocked, and when the client dies; nobody else is refused anything because of it. All clients of
//! one user together have [`per_user`](Limits::per_user) times as much, so that many processes do not get further than
//! a few. Root and the server's own user are bounded client by client only.
//!
//! # What a client may take
//!
//! | limit | of what | default | one user | beyond it |
//! |---|---|---|---|---|
//! | `channel.clients` | processes that are clients, over all users | 65,520 | no | `ENFILE` from the first open |
//! | `channel.clients_per_user` | processes of one user that are clients | 256 | itself | `EUSERS` from the first open |
//! | `channel.calls` | calls under way of one process | 1,024 | no | `EAGAIN` from any call |
//! | `channel.bulk` | bytes of long messages under way, each way | 67,108,864 | no | `ENOMEM` from a long read or write, `EMSGSIZE` if it never fits |
//! | `opens` | open connections, duplicates among them | 65,536 | times | `EMFILE` from open and dup; `ENFILE` for the user's |
//! | `locks` | locks of ranges on one file, each wait for one counting as two | 1,024 | no | `ENOLCK` from fcntl |
//! | `all_locks` | locks of ranges on all files together | 65,536 | times | `ENOLCK` from fcntl |
//! | `waiting` | calls that the server has put off: deferred, asynchronous, in line, or waiting for a lock | 1,024 | times | `EAGAIN` from the call |
//! | `waiting_bytes` | bytes that are kept for those calls | 67,108,864 | times | `ENOMEM` from the call |
//! | `armed` | notifications that are armed on all files together | 65,536 | times | `EAGAIN` from ionotify and poll |
//!
//! Beside these, a file has at most [`LOCKS_PER_FILE`](crate::resource::LOCKS_PER_FILE) locks of all clients, and each
//! [`Waiters`](crate::resource::Waiters) has bounds of its own for the calls and notifications of one client.

use crate::ipc::ChannelLimits;
use crate::resource::{LOCKS_PER_OWNER, Most};

/// How many open connections one client process may have with one manager, unless its
/// [limits](super::Manager::limits) say otherwise.
pub const OPENS_PER_CLIENT: usize = 65_536;

/// What one client process may take of a manager: see [the table](self).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// What is bounded where messages come in. It holds for clients that come from then on.
    pub channel: ChannelLimits,
    /// Open connections, duplicates among them; beyond it, `EMFILE` from open() and dup().
    pub opens: usize,
    /// Locks of ranges on one file, each wait for one counting as two; beyond it, `ENOLCK`. It holds for files that have
    /// no lock yet.
    pub locks: usize,
    /// Locks of ranges on all files together; beyond it, `ENOLCK`.
    pub all_locks: usize,
    /// Calls that the server has put off; beyond it, `EAGAIN`.
    pub waiting: usize,
    /// Bytes that are kept for those calls: data that came with them, and for asynchronous handlers the room for what
    /// goes back. Beyond it, `ENOMEM`.
    pub waiting_bytes: usize,
    /// Notifications that are armed on all files together, each request being one; beyond it, `EAGAIN`.
    pub armed: usize,
    /// All clients of a user together may have so many times as much (opens, all locks, calls and bytes that wait,
    /// notifications). The error is the client's; for opens it is `ENFILE`. Not for root and the server's own user.
    pub per_user: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            channel: ChannelLimits::default(),
            opens: OPENS_PER_CLIENT,
            locks: LOCKS_PER_OWNER,
            all_locks: 65_536,
            waiting: 1024,
            waiting_bytes: 64 << 20,
            armed: 65_536,
            per_user: 8,
        }
    }
}

impl Limits {
    /// A client's bound, and its user's.
    pub(super) fn most(&self, client: usize) -> Most {
        Most {
            client,
            user: client.saturating_mul(self.per_user),
        }
    }
}
