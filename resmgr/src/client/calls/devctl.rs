//! Device commands, and the calls that are made of them.

use super::{Calls, sent};
use crate::client::{Dcmd, OpenFlags, Plain};
use crate::wire::{Command, DevctlHeader, DevctlReply, IO_HEADER, Statvfs, dcmds};
use crate::{Errno, Result};
use std::io::{IoSlice, IoSliceMut};

/// What a device answered.
struct Answer {
    /// What it gives as information.
    value: i32,
    /// Bytes of data that came back.
    len: usize,
}

impl Calls<'_> {
    /// A device command with its data in `data`, both ways; returns what the device gave as information.
    pub fn devctl(&self, command: Dcmd, data: &mut [u8]) -> Result<i32> {
        let len = u32::try_from(data.len()).map_err(|_| Errno::INVAL)?;
        let (mut message, back) = (Vec::new(), command.comes_from_device());
        DevctlHeader { command, len }.encode(&mut message);
        if command.goes_to_device() {
            message.extend_from_slice(data);
        }
        let back = if back { data } else { &mut [] };
        self.ask_device(&message, back).map(|answer| answer.value)
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

    /// A device command that was defined with the types of its data.
    pub fn command<In: Plain, Out: Plain>(
        &self,
        command: &Command<In, Out>,
        input: &In,
    ) -> Result<Out> {
        let dcmd = command.dcmd();
        let len = u32::try_from(dcmd.size()).map_err(|_| Errno::INVAL)?;
        let (mut message, mut back) = (Vec::new(), vec![0; Out::SIZE]);
        DevctlHeader { command: dcmd, len }.encode(&mut message);
        if dcmd.goes_to_device() {
            command.put_input(input, &mut message);
        }
        let answer = self.ask_device(&message, &mut back)?;
        let data = back.get(..answer.len).ok_or(Errno::PROTO)?;
        command.output(data).map_err(|_| Errno::PROTO)
    }

    /// How the file is open by now, as the server says.
    pub fn current_flags(&self) -> Result<OpenFlags> {
        self.command(&dcmds::ALL_GETFLAGS, &())
            .map(OpenFlags::from_posix)
    }

    /// Changes `APPEND`, `NONBLOCK` and `DATA_SYNC`; other flags stay.
    pub fn set_flags(&self, flags: OpenFlags) -> Result<()> {
        self.command(&dcmds::ALL_SETFLAGS, &flags.to_posix())
    }

    /// What the file system of the file is.
    pub fn statvfs(&self) -> Result<Statvfs> {
        match self.command(&dcmds::FSYS_STATVFS, &()) {
            Err(Errno::NOTTY) => Err(Errno::NOSYS),
            answer => answer,
        }
    }

    fn ask_device(&self, message: &[u8], back: &mut [u8]) -> Result<Answer> {
        let (mut header, room) = ([0; IO_HEADER], back.len());
        let parts = &mut [IoSliceMut::new(&mut header), IoSliceMut::new(back)];
        let reply = match self.send(&[IoSlice::new(message)], parts) {
            Err(Errno::NOSYS) => return Err(Errno::NOTTY),
            reply => reply?,
        };
        // A server may have nothing to say but that it is done.
        if reply.len == 0 {
            return Ok(Answer { value: 0, len: 0 });
        }
        let one = DevctlReply::decode(sent(&header, reply)).map_err(|_| Errno::PROTO)?;
        let came = reply.len - IO_HEADER;
        let told = usize::try_from(one.len).unwrap_or(usize::MAX);
        Ok(Answer {
            value: one.value,
            len: came.min(told).min(room),
        })
    }
}

/// What a file system says of itself, as header and data of a device command's reply.
pub(in crate::client) fn statvfs_of(reply: &[u8]) -> Result<Statvfs> {
    let data = reply.get(IO_HEADER..).ok_or(Errno::PROTO)?;
    dcmds::FSYS_STATVFS.output(data).map_err(|_| Errno::PROTO)
}
