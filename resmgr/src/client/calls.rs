//! [`Calls`]: the messages of an open file.
//!
//! What a server answers is checked before it is believed: a count greater than the buffer, or bytes that
//! did not come, are `EPROTO`.

mod attributes;
mod begun;
mod devctl;
mod fd;
mod space;

pub use begun::{PendingRead, PendingWrite};
pub(super) use devctl::statvfs_of;
pub use fd::Mappable;

use super::{Caller, File, Stat};
use crate::ipc::{Reply, SendOptions};
use crate::wire::{
    self, Dup, IO_HEADER, MessageType, Seek, TRANSFER_MAX, Transfer, TransferHeader,
};
use crate::{Errno, Result};
use std::io::{IoSlice, IoSliceMut};

/// The calls of a [`File`], made for one [`Caller`].
#[derive(Clone, Copy, Debug)]
pub struct Calls<'a> {
    file: &'a File,
    caller: Caller<'a>,
}

impl<'a> Calls<'a> {
    pub(super) fn new(file: &'a File, caller: Caller<'a>) -> Self {
        Self { file, caller }
    }

    /// Reads at the position and moves it on; 0 at the end.
    pub fn read(&self, buffer: &mut [u8]) -> Result<usize> {
        self.read_from(buffer, None)
    }

    /// Writes at the position and moves it on; may take less than all.
    pub fn write(&self, data: &[u8]) -> Result<usize> {
        self.write_to(data, None)
    }

    /// Reads at `offset`; the position stays.
    pub fn read_at(&self, buffer: &mut [u8], offset: u64) -> Result<usize> {
        self.read_from(buffer, Some(offset))
    }

    /// Writes at `offset`; the position stays.
    pub fn write_at(&self, data: &[u8], offset: u64) -> Result<usize> {
        self.write_to(data, Some(offset))
    }

    /// Reads at another position, which is the file's from then on: one message.
    pub fn seek_and_read(&self, to: impl Into<Seek>, buffer: &mut [u8]) -> Result<usize> {
        let (first, buffer) = (combined(to.into())?, shortened_mut(buffer));
        let header = header(MessageType::READ, buffer.len(), None)?;
        let parts = &[IoSlice::new(&first), IoSlice::new(header.bytes())];
        let reply = self.send(parts, &mut [IoSliceMut::new(buffer)])?;
        counted(reply, reply.len)
    }

    /// Writes at another position, which is the file's from then on: one message.
    pub fn seek_and_write(&self, to: impl Into<Seek>, data: &[u8]) -> Result<usize> {
        let (first, data) = (combined(to.into())?, shortened(data));
        let header = header(MessageType::WRITE, data.len(), None)?;
        let parts = [&first, header.bytes(), data].map(IoSlice::new);
        let reply = self.send(&parts, &mut [])?;
        counted(reply, data.len())
    }

    /// Moves the position; returns the new one.
    pub fn seek(&self, to: impl Into<Seek>) -> Result<u64> {
        let (mut message, mut room) = (Vec::new(), [0; 8]);
        to.into().encode(&mut message)?;
        let reply = self.send_bytes(&message, &mut room)?;
        wire::decode_seek_reply(sent(&room, reply)).map_err(|_| Errno::PROTO)
    }

    /// What the file is.
    pub fn stat(&self) -> Result<Stat> {
        let mut room = [0; Stat::SIZE];
        let reply = self.send_bytes(&wire::stat_message(), &mut room)?;
        Stat::decode(sent(&room, reply)).map_err(|_| Errno::PROTO)
    }

    /// Another handle of the same open file: position and flags are shared.
    pub fn dup(&self) -> Result<File> {
        let old = &self.file.connection;
        let new = old.again()?;
        let mut message = Vec::new();
        Dup {
            scoid: old.server_info().scoid.raw(),
            coid: old.id().raw(),
        }
        .encode(&mut message);
        new.send_with(&[IoSlice::new(&message)], &mut [], self.caller.options())?;
        Ok(self.file.beside(new, self.file.flags()))
    }

    fn read_from(&self, buffer: &mut [u8], offset: Option<u64>) -> Result<usize> {
        let buffer = shortened_mut(buffer);
        let header = header(MessageType::READ, buffer.len(), offset)?;
        let parts = &[IoSlice::new(header.bytes())];
        let reply = self.send(parts, &mut [IoSliceMut::new(buffer)])?;
        counted(reply, reply.len)
    }

    fn write_to(&self, data: &[u8], offset: Option<u64>) -> Result<usize> {
        let data = shortened(data);
        let header = header(MessageType::WRITE, data.len(), offset)?;
        let parts = &[IoSlice::new(header.bytes()), IoSlice::new(data)];
        let reply = self.send(parts, &mut [])?;
        counted(reply, data.len())
    }

    fn send(&self, parts: &[IoSlice<'_>], reply: &mut [IoSliceMut<'_>]) -> Result<Reply> {
        self.send_with(parts, reply, self.caller.options())
    }

    fn send_with(
        &self,
        parts: &[IoSlice<'_>],
        reply: &mut [IoSliceMut<'_>],
        options: SendOptions<'_>,
    ) -> Result<Reply> {
        let connection = &self.file.connection;
        Ok(connection.send_with(parts, reply, options)?)
    }

    fn send_bytes(&self, message: &[u8], reply: &mut [u8]) -> Result<Reply> {
        self.send(&[IoSlice::new(message)], &mut [IoSliceMut::new(reply)])
    }

    /// A message that is answered with nothing but success.
    fn tell(&self, write: impl FnOnce(&mut Vec<u8>)) -> Result<()> {
        let mut message = Vec::new();
        write(&mut message);
        self.send_bytes(&message, &mut []).map(drop)
    }
}

fn header(kind: MessageType, len: usize, offset: Option<u64>) -> Result<TransferHeader> {
    let len = u32::try_from(len).map_err(|_| Errno::INVAL)?;
    let one = Transfer {
        len,
        offset,
        nonblock: None,
    };
    Ok(one.header(kind))
}

/// A seek with something behind it.
fn combined(to: Seek) -> Result<[u8; IO_HEADER]> {
    let mut message = Vec::with_capacity(IO_HEADER);
    to.encode_combine(&mut message)?;
    message.try_into().map_err(|_| Errno::INVAL)
}

/// What one call moves of a buffer.
fn shortened(data: &[u8]) -> &[u8] {
    data.get(..TRANSFER_MAX).unwrap_or(data)
}

fn shortened_mut(buffer: &mut [u8]) -> &mut [u8] {
    let most = buffer.len().min(TRANSFER_MAX);
    buffer.split_at_mut(most).0
}

/// What came of a reply.
fn sent(room: &[u8], reply: Reply) -> &[u8] {
    room.get(..reply.len).unwrap_or(room)
}

/// A status that is a count of at most `most` bytes.
fn counted(reply: Reply, most: usize) -> Result<usize> {
    counted_status(reply.status, most)
}

pub(super) fn counted_status(status: i64, most: usize) -> Result<usize> {
    match usize::try_from(status) {
        Ok(count) if count <= most => Ok(count),
        _ => Err(Errno::PROTO),
    }
}

#[cfg(test)]
mod tests {
    use super::counted;
    use crate::Errno;
    use crate::ipc::Reply;

    #[test]
    fn a_count_that_cannot_be_is_a_breach() {
        for (status, expected) in [
            (0, Ok(0)),
            (4, Ok(4)),
            (5, Err(Errno::PROTO)),
            (-1, Err(Errno::PROTO)),
        ] {
            assert_eq!(counted(Reply { status, len: 4 }, 4), expected, "{status}");
        }
    }
}
