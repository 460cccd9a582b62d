//! Bytes as a script: what happens next, and with which numbers.

/// What is left of the script.
#[derive(Debug)]
pub(crate) struct Script<'a>(&'a [u8]);

impl<'a> Script<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// The next step; `None` at the end.
    pub(crate) fn step(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    /// A byte; 0 behind the end.
    pub(crate) fn byte(&mut self) -> u8 {
        self.step().unwrap_or(0)
    }

    /// A word; zeros behind the end.
    pub(crate) fn word(&mut self) -> u32 {
        u32::from_le_bytes([self.byte(), self.byte(), self.byte(), self.byte()])
    }

    /// A number below `limit`, in as few bytes as it needs.
    pub(crate) fn below(&mut self, limit: usize) -> usize {
        let number = if limit <= 256 {
            usize::from(self.byte())
        } else {
            usize::from(self.byte()) << 8 | usize::from(self.byte())
        };
        number % limit
    }

    /// Lengths and offsets: small ones, those at some limit, and any.
    pub(crate) fn size(&mut self, limit: u64) -> u64 {
        let small = |script: &mut Self| u64::from(script.byte());
        match self.byte() % 8 {
            0 | 1 => small(self),
            2 => u64::from(self.word() & 0x3_ffff),
            3 => limit.wrapping_add(small(self)),
            4 => limit.wrapping_sub(small(self)),
            5 => u64::MAX.wrapping_sub(small(self)),
            6 => u64::from(self.word()),
            _ => u64::from(self.word()) << 32 | u64::from(self.word()),
        }
    }

    /// Some bytes, up to `most`.
    pub(crate) fn bytes(&mut self, most: usize) -> &'a [u8] {
        let len = self.below(most + 1).min(self.0.len());
        let (bytes, rest) = self.0.split_at(len);
        self.0 = rest;
        bytes
    }

    /// All that is left.
    pub(crate) fn rest(&mut self) -> &'a [u8] {
        std::mem::take(&mut self.0)
    }
}
