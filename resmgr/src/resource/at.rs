//! [`At`]: where a call is in the file, and whose it is.

use crate::Result;
use crate::ipc::Credentials;
use crate::wire::OpenFlags;

/// What a handler may know of a call beside its data.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct At {
    /// Byte offset of the read or write. For other calls, the position of the open file.
    pub offset: u64,
    /// The caller: process, effective user and group. Checked; a mount's calls bear the ids of the
    /// program behind them.
    pub client: Credentials,
    /// How the file was opened.
    pub flags: OpenFlags,
    /// Whether a handler that would have to wait must fail with `EAGAIN`.
    pub nonblock: bool,
}

impl At {
    /// A call at `offset` by nobody in particular: for tests of a handler.
    pub fn new(offset: u64) -> Self {
        let client = Credentials {
            pid: 0,
            uid: 0,
            gid: 0,
        };
        let flags = OpenFlags::READ | OpenFlags::WRITE;
        Self {
            offset,
            client,
            flags,
            nonblock: false,
        }
    }

    /// Copies what `source` holds from the offset on into `buffer`; 0 at or past its end.
    pub fn copy(&self, source: &[u8], buffer: &mut [u8]) -> Result<usize> {
        let start = usize::try_from(self.offset).unwrap_or(usize::MAX);
        let rest = source.get(start..).unwrap_or(&[]);
        let len = rest.len().min(buffer.len());
        if let (Some(to), Some(from)) = (buffer.get_mut(..len), rest.get(..len)) {
            to.copy_from_slice(from);
        }
        Ok(len)
    }
}

#[cfg(test)]
mod tests {
    use super::At;

    #[test]
    fn copy_ends_where_the_source_ends() {
        let mut buffer = [0; 4];
        for (offset, expected) in [(0, &b"hell"[..]), (3, b"lo"), (5, b""), (u64::MAX, b"")] {
            let len = At::new(offset).copy(b"hello", &mut buffer).unwrap();
            assert_eq!(&buffer[..len], expected, "from {offset}");
        }
    }
}
