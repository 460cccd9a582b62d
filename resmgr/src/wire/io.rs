//! The messages that move data, and the two without any: fixed headers, each beginning with type and
//! `combine_len`.

use super::bytes::{get, put};
use super::{Dcmd, ExtendedType, MessageType};
use crate::{Errno, Result};

/// Bytes of the header that reads, writes, seeks and device commands have.
pub const IO_HEADER: usize = 16;

/// Header of _IO_READ and _IO_WRITE, and of their forms with a second word of the count; a write's data follow it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[doc(alias = "_io_read")]
#[doc(alias = "_io_write")]
pub struct Transfer {
    /// Bytes wanted or given. More than this can say is said as the most that it can.
    pub len: u32,
    /// Where, when it is not the file's position.
    pub offset: Option<u64>,
    /// Whether the call may wait, when it is not as the file was opened.
    pub nonblock: Option<bool>,
}

impl Transfer {
    /// Bytes of the longest header.
    const LONGEST: usize = IO_HEADER + size_of::<u64>();

    /// Reads the header.
    ///
    /// # Errors
    /// - `EBADMSG`: too short.
    /// - `ENOSYS`: an extended type other than none and offset.
    pub(super) fn decode(message: &[u8]) -> Result<Self> {
        let (len, xtype): (u32, u32) = (get(message, 4)?, get(message, 8)?);
        // In _IO_READ and _IO_WRITE this word means nothing.
        let high: u32 = get(message, 12)?;
        let wide = matches!(
            MessageType(get(message, 0)?),
            MessageType::READ64 | MessageType::WRITE64
        );
        let len = if wide && high > 0 { u32::MAX } else { len };
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
        out.extend_from_slice(self.header(message_type).bytes());
    }

    /// The header of a message of this type, without memory of its own.
    pub fn header(&self, message_type: MessageType) -> TransferHeader {
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
        let first = u32::from_ne_bytes(pair(message_type.0));
        let words = [first, self.len, kind.0 | waiting, 0].map(u32::to_ne_bytes);
        let offset = self.offset.unwrap_or(0).to_ne_bytes();
        let mut bytes = [0; Self::LONGEST];
        for (to, from) in bytes.iter_mut().zip(words.iter().flatten().chain(&offset)) {
            *to = *from;
        }
        TransferHeader {
            bytes,
            len: self.header_len(),
        }
    }

    /// Bytes before a write's data.
    pub const fn header_len(&self) -> usize {
        match self.offset {
            Some(_) => Self::LONGEST,
            None => IO_HEADER,
        }
    }
}

/// A number, and 16 zero bits behind it.
const fn pair(number: u16) -> [u8; 4] {
    let [first, second] = number.to_ne_bytes();
    [first, second, 0, 0]
}

/// The bytes of a [`Transfer`]'s header.
#[derive(Clone, Copy, Debug)]
pub struct TransferHeader {
    bytes: [u8; Transfer::LONGEST],
    len: usize,
}

impl TransferHeader {
    /// The bytes.
    pub fn bytes(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or(&self.bytes)
    }
}

fn waiting(xtype: u32) -> Option<bool> {
    if xtype & ExtendedType::NONBLOCK.0 != 0 {
        return Some(true);
    }
    (xtype & ExtendedType::BLOCK.0 != 0).then_some(false)
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

/// An _IO_STAT.
#[doc(alias = "_io_stat")]
pub const fn stat_message() -> [u8; 8] {
    let [a, b, c, d] = pair(MessageType::STAT.0);
    [a, b, c, d, 0, 0, 0, 0]
}

/// Appends an _IO_STAT.
pub fn encode_stat(out: &mut Vec<u8>) {
    out.extend_from_slice(&stat_message());
}

/// An _IO_CLOSE.
#[doc(alias = "_io_close")]
pub const fn close_message() -> [u8; 4] {
    let [a, b, ..] = pair(MessageType::CLOSE.0);
    [a, b, 0, 0]
}

/// Appends an _IO_CLOSE.
pub fn encode_close(out: &mut Vec<u8>) {
    out.extend_from_slice(&close_message());
}
