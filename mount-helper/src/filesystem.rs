//! The kernel's requests, one method each: decode, choose the server, hand over to [`Bridge::serve`].
//!
//! What the methods do not do: wait, or answer ENOSYS for a server. ENOSYS is answered only where the
//! mount as a whole has nothing to offer (extended attributes, poll, locks over the network…) and the
//! kernel does better by itself from then on; that is fuser's default for the methods that are missing here.

use crate::attr::TTL;
use crate::bridge::Bridge;
use crate::call::{Call, Program, Refuse};
use crate::handle::Handle;
use crate::node::ROOT;
use crate::refusal::Operation;
use crate::traffic::Key;
use crate::{control, directory, file, lookup};
use fuser::{
    AccessFlags, BsdFileFlags, Errno as FuseErrno, FileHandle, Filesystem, FopenFlags, INodeNo,
    InitFlags, IoctlFlags, KernelConfig, LockOwner, OpenFlags, RenameFlags, ReplyAttr, ReplyCreate,
    ReplyData, ReplyDirectory, ReplyEmpty, ReplyEntry, ReplyIoctl, ReplyOpen, ReplyStatfs,
    ReplyWrite, ReplyXattr, Request, TimeOrNow, WriteFlags,
};
use std::ffi::OsStr;
use std::io;
use std::path::Path;
use std::time::SystemTime;

impl Bridge {
    fn call<R: Refuse>(request: &Request, operation: Operation, reply: R) -> Call<R> {
        Call::new(Program::of(request), operation, reply)
    }
}

impl Filesystem for Bridge {
    fn init(&mut self, _request: &Request, config: &mut KernelConfig) -> io::Result<()> {
        // Refused values change nothing; older kernels then use smaller transfers, which work as well.
        let _ = config.set_max_write(self.0.transfer);
        if let Err(most) = config.set_max_readahead(self.0.transfer) {
            let _ = config.set_max_readahead(most);
        }
        for wanted in [
            // O_TRUNC stays with the open, where QNX has it, instead of a truncation before it.
            InitFlags::FUSE_ATOMIC_O_TRUNC,
            // Several lookups and listings of one directory at a time.
            InitFlags::FUSE_PARALLEL_DIROPS,
        ] {
            let _ = config.add_capabilities(wanted);
        }
        Ok(())
    }

    fn lookup(&self, request: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEntry) {
        let call = Self::call(request, Operation::Lookup, reply);
        match self.0.nodes.child(parent.0, name) {
            Ok(path) => self.serve(call, Key::Names, &[], move |desk, _, _| {
                lookup::lookup(desk, &path)
            }),
            Err(errno) => call.refuse(errno),
        }
    }

    fn forget(&self, _request: &Request, ino: INodeNo, nlookup: u64) {
        self.0.nodes.forget(ino.0, nlookup);
    }

    fn getattr(&self, request: &Request, ino: INodeNo, fh: Option<FileHandle>, reply: ReplyAttr) {
        let call = Self::call(request, Operation::GetAttr, reply);
        match fh.and_then(|fh| self.0.handles.file(fh.0).ok()) {
            Some(open) => self.serve(call, open.key, &[], move |desk, _, _| {
                lookup::attributes_of_open(desk, ino.0, &open)
            }),
            None => self.serve(call, Key::Names, &[], move |desk, _, _| {
                lookup::attributes(desk, ino.0)
            }),
        }
    }

    fn setattr(
        &self,
        request: &Request,
        ino: INodeNo,
        mode: Option<u32>,
        uid: Option<u32>,
        gid: Option<u32>,
        size: Option<u64>,
        _atime: Option<TimeOrNow>,
        _mtime: Option<TimeOrNow>,
        _ctime: Option<SystemTime>,
        _fh: Option<FileHandle>,
        _crtime: Option<SystemTime>,
        _chgtime: Option<SystemTime>,
        _bkuptime: Option<SystemTime>,
        _flags: Option<BsdFileFlags>,
        reply: ReplyAttr,
    ) {
        let call = Self::call(request, Operation::SetAttr, reply);
        let owner_or_mode = mode.or(uid).or(gid).is_some();
        self.serve(call, Key::Names, &[], move |desk, _, _| {
            lookup::set_attributes(desk, ino.0, owner_or_mode, size)
        });
    }

    fn mknod(
        &self,
        _request: &Request,
        _parent: INodeNo,
        _name: &OsStr,
        _mode: u32,
        _umask: u32,
        _rdev: u32,
        reply: ReplyEntry,
    ) {
        reply.error(FuseErrno::EPERM);
    }

    fn mkdir(
        &self,
        _request: &Request,
        _parent: INodeNo,
        _name: &OsStr,
        _mode: u32,
        _umask: u32,
        reply: ReplyEntry,
    ) {
        reply.error(FuseErrno::EPERM);
    }

    fn unlink(&self, _request: &Request, _parent: INodeNo, _name: &OsStr, reply: ReplyEmpty) {
        reply.error(FuseErrno::EPERM);
    }

    fn rmdir(&self, _request: &Request, _parent: INodeNo, _name: &OsStr, reply: ReplyEmpty) {
        reply.error(FuseErrno::EPERM);
    }

    fn symlink(
        &self,
        _request: &Request,
        _parent: INodeNo,
        _name: &OsStr,
        _target: &Path,
        reply: ReplyEntry,
    ) {
        reply.error(FuseErrno::EPERM);
    }

    fn rename(
        &self,
        _request: &Request,
        _parent: INodeNo,
        _name: &OsStr,
        _newparent: INodeNo,
        _newname: &OsStr,
        _flags: RenameFlags,
        reply: ReplyEmpty,
    ) {
        reply.error(FuseErrno::EPERM);
    }

    fn link(
        &self,
        _request: &Request,
        _ino: INodeNo,
        _newparent: INodeNo,
        _newname: &OsStr,
        reply: ReplyEntry,
    ) {
        reply.error(FuseErrno::EPERM);
    }

    fn open(&self, request: &Request, ino: INodeNo, flags: OpenFlags, reply: ReplyOpen) {
        let call = Self::call(request, Operation::Open, reply);
        self.serve(call, Key::Names, &[], move |desk, _, _| {
            file::open(desk, ino.0, flags.0)
        });
    }

    fn create(
        &self,
        request: &Request,
        parent: INodeNo,
        name: &OsStr,
        mode: u32,
        umask: u32,
        flags: i32,
        reply: ReplyCreate,
    ) {
        let call = Self::call(request, Operation::Open, reply);
        match self.0.nodes.child(parent.0, name) {
            Ok(path) => self.serve(call, Key::Names, &[], move |desk, _, _| {
                file::create(desk, &path, flags, mode & !umask)
            }),
            Err(errno) => call.refuse(errno),
        }
    }

    fn read(
        &self,
        request: &Request,
        _ino: INodeNo,
        fh: FileHandle,
        offset: u64,
        size: u32,
        _flags: OpenFlags,
        _lock_owner: Option<LockOwner>,
        reply: ReplyData,
    ) {
        let call = Self::call(request, Operation::Read, reply);
        match self.0.handles.file(fh.0) {
            Ok(open) => self.serve(call, open.key, &[], move |desk, scratch, _| {
                file::read(desk, scratch, &open, offset, size as usize)
            }),
            Err(errno) => call.refuse(errno),
        }
    }

    fn write(
        &self,
        request: &Request,
        _ino: INodeNo,
        fh: FileHandle,
        offset: u64,
        data: &[u8],
        _write_flags: WriteFlags,
        _flags: OpenFlags,
        _lock_owner: Option<LockOwner>,
        reply: ReplyWrite,
    ) {
        let call = Self::call(request, Operation::Write, reply);
        match self.0.handles.file(fh.0) {
            Ok(open) => self.serve(call, open.key, data, move |desk, _, data| {
                file::write(desk, &open, offset, data)
            }),
            Err(errno) => call.refuse(errno),
        }
    }

    /// Never asked for, since files are opened without flush; there is nothing to do at a close that is not the last.
    fn flush(
        &self,
        _request: &Request,
        _ino: INodeNo,
        _fh: FileHandle,
        _lock_owner: LockOwner,
        reply: ReplyEmpty,
    ) {
        reply.ok();
    }

    fn release(
        &self,
        _request: &Request,
        _ino: INodeNo,
        fh: FileHandle,
        _flags: OpenFlags,
        _lock_owner: Option<LockOwner>,
        _flush: bool,
        reply: ReplyEmpty,
    ) {
        // Nobody waits for this answer: close(2) has returned.
        if let Some(Handle::File(open)) = self.0.handles.remove(fh.0) {
            self.0.closing.close(open, &self.0.pool);
        }
        reply.ok();
    }

    /// A write has reached its server when it returns; there is no cache in between to be flushed.
    fn fsync(
        &self,
        _request: &Request,
        _ino: INodeNo,
        _fh: FileHandle,
        _datasync: bool,
        reply: ReplyEmpty,
    ) {
        reply.ok();
    }

    fn opendir(&self, _request: &Request, _ino: INodeNo, _flags: OpenFlags, reply: ReplyOpen) {
        match self
            .0
            .handles
            .insert(Handle::Directory(std::sync::Arc::default()))
        {
            Ok(number) => reply.opened(FileHandle(number), FopenFlags::empty()),
            Err(errno) => reply.error(FuseErrno::from_i32(errno.raw())),
        }
    }

    fn readdir(
        &self,
        request: &Request,
        ino: INodeNo,
        fh: FileHandle,
        offset: u64,
        reply: ReplyDirectory,
    ) {
        let call = Self::call(request, Operation::ReadDir, reply);
        match self.0.handles.directory(fh.0) {
            Ok(listing) => self.serve(call, Key::Names, &[], move |desk, _, _| {
                directory::read(desk, ino.0, &listing, offset)
            }),
            Err(errno) => call.refuse(errno),
        }
    }

    fn releasedir(
        &self,
        _request: &Request,
        _ino: INodeNo,
        fh: FileHandle,
        _flags: OpenFlags,
        reply: ReplyEmpty,
    ) {
        self.0.handles.remove(fh.0);
        reply.ok();
    }

    fn fsyncdir(
        &self,
        _request: &Request,
        _ino: INodeNo,
        _fh: FileHandle,
        _datasync: bool,
        reply: ReplyEmpty,
    ) {
        reply.ok();
    }

    /// Nothing is stored here, so nothing is used and nothing is free.
    fn statfs(&self, _request: &Request, _ino: INodeNo, reply: ReplyStatfs) {
        reply.statfs(0, 0, 0, 0, 0, 4096, 255, 4096);
    }

    fn getxattr(
        &self,
        _request: &Request,
        _ino: INodeNo,
        _name: &OsStr,
        _size: u32,
        reply: ReplyXattr,
    ) {
        // For the whole mount, so that the kernel stops asking for capabilities before each write.
        reply.error(FuseErrno::ENOSYS);
    }

    fn listxattr(&self, _request: &Request, _ino: INodeNo, _size: u32, reply: ReplyXattr) {
        reply.error(FuseErrno::ENOSYS);
    }

    fn access(&self, request: &Request, ino: INodeNo, mask: AccessFlags, reply: ReplyEmpty) {
        let call = Self::call(request, Operation::GetAttr, reply);
        if ino.0 == ROOT || mask.is_empty() {
            call.answer(ReplyEmpty::ok);
            return;
        }
        let mask = mask.bits().unsigned_abs();
        self.serve(call, Key::Names, &[], move |desk, _, _| {
            lookup::access(desk, ino.0, mask)
        });
    }

    fn ioctl(
        &self,
        request: &Request,
        _ino: INodeNo,
        fh: FileHandle,
        flags: IoctlFlags,
        cmd: u32,
        in_data: &[u8],
        out_size: u32,
        reply: ReplyIoctl,
    ) {
        let call = Self::call(request, Operation::Ioctl, reply);
        match control::open_file(&self.0.handles, fh.0, flags, cmd) {
            Ok(open) => self.serve(call, open.key, in_data, move |desk, scratch, data| {
                control::devctl(desk, scratch, &open, cmd, data, out_size as usize)
            }),
            Err(errno) => call.refuse(errno),
        }
    }
}

/// Names and attributes are never believed for longer than the answer takes.
const _: () = assert!(TTL.is_zero());
