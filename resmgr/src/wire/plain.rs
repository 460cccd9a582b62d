//! [`Plain`]: values that travel as their bytes.

/// A value that has one fixed form as bytes: the integers, floats, arrays of them, and the structures that
/// [`plain_struct!`](crate::plain_struct) makes of them. It is what the data of a device command can be read as.
pub trait Plain: Sized {
    /// How many bytes.
    const SIZE: usize = size_of::<Self>();
    /// Inside a structure it begins at a multiple of this.
    const ALIGN: usize = align_of::<Self>();
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

macro_rules! plain_arrays {
    ($($number:ty),*) => {$(
        impl<const N: usize> Plain for [$number; N] {
            fn from_bytes(bytes: &[u8]) -> Option<Self> {
                if bytes.len() != Self::SIZE {
                    return None;
                }
                let mut array = [<$number>::default(); N];
                let numbers = bytes.chunks_exact(size_of::<$number>());
                for (to, from) in array.iter_mut().zip(numbers) {
                    *to = <$number>::from_bytes(from)?;
                }
                Some(array)
            }
            fn with_bytes<R>(&self, take: impl FnOnce(&[u8]) -> R) -> R {
                let mut bytes = Vec::with_capacity(Self::SIZE);
                for number in self {
                    bytes.extend_from_slice(&number.to_ne_bytes());
                }
                take(&bytes)
            }
        }
    )*};
}
plain_arrays!(i8, u16, i16, u32, i32, u64, i64, u128, i128, f32, f64);

/// Bytes need no memory for their form.
impl<const N: usize> Plain for [u8; N] {
    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok()
    }
    fn with_bytes<R>(&self, take: impl FnOnce(&[u8]) -> R) -> R {
        take(self)
    }
}

/// No bytes at all.
impl Plain for () {
    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        bytes.is_empty().then_some(())
    }
    fn with_bytes<R>(&self, take: impl FnOnce(&[u8]) -> R) -> R {
        take(&[])
    }
}

/// The next multiple of `align`.
#[must_use]
pub const fn next(at: usize, align: usize) -> usize {
    at.next_multiple_of(if align == 0 { 1 } else { align })
}

/// The greater one.
#[must_use]
pub const fn greater(one: usize, other: usize) -> usize {
    if one > other { one } else { other }
}

/// Takes the field that begins at the next place for it.
#[must_use]
pub fn take<T: Plain>(bytes: &[u8], at: &mut usize) -> Option<T> {
    let start = next(*at, T::ALIGN);
    *at = start.checked_add(T::SIZE)?;
    T::from_bytes(bytes.get(start..*at)?)
}

/// Puts a field to the next place for it.
pub fn put<T: Plain>(field: &T, bytes: &mut [u8], at: &mut usize) {
    let start = next(*at, T::ALIGN);
    *at = start + T::SIZE;
    if let Some(room) = bytes.get_mut(start..*at) {
        field.with_bytes(|from| room.copy_from_slice(from));
    }
}

/// Defines structures whose bytes are those of the same structure in C on this machine: fields in their order,
/// each at the next multiple of its alignment, and the whole a multiple of the greatest one. Bytes between
/// fields are 0 when written, and not looked at when read. A field is anything [`Plain`], also such a structure.
///
/// ```
/// use resmgr::wire::Plain;
///
/// resmgr::plain_struct! {
///     /// What a sensor says.
///     #[derive(Clone, Copy, Debug, PartialEq)]
///     pub struct Reading {
///         /// In degrees.
///         pub temperature: f32,
///         /// In nanoseconds since 1970.
///         pub at: u64,
///     }
/// }
///
/// assert_eq!(Reading::SIZE, 16);
/// let reading = Reading { temperature: 20.5, at: 7 };
/// assert_eq!(reading.with_bytes(Reading::from_bytes), Some(reading));
/// ```
#[macro_export]
macro_rules! plain_struct {
    ($(
        $(#[$meta:meta])* $visible:vis struct $name:ident {
            $($(#[$field_meta:meta])* $field_visible:vis $field:ident: $type:ty),+ $(,)?
        }
    )+) => {$(
        $(#[$meta])* $visible struct $name {
            $($(#[$field_meta])* $field_visible $field: $type),+
        }

        impl $crate::wire::Plain for $name {
            const ALIGN: usize = {
                let mut align = 1;
                $(align = $crate::wire::plain::greater(align, <$type as $crate::wire::Plain>::ALIGN);)+
                align
            };
            const SIZE: usize = {
                let mut at = 0;
                $(
                    at = $crate::wire::plain::next(at, <$type as $crate::wire::Plain>::ALIGN)
                        + <$type as $crate::wire::Plain>::SIZE;
                )+
                $crate::wire::plain::next(at, <Self as $crate::wire::Plain>::ALIGN)
            };

            fn from_bytes(bytes: &[u8]) -> Option<Self> {
                if bytes.len() != <Self as $crate::wire::Plain>::SIZE {
                    return None;
                }
                let mut at = 0;
                Some(Self {
                    $($field: $crate::wire::plain::take(bytes, &mut at)?),+
                })
            }

            fn with_bytes<R>(&self, take: impl FnOnce(&[u8]) -> R) -> R {
                let (mut bytes, mut at) = ([0_u8; <$name as $crate::wire::Plain>::SIZE], 0);
                $($crate::wire::plain::put(&self.$field, &mut bytes, &mut at);)+
                let _ = at;
                take(&bytes)
            }
        }
    )+};
}

#[cfg(test)]
mod tests {
    use super::Plain;

    plain_struct! {
        #[derive(Clone, Copy, Debug, PartialEq)]
        struct Inner {
            flag: u8,
            wide: u16,
        }

        #[derive(Clone, Copy, Debug, PartialEq)]
        struct Outer {
            name: [u8; 3],
            inner: Inner,
            value: i64,
            last: u8,
        }
    }

    #[test]
    fn an_array_has_its_numbers_one_behind_the_other() {
        let array = [1_u16, 2, 0xFFFF];
        let bytes = array.with_bytes(<[u8]>::to_vec);
        assert_eq!(bytes, [1_u16, 2, 0xFFFF].map(u16::to_ne_bytes).concat());
        assert_eq!(<[u16; 3]>::from_bytes(&bytes), Some(array));
        assert_eq!(<[u16; 2]>::from_bytes(&bytes), None);
        assert_eq!(<[f64; 2]>::SIZE, 16);
    }

    #[test]
    fn a_structure_has_the_layout_of_c() {
        let inner = Inner {
            flag: 1,
            wide: 0x0302,
        };
        let outer = Outer {
            name: *b"abc",
            inner,
            value: -2,
            last: 9,
        };
        assert_eq!((Inner::SIZE, Inner::ALIGN), (4, 2));
        assert_eq!((Outer::SIZE, Outer::ALIGN), (24, 8));
        let bytes = outer.with_bytes(<[u8]>::to_vec);
        assert_eq!(&bytes[..8], b"abc\0\x01\0\x02\x03");
        assert_eq!((bytes[16], &bytes[17..]), (9, &[0; 7][..]));
        assert_eq!(Outer::from_bytes(&bytes), Some(outer));
        assert_eq!(Outer::from_bytes(&bytes[1..]), None);
        assert_eq!(Outer::from_bytes(&[&bytes[..], b"x"].concat()), None);
    }
}
