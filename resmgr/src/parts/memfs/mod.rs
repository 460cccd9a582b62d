//! [`MemFs`]: a file system in memory.

mod data;
mod inode;
mod names;
mod room;
#[cfg(test)]
mod tests;

pub use inode::Inode;

use crate::ipc::Credentials;
use crate::resource::{
    Attr, Call, Change, Done, Entries, Filesystem, New, NewKind, Ocb, Opening, Read, RenameFlags,
    Resource, Write,
};
use crate::wire::{OpenFlags, Seek, Space, SpaceKind, Stat};
use crate::{Errno, Result};
use inode::{Body, Happened, alone, shared};
use resmgr_sys::process;
use room::Room;
use std::ffi::{OsStr, OsString};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

/// Bytes that files take in all, unless said otherwise.
const BYTES: u64 = 256 << 20;
/// Names that there are in all, unless said otherwise.
const NAMES: u64 = 1 << 16;

/// A file system in memory: directories, links, special files, sparse files, extended attributes, as Linux's tmpfs
/// has them. Attach it with [`AttachFlags::DIR`](crate::dispatch::AttachFlags::DIR). What is in it goes with it.
///
/// # Bounds
/// `ENOSPC` says that [`bytes`](Self::bytes) or [`names`](Self::names) are used up. A file takes 4096 bytes for each
/// page that was written; a hole takes nothing. Extended attributes of one file: 64 KiB, which count as bytes.
///
/// # Not as in tmpfs
/// - A pipe, socket or device can be made, renamed and removed, but not opened: `ENXIO`.
/// - A file cannot be mapped (`ENODEV`); through a mount the kernel maps what it reads.
/// - Room that was allocated and never written counts as data for SEEK_DATA.
///
/// ```no_run
/// use resmgr::parts::MemFs;
/// use resmgr::prelude::*;
///
/// fn main() -> Result<(), StartError> {
///     let files = MemFs::new().bytes(64 << 20);
///     Manager::new()?.threads(4).attach_with("/tmp", AttachFlags::DIR, files)?.run()
/// }
/// ```
#[derive(Debug)]
#[doc(alias = "devf-ram")]
pub struct MemFs {
    root: Arc<Inode>,
    room: Arc<Room>,
    next: AtomicU64,
    /// Held while a name moves from one directory to another.
    moves: Mutex<()>,
}

impl MemFs {
    /// An empty one, of this process's user: 256 MiB, 65,536 names, root directory 0755.
    pub fn new() -> Self {
        let room = Arc::new(Room::new(BYTES, NAMES));
        let client = Credentials {
            pid: 0,
            uid: process::effective_uid(),
            gid: process::effective_gid(),
        };
        let root = New {
            what: NewKind::Directory,
            mode: Stat::DIRECTORY | 0o755,
            uid: client.uid,
            gid: client.gid,
            client,
        };
        Self {
            root: Arc::new(Inode::root(&room, &root)),
            room,
            next: AtomicU64::new(2),
            moves: Mutex::default(),
        }
    }

    /// The same with so many bytes for what files hold, in pages of 4096.
    #[doc(alias = "size")]
    pub fn bytes(self, most: u64) -> Self {
        self.room.set_bytes(most);
        self
    }

    /// The same with so many names; files that are open and have none count, too.
    #[doc(alias = "nr_inodes")]
    pub fn names(self, most: u64) -> Self {
        self.room.set_names(most);
        self
    }

    /// The same with these permissions of its root directory: 01777 for a place where everybody makes files.
    pub fn permissions(self, mode: u32) -> Self {
        let change = Change {
            mode: Some(mode),
            ..Change::default()
        };
        // Only a size can be refused.
        let _ = self.root.change(&change);
        self
    }
}

impl Default for MemFs {
    fn default() -> Self {
        Self::new()
    }
}

/// Directory by directory: a tree may be deeper than the stack.
impl Drop for MemFs {
    fn drop(&mut self) {
        let mut files = vec![Arc::clone(&self.root)];
        while let Some(file) = files.pop() {
            if let Ok(directory) = file.directory() {
                files.append(&mut directory.take_all());
            }
        }
    }
}

type Open = Ocb<Arc<Inode>, ()>;

impl Resource for MemFs {
    type Node = Arc<Inode>;
    type Open = ();

    fn root(&self) -> Arc<Inode> {
        Arc::clone(&self.root)
    }

    fn attr(&self, node: &Arc<Inode>) -> Result<Attr> {
        Ok(node.attr())
    }

    fn lookup(&self, dir: &Arc<Inode>, name: &OsStr) -> Result<Arc<Inode>> {
        dir.directory()?.find(name)
    }

    fn read_link(&self, node: &Arc<Inode>) -> Result<OsString> {
        match &node.body {
            Body::Link(text) => Ok(text.clone()),
            _ => Err(Errno::INVAL),
        }
    }

    fn open(&self, node: &Arc<Inode>, how: &Opening) -> Result<()> {
        // What only looks at a file, or changes its attributes, opens it for neither.
        let data = OpenFlags::READ | OpenFlags::WRITE;
        match node.body {
            Body::Special(_) if how.flags.intersects(data) => Err(Errno::NXIO),
            _ => Ok(()),
        }
    }

    fn read(&self, ocb: &Open, call: Call<'_, Read>) -> Result<Done> {
        let data = ocb.node.data()?;
        call.fill(|at, buffer| {
            let len = shared(data).read(at.offset, buffer);
            ocb.node.book(Happened::Read);
            Ok(len)
        })
    }

    fn write(&self, ocb: &Open, call: Call<'_, Write>) -> Result<Done> {
        let written = alone(ocb.node.data()?).write(call.at().offset, call.data())?;
        ocb.node.written(&call);
        call.taken(written)
    }

    fn read_dir(&self, ocb: &Open, from: u64, entries: &mut Entries) -> Result<()> {
        ocb.node.directory()?.list(from, entries);
        ocb.node.book(Happened::Read);
        Ok(())
    }

    fn change(&self, node: &Arc<Inode>, change: &Change) -> Result<()> {
        node.change(change)
    }

    fn create(&self, dir: &Arc<Inode>, name: &OsStr, new: &New) -> Result<Arc<Inode>> {
        names::add(dir, name, || {
            let ino = self.next.fetch_add(1, Ordering::Relaxed);
            Inode::new(&self.room, ino, new)
        })
    }

    fn link(&self, node: &Arc<Inode>, dir: &Arc<Inode>, name: &OsStr) -> Result<()> {
        names::link(node, dir, name)
    }

    fn unlink(&self, dir: &Arc<Inode>, name: &OsStr) -> Result<()> {
        names::unlink(dir, name)
    }

    fn remove_dir(&self, dir: &Arc<Inode>, name: &OsStr) -> Result<()> {
        names::remove_dir(dir, name)
    }

    fn rename(
        &self,
        from: (&Arc<Inode>, &OsStr),
        to: (&Arc<Inode>, &OsStr),
        flags: RenameFlags,
    ) -> Result<()> {
        names::rename(&self.moves, from, to, flags)
    }

    fn seek(&self, ocb: &Open, to: Seek, _size: u64) -> Result<u64> {
        let data = shared(ocb.node.data()?);
        match to {
            Seek::Data(offset) => data.data_from(offset),
            Seek::Hole(offset) => data.hole_from(offset),
            _ => Err(Errno::INVAL),
        }
    }

    fn space(&self, ocb: &Open, space: &Space) -> Result<()> {
        let Seek::Start(start) = space.base else {
            return Err(Errno::INVAL);
        };
        let mut data = alone(ocb.node.data()?);
        match space.kind {
            SpaceKind::Allocate => data.allocate(start, space.len)?,
            SpaceKind::Free => data.punch(start, space.len),
        }
        drop(data);
        ocb.node.book(Happened::Written);
        Ok(())
    }

    fn statvfs(&self, _node: &Arc<Inode>) -> Result<Filesystem> {
        let ((blocks, free), (files, free_files)) = (self.room.pages(), self.room.names());
        Ok(Filesystem {
            blocks,
            free,
            files,
            free_files,
            ..Filesystem::default()
        })
    }

    fn xattr(&self, node: &Arc<Inode>, name: &OsStr) -> Result<Vec<u8>> {
        node.xattr(name)
    }

    fn xattrs(&self, node: &Arc<Inode>) -> Result<Vec<OsString>> {
        Ok(node.xattrs())
    }

    fn set_xattr(
        &self,
        node: &Arc<Inode>,
        name: &OsStr,
        value: Option<&[u8]>,
        exists: Option<bool>,
    ) -> Result<()> {
        node.set_xattr(name, value, exists)
    }
}
