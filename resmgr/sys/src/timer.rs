//! Timers as descriptors, and the clocks that they follow.

use crate::fork::PrivateFd;
use crate::{Result, check, clock, own};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::time::Duration;

/// A clock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[doc(alias = "clockid_t")]
pub enum Clock {
    /// Since some point in the past; stands still while the machine is suspended.
    #[default]
    #[doc(alias = "CLOCK_MONOTONIC")]
    Monotonic,
    /// Since 1970; somebody may set it.
    #[doc(alias = "CLOCK_REALTIME")]
    Realtime,
    /// Since the machine was started; goes on while it is suspended.
    #[doc(alias = "CLOCK_BOOTTIME")]
    Boottime,
}

impl Clock {
    fn id(self) -> libc::clockid_t {
        match self {
            Self::Monotonic => libc::CLOCK_MONOTONIC,
            Self::Realtime => libc::CLOCK_REALTIME,
            Self::Boottime => libc::CLOCK_BOOTTIME,
        }
    }

    /// What it shows. A clock that stands before its beginning shows zero.
    #[doc(alias = "ClockTime")]
    pub fn now(self) -> Duration {
        let mut now = libc::timespec {
            tv_sec: 0,
            tv_nsec: 0,
        };
        // SAFETY: the time lives on this stack; a clock that the kernel does not know leaves it alone.
        unsafe { libc::clock_gettime(self.id(), &raw mut now) };
        duration(now)
    }
}

fn duration(time: libc::timespec) -> Duration {
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    Duration::new(seconds, u32::try_from(time.tv_nsec).unwrap_or(0))
}

/// When a timer expires.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Schedule {
    /// The first time: from now, or what the clock shows then. Zero: never.
    pub first: Duration,
    /// From then on. Zero: once only.
    pub interval: Duration,
    /// What `first` is.
    pub absolute: bool,
}

/// A timer of this process: readable when it has expired. A child of fork has it closed.
#[derive(Debug)]
pub struct TimerFd(PrivateFd);

impl TimerFd {
    /// One that is not set.
    pub fn new(clock: Clock) -> Result<Self> {
        let flags = libc::TFD_CLOEXEC | libc::TFD_NONBLOCK;
        // SAFETY: no pointers.
        let fd = unsafe { libc::timerfd_create(clock.id(), flags) };
        Ok(Self(PrivateFd::new(own(check(fd)?))))
    }

    /// Sets it, or stops it. What it has counted is forgotten.
    ///
    /// # Errors
    /// - `EINVAL`: a time that the kernel cannot represent.
    pub fn set(&self, schedule: Schedule) -> Result<()> {
        let setting = libc::itimerspec {
            it_interval: clock::timespec(schedule.interval),
            it_value: clock::timespec(schedule.first),
        };
        let flags = if schedule.absolute {
            libc::TFD_TIMER_ABSTIME
        } else {
            0
        };
        // SAFETY: the setting lives on this stack; the old one is not asked for.
        check(unsafe {
            libc::timerfd_settime(
                self.0.as_fd().as_raw_fd(),
                flags,
                &raw const setting,
                std::ptr::null_mut(),
            )
        })
        .map(drop)
    }

    /// What is left until it expires, zero if it is not set, and the interval.
    pub fn left(&self) -> Result<(Duration, Duration)> {
        let zero = libc::timespec {
            tv_sec: 0,
            tv_nsec: 0,
        };
        let mut setting = libc::itimerspec {
            it_interval: zero,
            it_value: zero,
        };
        // SAFETY: the setting lives on this stack.
        check(unsafe { libc::timerfd_gettime(self.0.as_fd().as_raw_fd(), &raw mut setting) })?;
        Ok((duration(setting.it_value), duration(setting.it_interval)))
    }

    /// Whether this process is the one that made it.
    pub fn is_ours(&self) -> bool {
        self.0.is_ours()
    }

    /// How often it has expired since the last look.
    pub fn take(&self) -> u64 {
        let mut count = 0u64;
        // SAFETY: eight bytes are read into a local.
        let got = unsafe { libc::read(self.0.as_fd().as_raw_fd(), (&raw mut count).cast(), 8) };
        if got == 8 { count } else { 0 }
    }
}

impl AsFd for TimerFd {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::{Clock, Schedule, TimerFd};
    use crate::epoll::{Ready, poll_one};
    use std::os::fd::AsFd;
    use std::time::{Duration, Instant};

    #[test]
    fn timers_expire_and_count() {
        for clock in [Clock::Monotonic, Clock::Realtime, Clock::Boottime] {
            let timer = TimerFd::new(clock).unwrap();
            assert_eq!(timer.left(), Ok((Duration::ZERO, Duration::ZERO)));
            let first = clock.now() + Duration::from_millis(1);
            let interval = Duration::from_millis(1);
            timer
                .set(Schedule {
                    first,
                    interval,
                    absolute: true,
                })
                .unwrap();
            let deadline = Some(Instant::now() + Duration::from_secs(10));
            assert_eq!(poll_one(timer.as_fd(), Ready::IN, deadline), Ok(true));
            assert!(timer.take() >= 1);
            assert_eq!(timer.left().unwrap().1, interval);
            timer.set(Schedule::default()).unwrap();
            assert_eq!(timer.left().unwrap().0, Duration::ZERO);
        }
    }
}
