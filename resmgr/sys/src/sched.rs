//! Threads and processors.

use crate::{Errno, Result, check};
use std::os::raw::c_int;

/// Lets another thread of this processor run.
pub fn yield_now() {
    // SAFETY: no arguments.
    unsafe { libc::sched_yield() };
}

/// How many processors this machine has in use.
pub fn online_cpus() -> usize {
    // SAFETY: no pointers.
    let count = unsafe { libc::sysconf(libc::_SC_NPROCESSORS_ONLN) };
    usize::try_from(count).unwrap_or(1).max(1)
}

/// Binds the calling thread to one processor. For programs that measure.
pub fn pin_to(cpu: usize) -> Result<()> {
    if cpu >= usize::try_from(libc::CPU_SETSIZE).unwrap_or(0) {
        return Err(Errno::INVAL);
    }
    // SAFETY: a cpu_set_t of zeros is the empty set.
    let mut set: libc::cpu_set_t = unsafe { std::mem::zeroed() };
    // SAFETY: `cpu` is below CPU_SETSIZE (checked), so the bit lies inside the set.
    unsafe { libc::CPU_SET(cpu, &mut set) };
    // SAFETY: the set lives on this stack; 0 names the calling thread.
    check(unsafe { libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), &raw const set) })
        .map(drop)
}

/// The calling thread's number.
pub fn thread_id() -> u32 {
    // SAFETY: no arguments.
    unsafe { libc::gettid() }.cast_unsigned()
}

/// The calling thread's real-time priority; `None` under the ordinary policies.
pub fn realtime_priority() -> Option<u8> {
    // SAFETY: no pointers; 0 names the calling thread.
    let policy = unsafe { libc::sched_getscheduler(0) };
    if policy != libc::SCHED_FIFO && policy != libc::SCHED_RR {
        return None;
    }
    let mut parameters = libc::sched_param { sched_priority: 0 };
    // SAFETY: the structure lives on this stack.
    check(unsafe { libc::sched_getparam(0, &raw mut parameters) }).ok()?;
    u8::try_from(parameters.sched_priority as c_int).ok()
}
