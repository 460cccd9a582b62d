//! Counts of the process, above all of what did not go as on QNX.

use std::sync::Once;
use std::sync::atomic::{AtomicU64, Ordering};

/// Counts of this process since it began: what the system did not allow, and what was done about priorities.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Statistics {
    /// Times that a receiver kept its priority, since the process may not give it the sender's and then
    /// its own again (see [`set_priority`](super::set_priority)).
    pub priorities_not_taken: u64,
    /// Times that busy receivers were raised for a message or a pulse that waited.
    pub boosts: u64,
    /// Times that a receiver kept its processors, since the kernel did not name or give it the sender's.
    pub run_masks_not_taken: u64,
}

static PRIORITIES_NOT_TAKEN: AtomicU64 = AtomicU64::new(0);
static BOOSTS: AtomicU64 = AtomicU64::new(0);
static RUN_MASKS_NOT_TAKEN: AtomicU64 = AtomicU64::new(0);

/// The counts now.
pub fn statistics() -> Statistics {
    // Relaxed: no other data depend on them.
    Statistics {
        priorities_not_taken: PRIORITIES_NOT_TAKEN.load(Ordering::Relaxed),
        boosts: BOOSTS.load(Ordering::Relaxed),
        run_masks_not_taken: RUN_MASKS_NOT_TAKEN.load(Ordering::Relaxed),
    }
}

/// Counts, and says so once in the life of the process.
pub(super) fn priority_not_taken(priority: u8) {
    static SAID: Once = Once::new();
    PRIORITIES_NOT_TAKEN.fetch_add(1, Ordering::Relaxed);
    SAID.call_once(|| {
        tracing::warn!(
            priority,
            "a receiver keeps its priority: this process may not change it and come back \
             (CAP_SYS_NICE, RLIMIT_RTPRIO, RLIMIT_NICE); counted from now on"
        );
    });
}

pub(super) fn boosted() {
    BOOSTS.fetch_add(1, Ordering::Relaxed);
}

/// Counts, and says so once in the life of the process.
pub(super) fn run_mask_not_taken() {
    static SAID: Once = Once::new();
    RUN_MASKS_NOT_TAKEN.fetch_add(1, Ordering::Relaxed);
    SAID.call_once(|| {
        tracing::warn!(
            "a receiver keeps its processors: the sender's are not known, or not for this process"
        );
    });
}
