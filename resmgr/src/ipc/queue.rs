//! A channel's queue: messages and pulses by priority, first come first served within one.

use super::Pulse;
use super::link::{RequestFields, ServerLink};
use std::collections::VecDeque;
use std::sync::Arc;

/// A message that no receiver has taken yet.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) link: Arc<ServerLink>,
    pub(super) slot: u16,
    pub(super) number: u32,
    /// A private copy, checked.
    pub(super) fields: RequestFields,
    /// Where the message lies in the client's part.
    pub(super) source: usize,
}

/// A pulse that no receiver has taken yet.
#[derive(Debug)]
pub(super) struct PendingPulse {
    pub(super) pulse: Pulse,
    /// The link whose pulse cell is free once this is received.
    pub(super) link: Option<Arc<ServerLink>>,
}

/// What comes next.
#[derive(Debug)]
pub(super) enum Item {
    Call(Call),
    Pulse(PendingPulse),
}

/// One lane for each priority, and a bit for each lane that holds something.
#[derive(Debug)]
struct Lanes<T> {
    lanes: Vec<VecDeque<(u64, T)>>,
    filled: [u64; 4],
}

impl<T> Lanes<T> {
    fn new() -> Self {
        Self {
            lanes: (0..256).map(|_| VecDeque::new()).collect(),
            filled: [0; 4],
        }
    }

    fn push(&mut self, priority: u8, order: u64, item: T) {
        let lane = usize::from(priority);
        self.lanes[lane].push_back((order, item));
        self.filled[lane / 64] |= 1 << (lane % 64);
    }

    /// The highest lane that holds something.
    fn highest(&self) -> Option<usize> {
        let (index, word) = self
            .filled
            .iter()
            .enumerate()
            .rev()
            .find(|(_, word)| **word != 0)?;
        Some(index * 64 + 63 - word.leading_zeros() as usize)
    }

    /// Priority and order of what comes first.
    fn first(&self) -> Option<(usize, u64)> {
        let lane = self.highest()?;
        self.lanes[lane].front().map(|(order, _)| (lane, *order))
    }

    fn pop(&mut self) -> Option<T> {
        let lane = self.highest()?;
        let (_, item) = self.lanes[lane].pop_front()?;
        if self.lanes[lane].is_empty() {
            self.filled[lane / 64] &= !(1 << (lane % 64));
        }
        Some(item)
    }
}

/// Messages and pulses. Its length is bounded by what feeds it: each link has so many slots and pulse
/// cells, and the system's own pulses are one per call, client or connection.
#[derive(Debug)]
pub(super) struct Queue {
    calls: Lanes<Call>,
    pulses: Lanes<PendingPulse>,
    order: u64,
}

impl Queue {
    pub(super) fn new() -> Self {
        Self {
            calls: Lanes::new(),
            pulses: Lanes::new(),
            order: 0,
        }
    }

    pub(super) fn push_call(&mut self, call: Call) {
        self.order += 1;
        self.calls.push(call.fields.priority, self.order, call);
    }

    pub(super) fn push_pulse(&mut self, pulse: PendingPulse) {
        self.order += 1;
        self.pulses.push(pulse.pulse.priority, self.order, pulse);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.calls.highest().is_none() && self.pulses.highest().is_none()
    }

    pub(super) fn has_pulse(&self) -> bool {
        self.pulses.highest().is_some()
    }

    /// Takes what comes first.
    pub(super) fn pop(&mut self) -> Option<Item> {
        let pulse_first = match (self.calls.first(), self.pulses.first()) {
            (None, _) => true,
            (_, None) => false,
            (Some((call_lane, call)), Some((pulse_lane, pulse))) => {
                (pulse_lane, call) > (call_lane, pulse)
            }
        };
        if pulse_first {
            self.pop_pulse().map(Item::Pulse)
        } else {
            self.calls.pop().map(Item::Call)
        }
    }

    /// Takes the first pulse, whatever messages wait.
    pub(super) fn pop_pulse(&mut self) -> Option<PendingPulse> {
        self.pulses.pop()
    }
}

#[cfg(test)]
mod tests {
    use super::{Item, PendingPulse, Queue};
    use crate::ipc::Pulse;

    fn pulse(priority: u8, value: i64) -> PendingPulse {
        PendingPulse {
            pulse: Pulse {
                code: 0,
                value,
                scoid: None,
                priority,
            },
            link: None,
        }
    }

    #[test]
    fn c3_priority_first_then_fifo() {
        let mut queue = Queue::new();
        for (priority, value) in [(10, 1), (10, 2), (255, 3), (0, 4), (64, 5), (10, 6)] {
            queue.push_pulse(pulse(priority, value));
        }
        let mut order = Vec::new();
        while let Some(Item::Pulse(next)) = queue.pop() {
            order.push(next.pulse.value);
        }
        assert_eq!(order, [3, 5, 1, 2, 6, 4]);
        assert!(queue.is_empty());
    }
}
