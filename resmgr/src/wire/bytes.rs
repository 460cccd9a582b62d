//! Fields of a message at fixed places, in the machine's own byte order.
//!
//! Both sides run on one machine, so no byte is ever swapped. A field outside the bytes is `EBADMSG`:
//! what a client sent is an allegation, and its length is the first thing to check.

use crate::{Errno, Result};

/// A number that has a fixed place in a message.
pub(crate) trait Field: Sized {
    /// From exactly its bytes.
    fn decode(bytes: &[u8]) -> Option<Self>;
    /// Appends its bytes.
    fn encode(&self, out: &mut Vec<u8>);
}

macro_rules! fields {
    ($($number:ty),*) => {$(
        impl Field for $number {
            fn decode(bytes: &[u8]) -> Option<Self> {
                Some(Self::from_ne_bytes(bytes.try_into().ok()?))
            }
            fn encode(&self, out: &mut Vec<u8>) {
                out.extend_from_slice(&self.to_ne_bytes());
            }
        }
    )*};
}
fields!(u8, i16, u16, i32, u32, i64, u64);

/// The field that begins at `offset`.
pub(crate) fn get<T: Field>(message: &[u8], offset: usize) -> Result<T> {
    message
        .get(offset..)
        .and_then(|rest| rest.get(..size_of::<T>()))
        .and_then(T::decode)
        .ok_or(Errno::BADMSG)
}

/// Appends fields one after the other.
macro_rules! put {
    ($out:expr; $($value:expr),* $(,)?) => {
        $($crate::wire::bytes::Field::encode(&$value, $out);)*
    };
}
pub(crate) use put;

/// The next multiple of 8: where a part that follows another of `len` bytes begins.
pub(crate) const fn aligned(len: usize) -> usize {
    len.saturating_add(7) & !7
}
