//! Bytes that lie in a link's memory, where the other process may change them at any moment.

use resmgr_sys::memory::Region;
use resmgr_sys::{Errno, Result};
use std::sync::atomic::{AtomicU64, Ordering};

/// How much [`SharedBytes::pieces`] hands over at a time: it stays in the first-level cache.
const PIECE: usize = 8192;

/// Bytes of a message or of a reply, read where they lie.
///
/// They are shared with the process that wrote them: **each look may find something else.** So nothing here
/// lends them as a slice. Whatever decides anything (a length, an index, a name) has to be copied out first
/// and checked on the copy.
#[derive(Clone, Copy, Debug)]
pub struct SharedBytes<'a> {
    region: &'a Region,
    at: usize,
    len: usize,
}

impl<'a> SharedBytes<'a> {
    /// The caller has checked that the place lies inside the region.
    pub(super) fn new(region: &'a Region, at: usize, len: usize) -> Self {
        Self { region, at, len }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Copies from `offset` on into private memory; returns the count, 0 at the end.
    pub fn read(&self, offset: usize, to: &mut [u8]) -> usize {
        let len = to.len().min(self.len.saturating_sub(offset));
        match self
            .region
            .read(self.at + offset.min(self.len), &mut to[..len])
        {
            Ok(()) => len,
            Err(_) => 0,
        }
    }

    /// The whole 64-bit words, in the machine's order, each read once; up to seven bytes at the end are left.
    /// None of a message that its client has put at an odd place, which no client of this project does.
    pub fn words(&self) -> impl Iterator<Item = u64> + use<'a> {
        let words = self.region.words(self.at, self.len / 8).unwrap_or(&[]);
        words.iter().map(|word| word.load(Ordering::Relaxed))
    }

    /// Hands over all bytes once, in pieces that were copied to memory which stays in the nearest cache: about
    /// as fast as reading them in place, and safe to look at twice.
    pub fn pieces(&self, mut each: impl FnMut(&[u8])) {
        let mut piece = [0; PIECE];
        let mut offset = 0;
        while offset < self.len {
            let len = self.read(offset, &mut piece);
            if len == 0 {
                return;
            }
            each(&piece[..len]);
            offset += len;
        }
    }
}

/// Bytes of a message or of a reply, written where the other side will read them.
#[derive(Debug)]
pub struct SharedBytesMut<'a> {
    region: &'a Region,
    at: usize,
    len: usize,
}

impl<'a> SharedBytesMut<'a> {
    pub(super) fn new(region: &'a Region, at: usize, len: usize) -> Self {
        Self { region, at, len }
    }

    /// The same bytes to read.
    pub fn as_shared(&self) -> SharedBytes<'_> {
        SharedBytes::new(self.region, self.at, self.len)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Copies `from` to `offset`.
    ///
    /// # Errors
    /// - `EMSGSIZE`: it does not fit; nothing was written.
    pub fn write(&mut self, offset: usize, from: &[u8]) -> Result<()> {
        let end = offset.checked_add(from.len()).ok_or(Errno::MSGSIZE)?;
        if end > self.len {
            return Err(Errno::MSGSIZE);
        }
        self.region.write(self.at + offset, from)
    }

    /// Writes 64-bit words from the start on, as many as there are and fit; returns how many. None fits where the
    /// bytes begin at an odd place ([`Message::reply_in_place`](super::Message::reply_in_place) at an offset that is
    /// no multiple of 8).
    pub fn set_words(&mut self, words: impl IntoIterator<Item = u64>) -> usize {
        let places: &[AtomicU64] = self.region.words(self.at, self.len / 8).unwrap_or(&[]);
        let mut count = 0;
        for (place, word) in places.iter().zip(words) {
            place.store(word, Ordering::Relaxed);
            count += 1;
        }
        count
    }
}

#[cfg(test)]
mod tests {
    use super::{SharedBytes, SharedBytesMut};
    use resmgr_sys::Errno;
    use resmgr_sys::memory::Region;

    #[test]
    fn what_was_written_is_read_and_nothing_outside() {
        let region = Region::anonymous(65_536).unwrap();
        let mut out = SharedBytesMut::new(&region, 4096, 20_001);
        assert_eq!(out.set_words(0..), 2500);
        assert_eq!(out.write(20_000, b"x"), Ok(()));
        assert_eq!(out.write(20_000, b"xy"), Err(Errno::MSGSIZE));
        assert_eq!(out.write(usize::MAX, b"xy"), Err(Errno::MSGSIZE));
        let back = out.as_shared();
        assert!(back.words().eq(0..2500));
        let mut seen = Vec::new();
        back.pieces(|piece| seen.extend_from_slice(piece));
        assert_eq!(seen.len(), 20_001);
        assert_eq!(seen[8..16], 1_u64.to_ne_bytes());
        assert_eq!(seen[20_000], b'x');
        let mut tail = [0; 8];
        assert_eq!(back.read(20_000, &mut tail), 1);
        assert_eq!(back.read(99_999, &mut tail), 0);
        assert_eq!(SharedBytes::new(&region, 0, 0).words().count(), 0);
    }
}
