//! open() and stat() by path.

use super::walk::Ask;
use super::{Caller, File, OpenFlags, Stat};
use crate::names;
use crate::wire::{self, Connect, ConnectKind, LinkReply, PATH_MAX};
use crate::{Errno, Result};
use resmgr_namespace::{Entry, FileType, NameKind, Rooted};
use resmgr_sys::process;
use std::path::Path;

/// Room for the longest reply to a connect message: a link.
const LINK_ROOM: usize = LinkReply::HEADER + PATH_MAX;

/// Opens a file. With `CREATE`, one that has to be made gets the permissions 0666; see
/// [`Caller::open`] for others, and for the errors.
pub fn open(path: impl AsRef<Path>, flags: OpenFlags) -> Result<File> {
    Caller::default().open(path, flags, 0o666)
}

/// What a file is, by its path: see [`Caller::stat`].
pub fn stat(path: impl AsRef<Path>) -> Result<Stat> {
    Caller::default().stat(path)
}

impl Caller<'_> {
    /// Opens a file. `mode` is for one that has to be made, and is taken as it is (QNX's library takes the
    /// process's umask off first).
    ///
    /// # Errors
    /// - `ENOENT`: nobody knows the path.
    /// - `ENOTDIR`: what is registered at the beginning of the path is no directory.
    /// - `EINVAL`, `ENAMETOOLONG`: it is no path.
    /// - `ELOOP`: too many symbolic links; or the path is one, and not to be followed.
    /// - `EACCES`, `EISDIR`, `EEXIST` and others: the server's answer. `EPERM`: it is not open to this user.
    /// - `EINTR`, `ETIMEDOUT`: the call was ended early.
    pub fn open(&self, path: impl AsRef<Path>, flags: OpenFlags, mode: u32) -> Result<File> {
        let connect = Connect {
            flags,
            mode,
            ..Connect::default()
        };
        let ask = Ask {
            connect,
            next: &[],
            room: LINK_ROOM,
        };
        let found = self.walk(&self.path(path.as_ref())?, &ask)?;
        Ok(File::new(found.connection, flags))
    }

    /// What a file is, by its path: one message. Directories that exist only because a name lies below
    /// them, and names that programs receive messages under, are answered here without one.
    ///
    /// # Errors
    /// As [`open`](Self::open); no permission is needed.
    pub fn stat(&self, path: impl AsRef<Path>) -> Result<Stat> {
        let path = self.path(path.as_ref())?;
        match self.ask_stat(&path) {
            Err(errno @ (Errno::NOENT | Errno::NOTDIR)) => known_stat(&path).ok_or(errno),
            answer => answer,
        }
    }

    fn ask_stat(&self, path: &Rooted) -> Result<Stat> {
        let connect = Connect {
            kind: ConnectKind::COMBINE_CLOSE,
            ..Connect::default()
        };
        let mut next = Vec::new();
        wire::encode_stat(&mut next);
        let ask = Ask {
            connect,
            next: &next,
            room: LINK_ROOM,
        };
        Stat::decode(&self.walk(path, &ask)?.reply)
    }
}

/// What the tree itself knows of a path that no server of files stands for. The root is a directory even
/// where there is no name at all.
fn known_stat(path: &Rooted) -> Option<Stat> {
    let way = names::follow(path, FileType::NAME).ok()?;
    let program = |entries: Vec<Entry>| entries.iter().any(|one| one.file_type == FileType::NAME);
    if way.servers.is_ok_and(program) {
        return Some(made_up(Stat::NAME | 0o600));
    }
    let path = way.path.path();
    // No name comes after this one: only what the tree knows of the path itself is wanted.
    let parent = path.components().next().is_none()
        || names::page(path, &[0xff; 255]).is_ok_and(|page| page.here.contains(NameKind::PARENT));
    parent.then(|| made_up(Stat::DIRECTORY | 0o755))
}

/// A file that no server stands for.
fn made_up(mode: u32) -> Stat {
    Stat {
        ino: 1,
        mode,
        nlink: 1,
        uid: process::effective_uid(),
        gid: process::effective_gid(),
        blksize: 4096,
        ..Stat::default()
    }
}
