//! The namespace of resmgr as a file system: what `mount.resmgr` is made of.
//!
//! A mount is a client like any other, by [`resmgr::client`]: a lookup resolves, an open sends
//! `_IO_CONNECT`, read, write, stat and devctl are the same messages. It adds nothing to what a server
//! can say, and it believes neither side: what the kernel says of the calling program travels with each
//! message, and a server believes that only from root or from its own user.
//!
//! # Invariants
//! - No thread that reads from the kernel waits for a server while no other one is free ([`bridge`](serving::bridge)).
//! - A stopped server keeps a bounded number of requests ([`traffic`](serving::traffic)), and others' names stay reachable
//!   ([`names`](state::names)).
//! - A server's `ENOSYS` never reaches the kernel ([`refusal`](requests::refusal)).
//! - Names and attributes are not cached: they appear and go at once.
//!
//! # How it fails
//! A dead server's open files answer `EIO`; opening again resolves again. A mount that is taken off, even
//! lazily, ends [`Mounted::wait`] when its last file is closed. A request whose program is killed is
//! answered to the kernel at once ([`watch`](serving::watch)); the server hears of it as an unblock request.
#![forbid(unsafe_code)]
// The links above lead into private modules: they are for the reader of this crate.
#![allow(rustdoc::private_intra_doc_links)]

mod mounting;
mod requests;
mod serving;
mod state;

pub use mounting::mounted::{End, Mounted, mount};
pub use mounting::options::{BadOption, Options};
pub use mounting::place::{MountError, check_mount_point};
