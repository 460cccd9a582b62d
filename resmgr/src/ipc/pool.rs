//! A channel's own pool of pulses: how many may be pending, whose they are, and what happens at the end.
//!
//! Every pulse of the channel that a program sent counts, from when it is queued until a receiver takes it,
//! also while a receiver is waiting for it. The system's own pulses (DISCONNECT, UNBLOCK, COIDDEATH…) have
//! room beside the pool: there is at most one for each call, client or connection, and none is dropped.
//!
//! A client sees its share as a word in the server's part of the link, and gets EAGAIN by its own library
//! when the share is used up. One that does not look at the word is cut off when it goes beyond. What a client
//! process left pending on an earlier link still counts as its own: attaching again is no way to a second share.

use super::Semaphore;
use super::queue::PendingPulse;
use resmgr_sys::{Errno, Result, process, signal};
use std::collections::HashMap;

/// Pulses of a pool, at most.
const MOST_PULSES: u32 = 1 << 16;
/// What a client may have pending, at most: the cells of a link.
const MOST_SHARE: u32 = super::link::CELLS;

/// The pool of a channel (see [`Channel::with_pulse_pool`](super::Channel::with_pulse_pool)).
#[derive(Clone, Debug, PartialEq)]
#[doc(alias = "nto_channel_config")]
pub struct PulsePool {
    /// Pulses that may be pending on the channel: 1 to 65,536.
    pub num_pulses: u32,
    /// When the event comes again: 0 never, up to `num_pulses` once fewer than so many were pending since,
    /// above it comes for each pulse that is dropped.
    pub rearm_threshold: u32,
    /// Pulses of one client process that may be pending; its next gets `EAGAIN`. 1 to the smaller of
    /// `num_pulses` and 128. `None`: half of `num_pulses`, in these bounds. Not in QNX, where a client can use
    /// up the pool, and have the server killed. Connections that share nothing
    /// ([`NOSHARE`](super::ConnectFlags::NOSHARE)) have one share for all of them: what a process sends on
    /// several, beyond it, is dropped.
    pub share: Option<u32>,
    /// What happens when a pulse finds the pool empty. The pulse is dropped.
    pub event: PoolEvent,
}

impl PulsePool {
    /// A pool of so many pulses with the default event, which comes once.
    pub fn new(num_pulses: u32) -> Self {
        Self {
            num_pulses,
            rearm_threshold: 0,
            share: None,
            event: PoolEvent::default(),
        }
    }
}

/// What happens when a pulse finds its channel's pool empty.
#[derive(Clone, Debug, Default, PartialEq)]
#[doc(alias = "_NTO_CHO_CUSTOM_EVENT")]
pub enum PoolEvent {
    /// SIGKILL for the channel's process: a server that has stopped receiving does not stay in the way.
    #[default]
    Kill,
    /// Nothing but the loss of the pulse.
    None,
    /// A post, for a thread that waits.
    Semaphore(Semaphore),
}

impl PoolEvent {
    fn happen(&self) {
        match self {
            Self::Kill => {
                tracing::error!("a channel's pulse pool is empty: SIGKILL");
                let _ = process::kill(std::process::id(), signal::KILL);
            }
            Self::None => {}
            Self::Semaphore(semaphore) => semaphore.post(),
        }
    }
}

/// A pulse that found no room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Full;

/// The pool's books. Under the channel's lock.
#[derive(Debug)]
pub(super) struct Pool {
    terms: PulsePool,
    share: u32,
    pending: u32,
    /// The next pulse that finds no room makes the event happen.
    armed: bool,
    /// Pending pulses of each client process that has any. This process does not share with itself.
    of_process: HashMap<u32, u32>,
}

impl Pool {
    /// # Errors
    /// - `EINVAL`: no pulses, or no share, or one that is larger than the pool.
    /// - `EOVERFLOW`: more pulses than a pool may have.
    pub(super) fn new(terms: PulsePool) -> Result<Self> {
        let num = terms.num_pulses;
        if num > MOST_PULSES {
            return Err(Errno::OVERFLOW);
        }
        let most = num.min(MOST_SHARE);
        let share = terms.share.unwrap_or((num / 2).clamp(1, MOST_SHARE));
        if num == 0 || share == 0 || share > most {
            return Err(Errno::INVAL);
        }
        Ok(Self {
            terms,
            share,
            pending: 0,
            armed: true,
            of_process: HashMap::new(),
        })
    }

    /// What one client may have pending.
    pub(super) fn share(&self) -> u32 {
        self.share
    }

    /// Room for one more pulse.
    pub(super) fn take(&mut self, pulse: &PendingPulse) -> Result<(), Full> {
        let Some(sender) = counted(pulse) else {
            return Ok(());
        };
        let own = sender == std::process::id();
        // Only what an earlier link of the process left can bring it here: no reason to alarm the server.
        let theirs = self.of_process.get(&sender).copied().unwrap_or(0);
        if !own && theirs >= self.share {
            return Err(Full);
        }
        if self.pending >= self.terms.num_pulses {
            self.empty();
            return Err(Full);
        }
        self.pending += 1;
        if !own {
            self.of_process.insert(sender, theirs + 1);
        }
        Ok(())
    }

    /// A receiver has taken a pulse.
    pub(super) fn give_back(&mut self, pulse: &PendingPulse) {
        let Some(sender) = counted(pulse) else {
            return;
        };
        self.pending = self.pending.saturating_sub(1);
        if self.pending < self.terms.rearm_threshold {
            self.armed = true;
        }
        if let Some(theirs) = self.of_process.get_mut(&sender) {
            *theirs -= 1;
            if *theirs == 0 {
                self.of_process.remove(&sender);
            }
        }
    }

    fn empty(&mut self) {
        let each_time = self.terms.rearm_threshold > self.terms.num_pulses;
        if self.armed || each_time {
            self.armed = false;
            self.terms.event.happen();
        }
    }
}

/// Which process a pulse counts for; `None` for the system's own.
fn counted(pending: &PendingPulse) -> Option<u32> {
    match &pending.link {
        Some(link) => Some(link.peer.pid),
        None => pending.own.then(std::process::id),
    }
}

#[cfg(test)]
mod tests {
    use super::{Full, Pool, PoolEvent, PulsePool};
    use crate::ipc::queue::PendingPulse;
    use crate::ipc::{Pulse, PulseCode, Semaphore};
    use resmgr_sys::Errno;

    fn pulse(code: i8) -> PendingPulse {
        let pulse = Pulse {
            code,
            value: 0,
            scoid: None,
            priority: 10,
        };
        if code < 0 {
            PendingPulse::of_system(pulse)
        } else {
            PendingPulse::of_program(pulse)
        }
    }

    fn pool(num_pulses: u32, rearm_threshold: u32) -> (Pool, Semaphore) {
        let semaphore = Semaphore::new();
        let terms = PulsePool {
            rearm_threshold,
            event: PoolEvent::Semaphore(semaphore.clone()),
            ..PulsePool::new(num_pulses)
        };
        (Pool::new(terms).unwrap(), semaphore)
    }

    #[test]
    fn c16_terms_are_checked() {
        let terms = |num_pulses, share| PulsePool {
            share,
            ..PulsePool::new(num_pulses)
        };
        assert_eq!(Pool::new(terms(0, None)).unwrap_err(), Errno::INVAL);
        assert_eq!(Pool::new(terms(4, Some(0))).unwrap_err(), Errno::INVAL);
        assert_eq!(Pool::new(terms(4, Some(5))).unwrap_err(), Errno::INVAL);
        assert_eq!(Pool::new(terms(300, Some(129))).unwrap_err(), Errno::INVAL);
        let many = Pool::new(terms(65_537, None));
        assert_eq!(many.unwrap_err(), Errno::OVERFLOW);
        let shares = [1, 2, 7, 1000].map(|num| Pool::new(terms(num, None)).unwrap().share());
        assert_eq!(shares, [1, 1, 3, 128]);
    }

    #[test]
    fn c17_the_event_comes_once_or_again_below_the_threshold_or_each_time() {
        for (threshold, expected) in [(0, 1), (2, 2), (9, 4)] {
            let (mut pool, events) = pool(3, threshold);
            let one = pulse(1);
            (0..3).for_each(|_| pool.take(&one).unwrap());
            assert_eq!([pool.take(&one), pool.take(&one)], [Err(Full); 2]);
            // Two are left, which is not below two.
            pool.give_back(&one);
            pool.take(&one).unwrap();
            assert_eq!(pool.take(&one), Err(Full));
            pool.give_back(&one);
            pool.give_back(&one);
            (0..2).for_each(|_| pool.take(&one).unwrap());
            assert_eq!(pool.take(&one), Err(Full));
            let happened = (0..9).filter(|_| events.try_wait()).count();
            assert_eq!(happened, expected, "threshold {threshold}");
        }
    }

    #[test]
    fn c18_the_systems_own_pulses_are_not_counted() {
        let (mut pool, events) = pool(1, 0);
        let system = pulse(PulseCode::DISCONNECT);
        pool.take(&pulse(0)).unwrap();
        (0..100).for_each(|_| pool.take(&system).unwrap());
        (0..100).for_each(|_| pool.give_back(&system));
        assert!(!events.try_wait());
        assert_eq!(pool.take(&pulse(0)), Err(Full));
    }
}
