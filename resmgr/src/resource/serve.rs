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
    pub(crate) output: &'a mut Output,
    /// How many bytes may go back.
    pub(crate) room: usize,
}

/// What goes back to a client, in memory that serves for call after call.
///
/// The memory that a handler fills is not zeroed for each call: that took 7 % of a server's time at 256 KiB
/// a read. It holds what earlier calls left there, perhaps for other clients; so no more of it goes back
/// than the handler says it has filled, and a handler that says more than it was given sends nothing.
#[derive(Debug, Default)]
pub(crate) struct Output {
    /// Comes first: what the framework or a handler encodes. Empty at first.
    pub(crate) head: Vec<u8>,
    /// For handlers to fill; only grows.
    data: Vec<u8>,
    filled: usize,
}

impl Output {
    /// Nothing goes back.
    pub(crate) fn clear(&mut self) {
        self.head.clear();
        self.filled = 0;
    }

    /// Has `fill` write into `room` bytes; as many go back as it says.
    ///
    /// # Errors
    /// - `EIO`: it says that they are more than `room`.
    /// - others: `fill`'s own.
    pub(crate) fn fill(
        &mut self,
        room: usize,
        fill: impl FnOnce(&mut [u8]) -> Result<usize>,
    ) -> Result<usize> {
        self.filled = 0;
        if self.data.len() < room {
            self.data.resize(room, 0);
        }
        let given = self.data.get_mut(..room).ok_or(Errno::IO)?;
        self.filled = counted(fill(given)?, room)?;
        Ok(self.filled)
    }

    /// What goes back, one behind the other.
    pub(crate) fn parts(&self) -> [&[u8]; 2] {
        let filled = self.data.get(..self.filled).unwrap_or_default();
        [&self.head, filled]
    }
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
        let (at, device) = (&call.at, &self.0);
        status(call.output.fill(call.room, |room| device.read(at, room))?)
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
        let head = &mut call.output.head;
        DevctlReply { value, len }.encode(head);
        head.append(&mut data);
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

#[cfg(test)]
mod tests {
    use super::Output;
    use crate::Errno;

    #[test]
    fn no_byte_of_an_earlier_answer_goes_back() {
        let mut output = Output::default();
        let fill = |byte, count| {
            move |room: &mut [u8]| {
                room.fill(byte);
                Ok(count)
            }
        };
        assert_eq!(output.fill(100, fill(7, 100)), Ok(100));
        output.clear();
        assert_eq!(output.parts(), [&[][..], &[]]);
        // It says that it has filled two of ten bytes.
        assert_eq!(output.fill(10, fill(1, 2)), Ok(2));
        assert_eq!(output.parts(), [&[][..], &[1, 1]]);
        assert_eq!(output.fill(10, fill(2, 11)), Err(Errno::IO));
        assert_eq!(output.parts(), [&[][..], &[]]);
        assert_eq!(output.fill(10, |_| Err(Errno::AGAIN)), Err(Errno::AGAIN));
        assert_eq!(output.parts(), [&[][..], &[]]);
    }
}
