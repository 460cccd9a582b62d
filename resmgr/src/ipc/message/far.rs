//! Messages that lie in the client's own memory.

use super::Message;
use crate::ipc::link::{self, Breach};
use resmgr_sys::vm::Far;
use resmgr_sys::{Errno, Result};

impl Message {
    /// Whether the message lies in the client's own memory.
    #[inline]
    pub(in crate::ipc) fn is_far(&self) -> bool {
        self.fields.at == link::DIRECT
    }

    /// Finds out where a message lies that is in the client's own memory, and whether it can be read.
    pub(in crate::ipc) fn find_far(&mut self) -> Result<Result<()>, Breach> {
        let pieces = self.link.far_pieces(self.slot, self.fields.len)?;
        let probed = self.link.read_far(&pieces, 0, &mut [0]);
        self.far = Some(pieces);
        Ok(probed)
    }

    #[cold]
    pub(super) fn copy_far(&self, far: &[Far], buffer: &mut [u8], offset: usize) -> Result<usize> {
        if !buffer.is_empty() {
            self.link.read_far(far, offset, buffer)?;
        }
        // A client that gave up meanwhile may have used its memory for something else.
        if self.is_waiting() {
            Ok(buffer.len())
        } else {
            Err(Errno::SRCH)
        }
    }
}
