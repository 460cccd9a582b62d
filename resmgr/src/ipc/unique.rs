//! Pulses that are not queued twice, or that bring a pending one up to date.
//!
//! Finding a pending pulse must not cost more the more others have sent. So the pulses of a sender that asks
//! for this are listed from its first such pulse on: the queue is searched once for each sender, and later
//! only the sender's own, of which a link holds 128 at most. Nobody else's pulses cost anything.

use super::queue::{Order, PendingPulse};
use std::collections::HashMap;
use std::sync::Arc;

bitflags::bitflags! {
    /// What may become of a pulse while an earlier one of the same client is pending. The numbers are QNX's,
    /// which uses them inside only.
    ///
    /// Pulses of one client process are compared: the same code and value for
    /// [`IF_UNIQUE`](Self::IF_UNIQUE), the same code for [`REPLACE`](Self::REPLACE); their priorities
    /// do not matter. The pending one keeps its place and its priority. With both flags, a pending pulse with the
    /// same code takes the value.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    #[doc(alias = "_NTO_PULSE")]
    pub struct PulseFlags: u16 {
        /// Not queued while an equal one is pending.
        #[doc(alias = "_NTO_PULSE_IF_UNIQUE")]
        const IF_UNIQUE = 0x1000;
        /// Gives its value to the first pending one with the same code, if there is one.
        #[doc(alias = "_NTO_PULSE_REPLACE")]
        const REPLACE = 0x2000;
    }
}

/// Where a pending pulse is in the queue: priority and order.
pub(super) type Place = (u8, Order);

/// Names a sender: a link as long as it lives, or this process.
type Sender = usize;

#[derive(Clone, Copy, Debug)]
struct Entry {
    place: Place,
    code: i8,
    value: i64,
}

/// What to do with a pulse that may not be queued twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Nothing like it is pending.
    Queue,
    /// The same is pending.
    Forget,
    /// The pulse there takes the value.
    Update(Place),
}

/// The pending pulses of the senders that have asked.
#[derive(Debug, Default)]
pub(super) struct Listed(HashMap<Sender, Vec<Entry>>);

fn sender(pending: &PendingPulse) -> Sender {
    pending
        .link
        .as_ref()
        .map_or(0, |link| Arc::as_ptr(link).addr())
}

impl Listed {
    /// Nobody has asked: nothing needs to be noted.
    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Compares a pulse with its sender's pending ones. `all` lists the queue, in the order in which pulses
    /// will be received.
    pub(super) fn judge<'a>(
        &mut self,
        pulse: &PendingPulse,
        flags: PulseFlags,
        all: impl FnOnce() -> Vec<(Place, &'a PendingPulse)>,
    ) -> Verdict {
        let sender = sender(pulse);
        let entries = self.0.entry(sender).or_insert_with(|| {
            let theirs = all().into_iter();
            theirs
                .filter(|(_, other)| self::sender(other) == sender)
                .map(|(place, other)| entry(place, other))
                .collect()
        });
        let (code, value) = (pulse.pulse.code, pulse.pulse.value);
        let same = |entry: &&mut Entry| entry.code == code;
        if flags.contains(PulseFlags::REPLACE) {
            // The one that is received first.
            let first = entries.iter_mut().filter(same);
            let first = first.min_by_key(|entry| (u8::MAX - entry.place.0, entry.place.1));
            return first.map_or(Verdict::Queue, |entry| {
                entry.value = value;
                Verdict::Update(entry.place)
            });
        }
        let known = |entry: &Entry| entry.code == code && entry.value == value;
        if entries.iter().any(known) {
            Verdict::Forget
        } else {
            Verdict::Queue
        }
    }

    /// A pulse was queued.
    pub(super) fn queued(&mut self, place: Place, pulse: &PendingPulse) {
        if let Some(entries) = self.0.get_mut(&sender(pulse)) {
            entries.push(entry(place, pulse));
        }
    }

    /// A pulse was received.
    pub(super) fn received(&mut self, place: Place, pulse: &PendingPulse) {
        if let Some(entries) = self.0.get_mut(&sender(pulse)) {
            entries.retain(|entry| entry.place != place);
        }
    }

    /// A client has gone, and will send nothing more. (While anything of it is pending, its link lives, and
    /// no other can have its address.)
    pub(super) fn gone(&mut self, link: &Arc<super::link::ServerLink>) {
        self.0.remove(&Arc::as_ptr(link).addr());
    }
}

fn entry(place: Place, pending: &PendingPulse) -> Entry {
    Entry {
        place,
        code: pending.pulse.code,
        value: pending.pulse.value,
    }
}
