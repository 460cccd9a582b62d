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
//!
//! # Where it differs from QNX
//! - A killed client cannot wait for its server: its call is dropped, and the server's reply gets `ESRCH`.
//! - A receiver does not take the sender's priority; it decides the order of the queue only.
//! - A sender on an UNBLOCK channel holds its signals back while it sleeps, and their handlers run after the
//!   reply, as in QNX. While it looks before it sleeps (some microseconds, see [`Waiting`]) it does not: a
//!   handler that falls into that time runs at once, and the server is not asked. [`Waiting::Block`] has no such
//!   time. The 65th thread of a process that waits so on one channel at a time, and one for which the system has
//!   no descriptors left, get the pulse sent but their handler runs at once.
//! - Connections are not inherited by children of fork, in neither id space.

mod borrow;
mod caller;
mod cancel;
mod channel;
mod connection;
mod descriptors;
mod error;
mod flags;
pub(crate) mod fuzzing;
mod handshake;
mod ids;
mod info;
mod janitor;
mod kernel;
pub mod limits;
mod link;
mod message;
mod pending;
mod process;
#[doc(hidden)] // public for the model checker's tests
pub mod protocol;
mod pulse;
mod queue;
mod ranges;
mod rendezvous;
pub(crate) mod sessions;
mod shared;
mod wait;

pub use borrow::{BorrowedReply, BorrowedRequest};
pub use cancel::CancelToken;
#[cfg(feature = "tokio")]
pub use channel::AsyncChannel;
pub use channel::{Channel, ChannelOptions, Received, Waiting};
pub use connection::{Connection, IdSpace, Reply, SendOptions, Target};
pub use descriptors::TakenDescriptors;
pub use error::SendError;
pub use flags::{ChannelFlags, ConnectFlags, ConnectRights};
pub use ids::{ChannelId, Coid, Rcvid, Scoid};
pub use info::{ClientInfo, Credentials, MessageInfo, ServerInfo};
pub use limits::{ChannelLimits, ProcessLimits, set_process_limits};
pub use message::Message;
pub use pending::{Answer, PendingCall, SendFuture};
pub use pulse::{Pulse, PulseCode};
pub use shared::{SharedBytes, SharedBytesMut};
