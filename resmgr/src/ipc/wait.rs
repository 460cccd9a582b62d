//! How long to look before going to sleep.
//!
//! Waking a sleeper is what costs: 2 µs on the same processor, 5 to 20 µs across processors, against a
//! third of a microsecond for a round trip between two threads that both look. So a waiter first looks
//! for a short time, in two ways that suit two situations: a tight loop, which wins when the peer runs on
//! another processor, and a loop that yields the processor at each turn, which wins when the peer needs
//! this one. Each way is tried only while it has been paying off, and probed again from time to time, since
//! nothing that a program can see tells on which processor its peer will run next.

use super::Waiting;
use resmgr_sys::{clock, sched};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU32, Ordering};
use std::time::{Duration, Instant};

// In nanoseconds, as plain numbers: they are computed for every wait.

/// Several round trips between two awake threads.
const TIGHT: u32 = 2_000;
/// About what a wake-up across processors costs: looking longer cannot win.
const YIELDING: u32 = 15_000;
/// A probe looks longer: when both sides sleep, what it waits for includes the peer's waking up, and a
/// probe that gives up before that would find sleeping best for ever. What it finds is looked for as long from
/// then on: a server that takes 30 µs for each answer is better waited for than slept for.
const PROBING: u32 = 50_000;
/// Bytes that even a slow copy moves in a nanosecond.
const COPIED_A_NANOSECOND: u64 = 4;
/// However much there is to copy.
const MOST_COPYING: u32 = 1_000_000;
/// A turn that was longer went to somebody who computes, and would go there again.
const STOLEN: Duration = Duration::from_micros(200);
/// How long those who never sleep look before they attend to deadlines and bells.
const ROUND: u32 = 20_000;
/// Looks between two readings of the clock.
const LOOKS: u32 = 16;
const FULL_SCORE: u32 = 8;
const PROBE_EVERY: i32 = 64;
/// After a stolen turn that many waits go by without a probe; twice as many after each further one, up to 64 times.
const REST: i32 = 64;
const MOST_RESTS: u32 = 6;
/// Wins that make up for one stolen turn.
const ATONEMENT: u32 = 256;

static CPUS: LazyLock<usize> = LazyLock::new(sched::online_cpus);

/// Whether one way of looking has been paying off.
#[derive(Debug)]
struct Habit {
    score: AtomicU32,
    /// Waits since the last probe; below 0 while it rests.
    skipped: AtomicI32,
    /// How long the wins take, with a margin, in nanoseconds.
    usual: AtomicU32,
    /// Turns that were stolen of late.
    stolen: AtomicU32,
    /// The last turn was long.
    suspect: AtomicBool,
    wins: AtomicU32,
}

impl Habit {
    const fn new() -> Self {
        Self {
            score: AtomicU32::new(FULL_SCORE),
            skipped: AtomicI32::new(0),
            usual: AtomicU32::new(0),
            stolen: AtomicU32::new(0),
            suspect: AtomicBool::new(false),
            wins: AtomicU32::new(0),
        }
    }

    // Relaxed throughout: these are statistics of one process, no other data depend on them.

    /// How long to look this time: as usual while it pays off, but `least`, and `probe` now and then when it
    /// does not; 0: not at all.
    #[inline]
    fn budget(&self, least: u32, probe: u32) -> u32 {
        if self.score.load(Ordering::Relaxed) > 0 {
            return self.usual.load(Ordering::Relaxed).max(least).min(probe);
        }
        let skipped = self.skipped.load(Ordering::Relaxed) + 1;
        let due = skipped >= PROBE_EVERY;
        self.skipped
            .store(if due { 0 } else { skipped }, Ordering::Relaxed);
        if due { probe } else { 0 }
    }

    /// Found after this time, which was not short.
    fn won_after(&self, time: Duration) {
        let time = u32::try_from(time.as_nanos()).unwrap_or(u32::MAX);
        let usual = self.usual.load(Ordering::Relaxed);
        let margin = time.saturating_add(time / 2);
        self.usual
            .store(margin.max(usual - usual / 8), Ordering::Relaxed);
        // What takes long varies, and a sleep would have taken longer.
        self.score.store(FULL_SCORE, Ordering::Relaxed);
    }

    /// Found in time, and no turn was stolen.
    #[inline]
    fn won_fairly(&self) {
        if self.stolen.load(Ordering::Relaxed) > 0 {
            self.atone();
        }
        self.won();
    }

    #[cold]
    fn atone(&self) {
        self.suspect.store(false, Ordering::Relaxed);
        let wins = self.wins.load(Ordering::Relaxed).wrapping_add(1);
        self.wins.store(wins, Ordering::Relaxed);
        if wins.is_multiple_of(ATONEMENT) {
            let stolen = self.stolen.load(Ordering::Relaxed);
            self.stolen
                .store(stolen.saturating_sub(1), Ordering::Relaxed);
        }
    }

    /// A turn was long. Once is chance (a tick of the clock, the host of a virtual machine); twice in a row is not.
    #[cold]
    fn was_long(&self) {
        if self.suspect.swap(true, Ordering::Relaxed) {
            self.was_stolen();
        } else {
            let stolen = self.stolen.load(Ordering::Relaxed);
            self.stolen.store(stolen.max(1), Ordering::Relaxed);
        }
    }

    /// The turn went to somebody who computes: this way of looking costs a time slice, whatever it finds.
    #[cold]
    fn was_stolen(&self) {
        let stolen = self.stolen.load(Ordering::Relaxed);
        self.stolen
            .store((stolen + 1).min(MOST_RESTS), Ordering::Relaxed);
        self.score.store(0, Ordering::Relaxed);
        self.skipped.store(-(REST << stolen), Ordering::Relaxed);
        self.suspect.store(false, Ordering::Relaxed);
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
    /// Look in each way for so many nanoseconds.
    Look { tight: u32, yielding: u32 },
}

impl Plan {
    /// Whether it begins in a tight loop.
    #[inline]
    pub(crate) fn is_tight(self) -> bool {
        matches!(self, Self::Round | Self::Look { tight: 1.., .. })
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

    /// How to wait this time, for a peer that may have to copy so many bytes first.
    #[inline]
    pub(crate) fn plan(&self, waiting: Waiting, bytes: u64) -> Plan {
        match waiting {
            Waiting::Block => Plan::Sleep,
            Waiting::Spin => Plan::Round,
            Waiting::Adaptive => {
                let tight = if *CPUS > 1 {
                    self.tight.budget(TIGHT, TIGHT)
                } else {
                    0
                };
                let yielding = self.yielding.budget(YIELDING, PROBING + copying(bytes));
                match (tight, yielding) {
                    (0, 0) => Plan::Sleep,
                    (tight, yielding) => Plan::Look { tight, yielding },
                }
            }
        }
    }

    /// Looks until `ready` or until it is time to sleep; tells whether it was `ready`.
    #[inline(always)]
    #[expect(clippy::inline_always)] // as announce_and_wait of link::calling
    pub(crate) fn follow(&self, plan: Plan, mut ready: impl FnMut() -> bool) -> bool {
        match plan {
            Plan::Sleep => ready(),
            Plan::Round => look_tightly(ROUND, &mut ready),
            Plan::Look { tight, yielding } => ready() || self.look(tight, yielding, ready),
        }
    }

    #[inline]
    fn look(&self, tight: u32, yielding: u32, mut ready: impl FnMut() -> bool) -> bool {
        if tight > 0 && look_tightly(tight, &mut ready) {
            self.tight.won();
            return true;
        }
        let found = yielding > 0 && self.look_yielding(yielding, &mut ready);
        if tight > 0 {
            self.tight.lost();
        }
        found
    }

    fn look_yielding(&self, budget: u32, ready: &mut impl FnMut() -> bool) -> bool {
        let budget = Duration::from_nanos(budget.into());
        // The exact clock is read only where the first turn finds nothing.
        let tick = clock::coarse();
        sched::yield_now();
        if ready() {
            if clock::coarse() == tick {
                self.yielding.won_fairly();
            } else {
                self.yielding.was_long();
            }
            return true;
        }
        let begun = Instant::now();
        let mut before = begun;
        loop {
            sched::yield_now();
            let found = ready();
            let now = Instant::now();
            if now - before > STOLEN {
                self.yielding.was_long();
                return found;
            }
            if found {
                self.yielding.won_after(now - begun);
                return true;
            }
            if now - begun >= budget {
                self.yielding.lost();
                return false;
            }
            before = now;
        }
    }
}

/// How long a copy of so many bytes may take.
#[inline]
fn copying(bytes: u64) -> u32 {
    let time = bytes / COPIED_A_NANOSECOND;
    u32::try_from(time).map_or(MOST_COPYING, |time| time.min(MOST_COPYING))
}

#[inline]
fn look_tightly(budget: u32, ready: &mut impl FnMut() -> bool) -> bool {
    let until = Instant::now() + Duration::from_nanos(budget.into());
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
    use std::time::Duration;

    #[test]
    fn what_does_not_pay_off_is_only_probed() {
        let spin = Spin::new();
        for _ in 0..FULL_SCORE {
            assert_ne!(spin.plan(Waiting::Adaptive, 0), Plan::Sleep);
            spin.tight.lost();
            spin.yielding.lost();
        }
        let plans = (0..PROBE_EVERY * 3).map(|_| spin.plan(Waiting::Adaptive, 0));
        let probes: Vec<Plan> = plans.filter(|plan| *plan != Plan::Sleep).collect();
        assert_eq!(probes.len(), 3);
        assert!(matches!(
            probes[0],
            Plan::Look {
                yielding: PROBING,
                ..
            }
        ));
        spin.yielding.won_after(Duration::from_micros(30));
        let longer = 45_000;
        assert!(
            matches!(spin.plan(Waiting::Adaptive, 0), Plan::Look { yielding, .. } if yielding == longer)
        );
    }

    #[test]
    fn a_copy_that_takes_long_is_looked_for_as_long() {
        let spin = Spin::new();
        spin.yielding.won_after(Duration::from_micros(80));
        let budget = |bytes| match spin.plan(Waiting::Adaptive, bytes) {
            Plan::Look { yielding, .. } => yielding,
            plan => panic!("{plan:?}"),
        };
        assert_eq!(budget(64), PROBING + 16);
        assert_eq!(budget(1 << 20), 120_000);
        assert!(budget(u64::MAX) < 2_000_000);
    }

    #[test]
    fn whose_turns_are_stolen_yields_ever_more_rarely() {
        let spin = Spin::new();
        (0..FULL_SCORE).for_each(|_| spin.tight.lost());
        let mut last = 0;
        for _ in 0..3 {
            spin.yielding.was_stolen();
            let waits = (0..1000).find(|_| {
                let plan = spin.plan(Waiting::Adaptive, 0);
                matches!(plan, Plan::Look { yielding: 1.., .. })
            });
            assert!(waits > Some(last));
            last = waits.unwrap();
        }
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
        assert!(!spin.follow(spin.plan(Waiting::Adaptive, 0), || false));
    }
}
