//! [`Devctl`]: a device command as its handler sees it.

use crate::wire::{Dcmd, Plain};
use crate::{Errno, Result};

/// A device command: its number, the data that came with it, and room for those that go back.
#[derive(Debug)]
pub struct Devctl<'a> {
    command: Dcmd,
    data: &'a [u8],
    reply: &'a mut Vec<u8>,
    room: usize,
}

impl<'a> Devctl<'a> {
    /// `reply` is where the data that go back are appended, at most `room` bytes.
    pub(crate) fn new(command: Dcmd, data: &'a [u8], reply: &'a mut Vec<u8>, room: usize) -> Self {
        Self {
            command,
            data,
            reply,
            room,
        }
    }

    /// Which command.
    pub fn command(&self) -> Dcmd {
        self.command
    }

    /// The bytes that came with it.
    #[doc(alias = "_DEVCTL_DATA")]
    pub fn data(&self) -> &'a [u8] {
        self.data
    }

    /// The value that came with it; `EINVAL` when the data have another size.
    pub fn value<T: Plain>(&self) -> Result<T> {
        T::from_bytes(self.data).ok_or(Errno::INVAL)
    }

    /// Sends a value back, and 0 as information.
    ///
    /// # Errors
    /// - `EMSGSIZE`: the client has no room for it.
    pub fn reply<T: Plain>(self, value: &T) -> Result<i32> {
        value.with_bytes(|bytes| self.reply_bytes(bytes))
    }

    /// Sends bytes back, and 0 as information.
    ///
    /// # Errors
    /// - `EMSGSIZE`: the client has no room for them.
    pub fn reply_bytes(self, bytes: &[u8]) -> Result<i32> {
        if bytes.len() > self.room {
            return Err(Errno::MSGSIZE);
        }
        self.reply.extend_from_slice(bytes);
        Ok(0)
    }
}
