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
/// A probe looks longer: when both sides sleep, what it waits for includes the peer's waking up, and a
/// probe that gives up before that would find sleeping best for ever.
const PROBING: Duration = Duration::from_micros(50);
/// How long those who never sleep look before they attend to deadlines and bells.
const ROUND: Duration = Duration::from_micros(20);
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

    /// How long to look this time: as usual while it pays off, `probe` now and then when it does not.
    #[inline]
    fn budget(&self, usual: Duration, probe: Duration) -> Option<Duration> {
        if self.score.load(Ordering::Relaxed) > 0 {
            return Some(usual);
        }
        let skipped = self.skipped.fetch_add(1, Ordering::Relaxed);
        (skipped % PROBE_EVERY == PROBE_EVERY - 1).then_some(probe)
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

/// How one wait is going to look. Made once for each wait, since making it counts the probes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Plan {
    /// Sleep at once.
    Sleep,
    /// Look for one round, learn nothing, and come back for another.
    Round,
    /// Look in each way for this long.
    Look {
        tight: Option<Duration>,
        yielding: Option<Duration>,
    },
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

    /// How to wait this time.
    #[inline]
    pub(crate) fn plan(&self, waiting: Waiting) -> Plan {
        match waiting {
            Waiting::Block => Plan::Sleep,
            Waiting::Spin => Plan::Round,
            Waiting::Adaptive => {
                let tight = if *CPUS > 1 {
                    self.tight.budget(TIGHT, TIGHT)
                } else {
                    None
                };
                match (tight, self.yielding.budget(YIELDING, PROBING)) {
                    (None, None) => Plan::Sleep,
                    (tight, yielding) => Plan::Look { tight, yielding },
                }
            }
        }
    }

    /// Looks until `ready` or until it is time to sleep; tells whether it was `ready`.
    #[inline]
    pub(crate) fn follow(&self, plan: Plan, mut ready: impl FnMut() -> bool) -> bool {
        match plan {
            Plan::Sleep => ready(),
            Plan::Round => look_tightly(ROUND, &mut ready),
            Plan::Look { tight, yielding } => ready() || self.look(tight, yielding, ready),
        }
    }

    #[inline]
    fn look(
        &self,
        tight: Option<Duration>,
        yielding: Option<Duration>,
        mut ready: impl FnMut() -> bool,
    ) -> bool {
        if tight.is_some_and(|budget| look_tightly(budget, &mut ready)) {
            self.tight.won();
            return true;
        }
        let found = yielding.is_some_and(|budget| self.look_yielding(budget, &mut ready));
        if tight.is_some() {
            self.tight.lost();
        }
        found
    }

    fn look_yielding(&self, budget: Duration, ready: &mut impl FnMut() -> bool) -> bool {
        let until = Instant::now() + budget;
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
fn look_tightly(budget: Duration, ready: &mut impl FnMut() -> bool) -> bool {
    let until = Instant::now() + budget;
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
    use super::{FULL_SCORE, PROBE_EVERY, PROBING, Plan, Spin};
    use crate::ipc::Waiting;

    #[test]
    fn what_does_not_pay_off_is_only_probed() {
        let spin = Spin::new();
        for _ in 0..FULL_SCORE {
            assert_ne!(spin.plan(Waiting::Adaptive), Plan::Sleep);
            spin.tight.lost();
            spin.yielding.lost();
        }
        let plans = (0..PROBE_EVERY * 3).map(|_| spin.plan(Waiting::Adaptive));
        let probes: Vec<Plan> = plans.filter(|plan| *plan != Plan::Sleep).collect();
        assert_eq!(probes.len(), 3);
        assert!(matches!(
            probes[0],
            Plan::Look {
                yielding: Some(PROBING),
                ..
            }
        ));
        spin.yielding.won();
        assert_ne!(spin.plan(Waiting::Adaptive), Plan::Sleep);
    }

    #[test]
    fn a_plan_is_followed_until_ready() {
        let spin = Spin::new();
        let mut looks = 0;
        let mut third = || {
            looks += 1;
            looks == 3
        };
        assert!(spin.follow(Plan::Round, &mut third));
        assert!(!spin.follow(Plan::Round, || false));
        assert!(!spin.follow(Plan::Sleep, || false));
        assert!(!spin.follow(spin.plan(Waiting::Adaptive), || false));
    }
}
