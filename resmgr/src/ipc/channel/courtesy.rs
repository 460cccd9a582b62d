//! A receiver that never has to wait lets go of its processor now and then, where that helps a client.
//!
//! Clients on other processors have their answers in a fraction of a microsecond, call again, and keep the receiver
//! busy for as long as the system lets it run. A client on the receiver's own processor cannot run meanwhile: it has
//! its answer, and makes one call in a time slice where the others make ten thousand. So after as many calls as half
//! of the clients that speak, the receiver yields. A yield that nobody takes costs 0.4 us: then the next one comes
//! after twice as many calls. One that goes to somebody who computes costs a time slice, and is not soon repeated.

use resmgr_sys::sched;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// Calls between two yields that nobody takes, at the most.
const RARELY: u32 = 1 << 10;
/// The same after a yield that was taken by somebody who computes.
const HARDLY_EVER: u32 = 1 << 16;
/// A yield that takes longer has let somebody run.
const TAKEN: Duration = Duration::from_micros(1);
/// And one that takes longer than so much for each client has gone to none of them.
const STOLEN: Duration = Duration::from_micros(50);

/// How long it has been since the last yield, and when the next one is due. Relaxed: these are statistics.
#[derive(Debug)]
pub(super) struct Courtesy {
    served: AtomicU32,
    due: AtomicU32,
}

impl Courtesy {
    pub(super) const fn new() -> Self {
        Self {
            served: AtomicU32::new(0),
            due: AtomicU32::new(1),
        }
    }

    /// Another item for the receivers of a channel to which so many clients speak. One at a time changes this.
    #[inline]
    pub(super) fn served(&self, clients: usize) {
        if clients > 1 {
            let served = self.served.load(Ordering::Relaxed);
            self.served.store(served + 1, Ordering::Relaxed);
        }
    }

    /// A receiver has slept: everybody has had the processor.
    pub(super) fn rested(&self) {
        self.served.store(0, Ordering::Relaxed);
    }

    /// A receiver comes back, and owes nobody an answer.
    #[inline]
    pub(super) fn is_due(&self) -> bool {
        self.served.load(Ordering::Relaxed) >= self.due.load(Ordering::Relaxed)
    }

    /// Lets others run; there are so many clients.
    #[cold]
    pub(super) fn let_others_run(&self, clients: usize) {
        let begun = Instant::now();
        sched::yield_now();
        let clients = u32::try_from(clients).unwrap_or(1).max(1);
        let due = self.due.load(Ordering::Relaxed);
        let next = match begun.elapsed() {
            time if time > STOLEN * clients => HARDLY_EVER,
            time if time > TAKEN => clients.div_ceil(2),
            _ => due.saturating_mul(2).min(RARELY),
        };
        self.due.store(next, Ordering::Relaxed);
        self.served.store(0, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::{Courtesy, RARELY};

    #[test]
    fn a_yield_that_nobody_takes_is_made_ever_more_rarely() {
        let courtesy = Courtesy::new();
        let mut yields = 0;
        for _ in 0..100_000 {
            courtesy.served(8);
            if courtesy.is_due() {
                courtesy.let_others_run(8);
                yields += 1;
            }
        }
        // This thread may have been interrupted, so there is no exact number.
        assert!((2..100_000 / 4).contains(&yields), "{yields}");
        assert!(courtesy.due.load(super::Ordering::Relaxed) >= 4 || RARELY < 4);
    }

    #[test]
    fn there_is_nobody_to_be_fair_to_beside_a_single_client() {
        let courtesy = Courtesy::new();
        (0..10_000).for_each(|_| courtesy.served(1));
        assert!(!courtesy.is_due());
    }
}
