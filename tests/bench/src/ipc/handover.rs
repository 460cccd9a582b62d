//! A word in shared memory that one side fills and the other empties, and three ways to wait for it.

use super::Look;
use crate::arguments::Role;
use resmgr_sys::{futex, sched};
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release};

/// Nothing there.
pub(crate) const EMPTY: u32 = 0;
/// Nothing there, and somebody sleeps on it.
pub(crate) const SLEEPER: u32 = 1;
/// Something there.
pub(crate) const FULL: u32 = 2;
/// Nobody is to spin on it: the taker sleeps until it is [`EMPTY`] again.
pub(crate) const PARKED: u32 = 3;

/// How the taker waits.
pub(crate) trait Handover: 'static {
    /// What tables call it.
    const NAME: &'static str;
    /// The server that waits this way.
    const ROLE: Role;
    /// The way of looking that servers of several kinds are told.
    const LOOK: Look;
    /// Whether a taker must be parked between rounds.
    const SPINS: bool;

    /// Fills the word.
    fn give(word: &AtomicU32);

    /// Waits for the word to be filled and empties it; false when it was parked instead.
    fn take(word: &AtomicU32) -> bool;
}

/// Never sleeps, never yields: the floor on two processors.
#[derive(Debug)]
pub(crate) struct Spin;

impl Handover for Spin {
    const NAME: &'static str = "spin";
    const ROLE: Role = Role::Spin;
    const LOOK: Look = Look::Pause;
    const SPINS: bool = true;

    #[inline]
    fn give(word: &AtomicU32) {
        word.store(FULL, Release);
    }

    #[inline]
    fn take(word: &AtomicU32) -> bool {
        spin(word, std::hint::spin_loop)
    }
}

/// Yields in every turn: the floor on one processor.
#[derive(Debug)]
pub(crate) struct YieldingSpin;

impl Handover for YieldingSpin {
    const NAME: &'static str = "yielding-spin";
    const ROLE: Role = Role::YieldingSpin;
    const LOOK: Look = Look::Yield;
    const SPINS: bool = true;

    #[inline]
    fn give(word: &AtomicU32) {
        word.store(FULL, Release);
    }

    #[inline]
    fn take(word: &AtomicU32) -> bool {
        spin(word, sched::yield_now)
    }
}

#[inline]
fn spin(word: &AtomicU32, turn: impl Fn()) -> bool {
    loop {
        match word.load(Acquire) {
            FULL => break,
            PARKED => return false,
            _ => turn(),
        }
    }
    // Relaxed: the giver fills it again only after the answer, which is ordered behind this.
    word.store(EMPTY, Relaxed);
    true
}

/// Sleeps at once, and wakes only a sleeper that is on record.
#[derive(Debug)]
pub(crate) struct Futex;

impl Handover for Futex {
    const NAME: &'static str = "futex";
    const ROLE: Role = Role::Futex;
    const LOOK: Look = Look::Pause;
    const SPINS: bool = false;

    #[inline]
    fn give(word: &AtomicU32) {
        if word.swap(FULL, AcqRel) == SLEEPER {
            futex::wake(word, 1);
        }
    }

    #[inline]
    fn take(word: &AtomicU32) -> bool {
        while word.load(Acquire) != FULL {
            let noted = word.compare_exchange(EMPTY, SLEEPER, AcqRel, Acquire);
            if matches!(noted, Ok(_) | Err(SLEEPER)) {
                // An interrupted sleep says no more than any other end of it.
                let _woken = futex::wait(word, SLEEPER, None);
            }
        }
        word.store(EMPTY, Relaxed);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::{EMPTY, Futex, Handover, PARKED, Spin};
    use std::sync::atomic::{AtomicU32, Ordering};

    #[test]
    fn what_was_given_is_taken_once() {
        let word = AtomicU32::new(EMPTY);
        Futex::give(&word);
        assert!(Futex::take(&word));
        assert_eq!(word.load(Ordering::Relaxed), EMPTY);
    }

    #[test]
    fn a_sleeper_is_woken() {
        let word = AtomicU32::new(EMPTY);
        std::thread::scope(|scope| {
            scope.spawn(|| assert!(Futex::take(&word)));
            Futex::give(&word);
        });
    }

    #[test]
    fn a_parked_word_ends_the_spin() {
        assert!(!Spin::take(&AtomicU32::new(PARKED)));
    }
}
