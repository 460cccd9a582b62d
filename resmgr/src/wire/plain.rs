//! [`Plain`]: values that travel as their bytes.

/// A value that has one fixed form as bytes: the integers, floats, and arrays of bytes. It is what the
/// data of a device command can be read as.
pub trait Plain: Sized {
    /// How many bytes.
    const SIZE: usize = size_of::<Self>();
    /// From exactly its bytes; `None` when there are more or fewer.
    fn from_bytes(bytes: &[u8]) -> Option<Self>;
    /// Hands its bytes to `take`.
    fn with_bytes<R>(&self, take: impl FnOnce(&[u8]) -> R) -> R;
}

macro_rules! plain {
    ($($number:ty),*) => {$(
        impl Plain for $number {
            fn from_bytes(bytes: &[u8]) -> Option<Self> {
                Some(Self::from_ne_bytes(bytes.try_into().ok()?))
            }
            fn with_bytes<R>(&self, take: impl FnOnce(&[u8]) -> R) -> R {
                take(&self.to_ne_bytes())
            }
        }
    )*};
}
plain!(u8, i8, u16, i16, u32, i32, u64, i64, u128, i128, f32, f64);

impl<const N: usize> Plain for [u8; N] {
    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok()
    }
    fn with_bytes<R>(&self, take: impl FnOnce(&[u8]) -> R) -> R {
        take(self)
    }
}
