//! The manager's loop: from a received message to its answer.
//!
//! [`Manager`] owns a channel, the attached files and the threads. For every message the order is fixed:
//! the message's form, room for the reply, the open (by the connection's number), its access mode, offset
//! and count, permission (when a file is opened), the handler, the books, the reply. So a client's fault
//! never reaches a handler, and costs nobody but that client anything.
//!
//! Invariants:
//! - The dispatcher keeps the right to answer while a handler runs: whatever a handler does, by error or
//!   panic, the client gets exactly one answer.
//! - What a client may name is looked up in tables of this process; no number of a client is an index.
//! - An open ends with the last of its connections, and with its client's process.
//! - Nothing is locked while a handler runs, but what the one open of an ordinary file (its position) and
//!   appending writers (the file's end) must have in turn.
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
//! Bounds: [`OPENS_PER_CLIENT`] opens a client, [`TRANSFER_MAX`](crate::wire::TRANSFER_MAX) bytes a read or write, 64 KiB a thread for
//! what is received at once, and at most 2 MiB that it keeps for the data of long calls.

mod attach;
mod bindings;
mod calls;
mod handle;
mod locks;
mod manager;
mod notify;
mod pool;
mod shared;
mod threads;
mod trace;
mod worker;

pub use attach::{Attachments, Expired, SelectFlags, Selected, Signal, SourceId};
pub use bindings::OPENS_PER_CLIENT;
pub use handle::{Handle, Running};
pub use manager::Manager;
pub use pool::{Member, PoolCounts, PoolHandle, PoolOptions, RunningPool, ThreadPool};
pub use resmgr_namespace::AttachFlags;
