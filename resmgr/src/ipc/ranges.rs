//! Which parts of a reply were written: bytes between them stay as they were in the client's buffer.

use resmgr_sys::{Errno, Result};

/// The list must fit in a slot.
pub(super) const MOST: usize = 56;

/// Bytes of a range in a list: offset and length.
pub(super) const BYTES: usize = 16;

/// Separate ranges, sorted; neighbours are joined.
#[derive(Debug, Default)]
pub(super) struct Ranges(Vec<(usize, usize)>);

impl Ranges {
    /// One range that begins at 0, or none: its end says everything.
    pub(super) fn is_from_start(&self) -> bool {
        matches!(self.0.as_slice(), [] | [(0, _)])
    }

    /// Where the last range ends.
    pub(super) fn end(&self) -> usize {
        self.0.last().map_or(0, |(_, end)| *end)
    }

    /// Adds `len` bytes at `start`.
    ///
    /// # Errors
    /// - `ENOBUFS`: too many separate ranges.
    pub(super) fn add(&mut self, start: usize, len: usize) -> Result<()> {
        if len == 0 {
            return Ok(());
        }
        let end = start.checked_add(len).ok_or(Errno::OVERFLOW)?;
        // All that overlap or touch the new range become one with it.
        let first = self.0.partition_point(|(_, other_end)| *other_end < start);
        let last = self
            .0
            .partition_point(|(other_start, _)| *other_start <= end);
        let touching = self.0.get(first..last).unwrap_or(&[]);
        if touching.is_empty() && self.0.len() >= MOST {
            return Err(Errno::NOBUFS);
        }
        let joined_start = touching
            .first()
            .map_or(start, |(other, _)| start.min(*other));
        let joined_end = touching.last().map_or(end, |(_, other)| end.max(*other));
        self.0
            .splice(first..last.max(first), [(joined_start, joined_end)]);
        Ok(())
    }

    /// As the client reads it: offset and length of each, and how many.
    pub(super) fn encode(&self) -> (Vec<u8>, u32) {
        let words = self
            .0
            .iter()
            .flat_map(|(start, end)| [*start as u64, (*end - *start) as u64]);
        let bytes = words.flat_map(u64::to_ne_bytes).collect();
        (bytes, u32::try_from(self.0.len()).unwrap_or(0))
    }
}

#[cfg(test)]
mod tests {
    use super::{MOST, Ranges};
    use resmgr_sys::Errno;

    #[test]
    fn ranges_join_when_they_touch() {
        let mut ranges = Ranges::default();
        ranges.add(10, 5).unwrap();
        ranges.add(0, 5).unwrap();
        ranges.add(20, 5).unwrap();
        assert_eq!(ranges.0, [(0, 5), (10, 15), (20, 25)]);
        ranges.add(5, 5).unwrap();
        assert_eq!(ranges.0, [(0, 15), (20, 25)]);
        assert!(!ranges.is_from_start());
        ranges.add(3, 30).unwrap();
        assert_eq!(ranges.0, [(0, 33)]);
        assert!(ranges.is_from_start());
    }

    #[test]
    fn too_many_pieces_are_refused() {
        let mut ranges = Ranges::default();
        for piece in 0..MOST {
            ranges.add(piece * 10, 1).unwrap();
        }
        assert_eq!(ranges.add(5, 1), Err(Errno::NOBUFS));
        ranges.add(0, 1000).unwrap();
    }
}
