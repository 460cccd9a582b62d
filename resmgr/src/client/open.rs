//! open(), stat() and access() by path.

use super::walk::{Ask, Found};
use super::{Caller, File, OpenFlags, Share, Stat};
use crate::names;
use crate::wire::{self, Access, Connect, ConnectKind};
use crate::{Errno, Result};
use resmgr_namespace::{Entry, FileType, NameKind, Rooted};
use resmgr_sys::process;
use std::path::Path;

/// Opens a file. With `CREATE`, one that has to be made gets the permissions 0666; see
/// [`Caller::open`] for others, and for the errors.
pub fn open(path: impl AsRef<Path>, flags: OpenFlags) -> Result<File> {
    Caller::default().open(path, flags, 0o666)
}

/// What a file is, by its path: see [`Caller::stat`].
pub fn stat(path: impl AsRef<Path>) -> Result<Stat> {
    Caller::default().stat(path)
}

/// Whether this process may do this with a file: see [`Caller::access`].
pub fn access(path: impl AsRef<Path>, access: Access) -> Result<()> {
    Caller::default().access(path, access)
}

/// What a file is, or of a symbolic link what the link is: see [`Caller::symlink_stat`].
#[doc(alias = "lstat")]
pub fn symlink_stat(path: impl AsRef<Path>) -> Result<Stat> {
    Caller::default().symlink_stat(path)
}

impl Caller<'_> {
    /// Opens a file. `mode` is for one that has to be made; the caller's mask is taken off it.
    ///
    /// # Errors
    /// - `ENOENT`: nobody knows the path.
    /// - `ENOTDIR`: what is registered at the beginning of the path is no directory.
    /// - `EINVAL`, `ENAMETOOLONG`: it is no path.
    /// - `ELOOP`: too many symbolic links; or the path is one, and not to be followed.
    /// - `EACCES`, `EISDIR`, `EEXIST` and others: the server's answer. `EPERM`: it is not open to this user.
    /// - `EINTR`, `ETIMEDOUT`: the call was ended early.
    pub fn open(&self, path: impl AsRef<Path>, flags: OpenFlags, mode: u32) -> Result<File> {
        self.open_shared(path, flags, mode, Share::Unstated)
    }

    /// The same, and keeps other opens from reading or writing the file while it lasts.
    ///
    /// # Errors
    /// As [`open`](Self::open), and
    /// - `EBUSY`: others have it open for what this keeps them from; or one of them keeps this from its access.
    #[doc(alias = "sopen")]
    pub fn open_shared(
        &self,
        path: impl AsRef<Path>,
        flags: OpenFlags,
        mode: u32,
        share: Share,
    ) -> Result<File> {
        let connect = Connect {
            flags: flags | self.link_flags(),
            share: share.raw(),
            mode: if flags.contains(OpenFlags::CREATE) {
                self.masked(mode)
            } else {
                mode
            },
            ..Connect::default()
        };
        let ask = Ask {
            connect,
            next: &[],
            room: 0,
        };
        let path = self.path(path.as_ref())?;
        let found = if self.no_follow && !flags.contains(OpenFlags::NO_FOLLOW) {
            self.walk_on(&path, &ask)?
        } else {
            self.walk(&path, &ask)?
        };
        Ok(File::new(found.connection, flags))
    }

    /// What a file is, by its path: one message. Directories that exist only because a name lies below
    /// them, and names that programs receive messages under, are answered here without one.
    ///
    /// # Errors
    /// As [`open`](Self::open); no permission is needed.
    pub fn stat(&self, path: impl AsRef<Path>) -> Result<Stat> {
        self.stat_with(&self.path(path.as_ref())?, Connect::default())
    }

    /// The same, but of a symbolic link at the end of the path, what the link is.
    ///
    /// # Errors
    /// As [`stat`](Self::stat).
    #[doc(alias = "lstat")]
    pub fn symlink_stat(&self, path: impl AsRef<Path>) -> Result<Stat> {
        let path = self.path(path.as_ref())?;
        if names::ends_in_link(&path)? {
            return Ok(made_up(Stat::LINK | 0o777));
        }
        let connect = Connect {
            flags: OpenFlags::NO_FOLLOW,
            ..Connect::default()
        };
        self.stat_with(&path, connect)
    }

    /// Whether the caller may do this with a file; [`Access::empty`] only asks whether there is one. It is the
    /// server that looks, at whom it takes the caller for: one message.
    ///
    /// # Errors
    /// - `EACCES`: no. `EROFS`: nobody may write there.
    /// - others: as [`stat`](Self::stat).
    #[doc(alias = "eaccess")]
    pub fn access(&self, path: impl AsRef<Path>, access: Access) -> Result<()> {
        let path = self.path(path.as_ref())?;
        let connect = Connect {
            access: u16::try_from(access.bits()).map_err(|_| Errno::INVAL)?,
            ..Connect::default()
        };
        match self.ask_stat(&path, connect) {
            Err(errno @ (Errno::NOENT | Errno::NOTDIR)) => match known_stat(&path) {
                Some(stat) if stat.is_dir() && access.contains(Access::WRITE) => Err(Errno::ACCES),
                Some(stat) if !stat.is_dir() && access.contains(Access::EXECUTE) => {
                    Err(Errno::ACCES)
                }
                Some(_) => Ok(()),
                None => Err(errno),
            },
            answer => answer.map(drop),
        }
    }

    fn stat_with(&self, path: &Rooted, connect: Connect<'_>) -> Result<Stat> {
        match self.ask_stat(path, connect) {
            Err(errno @ (Errno::NOENT | Errno::NOTDIR)) => known_stat(path).ok_or(errno),
            answer => answer,
        }
    }

    fn ask_stat(&self, path: &Rooted, connect: Connect<'_>) -> Result<Stat> {
        let found = self.combine(path, connect, &wire::stat_message(), Stat::SIZE)?;
        Stat::decode(&found.reply)
    }

    /// One message for a file that is open for that long only (CB-2). A reply of up to `room` bytes comes back.
    pub(super) fn combine(
        &self,
        path: &Rooted,
        connect: Connect<'_>,
        next: &[u8],
        room: usize,
    ) -> Result<Found> {
        let connect = Connect {
            kind: ConnectKind::COMBINE_CLOSE,
            flags: connect.flags | self.link_flags(),
            ..connect
        };
        let ask = Ask {
            connect,
            next,
            room,
        };
        self.walk_on(path, &ask)
    }
}

/// What the tree itself knows of a path that no server of files stands for. The root is a directory even
/// where there is no name at all.
pub(super) fn known_stat(path: &Rooted) -> Option<Stat> {
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
