//! [`Gap`]: where a faulty handler lets another one come between, so that a race is lost each time.

use crate::resource::lock;
use std::sync::{Condvar, Mutex};
use std::time::{Duration, Instant};

/// Longer than anything here takes on a busy machine.
const LONG: Duration = Duration::from_secs(5);

/// Counts those who have come by.
#[derive(Debug, Default)]
pub(super) struct Gap {
    came: Mutex<u64>,
    changed: Condvar,
}

impl Gap {
    pub(super) fn came(&self) -> u64 {
        *lock(&self.came)
    }

    /// Somebody comes by.
    pub(super) fn pass(&self) {
        *lock(&self.came) += 1;
        self.changed.notify_all();
    }

    /// Waits until somebody has come by.
    pub(super) fn wait(&self) {
        let next = self.came() + 1;
        self.wait_for(next);
    }

    /// Two who come wait for each other.
    pub(super) fn meet(&self) {
        self.pass();
        let came = self.came();
        self.wait_for(came + came % 2);
    }

    fn wait_for(&self, count: u64) {
        let waited = self
            .changed
            .wait_timeout_while(lock(&self.came), LONG, |came| *came < count);
        drop(waited);
    }

    /// The same for a task: others go on meanwhile.
    pub(super) async fn wait_async(&self) {
        let (next, end) = (self.came() + 1, Instant::now() + LONG);
        while self.came() < next && Instant::now() < end {
            tokio::task::yield_now().await;
        }
    }

    /// The same for two tasks.
    pub(super) async fn meet_async(&self) {
        self.pass();
        let (came, end) = (self.came(), Instant::now() + LONG);
        while self.came() < came + came % 2 && Instant::now() < end {
            tokio::task::yield_now().await;
        }
    }
}
