//! Files of resource managers, from the client's side: open, read, write, stat, devctl.
//!
//! [`open()`] resolves the path in the process's namespaces, asks the servers in their order, and gives a
//! [`File`]: a connection of its own, whose number is the open on the server's side. [`Caller`] makes the
//! same calls for somebody else, with a deadline, or so that another thread can end them.
//!
//! Every call waits until the server answers; failures are the server's errno, or `ESRCH` when it has
//! gone, `EINTR` when a signal or a token ended the wait, `ETIMEDOUT`, and `EPROTO` when the answer cannot be.

mod caller;
mod calls;
mod file;
mod list;
mod open;
pub(crate) mod walk;

pub use crate::wire::{Dcmd, OpenFlags, Plain, Stat};
pub use caller::Caller;
pub use calls::Calls;
pub use file::File;
pub use list::{Entries, EntryKind, ListEntry, list};
pub use open::{open, stat};

#[cfg(test)]
mod tests;
