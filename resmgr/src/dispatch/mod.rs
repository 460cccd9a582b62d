//! The manager's loop: from a received message to its answer.
//!
//! [`Manager`] owns a channel, the attached resources and the threads. For every message the order is fixed:
//! the message's form, room for the reply, the open (by the connection's number) or the path, the call's turn in
//! its lane, access mode, offset and count, permission, the handler, the books, the reply. So a client's fault
//! never reaches a handler, and costs nobody but that client anything.
//!
//! Invariants:
//! - The right to answer is in one place at a time: with the dispatcher while a handler runs, in a
//!   [`Deferred`](crate::resource::Deferred) after it was deferred. Whatever a handler does, by error or panic, and
//!   whatever becomes of what it deferred, the client gets exactly one answer.
//! - What a client may name is looked up in tables of this process; no number of a client is an index.
//! - An open ends with the last of its connections, and with its client's process. A client that has gone loses its
//!   calls first, then its opens with the locks and notifications on each, a few at a time: others' messages have
//!   their turns in between.
//! - Nothing is locked while a handler runs. Calls that must run one after the other (those of one open; appending
//!   writes to one file) wait in a lane, without a thread, in the order in which they were taken from the queue.
//! - What a handler makes others do ([`again`](crate::resource::Deferred::again), unblock handlers, the next call of
//!   a lane) happens after it has ended, so no handler runs inside another one, or under a lock of its author's.
//!
//! # Looking on
//! With `RESMGR_LOG` in its environment a program shows each message that its managers answer on standard error,
//! decoded, with its outcome and the microseconds from the receive to the answer:
//!
//! ```text
//! 21:05:17.123456 /dev/x 4711 read 4096 @0 = 14 bytes, 23 us
//! ```
//!
//! The value is words with blanks between them: `1`; `/path` (messages about it or what is below it);
//! `ops=read,write`; `errors`; `slow=MICROSECONDS`; `file=PATH` (lines go there); `0`. resmgr(7) has all of it.
//! A subscriber of `tracing` gets the same as events of the target `resmgr::message` at the level TRACE, with the
//! fields `path`, `pid`, `tid`, `scoid`, `coid`, `operation`, `status`, `errno`, `bytes`, `deferred` and `micros`.
//! `resmgrctl trace` writes a timeline of all messages ([`Tracer`](crate::ipc::inspect::Tracer)).
//!
//! While nobody looks, all of this together is three relaxed loads a message, 0.9 ns (2026-11-25).
//!
//! Bounds: what a client may take ([`limits`]), [`TRANSFER_MAX`](crate::wire::TRANSFER_MAX) bytes a read or write, 64 KiB a thread for
//! what is received at once, and at most 2 MiB that it keeps for the data of long calls.

mod attach;
mod bindings;
mod calls;
mod handle;
mod hash;
mod leaving;
mod left;
pub mod limits;
mod links;
mod locks;
mod manager;
mod notify;
mod pool;
mod shared;
mod tasks;
mod threads;
mod trace;
mod transfer;
mod worker;

pub use attach::{Attachments, Expired, SelectFlags, Selected, Signal, SourceId};
pub(crate) use handle::Helper;
pub use handle::{Handle, Running};
pub use limits::{Limits, OPENS_PER_CLIENT};
pub use links::{Detach, LinkId};
pub use manager::Manager;
pub use pool::{Member, PoolCounts, PoolHandle, PoolOptions, RunningPool, ThreadPool};
pub use resmgr_namespace::AttachFlags;
