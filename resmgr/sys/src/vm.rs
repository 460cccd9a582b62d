//! Another process's memory, where the kernel lets this one read it.

use crate::{Errno, Result, check_long};

/// A piece of another process's address space. Nothing is known of it before the kernel has looked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Far {
    /// Its address there.
    pub address: u64,
    /// Its length in bytes.
    pub len: usize,
}

impl Far {
    /// Where a slice of this process lies, for somebody else to read.
    pub fn of(bytes: &[u8]) -> Self {
        Self {
            address: bytes.as_ptr() as u64,
            len: bytes.len(),
        }
    }
}

/// Copies from the pieces, seen as one, into `to`; returns how much there was.
///
/// # Errors
/// - `EPERM`: the kernel does not let this process read that one (another user, or a security module).
/// - `EFAULT`: nothing is mapped there.
/// - `ESRCH`: no such process.
/// - `EINVAL`: more pieces than the system takes (1024).
pub fn read(pid: u32, from: &[Far], to: &mut [u8]) -> Result<usize> {
    let pid = i32::try_from(pid).map_err(|_| Errno::SRCH)?;
    let local = libc::iovec {
        iov_base: to.as_mut_ptr().cast(),
        iov_len: to.len(),
    };
    let remote: Vec<libc::iovec> = from
        .iter()
        .map(|piece| libc::iovec {
            iov_base: piece.address as *mut libc::c_void,
            iov_len: piece.len,
        })
        .collect();
    let count = libc::c_ulong::try_from(remote.len()).map_err(|_| Errno::INVAL)?;
    // SAFETY: `local` describes `to`, which is private and writable for the call; the kernel checks the
    // remote addresses itself and touches nothing of this process by them.
    let copied =
        unsafe { libc::process_vm_readv(pid, &raw const local, 1, remote.as_ptr(), count, 0) };
    let copied = check_long(libc::c_long::try_from(copied).unwrap_or(-1))?;
    usize::try_from(copied).map_err(|_| Errno::FAULT)
}

#[cfg(test)]
mod tests {
    use super::{Far, read};
    use crate::Errno;

    #[test]
    fn pieces_are_read_as_one_and_bad_addresses_are_refused() {
        let (one, two) = ([1u8; 3], [2u8; 4]);
        let mut got = [0; 6];
        let pid = std::process::id();
        assert_eq!(read(pid, &[Far::of(&one), Far::of(&two)], &mut got), Ok(6));
        assert_eq!(got, [1, 1, 1, 2, 2, 2]);
        let nowhere = Far { address: 8, len: 6 };
        assert_eq!(read(pid, &[nowhere], &mut got), Err(Errno::FAULT));
    }
}
