//! The space of an open file: fallocate, holes, fsync.

use crate::serving::bridge::Desk;
use crate::serving::traffic::Key;
use crate::state::handle::Open;
use fuser::{ReplyEmpty, ReplyLseek};
use resmgr::client::{OpenFlags, Seek};
use resmgr_sys::{Errno, Result};

/// `FALLOC_FL_KEEP_SIZE`
const KEEP_SIZE: i32 = 1;
/// `FALLOC_FL_PUNCH_HOLE`
const PUNCH_HOLE: i32 = 2;
/// `SEEK_DATA`
const DATA: i32 = 3;
/// `SEEK_HOLE`
const HOLE: i32 = 4;

/// fallocate(2): space is taken, or given back.
pub(crate) fn allocate(
    desk: &mut Desk<'_, ReplyEmpty>,
    open: &Open,
    (offset, len): (u64, u64),
    mode: i32,
) -> Result<()> {
    let calls = open.file().on_behalf(desk.caller(&open.process));
    let done = if mode == 0 {
        calls.allocate(offset, len)
    } else if mode == PUNCH_HOLE | KEEP_SIZE {
        calls.free(offset, len)
    } else if mode == KEEP_SIZE && offset.saturating_add(len) <= calls.stat()?.size {
        calls.allocate(offset, len)
    } else {
        return Err(Errno::NOTSUP);
    };
    done?;
    desk.answer(ReplyEmpty::ok);
    Ok(())
}

/// lseek(2) with `SEEK_DATA` or `SEEK_HOLE`; the kernel does the others by itself.
pub(crate) fn seek(
    desk: &mut Desk<'_, ReplyLseek>,
    open: &Open,
    offset: i64,
    whence: i32,
) -> Result<()> {
    let offset = u64::try_from(offset).map_err(|_| Errno::NXIO)?;
    let to = match whence {
        DATA => Seek::Data(offset),
        HOLE => Seek::Hole(offset),
        _ => return Err(Errno::INVAL),
    };
    let calls = open.file().on_behalf(desk.caller(&open.process));
    let found = i64::try_from(calls.seek(to)?).map_err(|_| Errno::OVERFLOW)?;
    desk.answer(|reply| reply.offset(found));
    Ok(())
}

/// fsync(2). A server that does not know it has nothing that could be lost: a write has reached it when it returns.
pub(crate) fn sync(desk: &mut Desk<'_, ReplyEmpty>, open: &Open, data_only: bool) -> Result<()> {
    let calls = open.file().on_behalf(desk.caller(&open.process));
    let done = if data_only {
        calls.sync_data()
    } else {
        calls.sync_all()
    };
    match done {
        Ok(()) | Err(Errno::NOSYS) => {}
        Err(errno) => return Err(errno),
    }
    desk.answer(ReplyEmpty::ok);
    Ok(())
}

/// The same of a directory, which is opened for it.
pub(crate) fn sync_directory(desk: &mut Desk<'_, ReplyEmpty>, number: u64) -> Result<()> {
    if desk.shared.nodes.get(number)?.server.key == Key::Names {
        desk.answer(ReplyEmpty::ok);
        return Ok(());
    }
    let flags = OpenFlags::READ | OpenFlags::DIRECTORY;
    let done = desk.ask_by_path(
        number,
        |caller, path, _| {
            let file = caller.open(path, flags, 0)?;
            file.on_behalf(caller).sync_all()
        },
        |_| Ok(()),
    );
    match done {
        Ok(()) | Err(Errno::NOSYS | Errno::NXIO) => {}
        Err(errno) => return Err(errno),
    }
    desk.answer(ReplyEmpty::ok);
    Ok(())
}
