//! The calls that change names: unlink(), rename(), mkdir() and their like. Each is one message to the server that
//! has the path; none follows a symbolic link at the end of it.

use super::Caller;
use super::open::known_stat;
use super::walk::{Ask, Found, LINK_ROOM, Said, walk_with};
use crate::names;
use crate::wire::{Connect, ConnectKind, ExtraType, LinkReply, OpenFlags, RenameFlags, Stat};
use crate::{Errno, Result};
use resmgr_namespace::{Entry, FileType, Rooted};
use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

/// Takes a file's name away: see [`Caller::unlink`].
pub fn unlink(path: impl AsRef<Path>) -> Result<()> {
    Caller::default().unlink(path)
}

/// Takes an empty directory away: see [`Caller::remove_dir`].
#[doc(alias = "rmdir")]
pub fn remove_dir(path: impl AsRef<Path>) -> Result<()> {
    Caller::default().remove_dir(path)
}

/// Gives a file another name: see [`Caller::rename`].
pub fn rename(old: impl AsRef<Path>, new: impl AsRef<Path>) -> Result<()> {
    Caller::default().rename(old, new, RenameFlags::empty())
}

/// Makes a directory with the permissions 0777, less the mask: see [`Caller::create_dir`].
#[doc(alias = "mkdir")]
pub fn create_dir(path: impl AsRef<Path>) -> Result<()> {
    Caller::default().create_dir(path, 0o777)
}

/// Makes a file of any type: see [`Caller::make_node`].
#[doc(alias = "mknod")]
pub fn make_node(path: impl AsRef<Path>, mode: u32, device: u64) -> Result<()> {
    Caller::default().make_node(path, mode, device)
}

/// Gives a file one more name: see [`Caller::link`].
pub fn link(old: impl AsRef<Path>, new: impl AsRef<Path>) -> Result<()> {
    Caller::default().link(old, new)
}

/// Makes a symbolic link in a server's directory: see [`Caller::make_symlink`].
#[doc(alias = "symlink")]
pub fn make_symlink(target: impl AsRef<Path>, path: impl AsRef<Path>) -> Result<()> {
    Caller::default().make_symlink(target, path)
}

/// Where a symbolic link leads: see [`Caller::read_link`].
#[doc(alias = "readlink")]
pub fn read_link(path: impl AsRef<Path>) -> Result<PathBuf> {
    Caller::default().read_link(path)
}

impl Caller<'_> {
    /// Takes a file's name away; the file goes with its last name and its last open.
    ///
    /// # Errors
    /// - `ENOENT`: nobody knows the path.
    /// - `EBUSY`: the name is one of the path manager's, which goes with the process that it belongs to.
    /// - `ENOSYS`: the server has no names to take away.
    /// - `EACCES`, `EPERM`, `EISDIR` and others: the server's answer. `EINTR`, `ETIMEDOUT`: the call was ended early.
    pub fn unlink(&self, path: impl AsRef<Path>) -> Result<()> {
        self.remove(path.as_ref(), 0)
    }

    /// Takes an empty directory away.
    ///
    /// # Errors
    /// As [`unlink`](Self::unlink); `ENOTDIR`: it is none; `ENOTEMPTY`: it is not empty.
    #[doc(alias = "rmdir")]
    pub fn remove_dir(&self, path: impl AsRef<Path>) -> Result<()> {
        self.remove(path.as_ref(), Stat::DIRECTORY)
    }

    /// Gives a file another name below the same name of its server's. A file that has the new one loses it.
    ///
    /// # Errors
    /// As [`unlink`](Self::unlink), of either path, and
    /// - `EXDEV`: the paths lead to different servers, or to different names of one.
    /// - `EEXIST`, `EINVAL`: as the flags say; the server does not know them.
    pub fn rename(
        &self,
        old: impl AsRef<Path>,
        new: impl AsRef<Path>,
        flags: RenameFlags,
    ) -> Result<()> {
        let connect = Connect {
            kind: ConnectKind::RENAME,
            extra_type: ExtraType::RENAME,
            mode: flags.bits(),
            ..Connect::default()
        };
        self.with_old(old.as_ref(), new.as_ref(), connect, Errno::BUSY)
    }

    /// Makes a directory with these permissions, less the mask.
    ///
    /// # Errors
    /// As [`make_node`](Self::make_node).
    #[doc(alias = "mkdir")]
    pub fn create_dir(&self, path: impl AsRef<Path>, permissions: u32) -> Result<()> {
        let mode = Stat::DIRECTORY | (permissions & !Stat::TYPE);
        self.make_node(path, mode, 0)
    }

    /// Makes a file of the type and with the permissions of `mode`, less the mask. `device` says which device, for
    /// device files.
    ///
    /// # Errors
    /// - `EEXIST`: there is one, or the path is one of the path manager's.
    /// - `ENOENT`: nobody knows the directory.
    /// - `ENOSYS`: the server makes no files of this kind.
    /// - `EACCES`, `ENOSPC`, `EROFS` and others: the server's answer.
    #[doc(alias = "mknod")]
    #[doc(alias = "mkfifo")]
    pub fn make_node(&self, path: impl AsRef<Path>, mode: u32, device: u64) -> Result<()> {
        let number = device.to_ne_bytes();
        let connect = Connect {
            kind: ConnectKind::MKNOD,
            mode: self.masked(mode),
            extra: if device == 0 { &[] } else { &number },
            ..Connect::default()
        };
        self.make(path.as_ref(), connect)
    }

    /// Gives a file one more name below the same name of its server's. The file is not followed if it is a symbolic
    /// link.
    ///
    /// # Errors
    /// As [`make_node`](Self::make_node), and
    /// - `EXDEV`: the paths lead to different servers, or to different names of one.
    /// - `EPERM`: the server gives no second names to files of this kind. `EMLINK`: it has too many.
    pub fn link(&self, old: impl AsRef<Path>, new: impl AsRef<Path>) -> Result<()> {
        let connect = Connect {
            kind: ConnectKind::LINK,
            extra_type: ExtraType::LINK,
            ..Connect::default()
        };
        self.with_old(old.as_ref(), new.as_ref(), connect, Errno::EXIST)
    }

    /// Makes a symbolic link in a server's directory; what it leads to need not be there. For a link of the path
    /// manager see [`symlink`](crate::symlink).
    ///
    /// # Errors
    /// As [`make_node`](Self::make_node); `ENOENT`: also without a target.
    #[doc(alias = "symlink")]
    pub fn make_symlink(&self, target: impl AsRef<Path>, path: impl AsRef<Path>) -> Result<()> {
        let target = target.as_ref().as_os_str().as_bytes();
        if target.is_empty() {
            return Err(Errno::NOENT);
        }
        let connect = Connect {
            kind: ConnectKind::LINK,
            extra_type: ExtraType::SYMLINK,
            extra: target,
            ..Connect::default()
        };
        self.make(path.as_ref(), connect)
    }

    /// Where a symbolic link leads, as it was made: a server's, or one of the path manager's.
    ///
    /// # Errors
    /// - `EINVAL`: there is something, but no link.
    /// - `ENOENT`: nobody knows the path.
    /// - others: the server's answer. `EPROTO`: it cannot be.
    #[doc(alias = "readlink")]
    pub fn read_link(&self, path: impl AsRef<Path>) -> Result<PathBuf> {
        let path = self.path(path.as_ref())?;
        if names::ends_in_link(&path)? {
            return names::read_link(path.path()).map(to_path);
        }
        let connect = Connect {
            kind: ConnectKind::READLINK,
            flags: OpenFlags::NO_FOLLOW,
            ..Connect::default()
        };
        let ask = Ask {
            room: LINK_ROOM,
            ..ask(connect)
        };
        let found = match self.walk_on(&path, &ask) {
            // Who has no links has files that are none.
            Err(Errno::NOSYS) => return Err(Errno::INVAL),
            Err(Errno::NOENT) if known_stat(&path).is_some() => return Err(Errno::INVAL),
            found => found?,
        };
        let link = LinkReply::decode(&found.reply).map_err(|_| Errno::PROTO)?;
        if link.path.is_empty() {
            return Err(Errno::PROTO);
        }
        Ok(to_path(link.path))
    }

    fn remove(&self, path: &Path, mode: u32) -> Result<()> {
        let connect = Connect {
            kind: ConnectKind::UNLINK,
            mode,
            ..Connect::default()
        };
        self.change(path, connect, Errno::BUSY)
    }

    fn make(&self, path: &Path, connect: Connect<'_>) -> Result<()> {
        self.change(path, connect, Errno::EXIST)
    }

    /// Asks for a change of the path; `taken` if the name is one of the path manager's.
    fn change(&self, path: &Path, connect: Connect<'_>, taken: Errno) -> Result<()> {
        let path = self.path(path)?;
        if names::ends_in_link(&path)? {
            return Err(taken);
        }
        let done = self.walk_on(&path, &ask(connect));
        unless_known(done, &path, taken)
    }

    /// The same with the old path as extra data: below the same name of the same server, or it is `EXDEV`.
    fn with_old(&self, old: &Path, new: &Path, connect: Connect<'_>, taken: Errno) -> Result<()> {
        let (old, new) = (self.path(old)?, self.path(new)?);
        if names::ends_in_link(&old)? {
            return Err(Errno::BUSY);
        }
        if names::ends_in_link(&new)? {
            return Err(taken);
        }
        let way = names::follow(&old, FileType::ANY)?;
        let (servers, old) = (way.servers?, way.path.into_owned());
        let mut elsewhere = false;
        let done = walk_with(&new, FileType::ANY, |path, entry| {
            let common = servers.iter().any(|one| is_same(one, entry))
                && prefix(&old, entry) == prefix(path, entry);
            if !common {
                elsewhere = true;
                return Ok(Said::NotHere);
            }
            let mut below = old.path().below(usize::from(entry.prefix_len)).to_vec();
            if old.path().has_trailing_slash() && !below.is_empty() {
                below.push(b'/');
            }
            let connect = Connect {
                extra: &below,
                ..connect
            };
            self.server(path, entry, &ask(connect))
        });
        match done {
            Err(Errno::NOENT) if elsewhere => Err(Errno::XDEV),
            done => unless_known(done, &new, taken),
        }
    }
}

fn ask(connect: Connect<'_>) -> Ask<'_> {
    Ask {
        connect,
        next: &[],
        room: 0,
    }
}

/// Nobody has the path: but the tree may know it.
fn unless_known(done: Result<Found>, path: &Rooted, taken: Errno) -> Result<()> {
    match done {
        Err(Errno::NOENT) if known_stat(path).is_some() => Err(taken),
        done => done.map(drop),
    }
}

fn is_same(one: &Entry, other: &Entry) -> bool {
    let server = |entry: &Entry| (entry.nd, entry.pid, entry.identity, entry.chid);
    server(one) == server(other) && (one.handle, one.prefix_len) == (other.handle, other.prefix_len)
}

fn prefix<'a>(path: &'a Rooted, entry: &Entry) -> Option<&'a [u8]> {
    path.path().as_bytes().get(..usize::from(entry.prefix_len))
}

fn to_path(text: Vec<u8>) -> PathBuf {
    OsString::from_vec(text).into()
}
