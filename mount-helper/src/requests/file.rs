//! Files: open, create, read, write.

use crate::requests::attr::TTL;
use crate::requests::change::maker;
use crate::requests::lookup::refer;
use crate::serving::bridge::{Desk, Shared};
use crate::serving::call::Refuse;
use crate::serving::pool::Scratch;
use crate::state::handle::{Handle, Open};
use fuser::{
    FileHandle, FopenFlags, Generation, ReplyCreate, ReplyData, ReplyOpen, ReplyWrite, WriteFlags,
};
use resmgr::client::{File, OpenFlags};
use resmgr_sys::Result;
use std::path::Path;
use std::sync::Arc;

/// Without a page cache in between (a device has no size, and its bytes may be read once), and with several
/// writes at a time.
const FLAGS: FopenFlags =
    FopenFlags::FOPEN_DIRECT_IO.union(FopenFlags::FOPEN_PARALLEL_DIRECT_WRITES);

/// What a server has to know of open(2)'s flags. The kernel has already acted on the others; their
/// numbers differ between machines, these do not.
pub(crate) fn open_flags(flags: i32) -> OpenFlags {
    let known = (OpenFlags::CREATE
        | OpenFlags::EXCLUSIVE
        | OpenFlags::TRUNCATE
        | OpenFlags::APPEND
        | OpenFlags::NONBLOCK
        | OpenFlags::SYNC)
        .bits();
    OpenFlags::from_posix(flags.cast_unsigned() & (known | 0x3))
}

/// The same of a write; `None` when it is the kernel itself that writes, for a mapping.
pub(crate) fn write_flags(how: WriteFlags, flags: i32) -> Option<OpenFlags> {
    let cached = how.contains(WriteFlags::FUSE_WRITE_CACHE);
    (!cached).then(|| open_flags(flags))
}

/// Gives an open its number.
fn keep<R: Refuse>(desk: &Desk<'_, R>, file: File, node: u64) -> Result<u64> {
    let open = Arc::new(Open::new(file, node));
    desk.shared.handles.insert(Handle::File(open))
}

/// The last close of a handle, soon: nobody waits for it, close(2) has returned.
pub(crate) fn release(shared: &Shared, handle: u64) {
    shared.polls.forget(handle);
    if let Some(Handle::File(open)) = shared.handles.remove(handle) {
        shared.closing.close(open, &shared.pool);
    }
}

/// open(2).
pub(crate) fn open(desk: &mut Desk<'_, ReplyOpen>, number: u64, flags: i32) -> Result<()> {
    desk.shared.closing.settle(number);
    let flags = open_flags(flags);
    let file = desk.ask_by_path(
        number,
        |caller, path, _| caller.open(path, flags, 0),
        |calls| calls.open_again(flags),
    )?;
    let handle = keep(desk, file, number)?;
    if !desk.answer(|reply| reply.opened(FileHandle(handle), FLAGS)) {
        // The kernel has not heard of it, so it will never close it.
        release(desk.shared, handle);
    }
    Ok(())
}

/// open(2) of a name that was not there, with O_CREAT: below a registered directory, its server may
/// make it.
pub(crate) fn create(
    desk: &mut Desk<'_, ReplyCreate>,
    path: &Path,
    flags: i32,
    mode: u32,
) -> Result<()> {
    let flags = open_flags(flags) | OpenFlags::CREATE;
    let server = maker(desk, path)?;
    let caller = desk.caller(&desk.shared.process);
    let file = caller.open(path, flags, mode & 0o7777)?;
    let stat = file.on_behalf(caller).stat()?;
    let (number, attr) = refer(desk, path, &stat, server)?;
    let handle = match keep(desk, file, number) {
        Ok(handle) => handle,
        Err(errno) => {
            desk.shared.nodes.forget(number, 1);
            return Err(errno);
        }
    };
    if !desk.answer(|reply| reply.created(&TTL, &attr, Generation(0), FileHandle(handle), FLAGS)) {
        // The kernel has not heard of it, so it will never close it.
        release(desk.shared, handle);
        desk.shared.nodes.forget(number, 1);
    }
    Ok(())
}

/// read(2).
pub(crate) fn read(
    desk: &mut Desk<'_, ReplyData>,
    scratch: &mut Scratch,
    open: &Open,
    (offset, size): (u64, usize),
    flags: OpenFlags,
) -> Result<()> {
    let caller = desk.caller(&open.process);
    open.use_flags(caller, flags)?;
    if scratch.len() < size {
        scratch.resize(size, 0);
    }
    let buffer = scratch.get_mut(..size).unwrap_or_default();
    let got = open.read(caller, buffer, offset)?;
    let data = buffer.get(..got).unwrap_or_default();
    desk.answer(|reply| reply.data(data));
    Ok(())
}

/// write(2), or without flags the kernel's own.
pub(crate) fn write(
    desk: &mut Desk<'_, ReplyWrite>,
    open: &Open,
    (offset, data): (u64, &[u8]),
    flags: Option<OpenFlags>,
) -> Result<()> {
    let caller = desk.caller(&open.process);
    if let Some(flags) = flags {
        open.use_flags(caller, flags)?;
    }
    let taken = open.write(caller, data, offset)?.min(data.len());
    desk.answer(|reply| reply.written(u32::try_from(taken).unwrap_or(u32::MAX)));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::open_flags;
    use resmgr::client::OpenFlags;

    #[test]
    fn a_server_sees_what_it_has_to_know_and_nothing_else() {
        // O_WRONLY | O_TRUNC | O_LARGEFILE | O_CLOEXEC | O_NOFOLLOW as the kernel has them on x86-64.
        let flags = open_flags(0x1 | 0x200 | 0x8000 | 0x8_0000 | 0x2_0000);
        assert_eq!(flags, OpenFlags::WRITE | OpenFlags::TRUNCATE);
        assert_eq!(open_flags(0x2 | 0x400 | 0x800).bits(), 0x3 | 0x400 | 0x800);
        assert_eq!(open_flags(0), OpenFlags::READ);
    }
}
