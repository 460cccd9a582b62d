//! Messages that lie in the client's own memory.

use super::Message;
use crate::ipc::link::{self, Breach};
use resmgr_sys::vm::Far;
use resmgr_sys::{Errno, Result};
use std::io::IoSliceMut;

impl Message {
    /// Whether the message lies in the client's own memory.
    #[inline]
    pub(in crate::ipc) fn is_far(&self) -> bool {
        self.fields.at == link::DIRECT
    }

    /// Finds out where a message lies that is in the client's own memory, and receives it: so it turns out whether
    /// it can be read. Who has no room for any of it tries with one byte.
    pub(in crate::ipc) fn receive_far(
        &mut self,
        parts: &mut [IoSliceMut<'_>],
    ) -> Result<Result<()>, Breach> {
        self.far = Some(self.link.far_pieces(self.slot, self.fields.len)?);
        if parts.iter().all(|part| part.is_empty()) {
            return Ok(self.copy(&mut [0], 0).map(drop));
        }
        Ok(self.receive(parts))
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
