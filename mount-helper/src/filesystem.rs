//! The kernel's requests, one method each: decode, choose the server, hand over to [`Bridge::serve`].
//!
//! What the methods do not do: wait, or answer ENOSYS for a server. ENOSYS is answered only where the
//! mount as a whole has nothing to offer (copy_file_range, bmap) and the kernel does better by itself from then
//! on; that is fuser's default for the methods that are missing here.

use crate::attr::TTL;
use crate::bridge::Bridge;
use crate::bridge::Desk;
use crate::call::{Call, Program, Refuse};
use crate::handle::Handle;
use crate::handle::Open;
use crate::identity::SOCKET;
use crate::locks::{self, Wanted};
use crate::node::ROOT;
use crate::refusal::{Operation, translate};
use crate::traffic::Key;
use crate::{attributes, change, control, directory, file, lookup, polls, space, xattr};
use fuser::{
    AccessFlags, BsdFileFlags, Errno as FuseErrno, FileHandle, Filesystem, INodeNo, InitFlags,
    IoctlFlags, KernelConfig, LockOwner, OpenFlags, PollEvents, PollFlags, PollNotifier,
    RenameFlags, ReplyAttr, ReplyCreate, ReplyData, ReplyDirectory, ReplyEmpty, ReplyEntry,
    ReplyIoctl, ReplyLock, ReplyLseek, ReplyOpen, ReplyPoll, ReplyStatfs, ReplyWrite, ReplyXattr,
    Request, TimeOrNow, WriteFlags,
};
use resmgr::client::Stat;
use resmgr_sys::{Errno, Result};
use std::ffi::OsStr;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

impl Bridge {
    fn call<R: Refuse>(request: &Request, operation: Operation, reply: R) -> Call<R> {
        Call::new(Program::of(request), operation, reply)
    }

    /// Something about a name in a directory.
    fn on_name<R: Refuse>(
        &self,
        call: Call<R>,
        (parent, name): (INodeNo, &OsStr),
        work: impl FnOnce(&mut Desk<'_, R>, &Path) -> Result<()> + Send + 'static,
    ) {
        match self.0.nodes.child(parent.0, name) {
            Ok(path) => self.serve(call, Key::Names, &[], move |desk, _, _| work(desk, &path)),
            Err(errno) => call.refuse(errno),
        }
    }

    /// Something about a node.
    fn on_node<R: Refuse>(
        &self,
        call: Call<R>,
        work: impl FnOnce(&mut Desk<'_, R>) -> Result<()> + Send + 'static,
    ) {
        self.serve(call, Key::Names, &[], move |desk, _, _| work(desk));
    }

    /// Something about an open file.
    fn on_open<R: Refuse>(
        &self,
        call: Call<R>,
        handle: FileHandle,
        work: impl FnOnce(&mut Desk<'_, R>, &Arc<Open>) -> Result<()> + Send + 'static,
    ) {
        match self.0.handles.file(handle.0) {
            Ok(open) => self.serve(call, open.key, &[], move |desk, _, _| work(desk, &open)),
            Err(errno) => call.refuse(errno),
        }
    }

    /// Something about a lock.
    fn on_lock<R: Refuse>(
        &self,
        call: Call<R>,
        handle: FileHandle,
        wanted: Wanted,
        work: impl FnOnce(&mut Desk<'_, R>, &Open) -> Result<()> + Send + 'static,
    ) {
        match self.0.handles.file(handle.0) {
            Ok(open) => {
                let key = wanted.key(open.key);
                self.serve(call, key, &[], move |desk, _, _| work(desk, &open));
            }
            Err(errno) => call.refuse(errno),
        }
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
            // Locks of ranges are the servers' affair.
            InitFlags::FUSE_POSIX_LOCKS,
            // Set-user-ID bits are theirs, too: the kernel need not look for them before each write.
            InitFlags::FUSE_HANDLE_KILLPRIV_V2,
            // Mappings that are shared, of files that are not cached otherwise.
            InitFlags::FUSE_DIRECT_IO_ALLOW_MMAP,
        ] {
            let _ = config.add_capabilities(wanted);
        }
        if locks::can_tell() {
            let _ = config.add_capabilities(InitFlags::FUSE_FLOCK_LOCKS);
        }
        Ok(())
    }

    fn lookup(&self, request: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEntry) {
        let call = Self::call(request, Operation::Lookup, reply);
        self.on_name(call, (parent, name), lookup::lookup);
    }

    fn forget(&self, _request: &Request, ino: INodeNo, nlookup: u64) {
        self.0.nodes.forget(ino.0, nlookup);
    }

    fn getattr(&self, request: &Request, ino: INodeNo, fh: Option<FileHandle>, reply: ReplyAttr) {
        let call = Self::call(request, Operation::GetAttr, reply);
        match fh.and_then(|fh| self.0.handles.file(fh.0).ok()) {
            Some(open) => self.serve(call, open.key, &[], move |desk, _, _| {
                attributes::attributes_of_open(desk, ino.0, &open)
            }),
            None => self.on_node(call, move |desk| attributes::attributes(desk, ino.0)),
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
        accessed: Option<TimeOrNow>,
        modified: Option<TimeOrNow>,
        _ctime: Option<SystemTime>,
        fh: Option<FileHandle>,
        _crtime: Option<SystemTime>,
        _chgtime: Option<SystemTime>,
        _bkuptime: Option<SystemTime>,
        _flags: Option<BsdFileFlags>,
        reply: ReplyAttr,
    ) {
        let call = Self::call(request, Operation::SetAttr, reply);
        let changes = attributes::Changes {
            mode,
            uid,
            gid,
            size,
            accessed,
            modified,
            open: fh.and_then(|fh| self.0.handles.file(fh.0).ok()),
        };
        self.on_node(call, move |desk| attributes::change(desk, ino.0, &changes));
    }

    fn readlink(&self, request: &Request, ino: INodeNo, reply: ReplyData) {
        let call = Self::call(request, Operation::ReadLink, reply);
        self.on_node(call, move |desk| change::read_link(desk, ino.0));
    }

    /// The kernel has taken the program's mask off the mode.
    fn mknod(
        &self,
        request: &Request,
        parent: INodeNo,
        name: &OsStr,
        mode: u32,
        _umask: u32,
        _rdev: u32,
        reply: ReplyEntry,
    ) {
        let call = Self::call(request, Operation::Change, reply);
        // A device would be the kernel's own, and these are not shown.
        if !matches!(mode & Stat::TYPE, Stat::REGULAR | Stat::PIPE | SOCKET) {
            return call.refuse(Errno::PERM);
        }
        self.on_name(call, (parent, name), move |desk, path| {
            change::make(desk, path, |caller, path| caller.make_node(path, mode, 0))
        });
    }

    fn mkdir(
        &self,
        request: &Request,
        parent: INodeNo,
        name: &OsStr,
        mode: u32,
        _umask: u32,
        reply: ReplyEntry,
    ) {
        let call = Self::call(request, Operation::Change, reply);
        self.on_name(call, (parent, name), move |desk, path| {
            change::make(desk, path, |caller, path| caller.create_dir(path, mode))
        });
    }

    fn unlink(&self, request: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        let call = Self::call(request, Operation::Change, reply);
        self.on_name(call, (parent, name), |desk, path| {
            change::remove(desk, path, false)
        });
    }

    fn rmdir(&self, request: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        let call = Self::call(request, Operation::Change, reply);
        self.on_name(call, (parent, name), |desk, path| {
            change::remove(desk, path, true)
        });
    }

    fn symlink(
        &self,
        request: &Request,
        parent: INodeNo,
        name: &OsStr,
        target: &Path,
        reply: ReplyEntry,
    ) {
        let (call, target) = (
            Self::call(request, Operation::Change, reply),
            target.to_path_buf(),
        );
        self.on_name(call, (parent, name), move |desk, path| {
            change::make(desk, path, |caller, path| caller.make_symlink(target, path))
        });
    }

    fn rename(
        &self,
        request: &Request,
        parent: INodeNo,
        name: &OsStr,
        new_parent: INodeNo,
        new_name: &OsStr,
        flags: RenameFlags,
        reply: ReplyEmpty,
    ) {
        let call = Self::call(request, Operation::Change, reply);
        match self.0.nodes.child(new_parent.0, new_name) {
            Ok(new) => self.on_name(call, (parent, name), move |desk, old| {
                change::rename(desk, (old, &new), flags.bits())
            }),
            Err(errno) => call.refuse(errno),
        }
    }

    fn link(
        &self,
        request: &Request,
        ino: INodeNo,
        new_parent: INodeNo,
        new_name: &OsStr,
        reply: ReplyEntry,
    ) {
        let call = Self::call(request, Operation::Change, reply);
        self.on_name(call, (new_parent, new_name), move |desk, path| {
            change::link(desk, ino.0, path)
        });
    }

    fn open(&self, request: &Request, ino: INodeNo, flags: OpenFlags, reply: ReplyOpen) {
        let call = Self::call(request, Operation::Open, reply);
        self.on_node(call, move |desk| file::open(desk, ino.0, flags.0));
    }

    fn create(
        &self,
        request: &Request,
        parent: INodeNo,
        name: &OsStr,
        mode: u32,
        _umask: u32,
        flags: i32,
        reply: ReplyCreate,
    ) {
        let call = Self::call(request, Operation::Open, reply);
        self.on_name(call, (parent, name), move |desk, path| {
            file::create(desk, path, flags, mode)
        });
    }

    fn read(
        &self,
        request: &Request,
        _ino: INodeNo,
        fh: FileHandle,
        offset: u64,
        size: u32,
        flags: OpenFlags,
        _lock_owner: Option<LockOwner>,
        reply: ReplyData,
    ) {
        let call = Self::call(request, Operation::Read, reply);
        let flags = file::open_flags(flags.0);
        match self.0.handles.file(fh.0) {
            Ok(open) => self.serve(call, open.key, &[], move |desk, scratch, _| {
                file::read(desk, scratch, &open, (offset, size as usize), flags)
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
        write_flags: WriteFlags,
        flags: OpenFlags,
        _lock_owner: Option<LockOwner>,
        reply: ReplyWrite,
    ) {
        let call = Self::call(request, Operation::Write, reply);
        let cached = write_flags.contains(WriteFlags::FUSE_WRITE_CACHE);
        let flags = (!cached).then(|| file::open_flags(flags.0));
        match self.0.handles.file(fh.0) {
            Ok(open) => self.serve(call, open.key, data, move |desk, _, data| {
                file::write(desk, &open, (offset, data), flags)
            }),
            Err(errno) => call.refuse(errno),
        }
    }

    /// A close(2). Nothing is held back; but the locks of that process go, before close(2) returns.
    fn flush(
        &self,
        request: &Request,
        _ino: INodeNo,
        fh: FileHandle,
        lock_owner: LockOwner,
        reply: ReplyEmpty,
    ) {
        let Ok(open) = self.0.handles.file(fh.0) else {
            return reply.ok();
        };
        let Some(pid) = self.0.owners.process(open.key, lock_owner.0) else {
            return reply.ok();
        };
        let call = Self::call(request, Operation::Lock, reply);
        self.serve(call, open.key.unlocks(), &[], move |desk, _, _| {
            locks::closed(desk, &open, pid);
            desk.answer(ReplyEmpty::ok);
            Ok(())
        });
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
        self.0.polls.forget(fh.0);
        if let Some(Handle::File(open)) = self.0.handles.remove(fh.0) {
            self.0.closing.close(open, &self.0.pool);
        }
        reply.ok();
    }

    fn fsync(
        &self,
        request: &Request,
        _ino: INodeNo,
        fh: FileHandle,
        datasync: bool,
        reply: ReplyEmpty,
    ) {
        let call = Self::call(request, Operation::Write, reply);
        self.on_open(call, fh, move |desk, open| {
            space::sync(desk, open, datasync)
        });
    }

    fn opendir(&self, request: &Request, ino: INodeNo, _flags: OpenFlags, reply: ReplyOpen) {
        let call = Self::call(request, Operation::ReadDir, reply);
        self.on_node(call, move |desk| directory::open(desk, ino.0));
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
            Ok(listing) => self.on_node(call, move |desk| {
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
        request: &Request,
        ino: INodeNo,
        _fh: FileHandle,
        _datasync: bool,
        reply: ReplyEmpty,
    ) {
        let call = Self::call(request, Operation::Write, reply);
        self.on_node(call, move |desk| space::sync_directory(desk, ino.0));
    }

    fn statfs(&self, request: &Request, ino: INodeNo, reply: ReplyStatfs) {
        let call = Self::call(request, Operation::GetAttr, reply);
        self.on_node(call, move |desk| attributes::statfs(desk, ino.0));
    }

    fn getxattr(
        &self,
        request: &Request,
        ino: INodeNo,
        name: &OsStr,
        size: u32,
        reply: ReplyXattr,
    ) {
        if !xattr::is_known(name) {
            return reply.error(no_xattr());
        }
        let (call, name) = (
            Self::call(request, Operation::Xattr, reply),
            name.to_os_string(),
        );
        self.on_node(call, move |desk| xattr::get(desk, ino.0, &name, size));
    }

    fn listxattr(&self, request: &Request, ino: INodeNo, size: u32, reply: ReplyXattr) {
        let call = Self::call(request, Operation::Xattr, reply);
        self.on_node(call, move |desk| xattr::list(desk, ino.0, size));
    }

    fn setxattr(
        &self,
        request: &Request,
        ino: INodeNo,
        name: &OsStr,
        value: &[u8],
        flags: i32,
        _position: u32,
        reply: ReplyEmpty,
    ) {
        if !xattr::is_known(name) {
            return reply.error(no_xattr());
        }
        let (call, name) = (
            Self::call(request, Operation::Xattr, reply),
            name.to_os_string(),
        );
        self.serve(call, Key::Names, value, move |desk, _, value| {
            xattr::set(desk, ino.0, (&name, value), flags)
        });
    }

    fn removexattr(&self, request: &Request, ino: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        if !xattr::is_known(name) {
            return reply.error(no_xattr());
        }
        let (call, name) = (
            Self::call(request, Operation::Xattr, reply),
            name.to_os_string(),
        );
        self.on_node(call, move |desk| xattr::remove(desk, ino.0, &name));
    }

    fn access(&self, request: &Request, ino: INodeNo, mask: AccessFlags, reply: ReplyEmpty) {
        let call = Self::call(request, Operation::GetAttr, reply);
        if ino.0 == ROOT || mask.is_empty() {
            call.answer(ReplyEmpty::ok);
            return;
        }
        let mask = mask.bits().unsigned_abs();
        self.on_node(call, move |desk| attributes::access(desk, ino.0, mask));
    }

    fn getlk(
        &self,
        request: &Request,
        _ino: INodeNo,
        fh: FileHandle,
        lock_owner: LockOwner,
        start: u64,
        end: u64,
        kind: i32,
        _pid: u32,
        reply: ReplyLock,
    ) {
        let call = Self::call(request, Operation::Lock, reply);
        let wanted = Wanted {
            owner: lock_owner.0,
            start,
            end,
            kind,
            waits: false,
        };
        self.on_lock(call, fh, wanted, move |desk, open| {
            locks::test(desk, open, wanted)
        });
    }

    fn setlk(
        &self,
        request: &Request,
        _ino: INodeNo,
        fh: FileHandle,
        lock_owner: LockOwner,
        start: u64,
        end: u64,
        kind: i32,
        _pid: u32,
        waits: bool,
        reply: ReplyEmpty,
    ) {
        let call = Self::call(request, Operation::Lock, reply);
        let wanted = Wanted {
            owner: lock_owner.0,
            start,
            end,
            kind,
            waits,
        };
        self.on_lock(call, fh, wanted, move |desk, open| {
            locks::set(desk, open, wanted)
        });
    }

    fn poll(
        &self,
        request: &Request,
        _ino: INodeNo,
        fh: FileHandle,
        notifier: PollNotifier,
        events: PollEvents,
        flags: PollFlags,
        reply: ReplyPoll,
    ) {
        let call = Self::call(request, Operation::Read, reply);
        let waits = flags.contains(PollFlags::FUSE_POLL_SCHEDULE_NOTIFY);
        self.on_open(call, fh, move |desk, open| {
            let notifier = waits.then_some(notifier);
            polls::poll(desk, (fh.0, open), events, notifier)
        });
    }

    fn fallocate(
        &self,
        request: &Request,
        _ino: INodeNo,
        fh: FileHandle,
        offset: u64,
        length: u64,
        mode: i32,
        reply: ReplyEmpty,
    ) {
        let call = Self::call(request, Operation::Space, reply);
        self.on_open(call, fh, move |desk, open| {
            space::allocate(desk, open, (offset, length), mode)
        });
    }

    fn lseek(
        &self,
        request: &Request,
        _ino: INodeNo,
        fh: FileHandle,
        offset: i64,
        whence: i32,
        reply: ReplyLseek,
    ) {
        let call = Self::call(request, Operation::Seek, reply);
        self.on_open(call, fh, move |desk, open| {
            space::seek(desk, open, offset, whence)
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

fn no_xattr() -> FuseErrno {
    translate(Operation::Xattr, Errno::NOTSUP)
}

/// Names and attributes are never believed for longer than the answer takes.
const _: () = assert!(TTL.is_zero());
