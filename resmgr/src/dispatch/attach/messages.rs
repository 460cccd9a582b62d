//! Messages of a program's own types.

use super::{guarded, lock};
use crate::ipc::Message;
use crate::wire::MessageType;
use crate::{Errno, Result};
use std::fmt;
use std::ops::RangeInclusive;
use std::sync::{Arc, Mutex};

/// Ranges of types that have a handler.
const MOST: usize = 1024;

type Handler = dyn FnMut(Message, &[u8]) + Send;

struct Range {
    types: RangeInclusive<u16>,
    /// Locked while it runs.
    handler: Mutex<Box<Handler>>,
}

/// Which handler a message is for, by its type: its first two bytes. Ordered, and none overlaps another.
#[derive(Default)]
pub(super) struct MessageRanges(Mutex<Vec<Arc<Range>>>);

impl MessageRanges {
    /// # Errors
    /// - `EINVAL`: no types, types of the system, or some that have a handler.
    /// - `EAGAIN`: too many.
    pub(super) fn attach(&self, types: RangeInclusive<u16>, handler: Box<Handler>) -> Result<()> {
        if types.is_empty() || *types.start() <= MessageType::MAX.0 {
            return Err(Errno::INVAL);
        }
        let mut ranges = lock(&self.0);
        if ranges.len() >= MOST {
            return Err(Errno::AGAIN);
        }
        let place = ranges.partition_point(|range| range.types.end() < types.start());
        let next = ranges.get(place);
        if next.is_some_and(|next| next.types.start() <= types.end()) {
            return Err(Errno::INVAL);
        }
        let handler = Mutex::new(handler);
        ranges.insert(place, Arc::new(Range { types, handler }));
        Ok(())
    }

    /// # Errors
    /// - `EINVAL`: not exactly one that was attached.
    pub(super) fn detach(&self, types: &RangeInclusive<u16>) -> Result<()> {
        let mut ranges = lock(&self.0);
        let place = ranges.iter().position(|range| range.types == *types);
        let gone = ranges.remove(place.ok_or(Errno::INVAL)?);
        // What the handler holds goes when nobody is in the table.
        drop(ranges);
        drop(gone);
        Ok(())
    }

    fn find(&self, kind: u16) -> Option<Arc<Range>> {
        let ranges = lock(&self.0);
        let place = ranges.partition_point(|range| *range.types.end() < kind);
        let found = ranges.get(place)?;
        found.types.contains(&kind).then(|| Arc::clone(found))
    }

    /// Gives the message to its handler, or back.
    pub(super) fn handle(&self, message: Message, bytes: &[u8]) -> Result<(), Message> {
        let kind = bytes
            .first_chunk()
            .map_or(0, |kind| u16::from_ne_bytes(*kind));
        if kind <= MessageType::MAX.0 {
            return Err(message);
        }
        let Some(range) = self.find(kind) else {
            return Err(message);
        };
        // Who panics drops the message, and its client gets EIO.
        guarded("of a message", || lock(&range.handler)(message, bytes));
        Ok(())
    }
}

impl fmt::Debug for MessageRanges {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ranges = lock(&self.0);
        f.debug_set()
            .entries(ranges.iter().map(|range| &range.types))
            .finish()
    }
}
