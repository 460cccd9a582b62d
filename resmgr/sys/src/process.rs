//! This process: who it is, what it may open, how it goes to the background.

use crate::fork::PerProcess;
use crate::{Errno, Result, check, check_long, signal};
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};

/// The effective user.
pub fn effective_uid() -> u32 {
    // SAFETY: no arguments.
    unsafe { libc::geteuid() }
}

/// The real user.
pub fn real_uid() -> u32 {
    // SAFETY: no arguments.
    unsafe { libc::getuid() }
}

/// The effective group.
pub fn effective_gid() -> u32 {
    // SAFETY: no arguments.
    unsafe { libc::getegid() }
}

/// Effective user and group as they were at the last [`refresh_ids`]; packed, so that both are of one moment.
static IDS: PerProcess<AtomicU64> = PerProcess::new();

/// The effective user and group, as they were when this was first asked, or at the last [`refresh_ids`]: no system
/// call.
pub fn known_ids() -> (u32, u32) {
    let [uid, gid] = unpack(IDS.get(|| AtomicU64::new(ids())).load(Ordering::Relaxed));
    (uid, gid)
}

/// Looks anew who this process is: a program may have changed its user.
pub fn refresh_ids() {
    let now = ids();
    IDS.get(|| AtomicU64::new(now))
        .store(now, Ordering::Relaxed);
}

fn ids() -> u64 {
    u64::from(effective_uid()) << 32 | u64::from(effective_gid())
}

fn unpack(ids: u64) -> [u32; 2] {
    let low = ids & u64::from(u32::MAX);
    [ids >> 32, low].map(|half| u32::try_from(half).unwrap_or(u32::MAX))
}

/// Whether this program runs with rights that its caller does not have (set-uid, set-gid or file
/// capabilities): it must not believe the environment.
pub fn is_privileged() -> bool {
    // SAFETY: no pointers.
    unsafe { libc::getauxval(libc::AT_SECURE) != 0 }
}

/// Sets the file mode mask; returns the old one.
pub fn set_umask(mask: u32) -> u32 {
    // SAFETY: no pointers.
    unsafe { libc::umask(mask) }
}

/// The file mode mask of this thread. The system call could only tell it by changing it, for other threads as well; so
/// the kernel's own account is read.
///
/// # Errors
/// - `ENODATA`: the account has no such line. Others: /proc is not there.
pub fn umask() -> Result<u32> {
    let status = std::fs::read("/proc/thread-self/status")?;
    let mut lines = status.split(|byte| *byte == b'\n');
    let mask = lines.find_map(|line| line.strip_prefix(b"Umask:"));
    let mask = mask.and_then(|mask| std::str::from_utf8(mask).ok());
    mask.and_then(|mask| u32::from_str_radix(mask.trim(), 8).ok())
        .ok_or(Errno::NODATA)
}

/// Raises the soft limit of open descriptors to the hard one; returns it.
pub fn raise_descriptor_limit() -> Result<u64> {
    let mut limit = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: the structure lives on this stack.
    check(unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) })?;
    if limit.rlim_cur < limit.rlim_max {
        limit.rlim_cur = limit.rlim_max;
        // SAFETY: as above.
        check(unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit) })?;
    }
    Ok(limit.rlim_cur)
}

/// The effective capabilities of a process's first thread; 0 is the calling thread. They are those in its own
/// user namespace. Needs no rights.
///
/// # Errors
/// - `ESRCH`: there is no such process.
pub fn effective_capabilities(pid: u32) -> Result<u64> {
    // Version 3 of the call: two words of each set.
    let mut header = [0x2008_0522, pid];
    let mut sets = [[0u32; 3]; 2];
    // SAFETY: the header and the two sets of that version live on this stack.
    let got = unsafe { libc::syscall(libc::SYS_capget, header.as_mut_ptr(), sets.as_mut_ptr()) };
    check_long(got)?;
    Ok(u64::from(sets[1][0]) << 32 | u64::from(sets[0][0]))
}

/// The hard limit RLIMIT_RTPRIO of a process.
///
/// # Errors
/// - `EPERM`: it belongs to somebody else.
/// - `ESRCH`: there is no such process.
pub fn realtime_limit_of(pid: u32) -> Result<u64> {
    let mut limit = libc::rlimit64 {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: nothing is set, the old limit is written to this stack.
    let got = unsafe {
        libc::syscall(
            libc::SYS_prlimit64,
            pid,
            libc::RLIMIT_RTPRIO,
            std::ptr::null::<libc::rlimit64>(),
            &raw mut limit,
        )
    };
    check_long(got)?;
    Ok(limit.rlim_max)
}

/// The soft limits RLIMIT_RTPRIO and RLIMIT_NICE of this process: how far its threads may rise without
/// privileges. The second is 20 minus the lowest nice value.
pub fn priority_limits() -> Result<(u64, u64)> {
    let soft = |resource| -> Result<u64> {
        let mut limit = libc::rlimit {
            rlim_cur: 0,
            rlim_max: 0,
        };
        // SAFETY: the structure lives on this stack.
        check(unsafe { libc::getrlimit(resource, &raw mut limit) })?;
        Ok(limit.rlim_cur)
    };
    Ok((soft(libc::RLIMIT_RTPRIO)?, soft(libc::RLIMIT_NICE)?))
}

/// Sends a signal to a process by number. Prefer [`crate::pidfd::PidFd::signal`] where there is one.
pub fn kill(pid: u32, signal: i32) -> Result<()> {
    let pid = i32::try_from(pid).map_err(|_| Errno::SRCH)?;
    // SAFETY: no pointers.
    check(unsafe { libc::kill(pid, signal) }).map(drop)
}

/// Makes every thread of this process another user's, for good, with real-time priorities up to `realtime`
/// and no capabilities. For test helpers.
///
/// # Errors
/// - `EPERM`: it may not become that, or not raise limits.
pub fn become_for_test(uid: u32, realtime: u64) -> Result<()> {
    let limit = libc::rlimit {
        rlim_cur: realtime,
        rlim_max: realtime,
    };
    // SAFETY: the structure lives on this stack.
    check(unsafe { libc::setrlimit(libc::RLIMIT_RTPRIO, &raw const limit) })?;
    // SAFETY: no pointers; the C library changes all threads at once.
    check(unsafe { libc::setresuid(uid, uid, uid) })?;
    // The kernel forgets it with the user.
    die_with_parent()
}

/// Has the kernel end this process when its parent goes: for test and benchmark helpers.
pub fn die_with_parent() -> Result<()> {
    // SAFETY: no pointers.
    check(unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) }).map(drop)
}

/// Prepares `command` to start with no blocked signals, in a session of its own, and with only the
/// descriptors that `keep` names beside the standard three.
pub fn detached(command: &mut Command, keep: Option<BorrowedFd<'_>>) {
    let keep = keep.map(|fd| fd.as_raw_fd());
    let prepare = move || {
        signal::unblock_all();
        // It fails only for a group leader, which a fresh child is not.
        let _ = new_session();
        close_on_exec_from(3);
        keep.map_or(Ok(()), inherit)
    };
    // SAFETY: between fork and exec the closure makes only async-signal-safe system calls and allocates nothing.
    unsafe { command.pre_exec(prepare) };
}

/// Prepares `command` to start as another user, in these groups and no others. Only root can.
pub fn as_user(command: &mut Command, uid: u32, gid: u32, groups: &[u32]) {
    let groups = groups.to_vec();
    let prepare = move || {
        // SAFETY: the groups live in the closure; the kernel reads as many as it is told.
        check(unsafe { libc::setgroups(groups.len(), groups.as_ptr()) })?;
        // SAFETY: no pointers.
        check(unsafe { libc::setresgid(gid, gid, gid) })?;
        // SAFETY: no pointers. Last, since it takes the right to do the others.
        check(unsafe { libc::setresuid(uid, uid, uid) })?;
        Ok(())
    };
    // SAFETY: between fork and exec the closure makes only async-signal-safe system calls and allocates nothing.
    unsafe { command.pre_exec(prepare) };
}

/// Makes this process the leader of a session of its own.
///
/// # Errors
/// - `EPERM`: it leads a process group.
pub fn new_session() -> Result<()> {
    // SAFETY: no arguments.
    check(unsafe { libc::setsid() }).map(drop)
}

/// Marks every descriptor from `lowest` on to be closed by exec.
fn close_on_exec_from(lowest: u32) {
    // SAFETY: no pointers; CLOEXEC closes nothing now. Kernels before 5.11 refuse the flag, and then the
    // descriptors that others opened without CLOEXEC are inherited, as by any exec.
    unsafe {
        libc::syscall(
            libc::SYS_close_range,
            lowest,
            u32::MAX,
            libc::CLOSE_RANGE_CLOEXEC,
        )
    };
}

fn inherit(fd: i32) -> std::io::Result<()> {
    // SAFETY: the descriptor is open in the child, as it was in the parent; F_SETFD takes an int.
    check(unsafe { libc::fcntl(fd, libc::F_SETFD, 0) })?;
    Ok(())
}

/// Goes to the background: the caller's process exits with status 0, a child of it goes on.
///
/// # Errors
/// - `EBUSY`: the process has other threads, which fork would lose.
pub fn fork_to_background() -> Result<()> {
    let threads = std::fs::read_dir("/proc/self/task")?.count();
    if threads != 1 {
        return Err(Errno::BUSY);
    }
    // SAFETY: this is the only thread (checked), so the child has every lock in a sane state.
    match check(unsafe { libc::fork() })? {
        0 => Ok(()),
        // SAFETY: ends the parent without running its exit handlers, which belong to the child now.
        _ => unsafe { libc::_exit(0) },
    }
}

/// Forks: `Some(pid)` in the parent, `None` in the child. Only for tests and benchmarks that must have a
/// forked child; the child should do little and end with [`exit_now`].
pub fn fork_for_test() -> Result<Option<u32>> {
    // SAFETY: the caller promises a child that takes no lock another thread may hold; a broken promise
    // hangs the test, it does not corrupt memory.
    match check(unsafe { libc::fork() })? {
        0 => Ok(None),
        pid => Ok(Some(pid.cast_unsigned())),
    }
}

/// Forks without the C library's handlers, as programs do that call clone by themselves: the child keeps
/// a copy of every descriptor. Otherwise as [`fork_for_test`].
pub fn clone_for_test() -> Result<Option<u32>> {
    // SAFETY: no new stack and no shared memory: the child is a copy of this process with this thread only.
    // The caller's promise is that of `fork_for_test`.
    let pid = unsafe {
        libc::syscall(
            libc::SYS_clone,
            libc::SIGCHLD,
            0usize,
            0usize,
            0usize,
            0usize,
        )
    };
    match check_long(pid)? {
        0 => Ok(None),
        pid => u32::try_from(pid).map(Some).map_err(|_| Errno::CHILD),
    }
}

/// Closes a number, whoever opened it, as programs do that count descriptors by themselves.
pub fn close_for_test(number: i32) -> Result<()> {
    // SAFETY: no pointers. The caller breaks the rule that only owners close, which is what it wants to test.
    check(unsafe { libc::close(number) }).map(drop)
}

/// Has the number `to` mean what `from` means, whatever it meant before; closed by exec or not.
pub fn duplicate_for_test(from: i32, to: i32) -> Result<()> {
    // SAFETY: as above.
    check(unsafe { libc::dup2(from, to) }).map(drop)
}

/// Has the kernel refuse descriptors of threads to this process from now on, in every thread, as one before 6.9
/// does (`EINVAL`). For test helpers; it cannot be undone.
///
/// # Errors
/// - `EINVAL`, `ENOSYS`: this kernel has no filters of system calls.
pub fn refuse_thread_descriptors_for_test() -> Result<()> {
    // From where the kernel puts what a filter looks at: the call's number, and the low half of its second argument.
    const NUMBER: u32 = 0;
    const FLAGS: u32 = if cfg!(target_endian = "big") { 28 } else { 24 };
    const LOAD: u32 = libc::BPF_LD | libc::BPF_W | libc::BPF_ABS;
    const IS: u32 = libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K;
    const HAS: u32 = libc::BPF_JMP | libc::BPF_JSET | libc::BPF_K;
    const RETURN: u32 = libc::BPF_RET | libc::BPF_K;
    let open = u32::try_from(libc::SYS_pidfd_open).map_err(|_| Errno::NOSYS)?;
    let refused = libc::SECCOMP_RET_ERRNO | libc::EINVAL.unsigned_abs();
    let step = |code: u32, k: u32, otherwise: u8| libc::sock_filter {
        code: u16::try_from(code).unwrap_or(0),
        jt: 0,
        jf: otherwise,
        k,
    };
    let mut steps = [
        step(LOAD, NUMBER, 0),
        step(IS, open, 3),
        step(LOAD, FLAGS, 0),
        step(HAS, libc::O_EXCL.unsigned_abs(), 1),
        step(RETURN, refused, 0),
        step(RETURN, libc::SECCOMP_RET_ALLOW, 0),
    ];
    let filter = libc::sock_fprog {
        len: 6,
        filter: steps.as_mut_ptr(),
    };
    // SAFETY: no pointers.
    check(unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) })?;
    // SAFETY: the filter and its steps live on this stack; the kernel copies them.
    let done = unsafe {
        libc::syscall(
            libc::SYS_seccomp,
            libc::SECCOMP_SET_MODE_FILTER,
            libc::SECCOMP_FILTER_FLAG_TSYNC,
            &raw const filter,
        )
    };
    check_long(done).map(drop)
}

/// Ends the process at once, without exit handlers.
pub fn exit_now(status: i32) -> ! {
    // SAFETY: no pointers; it does not return.
    unsafe { libc::_exit(status) }
}

/// Waits for a child that [`fork_for_test`] made; returns its wait status.
pub fn wait_for(pid: u32) -> Result<i32> {
    let pid = i32::try_from(pid).map_err(|_| Errno::CHILD)?;
    let mut status = 0;
    // SAFETY: the status lives on this stack.
    check(unsafe { libc::waitpid(pid, &raw mut status, 0) })?;
    Ok(status)
}

/// The one socket that a service manager has opened for this process (LISTEN_PID, LISTEN_FDS); children do not
/// get it. `None` when there is none. To be asked once, and before this process opens anything: whoever asks owns the
/// descriptor.
///
/// # Errors
/// - `EINVAL`: it is not exactly one.
/// - `EBADF`: there is no such descriptor.
pub fn activation_socket() -> Result<Option<OwnedFd>> {
    const FIRST: i32 = 3;
    let number = |name: &str| std::env::var(name).ok()?.parse::<u32>().ok();
    if number("LISTEN_PID") != Some(std::process::id()) {
        return Ok(None);
    }
    if number("LISTEN_FDS") != Some(1) {
        return Err(Errno::INVAL);
    }
    // SAFETY: no pointers; it fails when the number is not open.
    check(unsafe { libc::fcntl(FIRST, libc::F_SETFD, libc::FD_CLOEXEC) })?;
    Ok(Some(crate::own(FIRST)))
}

/// Writes raw bytes to an inherited descriptor by number, then closes it: a daemon's readiness.
pub fn announce(fd: i32, line: &[u8]) -> Result<()> {
    // SAFETY: F_GETFD only looks; it fails when the number is not open.
    check(unsafe { libc::fcntl(fd, libc::F_GETFD) })?;
    if fd <= 2 {
        return Err(Errno::BADF);
    }
    let mut pipe = std::fs::File::from(crate::own(fd));
    std::io::Write::write_all(&mut pipe, line)?;
    Ok(())
}
