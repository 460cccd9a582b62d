//! What a directory holds: names of the namespace, and what servers of directories add.

use super::Caller;
use crate::Result;
use std::ffi::OsString;
use std::path::Path;

/// What an entry is, as far as it can be told without asking its server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EntryKind {
    /// A directory: names lie below it, or its server said that it answers for what lies below.
    Directory,
    /// A name with a server that answers for this name alone.
    File,
    /// Only its server knows.
    Unknown,
}

/// One entry of a directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListEntry {
    /// Its name there.
    pub name: OsString,
    /// What it is.
    pub kind: EntryKind,
}

/// What a directory holds, sorted by name, without `.` and `..`.
pub fn list(path: impl AsRef<Path>) -> Result<Vec<ListEntry>> {
    Caller::default().list(path)
}

impl Caller<'_> {
    /// What a directory holds, sorted by name, without `.` and `..`.
    pub fn list(&self, path: impl AsRef<Path>) -> Result<Vec<ListEntry>> {
        let _ = path.as_ref();
        unimplemented!()
    }
}
