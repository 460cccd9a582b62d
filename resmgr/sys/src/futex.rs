//! Sleeping on a word that may be shared with another process.

use crate::clock::{self, Deadline};
use crate::{Errno, Result, check_long};
use std::sync::atomic::AtomicU32;

/// Longer than any program runs.
const FAR: libc::timespec = libc::timespec {
    tv_sec: i32::MAX as libc::time_t,
    tv_nsec: 0,
};

/// Sleeps while `word` holds `expected`, until somebody calls [`wake`] on it.
///
/// A handler ends the sleep whatever its flags: the kernel resumes a futex wait without a timeout by itself
/// when the handler was installed with SA_RESTART, and never one that has a timeout. So there always is one.
/// The same makes a sleep go on by itself after the process was stopped.
///
/// Returns at once when the word holds something else. A return says nothing about the word: look again.
/// The word may lie in a mapping that this process can only read.
///
/// # Errors
/// - `EINTR`: a signal handler ran on this thread.
/// - `ETIMEDOUT`: `deadline` passed.
pub fn wait(word: &AtomicU32, expected: u32, deadline: Deadline) -> Result<()> {
    let left = clock::remaining(deadline).map(clock::timespec);
    let timeout = std::ptr::from_ref(left.as_ref().unwrap_or(&FAR));
    // SAFETY: the word outlives the call (borrowed), and so does the timeout.
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
