//! What clients that have gone leave behind: their calls, then their opens with the locks and notifications on them.
//!
//! A client may have 65,536 of them, and a handler of close may take its time. So they go in slices: one for each pulse
//! of the lowest priority, which comes when nobody else wants anything, and one after every fourth message. So whoever
//! calls waits for one slice at the most, and not each time; and those who call without end do not keep it off.

use crate::ipc::Scoid;
use crate::resource::{OpenFile, Pending, lock};
use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

/// How many things go in a slice where nobody wants anything: few enough for whoever comes meanwhile.
const IDLE_SLICE: usize = 16;
/// How many go in one between messages.
const SLICE: usize = 2;
/// After how many messages there is one.
const EVERY: usize = 4;

/// The clients that have gone and have something left. Bounded by what clients may have; one whose things are not all
/// gone keeps its place in the channel's table.
#[derive(Debug, Default)]
pub(super) struct Leaving {
    clients: Mutex<VecDeque<Gone>>,
    /// How many there are, those whose slice is under way among them.
    count: AtomicUsize,
    /// A pulse is under way because of them.
    called: AtomicBool,
    /// Messages and pulses since the last slice.
    since: AtomicUsize,
}

/// What a client has left.
pub(super) struct Gone {
    pub(super) scoid: Scoid,
    calls: std::vec::IntoIter<Arc<Pending>>,
    opens: Box<dyn Iterator<Item = Arc<dyn OpenFile>> + Send>,
}

impl std::fmt::Debug for Gone {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Gone").field(&self.scoid).finish()
    }
}

/// One of the things.
pub(super) enum Thing {
    Call(Arc<Pending>),
    Open(Arc<dyn OpenFile>),
}

impl Gone {
    pub(super) fn new(
        scoid: Scoid,
        calls: Vec<Arc<Pending>>,
        opens: impl Iterator<Item = Arc<dyn OpenFile>> + Send + 'static,
    ) -> Self {
        Self {
            scoid,
            calls: calls.into_iter(),
            opens: Box::new(opens),
        }
    }

    /// Does a slice of so many things; whether that was all.
    pub(super) fn slice(&mut self, count: usize, mut end: impl FnMut(Thing)) -> bool {
        for _ in 0..count {
            match self.next() {
                Some(left) => end(left),
                None => return true,
            }
        }
        false
    }
}

impl Iterator for Gone {
    type Item = Thing;

    fn next(&mut self) -> Option<Thing> {
        let call = self.calls.next().map(Thing::Call);
        call.or_else(|| self.opens.next().map(Thing::Open))
    }
}

impl Leaving {
    /// Whether there is one.
    #[inline]
    pub(super) fn is_any(&self) -> bool {
        self.count.load(Ordering::Relaxed) > 0
    }

    /// How many things go now, if it is time for a slice: asked after each message and pulse while there is one.
    pub(super) fn due(&self) -> Option<usize> {
        match self.since.fetch_add(1, Ordering::Relaxed) {
            // The pulse, which comes when nothing else does.
            0 => Some(IDLE_SLICE),
            since => since.is_multiple_of(EVERY).then_some(SLICE),
        }
    }

    pub(super) fn add(&self, gone: Gone) {
        self.count.fetch_add(1, Ordering::Relaxed);
        self.put_back(gone);
        self.since.store(0, Ordering::Relaxed);
    }

    /// The next whose turn it is. It belongs to nobody else until it is [put back](Self::put_back) or [done](Self::done).
    pub(super) fn next(&self) -> Option<Gone> {
        lock(&self.clients).pop_front()
    }

    /// Has one wait for its next turn.
    pub(super) fn put_back(&self, gone: Gone) {
        lock(&self.clients).push_back(gone);
    }

    /// Nothing is left of one.
    pub(super) fn done(&self) {
        self.count.fetch_sub(1, Ordering::Relaxed);
    }

    /// Whether a pulse has to be sent because of those who wait.
    pub(super) fn must_call(&self) -> bool {
        self.is_any() && !self.called.swap(true, Ordering::AcqRel)
    }

    /// The pulse has come, or could not be sent.
    pub(super) fn was_called(&self) {
        self.since.store(0, Ordering::Relaxed);
        self.called.store(false, Ordering::Release);
    }

    /// All that there are: the manager ends.
    pub(super) fn clear(&self) -> VecDeque<Gone> {
        std::mem::take(&mut *lock(&self.clients))
    }
}
