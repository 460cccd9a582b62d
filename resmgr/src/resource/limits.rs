//! What pathconf() and statvfs() tell.

use super::Filesystem;
use crate::wire::{PATH_MAX, Statvfs};
use crate::{Errno, Result};

/// The value of a limit. The numbers are Linux's names `_PC_*`.
///
/// # Errors
/// - `EINVAL`: no such limit.
#[doc(alias = "iofunc_pathconf")]
pub(crate) fn pathconf(name: u16) -> Result<i64> {
    let path_max = i64::try_from(PATH_MAX).map_err(|_| Errno::OVERFLOW)?;
    Ok(match name {
        0 => 32_000,        // _PC_LINK_MAX
        1..=3 => 255,       // _PC_MAX_CANON, _PC_MAX_INPUT, _PC_NAME_MAX
        4 | 19 => path_max, // _PC_PATH_MAX, _PC_SYMLINK_MAX
        5 => 4096,          // _PC_PIPE_BUF
        6 | 7 | 20 => 1,    // _PC_CHOWN_RESTRICTED, _PC_NO_TRUNC, _PC_2_SYMLINKS
        8 => 0,             // _PC_VDISABLE
        13 => 64,           // _PC_FILESIZEBITS
        _ => return Err(Errno::INVAL),
    })
}

/// What a file system is, as it travels.
pub(crate) fn statvfs(known: &Filesystem, device: u64) -> Statvfs {
    Statvfs {
        bsize: known.block_size,
        frsize: known.block_size,
        blocks: known.blocks,
        bfree: known.free,
        bavail: known.free,
        files: known.files,
        ffree: known.free_files,
        favail: known.free_files,
        fsid: device,
        flag: u32::from(known.read_only),
        namemax: known.name_max,
        basetype: *b"resmgr\0\0\0\0\0\0\0\0\0\0",
    }
}
