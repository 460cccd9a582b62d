//! [`Devctl`]: a device command as its handler sees it.

use crate::wire::{Command, Dcmd, Plain};
use crate::{Errno, Result};

/// A device command: its number, the data that came with it, and room for those that go back.
///
/// ```
/// use resmgr::prelude::*;
/// use resmgr::wire::{Get, Set};
/// use std::sync::atomic::{AtomicU32, Ordering};
///
/// // Said once, for both sides; the numbers are those of QNX's __DIOT and __DIOF.
/// const SET_GAIN: Set<u32> = Set::new(5, 1);
/// const GET_GAIN: Get<u32> = Get::new(5, 2);
///
/// struct Amplifier(AtomicU32);
///
/// impl Device for Amplifier {
///     fn devctl(&self, _at: &At, command: Devctl<'_>) -> Result<i32> {
///         if command.is(&SET_GAIN) {
///             self.0.store(command.input(&SET_GAIN)?, Ordering::Relaxed);
///             Ok(0)
///         } else if command.is(&GET_GAIN) {
///             command.output(&GET_GAIN, &self.0.load(Ordering::Relaxed))
///         } else {
///             Err(Errno::NOTTY)
///         }
///     }
/// }
/// ```
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

    /// How many bytes may go back.
    pub fn room(&self) -> usize {
        self.room
    }

    /// Whether it is this typed command: all of the number, direction and size as well.
    pub fn is<In: Plain, Out: Plain>(&self, command: &Command<In, Out>) -> bool {
        command.matches(self.command)
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

    /// The value that came with a typed command.
    ///
    /// # Errors
    /// - `EINVAL`: the data are too short.
    pub fn input<In: Plain, Out: Plain>(&self, command: &Command<In, Out>) -> Result<In> {
        command.input(self.data)
    }

    /// Sends back what a typed command brings, and 0 as information.
    ///
    /// # Errors
    /// - `EMSGSIZE`: the client has no room for it.
    pub fn output<In: Plain, Out: Plain>(
        self,
        _command: &Command<In, Out>,
        value: &Out,
    ) -> Result<i32> {
        self.reply(value)
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
