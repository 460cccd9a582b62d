//! Extended attributes: those of users, and `trusted.`. What the kernel and the C library ask for by themselves before
//! writes and in listings (`security.`, `system.`) is answered here: servers have none of it.

use crate::serving::bridge::Desk;
use fuser::{ReplyEmpty, ReplyXattr};
use resmgr::client::XattrFlags;
use resmgr_sys::{Errno, Result};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

/// Whether servers are asked for an attribute.
pub(crate) fn is_known(name: &OsStr) -> bool {
    let name = name.as_bytes();
    name.starts_with(b"user.") || name.starts_with(b"trusted.")
}

/// getxattr(2).
pub(crate) fn get(
    desk: &mut Desk<'_, ReplyXattr>,
    number: u64,
    name: &OsStr,
    size: u32,
) -> Result<()> {
    let value = desk.ask(
        number,
        |caller, path, _| caller.xattr(path, name),
        |calls| calls.xattr(name),
    )?;
    tell(desk, &value, size)
}

/// listxattr(2). A server without attributes has an empty list.
pub(crate) fn list(desk: &mut Desk<'_, ReplyXattr>, number: u64, size: u32) -> Result<()> {
    let names = desk.ask(
        number,
        |caller, path, _| caller.list_xattrs(path),
        |calls| calls.list_xattrs(),
    );
    let names = match names {
        Err(Errno::NOSYS | Errno::NOTSUP) => Vec::new(),
        names => names?,
    };
    let mut list = Vec::new();
    for name in names {
        list.extend_from_slice(name.as_bytes());
        list.push(0);
    }
    tell(desk, &list, size)
}

/// Without room, only the size is wanted.
fn tell(desk: &mut Desk<'_, ReplyXattr>, value: &[u8], room: u32) -> Result<()> {
    let len = u32::try_from(value.len()).map_err(|_| Errno::TOOBIG)?;
    if room == 0 {
        desk.answer(|reply| reply.size(len));
    } else if len > room {
        return Err(Errno::RANGE);
    } else {
        desk.answer(|reply| reply.data(value));
    }
    Ok(())
}

/// setxattr(2) with Linux's flags, which are ours.
pub(crate) fn set(
    desk: &mut Desk<'_, ReplyEmpty>,
    number: u64,
    (name, value): (&OsStr, &[u8]),
    flags: i32,
) -> Result<()> {
    let flags = match flags {
        0 => XattrFlags::empty(),
        1 => XattrFlags::CREATE,
        2 => XattrFlags::REPLACE,
        _ => return Err(Errno::INVAL),
    };
    desk.ask(
        number,
        |caller, path, _| caller.set_xattr(path, name, value, flags),
        |calls| calls.set_xattr(name, value, flags),
    )?;
    desk.answer(ReplyEmpty::ok);
    Ok(())
}

/// removexattr(2).
pub(crate) fn remove(desk: &mut Desk<'_, ReplyEmpty>, number: u64, name: &OsStr) -> Result<()> {
    desk.ask(
        number,
        |caller, path, _| caller.remove_xattr(path, name),
        |calls| calls.remove_xattr(name),
    )?;
    desk.answer(ReplyEmpty::ok);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::is_known;
    use std::ffi::OsStr;

    #[test]
    fn what_the_kernel_asks_for_by_itself_reaches_no_server() {
        for (name, known) in [
            ("user.x", true),
            ("trusted.x", true),
            ("security.capability", false),
            ("system.posix_acl_access", false),
        ] {
            assert_eq!(is_known(OsStr::new(name)), known);
        }
    }
}
