//! [`Buffer`]: room for what an asynchronous read brings.

use crate::{Errno, Result};
use std::fmt;
use std::ops::{Deref, DerefMut};
use std::sync::OnceLock;

/// Where an asynchronous read puts its bytes: a slice of as many bytes as the client asks for, whose memory is taken
/// when it is first used. So a read that waits before it touches the buffer holds none, however long it is.
///
/// It is zeros at first.
///
/// ```
/// use resmgr::prelude::*;
///
/// let mut buffer = Buffer::new(64);
/// assert_eq!(At::new(6).copy(b"Hello, world!", &mut buffer), Ok(7));
/// assert_eq!(&buffer[..7], b" world!");
/// ```
pub struct Buffer {
    room: usize,
    data: OnceLock<Box<[u8]>>,
}

impl Buffer {
    /// Room for so many bytes: for tests of a handler.
    pub fn new(room: usize) -> Self {
        Self {
            room,
            data: OnceLock::new(),
        }
    }

    /// How many bytes it has room for. Asking takes no memory.
    pub fn len(&self) -> usize {
        self.room
    }

    /// Whether it has room for none.
    pub fn is_empty(&self) -> bool {
        self.room == 0
    }

    /// The first `count` bytes.
    ///
    /// # Errors
    /// - `EIO`: there are not so many.
    pub(crate) fn filled(&self, count: usize) -> Result<&[u8]> {
        if count == 0 {
            return Ok(&[]);
        }
        self.get(..count).ok_or(Errno::IO)
    }
}

/// The memory of a buffer of so many bytes. Whoever bounds what a client's waiting reads hold, does it here.
fn memory(room: usize) -> Box<[u8]> {
    vec![0; room].into_boxed_slice()
}

impl Deref for Buffer {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.data.get_or_init(|| memory(self.room))
    }
}

impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut [u8] {
        self.data.get_or_init(|| memory(self.room));
        self.data.get_mut().map_or(&mut [], |data| data)
    }
}

impl fmt::Debug for Buffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Buffer")
            .field("room", &self.room)
            .field("has_memory", &self.data.get().is_some())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::Buffer;
    use crate::Errno;

    #[test]
    fn a_buffer_takes_memory_when_it_is_used() {
        let mut buffer = Buffer::new(10);
        assert_eq!((buffer.len(), buffer.is_empty()), (10, false));
        assert_eq!(buffer.filled(0), Ok(&[][..]));
        assert!(buffer.data.get().is_none());
        buffer[..2].copy_from_slice(b"ab");
        assert!(buffer.data.get().is_some());
        assert_eq!(buffer.filled(3), Ok(&b"ab\0"[..]));
        assert_eq!(buffer.filled(11), Err(Errno::IO));
    }
}
