//! Signals as descriptors, and threads that no signal may choose.

use crate::{Result, check, own};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

/// SIGINT
pub const INT: i32 = libc::SIGINT;
/// SIGTERM
pub const TERM: i32 = libc::SIGTERM;
/// SIGHUP
pub const HUP: i32 = libc::SIGHUP;
/// SIGKILL
pub const KILL: i32 = libc::SIGKILL;
/// SIGSTOP
pub const STOP: i32 = libc::SIGSTOP;
/// SIGCONT
pub const CONT: i32 = libc::SIGCONT;

fn set_of(signals: &[i32]) -> libc::sigset_t {
    // SAFETY: sigemptyset initialises it before any use.
    let mut set: libc::sigset_t = unsafe { std::mem::zeroed() };
    // SAFETY: the set lives on this stack.
    unsafe { libc::sigemptyset(&raw mut set) };
    for signal in signals {
        // SAFETY: as above; an unknown number is refused and changes nothing.
        unsafe { libc::sigaddset(&raw mut set, *signal) };
    }
    set
}

/// Blocks every signal for the calling thread and its future threads: the process's signals then go to
/// the program's own threads.
pub fn block_all() {
    // SAFETY: sigfillset initialises it before any use.
    let mut set: libc::sigset_t = unsafe { std::mem::zeroed() };
    // SAFETY: the set lives on this stack.
    unsafe { libc::sigfillset(&raw mut set) };
    // SAFETY: as above; the old mask is not asked for.
    unsafe { libc::pthread_sigmask(libc::SIG_BLOCK, &raw const set, std::ptr::null_mut()) };
}

/// Some signals, taken out of the ordinary delivery: they make a descriptor readable instead.
///
/// Make it before any other thread starts: threads inherit the blocked mask.
#[derive(Debug)]
pub struct SignalFd(OwnedFd);

impl SignalFd {
    /// Blocks `signals` for the calling thread and collects them.
    pub fn new(signals: &[i32]) -> Result<Self> {
        let set = set_of(signals);
        // SAFETY: the set lives on this stack; the old mask is not asked for.
        unsafe { libc::pthread_sigmask(libc::SIG_BLOCK, &raw const set, std::ptr::null_mut()) };
        // SAFETY: the set lives on this stack; -1 asks for a new descriptor.
        let fd =
            unsafe { libc::signalfd(-1, &raw const set, libc::SFD_CLOEXEC | libc::SFD_NONBLOCK) };
        Ok(Self(own(check(fd)?)))
    }

    /// The next pending signal, or `None`.
    pub fn take(&self) -> Option<i32> {
        // SAFETY: signalfd_siginfo is plain data, zeros are a value of it.
        let mut info: libc::signalfd_siginfo = unsafe { std::mem::zeroed() };
        let size = size_of::<libc::signalfd_siginfo>();
        // SAFETY: `size` bytes are read into a local of that size.
        let got = unsafe { libc::read(self.0.as_raw_fd(), (&raw mut info).cast(), size) };
        (usize::try_from(got) == Ok(size)).then_some(info.ssi_signo.cast_signed())
    }
}

impl AsFd for SignalFd {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// Gives the blocked signals back to a process that is about to be started from here.
pub(crate) fn unblock_all() {
    let set = set_of(&[]);
    // SAFETY: the set lives on this stack; the old mask is not asked for.
    unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, &raw const set, std::ptr::null_mut()) };
}
