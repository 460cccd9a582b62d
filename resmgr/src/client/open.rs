//! open() and stat() by path.

use super::{Caller, File, OpenFlags, Stat};
use crate::Result;
use std::path::Path;

/// Opens a file.
pub fn open(path: impl AsRef<Path>, flags: OpenFlags) -> Result<File> {
    Caller::default().open(path, flags, 0o666)
}

/// What a file is, by its path.
pub fn stat(path: impl AsRef<Path>) -> Result<Stat> {
    Caller::default().stat(path)
}

impl Caller<'_> {
    /// Opens a file; `mode` is for one that has to be made.
    pub fn open(&self, path: impl AsRef<Path>, flags: OpenFlags, mode: u32) -> Result<File> {
        let _ = (path.as_ref(), flags, mode, self.options());
        unimplemented!()
    }

    /// What a file is, by its path. Directories that exist only because a name lies below them are
    /// answered here.
    pub fn stat(&self, path: impl AsRef<Path>) -> Result<Stat> {
        let _ = path.as_ref();
        unimplemented!()
    }
}
