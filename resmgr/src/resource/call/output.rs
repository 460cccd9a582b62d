//! [`Output`]: memory for what goes back.

use super::super::check::counted;
use crate::{Errno, Result};

/// What goes back to a client, in memory that serves for call after call.
///
/// The memory that a handler fills is not zeroed for each call: that took 7 % of a server's time at 256 KiB
/// a read. It holds what earlier calls left there, perhaps for other clients; so no more of it goes back
/// than the handler says it has filled, and a handler that says more than it was given sends nothing.
#[derive(Debug, Default)]
pub(crate) struct Output {
    /// For handlers to fill; only grows.
    data: Vec<u8>,
}

impl Output {
    /// Has `fill` write into `room` bytes; returns those that it says it has filled.
    ///
    /// # Errors
    /// - `EIO`: it says that they are more than `room`.
    /// - others: `fill`'s own.
    pub(crate) fn fill(
        &mut self,
        room: usize,
        fill: impl FnOnce(&mut [u8]) -> Result<usize>,
    ) -> Result<&[u8]> {
        if self.data.len() < room {
            self.data.resize(room, 0);
        }
        let given = self.data.get_mut(..room).ok_or(Errno::IO)?;
        let filled = counted(fill(given)?, room)?;
        self.data.get(..filled).ok_or(Errno::IO)
    }
}

#[cfg(test)]
mod tests {
    use super::Output;
    use crate::Errno;

    #[test]
    fn no_byte_of_an_earlier_answer_goes_back() {
        let mut output = Output::default();
        let fill = |byte, count| {
            move |room: &mut [u8]| {
                room.fill(byte);
                Ok(count)
            }
        };
        assert_eq!(output.fill(100, fill(7, 100)).map(<[u8]>::len), Ok(100));
        // It says that it has filled two of ten bytes.
        assert_eq!(output.fill(10, fill(1, 2)), Ok(&[1, 1][..]));
        assert_eq!(output.fill(10, fill(2, 11)), Err(Errno::IO));
        assert_eq!(output.fill(10, |_| Err(Errno::AGAIN)), Err(Errno::AGAIN));
    }
}
