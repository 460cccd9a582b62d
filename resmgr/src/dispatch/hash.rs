//! A hash for tables whose keys are the framework's own numbers.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hasher, RandomState};

/// A table by such numbers.
pub(super) type Table<K, V> = HashMap<K, V, Numbers>;

/// Makes hashers with a factor that nobody outside knows: clients choose some of the numbers, and must not be able
/// to choose those that collide.
#[derive(Clone, Debug)]
pub(super) struct Numbers(u64);

impl Default for Numbers {
    fn default() -> Self {
        // Odd, so that no bit of a number is lost.
        Self(RandomState::new().hash_one(0_u64) | 1)
    }
}

impl BuildHasher for Numbers {
    type Hasher = NumberHasher;

    fn build_hasher(&self) -> NumberHasher {
        NumberHasher {
            factor: self.0,
            hash: self.0,
        }
    }
}

/// Two multiplications for each number: after the first alone, some factors leave numbers that differ in a few high
/// bits in few places.
#[derive(Debug)]
pub(super) struct NumberHasher {
    factor: u64,
    hash: u64,
}

/// The golden ratio: its bits are in no order.
const MIX: u64 = 0x9E37_79B9_7F4A_7C15;

/// Both halves of a product, on each other.
#[expect(
    clippy::cast_possible_truncation,
    reason = "both halves of the product are used"
)]
fn folded(one: u64, other: u64) -> u64 {
    let product = u128::from(one) * u128::from(other);
    product as u64 ^ (product >> 64) as u64
}

impl Hasher for NumberHasher {
    fn write_u64(&mut self, number: u64) {
        let first = folded(self.hash ^ number, self.factor);
        self.hash = folded(first ^ self.factor, MIX);
    }

    fn write_u32(&mut self, number: u32) {
        self.write_u64(number.into());
    }

    fn write_i32(&mut self, number: i32) {
        self.write_u32(number.cast_unsigned());
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u64((*byte).into());
        }
    }

    fn finish(&self) -> u64 {
        self.hash
    }
}

#[cfg(test)]
mod tests {
    use super::{Numbers, Table};
    use std::collections::HashSet;
    use std::hash::BuildHasher;

    #[test]
    fn numbers_are_spread_and_each_table_has_its_own_spread() {
        // Whatever the factor is.
        for _ in 0..1000 {
            spreads(&Numbers::default());
        }
        let (one, two) = (Numbers::default(), Numbers::default());
        assert_ne!(one.hash_one(7_u32), two.hash_one(7_u32));
    }

    fn spreads(one: &Numbers) {
        for step in [1, 1 << 12, 1 << 24] {
            let numbers = (0..1000_u32).map(|number| number.wrapping_mul(step));
            let distinct: HashSet<u32> = numbers.clone().collect();
            let low: HashSet<u64> = numbers.map(|number| one.hash_one(number) % 4096).collect();
            assert!(low.len() * 10 > distinct.len() * 7, "{step}: {}", low.len());
        }
    }

    #[test]
    fn a_table_finds_what_was_put_in() {
        let mut table = Table::default();
        table.extend((0..10_000_u32).map(|number| (number, number + 1)));
        assert!((0..10_000).all(|number| table.get(&number) == Some(&(number + 1))));
    }
}
