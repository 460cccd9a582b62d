//! The messages between a client and a resource manager: layouts, encoding, decoding.

pub(crate) mod bytes;
mod dcmd;
mod flags;
mod plain;
mod stat;

pub use dcmd::Dcmd;
pub use flags::{ConnectStatus, OpenFlags, PathEnd};
pub use plain::Plain;
pub use stat::Stat;
