//! [`Calls`]: the messages of an open file.
//!
//! What a server answers is checked before it is believed: a count greater than the buffer, or bytes that
//! did not come, are `EPROTO`.

use super::{Caller, Dcmd, File, Plain, Stat};
use crate::ipc::Reply;
use crate::wire::{
    self, DevctlHeader, DevctlReply, Dup, IO_HEADER, MessageType, TRANSFER_MAX, Transfer,
};
use crate::{Errno, Result};
use std::io::{IoSlice, IoSliceMut, SeekFrom};

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

    /// Moves the position; returns the new one.
    pub fn seek(&self, to: SeekFrom) -> Result<u64> {
        let (mut message, mut room) = (Vec::new(), [0; 8]);
        wire::encode_seek(to, &mut message)?;
        self.send(&[&message], &mut [IoSliceMut::new(&mut room)])?;
        wire::decode_seek_reply(&room)
    }

    /// What the file is.
    pub fn stat(&self) -> Result<Stat> {
        let (mut message, mut room) = (Vec::new(), [0; Stat::SIZE]);
        wire::encode_stat(&mut message);
        let reply = self.send(&[&message], &mut [IoSliceMut::new(&mut room)])?;
        Stat::decode(room.get(..reply.len).ok_or(Errno::PROTO)?)
    }

    /// A device command with its data in `data`, both ways; returns what the device gave as information.
    pub fn devctl(&self, command: Dcmd, data: &mut [u8]) -> Result<i32> {
        let len = u32::try_from(data.len()).map_err(|_| Errno::INVAL)?;
        let (mut message, mut header) = (Vec::new(), [0; IO_HEADER]);
        DevctlHeader { command, len }.encode(&mut message);
        if command.goes_to_device() {
            message.extend_from_slice(data);
        }
        let back = if command.comes_from_device() {
            data
        } else {
            &mut []
        };
        let room = &mut [IoSliceMut::new(&mut header), IoSliceMut::new(back)];
        let reply = match self.send(&[&message], room) {
            Err(Errno::NOSYS) => return Err(Errno::NOTTY),
            reply => reply?,
        };
        // A server may have nothing to say but that it is done.
        if reply.len == 0 {
            Ok(0)
        } else {
            DevctlReply::decode(&header).map(|one| one.value)
        }
    }

    /// A device command that brings a value back.
    pub fn devctl_get<T: Plain>(&self, command: Dcmd) -> Result<T> {
        let mut data = vec![0; T::SIZE];
        self.devctl(command, &mut data)?;
        T::from_bytes(&data).ok_or(Errno::INVAL)
    }

    /// A device command that takes a value to the device.
    pub fn devctl_set<T: Plain>(&self, command: Dcmd, value: &T) -> Result<i32> {
        self.devctl(command, &mut value.with_bytes(<[u8]>::to_vec))
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
        Ok(File::new(new, self.file.flags()))
    }

    fn read_from(&self, buffer: &mut [u8], offset: Option<u64>) -> Result<usize> {
        let most = buffer.len().min(TRANSFER_MAX);
        let buffer = buffer.get_mut(..most).ok_or(Errno::INVAL)?;
        let message = transfer(MessageType::READ, buffer.len(), offset)?;
        let reply = self.send(&[&message], &mut [IoSliceMut::new(buffer)])?;
        counted(reply, reply.len)
    }

    fn write_to(&self, data: &[u8], offset: Option<u64>) -> Result<usize> {
        let data = data
            .get(..data.len().min(TRANSFER_MAX))
            .ok_or(Errno::INVAL)?;
        let message = transfer(MessageType::WRITE, data.len(), offset)?;
        let reply = self.send(&[&message, data], &mut [])?;
        counted(reply, data.len())
    }

    fn send(&self, parts: &[&[u8]], reply: &mut [IoSliceMut<'_>]) -> Result<Reply> {
        let parts: Vec<_> = parts.iter().map(|part| IoSlice::new(part)).collect();
        Ok(self
            .file
            .connection
            .send_with(&parts, reply, self.caller.options())?)
    }
}

fn transfer(kind: MessageType, len: usize, offset: Option<u64>) -> Result<Vec<u8>> {
    let len = u32::try_from(len).map_err(|_| Errno::INVAL)?;
    let mut message = Vec::with_capacity(IO_HEADER + size_of::<u64>());
    Transfer {
        len,
        offset,
        nonblock: None,
    }
    .encode(kind, &mut message);
    Ok(message)
}

/// A status that is a count of at most `most` bytes.
fn counted(reply: Reply, most: usize) -> Result<usize> {
    match usize::try_from(reply.status) {
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
