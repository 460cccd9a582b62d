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
//! # What there is
//! - *Messages.* [`Connection::send`] blocks; a server takes part of a message, reads the rest and writes parts of
//!   the reply ([`Message`]) as long as the client is blocked. Who is blocked can be let go by a signal, a
//!   [`CancelToken`] or a deadline; a channel with [`UNBLOCK`](ChannelFlags::UNBLOCK) is asked first.
//! - *Pulses* come from clients, from the process itself ([`Channel::pulse`]) and from the system ([`PulseCode`]); a
//!   channel may have a pool of them ([`Channel::with_pulse_pool`]).
//! - *Events.* A client hands an [`Event`] to a server, which has it performed in the client's process when the time
//!   has come ([`Channel::deliver`]): a packet on the link's socket, for the client's background thread. The server
//!   never waits for that. The client performs only what it made itself, or registered for that server, so a
//!   hostile server can do nothing with events but what it was given them for.
//! - *Timers* make an event happen ([`Timer`]); [`timeout_next`] limits the next call of a thread.
//! - *Priorities* order the queue and travel with messages: see [`set_priority`].
//! - *Without blocking.* A send can be begun ([`Connection::begin`]) or awaited ([`Connection::send_async`]) in any
//!   executor; a channel has a descriptor for event loops ([`Channel::poll_fd`]) and
//!   is received from in tasks of tokio ([`Channel::to_async`]).
//! - *Borrowed.* A client builds a message in the link's memory and reads the reply there ([`Connection::borrow`]);
//!   a server sees messages in place ([`Message::shared`]), in a type that says that the bytes may change.
//! - *Direct.* Where both sides allow it ([`ChannelOptions::direct`], [`SendOptions::direct`]) a server reads messages
//!   from 64 KiB on in the client's own memory.
//! - *Inspection.* Who is blocked on whom, and how much a process serves, is told to its own user and to root
//!   ([`inspect`]). They can have it record its messages, too ([`inspect::Tracer`]).
//! - *Descriptors* travel with messages and replies where the receiver asked for them, whichever way the message is
//!   sent.
//!
//! # Limits
//! Everything has a bound, which can be chosen where it says so, and an error of its own beyond it: see [`limits`].
//!
//! A link takes three descriptors on each side: a socket, a bell, and the peer's process (the socket alone does not
//! tell of a death while a forked child of the dead has a copy of it). The server has one more for a client in
//! whose memory it may read, the client one for each number in the descriptor space. The first send
//! that is awaited takes two in the client (a pair of sockets) and one in the server, and a thread that sleeps on
//! an UNBLOCK channel four and one; those are kept for later calls. A link within a process takes two for its bell.
//!
//! A link that has sent a few small messages holds two pages of memory; one that has sent thousands holds, with
//! the default bounds, seven: five for its ring and its pulses. Slots and memory of longer messages are held once
//! they have been used.
//!
//! # Decisions
//! - *A bell for each link.* One bell for all clients of a channel would be a little faster with thousands of
//!   them (4.5 µs against 4.8 at 5,000), but one client could spoil it for the others.
//! - *One sparse layout instead of segments that grow.* Memory that is never touched costs address space only,
//!   so the whole bound of a link is mapped at once, and a call needs no look-up of its segment.
//! - *Looking before sleeping* is planned and scored in `wait`: what it costs and when it pays is told there.
//! - *Watching signals costs a tenth of a blocked round trip:* 3.9 µs against 3.5 µs of processor time on one
//!   core (1,000 calls of 64 bytes, medians of 100, 2026-11-22). The sleeper waits on a set of descriptors instead
//!   of a word, and is woken by a byte in a socket: two system calls for the signal mask and one to take the byte
//!   more.
//! - *Priorities cost nothing while they are equal.* A receive compares the message's priority with what the
//!   thread has, in thread-local memory. A change is one system call, a boost one packet by the sender
//!   that needs it. The alternatives were a bell that rings while the server is awake and an epoll set
//!   that the background thread shares: either is a system call for each message of everybody.
//! - *The ordinary call has a path of its own* (`link::calling`): 653 instructions of the sender instead of 1,150. Between
//!   two processors that do not share a core the round trip of 64 bytes went from 0.93 to 0.80 us, of which the
//!   bare hand-over of two lines and back is 0.54 (EPYC, 2026-11-25).
//! - *A client's rights are asked for when it claims a priority that needs them*, not when it attaches: that
//!   is eight system calls, most of them in /proc. What it may have is what the kernel says at its first such claim.
//!
//! # Where it differs from QNX
//! `tests/conformance/RULES.md` has the whole list, each difference with its reason.
//!
//! - A killed client cannot wait for its server: its call is dropped, and the server's reply gets `ESRCH`.
//! - A sender on an UNBLOCK channel holds its signals back while it sleeps, and their handlers run after the
//!   reply, as in QNX. While it looks before it sleeps (some microseconds, see [`Waiting`]) it does not: a
//!   handler that falls into that time runs at once, and the server is not asked. [`Waiting::Block`] has no such
//!   time. The 65th thread of a process that waits so on one channel at a time (each takes a descriptor in the
//!   server, which could not spare one for each call that may be under way), and one for which the system has no
//!   descriptors left, get the pulse sent but their handler runs at once.
//! - A receiver takes the sender's priority only where it may also return to its own; elsewhere the priority
//!   decides the order of the queue only, and [`statistics()`] counts it. One that sleeps has its own priority,
//!   and takes the sender's once it is awake. A boost of busy receivers raises all of them, and only for
//!   real-time senders. A client of another user has no higher priority than the kernel lets it have.
//! - Messages and pulses of different clients and one priority come in the order in which the server saw them.
//! - A send with a limit of no time succeeds only with a receiver that is looking: one that sleeps has no time to
//!   wake up.
//! - A client has a share of a channel's pulse pool, a pulse uses the pool also while a receiver waits, and
//!   there is no pool that all processes share.
//! - The end of a thread that never calls this library, and that begins and ends between two receives, is not
//!   seen by [`THREAD_DEATH`](ChannelFlags::THREAD_DEATH). Deaths of processes that are no clients are not told.
//! - A channel is open to its own user and root only, unless it is opened ([`ConnectRights`]).
//! - Attaching to another process waits for its background thread, for 10 seconds at most.
//! - What children and new programs inherit (see [`Connection`]) is made anew at its first use there: their
//!   connection has an id of its own at the server, which learns nothing of children that never use theirs. Making
//!   it in the handler of a fork, or when a program starts, could mean to wait for a server that is stopped.
//! - A connection's calls by number ([`Connection::info_from`], [`Connection::set_flags`]) are about this process
//!   only, not about others.
//! - A program that closes the descriptor of a connection by itself has detached it, but sends do not notice before
//!   something else does: they do not ask the system what a descriptor means.
//! - [`Channel::verify_event`] does not look into another process: what only the client can know is found out
//!   when the event gets there, and what the client does not accept is ignored.
//! - A bad address is the end of the process that has it, and never an error of its peer.

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
pub mod inspect;
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
mod readiness;
pub(crate) mod recorder;
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
pub(crate) use readiness::Readiness;
pub use resmgr_sys::timer::Clock;
pub use semaphore::Semaphore;
pub use shared::{SharedBytes, SharedBytesMut};
pub use statistics::{Statistics, statistics};
pub use timeout::{TimeoutStates, TimeoutTime, timeout_next, timeout_next_with};
pub use timer::{Timer, TimerInfo};
pub use unique::PulseFlags;
