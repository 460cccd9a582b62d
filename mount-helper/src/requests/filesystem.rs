//! The kernel's requests, one method each: which server it is for, and what does it. A table; the work is in the module
//! that the method names, the way to a thread in [`requests`](crate::requests).
//!
//! What the methods do not do: wait, or answer ENOSYS for a server. ENOSYS is answered only where the
//! mount as a whole has nothing to offer (copy_file_range, bmap, readdirplus, which the kernel does not ask for unless
//! it is told to) and the kernel does better by itself from then on; that is fuser's default for the methods that are
//! missing here.
//!
//! The parameters are fuser's. They are written by hand so that a method is a few lines.

use crate::requests::attributes::Changes;
use crate::requests::locks::Wanted;
use crate::requests::refusal::Operation;
use crate::requests::start;
use crate::requests::{
    attributes, change, control, directory, file, locks, lookup, polls, space, xattr,
};
use crate::serving::bridge::Bridge;
use fuser::{
    AccessFlags, BsdFileFlags, FileHandle, Filesystem, INodeNo, IoctlFlags, KernelConfig,
    LockOwner, OpenFlags, PollEvents, PollFlags, PollNotifier, RenameFlags, ReplyAttr, ReplyCreate,
    ReplyData, ReplyDirectory, ReplyEmpty, ReplyEntry, ReplyIoctl, ReplyLock, ReplyLseek,
    ReplyOpen, ReplyPoll, ReplyStatfs, ReplyWrite, ReplyXattr, Request, TimeOrNow, WriteFlags,
};
use std::ffi::OsStr;
use std::io;
use std::path::Path;
use std::time::SystemTime;

#[rustfmt::skip]
impl Filesystem for Bridge {
    fn init(&mut self, _: &Request, config: &mut KernelConfig) -> io::Result<()> {
        crate::requests::kernel::agree(config, self.0.transfer);
        Ok(())
    }

    // Names. The kernel has taken the program's mask off the modes.

    fn lookup(&self, request: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEntry) {
        self.on_name(start(request, Operation::Lookup, reply), (parent, name), lookup::lookup);
    }

    fn forget(&self, _: &Request, ino: INodeNo, count: u64) {
        self.0.nodes.forget(ino.0, count);
    }

    fn mknod(
        &self, request: &Request, parent: INodeNo, name: &OsStr, mode: u32, _umask: u32, device: u32, reply: ReplyEntry,
    ) {
        let call = start(request, Operation::Change, reply);
        self.on_name(call, (parent, name), move |desk, path| change::make_node(desk, path, mode, device));
    }

    fn mkdir(&self, request: &Request, parent: INodeNo, name: &OsStr, mode: u32, _umask: u32, reply: ReplyEntry) {
        let call = start(request, Operation::Change, reply);
        self.on_name(call, (parent, name), move |desk, path| change::make_dir(desk, path, mode));
    }

    fn symlink(&self, request: &Request, parent: INodeNo, name: &OsStr, target: &Path, reply: ReplyEntry) {
        let (call, target) = (start(request, Operation::Change, reply), target.to_path_buf());
        self.on_name(call, (parent, name), move |desk, path| change::make_symlink(desk, path, &target));
    }

    fn link(&self, request: &Request, ino: INodeNo, parent: INodeNo, name: &OsStr, reply: ReplyEntry) {
        let call = start(request, Operation::Change, reply);
        self.on_name(call, (parent, name), move |desk, path| change::link(desk, ino.0, path));
    }

    fn unlink(&self, request: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        let call = start(request, Operation::Change, reply);
        self.on_name(call, (parent, name), |desk, path| change::remove(desk, path, false));
    }

    fn rmdir(&self, request: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        let call = start(request, Operation::Change, reply);
        self.on_name(call, (parent, name), |desk, path| change::remove(desk, path, true));
    }

    fn rename(
        &self, request: &Request, parent: INodeNo, name: &OsStr, to: INodeNo, new: &OsStr, flags: RenameFlags,
        reply: ReplyEmpty,
    ) {
        let call = start(request, Operation::Change, reply);
        let flags = flags.bits();
        self.on_names(call, [(parent, name), (to, new)], move |desk, names| change::rename(desk, names, flags));
    }

    fn readlink(&self, request: &Request, ino: INodeNo, reply: ReplyData) {
        let call = start(request, Operation::ReadLink, reply);
        self.on_node(call, move |desk| change::read_link(desk, ino.0));
    }

    // Opens.

    fn open(&self, request: &Request, ino: INodeNo, flags: OpenFlags, reply: ReplyOpen) {
        let call = start(request, Operation::Open, reply);
        self.on_node(call, move |desk| file::open(desk, ino.0, flags.0));
    }

    fn create(
        &self, request: &Request, parent: INodeNo, name: &OsStr, mode: u32, _umask: u32, flags: i32, reply: ReplyCreate,
    ) {
        let call = start(request, Operation::Open, reply);
        self.on_name(call, (parent, name), move |desk, path| file::create(desk, path, flags, mode));
    }

    fn flush(&self, request: &Request, _: INodeNo, handle: FileHandle, owner: LockOwner, reply: ReplyEmpty) {
        locks::flush(self, start(request, Operation::Lock, reply), handle.0, owner.0);
    }

    fn release(
        &self, _: &Request, _: INodeNo, handle: FileHandle, _: OpenFlags, _: Option<LockOwner>, _flush: bool,
        reply: ReplyEmpty,
    ) {
        file::release(&self.0, handle.0);
        reply.ok();
    }

    // Data.

    fn read(
        &self, request: &Request, _: INodeNo, handle: FileHandle, offset: u64, size: u32, flags: OpenFlags,
        _: Option<LockOwner>, reply: ReplyData,
    ) {
        let (call, flags) = (start(request, Operation::Read, reply), file::open_flags(flags.0));
        let range = (offset, size as usize);
        self.on_data(call, handle, &[], move |desk, open, scratch, _| file::read(desk, scratch, open, range, flags));
    }

    fn write(
        &self, request: &Request, _: INodeNo, handle: FileHandle, offset: u64, data: &[u8], how: WriteFlags,
        flags: OpenFlags, _: Option<LockOwner>, reply: ReplyWrite,
    ) {
        let (call, flags) = (start(request, Operation::Write, reply), file::write_flags(how, flags.0));
        self.on_data(call, handle, data, move |desk, open, _, data| file::write(desk, open, (offset, data), flags));
    }

    fn fsync(&self, request: &Request, _: INodeNo, handle: FileHandle, data_only: bool, reply: ReplyEmpty) {
        let call = start(request, Operation::Write, reply);
        self.on_open(call, handle, move |desk, open| space::sync(desk, open, data_only));
    }

    fn fallocate(
        &self, request: &Request, _: INodeNo, handle: FileHandle, offset: u64, len: u64, mode: i32, reply: ReplyEmpty,
    ) {
        let call = start(request, Operation::Space, reply);
        self.on_open(call, handle, move |desk, open| space::allocate(desk, open, (offset, len), mode));
    }

    fn lseek(&self, request: &Request, _: INodeNo, handle: FileHandle, offset: i64, whence: i32, reply: ReplyLseek) {
        let call = start(request, Operation::Seek, reply);
        self.on_open(call, handle, move |desk, open| space::seek(desk, open, offset, whence));
    }

    fn ioctl(
        &self, request: &Request, _: INodeNo, handle: FileHandle, flags: IoctlFlags, command: u32, data: &[u8],
        room: u32, reply: ReplyIoctl,
    ) {
        let call = start(request, Operation::Ioctl, reply);
        if !control::may_be_known(flags, command) { return call.refuse(resmgr_sys::Errno::NOTTY); }
        self.on_data(call, handle, data, move |desk, open, scratch, data| {
            control::devctl(desk, scratch, open, command, data, room as usize)
        });
    }

    // Directories.

    fn opendir(&self, request: &Request, ino: INodeNo, _: OpenFlags, reply: ReplyOpen) {
        let call = start(request, Operation::ReadDir, reply);
        self.on_node(call, move |desk| directory::open(desk, ino.0));
    }

    fn readdir(&self, request: &Request, ino: INodeNo, handle: FileHandle, offset: u64, reply: ReplyDirectory) {
        let call = start(request, Operation::ReadDir, reply);
        self.on_listing(call, handle, move |desk, listing| directory::read(desk, ino.0, listing, offset));
    }

    fn releasedir(&self, _: &Request, _: INodeNo, handle: FileHandle, _: OpenFlags, reply: ReplyEmpty) {
        self.0.handles.remove(handle.0);
        reply.ok();
    }

    fn fsyncdir(&self, request: &Request, ino: INodeNo, _: FileHandle, _data_only: bool, reply: ReplyEmpty) {
        let call = start(request, Operation::Write, reply);
        self.on_node(call, move |desk| space::sync_directory(desk, ino.0));
    }

    // Attributes.

    fn getattr(&self, request: &Request, ino: INodeNo, handle: Option<FileHandle>, reply: ReplyAttr) {
        let call = start(request, Operation::GetAttr, reply);
        match self.open_of(handle) {
            Some(open) => self.on(call, open.key, move |desk| attributes::attributes_of_open(desk, ino.0, &open)),
            None => self.on_node(call, move |desk| attributes::attributes(desk, ino.0)),
        }
    }

    fn setattr(
        &self, request: &Request, ino: INodeNo, mode: Option<u32>, uid: Option<u32>, gid: Option<u32>,
        size: Option<u64>, accessed: Option<TimeOrNow>, modified: Option<TimeOrNow>, _changed: Option<SystemTime>,
        handle: Option<FileHandle>, _: Option<SystemTime>, _: Option<SystemTime>, _: Option<SystemTime>,
        _: Option<BsdFileFlags>, reply: ReplyAttr,
    ) {
        let call = start(request, Operation::SetAttr, reply);
        let changes = Changes { mode, uid, gid, size, accessed, modified, open: self.open_of(handle) };
        self.on_node(call, move |desk| attributes::change(desk, ino.0, &changes));
    }

    fn access(&self, request: &Request, ino: INodeNo, mask: AccessFlags, reply: ReplyEmpty) {
        let (call, mask) = (start(request, Operation::GetAttr, reply), mask.bits().unsigned_abs());
        if attributes::is_granted(ino.0, mask) { call.answer(ReplyEmpty::ok); return; }
        self.on_node(call, move |desk| attributes::access(desk, ino.0, mask));
    }

    fn statfs(&self, request: &Request, ino: INodeNo, reply: ReplyStatfs) {
        let call = start(request, Operation::GetAttr, reply);
        self.on_node(call, move |desk| attributes::statfs(desk, ino.0));
    }

    // Extended attributes.

    fn getxattr(&self, request: &Request, ino: INodeNo, name: &OsStr, room: u32, reply: ReplyXattr) {
        let call = start(request, Operation::Xattr, reply);
        self.on_xattr(call, name, &[], move |desk, name, _| xattr::get(desk, ino.0, name, room));
    }

    fn listxattr(&self, request: &Request, ino: INodeNo, room: u32, reply: ReplyXattr) {
        let call = start(request, Operation::Xattr, reply);
        self.on_node(call, move |desk| xattr::list(desk, ino.0, room));
    }

    fn setxattr(
        &self, request: &Request, ino: INodeNo, name: &OsStr, value: &[u8], flags: i32, _position: u32,
        reply: ReplyEmpty,
    ) {
        let call = start(request, Operation::Xattr, reply);
        self.on_xattr(call, name, value, move |desk, name, value| xattr::set(desk, ino.0, (name, value), flags));
    }

    fn removexattr(&self, request: &Request, ino: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        let call = start(request, Operation::Xattr, reply);
        self.on_xattr(call, name, &[], move |desk, name, _| xattr::remove(desk, ino.0, name));
    }

    // Waiting for others.

    fn getlk(
        &self, request: &Request, _: INodeNo, handle: FileHandle, owner: LockOwner, start_at: u64, end: u64, kind: i32,
        _pid: u32, reply: ReplyLock,
    ) {
        let wanted = Wanted { owner: owner.0, start: start_at, end, kind, waits: false };
        let call = start(request, Operation::Lock, reply);
        self.on_lock(call, handle, wanted, move |desk, open| locks::test(desk, open, wanted));
    }

    fn setlk(
        &self, request: &Request, _: INodeNo, handle: FileHandle, owner: LockOwner, start_at: u64, end: u64, kind: i32,
        _pid: u32, waits: bool, reply: ReplyEmpty,
    ) {
        let wanted = Wanted { owner: owner.0, start: start_at, end, kind, waits };
        let call = start(request, Operation::Lock, reply);
        self.on_lock(call, handle, wanted, move |desk, open| locks::set(desk, open, wanted));
    }

    fn poll(
        &self, request: &Request, _: INodeNo, handle: FileHandle, notifier: PollNotifier, events: PollEvents,
        flags: PollFlags, reply: ReplyPoll,
    ) {
        let call = start(request, Operation::Read, reply);
        let notifier = flags.contains(PollFlags::FUSE_POLL_SCHEDULE_NOTIFY).then_some(notifier);
        self.on_open(call, handle, move |desk, open| polls::poll(desk, (handle.0, open), events, notifier));
    }
}
