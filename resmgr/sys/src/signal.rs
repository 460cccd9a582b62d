//! Signals as descriptors, and threads that no signal may choose.

use crate::{Result, check, check_long, own};
use std::marker::PhantomData;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::sync::OnceLock;
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
        self.take_whole().map(|taken| taken.signal)
    }

    /// The same, with what is known of it.
    pub fn take_whole(&self) -> Option<Taken> {
        // SAFETY: signalfd_siginfo is plain data, zeros are a value of it.
        let mut info: libc::signalfd_siginfo = unsafe { std::mem::zeroed() };
        let size = size_of::<libc::signalfd_siginfo>();
        // SAFETY: `size` bytes are read into a local of that size.
        let got = unsafe { libc::read(self.0.as_raw_fd(), (&raw mut info).cast(), size) };
        (usize::try_from(got) == Ok(size)).then_some(Taken {
            signal: info.ssi_signo.cast_signed(),
            info: Info {
                code: info.ssi_code,
                value: info.ssi_ptr.cast_signed(),
            },
            pid: info.ssi_pid,
            uid: info.ssi_uid,
        })
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

/// A signal that was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Taken {
    /// Its number.
    pub signal: i32,
    /// What came with it.
    pub info: Info,
    /// Who sent it, if a program did.
    pub pid: u32,
    /// That one's user.
    pub uid: u32,
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
        (1..=libc::SIGRTMAX())
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
