//! [`Stream`]: bytes that one side writes and another reads.

mod feeder;
mod line;
#[cfg(test)]
mod tests;

pub use feeder::Feeder;

use crate::resource::{
    Attr, Call, Change, Done, Ocb, Opening, Read, Resource, Waiters, Write, lock,
};
use crate::wire::{Conditions, OpenFlags, Stat};
use crate::{Errno, Result};
use line::{Line, Taken};
use std::sync::Arc;

/// Bytes that a stream holds in each direction, unless it was told otherwise.
pub const STREAM_CAPACITY: usize = 64 * 1024;

/// A stream of bytes: what is written can be read once, in order. Reads wait while there is nothing, writes while
/// there is no room; with `O_NONBLOCK` both fail with `EAGAIN` instead. Calls that wait get their turn in the order in
/// which they came. poll() tells of input and of room for output.
///
/// A read brings what is there, at least one byte. A write of up to 4096 bytes (`PIPE_BUF`, or the capacity if that is
/// less) is taken whole, so that it never mixes with others; a longer one may be taken in part.
///
/// **The other side.** When the last open that could write has gone, a reader gets what is left and then the end of
/// the file, and poll() says `HANG_UP`. When the last open that could read has gone, a write is `EPIPE`. A side that
/// nobody has opened yet is waited for, and so is one that comes back, by who opens then: open() itself never waits.
/// Bytes that nobody has read stay. With [`lasting`](Self::lasting) neither happens, as with a device.
///
/// ```
/// use resmgr::parts::Stream;
///
/// // Two ends, like those of a serial cable: attach them as /dev/ser1 and /dev/ser2.
/// let (one, other) = Stream::pair();
/// # let _ = (one, other);
/// // What clients write to the stream, this program gets, and the other way round.
/// let (stream, feeder) = Stream::served();
/// assert_eq!(feeder.feed(b"boot\n"), 5);
/// # let _ = stream;
/// ```
#[derive(Debug)]
pub struct Stream {
    line: Arc<Line>,
    /// Which of the line's ends it is.
    end: usize,
    mode: u32,
}

impl Stream {
    /// A pipe: one file, in which what is written can be read.
    #[doc(alias = "mkfifo")]
    pub fn pipe() -> Self {
        Self::of(&Arc::new(Line::pipe()), 0, Stat::PIPE | 0o666)
    }

    /// Two ends, connected crosswise: what is written to one is read from the other.
    #[doc(alias = "socketpair")]
    pub fn pair() -> (Self, Self) {
        let line = Arc::new(Line::crosswise());
        let mode = Stat::CHARACTER | 0o666;
        (Self::of(&line, 0, mode), Self::of(&line, 1, mode))
    }

    /// An end for clients; the other one is this program's, in both directions.
    pub fn served() -> (Self, Feeder) {
        let (end, other) = Self::pair();
        let feeder = Feeder::new(Arc::clone(&other.line), other.end);
        (end, feeder)
    }

    /// Holds as many bytes in each direction, at least 1. Call it before the stream is used. Of a pair, both ends
    /// have it.
    pub fn capacity(self, bytes: usize) -> Self {
        self.line.set_capacity(bytes.max(1));
        self
    }

    /// Never ends: whoever has the other side open or not, reads and writes wait. Of a pair, both ends have it.
    pub fn lasting(self) -> Self {
        self.line.set_lasting();
        self
    }

    /// Gives it other permission bits.
    pub fn mode(mut self, permissions: u32) -> Self {
        self.mode = self.mode & Stat::TYPE | permissions & 0o7777;
        self
    }

    fn of(line: &Arc<Line>, end: usize, mode: u32) -> Self {
        let line = Arc::clone(line);
        Self { line, end, mode }
    }
}

/// What one open of a stream is for, and whom it has seen on the other sides.
#[derive(Debug)]
pub struct Joined {
    reads: bool,
    writes: bool,
    /// The writers, or readers, that had come and gone before.
    writers_before: u64,
    readers_before: u64,
}

impl Resource for Stream {
    type Node = ();
    type Open = Joined;

    fn root(&self) {}

    fn attr(&self, (): &()) -> Result<Attr> {
        Ok(Attr::of_mode(self.mode))
    }

    fn open(&self, (): &(), how: &Opening) -> Result<Joined> {
        let (reads, writes) = (
            how.flags.contains(OpenFlags::READ),
            how.flags.contains(OpenFlags::WRITE),
        );
        Ok(self.line.join(self.end, reads, writes))
    }

    fn close(&self, ocb: &Ocb<(), Joined>) {
        self.line.part(self.end, &ocb.open);
    }

    fn read(&self, ocb: &Ocb<(), Joined>, call: Call<'_, Read>) -> Result<Done> {
        if call.room() == 0 {
            return call.bytes(&[]);
        }
        let mut state = lock(&self.line.state);
        match self.line.take(&mut state, self.end, call.room()) {
            Taken::Bytes(bytes) => {
                drop(state);
                call.bytes(&bytes)
            }
            Taken::Nothing if state.is_ended(Line::reads(self.end), &ocb.open) => call.bytes(&[]),
            // While the line is locked: nothing comes between looking and waiting.
            Taken::Nothing => self.line.waiters(self.end).wait(Conditions::INPUT, call),
        }
    }

    fn write(&self, ocb: &Ocb<(), Joined>, call: Call<'_, Write>) -> Result<Done> {
        let mut state = lock(&self.line.state);
        if state.is_broken(self.line.writes(self.end), &ocb.open) {
            return Err(Errno::PIPE);
        }
        match self.line.put(&mut state, self.end, call.data()) {
            0 => self.line.waiters(self.end).wait(Conditions::OUTPUT, call),
            count => {
                drop(state);
                call.taken(count)
            }
        }
    }

    /// `>` of a shell cuts nothing from a stream.
    fn change(&self, (): &(), change: &Change) -> Result<()> {
        change.size.map_or(Err(Errno::NOSYS), |_| Ok(()))
    }

    fn ready(&self, ocb: &Ocb<(), Joined>) -> Conditions {
        lock(&self.line.state).ready(
            (Line::reads(self.end), self.line.writes(self.end)),
            &ocb.open,
        )
    }

    fn waiters(&self, _ocb: &Ocb<(), Joined>) -> Option<&Waiters> {
        Some(self.line.waiters(self.end))
    }
}
