//! [`Lanes`]: what happened at the same time, side by side.
//!
//! On one track of a timeline slices lie behind or inside each other. Those that would cross another one (a thread
//! that has begun several calls, messages that are answered late) go to further tracks, which bear numbers that no
//! thread has.

use std::collections::HashMap;

/// More than the highest number of a thread (2^22).
const FIRST: u32 = 5_000_000;

/// Which track of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Track {
    /// A thread's.
    Thread(u32),
    /// That of messages that are answered late.
    Late,
}

/// Its number, and the ends of what is open on it.
type Lane = (u32, Vec<u64>);

/// The tracks that are in use.
#[derive(Debug, Default)]
pub(super) struct Lanes {
    /// Those of each track of a process.
    open: HashMap<(u32, Track), Vec<Lane>>,
    /// The further ones: process, number, what they are further ones of.
    pub(super) further: Vec<(u32, u32, Track)>,
}

impl Lanes {
    /// Where something goes. What begins first comes first, and of those that begin together the longest.
    pub(super) fn place(&mut self, pid: u32, track: Track, (start, end): (u64, u64)) -> u32 {
        let lanes = self.open.entry((pid, track)).or_default();
        for (number, ends) in lanes.iter_mut() {
            while ends.last().is_some_and(|end| *end <= start) {
                ends.pop();
            }
            if ends.last().is_none_or(|outer| end <= *outer) {
                ends.push(end);
                return *number;
            }
        }
        let number = match track {
            Track::Thread(tid) if lanes.is_empty() => tid,
            _ => {
                let count = u32::try_from(self.further.len()).unwrap_or(u32::MAX);
                let number = FIRST.saturating_add(count);
                self.further.push((pid, number, track));
                number
            }
        };
        lanes.push((number, vec![end]));
        number
    }
}

#[cfg(test)]
mod tests {
    use super::{FIRST, Lanes, Track};

    #[test]
    fn slices_lie_behind_or_inside_each_other() {
        let mut lanes = Lanes::default();
        let mut place = |track, start, end| lanes.place(1, track, (start, end));
        let thread = Track::Thread(7);
        assert_eq!(place(thread, 0, 10), 7);
        assert_eq!(place(thread, 1, 5), 7);
        assert_eq!(place(thread, 5, 10), 7);
        // It crosses the first one.
        assert_eq!(place(thread, 6, 12), FIRST);
        assert_eq!(place(thread, 12, 13), 7);
        assert_eq!(place(Track::Late, 0, 10), FIRST + 1);
        assert_eq!(place(Track::Late, 5, 20), FIRST + 2);
        assert_eq!(place(Track::Late, 10, 20), FIRST + 1);
        assert_eq!(lanes.place(2, thread, (6, 12)), 7);
        assert_eq!(lanes.further.len(), 3);
        assert_eq!(lanes.further[0], (1, FIRST, thread));
    }
}
