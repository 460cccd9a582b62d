//! Signals as descriptors, and threads that no signal may choose.

use crate::{Result, check, check_long, own};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicI32, AtomicI64, AtomicU32, Ordering};

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

/// SIGALRM
pub const ALRM: i32 = libc::SIGALRM;

/// The highest signal number.
pub fn highest() -> i32 {
    libc::SIGRTMAX()
}

/// What a handler learns beside the signal's number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Info {
    /// `si_code`; below 0 for what programs send.
    pub code: i32,
    /// `si_value`
    pub value: i64,
}

/// As much of `siginfo_t` as a queued signal has; the rest of its 128 bytes is zero. The padding is what the
/// system's own layout has on 64-bit machines, in front of a union that is aligned to 8.
#[repr(C)]
struct Queued {
    signal: i32,
    errno: i32,
    code: i32,
    padding: i32,
    pid: u32,
    uid: u32,
    value: i64,
    rest: [u8; 96],
}
const _: () = assert!(size_of::<Queued>() == size_of::<libc::siginfo_t>());

/// Queues a signal with a code and a value for this process, or for one thread of it.
///
/// # Errors
/// - `EINVAL`: no such signal.
/// - `ESRCH`: no such thread.
/// - `EAGAIN`: as many signals are queued as this user may have.
pub fn queue_to_self(thread: Option<u32>, signal: i32, info: Info) -> Result<()> {
    let pid = std::process::id();
    let queued = Queued {
        signal,
        errno: 0,
        code: info.code,
        padding: 0,
        pid,
        uid: crate::process::real_uid(),
        value: info.value,
        rest: [0; 96],
    };
    let info = &raw const queued;
    let done = match thread {
        // SAFETY: the kernel reads 128 bytes from a structure of that size on this stack.
        None => unsafe { libc::syscall(libc::SYS_rt_sigqueueinfo, pid, signal, info) },
        // SAFETY: as above.
        Some(tid) => unsafe { libc::syscall(libc::SYS_rt_tgsigqueueinfo, pid, tid, signal, info) },
    };
    check_long(done).map(drop)
}

/// SIGUSR1
pub const USR1: i32 = libc::SIGUSR1;

static COUNTED: AtomicU32 = AtomicU32::new(0);
static LAST_CODE: AtomicI32 = AtomicI32::new(0);
static LAST_VALUE: AtomicI64 = AtomicI64::new(0);

extern "C" fn count(_: libc::c_int, info: *mut libc::siginfo_t, _: *mut libc::c_void) {
    // SAFETY: the kernel passes the signal's information, or null would be seen here.
    if let Some(info) = unsafe { info.as_ref() } {
        LAST_CODE.store(info.si_code, Ordering::Relaxed);
        // SAFETY: the bytes are there whatever the signal is; only for queued ones they mean something.
        let value = unsafe { info.si_value() };
        LAST_VALUE.store(
            value.sival_ptr.addr().cast_signed() as i64,
            Ordering::Relaxed,
        );
    }
    COUNTED.fetch_add(1, Ordering::Relaxed);
}

/// What the last signal of [`count_for_test`] brought.
pub fn last_info() -> Info {
    Info {
        code: LAST_CODE.load(Ordering::Relaxed),
        value: LAST_VALUE.load(Ordering::Relaxed),
    }
}

/// Installs a handler that counts (see [`counted`]). System calls that it interrupts are not begun anew,
/// unless `restart` asks for that. For tests.
pub fn count_for_test(signal: i32, restart: bool) -> Result<()> {
    // SAFETY: sigaction is plain data, zeros are a value of it: an empty mask, no flags.
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    let handler: extern "C" fn(libc::c_int, *mut libc::siginfo_t, *mut libc::c_void) = count;
    action.sa_sigaction = handler as libc::sighandler_t;
    let restart = if restart { libc::SA_RESTART } else { 0 };
    action.sa_flags = restart | libc::SA_SIGINFO;
    // SAFETY: the handler only stores to atomics, which is async-signal-safe; the old one is not asked for.
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
