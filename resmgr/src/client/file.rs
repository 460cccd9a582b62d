//! [`File`]: an open file of a resource manager.

use super::{Caller, Calls, Dcmd, OpenFlags, Plain, Stat};
use crate::Result;
use crate::ipc::{Connection, ServerInfo};
use std::io::SeekFrom;

/// An open file. Its methods take `&self`, and the position is the server's: threads share it, and
/// so do duplicates. Dropping it closes it.
#[derive(Debug)]
pub struct File {
    pub(super) connection: Connection,
    pub(super) flags: OpenFlags,
}

impl File {
    /// The same file with calls made for somebody else, or that another thread may end.
    pub fn on_behalf<'a>(&'a self, caller: Caller<'a>) -> Calls<'a> {
        Calls::new(self, caller)
    }

    fn calls(&self) -> Calls<'_> {
        self.on_behalf(Caller::default())
    }

    /// How it was opened.
    pub fn flags(&self) -> OpenFlags {
        self.flags
    }

    /// The server behind it.
    pub fn server_info(&self) -> ServerInfo {
        self.connection.server_info()
    }

    /// Reads at the position and moves it on; 0 at the end.
    pub fn read(&self, buffer: &mut [u8]) -> Result<usize> {
        self.calls().read(buffer)
    }

    /// Writes at the position and moves it on; may take less than all.
    pub fn write(&self, data: &[u8]) -> Result<usize> {
        self.calls().write(data)
    }

    /// Reads at `offset`; the position stays.
    #[doc(alias = "pread")]
    pub fn read_at(&self, buffer: &mut [u8], offset: u64) -> Result<usize> {
        self.calls().read_at(buffer, offset)
    }

    /// Writes at `offset`; the position stays.
    #[doc(alias = "pwrite")]
    pub fn write_at(&self, data: &[u8], offset: u64) -> Result<usize> {
        self.calls().write_at(data, offset)
    }

    /// Moves the position; returns the new one.
    #[doc(alias = "lseek")]
    pub fn seek(&self, to: SeekFrom) -> Result<u64> {
        self.calls().seek(to)
    }

    /// What the file is.
    #[doc(alias = "fstat")]
    pub fn stat(&self) -> Result<Stat> {
        self.calls().stat()
    }

    /// A device command with its data in `data`, both ways; returns what the device gave as information.
    pub fn devctl(&self, command: Dcmd, data: &mut [u8]) -> Result<i32> {
        self.calls().devctl(command, data)
    }

    /// A device command that brings a value back.
    pub fn devctl_get<T: Plain>(&self, command: Dcmd) -> Result<T> {
        self.calls().devctl_get(command)
    }

    /// A device command that takes a value to the device.
    pub fn devctl_set<T: Plain>(&self, command: Dcmd, value: &T) -> Result<i32> {
        self.calls().devctl_set(command, value)
    }

    /// Another handle of the same open file: position and flags are shared.
    pub fn dup(&self) -> Result<File> {
        self.calls().dup()
    }

    /// Closes the file and tells what the server says of it; dropping closes without asking.
    pub fn close(self) -> Result<()> {
        unimplemented!()
    }
}
