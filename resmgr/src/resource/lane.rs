//! [`Lanes`]: calls that run one after the other, in the order in which they came.

use super::call::{Desk, Pending, Task};
use super::{LaneId, OpenFile, lock};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

/// The lanes of one open, or one file: calls that find another of their lane under way wait here without a thread,
/// and go on when that one ends.
///
/// Both are under one lock, so that an open file takes few bytes.
#[derive(Debug, Default)]
pub(crate) struct Lanes(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    busy: [bool; 2],
    /// Calls that wait, in their order. Boxed: lanes without any, which most are, take few bytes.
    waiting: Option<Box<[VecDeque<Arc<Pending>>; 2]>>,
}

/// One of them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lane<'a> {
    lanes: &'a Lanes,
    second: bool,
}

impl Lanes {
    /// Reads; of an ordinary file, everything that uses the position. Of a file, everything where that is in order.
    pub(crate) fn first(&self) -> Lane<'_> {
        Lane {
            lanes: self,
            second: false,
        }
    }

    /// Writes of what is no ordinary file. Of a file, writes that go to its end.
    pub(crate) fn second(&self) -> Lane<'_> {
        Lane {
            lanes: self,
            second: true,
        }
    }
}

impl State {
    fn busy(&mut self, second: bool) -> &mut bool {
        let [one, two] = &mut self.busy;
        if second { two } else { one }
    }

    fn queue(&mut self, second: bool) -> &mut VecDeque<Arc<Pending>> {
        let [one, two] = &mut **self.waiting.get_or_insert_default();
        if second { two } else { one }
    }
}

impl Lane<'_> {
    /// Whether the call may run now. If not, `wait` makes it one that waits; [`leave`](Self::leave) gives it back.
    pub(crate) fn enter(self, wait: impl FnOnce() -> Option<Arc<Pending>>) -> bool {
        let mut state = lock(&self.lanes.0);
        if !*state.busy(self.second) {
            *state.busy(self.second) = true;
            return true;
        }
        let queue = state.queue(self.second);
        let void = swept(queue);
        queue.extend(wait());
        drop(state);
        // An open may go with the last of its calls: not under the lock.
        drop(void);
        false
    }

    /// The call that ran has ended. Returns the next, for which the lane stays taken.
    pub(crate) fn leave(self) -> Option<Arc<Pending>> {
        let mut state = lock(&self.lanes.0);
        if state.waiting.is_none() {
            *state.busy(self.second) = false;
            return None;
        }
        let next = state.queue(self.second).pop_front();
        *state.busy(self.second) = next.is_some();
        if let Some(queues) = &state.waiting
            && queues.iter().all(VecDeque::is_empty)
        {
            state.waiting = None;
        }
        next
    }
}

/// So many calls wait in a lane before it is looked whose clients do not wait any more.
const FEW: usize = 32;

/// Takes out those whose clients have been let go, each time when there may be as many as others.
fn swept(queue: &mut VecDeque<Arc<Pending>>) -> Vec<Arc<Pending>> {
    if queue.len() < FEW || !queue.len().is_power_of_two() {
        return Vec::new();
    }
    let (live, void) = queue.drain(..).partition(|call| call.is_waiting());
    *queue = live;
    Vec::from(void)
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
