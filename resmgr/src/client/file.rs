//! [`File`]: an open file of a resource manager.

mod more;

use super::{Caller, Calls, Dcmd, OpenFlags, Plain, Stat};
use crate::Result;
use crate::ipc::{Connection, Credentials, ServerInfo};
use crate::names;
use crate::wire::{self, Seek};
use std::io::{self, SeekFrom};
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

/// How long dropping a file waits for a server that does not answer: the server learns of the close
/// anyway when this process ends.
pub(super) const DROP_PATIENCE: Duration = Duration::from_secs(5);

/// An open file. Its methods take `&self`, and the position is the server's: threads share it, and
/// so do duplicates. Dropping it closes it.
#[derive(Debug)]
pub struct File {
    pub(crate) connection: Connection,
    flags: OpenFlags,
    /// For whom its calls are made, if not for this process.
    whose: Option<Credentials>,
    open: bool,
    /// Somebody polls it at this time: a handle has one event for each condition.
    pub(super) polled: AtomicBool,
}

impl File {
    pub(crate) fn new(connection: Connection, flags: OpenFlags) -> Self {
        Self {
            connection,
            flags,
            whose: names::apart::whose(),
            open: true,
            polled: AtomicBool::new(false),
        }
    }

    /// Another open or duplicate that belongs to whom this one does.
    pub(super) fn beside(&self, connection: Connection, flags: OpenFlags) -> Self {
        let mut made = Self::new(connection, flags);
        made.whose = self.whose;
        made
    }

    /// The same file with calls made for somebody else, or that another thread may end.
    pub fn on_behalf<'a>(&'a self, caller: Caller<'a>) -> Calls<'a> {
        Calls::new(self, caller)
    }

    fn calls(&self) -> Calls<'_> {
        self.on_behalf(self.caller())
    }

    fn caller(&self) -> Caller<'static> {
        Caller {
            credentials: self.whose,
            ..Caller::default()
        }
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
    ///
    /// # Errors
    /// - `EINVAL`: before the start, or a place that the server does not know. `ENXIO`: there are no data, or no hole.
    #[doc(alias = "lseek")]
    pub fn seek(&self, to: impl Into<Seek>) -> Result<u64> {
        self.calls().seek(to)
    }

    /// The position, as the server has it.
    #[doc(alias = "tell")]
    pub fn position(&self) -> Result<u64> {
        self.calls().seek(Seek::Current(0))
    }

    /// What the file is.
    #[doc(alias = "fstat")]
    pub fn stat(&self) -> Result<Stat> {
        self.calls().stat()
    }

    /// A device command with its data in `data`, both ways; returns what the device gave as information.
    ///
    /// # Errors
    /// - `ENOTTY`: the device does not know it.
    /// - others: the device's answer.
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

    /// Closes the file and tells what the server says of it. It is closed in any case.
    pub fn close(mut self) -> Result<()> {
        self.open = false;
        self.send_close(self.caller())
    }

    /// Goes without a close message, as a process does that dies.
    #[cfg(test)]
    pub(crate) fn forget(mut self) {
        self.open = false;
    }

    fn send_close(&self, caller: Caller<'_>) -> Result<()> {
        let message = wire::close_message();
        let parts = &[io::IoSlice::new(&message)];
        self.connection
            .send_with(parts, &mut [], caller.options())?;
        Ok(())
    }
}

impl Drop for File {
    fn drop(&mut self) {
        if !self.open {
            return;
        }
        let deadline = Some(Instant::now() + DROP_PATIENCE);
        if let Err(errno) = self.send_close(Caller {
            deadline,
            ..self.caller()
        }) {
            tracing::debug!(%errno, "a file was closed without its server");
        }
    }
}

impl io::Read for &File {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        File::read(self, buffer).map_err(Into::into)
    }
}

impl io::Write for &File {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        File::write(self, data).map_err(Into::into)
    }

    /// Nothing is held back here.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl io::Seek for &File {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        File::seek(self, to).map_err(Into::into)
    }
}

impl io::Read for File {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        Ok(File::read(self, buffer)?)
    }
}

impl io::Write for File {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        Ok(File::write(self, data)?)
    }

    /// Nothing is held back here.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl io::Seek for File {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        Ok(File::seek(self, to)?)
    }
}
