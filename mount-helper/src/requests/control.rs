//! ioctl(2) as a device command.

use crate::requests::devctl::is_terminal_request;
use crate::serving::bridge::Desk;
use crate::serving::pool::Scratch;
use crate::state::handle::Open;
use fuser::{IoctlFlags, ReplyIoctl};
use resmgr::client::Dcmd;
use resmgr_sys::{Errno, Result};

/// Whether a command is one that a server could know.
pub(crate) fn may_be_known(flags: IoctlFlags, command: u32) -> bool {
    !flags.contains(IoctlFlags::FUSE_IOCTL_DIR) && !is_terminal_request(command)
}

/// Sends a command. The kernel has copied `data` in, as many bytes as the command's number says, and
/// copies `out_size` bytes out again, both by the direction bits.
pub(crate) fn devctl(
    desk: &mut Desk<'_, ReplyIoctl>,
    scratch: &mut Scratch,
    open: &Open,
    command: u32,
    data: &[u8],
    out_size: usize,
) -> Result<()> {
    // What an earlier request left in the buffer is nobody's business.
    scratch.clear();
    scratch.extend_from_slice(data);
    scratch.resize(data.len().max(out_size), 0);
    let calls = open.file().on_behalf(desk.caller(&open.process));
    let information = calls.devctl(Dcmd::from_linux(command), scratch)?;
    // ioctl(2) has one number for both: a negative one would be taken for an error.
    let information = u32::try_from(information).map_err(|_| Errno::OVERFLOW)?;
    let back = scratch.get(..out_size).unwrap_or_default();
    desk.answer(|reply| reply.ioctl(information.cast_signed(), back));
    Ok(())
}
