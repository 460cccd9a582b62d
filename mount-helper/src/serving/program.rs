//! The program behind a request: who it is, and whether it still wants the answer.
//!
//! The kernel names the *thread* that made the call; servers are told the process. Both facts are in
//! /proc/TID/status, and so is what else is needed: pending signals. fuser 0.18 answers FUSE_INTERRUPT
//! with ENOSYS, which makes the kernel never send one again, so looking is the only way to learn that somebody pressed
//! Ctrl-C on a program that waits for a server.

use resmgr_sys::{Errno, Result};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// How long a thread may take to fall asleep in its system call.
const PATIENCE: Duration = Duration::from_secs(1);

/// What the signals of a waiting thread say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wish {
    /// Nothing is pending: it waits.
    Answer,
    /// A signal is pending that would have ended the wait on a real device.
    Interrupt,
    /// It is being killed: nobody will see the answer.
    Gone,
}

/// SIGKILL, SIGSTOP, SIGTSTP, SIGTTIN, SIGTTOU, SIGCONT as bits.
const KILL: u64 = 1 << 8;
const STOPS: u64 = (1 << 18) | (1 << 19) | (1 << 20) | (1 << 21) | (1 << 17);

/// What a thread that waits inside a system call wishes.
pub(crate) fn wish(tid: u32) -> Wish {
    // A thread of another process namespace has no number here (0), and nobody can look at it.
    if tid == 0 {
        return Wish::Answer;
    }
    match std::fs::read_to_string(format!("/proc/{tid}/status")) {
        Ok(status) => wish_in(&status),
        Err(_) => Wish::Answer,
    }
}

fn wish_in(status: &str) -> Wish {
    let set = |name: &str| {
        field(status, name)
            .and_then(|text| u64::from_str_radix(text, 16).ok())
            .unwrap_or(0)
    };
    let own = set("SigPnd:");
    let pending = (own | set("ShdPnd:")) & !set("SigBlk:");
    if own & KILL != 0 {
        // A signal that ends the process arrives as SIGKILL in each of its threads.
        Wish::Gone
    } else if pending & !STOPS != 0 {
        Wish::Interrupt
    } else {
        // Stopping can wait for the answer: the call goes on when the program does.
        Wish::Answer
    }
}

fn field<'a>(status: &'a str, name: &str) -> Option<&'a str> {
    let line = status.lines().find(|line| line.starts_with(name))?;
    line.get(name.len()..).map(str::trim)
}

/// The process of a thread. Locks go by it, so it is looked up each time.
pub(crate) fn process(tid: u32) -> u32 {
    look_up(tid)
}

/// Whether this process may look at what other users' programs do: it has CAP_SYS_PTRACE.
pub(crate) fn may_look_at_all() -> bool {
    const PTRACE: u64 = 1 << 19;
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let held = field(&status, "CapEff:").and_then(|text| u64::from_str_radix(text, 16).ok());
    held.is_some_and(|held| held & PTRACE != 0)
}

/// Whether a thread that waits in the kernel does so in flock(2). It may be on its way to sleep yet.
///
/// # Errors
/// - `ENOLCK`: nobody can say.
pub(crate) fn is_in_flock(tid: u32) -> Result<bool> {
    let end = Instant::now() + PATIENCE;
    let path = format!("/proc/{tid}/syscall");
    loop {
        let text = std::fs::read_to_string(&path).map_err(|_| Errno::NOLCK)?;
        match text.split(' ').next().map(str::parse::<i64>) {
            Some(Ok(number)) => return Ok(number == libc::SYS_flock),
            _ if Instant::now() > end => return Err(Errno::NOLCK),
            _ => std::thread::sleep(Duration::from_micros(50)),
        }
    }
}

fn look_up(tid: u32) -> u32 {
    let status = std::fs::read_to_string(format!("/proc/{tid}/status")).unwrap_or_default();
    field(&status, "Tgid:")
        .and_then(|text| text.parse().ok())
        .unwrap_or(tid)
}

/// The last thread that was looked up, and its process: nearly all calls on an open file come from one
/// thread. The process number informs servers, it gives no rights; so that the number may have been
/// reused since is no harm.
#[derive(Debug, Default)]
pub(crate) struct Process(AtomicU64);

impl Process {
    /// The process of a thread.
    pub(crate) fn of(&self, tid: u32) -> u32 {
        // Relaxed: both numbers lie in the one word.
        let known = self.0.load(Ordering::Relaxed);
        if tid != 0 && known >> 32 == u64::from(tid) {
            return u32::try_from(known & u64::from(u32::MAX)).unwrap_or(tid);
        }
        let pid = look_up(tid);
        self.0
            .store(u64::from(tid) << 32 | u64::from(pid), Ordering::Relaxed);
        pid
    }
}

#[cfg(test)]
mod tests {
    use super::{Process, Wish, wish, wish_in};

    #[test]
    fn pending_signals_are_told_apart() {
        let status = |own: u64, shared: u64, blocked: u64| {
            format!(
                "Name:\tx\nSigPnd:\t{own:016x}\nShdPnd:\t{shared:016x}\nSigBlk:\t{blocked:016x}\n"
            )
        };
        assert_eq!(wish_in(&status(0, 0, 0)), Wish::Answer);
        assert_eq!(wish_in(&status(0x100, 0, 0)), Wish::Gone);
        assert_eq!(wish_in(&status(0, 0x2, 0)), Wish::Interrupt);
        assert_eq!(wish_in(&status(0, 0x2, 0x2)), Wish::Answer);
        assert_eq!(wish_in(&status(0, 1 << 19, 0)), Wish::Answer);
        assert_eq!(wish(std::process::id()), Wish::Answer);
    }

    #[test]
    fn a_thread_belongs_to_its_process() {
        let own = std::process::id();
        let process = Process::default();
        let of_thread = std::thread::scope(|scope| {
            scope
                .spawn(|| process.of(resmgr_sys::sched::thread_id()))
                .join()
                .unwrap()
        });
        assert_eq!(of_thread, own);
        assert_eq!(process.of(own), own);
    }
}
