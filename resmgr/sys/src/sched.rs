//! Threads and processors.

use crate::{Errno, Result, check, check_long};

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

/// Whether `tid` is a thread of the process `pid` now.
pub fn is_thread_of(pid: u32, tid: u32) -> bool {
    let (Ok(pid), Ok(tid)) = (i32::try_from(pid), i32::try_from(tid)) else {
        return false;
    };
    if pid <= 0 || tid <= 0 {
        return false;
    }
    // SAFETY: no pointers; signal 0 is never delivered, the kernel only looks for the thread.
    let found = unsafe { libc::syscall(libc::SYS_tgkill, pid, tid, 0) };
    // EPERM: it is there, and belongs to somebody else.
    !matches!(check_long(found), Err(Errno::SRCH | Errno::INVAL))
}

/// How the kernel chooses when a thread runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Policy {
    /// SCHED_OTHER.
    Other,
    /// SCHED_BATCH.
    Batch,
    /// SCHED_IDLE.
    Idle,
    /// SCHED_FIFO.
    Fifo,
    /// SCHED_RR.
    RoundRobin,
    /// Any other one: deadlines, programs loaded into the kernel.
    Unknown(u32),
}

impl Policy {
    fn from_raw(raw: u32) -> Self {
        match i32::try_from(raw) {
            Ok(libc::SCHED_OTHER) => Self::Other,
            Ok(libc::SCHED_BATCH) => Self::Batch,
            Ok(libc::SCHED_IDLE) => Self::Idle,
            Ok(libc::SCHED_FIFO) => Self::Fifo,
            Ok(libc::SCHED_RR) => Self::RoundRobin,
            _ => Self::Unknown(raw),
        }
    }

    fn raw(self) -> u32 {
        let raw = match self {
            Self::Other => libc::SCHED_OTHER,
            Self::Batch => libc::SCHED_BATCH,
            Self::Idle => libc::SCHED_IDLE,
            Self::Fifo => libc::SCHED_FIFO,
            Self::RoundRobin => libc::SCHED_RR,
            Self::Unknown(raw) => return raw,
        };
        raw.cast_unsigned()
    }
}

/// How a thread is scheduled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scheduling {
    /// By which rule.
    pub policy: Policy,
    /// 1 to 99 under `Fifo` and `RoundRobin`, else 0.
    pub realtime: u8,
    /// -20 to 19; kept, and without effect, under the real-time policies.
    pub nice: i8,
    /// Its children begin as ordinary threads.
    pub reset_on_fork: bool,
}

/// How a thread is scheduled; `None` is the calling one. Needs no rights.
///
/// # Errors
/// - `ESRCH`: there is no such thread.
pub fn scheduling(tid: Option<u32>) -> Result<Scheduling> {
    // SAFETY: plain numbers, zeros are a value of it.
    let mut raw: libc::sched_attr = unsafe { std::mem::zeroed() };
    let size = size_of::<libc::sched_attr>();
    // SAFETY: the structure lives on this stack, and the kernel is told its size.
    let got = unsafe {
        libc::syscall(
            libc::SYS_sched_getattr,
            tid.unwrap_or(0),
            &raw mut raw,
            size,
            0u32,
        )
    };
    check_long(got)?;
    let realtime = u8::try_from(raw.sched_priority).unwrap_or(0);
    // The call leaves the nice value out where it has no effect.
    let nice = if realtime > 0 {
        nice_value(tid)
    } else {
        i8::try_from(raw.sched_nice).unwrap_or(0)
    };
    Ok(Scheduling {
        policy: Policy::from_raw(raw.sched_policy),
        realtime,
        nice,
        reset_on_fork: raw.sched_flags & libc::SCHED_FLAG_RESET_ON_FORK as u64 != 0,
    })
}

fn nice_value(tid: Option<u32>) -> i8 {
    // SAFETY: no pointers. The bare call gives 20 minus the value, so that no value looks like an error.
    let got = unsafe { libc::syscall(libc::SYS_getpriority, libc::PRIO_PROCESS, tid.unwrap_or(0)) };
    check_long(got).map_or(0, |raised| i8::try_from(20 - raised).unwrap_or(0))
}

/// Schedules a thread so; `None` is the calling one.
///
/// # Errors
/// - `EPERM`: this process may not.
/// - `ESRCH`: there is no such thread.
/// - `EINVAL`: a policy whose parameters this type does not hold.
pub fn schedule(tid: Option<u32>, wanted: &Scheduling) -> Result<()> {
    if matches!(wanted.policy, Policy::Unknown(_)) {
        return Err(Errno::INVAL);
    }
    // SAFETY: plain numbers, zeros are a value of it.
    let mut raw: libc::sched_attr = unsafe { std::mem::zeroed() };
    raw.size = u32::try_from(size_of::<libc::sched_attr>()).unwrap_or(0);
    raw.sched_policy = wanted.policy.raw();
    raw.sched_priority = wanted.realtime.into();
    raw.sched_nice = wanted.nice.into();
    if wanted.reset_on_fork {
        raw.sched_flags = libc::SCHED_FLAG_RESET_ON_FORK as u64;
    }
    // SAFETY: the structure lives on this stack and tells its own size.
    let done = unsafe {
        libc::syscall(
            libc::SYS_sched_setattr,
            tid.unwrap_or(0),
            &raw const raw,
            0u32,
        )
    };
    check_long(done).map(drop)
}

/// Words of a processor set: room for 4096 processors, of which kernels are built for 8192 at most and
/// machines have fewer.
const MASK: usize = 64;

/// A set of processors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CpuSet([u64; MASK]);

impl CpuSet {
    /// No processor.
    pub const EMPTY: Self = Self([0; MASK]);

    /// With one more; a number beyond the set is left out.
    #[must_use]
    pub fn with(mut self, cpu: usize) -> Self {
        if let Some(word) = self.0.get_mut(cpu / 64) {
            *word |= 1 << (cpu % 64);
        }
        self
    }

    /// The numbers in it.
    pub fn iter(&self) -> impl Iterator<Item = usize> {
        (0..MASK * 64).filter(|cpu| self.0[cpu / 64] >> (cpu % 64) & 1 != 0)
    }
}

/// The processors that a thread may run on; `None` is the calling one. Needs no rights.
///
/// # Errors
/// - `ESRCH`: there is no such thread.
/// - `EINVAL`: the kernel has more processors than the set has room for.
pub fn affinity(tid: Option<u32>) -> Result<CpuSet> {
    let mut set = CpuSet::EMPTY;
    // SAFETY: the set lives on this stack, and the kernel is told its size.
    let got = unsafe {
        libc::syscall(
            libc::SYS_sched_getaffinity,
            tid.unwrap_or(0),
            size_of::<CpuSet>(),
            set.0.as_mut_ptr(),
        )
    };
    check_long(got)?;
    Ok(set)
}

/// Has the calling thread run on these processors only; it moves at once.
///
/// # Errors
/// - `EINVAL`: this process may use none of them.
pub fn set_affinity(set: &CpuSet) -> Result<()> {
    // SAFETY: the set is borrowed for the call, and the kernel is told its size.
    let done = unsafe {
        libc::syscall(
            libc::SYS_sched_setaffinity,
            0u32,
            size_of::<CpuSet>(),
            set.0.as_ptr(),
        )
    };
    check_long(done).map(drop)
}

#[cfg(test)]
mod tests {
    use super::{CpuSet, affinity, is_thread_of, schedule, scheduling, set_affinity, thread_id};

    #[test]
    fn what_is_set_is_read_back() {
        std::thread::spawn(|| {
            let mut wanted = scheduling(None).unwrap();
            wanted.nice = (wanted.nice + 3).min(19);
            schedule(None, &wanted).unwrap();
            assert_eq!(scheduling(Some(thread_id())), Ok(wanted));
            let all = affinity(None).unwrap();
            let one = CpuSet::EMPTY.with(all.iter().next().unwrap());
            set_affinity(&one).unwrap();
            assert_eq!(affinity(Some(thread_id())), Ok(one));
            assert!(is_thread_of(std::process::id(), thread_id()));
            assert!(!is_thread_of(1, thread_id()) && !is_thread_of(std::process::id(), 0));
        })
        .join()
        .unwrap();
    }
}
