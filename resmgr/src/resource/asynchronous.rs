//! [`AsyncDevice`] and [`AsyncResource`]: the same handlers as plain `async fn`.

use super::{
    At, Attr, Buffer, Change, Devctl, Entries, Filesystem, New, Ocb, Opening, Order, RenameFlags,
    Waiters,
};
use crate::wire::{Conditions, NotifyAction, Seek, Space};
use crate::{Errno, Result};
use std::ffi::{OsStr, OsString};
use std::future::Future;
use std::os::fd::OwnedFd;

/// The future of a handler.
macro_rules! later {
    ($($body:tt)*) => { async move { $($body)* } };
}

/// A [`Device`](super::Device) whose handlers wait without a thread: each is a plain `async fn`, run by tokio.
///
/// Awaiting is deferring: thousands of calls may be under way on one thread. When a client asks to be let go
/// (a signal, a deadline) or dies, its handler's future is dropped where it waits.
///
/// ```
/// use resmgr::prelude::*;
/// use std::time::Duration;
///
/// struct Tick;
///
/// impl AsyncDevice for Tick {
///     async fn read(&self, at: &At, buffer: &mut Buffer) -> Result<usize> {
///         tokio::time::sleep(Duration::from_secs(1)).await;
///         At::new(0).copy(b"tick\n", buffer)
///     }
/// }
/// ```
#[expect(
    unused_variables,
    reason = "the parameters of the defaults are there to be read"
)]
pub trait AsyncDevice: Send + Sync + 'static {
    /// As [`Device::attr`](super::Device::attr). It does not wait.
    fn attr(&self) -> Attr {
        Attr::device(0o666)
    }

    /// As [`Device::read`](super::Device::read). What waits holds no memory for its bytes if it waits before it uses the
    /// [`Buffer`].
    fn read(&self, at: &At, buffer: &mut Buffer) -> impl Future<Output = Result<usize>> + Send {
        later!(Err(Errno::NOSYS))
    }

    /// As [`Device::write`](super::Device::write).
    fn write(&self, at: &At, data: &[u8]) -> impl Future<Output = Result<usize>> + Send {
        later!(Err(Errno::NOSYS))
    }

    /// As [`Device::truncate`](super::Device::truncate).
    fn truncate(&self, size: u64) -> impl Future<Output = Result<()>> + Send {
        later!(Ok(()))
    }

    /// As [`Device::devctl`](super::Device::devctl).
    fn devctl(&self, at: &At, command: Devctl<'_>) -> impl Future<Output = Result<i32>> + Send {
        later!(Err(Errno::NOTTY))
    }
}

/// A [`Resource`](super::Resource) whose handlers wait without a thread. Each means what the plain one of its name
/// means, and is a plain `async fn`; read, write, devctl and messages answer by returning, because awaiting is
/// deferring. When a client asks to be let go (a signal, a deadline) or dies, its handler's future is dropped where
/// it waits; an open() that waits, too.
#[expect(
    unused_variables,
    reason = "the parameters of the defaults are there to be read"
)]
pub trait AsyncResource: Send + Sync + 'static {
    /// A file.
    type Node: Clone + Send + Sync + 'static;
    /// What one open has for itself.
    type Open: Send + Sync + 'static;

    /// The file at the attached path. It does not wait.
    fn root(&self) -> Self::Node;

    /// What a file is.
    fn attr(&self, node: &Self::Node) -> impl Future<Output = Result<Attr>> + Send;

    /// The file that a name in a directory leads to.
    fn lookup(
        &self,
        dir: &Self::Node,
        name: &OsStr,
    ) -> impl Future<Output = Result<Self::Node>> + Send {
        later!(Err(Errno::NOENT))
    }

    /// The text of a symbolic link.
    fn read_link(&self, node: &Self::Node) -> impl Future<Output = Result<OsString>> + Send {
        later!(Err(Errno::INVAL))
    }

    /// An open of a file that may be opened like this.
    fn open(
        &self,
        node: &Self::Node,
        how: &Opening,
    ) -> impl Future<Output = Result<Self::Open>> + Send;

    /// One of an open's connections was closed.
    fn close_dup(
        &self,
        ocb: &Ocb<Self::Node, Self::Open>,
    ) -> impl Future<Output = Result<()>> + Send {
        later!(Ok(()))
    }

    /// The last connection of an open was closed. It runs on its own: the client does not wait for it.
    fn close(&self, ocb: &Ocb<Self::Node, Self::Open>) -> impl Future<Output = ()> + Send {
        later!()
    }

    /// Fills `buffer` from `at.offset` on; returns the count. What waits holds no memory for its bytes if it waits before
    /// it uses the [`Buffer`].
    fn read(
        &self,
        ocb: &Ocb<Self::Node, Self::Open>,
        at: &At,
        buffer: &mut Buffer,
    ) -> impl Future<Output = Result<usize>> + Send {
        later!(Err(Errno::NOSYS))
    }

    /// Takes `data` at `at.offset`; returns how much of it.
    fn write(
        &self,
        ocb: &Ocb<Self::Node, Self::Open>,
        at: &At,
        data: &[u8],
    ) -> impl Future<Output = Result<usize>> + Send {
        later!(Err(Errno::NOSYS))
    }

    /// A device command; returns the number that the client gets as information.
    fn devctl(
        &self,
        ocb: &Ocb<Self::Node, Self::Open>,
        at: &At,
        command: Devctl<'_>,
    ) -> impl Future<Output = Result<i32>> + Send {
        later!(Err(Errno::NOTTY))
    }

    /// A message of the resource's own: whom it is for, what it is, and its data; returns the status, and appends what
    /// goes back to `reply`.
    fn msg(
        &self,
        ocb: &Ocb<Self::Node, Self::Open>,
        kind: (u16, u16),
        data: &[u8],
        reply: &mut Vec<u8>,
    ) -> impl Future<Output = Result<i64>> + Send {
        later!(Err(Errno::NOSYS))
    }

    /// Gives the entries of a directory from the cookie `from` on.
    fn read_dir(
        &self,
        ocb: &Ocb<Self::Node, Self::Open>,
        from: u64,
        entries: &mut Entries,
    ) -> impl Future<Output = Result<()>> + Send {
        later!(Err(Errno::NOTDIR))
    }

    /// Changes attributes.
    fn change(
        &self,
        node: &Self::Node,
        change: &Change,
    ) -> impl Future<Output = Result<()>> + Send {
        later!(Err(Errno::NOSYS))
    }

    /// Makes a file.
    fn create(
        &self,
        dir: &Self::Node,
        name: &OsStr,
        new: &New,
    ) -> impl Future<Output = Result<Self::Node>> + Send {
        later!(Err(Errno::ROFS))
    }

    /// Gives a file one more name.
    fn link(
        &self,
        node: &Self::Node,
        dir: &Self::Node,
        name: &OsStr,
    ) -> impl Future<Output = Result<()>> + Send {
        later!(Err(Errno::PERM))
    }

    /// Takes a name away that is none of a directory.
    fn unlink(&self, dir: &Self::Node, name: &OsStr) -> impl Future<Output = Result<()>> + Send {
        later!(Err(Errno::ROFS))
    }

    /// Removes an empty directory.
    fn remove_dir(
        &self,
        dir: &Self::Node,
        name: &OsStr,
    ) -> impl Future<Output = Result<()>> + Send {
        later!(Err(Errno::ROFS))
    }

    /// Gives a file another name.
    fn rename(
        &self,
        from: (&Self::Node, &OsStr),
        to: (&Self::Node, &OsStr),
        flags: RenameFlags,
    ) -> impl Future<Output = Result<()>> + Send {
        later!(Err(Errno::ROFS))
    }

    /// Where the next data or the next hole begin.
    fn seek(
        &self,
        ocb: &Ocb<Self::Node, Self::Open>,
        to: Seek,
        size: u64,
    ) -> impl Future<Output = Result<u64>> + Send {
        later!(super::check::check_data_or_hole(to, size))
    }

    /// Takes room for a range, or gives it back.
    fn space(
        &self,
        ocb: &Ocb<Self::Node, Self::Open>,
        space: &Space,
    ) -> impl Future<Output = Result<()>> + Send {
        later!(Err(Errno::NOTSUP))
    }

    /// Returns when what was written is safe.
    fn sync(
        &self,
        ocb: &Ocb<Self::Node, Self::Open>,
        data_only: bool,
    ) -> impl Future<Output = Result<()>> + Send {
        later!(Ok(()))
    }

    /// What the file system is.
    fn statvfs(&self, node: &Self::Node) -> impl Future<Output = Result<Filesystem>> + Send {
        later!(Ok(Filesystem::default()))
    }

    /// The value of an extended attribute.
    fn xattr(
        &self,
        node: &Self::Node,
        name: &OsStr,
    ) -> impl Future<Output = Result<Vec<u8>>> + Send {
        later!(Err(Errno::NOTSUP))
    }

    /// The names of its extended attributes.
    fn xattrs(&self, node: &Self::Node) -> impl Future<Output = Result<Vec<OsString>>> + Send {
        later!(Err(Errno::NOTSUP))
    }

    /// Sets an extended attribute, or with `None` removes it.
    fn set_xattr(
        &self,
        node: &Self::Node,
        name: &OsStr,
        value: Option<&[u8]>,
        exists: Option<bool>,
    ) -> impl Future<Output = Result<()>> + Send {
        later!(Err(Errno::NOTSUP))
    }

    /// A descriptor that the client can map.
    fn map(
        &self,
        ocb: &Ocb<Self::Node, Self::Open>,
        write: bool,
    ) -> impl Future<Output = Result<OwnedFd>> + Send {
        later!(Err(Errno::NODEV))
    }

    /// Finds out what [`ready`](Self::ready) is to say, for a resource that has to ask elsewhere: awaited before each
    /// question or arming of a client, with the conditions that it is about.
    fn look(
        &self,
        ocb: &Ocb<Self::Node, Self::Open>,
        action: NotifyAction,
        wanted: Conditions,
    ) -> impl Future<Output = Result<()>> + Send {
        later!(Ok(()))
    }

    /// Which conditions hold now. It does not wait.
    fn ready(&self, ocb: &Ocb<Self::Node, Self::Open>) -> Conditions {
        Conditions::INPUT | Conditions::OUTPUT
    }

    /// Where those wait who are to be told when a condition begins to hold.
    fn waiters<'a>(&'a self, ocb: &'a Ocb<Self::Node, Self::Open>) -> Option<&'a Waiters> {
        None
    }

    /// What calls are kept in order.
    fn order(&self) -> Order {
        Order::PerOpen
    }
}

/// A device is a resource that is one file, whose opens have nothing for themselves.
impl<D: AsyncDevice> AsyncResource for D {
    type Node = ();
    type Open = ();

    fn root(&self) {}

    async fn attr(&self, (): &()) -> Result<Attr> {
        Ok(AsyncDevice::attr(self))
    }

    async fn open(&self, (): &(), _how: &Opening) -> Result<()> {
        Ok(())
    }

    async fn read(&self, _ocb: &Ocb, at: &At, buffer: &mut Buffer) -> Result<usize> {
        AsyncDevice::read(self, at, buffer).await
    }

    async fn write(&self, _ocb: &Ocb, at: &At, data: &[u8]) -> Result<usize> {
        AsyncDevice::write(self, at, data).await
    }

    async fn devctl(&self, _ocb: &Ocb, at: &At, command: Devctl<'_>) -> Result<i32> {
        AsyncDevice::devctl(self, at, command).await
    }

    async fn change(&self, (): &(), change: &Change) -> Result<()> {
        match change.size {
            Some(size) => AsyncDevice::truncate(self, size).await,
            None => Err(Errno::NOSYS),
        }
    }
}
