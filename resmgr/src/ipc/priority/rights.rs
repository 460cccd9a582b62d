//! What the kernel lets a process do with its threads' priorities.

use super::{HIGHEST, ORDINARY};
use resmgr_sys::fork::PerProcess;
use resmgr_sys::{process, sched};
use std::fs;
use std::sync::{Mutex, PoisonError};

/// `CAP_SYS_NICE` in a set of capabilities.
const SYS_NICE: u64 = 1 << 23;
/// The user namespace in which capabilities count: rights over one's own namespace do not make a thread
/// run before those of others.
const INITIAL_NAMESPACE: &str = "0 0 4294967295";
/// How far an unprivileged process may stand out in a queue (QNX's number). It says nothing of running.
pub(crate) const UNPRIVILEGED_PLACE: u8 = 63;

/// What this process may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::ipc) struct Rights {
    pub(super) privileged: bool,
    /// The highest real-time priority, or 0.
    pub(super) realtime: u8,
    /// The lowest nice value that a thread may return to; 20 if it may not at all.
    pub(super) lowest_nice: i8,
}

impl Rights {
    fn ask() -> Self {
        let (realtime, nice) = process::priority_limits().unwrap_or((0, 0));
        let nice = i8::try_from(nice.min(40)).unwrap_or(0);
        Self {
            privileged: is_privileged(0),
            realtime: u8::try_from(realtime).map_or(HIGHEST, |limit| limit.min(HIGHEST)),
            lowest_nice: 20 - nice,
        }
    }

    /// Whether threads of this process can be raised to real-time priorities.
    pub(in crate::ipc) fn reach_realtime(self) -> bool {
        self.privileged || self.realtime > 0
    }
}

static RIGHTS: PerProcess<Mutex<Rights>> = PerProcess::new();

/// This process's rights. The kernel is asked once, and again by [`refresh`].
pub(in crate::ipc) fn rights() -> Rights {
    let known = RIGHTS.get(|| Mutex::new(Rights::ask()));
    *known.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The rights for a change that is about to be made. A server that gives up its privileges does so after it
/// has made its channel, and may not say so; so those are looked at each time.
pub(in crate::ipc) fn rights_now() -> Rights {
    let known = rights();
    if known.privileged && process::effective_capabilities(0).unwrap_or(0) & SYS_NICE == 0 {
        refresh();
        return rights();
    }
    known
}

/// Asks the kernel again: the process has gained or lost rights.
pub(in crate::ipc) fn refresh() {
    let known = RIGHTS.get(|| Mutex::new(Rights::ask()));
    *known.lock().unwrap_or_else(PoisonError::into_inner) = Rights::ask();
}

/// How far a client's claims of priority are believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Standing {
    /// In the queue.
    pub(crate) place: u8,
    /// On the processor: what a receiver may take from it. Never above the highest that threads can have.
    pub(crate) running: u8,
}

impl Standing {
    /// This process towards its own channels.
    pub(crate) const OWN: Self = Self {
        place: u8::MAX,
        running: HIGHEST,
    };

    /// A process of which nothing else is known.
    pub(crate) const ORDINARY: Self = Self {
        place: UNPRIVILEGED_PLACE,
        running: ORDINARY,
    };

    /// What the kernel says of a process: what it may do to its own threads, it may have from a receiver.
    /// That is everything with `CAP_SYS_NICE`, else its hard limit of real-time priorities, or what its first
    /// thread has already (its starter may have given it that). Where the kernel does not tell (no /proc, or one that hides
    /// other users' processes), it is an ordinary process.
    ///
    /// The caller makes sure afterwards that the process still lives: a number alone may mean another one.
    pub(crate) fn of_process(pid: u32) -> Self {
        if is_privileged(pid) {
            return Self::OWN;
        }
        let limit = match process::realtime_limit_of(pid) {
            Ok(limit) => u8::try_from(limit).unwrap_or(HIGHEST),
            // Another user's, whose limits the kernel shows to everybody as a text.
            Err(_) => fs::read_to_string(format!("/proc/{pid}/limits"))
                .map_or(0, |limits| realtime_limit(&limits)),
        };
        let first = sched::scheduling(Some(pid)).map_or(0, |thread| thread.realtime);
        let running = limit.max(first).clamp(ORDINARY, HIGHEST);
        Self {
            place: running.max(UNPRIVILEGED_PLACE),
            running,
        }
    }
}

/// The hard limit in the text of `/proc/PID/limits`.
fn realtime_limit(text: &str) -> u8 {
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("Max realtime priority"));
    match line.and_then(|values| values.split_whitespace().nth(1)) {
        Some("unlimited") => HIGHEST,
        Some(value) => value
            .parse::<u64>()
            .map_or(0, |limit| u8::try_from(limit).unwrap_or(HIGHEST)),
        None => 0,
    }
}

/// 0 is this process.
fn is_privileged(pid: u32) -> bool {
    let effective = process::effective_capabilities(pid).unwrap_or(0);
    if effective & SYS_NICE == 0 {
        return false;
    }
    let map = match pid {
        0 => fs::read_to_string("/proc/self/uid_map"),
        _ => fs::read_to_string(format!("/proc/{pid}/uid_map")),
    };
    map.is_ok_and(|map| map.split_whitespace().eq(INITIAL_NAMESPACE.split(' ')))
}

#[cfg(test)]
mod tests {
    use super::{HIGHEST, Standing, realtime_limit};

    #[test]
    fn limits_are_read() {
        let with = |value: &str| {
            format!(
                "Limit  Soft  Hard\nMax nice priority  0  40\nMax realtime priority     0    {value}  \n"
            )
        };
        assert_eq!(realtime_limit(&with("40")), 40);
        assert_eq!(realtime_limit(&with("unlimited")), HIGHEST);
        assert_eq!(realtime_limit(""), 0);
    }

    #[test]
    fn a_process_that_is_not_there_is_ordinary() {
        let nobody = Standing::of_process(u32::MAX);
        assert_eq!((nobody.place, nobody.running), (63, 10));
    }
}
