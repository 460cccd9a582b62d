//! [`Tracer`]: whoever traces a process.

use super::told::Listener;
use super::wire::{self, Wanted};
use crate::ipc::{ChannelId, Coid, Rcvid, Scoid, rendezvous};
use resmgr_sys::fork::PrivateFd;
use resmgr_sys::{Errno, Result, socket};
use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::Instant;

/// Messages that a process may tell at a time. It keeps fewer.
const MOST: usize = 1 << 18;

/// What a process has recorded. All times are nanoseconds of the system's monotonic clock, which is one for all
/// processes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Recorded {
    /// Messages that it has served, in the order of their answers.
    pub messages: Vec<TracedMessage>,
    /// Sends of its own, in the order in which they came back.
    pub sends: Vec<TracedSend>,
    /// What the clients are called that it had not told of before: each process and its name, as the system has it.
    pub names: Vec<(u32, Vec<u8>)>,
    /// What it had no room for.
    pub lost: Option<Lost>,
}

/// Messages that a process had no room for since it was asked last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lost {
    /// How many.
    pub count: u64,
    /// When the first of them was received or sent.
    pub since: u64,
}

/// A message that a process has served. Thread, connection and lengths are the client's word.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TracedMessage {
    /// Tells it from others that are under way.
    pub rcvid: Rcvid,
    /// The client.
    pub pid: u32,
    /// Its thread.
    pub tid: u32,
    /// Where it was received.
    pub chid: ChannelId,
    /// The client on that channel.
    pub scoid: Scoid,
    /// The client's connection.
    pub coid: Coid,
    /// The sender's priority.
    pub priority: u8,
    /// Bytes of the message.
    pub len: u64,
    /// Its first bytes, 72 at most; none if it lies in the client's own memory.
    pub head: Vec<u8>,
    /// The thread that received it.
    pub thread: u32,
    /// What it is about, where the server is a [`Manager`](crate::dispatch::Manager) and found that.
    pub path: Option<Arc<[u8]>>,
    /// When it was received.
    pub received: u64,
    /// When its handler left it to be answered later.
    pub left: Option<u64>,
    /// When it was answered; `None`: not before tracing ended.
    pub answered: Option<u64>,
    /// Status or error of the answer; `ESRCH`: the client had gone.
    pub outcome: Option<Result<i64>>,
    /// Bytes of the answer.
    pub reply: u64,
    /// Whether it was answered late: by another thread, or after its thread had received something else.
    pub deferred: bool,
}

/// A send of a process, which was blocked for so long.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TracedSend {
    /// The thread.
    pub tid: u32,
    /// The server.
    pub server: u32,
    /// Its channel.
    pub chid: ChannelId,
    /// What the server knows this process by.
    pub scoid: Scoid,
    /// The connection.
    pub coid: Coid,
    /// The message's priority.
    pub priority: u8,
    /// Bytes of the message.
    pub len: u64,
    /// Its first bytes, 72 at most.
    pub head: Vec<u8>,
    /// When it was sent.
    pub begun: u64,
    /// When the answer was there.
    pub ended: u64,
    /// Status or error.
    pub outcome: Result<i64>,
}

/// Traces a process: as long as this value lives, the process records each message that it serves and each send of
/// its own. It keeps 65,536 of them, so they have to be fetched several times a second.
///
/// Messages that it had received before are not recorded, nor are calls that are begun and not waited for
/// ([`Connection::begin`](crate::ipc::Connection::begin), [`send_async`](crate::ipc::Connection::send_async)) as
/// sends; the server has those, too.
///
/// What a process tells is its own word. None of it is fit to decide about rights.
#[derive(Debug)]
pub struct Tracer {
    pid: u32,
    socket: PrivateFd,
    listener: Listener,
}

impl Tracer {
    /// Has a process record from now on.
    ///
    /// # Errors
    /// As [`inspect`](super::inspect()), and
    /// - `EBUSY`: somebody traces it already.
    pub fn start(pid: u32, deadline: Instant) -> Result<Self> {
        let patience = deadline.saturating_duration_since(Instant::now());
        if patience.is_zero() {
            return Err(Errno::TIMEDOUT);
        }
        let socket = rendezvous::reach(pid, patience)?;
        // Whoever listens must be the process that was asked for.
        if socket::peer_credentials(socket.as_fd())?.pid != pid {
            return Err(Errno::SRCH);
        }
        let mut tracer = Self {
            pid,
            socket,
            listener: Listener::default(),
        };
        tracer.ask(Wanted::Begin, deadline)?;
        Ok(tracer)
    }

    /// The process.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// What it has recorded since the last time.
    ///
    /// # Errors
    /// - `ESRCH`: the process has gone, and what it had recorded with it.
    /// - `ETIMEDOUT`: it does not answer. It goes on recording; the answer is part of the next one.
    /// - `EPROTO`: what it answered makes no sense.
    pub fn fetch(&mut self, deadline: Instant) -> Result<Recorded> {
        self.ask_for_all(Wanted::Fetch, deadline)
    }

    /// The same, with those messages that are not answered yet; then it records no more.
    ///
    /// # Errors
    /// As [`fetch`](Self::fetch).
    pub fn finish(mut self, deadline: Instant) -> Result<Recorded> {
        self.ask_for_all(Wanted::End, deadline)
    }

    fn ask_for_all(&mut self, wanted: Wanted, deadline: Instant) -> Result<Recorded> {
        let mut all = Recorded::default();
        loop {
            let more = self.ask(wanted, deadline)?;
            let part = self.listener.recorded();
            all.messages.extend(part.messages);
            all.sends.extend(part.sends);
            all.names.extend(part.names);
            all.lost = all.lost.or(part.lost);
            if !more || all.messages.len() + all.sends.len() >= MOST {
                return Ok(all);
            }
        }
    }

    /// One question and its answer; whether there is more.
    fn ask(&mut self, wanted: Wanted, deadline: Instant) -> Result<bool> {
        let request = wire::trace_request(wanted);
        socket::send(self.socket.as_fd(), &request, &[]).map_err(rendezvous::lost)?;
        let mut bytes = [0; wire::PACKET];
        loop {
            let got = socket::receive_until(self.socket.as_fd(), &mut bytes, Some(deadline));
            let packet = got.map_err(rendezvous::lost)?;
            if packet.truncated || !packet.fds.is_empty() {
                return Err(Errno::PROTO);
            }
            let packet = bytes.get(..packet.len).ok_or(Errno::PROTO)?;
            for record in wire::records(packet)? {
                if let Some(more) = self.listener.take(&record)? {
                    return Ok(more);
                }
            }
        }
    }
}
