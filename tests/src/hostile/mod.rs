//! Both ends of a link spoken by hand, so that they can be spoken wrongly.
//!
//! The layout is written down here once more, on purpose: what the project's own code says of it cannot be
//! used to lie about it.

// Noise is cut to what fits.
#![allow(clippy::cast_possible_truncation)]

mod client;
pub mod layout;
mod server;

pub use client::{RawClient, is_closed};
pub use server::{Lie, RawServer, Taken};

/// Reproducible noise (xorshift).
#[derive(Clone, Debug)]
pub struct Noise(u64);

impl Noise {
    /// The same seed gives the same bytes.
    pub fn new(seed: u64) -> Self {
        Self(seed | 1)
    }

    /// The next number.
    pub fn number(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// The next bytes.
    pub fn bytes(&mut self, len: usize) -> Vec<u8> {
        (0..len).map(|_| self.number().to_le_bytes()[0]).collect()
    }
}
