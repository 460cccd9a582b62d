//! Files of resource managers, from the client's side: the calls of POSIX, and QNX's beside them.
//!
//! [`open()`] resolves the path in the process's namespaces, asks the servers in their order, and gives a
//! [`File`]: a connection of its own, whose number is the open on the server's side. [`Caller`] makes the
//! same calls for somebody else, with a deadline, or so that another thread can end them.
//!
//! Every call waits until the server answers; failures are the server's errno, or `ESRCH` when it has
//! gone, `EINTR` when a signal or a token ended the wait, `ETIMEDOUT`, and `EPROTO` when the answer cannot be.

mod attributes;
mod caller;
mod calls;
mod change;
mod file;
mod list;
mod open;
mod poll;
mod poller;
pub(crate) mod wake;
pub(crate) mod walk;

pub use crate::wire::{
    Access, Command, Conditions, Dcmd, LockKind, LockReply, NotifyAction, OpenFlags, Plain,
    RenameFlags, Seek, Share, Stat, Statvfs, TimeChange, XattrFlags,
};
pub use attributes::{
    chmod, chown, list_xattrs, pathconf, remove_xattr, set_times, set_xattr, statvfs, truncate,
    xattr,
};
pub use caller::Caller;
pub use calls::{Calls, Mappable, PendingRead, PendingWrite};
pub use change::{
    create_dir, link, make_node, make_symlink, read_link, remove_dir, rename, unlink,
};
pub use file::File;
pub use list::{Entries, EntryKind, ListEntry, list};
pub use open::{access, open, stat, symlink_stat};
pub use poll::{PollFile, poll};
pub use poller::{Poller, ReadyFile};

#[cfg(test)]
mod tests;
