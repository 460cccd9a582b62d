//! [`Times`]: when a file was last read, written and changed.
//!
//! A read only leaves a mark (less than 1 ns; the clock and a lock take 40), and the mark
//! becomes a time when somebody asks, at the file's last close, or before a write. POSIX has it so: a time
//! that is marked for update is set to the current time at the latest then ("File Times Update"). The price
//! is that a time of reading may be later than the read: it is when it was first asked for. It never is
//! before the read, and never on the wrong side of a write, which is what programs compare it with (whether
//! mail has been read since it came).
//!
//! The time of a write is taken at the write: programs compare it with that of other files (make), and
//! marks would put files in the order in which they are looked at. QNX marks all three.

use super::attr::nanoseconds;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::SystemTime;

/// Nanoseconds since 1970, or a mark. The mark replaces the time: what was there before it will not be told.
#[derive(Debug)]
struct Time(AtomicI64);

impl Time {
    /// No time that can be told: three centuries before 1970.
    const MARK: i64 = i64::MIN;

    fn new(at: i64) -> Self {
        let time = Self(AtomicI64::new(0));
        time.set(at);
        time
    }

    fn set(&self, at: i64) {
        self.0.store(at.max(Self::MARK + 1), Ordering::Relaxed);
    }

    /// To be set later. Writes nothing when that is so already: readers on several CPUs do not take each
    /// other's cache line away.
    fn mark(&self) {
        if self.0.load(Ordering::Relaxed) != Self::MARK {
            self.0.store(Self::MARK, Ordering::Relaxed);
        }
    }

    /// The time; if there is a mark, it becomes what `now` says.
    fn get(&self, now: impl FnOnce() -> i64) -> i64 {
        let time = self.0.load(Ordering::Relaxed);
        if time != Self::MARK {
            return time;
        }
        let now = now().max(Self::MARK + 1);
        let (set, relaxed) = (&self.0, Ordering::Relaxed);
        match set.compare_exchange(Self::MARK, now, relaxed, relaxed) {
            Ok(_) => now,
            // Somebody else was first.
            Err(other) => other,
        }
    }
}

/// What stat() tells, in nanoseconds since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Told {
    /// Last read.
    pub(crate) accessed: i64,
    /// Last write.
    pub(crate) modified: i64,
    /// Last write or change of the attributes.
    pub(crate) changed: i64,
}

/// The times of one file, without a lock.
#[derive(Debug)]
pub(crate) struct Times {
    accessed: Time,
    modified: Time,
    changed: Time,
}

impl Times {
    /// Of a file that has been there since.
    pub(crate) fn since(time: SystemTime) -> Self {
        Self::at(nanoseconds(time))
    }

    fn at(now: i64) -> Self {
        Self {
            accessed: Time::new(now),
            modified: Time::new(now),
            changed: Time::new(now),
        }
    }

    /// Some bytes were read: not called for none.
    #[doc(alias = "IOFUNC_ATTR_ATIME")]
    pub(crate) fn read(&self) {
        self.accessed.mark();
    }

    /// Some bytes were written, or cut: not called for none.
    #[doc(alias = "IOFUNC_ATTR_MTIME")]
    pub(crate) fn written(&self) {
        self.written_at(now());
    }

    fn written_at(&self, now: i64) {
        // A read before this write is told as before it.
        self.accessed.get(|| now.saturating_sub(1));
        self.modified.set(now);
        self.changed.set(now);
    }

    /// The attributes have changed: owner, permissions, names.
    #[doc(alias = "IOFUNC_ATTR_CTIME")]
    pub(crate) fn changed(&self) {
        self.changed.set(now());
    }

    /// Sets the times that are given. That changes the attributes.
    #[doc(alias = "iofunc_utime")]
    pub(crate) fn set(&self, accessed: Option<SystemTime>, modified: Option<SystemTime>) {
        if let Some(at) = accessed {
            self.accessed.set(nanoseconds(at));
        }
        if let Some(at) = modified {
            self.modified.set(nanoseconds(at));
        }
        self.changed();
    }

    /// What stat() tells. What is marked becomes a time; so it is called at the last close, too.
    #[doc(alias = "iofunc_time_update")]
    pub(crate) fn update(&self) -> Told {
        self.update_with(now)
    }

    fn update_with(&self, now: impl Fn() -> i64) -> Told {
        Told {
            accessed: self.accessed.get(&now),
            modified: self.modified.get(&now),
            changed: self.changed.get(&now),
        }
    }
}

fn now() -> i64 {
    nanoseconds(SystemTime::now())
}

#[cfg(test)]
mod tests {
    use super::{Time, Times, Told};
    use std::time::SystemTime;
    use std::time::{Duration, UNIX_EPOCH};

    #[test]
    fn if21_a_read_gets_its_time_when_somebody_asks() {
        let times = Times::at(1);
        let told = |accessed| Told {
            accessed,
            modified: 1,
            changed: 1,
        };
        assert_eq!(times.update_with(|| 5), told(1));
        times.read();
        times.read();
        assert_eq!(times.update_with(|| 6), told(6));
        assert_eq!(times.update_with(|| 7), told(6));
    }

    #[test]
    fn if21_a_read_before_a_write_is_told_as_before_it() {
        let times = Times::at(1);
        times.read();
        times.written_at(10);
        let told = times.update_with(|| 20);
        assert_eq!((told.accessed, told.modified, told.changed), (9, 10, 10));
        times.read();
        let told = times.update_with(|| 30);
        assert_eq!((told.accessed, told.modified), (30, 10));
    }

    #[test]
    fn if12_times_that_are_set_are_told() {
        let times = Times::at(1);
        times.read();
        let at = |seconds| Some(UNIX_EPOCH + Duration::from_secs(seconds));
        times.set(at(2), None);
        let told = times.update();
        assert_eq!((told.accessed, told.modified), (2_000_000_000, 1));
        assert!(told.changed > 1);
        times.set(None, at(3));
        let told = times.update();
        assert_eq!(
            (told.accessed, told.modified),
            (2_000_000_000, 3_000_000_000)
        );
    }

    #[test]
    fn if21_a_write_has_its_time_at_once() {
        let times = Times::since(SystemTime::now());
        times.modified.set(1);
        times.changed.set(1);
        times.written();
        let never = || unreachable!("nothing is marked");
        let told = times.update_with(never);
        assert!(told.modified > 1 && told.modified == told.changed);
    }

    #[test]
    fn no_time_is_taken_for_a_mark() {
        let time = Time::new(i64::MIN);
        assert_eq!(time.get(|| 5), i64::MIN + 1);
        time.mark();
        assert_eq!(time.get(|| i64::MIN), i64::MIN + 1);
        assert_eq!(time.get(|| 5), i64::MIN + 1);
    }
}
