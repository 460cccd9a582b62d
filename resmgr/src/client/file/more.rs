//! The other calls of a [`File`], made for this process itself: what [`Calls`](super::super::Calls) has.

use super::File;
use crate::Result;
use crate::client::{Mappable, OpenFlags, PendingRead, PendingWrite, Plain};
use crate::ipc::{Event, Reply};
use crate::wire::{
    Command, Conditions, FdInfoReply, LockKind, LockReply, Msg, NotifyAction, Protection, Seek,
    Statvfs, TimeChange, XattrFlags,
};
use std::ffi::{OsStr, OsString};
use std::future::Future;
use std::path::PathBuf;

macro_rules! calls {
    ($($(#[$meta:meta])* $name:ident($($arg:ident: $type:ty),*) -> $result:ty;)*) => {
        impl File {$(
            $(#[$meta])*
            pub fn $name(&self $(, $arg: $type)*) -> $result {
                self.calls().$name($($arg),*)
            }
        )*}
    };
}

// Data.
calls! {
    /// Reads at another position, which is the file's from then on: one message.
    ///
    /// # Errors
    /// As [`seek`](Self::seek) and [`read`](Self::read).
    #[doc(alias = "readblock")]
    seek_and_read(to: impl Into<Seek>, buffer: &mut [u8]) -> Result<usize>;

    /// Writes at another position, which is the file's from then on: one message.
    ///
    /// # Errors
    /// As [`seek`](Self::seek) and [`write`](Self::write).
    #[doc(alias = "writeblock")]
    seek_and_write(to: impl Into<Seek>, data: &[u8]) -> Result<usize>;

    /// Begins to read at the position, or at `offset`, and does not wait: see [`PendingRead`].
    ///
    /// # Errors
    /// As [`Connection::begin`](crate::ipc::Connection::begin).
    #[doc(alias = "aio_read")]
    begin_read(len: usize, offset: Option<u64>) -> Result<PendingRead>;

    /// Begins to write at the position, or at `offset`, and does not wait: see [`PendingWrite`].
    ///
    /// # Errors
    /// As [`Connection::begin`](crate::ipc::Connection::begin).
    #[doc(alias = "aio_write")]
    begin_write(data: &[u8], offset: Option<u64>) -> Result<PendingWrite>;

    /// Reads up to `len` bytes at the position, or at `offset`, in any executor. The message is sent at once. Dropping
    /// the future gives the read up; what it would have read may be lost then.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    read_async(len: usize, offset: Option<u64>) -> impl Future<Output = Result<Vec<u8>>> + Send + use<>;

    /// Writes at the position, or at `offset`, in any executor; may take less than all. The message is sent at once,
    /// with a copy of the data.
    ///
    /// # Errors
    /// As [`write`](Self::write).
    write_async(data: &[u8], offset: Option<u64>) -> impl Future<Output = Result<usize>> + Send + use<>;
}

// Attributes.
calls! {
    /// Changes the permissions: the lower twelve bits of `mode`.
    ///
    /// # Errors
    /// - `EPERM`: the file is not the caller's. `EROFS`: nothing may be written there.
    /// - `ENOSYS`: the server does not know the call.
    #[doc(alias = "fchmod")]
    chmod(mode: u32) -> Result<()>;

    /// Changes the owner, the group, or both; what is `None` stays.
    ///
    /// # Errors
    /// As [`chmod`](Self::chmod).
    #[doc(alias = "fchown")]
    chown(uid: Option<u32>, gid: Option<u32>) -> Result<()>;

    /// Changes when the file was last read and written.
    ///
    /// # Errors
    /// As [`chmod`](Self::chmod); `EACCES`: the file is not the caller's, and may not be written.
    #[doc(alias = "futimens")]
    set_times(accessed: TimeChange, modified: TimeChange) -> Result<()>;

    /// A limit that holds for the file: the number of `_PC_LINK_MAX` (0) and others as Linux has them; -1 for none.
    ///
    /// # Errors
    /// - `EINVAL`: the server knows no such limit. `ENOSYS`: it knows none.
    #[doc(alias = "fpathconf")]
    pathconf(name: u16) -> Result<i64>;

    /// What the file system of the file is.
    ///
    /// # Errors
    /// - `ENOSYS`: the server does not know the call.
    #[doc(alias = "fstatvfs")]
    statvfs() -> Result<Statvfs>;

    /// Waits until data and attributes are safe.
    ///
    /// # Errors
    /// - `EIO`: they are not. `ENOSYS`: the server does not know the call.
    #[doc(alias = "fsync")]
    sync_all() -> Result<()>;

    /// Waits until the data are safe, and what is needed to find them again.
    ///
    /// # Errors
    /// As [`sync_all`](Self::sync_all).
    #[doc(alias = "fdatasync")]
    sync_data() -> Result<()>;

    /// The value of an extended attribute, of at most 65,536 bytes.
    ///
    /// # Errors
    /// - `ENODATA`: there is none of that name. `ENOSYS`: the server has none.
    /// - `ERANGE`: it is longer, or the name has a length that none can have.
    #[doc(alias = "fgetxattr")]
    xattr(name: &OsStr) -> Result<Vec<u8>>;

    /// Sets an extended attribute.
    ///
    /// # Errors
    /// - `EEXIST`, `ENODATA`: as the flags say.
    /// - `ERANGE`, `E2BIG`: the name or the value has a length that none can have.
    /// - `EPERM`, `EACCES`: the caller may not. `ENOSYS`: the server has none.
    #[doc(alias = "fsetxattr")]
    set_xattr(name: &OsStr, value: &[u8], flags: XattrFlags) -> Result<()>;

    /// The names of all extended attributes, of at most 65,536 bytes.
    ///
    /// # Errors
    /// - `ENOSYS`: the server has none. `ERANGE`: they are longer.
    #[doc(alias = "flistxattr")]
    list_xattrs() -> Result<Vec<OsString>>;

    /// Takes an extended attribute away.
    ///
    /// # Errors
    /// As [`set_xattr`](Self::set_xattr); `ENODATA`: there is none of that name.
    #[doc(alias = "fremovexattr")]
    remove_xattr(name: &OsStr) -> Result<()>;
}

// Space and locks.
calls! {
    /// Changes how long the file is: it is cut, or goes on with zeros. Returns how long it is then.
    ///
    /// # Errors
    /// - `EBADF`: it is not open for writing. `EFBIG`, `EINVAL`: no file of the server can be so long.
    /// - `ENOSYS`: the server does not know the call.
    #[doc(alias = "ftruncate")]
    set_len(size: u64) -> Result<u64>;

    /// Takes space for `len` bytes from `offset` on; the file grows if it must. Returns how long it is then.
    ///
    /// # Errors
    /// As [`set_len`](Self::set_len); `EINVAL`: no bytes; `ENOSPC`: there is not so much.
    #[doc(alias = "posix_fallocate")]
    allocate(offset: u64, len: u64) -> Result<u64>;

    /// Gives the space of `len` bytes from `offset` on back; they read as zeros. Returns how long the file is.
    ///
    /// # Errors
    /// As [`set_len`](Self::set_len); `EINVAL`: no bytes.
    #[doc(alias = "F_FREESP")]
    free(offset: u64, len: u64) -> Result<u64>;

    /// The first byte from `offset` on that was written; it is the position from then on.
    ///
    /// # Errors
    /// - `ENXIO`: there is none. `EINVAL`, `ENOSYS`: the server does not know the call.
    #[doc(alias = "SEEK_DATA")]
    seek_data(offset: u64) -> Result<u64>;

    /// The first byte from `offset` on that was not written, at the latest the end; it is the position from then on.
    ///
    /// # Errors
    /// As [`seek_data`](Self::seek_data); `ENXIO`: `offset` is behind the end.
    #[doc(alias = "SEEK_HOLE")]
    seek_hole(offset: u64) -> Result<u64>;

    /// Locks a range for this process, waiting for it. `base` is from the start, the position or the end; no length
    /// stands for all that comes behind, also later, and a negative one for what comes before. The locks of a
    /// process on a file go when it closes any open of it.
    ///
    /// # Errors
    /// - `EBADF`: the file is not open for reading (for `Read`) or writing (for `Write`).
    /// - `EINVAL`: the range begins before the file. `EDEADLK`: the wait would last for ever.
    /// - `EINTR`, `ETIMEDOUT`: it was ended. `ENOSYS`: the server has no locks.
    #[doc(alias = "F_SETLKW")]
    #[doc(alias = "lockf")]
    lock(kind: LockKind, base: Seek, len: i64) -> Result<()>;

    /// The same now, or never.
    ///
    /// # Errors
    /// As [`lock`](Self::lock); `EAGAIN`: another process's lock is in the way.
    #[doc(alias = "F_SETLK")]
    try_lock(kind: LockKind, base: Seek, len: i64) -> Result<()>;

    /// Takes this process's locks of a range back.
    ///
    /// # Errors
    /// As [`lock`](Self::lock).
    #[doc(alias = "F_UNLCK")]
    unlock(base: Seek, len: i64) -> Result<()>;

    /// What stands in the way of a lock, if anything does.
    ///
    /// # Errors
    /// As [`lock`](Self::lock).
    #[doc(alias = "F_GETLK")]
    test_lock(kind: LockKind, base: Seek, len: i64) -> Result<Option<LockReply>>;

    /// Locks the whole file for this open and its duplicates, waiting for it; `Unlock` takes the lock back.
    ///
    /// # Errors
    /// - `EINTR`, `ETIMEDOUT`: the wait was ended. `ENOSYS`: the server has no locks.
    #[doc(alias = "LOCK_EX")]
    #[doc(alias = "LOCK_SH")]
    flock(kind: LockKind) -> Result<()>;

    /// The same now, or never.
    ///
    /// # Errors
    /// As [`flock`](Self::flock); `EAGAIN`: another open's lock is in the way.
    #[doc(alias = "LOCK_NB")]
    try_flock(kind: LockKind) -> Result<()>;
}

// The open itself.
calls! {
    /// How the file is open by now, as the server says ([`flags`](Self::flags): how it was opened).
    ///
    /// # Errors
    /// - `ENOTTY`: the server does not tell.
    #[doc(alias = "F_GETFL")]
    current_flags() -> Result<OpenFlags>;

    /// Changes `APPEND`, `NONBLOCK` and `SYNC`, also for duplicates; other flags stay.
    ///
    /// # Errors
    /// - `ENOTTY`: the server does not know the call.
    #[doc(alias = "F_SETFL")]
    set_flags(flags: OpenFlags) -> Result<()>;

    /// The same file opened once more, with flags and a position of its own.
    ///
    /// # Errors
    /// - `EACCES`: the flags ask for what the permissions, or this open, do not give.
    /// - `ENOSYS`: the server does not know the call. Others: as of attaching to its channel.
    #[doc(alias = "openfd")]
    open_again(flags: OpenFlags) -> Result<File>;

    /// What the server knows of the open. The path is from the root; it is empty when the server knows none.
    ///
    /// # Errors
    /// - `ENOSYS`: the server does not know the call. `ENAMETOOLONG`: the path is longer than any can be.
    #[doc(alias = "iofdinfo")]
    info() -> Result<FdInfoReply>;

    /// The file's path, from the root, as the server knows it.
    ///
    /// # Errors
    /// As [`info`](Self::info); `ENOENT`: it has none.
    #[doc(alias = "resmgr_pathname")]
    path() -> Result<PathBuf>;

    /// The file's path below its server's name.
    ///
    /// # Errors
    /// As [`path`](Self::path).
    #[doc(alias = "_FDINFO_FLAG_LOCALPATH")]
    local_path() -> Result<PathBuf>;

    /// Something that can be mapped for the file's bytes from `offset` on; the server may give less than `len`.
    ///
    /// # Errors
    /// - `EACCES`: the file is not open for this. `ENODEV`, `ENOSYS`: the server gives nothing to map.
    /// - `EPROTO`: it said that it does, and nothing came.
    #[doc(alias = "mmap")]
    map(prot: Protection, offset: u64, len: u64) -> Result<Mappable>;

    /// A private message of the file's manager: what it means is between this program and the server. The status
    /// and the length of what came into `reply` are returned.
    ///
    /// # Errors
    /// - `ENOSYS`: the server does not know it. Others: its answer.
    /// - `EINVAL`: the manager is that of extended attributes.
    #[doc(alias = "_IO_MSG")]
    message(msg: Msg, data: &[u8], reply: &mut [u8]) -> Result<Reply>;

    /// Asks about conditions, and for an event when they come: what holds, if the action reports. Each condition of a
    /// handle has one event at a time, which comes once; asking again takes the place of an earlier event, and an
    /// arming action with [`Event::none`] takes it back.
    ///
    /// [`poll`](crate::client::poll()) and [`Poller`](crate::client::Poller) are made of this.
    ///
    /// # Errors
    /// - `ENOSYS`: the server does not tell when a file is ready.
    /// - `EINVAL`: conditions that it does not know. `EAGAIN`: as many as it keeps are armed.
    #[doc(alias = "ionotify")]
    notify(action: NotifyAction, conditions: Conditions, event: &Event) -> Result<Conditions>;
}

impl File {
    /// A device command that was defined with the types of its data: see [`Command`].
    ///
    /// # Errors
    /// - `ENOTTY`: the device does not know it. `EINVAL`, and others: its answer.
    /// - `EPROTO`: it brought less back than the command says.
    #[doc(alias = "devctl")]
    pub fn command<In: Plain, Out: Plain>(
        &self,
        command: &Command<In, Out>,
        input: &In,
    ) -> Result<Out> {
        self.calls().command(command, input)
    }
}
