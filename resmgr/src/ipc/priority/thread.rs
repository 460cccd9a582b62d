//! What a program says of its own threads' priorities.

use super::{HIGHEST, meant, receiver, refresh_rights};
use crate::ipc::caller;
use resmgr_sys::{Errno, Result, sched};

/// The calling thread's priority now: its own, or the one that it took with the message or pulse it works
/// for. The messages and pulses that it sends have it, too.
#[doc(alias = "SchedGet")]
#[doc(alias = "pthread_getschedparam")]
pub fn priority() -> u8 {
    caller::priority()
}

/// Gives the calling thread a priority of its own: up to 10 it is an ordinary thread, above that a
/// real-time one. Its messages and pulses have the new priority from the next one on.
///
/// | priority | Linux |
/// |---|---|
/// | 1 to 9 | ordinary, nice value 18, 16 … 2 |
/// | 10 | ordinary, nice value 0 |
/// | 11 to 99 | SCHED_FIFO (SCHED_RR, if the thread has that) with the same number |
///
/// A receiver takes the sender's priority only where the process has the right to come back from it: with
/// `CAP_SYS_NICE`, up to `RLIMIT_RTPRIO`, and for nice values within `RLIMIT_NICE`. Everywhere else it keeps its
/// own, and [`statistics`](crate::ipc::statistics()) counts that.
///
/// # Errors
/// - `EINVAL`: 0, or above 99.
/// - `EPERM`: the process may not.
#[doc(alias = "SchedSet")]
#[doc(alias = "pthread_setschedprio")]
pub fn set_priority(priority: u8) -> Result<()> {
    if !(1..=HIGHEST).contains(&priority) {
        return Err(Errno::INVAL);
    }
    let known = receiver::this_thread();
    let own = match &known {
        Some(receiver) => receiver.own(),
        None => sched::scheduling(None)?,
    };
    sched::schedule(None, &meant(&own, &own, priority))?;
    refresh_thread();
    Ok(())
}

/// Looks again at the calling thread's scheduling and at the process's rights: for a program that has changed
/// them by other means (`sched_setscheduler`, `nice`, `setrlimit`, `setuid`, a tool such as `chrt`). They are
/// asked once otherwise, since a send makes no system call; a receiver that has to change its priority
/// anyway looks each time.
pub fn refresh_priority() {
    refresh_rights();
    refresh_thread();
}

fn refresh_thread() {
    match receiver::this_thread() {
        Some(receiver) => receiver.begin_anew(),
        None => caller::forget(),
    }
}
