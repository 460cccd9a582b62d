//! [`Pending`]: a command that a peer has begun.

use crate::observe::{until, waits_for_answer, waits_for_message};
use crate::{LIMIT, Peer};
use resmgr_sys::signal;
use std::cell::OnceCell;
use std::sync::mpsc::{Receiver, RecvTimeoutError};

/// What a peer says of a command that can have no answer any more.
pub(crate) const DIED: &str = "the process has ended";

/// A command under way in one thread of a peer.
#[derive(Debug)]
pub struct Pending {
    pub(crate) peer: Peer,
    pub(crate) command: String,
    pub(crate) lines: Receiver<String>,
    tid: OnceCell<u32>,
}

impl Pending {
    pub(crate) fn new(peer: Peer, command: &str, lines: Receiver<String>) -> Self {
        Self {
            peer,
            command: command.into(),
            lines,
            tid: OnceCell::new(),
        }
    }

    fn line(&self) -> String {
        match self.lines.recv_timeout(LIMIT) {
            Ok(line) => line,
            Err(RecvTimeoutError::Disconnected) => DIED.into(),
            Err(RecvTimeoutError::Timeout) => panic!(
                "no answer to {:?} of process {}",
                self.command,
                self.peer.pid()
            ),
        }
    }

    /// The thread that runs it.
    pub fn tid(&self) -> u32 {
        *self.tid.get_or_init(|| {
            let line = self.line();
            line.strip_prefix("at ")
                .map_or(0, |tid| tid.parse().unwrap())
        })
    }

    /// What came of it. Waits.
    pub fn end(self) -> String {
        self.tid();
        self.line()
    }

    /// Whether it is still under way.
    pub fn is_blocked(&self) -> bool {
        self.tid();
        match self.lines.try_recv() {
            Ok(line) => panic!("{:?} has ended: {line}", self.command),
            Err(error) => error == std::sync::mpsc::TryRecvError::Empty,
        }
    }

    /// Waits until the thread sleeps in its send, whether somebody has the message or not.
    pub fn sends(self) -> Self {
        self.is_sending();
        self
    }

    /// The same, for one that goes on.
    pub fn is_sending(&self) {
        let (pid, tid) = (self.peer.pid(), self.tid());
        let what = format!("{:?} is blocked in its send", self.command);
        until(&what, || waits_for_answer(pid, tid));
    }

    /// Waits until the thread sleeps in its receive.
    pub fn receives(self) -> Self {
        let (pid, tid) = (self.peer.pid(), self.tid());
        let what = format!("{:?} is blocked in its receive", self.command);
        until(&what, || waits_for_message(pid, tid));
        self
    }

    /// Sends SIGUSR1 to the thread.
    pub fn signal(&self) {
        self.signal_with(signal::USR1);
    }

    /// Sends a signal to the thread.
    pub fn signal_with(&self, signal: i32) {
        signal::send_to_thread(self.peer.pid(), self.tid(), signal).unwrap();
    }
}
