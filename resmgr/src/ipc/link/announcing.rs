//! What a client announces: entries of the ring, pulses, and the wish for a boost.

use super::LinkMemory;
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

/// What a client knows of the pulses of a link. The server counts those that were received, in a line that its
/// processor has; it is looked at only when by the last look there is no room left.
#[derive(Debug, Default)]
pub(super) struct Pulses {
    sent: u32,
    /// At the last look.
    taken: u32,
    /// How many may be pending; 0 if the channel has no pool. It is what it was when the link was made.
    share: u32,
    known: bool,
}

impl Pulses {
    /// The cell for the next pulse.
    ///
    /// # Errors
    /// - `EAGAIN`: as many are pending as may be.
    #[inline]
    fn next_cell(&mut self, memory: &LinkMemory) -> Result<u32> {
        if !self.known || self.is_full() {
            self.look(memory);
            if self.is_full() {
                return Err(Errno::AGAIN);
            }
        }
        Ok(self.sent % CELLS)
    }

    #[inline]
    fn is_full(&self) -> bool {
        let most = if self.share == 0 { CELLS } else { self.share };
        self.sent.wrapping_sub(self.taken) >= most
    }

    #[cold]
    fn look(&mut self, memory: &LinkMemory) {
        let taken = memory.server.word(layout::PULSES_TAKEN);
        self.taken = taken.load(Ordering::Acquire);
        let share = memory.server.word(layout::PULSE_SHARE);
        self.share = share.load(Ordering::Relaxed).min(CELLS);
        self.known = true;
    }
}

impl ClientLink {
    /// Publishes a ring entry, and rings if nobody looks.
    #[inline(always)]
    #[expect(clippy::inline_always)] // as announce_and_wait of link::calling
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
        let mut pulses = self.pulses.lock().unwrap_or_else(PoisonError::into_inner);
        let cell = pulses.next_cell(&self.memory)?;
        self.memory
            .client
            .write(self.memory.layout.cell(cell), &fields.encode())?;
        pulses.sent = pulses.sent.wrapping_add(1);
        let share = pulses.share;
        // Under the lock: the server expects the cells in turn.
        self.announce(EntryKind::Pulse, u16::try_from(cell).unwrap_or(0));
        self.want_boost(fields.priority);
        drop(pulses);
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
