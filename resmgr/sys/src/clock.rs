//! Deadlines: a point on the monotonic clock, or none.

use std::time::{Duration, Instant};

/// Until when a call may wait. `None` waits for ever.
pub type Deadline = Option<Instant>;

/// The monotonic clock as of the last tick of the system, in nanoseconds: a quarter of the price of the exact one,
/// and some milliseconds late.
#[inline]
pub fn coarse() -> u64 {
    nanoseconds(libc::CLOCK_MONOTONIC_COARSE)
}

/// The monotonic clock, in nanoseconds.
#[inline]
pub fn exact() -> u64 {
    nanoseconds(libc::CLOCK_MONOTONIC)
}

#[inline]
fn nanoseconds(clock: libc::clockid_t) -> u64 {
    let mut now = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: the structure lives on this stack. Both clocks exist since Linux 2.6.32, so the call succeeds.
    unsafe { libc::clock_gettime(clock, &raw mut now) };
    now.tv_sec.cast_unsigned() * 1_000_000_000 + now.tv_nsec.cast_unsigned()
}

/// What is left of `deadline`; zero when it has passed, `None` when there is none.
pub fn remaining(deadline: Deadline) -> Option<Duration> {
    deadline.map(|at| at.saturating_duration_since(Instant::now()))
}

/// A duration as the kernel takes it.
pub(crate) fn timespec(duration: Duration) -> libc::timespec {
    libc::timespec {
        tv_sec: libc::time_t::try_from(duration.as_secs()).unwrap_or(libc::time_t::MAX),
        tv_nsec: libc::c_long::from(duration.subsec_nanos().cast_signed()),
    }
}
