//! [`Serve`]: what the dispatcher calls. Every tier of handlers is adapted to it, so that the dispatcher
//! knows one shape and new tiers leave the others alone.

use super::{At, Attr, Devctl, Device};
use crate::wire::{DevctlHeader, DevctlReply};
use crate::{Errno, Result};

/// A checked call on an open file.
#[derive(Debug)]
pub(crate) struct Call<'a> {
    /// Where, and whose.
    pub(crate) at: At,
    /// The data that came with it.
    pub(crate) input: &'a [u8],
    /// The data that go back; empty at first.
    pub(crate) output: &'a mut Vec<u8>,
    /// How many bytes may go back.
    pub(crate) room: usize,
}

/// How a call was answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// With this status, and what was put into the call's output.
    Now(i64),
}

/// Handlers behind one attachment.
pub(crate) trait Serve: Send + Sync {
    /// What the file is.
    fn attr(&self) -> Attr;
    /// The open was made to cut the file.
    fn truncate(&self, at: &At, size: u64) -> Result<()>;
    /// At most `room` bytes into the output; the status is their count.
    fn read(&self, call: &mut Call<'_>) -> Result<Answer>;
    /// The status is the count of bytes taken.
    fn write(&self, call: &mut Call<'_>) -> Result<Answer>;
    /// The output is the reply's header and data.
    fn devctl(&self, call: &mut Call<'_>, header: DevctlHeader) -> Result<Answer>;
}

/// Tier 1: every call is answered on return.
#[derive(Debug)]
pub(crate) struct Plainly<D>(pub(crate) D);

impl<D: Device> Serve for Plainly<D> {
    fn attr(&self) -> Attr {
        self.0.attr()
    }

    fn truncate(&self, at: &At, size: u64) -> Result<()> {
        self.0.truncate(at, size)
    }

    fn read(&self, call: &mut Call<'_>) -> Result<Answer> {
        call.output.resize(call.room, 0);
        let len = counted(self.0.read(&call.at, call.output)?, call.room)?;
        call.output.truncate(len);
        status(len)
    }

    fn write(&self, call: &mut Call<'_>) -> Result<Answer> {
        status(counted(
            self.0.write(&call.at, call.input)?,
            call.input.len(),
        )?)
    }

    fn devctl(&self, call: &mut Call<'_>, header: DevctlHeader) -> Result<Answer> {
        let mut data = Vec::new();
        let command = Devctl::new(header.command, call.input, &mut data, call.room);
        let value = self.0.devctl(&call.at, command)?;
        let len = u32::try_from(data.len()).map_err(|_| Errno::IO)?;
        DevctlReply { value, len }.encode(call.output);
        call.output.append(&mut data);
        Ok(Answer::Now(0))
    }
}

/// A handler's count, if it is one that it may give.
fn counted(len: usize, most: usize) -> Result<usize> {
    if len > most {
        tracing::error!(len, most, "a handler returned more bytes than it was given");
        return Err(Errno::IO);
    }
    Ok(len)
}

fn status(len: usize) -> Result<Answer> {
    i64::try_from(len)
        .map(Answer::Now)
        .map_err(|_| Errno::OVERFLOW)
}
