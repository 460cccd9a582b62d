//! A look into other processes: who is blocked on whom, and how much is served.
//!
//! Each process that has a public channel answers its own user and root, on the socket at which its clients
//! meet it, whatever its receivers do: a server all of whose threads are blocked still tells who waits for it.
//! Only one that is stopped says nothing; [`inspect()`] waits for it until its deadline.
//!
//! What a process tells is what it knows: processes and users of its clients come from the kernel, but a call's
//! thread, length and time are its client's own word. None of it is fit to decide about rights.
//!
//! A look changes nothing but this: messages that were announced while all receivers were busy are taken into the
//! channel's queue, as at the next receive.
//!
//! # What it costs
//! A receive counts one message more. Every 64th call of a client's slot is timed: two readings of the clock, and
//! a lock each time. Together that is 7 of the 1,082 instructions of a receive and its reply (callgrind, 2026-11-25).
//! A client that has looked for its answer in vain reads the coarse clock before it sleeps; one that is answered at
//! once does nothing. A look itself takes the channel's lock once for 16 clients.
//!
//! # Tracing
//! A [`Tracer`] has a process record every message, until it goes: see there. It costs one relaxed load a receive and
//! one a send while nobody traces.
//!
//! ```no_run
//! use resmgr::ipc::inspect;
//! use std::time::{Duration, Instant};
//!
//! for pid in inspect::processes()? {
//!     let process = inspect::inspect(pid, Instant::now() + Duration::from_secs(1))?;
//!     for channel in process.channels {
//!         println!("{pid} {}: {} messages", channel.chid, channel.counters.messages);
//!     }
//! }
//! # Ok::<(), resmgr::Errno>(())
//! ```

mod answer;
mod ask;
mod told;
mod tracee;
mod tracer;
mod wire;

use super::{ChannelFlags, ChannelId, Rcvid, Scoid, rendezvous};
pub(super) use answer::{answer, asks};
pub(super) use ask::taken;
use resmgr_namespace::RuntimeDir;
use resmgr_sys::Result;
use std::time::{Duration, Instant};
pub(super) use told::taken as traced;
pub(super) use tracee::{Tracing, begin as begin_tracing, traces};
pub use tracer::{Lost, Recorded, TracedMessage, TracedSend, Tracer};

/// A process and its channels.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Process {
    /// Its number.
    pub pid: u32,
    /// Its effective user when it made its socket.
    pub uid: u32,
    /// Its channels, also private ones, by their numbers.
    pub channels: Vec<ChannelState>,
}

/// A channel.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ChannelState {
    /// Its number.
    pub chid: ChannelId,
    /// What it was made with.
    pub flags: ChannelFlags,
    /// Threads that wait in a receive.
    #[doc(alias = "STATE_RECEIVE")]
    pub waiting: u32,
    /// Threads that have received on it last and do something else now: of [`receivers`](Self::receivers).
    pub busy: u32,
    /// The threads that received on this channel and on no other one since, 256 at the most.
    pub receivers: Vec<u32>,
    /// Pulses that nobody has received yet.
    pub pulses_queued: u32,
    /// What has been done so far.
    pub counters: Counters,
    /// The processes that have a connection to it.
    pub clients: Vec<Client>,
}

/// What a channel has done since it was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counters {
    /// Messages that receivers have taken.
    pub messages: u64,
    /// Pulses that receivers have taken.
    pub pulses: u64,
    /// Messages that were timed, about one of 64.
    pub timed: u64,
    /// How long all of those took together, from the receive to the answer.
    pub service: Duration,
    /// How long the longest of those took.
    pub longest: Duration,
}

impl ChannelState {
    /// Messages that were answered, or dropped with their client, so far.
    pub fn replies(&self) -> u64 {
        let mut under_way = 0;
        for client in &self.clients {
            let taken = |call: &&Call| call.state == BlockedOn::Reply;
            under_way += client.calls.iter().filter(taken).count() as u64;
        }
        self.counters.messages.saturating_sub(under_way)
    }
}

/// A process that has a connection to a channel.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Client {
    /// What the server knows it by.
    pub scoid: Scoid,
    /// Its number, from the kernel.
    pub pid: u32,
    /// Its effective user, from the kernel.
    pub uid: u32,
    /// How many files it has open there; `None`: the server has no files.
    pub opens: Option<u32>,
    /// Its calls under way, 64 at the most.
    pub calls: Vec<Call>,
    /// How many there are beyond those.
    pub left_out: u32,
}

/// A call under way: a thread that is blocked, or a message that was begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Call {
    /// Tells it from other calls.
    pub rcvid: Rcvid,
    /// The client's thread, as that says.
    pub tid: u32,
    /// What it waits for.
    pub state: BlockedOn,
    /// How long it has been waiting, as the client says, up to a tick of the system late; `None`: it has not gone
    /// to sleep yet.
    pub since: Option<Duration>,
    /// The first two bytes of the message, by which messages tell what they are; `None`: it has none, or lies in the
    /// client's own memory.
    pub message_type: Option<u16>,
    /// Bytes of the message, as the client says.
    pub len: u64,
}

/// What a client waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BlockedOn {
    /// That a receiver takes its message.
    #[doc(alias = "STATE_SEND")]
    Send,
    /// The answer.
    #[doc(alias = "STATE_REPLY")]
    Reply,
}

/// The processes that may be asked: those that have a socket in the user's own runtime directory or in the system's
/// (or in `RESMGR_DIR`), by their numbers. One of them may have died and be there still.
///
/// # Errors
/// - `EACCES`, `EPERM`, …: a runtime directory cannot be read.
pub fn processes() -> Result<Vec<u32>> {
    let mut found = Vec::new();
    for dir in RuntimeDir::search().map_err(|error| error.errno())? {
        found.extend(rendezvous::sockets(&dir)?);
    }
    found.sort_unstable();
    found.dedup();
    Ok(found)
}

/// Asks a process what it is doing.
///
/// Of a process with many clients the answer is put together from several, each of a moment of its own.
///
/// # Errors
/// - `ESRCH`: there is no such process, it has no public channel, or it has ended meanwhile.
/// - `EPERM`: it is another user's.
/// - `ETIMEDOUT`: it does not answer: it is stopped, or its background thread gets no processor.
/// - `EPROTONOSUPPORT`: it was built with another version of this.
/// - `EPROTO`: what it answered makes no sense.
/// - `EMFILE`: this process has no descriptors left.
pub fn inspect(pid: u32, deadline: Instant) -> Result<Process> {
    ask::ask(pid, deadline)
}
