//! The messages between a client and a resource manager: layouts, encoding, decoding.
//!
//! Pure functions over bytes. The layouts are QNX's, member for member, in the machine's own byte order;
//! only [`Stat`] has a layout of its own. What a peer sent is checked here and nowhere else: every length
//! against the bytes that are there, every path against the form that clients give it.
//!
//! Failures: `EBADMSG` for a message that contradicts itself, `ENOSYS` for one that nobody here answers.

pub(crate) mod bytes;
mod connect;
mod dcmd;
mod dirent;
mod flags;
mod io;
mod numbers;
mod plain;
mod request;
mod stat;

pub use connect::{Connect, ConnectEntry, FtypeReply, LinkReply};
pub use dcmd::Dcmd;
pub use dirent::{Dirent, dirents};
pub use flags::{ConnectStatus, OpenFlags, PathEnd};
pub use io::{
    DevctlHeader, DevctlReply, Dup, IO_HEADER, Transfer, decode_seek_reply, encode_close,
    encode_seek, encode_stat,
};
pub use numbers::{
    COMBINE_FLAG, ConnectKind, ExtendedType, ExtraType, MessageType, PATH_MAX, TRANSFER_MAX,
};
pub use plain::Plain;
pub use request::Request;
pub use stat::Stat;
