//! Deadlines: a point on the monotonic clock, or none.

use std::time::{Duration, Instant};

/// Until when a call may wait. `None` waits for ever.
pub type Deadline = Option<Instant>;

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
