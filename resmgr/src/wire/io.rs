//! The messages of an open file: fixed headers, each beginning with type and `combine_len`.

use super::bytes::{get, put};
use super::{Dcmd, ExtendedType, MessageType};
use crate::{Errno, Result};
use std::io::SeekFrom;

/// Bytes of the header that reads, writes, seeks and device commands have.
pub const IO_HEADER: usize = 16;

/// Header of _IO_READ and _IO_WRITE; a write's data follow it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[doc(alias = "_io_read")]
#[doc(alias = "_io_write")]
pub struct Transfer {
    /// Bytes wanted or given.
    pub len: u32,
    /// Where, when it is not the file's position.
    pub offset: Option<u64>,
    /// Whether the call may wait, when it is not as the file was opened.
    pub nonblock: Option<bool>,
}

impl Transfer {
    /// Reads the header.
    ///
    /// # Errors
    /// - `EBADMSG`: too short.
    /// - `ENOSYS`: an extended type other than none and offset.
    pub(super) fn decode(message: &[u8]) -> Result<Self> {
        let (len, xtype): (u32, u32) = (get(message, 4)?, get(message, 8)?);
        get::<u32>(message, 12)?;
        let offset = match ExtendedType(xtype & ExtendedType::MASK.0) {
            ExtendedType::NONE => None,
            ExtendedType::OFFSET => Some(get(message, IO_HEADER)?),
            _ => return Err(Errno::NOSYS),
        };
        Ok(Self {
            len,
            offset,
            nonblock: waiting(xtype),
        })
    }

    /// Appends the header of a message of this type.
    pub fn encode(&self, message_type: MessageType, out: &mut Vec<u8>) {
        let kind = if self.offset.is_some() {
            ExtendedType::OFFSET
        } else {
            ExtendedType::NONE
        };
        let waiting = match self.nonblock {
            Some(true) => ExtendedType::NONBLOCK.0,
            Some(false) => ExtendedType::BLOCK.0,
            None => 0,
        };
        put!(out; message_type.0, 0_u16, self.len, kind.0 | waiting, 0_u32);
        if let Some(offset) = self.offset {
            put!(out; offset);
        }
    }

    /// Bytes before a write's data.
    pub const fn header_len(&self) -> usize {
        match self.offset {
            Some(_) => IO_HEADER + size_of::<u64>(),
            None => IO_HEADER,
        }
    }
}

fn waiting(xtype: u32) -> Option<bool> {
    if xtype & ExtendedType::NONBLOCK.0 != 0 {
        return Some(true);
    }
    (xtype & ExtendedType::BLOCK.0 != 0).then_some(false)
}

/// _IO_LSEEK: where to.
///
/// # Errors
/// - `EBADMSG`: too short.
/// - `EINVAL`: no such `whence`, or a negative offset from the start.
pub(super) fn decode_seek(message: &[u8]) -> Result<SeekFrom> {
    let (whence, offset): (i16, i64) = (get(message, 4)?, get(message, 8)?);
    match whence {
        0 => Ok(SeekFrom::Start(
            u64::try_from(offset).map_err(|_| Errno::INVAL)?,
        )),
        1 => Ok(SeekFrom::Current(offset)),
        2 => Ok(SeekFrom::End(offset)),
        _ => Err(Errno::INVAL),
    }
}

/// Appends an _IO_LSEEK.
///
/// # Errors
/// - `EINVAL`: an offset from the start that no file can have.
#[doc(alias = "_io_lseek")]
pub fn encode_seek(to: SeekFrom, out: &mut Vec<u8>) -> Result<()> {
    let (whence, offset) = match to {
        SeekFrom::Start(offset) => (0_i16, i64::try_from(offset).map_err(|_| Errno::INVAL)?),
        SeekFrom::Current(offset) => (1, offset),
        SeekFrom::End(offset) => (2, offset),
    };
    put!(out; MessageType::LSEEK.0, 0_u16, whence, 0_u16, offset);
    Ok(())
}

/// Reads the reply to an _IO_LSEEK: the new position.
pub fn decode_seek_reply(reply: &[u8]) -> Result<u64> {
    get(reply, 0)
}

/// Header of _IO_DEVCTL; the data that go to the device follow it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[doc(alias = "_io_devctl")]
pub struct DevctlHeader {
    /// The command.
    pub command: Dcmd,
    /// Bytes of data that the client gives, or has room for.
    pub len: u32,
}

impl DevctlHeader {
    pub(super) fn decode(message: &[u8]) -> Result<Self> {
        get::<i32>(message, 12)?;
        Ok(Self {
            command: Dcmd::from_raw(get(message, 4)?),
            len: get(message, 8)?,
        })
    }

    /// Appends the header.
    pub fn encode(&self, out: &mut Vec<u8>) {
        put!(out; MessageType::DEVCTL.0, 0_u16, self.command.raw(), self.len, 0_i32);
    }
}

/// Header of the reply to an _IO_DEVCTL; the data that come back follow it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[doc(alias = "_io_devctl_reply")]
pub struct DevctlReply {
    /// What the device gives as information.
    pub value: i32,
    /// Bytes of data.
    pub len: u32,
}

impl DevctlReply {
    /// Reads the header of a reply; too few bytes are `EBADMSG`.
    pub fn decode(reply: &[u8]) -> Result<Self> {
        get::<i32>(reply, 12)?;
        Ok(Self {
            value: get(reply, 4)?,
            len: get(reply, 8)?,
        })
    }

    /// Appends the header.
    pub fn encode(&self, out: &mut Vec<u8>) {
        put!(out; 0_u32, self.value, self.len, 0_i32);
    }
}

/// _IO_DUP: the connection that the new one is to share its open with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[doc(alias = "_io_dup")]
pub struct Dup {
    /// The client on that channel, as the server names it.
    pub scoid: u32,
    /// The connection.
    pub coid: i32,
}

impl Dup {
    /// Bytes on the wire: the header, four of padding, the 64 of a _msg_info, two words.
    pub const SIZE: usize = 80;

    pub(super) fn decode(message: &[u8]) -> Result<Self> {
        get::<u32>(message, Self::SIZE - 4)?;
        Ok(Self {
            scoid: get(message, 28)?,
            coid: get(message, 32)?,
        })
    }

    /// Appends the message.
    pub fn encode(&self, out: &mut Vec<u8>) {
        put!(out; MessageType::DUP.0, 0_u16, 0_u32);
        put!(out; 0_u32, 0_u32, 0_i32, 0_i32, 0_i32, self.scoid, self.coid, 0_i16, 0_i16);
        put!(out; 0_i64, 0_i64, 0_i64, 0_u32, 0_u32, 0_u32, 0_u32);
    }
}

/// Appends an _IO_STAT.
#[doc(alias = "_io_stat")]
pub fn encode_stat(out: &mut Vec<u8>) {
    put!(out; MessageType::STAT.0, 0_u16, 0_u32);
}

/// Appends an _IO_CLOSE.
#[doc(alias = "_io_close")]
pub fn encode_close(out: &mut Vec<u8>) {
    put!(out; MessageType::CLOSE.0, 0_u16);
}
