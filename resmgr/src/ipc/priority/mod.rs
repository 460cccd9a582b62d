//! Priorities: what QNX's numbers mean on Linux, and how a thread comes to one.
//!
//! QNX has one scale of 1 to 255. Linux has real-time priorities, and nice values that decide about shares:
//!
//! | priority | a thread that has it |
//! |---|---|
//! | 1 to 9 | ordinary, with the nice value 18, 16 … 2 (a thread whose value lies between has the next higher) |
//! | 10 | ordinary, with the nice value 0 or below: what threads begin with |
//! | 11 to 99 | real-time (SCHED_FIFO, or SCHED_RR if the thread had that), with the same number |
//! | 100 to 255 | a place in queues; where it comes to running, 99 |
//!
//! So the order of two threads on this scale is the order in which Linux runs them. What the scale cannot
//! tell apart: real-time priorities 1 to 10 are 11 here, and nice values below 0 are 10.
//!
//! A thread that receives takes the sender's priority, never its policy; a real-time sender's priority
//! makes an ordinary receiver a real-time thread for that time. Threads and processes that it makes then
//! begin with what it has, as on QNX.
//!
//! *Only where it may return.* The kernel lets a thread rise by `CAP_SYS_NICE`, `RLIMIT_RTPRIO` and
//! `RLIMIT_NICE`. A priority from which the thread could not come back to its own is not taken: it would
//! stay there for good. Without any of these rights a receiver that has priority 10 keeps it, and the sender's priority
//! decides the order of the queue only. [`statistics`](super::statistics()) counts each time, and the log
//! has one warning.
//!
//! *A receiver that sleeps has its own priority.* Nobody can raise a sleeper at the moment of the send, as
//! QNX's kernel does: a server that has to begin at once beside other real-time threads gives its
//! receivers a priority of their own that is at least that of its most urgent client.

pub(super) mod receiver;
mod rights;
mod thread;

pub(super) use rights::{Rights, refresh as refresh_rights, rights, rights_now};
pub(crate) use rights::{Standing, UNPRIVILEGED_PLACE};
pub use thread::{priority, refresh_priority, set_priority};

use resmgr_sys::sched::{Policy, Scheduling};

/// What ordinary threads have.
pub(super) const ORDINARY: u8 = 10;
/// The highest that a thread can run at.
pub(super) const HIGHEST: u8 = 99;
/// Nice values for one step of priority.
const STEP: u8 = 2;

/// Where a thread stands.
pub(super) fn of(thread: &Scheduling) -> u8 {
    match thread.policy {
        Policy::Fifo | Policy::RoundRobin => thread.realtime.clamp(ORDINARY + 1, HIGHEST),
        Policy::Idle => 1,
        // Deadlines stand above every real-time priority.
        Policy::Unknown(_) => HIGHEST,
        Policy::Other | Policy::Batch => {
            let steps = u8::try_from(thread.nice.max(0)).unwrap_or(0).div_ceil(STEP);
            ORDINARY.saturating_sub(steps).max(1)
        }
    }
}

/// How a thread that is scheduled as `now`, and by itself as `own`, has to be scheduled for `priority`.
fn meant(now: &Scheduling, own: &Scheduling, priority: u8) -> Scheduling {
    if priority == of(own) {
        return *own;
    }
    if priority > ORDINARY {
        let policy = match own.policy {
            Policy::RoundRobin => Policy::RoundRobin,
            _ => Policy::Fifo,
        };
        // The kernel leaves the nice value of a real-time thread alone.
        return Scheduling {
            policy,
            realtime: priority.min(HIGHEST),
            ..*now
        };
    }
    let policy = match own.policy {
        Policy::Batch => Policy::Batch,
        _ => Policy::Other,
    };
    Scheduling {
        policy,
        realtime: 0,
        nice: i8::try_from((ORDINARY - priority) * STEP).unwrap_or(0),
        ..*now
    }
}

impl Rights {
    /// Whether the kernel would let this process take a thread of its own from one to the other.
    fn allow(self, from: &Scheduling, to: &Scheduling) -> bool {
        if self.privileged {
            return true;
        }
        match to.policy {
            Policy::Fifo | Policy::RoundRobin => {
                let policy = from.policy == to.policy || self.realtime > 0;
                policy && to.realtime <= from.realtime.max(self.realtime)
            }
            Policy::Other | Policy::Batch => {
                let held = from.policy == Policy::Idle && from.nice < self.lowest_nice;
                !held && (to.nice >= from.nice || to.nice >= self.lowest_nice)
            }
            Policy::Idle => true,
            Policy::Unknown(_) => false,
        }
    }

    /// Whether a thread may go there and then to `own`.
    fn allow_visit(self, now: &Scheduling, to: &Scheduling, own: &Scheduling) -> bool {
        self.allow(now, to) && self.allow(to, own)
    }
}

#[cfg(test)]
mod tests {
    use super::{HIGHEST, ORDINARY, Rights, meant, of};
    use resmgr_sys::sched::{Policy, Scheduling};

    fn ordinary(nice: i8) -> Scheduling {
        Scheduling {
            policy: Policy::Other,
            realtime: 0,
            nice,
            reset_on_fork: false,
        }
    }

    fn realtime(policy: Policy, realtime: u8) -> Scheduling {
        Scheduling {
            policy,
            realtime,
            ..ordinary(0)
        }
    }

    const NOBODY: Rights = Rights {
        privileged: false,
        realtime: 0,
        lowest_nice: 20,
    };

    #[test]
    fn the_scale_is_the_order_of_the_kernel() {
        let mut scale: Vec<u8> = (-20..20).rev().map(|nice| of(&ordinary(nice))).collect();
        scale.extend((1..=99).map(|level| of(&realtime(Policy::Fifo, level))));
        assert!(scale.is_sorted());
        assert_eq!((scale[0], scale[20]), (1, ORDINARY));
        assert_eq!(scale.last(), Some(&HIGHEST));
    }

    #[test]
    fn a_priority_is_what_it_is_made_for() {
        for own in [
            ordinary(0),
            ordinary(5),
            realtime(Policy::Fifo, 50),
            realtime(Policy::RoundRobin, 3),
        ] {
            for priority in 1..=HIGHEST {
                assert_eq!(of(&meant(&own, &own, priority)), priority);
            }
            assert_eq!(meant(&own, &own, of(&own)), own);
        }
        let round = realtime(Policy::RoundRobin, 3);
        assert_eq!(meant(&round, &round, 30).policy, Policy::RoundRobin);
    }

    #[test]
    fn pr1_a_receiver_goes_only_where_it_may_come_back_from() {
        let visit = |rights: Rights, own: &Scheduling, priority| {
            rights.allow_visit(own, &meant(own, own, priority), own)
        };
        let plain = ordinary(0);
        // A step down would be for good.
        assert!(!visit(NOBODY, &plain, 5) && !visit(NOBODY, &plain, 20));
        let realtime_up_to = |realtime| Rights { realtime, ..NOBODY };
        assert!(visit(realtime_up_to(20), &plain, 20));
        assert!(!visit(realtime_up_to(20), &plain, 21) && !visit(realtime_up_to(20), &plain, 5));
        let nice = Rights {
            lowest_nice: 0,
            ..NOBODY
        };
        assert!(visit(nice, &plain, 5) && !visit(nice, &plain, 20));
        let urgent = realtime(Policy::Fifo, 50);
        assert!(!visit(NOBODY, &urgent, 10) && !visit(NOBODY, &urgent, 40));
        assert!(visit(realtime_up_to(50), &urgent, 10));
        let root = Rights {
            privileged: true,
            ..NOBODY
        };
        assert!(visit(root, &plain, 5) && visit(root, &urgent, 99));
    }
}
