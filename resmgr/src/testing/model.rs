//! [`compare`]: random operations on a tree, and on a naive one that does what POSIX says.

mod naive;
mod steps;

use super::Bench;
use crate::StartError;
use crate::resource::Resource;
use naive::Naive;
use std::fmt;
use steps::{Outcome, Step, run};

/// Where a tree does not do what POSIX says: the fewest operations that show it, the last one of them.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Difference {
    /// The seed that led there.
    pub seed: u64,
    /// What was done, in order.
    pub operations: Vec<String>,
    /// What the last one gave.
    pub seen: String,
    /// What it should have given.
    pub expected: String,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "seed {}:", self.seed)?;
        for operation in &self.operations {
            writeln!(f, "    {operation}")?;
        }
        write!(f, "seen {}, expected {}", self.seen, self.expected)
    }
}

/// Does `count` random operations (files and directories are made, written, read, cut, linked, renamed, removed and
/// listed) with an empty tree that `make` gives, and tells the first one whose result is not what POSIX says. The same
/// seed gives the same operations. When there is a difference, operations that do not matter for it are left out, each
/// time with a new tree.
///
/// One client of this process's user does all of them, one after the other.
///
/// ```
/// use resmgr::parts::MemFs;
/// use resmgr::testing::model::compare;
///
/// # fn main() -> Result<(), resmgr::StartError> {
/// let difference = compare(MemFs::new, 1, 500)?;
/// assert!(difference.is_none(), "{}", difference.unwrap());
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// Those of [`Bench::new`].
pub fn compare<R: Resource>(
    make: impl Fn() -> R,
    seed: u64,
    count: usize,
) -> Result<Option<Difference>, StartError> {
    let mut random = Random(seed);
    let all: Vec<_> = (0..count).map(|_| Step::random(&mut random)).collect();
    let Some((at, mut last)) = differs(&make, &all)? else {
        return Ok(None);
    };
    let mut steps = all.get(..=at).unwrap_or(&all).to_vec();
    let mut size = steps.len() / 2;
    while size > 0 {
        let before = steps.len();
        let mut from = 0;
        while from < steps.len() {
            let mut fewer = steps.clone();
            fewer.drain(from..(from + size).min(steps.len()));
            match differs(&make, &fewer)? {
                Some((at, found)) => {
                    fewer.truncate(at + 1);
                    (steps, last) = (fewer, found);
                }
                None => from += size,
            }
        }
        // One by one until each of them matters.
        if size > 1 || steps.len() == before {
            size /= 2;
        }
    }
    Ok(Some(Difference {
        seed,
        operations: steps.iter().map(ToString::to_string).collect(),
        seen: steps::told(&last.0),
        expected: steps::told(&last.1),
    }))
}

/// Which step's outcome differs; what it is, and what it should be.
type Found = (usize, (Outcome, Outcome));

/// The first step whose outcome differs.
fn differs<R: Resource>(
    make: &impl Fn() -> R,
    steps: &[Step],
) -> Result<Option<Found>, StartError> {
    let (bench, mut naive) = (Bench::new(make())?, Naive::default());
    for (at, step) in steps.iter().enumerate() {
        let (seen, expected) = (run(&bench, step), naive.run(step));
        if seen != expected {
            return Ok(Some((at, (seen, expected))));
        }
    }
    Ok(None)
}

/// Numbers that look random: splitmix64.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut number = self.0;
        number = (number ^ number >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        number = (number ^ number >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        number ^ number >> 31
    }

    /// A number below `bound`, which is not 0.
    fn below(&mut self, bound: usize) -> usize {
        let bound = u64::try_from(bound).unwrap_or(u64::MAX).max(1);
        usize::try_from(self.next() % bound).unwrap_or(0)
    }
}
