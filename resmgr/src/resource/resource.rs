//! [`Resource`]: files with their own open state, directories, and late answers.

use super::{
    Attr, Call, Change, Control, Done, Entries, Filesystem, New, Ocb, Opening, Order, Place, Plain,
    Private, Read, RenameFlags, Seated, Waiters, Write,
};
use crate::ipc::Rcvid;
use crate::wire::{Conditions, Seek, Space};
use crate::{Errno, Result, StartError};
use std::ffi::{OsStr, OsString};
use std::os::fd::OwnedFd;

/// One file, or a tree of them, with everything that POSIX knows of files.
///
/// A *node* is a file: what a path leads to, whether it is open or not (QNX's attribute structure). An *open* is
/// the state that one open() made (QNX's OCB), shared by its duplicates. Handlers of one open may run at the same
/// time, on several threads or because one has [deferred](Call::defer) its answer: hence `&self` and `&Ocb`. So a
/// read that waits keeps neither a write out nor its own unblock.
///
/// The framework walks paths (search permission, symbolic links, `O_CREAT`, the last slash), checks permissions
/// by [`attr`](Self::attr), keeps positions, access modes, locks, times and duplicates, and runs a handler with
/// what is left to do. Everything but [`root`](Self::root), [`attr`](Self::attr) and [`open`](Self::open) has a
/// default; the table in [the module's documentation](super) says what absence means.
///
/// # Ways out
/// read, write, devctl and private messages have exactly three, held by types: an errno, an answer, a deferred
/// reply (see [`Call`]). The other handlers answer by returning; where they have to wait for something, the
/// resource is an [`AsyncResource`](super::AsyncResource). A handler that panics answers `EIO`.
///
/// # Races
/// Between a check and its handler the tree may change on another thread. Handlers that change names look again
/// under their own lock, and say `EEXIST`, `ENOENT` or `ENOTEMPTY`.
///
/// ```
/// use resmgr::prelude::*;
/// use std::sync::atomic::{AtomicU32, Ordering};
///
/// /// Each open counts its own reads.
/// struct Counter;
///
/// impl Resource for Counter {
///     type Node = ();
///     type Open = AtomicU32;
///
///     fn root(&self) {}
///     fn attr(&self, (): &()) -> Result<Attr> {
///         Ok(Attr::device(0o444))
///     }
///     fn open(&self, (): &(), _how: &Opening) -> Result<AtomicU32> {
///         Ok(AtomicU32::new(0))
///     }
///     fn read(&self, ocb: &Ocb<(), AtomicU32>, call: Call<'_, Read>) -> Result<Done> {
///         let count = ocb.open.fetch_add(1, Ordering::Relaxed) + 1;
///         call.bytes(format!("{count}\n").as_bytes())
///     }
/// }
/// ```
#[expect(
    unused_variables,
    reason = "the parameters of the defaults are there to be read"
)]
pub trait Resource: Send + Sync + 'static {
    /// A file. Clones are the same file. `()` for a resource that is one file.
    #[doc(alias = "iofunc_attr_t")]
    type Node: Clone + Send + Sync + 'static;
    /// What one open has for itself. `()` for nothing.
    #[doc(alias = "iofunc_ocb_t")]
    #[doc(alias = "IOFUNC_OCB_T")]
    type Open: Send + Sync + 'static;

    /// The file at the attached path.
    fn root(&self) -> Self::Node;

    /// What a file is. Asked at each open, stat, step of a path, move relative to the end, and appending write.
    fn attr(&self, node: &Self::Node) -> Result<Attr>;

    /// The file that a name in a directory leads to. `name` is one component: not empty, not `.` or `..`.
    fn lookup(&self, dir: &Self::Node, name: &OsStr) -> Result<Self::Node> {
        Err(Errno::NOENT)
    }

    /// The text of a symbolic link.
    #[doc(alias = "_IO_CONNECT_READLINK")]
    fn read_link(&self, node: &Self::Node) -> Result<OsString> {
        Err(Errno::INVAL)
    }

    /// An open of a file that may be opened like this. With `O_TRUNC`, [`change`](Self::change) has set the size
    /// to 0 before.
    #[doc(alias = "iofunc_open")]
    #[doc(alias = "_IO_CONNECT_OPEN")]
    fn open(&self, node: &Self::Node, how: &Opening) -> Result<Self::Open>;

    /// One of an open's connections was closed; the file stays open while there are others. Its client gets the
    /// error, but the connection is closed.
    #[doc(alias = "_IO_CLOSE")]
    fn close_dup(&self, ocb: &Ocb<Self::Node, Self::Open>) -> Result<()> {
        Ok(())
    }

    /// The last connection of an open was closed, or its client's process has ended.
    #[doc(alias = "close_ocb")]
    fn close(&self, ocb: &Ocb<Self::Node, Self::Open>) {}

    /// Bytes from [`at().offset`](super::At::offset) on.
    #[doc(alias = "io_read")]
    #[doc(alias = "_IO_READ")]
    fn read(&self, ocb: &Ocb<Self::Node, Self::Open>, call: Call<'_, Read>) -> Result<Done> {
        Err(Errno::NOSYS)
    }

    /// Bytes to [`at().offset`](super::At::offset) on. Never called for no data.
    #[doc(alias = "io_write")]
    #[doc(alias = "_IO_WRITE")]
    fn write(&self, ocb: &Ocb<Self::Node, Self::Open>, call: Call<'_, Write>) -> Result<Done> {
        Err(Errno::NOSYS)
    }

    /// A device command.
    #[doc(alias = "io_devctl")]
    #[doc(alias = "_IO_DEVCTL")]
    fn devctl(&self, ocb: &Ocb<Self::Node, Self::Open>, call: Call<'_, Control>) -> Result<Done> {
        Err(Errno::NOTTY)
    }

    /// A message of the resource's own.
    #[doc(alias = "io_msg")]
    #[doc(alias = "_IO_MSG")]
    fn msg(&self, ocb: &Ocb<Self::Node, Self::Open>, call: Call<'_, Private>) -> Result<Done> {
        Err(Errno::NOSYS)
    }

    /// The client of a call asks to be let go: one that was deferred with
    /// [`OnUnblock::Ask`](super::OnUnblock::Ask), or one whose handler is waiting on another thread. Answer it
    /// soon; until then the client waits.
    #[doc(alias = "io_unblock")]
    fn unblock(&self, ocb: &Ocb<Self::Node, Self::Open>, call: Rcvid) {}

    /// Gives the entries of a directory from the cookie `from` on: 0 at first, then what the last entry that was
    /// taken said. `.` and `..` are added by the framework.
    #[doc(alias = "readdir")]
    fn read_dir(
        &self,
        ocb: &Ocb<Self::Node, Self::Open>,
        from: u64,
        entries: &mut Entries,
    ) -> Result<()> {
        Err(Errno::NOTDIR)
    }

    /// Changes attributes: mode, owner, size or times, after the check that the client may. Without it, a resource
    /// that is one file has mode, owner and times kept by the framework.
    #[doc(alias = "io_chmod")]
    #[doc(alias = "io_chown")]
    #[doc(alias = "io_utime")]
    #[doc(alias = "io_space")]
    fn change(&self, node: &Self::Node, change: &Change) -> Result<()> {
        Err(Errno::NOSYS)
    }

    /// Makes a file, a directory, a link or a special file.
    #[doc(alias = "_IO_CONNECT_MKNOD")]
    #[doc(alias = "mkdir")]
    #[doc(alias = "symlink")]
    fn create(&self, dir: &Self::Node, name: &OsStr, new: &New) -> Result<Self::Node> {
        Err(Errno::ROFS)
    }

    /// Gives a file one more name.
    #[doc(alias = "_IO_CONNECT_LINK")]
    fn link(&self, node: &Self::Node, dir: &Self::Node, name: &OsStr) -> Result<()> {
        Err(Errno::PERM)
    }

    /// Takes a name away that is none of a directory. The file stays as long as something leads to it.
    #[doc(alias = "_IO_CONNECT_UNLINK")]
    fn unlink(&self, dir: &Self::Node, name: &OsStr) -> Result<()> {
        Err(Errno::ROFS)
    }

    /// Removes an empty directory (`ENOTEMPTY`).
    #[doc(alias = "rmdir")]
    fn remove_dir(&self, dir: &Self::Node, name: &OsStr) -> Result<()> {
        Err(Errno::ROFS)
    }

    /// Gives a file another name; what had it is replaced in the same step.
    #[doc(alias = "_IO_CONNECT_RENAME")]
    fn rename(
        &self,
        from: (&Self::Node, &OsStr),
        to: (&Self::Node, &OsStr),
        flags: RenameFlags,
    ) -> Result<()> {
        Err(Errno::ROFS)
    }

    /// Where the next data or the next hole begin, for SEEK_DATA and SEEK_HOLE; `size` is the file's. Without it the
    /// file is one piece of data, and its end the only hole.
    #[doc(alias = "io_lseek")]
    fn seek(&self, ocb: &Ocb<Self::Node, Self::Open>, to: Seek, size: u64) -> Result<u64> {
        super::check::check_data_or_hole(to, size)
    }

    /// Takes room for a range, or gives it back (leaving zeros).
    #[doc(alias = "io_space")]
    #[doc(alias = "posix_fallocate")]
    fn space(&self, ocb: &Ocb<Self::Node, Self::Open>, space: &Space) -> Result<()> {
        Err(Errno::NOTSUP)
    }

    /// Returns when what was written is safe. Also called after each write of an open with `O_SYNC`, or
    /// `O_DSYNC` (`data_only`).
    #[doc(alias = "io_sync")]
    fn sync(&self, ocb: &Ocb<Self::Node, Self::Open>, data_only: bool) -> Result<()> {
        Ok(())
    }

    /// What the file system is, for statvfs().
    #[doc(alias = "DCMD_FSYS_STATVFS")]
    fn statvfs(&self, node: &Self::Node) -> Result<Filesystem> {
        Ok(Filesystem::default())
    }

    /// The value of an extended attribute (`ENODATA`).
    fn xattr(&self, node: &Self::Node, name: &OsStr) -> Result<Vec<u8>> {
        Err(Errno::NOTSUP)
    }

    /// The names of its extended attributes.
    fn xattrs(&self, node: &Self::Node) -> Result<Vec<OsString>> {
        Err(Errno::NOTSUP)
    }

    /// Sets an extended attribute, or with `None` removes it (`ENODATA`). `exists`: it must, or must not, exist before
    /// (`ENODATA`, `EEXIST`).
    fn set_xattr(
        &self,
        node: &Self::Node,
        name: &OsStr,
        value: Option<&[u8]>,
        exists: Option<bool>,
    ) -> Result<()> {
        Err(Errno::NOTSUP)
    }

    /// A descriptor that the client can map: the file's bytes from its offset 0 on. `write` when changes are to be
    /// shared.
    #[doc(alias = "io_mmap")]
    fn map(&self, ocb: &Ocb<Self::Node, Self::Open>, write: bool) -> Result<OwnedFd> {
        Err(Errno::NODEV)
    }

    /// Which conditions hold now, for poll() and ionotify().
    #[doc(alias = "io_notify")]
    #[doc(alias = "iofunc_notify")]
    fn ready(&self, ocb: &Ocb<Self::Node, Self::Open>) -> Conditions {
        Conditions::INPUT | Conditions::OUTPUT
    }

    /// Where those wait who are to be told when a condition begins to hold. Without it nothing ever changes in
    /// [`ready`](Self::ready).
    fn waiters<'a>(&'a self, ocb: &'a Ocb<Self::Node, Self::Open>) -> Option<&'a Waiters> {
        None
    }

    /// What calls are kept in order, and apart from each other.
    fn order(&self) -> Order {
        Order::PerOpen
    }

    /// How it is served; a resource of the framework's own may have asynchronous files.
    #[doc(hidden)]
    fn seated(self, place: Place<'_>) -> std::result::Result<Seated, StartError>
    where
        Self: Sized,
    {
        Ok(place.seat(Plain(self)))
    }
}
