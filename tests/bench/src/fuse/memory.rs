//! The reference: one file in memory, served by fuser with as little between as can be.

use crate::device::NAME;
use crate::failure::{Doing, Failure};
use crate::server::say_ready;
use fuser::{
    Config, Errno, FileAttr, FileHandle, FileType, Filesystem, FopenFlags, Generation, INodeNo,
    LockOwner, OpenFlags, ReplyAttr, ReplyData, ReplyEntry, ReplyOpen, ReplyWrite, Request,
    WriteFlags,
};
use std::ffi::OsStr;
use std::path::Path;
use std::sync::{PoisonError, RwLock};
use std::time::{Duration, UNIX_EPOCH};

const FILE: INodeNo = INodeNo(2);

/// Nothing may be taken from the kernel's caches.
const UNCACHED: Duration = Duration::ZERO;

/// Serves until the mount ends.
pub(super) fn serve(at: &Path, size: usize) -> Result<(), Failure> {
    let memory = Memory(RwLock::new(vec![1; size]));
    // One thread, which is fuser's default, on the processor of this one.
    let session = fuser::spawn_mount(memory, at, &Config::default());
    let session = session.doing(format_args!("mount at {}", at.display()))?;
    say_ready("ready")?;
    session.join().doing("serve a mount")
}

struct Memory(RwLock<Vec<u8>>);

impl Memory {
    fn attributes(&self, inode: INodeNo) -> FileAttr {
        let file = inode == FILE;
        let size = self.0.read().unwrap_or_else(PoisonError::into_inner).len() as u64;
        FileAttr {
            ino: inode,
            size: if file { size } else { 0 },
            blocks: if file { size / 512 } else { 0 },
            atime: UNIX_EPOCH,
            mtime: UNIX_EPOCH,
            ctime: UNIX_EPOCH,
            crtime: UNIX_EPOCH,
            kind: if file {
                FileType::RegularFile
            } else {
                FileType::Directory
            },
            perm: if file { 0o644 } else { 0o755 },
            nlink: 1,
            uid: 0,
            gid: 0,
            rdev: 0,
            blksize: 4096,
            flags: 0,
        }
    }
}

/// The part of `offset..offset + len` that lies inside `size`.
fn within(size: usize, offset: u64, len: usize) -> std::ops::Range<usize> {
    let start = usize::try_from(offset).map_or(size, |offset| offset.min(size));
    start..start.saturating_add(len).min(size)
}

impl Filesystem for Memory {
    fn lookup(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEntry) {
        if parent == INodeNo::ROOT && name == NAME {
            reply.entry(&UNCACHED, &self.attributes(FILE), Generation(0));
        } else {
            reply.error(Errno::ENOENT);
        }
    }

    fn getattr(&self, _: &Request, inode: INodeNo, _: Option<FileHandle>, reply: ReplyAttr) {
        reply.attr(&UNCACHED, &self.attributes(inode));
    }

    fn open(&self, _: &Request, _: INodeNo, _: OpenFlags, reply: ReplyOpen) {
        reply.opened(FileHandle(0), FopenFlags::FOPEN_DIRECT_IO);
    }

    fn read(
        &self,
        _: &Request,
        _: INodeNo,
        _: FileHandle,
        offset: u64,
        size: u32,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyData,
    ) {
        let data = self.0.read().unwrap_or_else(PoisonError::into_inner);
        reply.data(&data[within(data.len(), offset, size as usize)]);
    }

    fn write(
        &self,
        _: &Request,
        _: INodeNo,
        _: FileHandle,
        offset: u64,
        new: &[u8],
        _: WriteFlags,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyWrite,
    ) {
        let mut data = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let range = within(data.len(), offset, new.len());
        let count = range.len();
        data[range].copy_from_slice(&new[..count]);
        reply.written(u32::try_from(count).unwrap_or(u32::MAX));
    }
}

#[cfg(test)]
mod tests {
    use super::within;

    #[test]
    fn ranges_end_with_the_file() {
        assert_eq!(within(100, 90, 20), 90..100);
        assert_eq!(within(100, 10, 20), 10..30);
        assert_eq!(within(100, u64::MAX, usize::MAX), 100..100);
    }
}
