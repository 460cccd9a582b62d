//! [`HostDir`]: a directory of the host.

mod file;
#[cfg(test)]
mod tests;

pub use file::{HostFile, HostOpen};

use crate::resource::check::{Subject, mode_after_write};
use crate::resource::{
    Attr, Call, Change, Done, Entries, Filesystem, New, NewKind, Ocb, Opening, Read, RenameFlags,
    Resource, Write,
};
use crate::wire::{OpenFlags, Seek, Space, SpaceKind};
use crate::{Errno, Result};
use file::{is_device, set_time, text};
use resmgr_sys::dirfd;
use std::ffi::{OsStr, OsString};
use std::os::fd::AsFd;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

/// A directory of the host with all that is below it, to be attached with
/// [`AttachFlags::DIR`](crate::dispatch::AttachFlags::DIR).
///
/// # Who may what
/// The framework checks clients by the permission bits that the host's files have. What the host then allows is
/// what it allows this process: `EACCES` and `EPERM` where that is less. A new file belongs to its client, so only
/// a server that is root can make files for others (`EPERM`).
///
/// # Nothing leads out
/// Files are held by descriptors, and each step of a path is one name looked up in one of them (`openat2`, below the
/// directory and without links). A symbolic link is told to the client, which follows it in the namespace. Nobody who
/// renames directories or swaps them for links has a walk end elsewhere. Another file system that is mounted below
/// is not entered (`EXDEV`).
///
/// # Not as on the host
/// - Pipes, sockets and devices are listed, and not opened (`ENXIO`); devices are not made (`EPERM`).
/// - Names are listed as they were when the list began.
/// - A file cannot be mapped (`ENODEV`).
///
/// It needs /proc.
#[derive(Debug)]
pub struct HostDir {
    root: Arc<HostFile>,
    read_only: bool,
}

impl HostDir {
    /// A directory that clients change as their rights say.
    ///
    /// # Errors
    /// - `ENOTDIR`, `ENOENT`, `EACCES`: it is none, or cannot be reached.
    pub fn new(path: impl AsRef<Path>) -> Result<Self> {
        let dir = std::fs::File::open(path)?;
        if !dir.metadata()?.is_dir() {
            return Err(Errno::NOTDIR);
        }
        let root = Arc::new(HostFile::new(dir.into()));
        Ok(Self {
            root,
            read_only: false,
        })
    }

    /// The same, but nothing below it can be changed (`EROFS`).
    pub fn read_only(mut self) -> Self {
        self.read_only = true;
        self
    }
}

type Node = Arc<HostFile>;
type Open = Ocb<Node, HostOpen>;

impl Resource for HostDir {
    type Node = Node;
    type Open = HostOpen;

    fn root(&self) -> Node {
        Arc::clone(&self.root)
    }

    fn attr(&self, node: &Node) -> Result<Attr> {
        node.attr()
    }

    fn lookup(&self, dir: &Node, name: &OsStr) -> Result<Node> {
        dir.lookup(name).map(Arc::new)
    }

    fn read_link(&self, node: &Node) -> Result<OsString> {
        dirfd::read_link(node.fd(), c"").map(OsString::from_vec)
    }

    fn open(&self, node: &Node, how: &Opening) -> Result<HostOpen> {
        let access = how.flags & (OpenFlags::READ | OpenFlags::WRITE);
        let file = match access.to_posix().cast_signed() {
            _ if access.is_empty() => None,
            access => Some(node.open(access)?),
        };
        Ok(HostOpen::new(file))
    }

    fn read(&self, ocb: &Open, call: Call<'_, Read>) -> Result<Done> {
        let file = ocb.open.file()?;
        call.fill(|at, buffer| Ok(file.read_at(buffer, at.offset)?))
    }

    fn write(&self, ocb: &Open, call: Call<'_, Write>) -> Result<Done> {
        let written = ocb.open.file()?.write_at(call.data(), call.at().offset)?;
        lose_set_ids(&ocb.node, &call)?;
        call.taken(written)
    }

    fn read_dir(&self, ocb: &Open, from: u64, entries: &mut Entries) -> Result<()> {
        ocb.open.list(&ocb.node, from, |name, ino, next| {
            entries.add(name, ino, next)
        })
    }

    fn change(&self, node: &Node, change: &Change) -> Result<()> {
        if let Some(size) = change.size {
            let write = OpenFlags::WRITE.to_posix().cast_signed();
            node.open(write)?.set_len(size)?;
        }
        if change.uid.is_some() || change.gid.is_some() {
            dirfd::chown(node.fd(), change.uid, change.gid)?;
        }
        if let Some(mode) = change.mode {
            dirfd::chmod(node.fd(), mode & 0o7777)?;
        }
        if change.accessed.is_some() || change.modified.is_some() {
            let (accessed, modified) = (set_time(change.accessed), set_time(change.modified));
            dirfd::set_times(node.fd(), accessed, modified)?;
        }
        Ok(())
    }

    fn create(&self, dir: &Node, name: &OsStr, new: &New) -> Result<Node> {
        let c_name = text(name)?;
        match &new.what {
            NewKind::File => dirfd::make_file(dir.fd(), &c_name)?,
            NewKind::Directory => dirfd::make_dir(dir.fd(), &c_name, 0o700)?,
            NewKind::Link(target) => dirfd::symlink(&text(target)?, dir.fd(), &c_name)?,
            NewKind::Special(_) if is_device(new.mode) => return Err(Errno::PERM),
            NewKind::Special(_) => {
                dirfd::make_node(dir.fd(), &c_name, new.mode & !0o777 | 0o600, 0)?;
            }
        }
        let node = dir.lookup(name)?;
        given(&node, new).inspect_err(|_| {
            let is_dir = new.what == NewKind::Directory;
            let _ = dirfd::unlink(dir.fd(), &c_name, is_dir);
        })?;
        Ok(Arc::new(node))
    }

    fn link(&self, node: &Node, dir: &Node, name: &OsStr) -> Result<()> {
        dirfd::link_fd(node.fd(), dir.fd(), &text(name)?)
    }

    fn unlink(&self, dir: &Node, name: &OsStr) -> Result<()> {
        dirfd::unlink(dir.fd(), &text(name)?, false)
    }

    fn remove_dir(&self, dir: &Node, name: &OsStr) -> Result<()> {
        dirfd::unlink(dir.fd(), &text(name)?, true)
    }

    fn rename(
        &self,
        (dir, name): (&Node, &OsStr),
        (to, new_name): (&Node, &OsStr),
        flags: RenameFlags,
    ) -> Result<()> {
        let (name, new_name) = (text(name)?, text(new_name)?);
        dirfd::rename((dir.fd(), &name), (to.fd(), &new_name), flags.bits())
    }

    fn seek(&self, ocb: &Open, to: Seek, _size: u64) -> Result<u64> {
        let (offset, whence) = match to {
            Seek::Data(offset) => (offset, 3),
            Seek::Hole(offset) => (offset, 4),
            _ => return Err(Errno::INVAL),
        };
        let offset = i64::try_from(offset).map_err(|_| Errno::NXIO)?;
        dirfd::seek(ocb.open.file()?.as_fd(), offset, whence)
    }

    fn space(&self, ocb: &Open, space: &Space) -> Result<()> {
        let Seek::Start(start) = space.base else {
            return Err(Errno::INVAL);
        };
        let punch = space.kind == SpaceKind::Free;
        dirfd::space(ocb.open.file()?.as_fd(), punch, start, space.len)
    }

    fn sync(&self, ocb: &Open, data_only: bool) -> Result<()> {
        let file = ocb.open.file()?;
        Ok(if data_only {
            file.sync_data()
        } else {
            file.sync_all()
        }?)
    }

    fn statvfs(&self, node: &Node) -> Result<Filesystem> {
        let host = dirfd::statvfs(node.fd())?;
        Ok(Filesystem {
            block_size: u32::try_from(host.bsize).unwrap_or(4096),
            blocks: host.blocks,
            free: host.bavail,
            files: host.files,
            free_files: host.favail,
            name_max: u32::try_from(host.namemax).unwrap_or(255),
            read_only: host.read_only || self.read_only,
        })
    }

    fn xattr(&self, node: &Node, name: &OsStr) -> Result<Vec<u8>> {
        dirfd::xattr(node.fd(), &text(name)?)
    }

    fn xattrs(&self, node: &Node) -> Result<Vec<OsString>> {
        let names = dirfd::xattrs(node.fd())?;
        let names = names
            .split(|byte| *byte == 0)
            .filter(|name| !name.is_empty());
        Ok(names.map(|name| OsStr::from_bytes(name).into()).collect())
    }

    fn set_xattr(
        &self,
        node: &Node,
        name: &OsStr,
        value: Option<&[u8]>,
        exists: Option<bool>,
    ) -> Result<()> {
        let name = text(name)?;
        match value {
            Some(value) => dirfd::set_xattr(node.fd(), &name, value, exists),
            None => dirfd::remove_xattr(node.fd(), &name),
        }
    }
}

/// Gives a new file to its client.
fn given(node: &HostFile, new: &New) -> Result<()> {
    let attr = node.attr()?;
    if (attr.uid, attr.gid) != (new.uid, new.gid) {
        dirfd::chown(node.fd(), Some(new.uid), Some(new.gid))?;
    }
    if attr.is_link() {
        return Ok(());
    }
    dirfd::chmod(node.fd(), new.mode & 0o7777)
}

/// The host leaves these bits when root writes; here it is the client that writes.
fn lose_set_ids(node: &HostFile, call: &Call<'_, Write>) -> Result<()> {
    let attr = node.attr()?;
    if attr.mode & 0o6000 == 0 {
        return Ok(());
    }
    let groups = &call.groups();
    let client = Subject {
        groups,
        ..Subject::from(&call.at().client)
    };
    let mode = mode_after_write(&attr, client);
    if mode == attr.mode {
        return Ok(());
    }
    dirfd::chmod(node.fd(), mode & 0o7777)
}
