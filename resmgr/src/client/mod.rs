//! Files of resource managers, from the client's side: open, read, write, stat, devctl.

mod caller;
mod calls;
mod file;
mod list;
mod open;

pub use crate::wire::{Dcmd, OpenFlags, Plain, Stat};
pub use caller::Caller;
pub use calls::Calls;
pub use file::File;
pub use list::{EntryKind, ListEntry, list};
pub use open::{open, stat};
