//! [`Device`]: bytes at an offset.

use super::{At, Attr, Call, Change, Control, Devctl, Done, Ocb, Opening, Read, Resource, Write};
use crate::{Errno, Result};

/// A file that is bytes at an offset: what most resource managers serve. Everything has a default; the
/// table in [the module's documentation](super) says what absence means.
///
/// A handler runs on one of the manager's threads and answers by returning. Before it runs, everything
/// that can be checked has been: the message's form, the open, its access mode, offset and count. Several
/// handlers of one device run at once when the manager has several threads: hence `&self`.
/// A handler that panics answers `EIO`; the manager goes on.
#[expect(
    unused_variables,
    reason = "the parameters of the defaults are there to be read"
)]
pub trait Device: Send + Sync + 'static {
    /// Type, permissions, owner and size. Asked at each open, stat, and move relative to the end.
    fn attr(&self) -> Attr {
        Attr::device(0o666)
    }

    /// Fills `buffer` from `at.offset` on; returns the count, 0 at the end. [`At::copy`] does it for bytes
    /// in memory. A count greater than the buffer is answered with `EIO`.
    ///
    /// The buffer comes with bytes of earlier calls in it; only the first count bytes go to the client.
    #[doc(alias = "_IO_READ")]
    fn read(&self, at: &At, buffer: &mut [u8]) -> Result<usize> {
        Err(Errno::NOSYS)
    }

    /// Takes `data` at `at.offset`; returns how much of it. Never called for no data. A count greater than
    /// the data is answered with `EIO`.
    #[doc(alias = "_IO_WRITE")]
    fn write(&self, at: &At, data: &[u8]) -> Result<usize> {
        Err(Errno::NOSYS)
    }

    /// Cuts or fills the file to `size` bytes. Called with 0 when a file is opened to be cut (O_TRUNC).
    #[doc(alias = "ftruncate")]
    fn truncate(&self, size: u64) -> Result<()> {
        Ok(())
    }

    /// A device command; returns the number that the client gets as information.
    #[doc(alias = "_IO_DEVCTL")]
    fn devctl(&self, at: &At, command: Devctl<'_>) -> Result<i32> {
        Err(Errno::NOTTY)
    }
}

/// A device is a resource that is one file, whose opens have nothing for themselves.
impl<D: Device> Resource for D {
    type Node = ();
    type Open = ();

    fn root(&self) {}

    fn attr(&self, (): &()) -> Result<Attr> {
        Ok(Device::attr(self))
    }

    fn open(&self, (): &(), _how: &Opening) -> Result<()> {
        Ok(())
    }

    fn read(&self, _ocb: &Ocb, call: Call<'_, Read>) -> Result<Done> {
        call.fill(|at, buffer| Device::read(self, at, buffer))
    }

    fn write(&self, _ocb: &Ocb, call: Call<'_, Write>) -> Result<Done> {
        let count = Device::write(self, call.at(), call.data())?;
        call.taken(count)
    }

    fn devctl(&self, _ocb: &Ocb, call: Call<'_, Control>) -> Result<Done> {
        let mut reply = Vec::new();
        let command = Devctl::new(call.command(), call.data(), &mut reply, call.room());
        let value = Device::devctl(self, call.at(), command)?;
        call.reply_with(value, &reply)
    }

    fn change(&self, (): &(), change: &Change) -> Result<()> {
        match change.size {
            Some(size) => Device::truncate(self, size),
            None => Err(Errno::NOSYS),
        }
    }
}
