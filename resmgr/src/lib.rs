//! QNX-style resource managers on Linux, in user space.
//!
//! A **server** creates a [channel](ipc::Channel) and registers a pathname; a **client** opens the pathname
//! and sends a message; it stays blocked until the server replies. A **resource manager** is a server
//! that answers the POSIX messages (open, read, write, stat, devctl), so everything looks like a file.
//!
//! # Promises
//! 1. One message, one answer. The right to answer is a value; losing it answers for you.
//! 2. Death is an ordinary event: when a process goes, its calls, opens, names and descriptors go, in that
//!    order, and whoever was blocked on it learns it at once.
//! 3. What comes from another process is an allegation until one named function has checked it. A hostile
//!    peer can hurt its own connection and nothing else.
//! 4. The framework checks all it can before a handler runs; a handler is only about its data.
//! 5. Every table has a bound; every wait has a deadline or a way to be cancelled.
//! 6. What costs time is written down with its figure, and a benchmark in the tree measures it again.
//! 7. A deviation from QNX is written where the QNX name is documented.
//!
//! # Layers
//! Each module uses only what stands above it: [`ipc`] (channels, connections, messages, pulses), [`wire`]
//! (the layouts of the I/O messages), [`resource`] (handlers, open files, locks, notification), [`dispatch`] (the
//! manager's loop), [`client`] (open, read, write from the other side), [`name`] (names for programs that receive
//! messages themselves), [`names`] (waiting for a name), [`testing`] (a manager's tests without processes).
#![forbid(unsafe_code)]

pub mod client;
pub mod dispatch;
mod error;
#[doc(hidden)] // public for the fuzz targets
pub mod fuzzing;
pub mod ipc;
pub mod name;
pub mod names;
pub mod prelude;
pub mod resource;
pub mod testing;
pub mod wire;

pub use error::StartError;
pub use name::{
    name_attach, name_close, name_detach, name_open, read_link, resmgr_attach, resmgr_detach,
    symlink, unlink,
};
pub use resmgr_sys::{Errno, Result};
