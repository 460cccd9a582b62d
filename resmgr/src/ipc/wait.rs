//! How long to look before going to sleep.
//!
//! Waking a sleeper is what costs: 2 µs on the same processor, 5 to 20 µs across processors, against a
//! third of a microsecond for a round trip between two threads that both look. So a waiter first looks
//! for a short time, in two ways that suit two situations: a tight loop, which wins when the peer runs on
//! another processor, and a loop that yields the processor at each turn, which wins when the peer needs
//! this one. Each way is tried only while it has been paying off, and probed again from time to time, since
//! nothing that a program can see tells on which processor its peer will run next.

use super::Waiting;
use resmgr_sys::sched;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// Several round trips between two awake threads.
const TIGHT: Duration = Duration::from_micros(2);
/// About what a wake-up across processors costs: looking longer cannot win.
const YIELDING: Duration = Duration::from_micros(15);
/// Looks between two readings of the clock.
const LOOKS: u32 = 16;
const FULL_SCORE: u32 = 8;
const PROBE_EVERY: u32 = 64;

static CPUS: LazyLock<usize> = LazyLock::new(sched::online_cpus);

/// Whether one way of looking has been paying off.
#[derive(Debug)]
struct Habit {
    score: AtomicU32,
    skipped: AtomicU32,
}

impl Habit {
    const fn new() -> Self {
        Self {
            score: AtomicU32::new(FULL_SCORE),
            skipped: AtomicU32::new(0),
        }
    }

    // Relaxed throughout: these are statistics of one process, no other data depend on them.
    #[inline]
    fn is_worth_trying(&self) -> bool {
        self.score.load(Ordering::Relaxed) > 0
            || self.skipped.fetch_add(1, Ordering::Relaxed) % PROBE_EVERY == PROBE_EVERY - 1
    }

    #[inline]
    fn won(&self) {
        let score = self.score.load(Ordering::Relaxed);
        if score < FULL_SCORE {
            self.score
                .store((score + 2).min(FULL_SCORE), Ordering::Relaxed);
        }
    }

    #[inline]
    fn lost(&self) {
        let score = self.score.load(Ordering::Relaxed);
        self.score.store(score.saturating_sub(1), Ordering::Relaxed);
    }
}

/// What a waiter has learnt; one for each link on the client's side, one for each channel on the server's.
#[derive(Debug)]
pub(crate) struct Spin {
    tight: Habit,
    yielding: Habit,
}

impl Spin {
    pub(crate) const fn new() -> Self {
        Self {
            tight: Habit::new(),
            yielding: Habit::new(),
        }
    }

    /// Whether a waiter would look at all before it sleeps.
    pub(crate) fn is_worth_trying(&self, waiting: Waiting) -> bool {
        match waiting {
            Waiting::Block => false,
            Waiting::Spin => true,
            Waiting::Adaptive => {
                self.tight.score.load(Ordering::Relaxed) > 0 || self.yielding.is_worth_trying()
            }
        }
    }

    /// Looks until `ready` or until it is time to sleep; tells whether it was `ready`.
    #[inline]
    pub(crate) fn until(&self, waiting: Waiting, mut ready: impl FnMut() -> bool) -> bool {
        match waiting {
            Waiting::Block => ready(),
            Waiting::Spin => {
                while !ready() {
                    std::hint::spin_loop();
                }
                true
            }
            Waiting::Adaptive => self.adaptive(ready),
        }
    }

    #[inline]
    fn adaptive(&self, mut ready: impl FnMut() -> bool) -> bool {
        if ready() {
            return true;
        }
        let tight = *CPUS > 1 && self.tight.is_worth_trying();
        if tight && look_tightly(&mut ready) {
            self.tight.won();
            return true;
        }
        let found = self.yielding.is_worth_trying() && self.look_yielding(&mut ready);
        if tight {
            self.tight.lost();
        }
        found
    }

    fn look_yielding(&self, ready: &mut impl FnMut() -> bool) -> bool {
        let until = Instant::now() + YIELDING;
        loop {
            sched::yield_now();
            if ready() {
                self.yielding.won();
                return true;
            }
            if Instant::now() >= until {
                self.yielding.lost();
                return false;
            }
        }
    }
}

#[inline]
fn look_tightly(ready: &mut impl FnMut() -> bool) -> bool {
    let until = Instant::now() + TIGHT;
    loop {
        for _ in 0..LOOKS {
            if ready() {
                return true;
            }
            std::hint::spin_loop();
        }
        if Instant::now() >= until {
            return false;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{FULL_SCORE, Habit, PROBE_EVERY};

    #[test]
    fn what_does_not_pay_off_is_only_probed() {
        let habit = Habit::new();
        for _ in 0..FULL_SCORE {
            assert!(habit.is_worth_trying());
            habit.lost();
        }
        let probes = (0..PROBE_EVERY * 3)
            .filter(|_| habit.is_worth_trying())
            .count();
        assert_eq!(probes, 3);
        habit.won();
        assert!(habit.is_worth_trying());
    }
}
