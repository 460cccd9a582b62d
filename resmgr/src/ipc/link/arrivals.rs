//! What a client has announced: read from its ring and its slots, and checked.

use super::headers::{self, PulseFields, RequestFields};
use super::layout::{self, CELLS};
use super::server::{Breach, ServerLink};
use crate::ipc::Rcvid;
use crate::ipc::protocol::EntryKind;
use std::sync::atomic::Ordering;

/// Ring entries that may be missing of calls that were seen before them: so many calls are taken without a
/// look at the ring.
const MOST_OWED: u32 = layout::MOST_OWED;

/// The same when the ring was found empty. A client publishes each entry before it waits for the answer, so
/// only the entry of its present call can be missing, and one that was not visible yet at the look.
const MOST_OWED_TO_AN_EMPTY_RING: u32 = 1;

/// What a client announced next.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Arrival {
    /// A call, checked: its message lies where its fields say.
    Call {
        slot: u16,
        number: u32,
        fields: RequestFields,
        source: usize,
    },
    /// A pulse.
    Pulse(PulseFields),
    /// The client of this call, which has this priority, wants to be let go.
    Unblock { call: Rcvid, priority: u8 },
    /// Something that has become meaningless.
    Nothing,
}

impl ServerLink {
    /// Whether the slot that spoke last has spoken again: a look that needs no lock, and no line but the one
    /// that the client writes last.
    #[inline]
    pub(crate) fn has_spoken(&self) -> bool {
        self.early_call().is_some()
    }

    /// A call in the slot that spoke last, whose ring entry has not come yet. Only while the ring is empty, so
    /// no other announcement is overtaken.
    #[inline]
    fn early_call(&self) -> Option<(u16, u32)> {
        let (slot, last) = self.latest();
        self.memory
            .answerer(slot)
            .announced_early(last)
            .map(|number| (slot, number))
    }

    #[inline]
    fn latest(&self) -> (u16, u32) {
        let latest = self.latest.load(Ordering::Relaxed);
        let number = u32::try_from(latest & u64::from(u32::MAX)).unwrap_or(0);
        (u16::try_from(latest >> 32).unwrap_or(0), number)
    }

    /// The next announcement of the client. The caller holds the channel's lock.
    #[inline]
    pub(crate) fn next_arrival(&self) -> Result<Option<Arrival>, Breach> {
        let head = self.head.load(Ordering::Relaxed);
        let entry = match self.memory.ring().peek(head) {
            Ok(Some(entry)) => entry,
            Ok(None) => return self.next_early(),
            Err(()) => return Err(Breach("a ring entry of no kind")),
        };
        self.head.store(head.wrapping_add(1), Ordering::Relaxed);
        match entry.kind {
            EntryKind::Call if entry.index >= self.memory.layout.calls => {
                Err(Breach("a call in no slot"))
            }
            EntryKind::Call if self.phases.was_early(entry.index) => {
                let owed = self.owed.load(Ordering::Relaxed);
                self.owed.store(owed.saturating_sub(1), Ordering::Relaxed);
                Ok(Arrival::Nothing)
            }
            EntryKind::Call => self.announced_call(entry.index),
            EntryKind::Pulse => self.announced_pulse(u32::from(entry.index)),
            EntryKind::Unblock => self.announced_unblock(entry.index),
        }
        .map(Some)
    }

    /// A call of the slot that spoke last, ahead of its ring entry. The caller has found the ring empty.
    fn next_early(&self) -> Result<Option<Arrival>, Breach> {
        if self.phases.owed(self.latest().0) > MOST_OWED_TO_AN_EMPTY_RING {
            return Err(Breach("calls that are never announced"));
        }
        self.next_unannounced()
    }

    /// The same without a look at the ring, as often as that may be put off: the ring's line stays with the
    /// client's processor for several calls, and neither side waits for it.
    ///
    /// A client's announcements come out as they were made. So the call is taken only if its sender knew of no
    /// ring entry but those that were read here, and those of calls that were taken early like this one.
    #[inline(always)]
    #[expect(clippy::inline_always)] // else it is out of line in a large crate, with `arrived`: 36 instructions of 1100
    pub(crate) fn next_unannounced(&self) -> Result<Option<Arrival>, Breach> {
        let Some((slot, number)) = self.early_call() else {
            return Ok(None);
        };
        self.memory.client.prefetch(layout::slot_data(slot));
        let owed = self.owed.load(Ordering::Relaxed);
        let expected = self.head.load(Ordering::Relaxed).wrapping_add(owed);
        let announced = RequestFields::announced(&self.memory.request(slot).get());
        if owed >= MOST_OWED || announced != headers::place_in_ring(expected) {
            return Ok(None);
        }
        self.owed.store(owed + 1, Ordering::Relaxed);
        self.phases.note_early(slot);
        self.arrived(slot, number).map(Some)
    }

    fn announced_call(&self, slot: u16) -> Result<Arrival, Breach> {
        // The client's processor has both lines; between the first look at them and the second stands at
        // least one fence, so without this they would come one after the other.
        self.memory.client.prefetch(layout::slot(slot));
        self.memory.client.prefetch(layout::slot_data(slot));
        let number = self.memory.answerer(slot).announced();
        self.arrived(slot, number.ok_or(Breach("a slot without a call"))?)
    }

    /// Copies what goes with a call, and checks the copy.
    #[inline(always)]
    #[expect(clippy::inline_always)] // as above
    fn arrived(&self, slot: u16, number: u32) -> Result<Arrival, Breach> {
        let mut fields = RequestFields::decode(self.memory.request(slot).get());
        let source = match self
            .memory
            .layout
            .checked_place(slot, fields.at, fields.len)
        {
            Some(source) => source,
            None if fields.at == layout::DIRECT && self.direct.is_some() => layout::slot_data(slot),
            None => return Err(Breach("a message outside the link")),
        };
        fields.priority = self.permitted_priority(fields.priority);
        if !self.phases.hold(slot, fields.priority) {
            return Err(Breach("a second call in a slot"));
        }
        let due = self.unblocks_due.load(Ordering::Relaxed);
        self.unblocks_due
            .store(due.saturating_add(1), Ordering::Relaxed);
        self.latest
            .store(u64::from(slot) << 32 | u64::from(number), Ordering::Relaxed);
        Ok(Arrival::Call {
            slot,
            number,
            fields,
            source,
        })
    }

    fn announced_pulse(&self, cell: u32) -> Result<Arrival, Breach> {
        let seen = self.pulses_seen.load(Ordering::Relaxed);
        let waiting = seen.wrapping_sub(self.pulses_taken.load(Ordering::Acquire));
        let most = self.pulses_most.load(Ordering::Relaxed);
        if cell != seen % CELLS || waiting >= most {
            return Err(Breach("a pulse out of turn"));
        }
        let mut bytes = [0; PulseFields::BYTES];
        let read = self
            .memory
            .client
            .read(self.memory.layout.cell(cell), &mut bytes);
        read.map_err(|_| Breach("a pulse outside the link"))?;
        self.pulses_seen
            .store(seen.wrapping_add(1), Ordering::Relaxed);
        let fields = PulseFields::decode(&bytes);
        Ok(Arrival::Pulse(PulseFields {
            priority: self.permitted_priority(fields.priority),
            ..fields
        }))
    }

    /// Without the count, a client could announce requests without end, each of which costs the server time
    /// and comes to nothing.
    fn announced_unblock(&self, slot: u16) -> Result<Arrival, Breach> {
        let due = self.unblocks_due.load(Ordering::Relaxed).checked_sub(1);
        let (Some(due), true) = (due, slot < self.memory.layout.calls) else {
            return Err(Breach("an unblock request for no call"));
        };
        self.unblocks_due.store(due, Ordering::Relaxed);
        Ok(match self.phases.of(slot).request_unblock() {
            Some(number) => Arrival::Unblock {
                call: self.rcvid(slot, number),
                priority: self.phases.priority(slot),
            },
            None => Arrival::Nothing,
        })
    }

    /// Whether pulses of this client are queued. The caller holds the channel's lock.
    pub(crate) fn has_pulses(&self) -> bool {
        let taken = self.pulses_taken.load(Ordering::Acquire);
        self.pulses_seen.load(Ordering::Relaxed) != taken
    }

    /// The channel has a pool: the client may have so many pulses pending, and is told.
    pub(crate) fn share_pulses(&self, share: u32) {
        let share = share.min(CELLS);
        self.pulses_most.store(share, Ordering::Relaxed);
        let word = self.memory.server.word(layout::PULSE_SHARE);
        word.store(share, Ordering::Release);
    }

    /// A pulse was received: its cell is free again.
    pub(crate) fn pulse_taken(&self) {
        let taken = self
            .pulses_taken
            .fetch_add(1, Ordering::AcqRel)
            .wrapping_add(1);
        self.memory
            .server
            .word(layout::PULSES_TAKEN)
            .store(taken, Ordering::Release);
    }
}
