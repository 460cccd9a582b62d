//! What whole-system tests are made of: helpers that prepare, and that wait for what is expected.
//!
//! - [`World`]: a runtime directory with its own namespace; it ends with everything in it, and then looks
//!   whether something is left.
//! - [`Peer`]: a process of that world (the program `assist`) that does what it is told, line by line.
//! - [`Pair`]: a server and a client, in one process, in two, or of two users: rules hold for each.
//! - [`User`]: whom the client of the last kind runs as.
//! - [`Pending`]: something that a peer has begun, and that may be blocked.
//! - [`Log`]: every message that a peer's managers have answered.
//! - [`assist`]: the commands that a peer knows.
//! - [`hostile`]: links spoken by hand, and wrongly.
//! - [`observe`]: what the kernel says of a process.
//!
//! Nothing here sleeps in order to be late enough: a wait ends with an event, and fails the test at
//! [`LIMIT`].
#![forbid(unsafe_code)]
// A helper that cannot go on fails the test; that is what it is for.
#![allow(clippy::unwrap_used, clippy::missing_panics_doc)]

pub mod assist;
mod daemon;
pub mod hostile;
mod log;
pub mod observe;
mod pair;
mod peer;
mod pending;
mod user;
mod world;

pub use daemon::namespaced;
pub use log::Log;
pub use pair::{BLOCKING, Pair, Place, Role, SPINNING, field};
pub use peer::Peer;
pub use pending::Pending;
pub use user::User;
pub use world::World;

use std::time::Duration;

/// Longer than anything in a test takes on a busy machine, shorter than anybody's patience.
pub const LIMIT: Duration = Duration::from_secs(20);
