//! [`PoolOptions`]: how many threads a pool keeps.

use crate::{Errno, Result};

/// How many threads a pool has.
///
/// A member counts as *waiting* while it is in [`Member::block`](super::Member::block).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[doc(alias = "thread_pool_attr_t")]
pub struct PoolOptions {
    /// So many wait, if that can be had: a member that leaves fewer behind starts others. At least 1, and that many
    /// there are at the start.
    #[doc(alias = "lo_water")]
    pub low_water: usize,
    /// So many are started at a time. At least 1.
    pub increment: usize,
    /// No more than these go back to waiting: who comes back from work and finds so many waiting ends. At least
    /// `low_water`.
    ///
    /// As on QNX a member that waits stays, however long nothing comes: it has cost what it costs, and holds only
    /// its stack.
    #[doc(alias = "hi_water")]
    pub high_water: usize,
    /// All members together, at work or waiting. At least `low_water`, and at most [`MOST`](Self::MOST).
    pub maximum: usize,
}

impl PoolOptions {
    /// The most that `maximum` may be.
    pub const MOST: usize = 256;

    /// Exactly so many members, always.
    pub const fn fixed(count: usize) -> Self {
        Self {
            low_water: count,
            increment: 1,
            high_water: count,
            maximum: count,
        }
    }

    /// Whether a pool can be like this.
    ///
    /// # Errors
    /// - `EINVAL`: it cannot.
    pub fn check(&self) -> Result<()> {
        let holds = self.low_water >= 1
            && self.increment >= 1
            && self.high_water >= self.low_water
            && self.maximum >= self.low_water
            && self.maximum <= Self::MOST;
        holds.then_some(()).ok_or(Errno::INVAL)
    }
}

/// Two wait at least and four at most, of sixteen.
impl Default for PoolOptions {
    fn default() -> Self {
        Self {
            low_water: 2,
            increment: 1,
            high_water: 4,
            maximum: 16,
        }
    }
}

/// What a pool has now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PoolCounts {
    /// Members, with those that are just being started.
    pub threads: usize,
    /// Those of them that wait for work.
    pub waiting: usize,
}

#[cfg(test)]
mod tests {
    use super::PoolOptions;
    use crate::Errno;

    #[test]
    fn tp1_numbers_that_contradict_each_other_are_refused() {
        let good = PoolOptions::default();
        assert_eq!(good.check(), Ok(()));
        assert_eq!(PoolOptions::fixed(1).check(), Ok(()));
        assert_eq!(PoolOptions::fixed(PoolOptions::MOST).check(), Ok(()));
        let bad = [
            PoolOptions::fixed(0),
            PoolOptions::fixed(PoolOptions::MOST + 1),
            PoolOptions {
                increment: 0,
                ..good
            },
            PoolOptions {
                high_water: 1,
                ..good
            },
            PoolOptions { maximum: 1, ..good },
        ];
        for options in bad {
            assert_eq!(options.check(), Err(Errno::INVAL), "{options:?}");
        }
    }
}
