//! How long a channel's calls take, from the receive to the answer: measured on few of them, so that the others
//! pay next to nothing.

use crate::ipc::Scoid;
use resmgr_sys::clock;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Every so many calls of a slot, the first one included, is timed: a power of two.
const TIMED_EVERY: u32 = 64;
/// Calls that are timed at the same time. One that finds no room is not.
const MOST_AT_A_TIME: usize = 16;

/// Names a call of the channel.
type Name = (Scoid, u16, u32);

/// What is measured. All clients of a channel share it.
#[derive(Debug, Default)]
pub(crate) struct Service(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    under_way: Vec<(Name, u64)>,
    measured: Measured,
}

/// What has been measured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Measured {
    /// Calls that were timed.
    pub(crate) count: u64,
    /// Nanoseconds of all of them.
    pub(crate) sum: u64,
    /// Those of the longest.
    pub(crate) longest: u64,
}

impl Service {
    /// Whether a call with this number is timed.
    ///
    /// The number is the client's. One that has each of its calls timed has the server read two clocks for it, and
    /// no more.
    #[inline]
    pub(crate) fn times(number: u32) -> bool {
        number.wrapping_sub(1).is_multiple_of(TIMED_EVERY)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The call was received.
    #[cold]
    pub(crate) fn begin(&self, name: Name) {
        let mut state = self.lock();
        if state.under_way.len() < MOST_AT_A_TIME {
            state.under_way.push((name, clock::exact()));
        }
    }

    /// The call has ended.
    #[cold]
    pub(crate) fn end(&self, name: Name) {
        let now = clock::exact();
        let mut state = self.lock();
        let place = state.under_way.iter().position(|(other, _)| *other == name);
        let Some(place) = place else { return };
        let time = now.saturating_sub(state.under_way.swap_remove(place).1);
        let measured = &mut state.measured;
        measured.count += 1;
        measured.sum = measured.sum.saturating_add(time);
        measured.longest = measured.longest.max(time);
    }

    pub(crate) fn measured(&self) -> Measured {
        self.lock().measured
    }
}

#[cfg(test)]
mod tests {
    use super::{MOST_AT_A_TIME, Service};
    use crate::ipc::Scoid;

    #[test]
    fn the_first_call_of_a_slot_is_timed_and_few_others() {
        let timed = (1..=640).filter(|number| Service::times(*number));
        assert_eq!(timed.collect::<Vec<_>>()[..3], [1, 65, 129]);
    }

    #[test]
    fn calls_beyond_the_bound_are_not_timed() {
        let service = Service::default();
        let names = || (0..40).map(|slot| (Scoid(1), slot, 1));
        names().for_each(|name| service.begin(name));
        names().for_each(|name| service.end(name));
        let measured = service.measured();
        assert_eq!(measured.count, MOST_AT_A_TIME as u64);
        assert!(measured.longest <= measured.sum);
    }
}
