//! What a client announces: entries of the ring, pulses, and the wish for a boost.

use super::client::ClientLink;
use super::control::{self, Packet};
use super::headers::{self, PulseFields};
use super::layout::{self, CELLS};
use crate::ipc::priority::ORDINARY;
use crate::ipc::process;
use crate::ipc::protocol::{Entry, EntryKind};
use resmgr_sys::{Errno, Result};
use std::os::fd::AsFd;
use std::sync::PoisonError;
use std::sync::atomic::Ordering;

impl ClientLink {
    /// Publishes a ring entry, and rings if nobody looks.
    #[inline]
    pub(super) fn announce(&self, kind: EntryKind, index: u16) {
        self.memory.ring().push(&self.tail, Entry { kind, index });
        if self.memory.gate().must_ring() {
            self.bell.ring();
        }
    }

    /// How many entries this process has published, as far as this thread knows: its own at least.
    #[inline]
    pub(super) fn announced(&self) -> u16 {
        headers::place_in_ring(self.tail.load(Ordering::Relaxed))
    }

    /// Sends a pulse.
    ///
    /// # Errors
    /// - `EAGAIN`: as many as the link holds, or as the channel's pool allows, are not yet received.
    /// - `ESRCH`, `EBADF`: the server has gone, or the connection.
    pub(crate) fn pulse(&self, fields: PulseFields) -> Result<()> {
        self.check_open()?;
        let mut sent = self.pulses.lock().unwrap_or_else(PoisonError::into_inner);
        let taken = self
            .memory
            .server
            .word(layout::PULSES_TAKEN)
            .load(Ordering::Acquire);
        // 0 on a channel without a pool.
        let share = self
            .memory
            .server
            .word(layout::PULSE_SHARE)
            .load(Ordering::Relaxed);
        let most = if share == 0 { CELLS } else { share.min(CELLS) };
        if sent.wrapping_sub(taken) >= most {
            return Err(Errno::AGAIN);
        }
        let cell = *sent % CELLS;
        self.memory
            .client
            .write(self.memory.layout.cell(cell), &fields.encode())?;
        *sent = sent.wrapping_add(1);
        // Under the lock: the server expects the cells in turn.
        self.announce(EntryKind::Pulse, u16::try_from(cell).unwrap_or(0));
        self.want_boost(fields.priority);
        drop(sent);
        // A pool's books are kept while nobody receives, too: by the server's background thread, which listens
        // for this. If the link rings for its receivers as well, the second ring does no harm.
        if share != 0 {
            self.bell.ring();
        }
        if self.memory.gate().is_closed() {
            Err(Errno::SRCH)
        } else {
            Ok(())
        }
    }

    /// After an announcement: does it wait behind less urgent work?
    #[inline]
    pub(super) fn want_boost(&self, priority: u8) {
        if priority > ORDINARY {
            self.ask_for_boost(priority);
        }
    }

    #[cold]
    fn ask_for_boost(&self, priority: u8) {
        if !self.memory.threshold().must_ask(priority) {
            return;
        }
        match self.remote() {
            // A socket that is full holds such packets enough.
            Some(remote) => {
                let _ = control::send(remote.socket.as_fd(), Packet::Boost, &[]);
            }
            None => {
                if let Some(channel) = process::current().channel(self.far.chid) {
                    channel.asked_to_boost(None);
                }
            }
        }
    }
}
