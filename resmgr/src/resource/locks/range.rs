//! [`Range`]: which bytes of a file a lock is for.

use crate::{Errno, Result};

/// Bytes of a file: from the first to the last, both included. The last offset that there is stands for
/// "to the end, wherever that will be".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Range {
    first: i64,
    last: i64,
}

impl Range {
    /// All that a file can ever have.
    pub(crate) const WHOLE: Self = Self {
        first: 0,
        last: i64::MAX,
    };

    /// `len` bytes from `start` on, counted from `base` (0, the position or the size, by l_whence); before
    /// it if `len` is negative; to the end if it is 0.
    ///
    /// # Errors
    /// - `EINVAL`: it begins before the file.
    /// - `EOVERFLOW`: it begins or ends where no offset leads.
    #[doc(alias = "flock")]
    pub(crate) fn new(base: i64, start: i64, len: i64) -> Result<Self> {
        let start = base.checked_add(start).ok_or(Errno::OVERFLOW)?;
        if start < 0 {
            return Err(Errno::INVAL);
        }
        let (first, last) = match len {
            0 => (start, i64::MAX),
            1.. => (start, start.checked_add(len - 1).ok_or(Errno::OVERFLOW)?),
            _ => (start.saturating_add(len), start - 1),
        };
        if first < 0 {
            return Err(Errno::INVAL);
        }
        Ok(Self { first, last })
    }

    /// Where it begins: l_start from the start of the file.
    pub(crate) fn start(self) -> i64 {
        self.first
    }

    /// How long it is: l_len, 0 to the end.
    pub(crate) fn len(self) -> i64 {
        match self.last {
            i64::MAX => 0,
            last => last - self.first + 1,
        }
    }

    pub(super) fn ends_before(self, other: Self) -> bool {
        self.last < other.first
    }

    pub(super) fn overlaps(self, other: Self) -> bool {
        self.first <= other.last && other.first <= self.last
    }

    /// Whether they overlap or one follows the other without a gap.
    pub(super) fn touches(self, other: Self) -> bool {
        self.first <= other.last.saturating_add(1) && other.first <= self.last.saturating_add(1)
    }

    /// From where the first begins to where the last ends.
    pub(super) fn hull(self, other: Self) -> Self {
        Self {
            first: self.first.min(other.first),
            last: self.last.max(other.last),
        }
    }

    /// What is left of it before and after `cut`.
    pub(super) fn without(self, cut: Self) -> [Option<Self>; 2] {
        let before = (self.first < cut.first).then(|| Self {
            last: self.last.min(cut.first - 1),
            ..self
        });
        let after = (self.last > cut.last).then(|| Self {
            first: self.first.max(cut.last + 1),
            ..self
        });
        [before, after]
    }
}

#[cfg(test)]
mod tests {
    use super::Range;
    use crate::Errno;

    #[test]
    fn if15_a_range_is_read_as_fcntl_reads_it() {
        let max = i64::MAX;
        let cases = [
            ((0, 0, 0), Ok((0, 0))),
            ((0, 5, 3), Ok((5, 3))),
            ((10, -4, 2), Ok((6, 2))),
            ((10, 0, -4), Ok((6, 4))),
            ((0, max, 1), Ok((max, 0))),
            ((0, 1, max), Ok((1, 0))),
            ((0, 0, max), Ok((0, max))),
            ((0, -1, 1), Err(Errno::INVAL)),
            ((0, 3, -4), Err(Errno::INVAL)),
            ((0, 0, i64::MIN), Err(Errno::INVAL)),
            ((0, 2, max), Err(Errno::OVERFLOW)),
            ((1, max, 0), Err(Errno::OVERFLOW)),
        ];
        for ((base, start, len), expected) in cases {
            let range = Range::new(base, start, len);
            let told = range.map(|range| (range.start(), range.len()));
            assert_eq!(told, expected, "{base} {start} {len}");
        }
    }

    #[test]
    fn what_is_cut_out_leaves_both_ends() {
        let range = |start, len| Range::new(0, start, len).unwrap();
        let whole = range(10, 10);
        assert_eq!(
            whole.without(range(12, 3)),
            [Some(range(10, 2)), Some(range(15, 5))]
        );
        assert_eq!(whole.without(Range::WHOLE), [None, None]);
        assert_eq!(whole.without(range(15, 0)), [Some(range(10, 5)), None]);
        assert!(whole.touches(range(20, 1)) && !whole.overlaps(range(20, 1)));
        assert!(!whole.touches(range(21, 1)));
        assert!(Range::WHOLE.touches(range(i64::MAX, 1)));
    }
}
