//! The messages between a client and a resource manager: layouts, encoding, decoding.
//!
//! Pure functions over bytes. The layouts are QNX's, member for member, in the machine's own byte order;
//! where one is ours, its documentation says so. What a peer sent is checked here and nowhere else: every length
//! against the bytes that are there, every path against the form that clients give it.
//!
//! Failures: `EBADMSG` for a message that contradicts itself, `ENOSYS` for one that nobody here answers.

mod attributes;
pub(crate) mod bytes;
mod command;
mod conditions;
mod connect;
mod dcmd;
pub mod dcmds;
mod describe;
mod dirent;
mod fd;
mod flags;
mod io;
mod lock;
mod mmap;
mod msg;
mod notify;
mod numbers;
#[doc(hidden)] // public for plain_struct!
pub mod plain;
mod request;
mod seek;
mod share;
mod space;
mod stat;
mod statvfs;
mod subject;

pub use attributes::{
    SYNC_ALL, SYNC_DATA, TimeChange, Utime, encode_chmod, encode_chown, encode_pathconf,
    encode_sync,
};
pub use command::{Action, Command, Exchange, Get, Set};
pub use conditions::Conditions;
pub use connect::{Connect, ConnectEntry, FtypeReply, LinkReply};
pub use dcmd::Dcmd;
pub(crate) use describe::printable;
pub use describe::{Description, describe};
pub use dirent::{Dirent, dirents};
pub use fd::{Dup, FDINFO_LOCAL_PATH, FdInfoReply, OpenFd, encode_fd_info};
pub use flags::{Access, ConnectStatus, OpenFlags, PathEnd, RenameFlags};
pub use io::{
    DevctlHeader, DevctlReply, IO_HEADER, Transfer, TransferHeader, close_message, encode_close,
    encode_stat, stat_message,
};
pub use lock::{LockAction, LockKind, LockReply, LockRequest};
pub use mmap::{MmapReply, MmapRequest, Protection};
pub use msg::{Msg, Xattr, XattrFlags};
pub use notify::{Notify, NotifyAction, NotifyReply};
pub use numbers::{
    COMBINE_FLAG, ConnectKind, ExtendedType, ExtraType, MessageType, PATH_MAX, TRANSFER_MAX,
};
pub use plain::Plain;
pub use request::Request;
pub use seek::{Seek, decode_seek_reply};
pub use share::Share;
pub use space::{Space, SpaceKind, decode_space_reply};
pub use stat::Stat;
pub use statvfs::Statvfs;
