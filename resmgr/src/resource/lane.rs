//! [`Lane`]: calls that run one after the other, in the order in which they came.

use super::call::{Desk, Pending, Task};
use super::{LaneId, OpenFile, lock};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

/// Calls on one open, or one file. A call that finds another under way waits here without a thread, and goes on
/// when that one ends.
#[derive(Debug, Default)]
pub(crate) struct Lane(Mutex<State>);

/// Calls that wait, in their order.
#[derive(Debug, Default)]
struct Queue(VecDeque<Arc<Pending>>);

#[derive(Debug, Default)]
struct State {
    busy: bool,
    /// Boxed: a lane without one, which most are, takes few bytes.
    waiting: Option<Box<Queue>>,
}

impl Lane {
    /// Whether the call may run now. If not, `wait` makes it one that waits; [`leave`](Self::leave) gives it back.
    pub(crate) fn enter(&self, wait: impl FnOnce() -> Option<Arc<Pending>>) -> bool {
        let mut state = lock(&self.0);
        if state.busy {
            state.waiting.get_or_insert_default().0.extend(wait());
            return false;
        }
        state.busy = true;
        true
    }

    /// The call that ran has ended. Returns the next, for which the lane stays taken.
    pub(crate) fn leave(&self) -> Option<Arc<Pending>> {
        let mut state = lock(&self.0);
        let next = state.waiting.as_mut().and_then(|queue| queue.0.pop_front());
        state.busy = next.is_some();
        if next.is_none() {
            state.waiting = None;
        }
        next
    }
}

/// A call's place at the head of a lane; the next one follows when this goes.
pub(crate) struct Turn {
    file: Arc<dyn OpenFile>,
    desk: Arc<dyn Desk>,
    lane: LaneId,
}

impl Turn {
    pub(crate) fn new(file: &Arc<dyn OpenFile>, desk: &Arc<dyn Desk>, lane: LaneId) -> Self {
        Self {
            file: Arc::clone(file),
            desk: Arc::clone(desk),
            lane,
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        pass_on(&*self.file, &*self.desk, self.lane);
    }
}

/// The call that ran in a lane has ended: the next one runs after the handlers that run now.
pub(crate) fn pass_on(file: &dyn OpenFile, desk: &dyn Desk, lane: LaneId) {
    if let Some(pending) = file.core().lane(lane).leave() {
        desk.later(Task::Next(pending, lane));
    }
}

/// The lanes of one open, or one file.
#[derive(Debug, Default)]
pub(crate) struct Lanes {
    /// Reads; of an ordinary file, everything that uses the position.
    pub(crate) first: Lane,
    /// Writes of what is no ordinary file.
    pub(crate) second: Lane,
}
