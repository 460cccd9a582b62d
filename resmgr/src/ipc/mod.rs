//! Message passing: channels, connections, messages and pulses.
//!
//! A server makes a [`Channel`] and receives; a client attaches a [`Connection`] to it, by process and
//! channel id, and sends; it stays blocked until the server replies to the [`Message`]. [`Pulse`]s are small
//! messages that nobody waits for; they share the channel's queue.
//!
//! # What lies underneath
//! Each pair of client process and channel has one *link*: memory that both map, of which each can write
//! its own part only, a doorbell, and a socket that tells of the other's end. A call between two threads
//! that are awake is a few stores and loads, without a system call; sleeping and waking is decided by the
//! rules in [`protocol`]. The same path serves clients in the server's own process.
//!
//! A process that has a public channel listens on a socket in its runtime directory (`RESMGR_DIR`, or the
//! user's own): so making one fails where that directory cannot be used, with the error of the system.
//!
//! Everything has a bound, which can be chosen, and an error of its own beyond it: see [`limits`].
//!
//! # Events
//! A client hands an [`Event`] to a server, which has it performed in the client's process when the time has come
//! ([`Channel::deliver`]): a packet on the link's socket, for the client's background thread. The server never
//! waits for that. The client performs only what it made itself, or registered for that server, so a hostile
//! server can do nothing with events but what it was given them for.
//!
//! # Decisions
//! - *A bell for each link.* One bell for all clients of a channel would be a little faster with thousands of
//!   them (4.5 µs against 4.8 at 5,000), but one client could spoil it for the others.
//! - *One sparse layout instead of segments that grow.* Memory that is never touched costs address space only,
//!   so the whole bound of a link is mapped at once, and a call needs no look-up of its segment. A link that
//!   has sent a few small messages holds three pages; one that has sent thousands holds those of its ring, too,
//!   six in all.
//! - *Three descriptors on the server's side, three on the client's:* socket, bell, and the peer's process. The
//!   socket alone does not tell of a death while a forked child of the dead has a copy of it.
//! - *Looking before sleeping* is planned and scored in `wait`: what it costs and when it pays is told there.
//! - *Watching signals costs a tenth of a blocked round trip:* 3.9 µs against 3.5 µs of processor time on one
//!   core (1,000 calls of 64 bytes, medians of 100, 2026-11-22). The sleeper waits on a set of descriptors instead
//!   of a word, and is woken by a byte in a socket: two system calls for the signal mask and one to take the byte
//!   more, and four descriptors for each thread that waits so at a time.
//! - *Priorities cost nothing while they are equal.* A receive compares the message's priority with what the
//!   thread has, in thread-local memory. A change is one system call, a boost one packet by the sender
//!   that needs it. The alternatives were a bell that rings while the server is awake and an epoll set
//!   that the background thread shares: either is a system call for each message of everybody.
//!
//! # Where it differs from QNX
//! - A killed client cannot wait for its server: its call is dropped, and the server's reply gets `ESRCH`.
//! - A receiver takes the sender's priority only where it may also return to its own; elsewhere the priority
//!   decides the order of the queue only, and [`statistics()`] counts it. See [`set_priority`] for what the numbers mean.
//! - A receiver that sleeps has its own priority, and takes the sender's once it is awake. A boost of busy
//!   receivers raises all of them, and only for real-time senders.
//! - The end of a thread that never calls this library, and that begins and ends between two receives, is not
//!   seen by [`THREAD_DEATH`](ChannelFlags::THREAD_DEATH).
//! - What children and new programs inherit (see [`Connection`]) is made anew at its first use there: their
//!   connection has an id of its own at the server, which learns nothing of children that never use theirs. Making
//!   it in the handler of a fork, or when a program starts, could mean to wait for a server that is stopped.
//! - A connection's calls by number ([`Connection::info_from`], [`Connection::set_flags`]) are about this process
//!   only, not about others.
//! - A program that closes the descriptor of a connection by itself has detached it, but sends do not notice before
//!   something else does: they do not ask the system what a descriptor means.
//! - [`Channel::verify_event`] does not look into another process: what only the client can know is found out
//!   when the event gets there, and what the client does not accept is ignored.
//! - A client has a share of a channel's pulse pool ([`Channel::with_pulse_pool`]), and there is no pool that all
//!   processes share.
//! - A sender on an UNBLOCK channel holds its signals back while it sleeps, and their handlers run after the
//!   reply, as in QNX. While it looks before it sleeps (some microseconds, see [`Waiting`]) it does not: a
//!   handler that falls into that time runs at once, and the server is not asked. [`Waiting::Block`] has no such
//!   time. The 65th thread of a process that waits so on one channel at a time, and one for which the system has
//!   no descriptors left, get the pulse sent but their handler runs at once.

mod attachment;
mod attachments;
mod borrow;
mod by_id;
mod caller;
mod cancel;
mod channel;
mod connection;
mod deaths;
mod descriptors;
mod error;
mod event;
mod flags;
pub(crate) mod fuzzing;
mod handshake;
mod held;
mod ids;
mod info;
mod inherited;
mod janitor;
mod kernel;
pub mod limits;
mod link;
mod message;
mod pending;
mod pool;
mod priority;
mod process;
#[doc(hidden)] // public for the model checker's tests
pub mod protocol;
mod pulse;
mod queue;
mod ranges;
mod rendezvous;
mod semaphore;
pub(crate) mod sessions;
mod shared;
mod statistics;
mod timeout;
mod timer;
mod unique;
mod wait;

pub use borrow::{BorrowedReply, BorrowedRequest};
pub use by_id::ConnectionRef;
pub use cancel::CancelToken;
#[cfg(feature = "tokio")]
pub use channel::AsyncChannel;
pub use channel::{Channel, ChannelOptions, Received, Waiting};
pub use connection::{Connection, IdSpace, Reply, SendOptions, Target};
pub use descriptors::TakenDescriptors;
pub use error::SendError;
pub use event::{Event, EventFlags, EventFunction, EventKind, EventTarget};
pub use flags::{ChannelFlags, ClientFlags, ConnectFlags, ConnectRights, MessageFlags};
pub use ids::{ChannelId, Coid, Rcvid, Scoid};
pub use info::{ClientInfo, Credentials, Ids, MessageInfo, ServerInfo};
pub use limits::{ChannelLimits, ProcessLimits, set_process_limits};
pub use message::Message;
pub use pending::{Answer, PendingCall, SendFuture};
pub use pool::{PoolEvent, PulsePool};
pub use priority::{priority, refresh_priority, set_priority};
pub use pulse::{Pulse, PulseCode};
pub use resmgr_sys::timer::Clock;
pub use semaphore::Semaphore;
pub use shared::{SharedBytes, SharedBytesMut};
pub use statistics::{Statistics, statistics};
pub use timeout::{TimeoutStates, TimeoutTime, timeout_next, timeout_next_with};
pub use timer::{Timer, TimerInfo};
pub use unique::PulseFlags;
