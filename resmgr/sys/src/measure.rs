//! What programs that measure need of the system: references that use its raw calls, and a hand on their
//! own processes.

use crate::{Errno, Result, check, check_long, own, socket};
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};
use std::path::Path;

/// Lets the calling thread run on these processors only.
///
/// # Errors
/// - `EINVAL`: none of them exists, or a number is too large.
pub fn stay_on(cpus: &[usize]) -> Result<()> {
    // SAFETY: a cpu_set_t of zeros is the empty set.
    let mut set: libc::cpu_set_t = unsafe { std::mem::zeroed() };
    for cpu in cpus {
        if *cpu >= usize::try_from(libc::CPU_SETSIZE).unwrap_or(0) {
            return Err(Errno::INVAL);
        }
        // SAFETY: `cpu` is below CPU_SETSIZE (checked), so the bit lies inside the set.
        unsafe { libc::CPU_SET(*cpu, &mut set) };
    }
    // SAFETY: the set lives on this stack; 0 names the calling thread.
    check(unsafe { libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), &raw const set) })
        .map(drop)
}

/// Bytes that this process has allocated and not freed, where the allocator is the C library's.
#[cfg(target_env = "gnu")]
pub fn heap_in_use() -> usize {
    // SAFETY: no arguments.
    let known = unsafe { libc::mallinfo2() };
    known.uordblks + known.hblkhd
}

/// The processor that the calling thread runs on, or did a moment ago.
#[inline]
pub fn current_cpu() -> u32 {
    // SAFETY: no arguments.
    unsafe { libc::sched_getcpu() }.cast_unsigned()
}

/// Fills `into` from `address` on of another process's memory; returns how many bytes came.
///
/// # Errors
/// - `ESRCH`: no such process.
/// - `EPERM`: this process may not trace it.
/// - `EFAULT`: nothing is mapped there.
pub fn read_process(pid: u32, address: usize, into: &mut [u8]) -> Result<usize> {
    let pid = i32::try_from(pid).map_err(|_| Errno::SRCH)?;
    let here = libc::iovec {
        iov_base: into.as_mut_ptr().cast(),
        iov_len: into.len(),
    };
    let there = libc::iovec {
        iov_base: std::ptr::without_provenance_mut(address),
        iov_len: into.len(),
    };
    // SAFETY: the kernel writes at most `into.len()` bytes to `into`, which is borrowed for the call; the
    // other address is only looked up in the other process.
    let got = unsafe { libc::process_vm_readv(pid, &raw const here, 1, &raw const there, 1, 0) };
    check_long(got as libc::c_long).map(|got| usize::try_from(got).unwrap_or(0))
}

/// Waits until a child has stopped (SIGSTOP) or ended; its end remains to be waited for.
pub fn wait_until_stopped(child: u32) -> Result<()> {
    // SAFETY: a siginfo_t of zeros is a valid value.
    let mut info: libc::siginfo_t = unsafe { std::mem::zeroed() };
    let what = libc::WSTOPPED | libc::WEXITED | libc::WNOWAIT;
    // SAFETY: the structure lives on this stack.
    check(unsafe { libc::waitid(libc::P_PID, child, &raw mut info, what) }).map(drop)
}

/// A packet socket that listens at `path`, and waits in [`accept`].
pub fn listen(path: &Path) -> Result<OwnedFd> {
    let listener = socket::new_socket(0)?;
    let (address, len) = socket::address(path)?;
    // SAFETY: the address lives on this stack and has `len` bytes.
    check(unsafe { libc::bind(listener.as_raw_fd(), (&raw const address).cast(), len) })?;
    // SAFETY: no pointers.
    check(unsafe { libc::listen(listener.as_raw_fd(), 128) })?;
    Ok(listener)
}

/// The next connection of a socket from [`listen`], with no call more than that takes.
pub fn accept(listener: BorrowedFd<'_>) -> Result<OwnedFd> {
    let nobody = std::ptr::null_mut();
    let no_len = std::ptr::null_mut();
    // SAFETY: no address is asked for.
    let fd = unsafe { libc::accept4(listener.as_raw_fd(), nobody, no_len, libc::SOCK_CLOEXEC) };
    check(fd).map(own)
}

/// A packet socket connected to `path`, with no call more than that takes.
pub fn connect(path: &Path) -> Result<OwnedFd> {
    let client = socket::new_socket(0)?;
    let (address, len) = socket::address(path)?;
    // SAFETY: the address lives on this stack and has `len` bytes.
    check(unsafe { libc::connect(client.as_raw_fd(), (&raw const address).cast(), len) })?;
    Ok(client)
}

/// Gives a socket buffers of `bytes`, beyond the system's limit where this process may.
pub fn set_buffers(socket: BorrowedFd<'_>, bytes: usize) -> Result<()> {
    let bytes = libc::c_int::try_from(bytes).map_err(|_| Errno::INVAL)?;
    set(socket, libc::SO_SNDBUFFORCE, bytes).or_else(|_| set(socket, libc::SO_SNDBUF, bytes))?;
    set(socket, libc::SO_RCVBUFFORCE, bytes).or_else(|_| set(socket, libc::SO_RCVBUF, bytes))
}

fn set(socket: BorrowedFd<'_>, option: libc::c_int, value: libc::c_int) -> Result<()> {
    let len = libc::socklen_t::try_from(size_of::<libc::c_int>()).map_err(|_| Errno::INVAL)?;
    // SAFETY: the value lives on this stack and has `len` bytes; the descriptor is borrowed for the call.
    check(unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            option,
            (&raw const value).cast(),
            len,
        )
    })
    .map(drop)
}

#[cfg(test)]
mod tests {
    use super::read_process;
    use crate::Errno;

    #[test]
    fn a_process_reads_its_own_memory() {
        let there = [7u8; 100];
        let mut here = [0u8; 100];
        let got = read_process(std::process::id(), there.as_ptr().addr(), &mut here);
        assert_eq!((got, here), (Ok(100), there));
        assert_eq!(
            read_process(std::process::id(), 0, &mut here),
            Err(Errno::FAULT)
        );
    }
}
