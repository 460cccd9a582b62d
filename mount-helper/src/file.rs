//! Files: open, create, read, write.

use crate::attr::{TTL, unasked};
use crate::bridge::Desk;
use crate::call::Refuse;
use crate::handle::{Handle, Open};
use crate::node::Kind;
use crate::pool::Scratch;
use fuser::{FileHandle, FopenFlags, Generation, ReplyCreate, ReplyData, ReplyOpen, ReplyWrite};
use resmgr::client::OpenFlags;
use resmgr_sys::Result;
use std::path::Path;
use std::sync::Arc;

/// Without a page cache in between (a device has no size, and its bytes may be read once), without a
/// message for each close(2) that is not the last, and with several writes at a time.
const FLAGS: FopenFlags = FopenFlags::FOPEN_DIRECT_IO
    .union(FopenFlags::FOPEN_NOFLUSH)
    .union(FopenFlags::FOPEN_PARALLEL_DIRECT_WRITES);

/// What a server has to know of open(2)'s flags. The kernel has already acted on the others; their
/// numbers differ between machines, these do not.
fn open_flags(flags: i32) -> OpenFlags {
    let known = (OpenFlags::CREATE
        | OpenFlags::EXCLUSIVE
        | OpenFlags::TRUNCATE
        | OpenFlags::APPEND
        | OpenFlags::NONBLOCK
        | OpenFlags::DATA_SYNC)
        .bits();
    OpenFlags::from_posix(flags.cast_unsigned() & (known | 0x3))
}

fn open_path<R: Refuse>(
    desk: &mut Desk<'_, R>,
    path: &Path,
    node: u64,
    flags: OpenFlags,
    mode: u32,
) -> Result<u64> {
    desk.shared.closing.settle(node);
    let file = desk.caller(&desk.shared.process).open(path, flags, mode)?;
    let open = Arc::new(Open::new(file, node));
    desk.shared.handles.insert(Handle::File(open))
}

/// The kernel has not heard of the handle, so it will never close it.
fn take_back<R: Refuse>(desk: &Desk<'_, R>, handle: u64) {
    if let Some(Handle::File(open)) = desk.shared.handles.remove(handle) {
        desk.shared.closing.close(open, &desk.shared.pool);
    }
}

/// open(2).
pub(crate) fn open(desk: &mut Desk<'_, ReplyOpen>, number: u64, flags: i32) -> Result<()> {
    let node = desk.shared.nodes.get(number)?;
    desk.enter(node.server)?;
    let handle = open_path(desk, &node.path, number, open_flags(flags), 0)?;
    if !desk.answer(|reply| reply.opened(FileHandle(handle), FLAGS)) {
        take_back(desk, handle);
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
    let number = desk.shared.nodes.number(path);
    let server = desk.shared.names.find(path)?.server;
    desk.enter(server)?;
    let handle = open_path(desk, path, number, flags, mode & 0o7777)?;
    let number = match desk.shared.nodes.refer(path, Kind::File, server) {
        Ok(number) => number,
        Err(errno) => {
            take_back(desk, handle);
            return Err(errno);
        }
    };
    let attr = unasked(number, Kind::File);
    if !desk.answer(|reply| reply.created(&TTL, &attr, Generation(0), FileHandle(handle), FLAGS)) {
        take_back(desk, handle);
        desk.shared.nodes.forget(number, 1);
    }
    Ok(())
}

/// read(2).
pub(crate) fn read(
    desk: &mut Desk<'_, ReplyData>,
    scratch: &mut Scratch,
    open: &Open,
    offset: u64,
    size: usize,
) -> Result<()> {
    if scratch.len() < size {
        scratch.resize(size, 0);
    }
    let buffer = scratch.get_mut(..size).unwrap_or_default();
    let got = open.read(desk.caller(&open.process), buffer, offset)?;
    let data = buffer.get(..got).unwrap_or_default();
    desk.answer(|reply| reply.data(data));
    Ok(())
}

/// write(2).
pub(crate) fn write(
    desk: &mut Desk<'_, ReplyWrite>,
    open: &Open,
    offset: u64,
    data: &[u8],
) -> Result<()> {
    let taken = open
        .write(desk.caller(&open.process), data, offset)?
        .min(data.len());
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
