//! Messages that a server reads where they lie in the client's own memory, with process_vm_readv.
//!
//! One copy instead of two, for long messages between processes that both asked for it. Both have to, because
//! a page of the client may be backed by something that answers late or never (a hung file system, a
//! userfaultfd), and the server's thread waits for it. The slot holds the list of the message's pieces.
//!
//! Replies never go this way: a server that still wrote into the client's memory after the client had given
//! up would write into whatever lies there then.

use super::headers::RequestFields;
use super::layout::{self, INLINE};
use super::server::Breach;
use super::{ClientLink, ServerLink};
use crate::ipc::link::staging::Staged;
use crate::ipc::{SendError, SendOptions};
use resmgr_sys::vm::{self, Far};
use resmgr_sys::{Errno, Result};
use std::io::IoSlice;
use std::sync::atomic::Ordering;

/// Shorter messages are staged: two copies through warm memory are faster up to about here (a system call
/// with its page walk costs 1.2 µs and then moves some 9 GB/s; 64 KiB, Xeon, 2026-11-22).
const FROM: usize = 64 << 10;
/// Bytes of a piece in the list: address and length.
const PIECE: usize = 16;
/// Pieces that fit into a slot.
const MOST: usize = INLINE / PIECE;

impl ClientLink {
    /// Whether this message goes directly: both sides asked for it, it is long enough, and the kernel has not
    /// forbidden it to the server before.
    #[inline]
    pub(super) fn goes_direct(&self, parts: &[IoSlice<'_>], options: &SendOptions<'_>) -> bool {
        options.direct
            && self.far.direct
            && self.direct.load(Ordering::Relaxed)
            && parts.len() <= MOST
            && parts.iter().map(|part| part.len()).sum::<usize>() >= FROM
    }
}

impl Staged<'_> {
    /// Lists the message's pieces in the slot.
    pub(super) fn fill_directly(
        &mut self,
        parts: &[IoSlice<'_>],
        mut fields: RequestFields,
    ) -> Result<(), SendError> {
        let mut list = Vec::with_capacity(parts.len() * PIECE);
        for part in parts.iter().filter(|part| !part.is_empty()) {
            let far = Far::of(part);
            list.extend_from_slice(&far.address.to_ne_bytes());
            list.extend_from_slice(&(far.len as u64).to_ne_bytes());
            fields.len += far.len as u64;
        }
        fields.at = layout::DIRECT;
        let client = &self.link.memory.client;
        client
            .write(layout::slot_data(self.slot), &list)
            .map_err(SendError::Unsent)?;
        self.submit(fields);
        Ok(())
    }
}

impl ServerLink {
    /// A private copy of the list of pieces in a slot; together they are as long as the message is said to be.
    pub(crate) fn far_pieces(&self, slot: u16, len: u64) -> Result<Box<[Far]>, Breach> {
        const NONSENSE: Breach = Breach("a list of pieces that is none");
        let mut list = [0; MOST * PIECE];
        let read = self.memory.client.read(layout::slot_data(slot), &mut list);
        read.map_err(|_| NONSENSE)?;
        let mut left = usize::try_from(len).map_err(|_| NONSENSE)?;
        let mut pieces = Vec::new();
        for entry in list.chunks_exact(PIECE) {
            if left == 0 {
                break;
            }
            let (address, len) = entry.split_at(8);
            let word = |bytes: &[u8]| {
                bytes
                    .first_chunk()
                    .map_or(0, |word| u64::from_ne_bytes(*word))
            };
            let len = usize::try_from(word(len)).map_err(|_| NONSENSE)?;
            left = left.checked_sub(len).ok_or(NONSENSE)?;
            pieces.push(Far {
                address: word(address),
                len,
            });
        }
        (left == 0).then(|| pieces.into()).ok_or(NONSENSE)
    }

    /// Copies from the client's memory, `offset` bytes into the message.
    ///
    /// The number of the client's process is only as good as the process: so the copy counts only if the client
    /// is alive *after* it, and still waits. Then it was the client's memory, and nobody else's, all the time.
    ///
    /// # Errors
    /// - `EPERM`: the kernel does not let this process read the client's memory.
    /// - `EFAULT`: the client has nothing mapped there.
    /// - `ESRCH`: the client waits no more.
    pub(crate) fn read_far(
        &self,
        pieces: &[Far],
        mut offset: usize,
        buffer: &mut [u8],
    ) -> Result<()> {
        // Not a byte more than is wanted: the kernel pins all the pages that it is told of before it copies.
        let mut wanted = Vec::with_capacity(pieces.len());
        let mut left = buffer.len();
        for piece in pieces {
            let skipped = offset.min(piece.len);
            offset -= skipped;
            let len = left.min(piece.len - skipped);
            left -= len;
            if len > 0 {
                wanted.push(Far {
                    address: piece.address.wrapping_add(skipped as u64),
                    len,
                });
            }
        }
        let copied = vm::read(self.peer.pid, &wanted, buffer)?;
        let alive = self
            .direct
            .as_ref()
            .is_some_and(resmgr_sys::pidfd::PidFd::is_alive);
        if !alive {
            return Err(Errno::SRCH);
        }
        if copied < buffer.len() {
            return Err(Errno::FAULT);
        }
        Ok(())
    }
}
