//! Names to channels: the pathname manager of resmgr.
//!
//! A process registers a path for one of its channels; another asks which channels a path leads to.
//! The parts, each using only what stands above it:
//!
//! - [`path`]: what a path is here: absolute, without `.` and `..`, bounded. Pure.
//! - [`registration`]: what is registered, and what a resolution answers. Pure.
//! - [`tree`]: prefix to ordered registrations, resolution, listing. Pure.
//! - [`rules`]: who may attach, resolve and list under which prefix. Pure, but for reading the file.
//! - [`protocol`]: the few messages between a client and whoever serves. Pure.
//! - [`directory`]: where a namespace lives in the file system, and whom it may belong to.
//! - [`server`]: the one that serves, embeddable in any process, with the journal for its successor.
//! - [`client`]: a process's session, which finds, starts and outlives servers.
//!
//! Invariants that all of it keeps:
//! - A change is counted on the page before it is acknowledged, so that what clients keep is never wrong.
//! - Whoever serves a directory holds the record lock of its file `lock`; so two never serve at once.
//! - A name belongs to a process (a pidfd, never a number) and goes with it.
//! - What a peer sends is checked by [`protocol`] and [`path`] before anything else looks at it; a breach
//!   costs the peer its connection and nobody else anything.
#![forbid(unsafe_code)]

pub mod client;
pub mod directory;
mod error;
mod journal;
mod launch;
mod page;
pub mod path;
pub mod protocol;
pub mod registration;
pub mod rules;
pub mod server;
pub mod tree;
mod turn;

pub use client::{Session, Watch};
pub use directory::RuntimeDir;
pub use error::StartError;
pub use path::{Pathname, Rooted};
pub use registration::{
    Attach, AttachFlags, AttachId, Entry, FileType, Link, Name, NameKind, Standing,
};
pub use resmgr_sys::{Errno, Result};
