//! [`Client`]: somebody who uses the resource on the bench.

use super::Pending;
use crate::client::{
    Access, Caller, File, LockKind, OpenFlags, RenameFlags, Seek, Stat, Statvfs, TimeChange,
    XattrFlags,
};
use crate::dispatch::Handle;
use crate::ipc::{ChannelId, ConnectFlags, Connection, Credentials, IdSpace, SendError, Target};
use crate::names::apart;
use crate::wire::{self, LockAction, LockRequest, MessageType, Transfer};
use crate::{Errno, Result};
use std::ffi::{OsStr, OsString};
use std::io::IoSlice;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// A client of a [`Bench`](super::Bench): for the resource, a process with a user and a group.
///
/// Paths are below the resource: `"a/b"`; `""` is the resource itself. Files that it opens make their calls in its
/// name. Its umask is 0. Dropping it leaves its files open.
#[derive(Debug)]
pub struct Client {
    /// Keeps the link, and makes calls that are on no file.
    link: Connection,
    whose: Credentials,
    server: Handle,
    patience: Duration,
}

impl Client {
    pub(super) fn new(
        chid: ChannelId,
        server: Handle,
        whose: Credentials,
        patience: Duration,
    ) -> Result<Self> {
        let (nd, pid) = (0, 0);
        let target = Target { nd, pid, chid };
        let link = Connection::attach_with(target, IdSpace::SideChannel, ConnectFlags::NOSHARE)?;
        Ok(Self {
            link,
            whose,
            server,
            patience,
        })
    }

    pub(super) fn set_patience(&mut self, patience: Duration) {
        self.patience = patience;
    }

    /// Whom handlers see.
    pub fn credentials(&self) -> Credentials {
        self.whose
    }

    /// Opens the resource itself. With `CREATE`, a new file has the permissions 0666.
    ///
    /// # Errors
    /// As [`Caller::open`]; so for every other call of this name.
    pub fn open(&self, flags: OpenFlags) -> Result<File> {
        self.open_at("", flags)
    }

    /// Opens a file below the resource.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn open_at(&self, path: &str, flags: OpenFlags) -> Result<File> {
        self.create(path, flags, 0o666)
    }

    /// The same with the permissions of a file that is made.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn create(&self, path: &str, flags: OpenFlags, mode: u32) -> Result<File> {
        self.by_path(path, |caller, path| caller.open(path, flags, mode))
    }

    /// The names in a directory, sorted, without `.` and `..`.
    ///
    /// # Errors
    /// As [`Caller::list`].
    pub fn list(&self, path: &str) -> Result<Vec<OsString>> {
        #[expect(
            clippy::redundant_closure_for_method_calls,
            reason = "the method is of one lifetime only"
        )]
        let entries = self.by_path(path, |caller, path| caller.list(path))?;
        Ok(entries.into_iter().map(|entry| entry.name).collect())
    }

    /// Gives a file another name.
    ///
    /// # Errors
    /// As [`Caller::rename`].
    pub fn rename(&self, old: &str, new: &str) -> Result<()> {
        self.rename_with(old, new, RenameFlags::empty())
    }

    /// The same with flags.
    ///
    /// # Errors
    /// As [`Caller::rename`].
    pub fn rename_with(&self, old: &str, new: &str, flags: RenameFlags) -> Result<()> {
        self.by_path(old, |caller, old| caller.rename(old, full(new), flags))
    }

    /// Gives a file one more name.
    ///
    /// # Errors
    /// As [`Caller::link`].
    pub fn link(&self, old: &str, new: &str) -> Result<()> {
        self.by_path(old, |caller, old| caller.link(old, full(new)))
    }

    /// Makes a symbolic link.
    ///
    /// # Errors
    /// As [`Caller::make_symlink`].
    pub fn make_symlink(&self, target: &str, path: &str) -> Result<()> {
        self.by_path(path, |caller, path| caller.make_symlink(target, path))
    }

    /// Makes any call of the client library by path: `call` gets the caller and the full path.
    ///
    /// # Errors
    /// Those of the call; `EBADF`: the client has died.
    pub fn by_path<T>(
        &self,
        path: &str,
        call: impl FnOnce(&Caller<'_>, PathBuf) -> Result<T>,
    ) -> Result<T> {
        let caller = Caller {
            credentials: Some(self.whose),
            deadline: Some(Instant::now() + self.patience),
            ..Caller::default()
        };
        apart::inside(&self.link, self.whose, || call(&caller, full(path)))?
    }

    /// Begins to read, and does not wait.
    ///
    /// # Errors
    /// - `EBADF`, `ESRCH`: the client has died, or the bench.
    pub fn begin_read(&self, file: &File, len: usize) -> Result<Pending<'_>> {
        let (message, _) = transfer(MessageType::READ, len)?;
        self.begin(file, &message, len)
    }

    /// Begins to write, and does not wait.
    ///
    /// # Errors
    /// As [`begin_read`](Self::begin_read).
    pub fn begin_write(&self, file: &File, data: &[u8]) -> Result<Pending<'_>> {
        let (mut message, _) = transfer(MessageType::WRITE, data.len())?;
        message.extend_from_slice(data);
        self.begin(file, &message, 0)
    }

    /// Begins to wait for a lock of a range (fcntl's F_SETLKW), as [`File::lock`].
    ///
    /// # Errors
    /// As [`begin_read`](Self::begin_read).
    pub fn begin_lock(
        &self,
        file: &File,
        kind: LockKind,
        base: Seek,
        len: i64,
    ) -> Result<Pending<'_>> {
        let mut message = Vec::new();
        let action = LockAction::SetWait;
        LockRequest {
            action,
            kind,
            base,
            len,
        }
        .encode(&mut message)?;
        self.begin(file, &message, 0)
    }

    /// Begins any message on a file, with room for this much of an answer.
    ///
    /// # Errors
    /// As [`begin_read`](Self::begin_read).
    pub fn begin(&self, file: &File, message: &[u8], room: usize) -> Result<Pending<'_>> {
        let caller = self.caller();
        let parts = &[IoSlice::new(message)];
        let call = file.connection.begin_with(parts, room, caller.options())?;
        Ok(Pending::new(self, call, room))
    }

    /// Sends any bytes on a file, and gives the status and the bytes of the answer, of which there is room for `room`.
    ///
    /// # Errors
    /// The resource's; `ETIMEDOUT`: no answer came.
    pub fn send(&self, file: &File, message: &[u8], room: usize) -> Result<(i64, Vec<u8>)> {
        let answer = self.begin(file, message, room)?.finish()?;
        Ok((answer.status, answer.data))
    }

    /// A read of `asked` bytes with room for `room` of them only. Gives what came.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    pub fn read_into(&self, file: &File, asked: usize, room: usize) -> Result<Vec<u8>> {
        let (message, _) = transfer(MessageType::READ, asked)?;
        Ok(self.send(file, &message, room)?.1)
    }

    /// A write that says that it brings `claimed` bytes, and brings these. They may be more than the manager receives
    /// at once. Gives the count of the answer.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    pub fn write_claiming(&self, file: &File, claimed: usize, data: &[u8]) -> Result<usize> {
        let (mut message, _) = transfer(MessageType::WRITE, claimed)?;
        message.extend_from_slice(data);
        let (status, _) = self.send(file, &message, 0)?;
        usize::try_from(status).map_err(|_| Errno::PROTO)
    }

    /// Returns when the manager has seen everything that this client has sent before, and what it has left to do
    /// because of it; or when the patience has ended because a handler waits.
    pub fn settle(&self) {
        // Each is answered by the loop itself (no file is open there), after all that came before. What a handler has
        // left to do is done between two messages.
        for _ in 0..3 {
            let (message, options) = (wire::stat_message(), self.caller().options());
            let sent = self
                .link
                .send_with(&[IoSlice::new(&message)], &mut [], options);
            if !matches!(sent, Err(SendError::Refused(_))) {
                return;
            }
        }
    }

    /// Vanishes as a process that is killed: with its opens, locks and blocked calls. Returns when the manager has
    /// forgotten it. Its calls, also those under way, end with `EBADF`.
    ///
    /// # Errors
    /// - `ETIMEDOUT`: the manager has not forgotten it in the bench's patience.
    pub fn die(&self) -> Result<()> {
        let scoid = self.link.server_info().scoid;
        let watcher = Connection::attach_with(
            Target {
                nd: 0,
                pid: 0,
                chid: self.link.server_info().chid,
            },
            IdSpace::SideChannel,
            ConnectFlags::NOSHARE,
        )?;
        self.link.sever();
        let end = Instant::now() + self.patience;
        while self.server.knows(scoid) {
            if Instant::now() > end {
                return Err(Errno::TIMEDOUT);
            }
            // One turn of the manager's loop.
            let options = self.caller().options();
            let message = wire::stat_message();
            let _ = watcher.send_with(&[IoSlice::new(&message)], &mut [], options);
        }
        Ok(())
    }

    /// As [`die`](Self::die), but does not wait until the manager has forgotten it.
    #[cfg(test)]
    pub(crate) fn vanish(&self) {
        self.link.sever();
    }

    fn caller(&self) -> Caller<'static> {
        Caller {
            credentials: Some(self.whose),
            deadline: Some(Instant::now() + self.patience),
            ..Caller::default()
        }
    }

    pub(super) fn patience(&self) -> Duration {
        self.patience
    }
}

/// The header of a read or write of this many bytes, and that number.
fn transfer(kind: MessageType, len: usize) -> Result<(Vec<u8>, u32)> {
    let len = u32::try_from(len).map_err(|_| Errno::INVAL)?;
    let mut message = Vec::new();
    let (offset, nonblock) = (None, None);
    Transfer {
        len,
        offset,
        nonblock,
    }
    .encode(kind, &mut message);
    Ok((message, len))
}

fn full(path: &str) -> PathBuf {
    if path.is_empty() {
        apart::ROOT.into()
    } else {
        format!("{}/{path}", apart::ROOT).into()
    }
}

macro_rules! by_path {
    ($($(#[$meta:meta])* $name:ident($($arg:ident: $type:ty),*) -> $result:ty;)*) => {
        impl Client {$(
            $(#[$meta])*
            #[doc = concat!("\n\n# Errors\nAs [`Caller::", stringify!($name), "`].")]
            pub fn $name(&self, path: &str $(, $arg: $type)*) -> Result<$result> {
                self.by_path(path, |caller, path| caller.$name(path $(, $arg)*))
            }
        )*}
    };
}

by_path! {
    /// What a file is.
    stat() -> Stat;
    /// What a file is, or of a symbolic link what the link is.
    symlink_stat() -> Stat;
    /// Whether this client may do this with a file.
    access(access: Access) -> ();
    /// Takes a file's name away.
    unlink() -> ();
    /// Takes an empty directory away.
    remove_dir() -> ();
    /// Makes a directory.
    create_dir(permissions: u32) -> ();
    /// Makes a file of any type.
    make_node(mode: u32, device: u64) -> ();
    /// Where a symbolic link leads.
    read_link() -> PathBuf;
    /// Changes a file's permissions.
    chmod(mode: u32) -> ();
    /// Changes a file's owner, its group, or both.
    chown(uid: Option<u32>, gid: Option<u32>) -> ();
    /// Changes when a file was last read and written.
    set_times(accessed: TimeChange, modified: TimeChange) -> ();
    /// Changes how long a file is.
    truncate(size: u64) -> ();
    /// A limit that holds for a file.
    pathconf(name: u16) -> i64;
    /// What the file system of a file is.
    statvfs() -> Statvfs;
    /// An extended attribute.
    xattr(name: &OsStr) -> Vec<u8>;
    /// Sets an extended attribute.
    set_xattr(name: &OsStr, value: &[u8], flags: XattrFlags) -> ();
    /// The names of all extended attributes.
    list_xattrs() -> Vec<OsString>;
    /// Takes an extended attribute away.
    remove_xattr(name: &OsStr) -> ();
}
