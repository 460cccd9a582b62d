//! Signals as descriptors, and threads that no signal may choose.

use crate::{Result, check, check_long, own};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicU32, Ordering};

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

/// SIGUSR1
pub const USR1: i32 = libc::SIGUSR1;

static COUNTED: AtomicU32 = AtomicU32::new(0);

extern "C" fn count(_signal: libc::c_int) {
    COUNTED.fetch_add(1, Ordering::Relaxed);
}

/// Installs a handler that counts (see [`counted`]). System calls that it interrupts are not begun anew,
/// unless `restart` asks for that. For tests.
pub fn count_for_test(signal: i32, restart: bool) -> Result<()> {
    // SAFETY: sigaction is plain data, zeros are a value of it: an empty mask, no flags.
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    let handler: extern "C" fn(libc::c_int) = count;
    action.sa_sigaction = handler as libc::sighandler_t;
    action.sa_flags = if restart { libc::SA_RESTART } else { 0 };
    // SAFETY: the handler only adds to an atomic, which is async-signal-safe; the old one is not asked for.
    check(unsafe { libc::sigaction(signal, &raw const action, std::ptr::null_mut()) }).map(drop)
}

/// How often handlers of [`count_for_test`] have run in this process.
pub fn counted() -> u32 {
    COUNTED.load(Ordering::Relaxed)
}

/// Sends a signal to one thread of a process. For tests.
pub fn send_to_thread(pid: u32, tid: u32, signal: i32) -> Result<()> {
    // SAFETY: no pointers.
    check_long(unsafe { libc::syscall(libc::SYS_tgkill, pid, tid, signal) }).map(drop)
}

/// Gives the blocked signals back to a process that is about to be started from here.
pub(crate) fn unblock_all() {
    let set = set_of(&[]);
    // SAFETY: the set lives on this stack; the old mask is not asked for.
    unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, &raw const set, std::ptr::null_mut()) };
}
