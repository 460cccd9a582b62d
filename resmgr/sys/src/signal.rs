//! Signals as descriptors, and threads that no signal may choose.

use crate::{Result, check, check_long, own};
use std::marker::PhantomData;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::sync::OnceLock;
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

/// The signals that a thread holds back while it waits for something that must not be cut short. Not among
/// them: those that tell of a fault of the very instruction that runs, those that nobody can hold back, and
/// those of the C library (which takes its own out of every set).
fn holdable() -> &'static libc::sigset_t {
    static SET: OnceLock<libc::sigset_t> = OnceLock::new();
    SET.get_or_init(|| {
        // SAFETY: sigfillset initialises it before any use.
        let mut set: libc::sigset_t = unsafe { std::mem::zeroed() };
        // SAFETY: the set lives on this stack.
        unsafe { libc::sigfillset(&raw mut set) };
        let faults = [
            libc::SIGSEGV,
            libc::SIGBUS,
            libc::SIGFPE,
            libc::SIGILL,
            libc::SIGTRAP,
            libc::SIGSYS,
        ];
        for signal in faults {
            // SAFETY: as above; the numbers are signals.
            unsafe { libc::sigdelset(&raw mut set, signal) };
        }
        set
    })
}

/// While this lives, signals to the calling thread stay pending. Dropping it lets them through: their
/// handlers have run when the drop returns.
#[derive(Debug)]
pub struct Held {
    before: libc::sigset_t,
    /// The mask is the thread's.
    _thread: PhantomData<*const ()>,
}

impl Held {
    /// Holds back what the thread does not block already.
    pub fn hold() -> Self {
        // SAFETY: the call below fills it; zeros are a value of it anyway.
        let mut before: libc::sigset_t = unsafe { std::mem::zeroed() };
        let set = std::ptr::from_ref(holdable());
        // SAFETY: the set is static, the old mask goes to this stack.
        unsafe { libc::pthread_sigmask(libc::SIG_BLOCK, set, &raw mut before) };
        Self {
            before,
            _thread: PhantomData,
        }
    }

    /// Whether a signal has come that would have interrupted this thread: one with a handler, or one that
    /// ends the process. The others get their way meanwhile: an ignored one is dropped, and Ctrl-Z stops
    /// the process at once.
    pub fn has_interrupt(&self) -> bool {
        // SAFETY: the call below fills it.
        let mut pending: libc::sigset_t = unsafe { std::mem::zeroed() };
        // SAFETY: the set lives on this stack.
        unsafe { libc::sigpending(&raw mut pending) };
        (1..libc::SIGRTMAX() + 1)
            .filter(|signal| self.is_ours(&pending, *signal))
            .any(|signal| {
                let counts = interrupts(signal);
                if !counts {
                    let_through(signal);
                }
                counts
            })
    }

    fn is_ours(&self, pending: &libc::sigset_t, signal: i32) -> bool {
        let is_in = |set: &libc::sigset_t| {
            // SAFETY: the set is borrowed; an unknown number is in no set.
            unsafe { libc::sigismember(set, signal) == 1 }
        };
        is_in(pending) && is_in(holdable()) && !is_in(&self.before)
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        // SAFETY: the mask that the thread had before (a Held never leaves its thread).
        unsafe {
            let before = &raw const self.before;
            libc::pthread_sigmask(libc::SIG_SETMASK, before, std::ptr::null_mut())
        };
    }
}

/// Whether a signal has a handler, or ends the process.
fn interrupts(signal: i32) -> bool {
    // SAFETY: sigaction is plain data, zeros are a value of it.
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    // SAFETY: nothing is changed, the present action goes to this stack.
    let asked = unsafe { libc::sigaction(signal, std::ptr::null(), &raw mut action) };
    let harmless = [
        libc::SIGCHLD,
        libc::SIGURG,
        libc::SIGWINCH,
        libc::SIGCONT,
        libc::SIGTSTP,
        libc::SIGTTIN,
        libc::SIGTTOU,
    ];
    match action.sa_sigaction {
        _ if asked != 0 => false,
        libc::SIG_IGN => false,
        libc::SIG_DFL => !harmless.contains(&signal),
        _ => true,
    }
}

/// Lets one held signal do what it does.
fn let_through(signal: i32) {
    let set = set_of(&[signal]);
    for how in [libc::SIG_UNBLOCK, libc::SIG_BLOCK] {
        // SAFETY: the set lives on this stack; the old mask is not asked for.
        unsafe { libc::pthread_sigmask(how, &raw const set, std::ptr::null_mut()) };
    }
}

/// Readable for a thread, in a set of its own, while a signal of [`Held`] is pending for it. Never read: the
/// signals stay where they are.
#[derive(Debug)]
pub struct HeldSignals(OwnedFd);

impl HeldSignals {
    /// For any thread of this process, not of its children.
    pub fn new() -> Result<Self> {
        let set = std::ptr::from_ref(holdable());
        // SAFETY: the set is static; -1 asks for a new descriptor.
        let fd = unsafe { libc::signalfd(-1, set, libc::SFD_CLOEXEC | libc::SFD_NONBLOCK) };
        Ok(Self(own(check(fd)?)))
    }
}

impl AsFd for HeldSignals {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// SIGWINCH
pub const WINCH: i32 = libc::SIGWINCH;
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
