//! Sleeping on a word that may be shared with another process.

use crate::clock::{self, Deadline};
use crate::{Errno, Result, check_long};
use std::sync::atomic::AtomicU32;

/// Sleeps while `word` holds `expected`, until somebody calls [`wake`] on it.
///
/// Returns at once when the word holds something else. A return says nothing about the word: look again.
/// The word may lie in a mapping that this process can only read.
///
/// # Errors
/// - `EINTR`: a signal handler ran on this thread.
/// - `ETIMEDOUT`: `deadline` passed.
pub fn wait(word: &AtomicU32, expected: u32, deadline: Deadline) -> Result<()> {
    let left = clock::remaining(deadline).map(clock::timespec);
    let timeout = left.as_ref().map_or(std::ptr::null(), std::ptr::from_ref);
    // SAFETY: the word outlives the call (borrowed), and the timeout is null or points at `left`.
    let returned = unsafe {
        libc::syscall(
            libc::SYS_futex,
            word.as_ptr(),
            libc::FUTEX_WAIT,
            expected,
            timeout,
            0usize,
            0u32,
        )
    };
    match check_long(returned) {
        Ok(_) | Err(Errno::AGAIN) => Ok(()),
        Err(errno) => Err(errno),
    }
}

/// Wakes up to `count` sleepers of `word`; returns how many there were.
pub fn wake(word: &AtomicU32, count: u32) -> usize {
    let count = count.min(i32::MAX.cast_unsigned());
    // SAFETY: FUTEX_WAKE only uses the address, which is that of a live word.
    let returned =
        unsafe { libc::syscall(libc::SYS_futex, word.as_ptr(), libc::FUTEX_WAKE, count) };
    usize::try_from(returned).unwrap_or(0)
}
