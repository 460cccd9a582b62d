//! Closing files, which may wait for their server, and waiting for that.
//!
//! The kernel tells of a last close after close(2) has returned, so a program that closes a device and
//! opens it again can be faster than the server's close. [`Closing`] knows what is still to be closed:
//! an open of the same node waits for it, for a short time (a stopped server must not stop the open of another one
//! that has taken its name).
//!
//! A server's closes run one after the other on one thread, however many a dying program leaves behind:
//! a stopped server holds up one thread and a list.

use crate::serving::pool::{Bound, Pool, Scratch};
use crate::serving::traffic::Key;
use crate::state::handle::Open;
use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How long an open waits for an earlier close.
const PATIENCE: Duration = Duration::from_secs(1);

#[derive(Default)]
struct State {
    /// What a server still has to hear; a key is here while a thread works for it.
    queues: HashMap<Key, VecDeque<Arc<Open>>>,
    /// How many closes of a node are under way.
    nodes: HashMap<u64, usize>,
}

/// The closes under way.
#[derive(Clone, Default)]
pub(crate) struct Closing {
    shared: Arc<(Mutex<State>, Condvar)>,
}

impl Closing {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.shared.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Closes a file some time soon.
    pub(crate) fn close(&self, open: Arc<Open>, pool: &Pool) {
        let key = open.key;
        let mut state = self.lock();
        *state.nodes.entry(open.node).or_default() += 1;
        if let Some(queue) = state.queues.get_mut(&key) {
            queue.push_back(open);
            return;
        }
        state.queues.insert(key, VecDeque::from([open]));
        drop(state);
        let closing = self.clone();
        let task = Box::new(move |_: &mut Scratch| closing.drain(key));
        if let Err(task) = pool.submit(task, Bound::Exempt) {
            // No thread to be had at all: rather here than never.
            task(&mut Scratch::new());
        }
    }

    fn drain(&self, key: Key) {
        loop {
            let mut state = self.lock();
            let Some(open) = state.queues.get_mut(&key).and_then(VecDeque::pop_front) else {
                state.queues.remove(&key);
                return;
            };
            drop(state);
            let node = open.node;
            // Requests that are still under way hold it open until they are through.
            drop(open);
            let mut state = self.lock();
            if let Some(count) = state.nodes.get_mut(&node) {
                *count -= 1;
                if *count == 0 {
                    state.nodes.remove(&node);
                }
            }
            drop(state);
            self.shared.1.notify_all();
        }
    }

    /// Waits until no close of this node is under way, or for as long as patience lasts.
    pub(crate) fn settle(&self, node: u64) {
        let state = self.lock();
        if state.nodes.contains_key(&node) {
            let waited = self
                .shared
                .1
                .wait_timeout_while(state, PATIENCE, |state| state.nodes.contains_key(&node));
            drop(waited.unwrap_or_else(PoisonError::into_inner));
        }
    }
}
