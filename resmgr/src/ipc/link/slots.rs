//! Which slots are in use: the client's free list, and the server's own record of each call.

use crate::ipc::protocol::Phase;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU8, AtomicU32, AtomicU64, Ordering};

/// Client: the free slots. Lock-free, because a signal handler may send while its thread is in here.
#[derive(Debug)]
pub(super) struct FreeSlots(Box<[AtomicU64]>);

impl FreeSlots {
    pub(super) fn new(count: u16) -> Self {
        let words = (0..usize::from(count).div_ceil(64)).map(|word| {
            let slots = (usize::from(count) - word * 64).min(64);
            AtomicU64::new(u64::MAX >> (64 - slots))
        });
        Self(words.collect())
    }

    /// The lowest free slot, whose memory is the warmest.
    pub(super) fn claim(&self) -> Option<u16> {
        for (index, word) in self.0.iter().enumerate() {
            let mut free = word.load(Ordering::Relaxed);
            while free != 0 {
                let bit = free.trailing_zeros();
                match word.compare_exchange_weak(
                    free,
                    free & (free - 1),
                    Ordering::Acquire,
                    Ordering::Relaxed,
                ) {
                    Ok(_) => return u16::try_from(index * 64 + bit as usize).ok(),
                    Err(now) => free = now,
                }
            }
        }
        None
    }

    pub(super) fn release(&self, slot: u16) {
        let (word, bit) = (usize::from(slot) / 64, slot % 64);
        self.0[word].fetch_or(1 << bit, Ordering::Release);
    }

    /// The slots that are in use now.
    pub(super) fn claimed(&self, count: u16) -> impl Iterator<Item = u16> + '_ {
        // A whole word at a time: mostly there is nothing in use but in the first.
        let words = self.0.iter().zip((0..count).step_by(64));
        words.flat_map(move |(word, first)| {
            let free = word.load(Ordering::Acquire);
            let most = if free == u64::MAX {
                0
            } else {
                (count - first).min(64)
            };
            (0..most)
                .filter(move |bit| free & 1 << bit == 0)
                .map(move |bit| first + bit)
        })
    }
}

/// Server: what it knows itself of the call in each slot.
#[derive(Debug)]
pub(super) struct Phases {
    /// Of the first slots, which are all that most links ever use.
    first: [Known; CHUNK],
    /// Of the others, made when they are used.
    rest: Box<[OnceLock<Box<[Known]>>]>,
}

const CHUNK: usize = 64;

#[derive(Debug, Default)]
struct Known {
    phase: AtomicU32,
    /// Calls that were seen before their ring entries, which are still to come. Under the channel's lock.
    early: AtomicU32,
    /// That of the call. Under the channel's lock.
    priority: AtomicU8,
}

impl Known {
    #[inline]
    fn phase(&self) -> Phase<'_, AtomicU32> {
        Phase { word: &self.phase }
    }
}

impl Phases {
    pub(super) fn new(count: u16) -> Self {
        let more = usize::from(count).saturating_sub(CHUNK).div_ceil(CHUNK);
        Self {
            first: std::array::from_fn(|_| Known::default()),
            rest: std::iter::repeat_with(OnceLock::new).take(more).collect(),
        }
    }

    #[inline]
    fn at(&self, slot: u16) -> &Known {
        let slot = usize::from(slot);
        if slot < CHUNK {
            return &self.first[slot];
        }
        self.at_later(slot - CHUNK)
    }

    #[cold]
    fn at_later(&self, slot: usize) -> &Known {
        let make = || std::iter::repeat_with(Known::default).take(CHUNK);
        &self.rest[slot / CHUNK].get_or_init(|| make().collect())[slot % CHUNK]
    }

    /// How far the call in this slot is.
    #[inline]
    pub(super) fn of(&self, slot: u16) -> Phase<'_, AtomicU32> {
        self.at(slot).phase()
    }

    /// [`Phase::hold`] for a call of this priority.
    #[inline]
    pub(super) fn hold(&self, slot: u16, priority: u8) -> bool {
        let known = self.at(slot);
        known.priority.store(priority, Ordering::Relaxed);
        known.phase().hold()
    }

    /// What the call in this slot was queued with.
    pub(super) fn priority(&self, slot: u16) -> u8 {
        self.at(slot).priority.load(Ordering::Relaxed)
    }

    /// Ring entries still to come of calls that were seen before them.
    #[inline]
    pub(super) fn owed(&self, slot: u16) -> u32 {
        self.at(slot).early.load(Ordering::Relaxed)
    }

    /// A call was seen before its ring entry.
    #[inline]
    pub(super) fn note_early(&self, slot: u16) {
        let early = &self.at(slot).early;
        early.store(early.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
    }

    /// Whether a ring entry is that of a call which was seen before it.
    #[inline]
    pub(super) fn was_early(&self, slot: u16) -> bool {
        let early = &self.at(slot).early;
        let count = early.load(Ordering::Relaxed);
        if count > 0 {
            early.store(count - 1, Ordering::Relaxed);
        }
        count > 0
    }

    /// The calls that receivers have.
    pub(super) fn taken(&self) -> impl Iterator<Item = (u16, u32)> + '_ {
        let later = self.rest.iter().enumerate().filter_map(|(at, chunk)| {
            let chunk = chunk.get()?;
            Some(((at + 1) * CHUNK, &chunk[..]))
        });
        let chunks = std::iter::once((0, &self.first[..])).chain(later);
        chunks.flat_map(|(from, chunk)| {
            chunk.iter().enumerate().filter_map(move |(at, known)| {
                let slot = u16::try_from(from + at).ok()?;
                known.phase().taken().map(|number| (slot, number))
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{FreeSlots, Phases};
    use crate::ipc::protocol::Answerer;

    const SLOTS: u16 = 100;

    #[test]
    fn slots_are_given_out_lowest_first_and_end() {
        let slots = FreeSlots::new(SLOTS);
        for expected in 0..SLOTS {
            assert_eq!(slots.claim(), Some(expected));
        }
        assert_eq!(slots.claim(), None);
        slots.release(70);
        assert_eq!(slots.claimed(SLOTS).count(), usize::from(SLOTS) - 1);
        assert_eq!(slots.claim(), Some(70));
    }

    #[test]
    fn the_calls_that_receivers_have_are_listed() {
        let phases = Phases::new(SLOTS);
        let (request, waiting, taken, answer) = Default::default();
        let answerer = Answerer {
            request: &request,
            waiting: &waiting,
            taken: &taken,
            answer: &answer,
        };
        for (slot, number) in [(3, 9), (70, 1)] {
            assert!(phases.of(slot).hold());
            phases.of(slot).take(&answerer, number);
        }
        assert!(phases.of(8).hold());
        assert_eq!(phases.taken().collect::<Vec<_>>(), [(3, 9), (70, 1)]);
    }

    #[test]
    fn an_entry_is_ignored_once_for_each_early_call() {
        let phases = Phases::new(SLOTS);
        assert!(!phases.was_early(5));
        phases.note_early(5);
        phases.note_early(5);
        assert_eq!(phases.owed(5), 2);
        assert!(phases.was_early(5) && phases.was_early(5));
        assert!(!phases.was_early(5));
        assert_eq!(phases.owed(5), 0);
    }
}
