//! What the kernel is asked to leave to us, and what it does better by itself.

use crate::requests::attr::TTL;
use crate::requests::locks;
use fuser::{InitFlags, KernelConfig};

const WANTED: [InitFlags; 5] = [
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
];

/// Agrees on features, and on transfers of so many bytes. What the kernel refuses changes nothing; older ones
/// then use smaller transfers, which work as well.
pub(crate) fn agree(config: &mut KernelConfig, transfer: u32) {
    let _ = config.set_max_write(transfer);
    if let Err(most) = config.set_max_readahead(transfer) {
        let _ = config.set_max_readahead(most);
    }
    for wanted in WANTED {
        let _ = config.add_capabilities(wanted);
    }
    if locks::can_tell() {
        let _ = config.add_capabilities(InitFlags::FUSE_FLOCK_LOCKS);
    }
}

/// Names and attributes are never believed for longer than the answer takes.
const _: () = assert!(TTL.is_zero());
