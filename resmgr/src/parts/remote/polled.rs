//! [`Watchers`]: which of the server's files are ready, as far as clients want to know.
//!
//! A client's question is passed on to the server, which arms an event of this process where it has to. The event, or
//! the server's end, wakes those who have armed something here.

use super::behind::Behind;
use crate::Errno;
use crate::Result;
use crate::client::wake::Wake;
use crate::ipc::{Event, Semaphore};
use crate::resource::{Waiters, lock};
use crate::wire::{Conditions, NotifyAction};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, Weak};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::task::AbortHandle;

/// Connections that are polled, by number.
type Known = Mutex<HashMap<i64, Weak<Behind>>>;

/// What waits for events of servers, and for their ends.
#[derive(Debug)]
pub(super) struct Watchers {
    wake: Arc<Wake>,
    known: Arc<Known>,
    task: AbortHandle,
}

/// What is known of one open file.
#[derive(Debug, Default)]
pub(super) struct Polled {
    pub(super) waiters: Waiters,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    ready: Conditions,
    /// How often something has come: an answer that was asked for before is older than that.
    rings: u64,
    /// What the server was asked to tell.
    armed: Conditions,
    told: Option<(Semaphore, Event)>,
}

impl Watchers {
    /// Call it in a runtime with I/O.
    pub(super) fn start() -> Result<Self> {
        let (wake, known) = (Arc::new(Wake::new()?), Arc::<Known>::default());
        // The other form is unsafe because a descriptor may be closed while tokio has it; this one lives in what is given.
        #[allow(deprecated)]
        let watched = AsyncFd::with_interest(Arc::clone(&wake), Interest::READABLE)?;
        let of = Arc::clone(&known);
        let task = tokio::spawn(async move {
            while let Ok(mut ready) = watched.readable().await {
                ready.clear_ready();
                ring(watched.get_ref(), &of);
            }
        });
        Ok(Self {
            wake,
            known,
            task: task.abort_handle(),
        })
    }
}

impl Drop for Watchers {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Something has come: for each file it is looked whether that was for it.
fn ring(wake: &Wake, known: &Known) {
    let gone = wake.take();
    let mut all = Vec::new();
    lock(known).retain(|number, file| {
        let file = file.upgrade();
        let is_there = file.is_some();
        all.extend(file.map(|file| (*number, file)));
        is_there
    });
    for (number, file) in all {
        if gone.contains(&number) {
            file.polled.holds(Conditions::all());
        } else {
            file.polled.rang();
        }
    }
}

impl Polled {
    pub(super) fn ready(&self) -> Conditions {
        lock(&self.state).ready
    }

    /// Some conditions have come to hold.
    fn holds(&self, conditions: Conditions) {
        let mut state = lock(&self.state);
        state.ready |= conditions;
        state.rings += 1;
        drop(state);
        if !conditions.is_empty() {
            self.waiters.wake(conditions);
        }
    }

    /// The server's answer to a question that was asked when so much had come.
    fn answered(&self, rings: u64, wanted: Conditions, holds: Conditions) {
        let mut state = lock(&self.state);
        if state.rings == rings {
            state.ready.remove(wanted);
        }
        state.ready |= holds;
        drop(state);
        if !holds.is_empty() {
            self.waiters.wake(holds);
        }
    }

    fn rang(&self) {
        let mut state = lock(&self.state);
        let told = state.told.as_ref();
        if !told.is_some_and(|(told, _)| told.try_wait()) {
            return;
        }
        let armed = std::mem::take(&mut state.armed);
        drop(state);
        self.holds(armed);
    }

    /// The event that the server is to deliver for these.
    fn arm(&self, watchers: &Watchers, wanted: Conditions) -> Result<Event> {
        let mut state = lock(&self.state);
        state.armed |= wanted;
        if let Some((_, event)) = state.told {
            return Ok(event);
        }
        let told = watchers.wake.semaphore();
        let event = Event::semaphore(&told)?;
        state.told = Some((told, event));
        Ok(event)
    }
}

impl Behind {
    /// Asks the server what holds of `wanted`, and has it tell when more does.
    ///
    /// Also who only asks has it armed: what one client is told does not hold any more, another may be about to wait for.
    pub(super) async fn look(
        self: &Arc<Self>,
        watchers: &Watchers,
        (action, wanted): (NotifyAction, Conditions),
    ) -> Result<()> {
        let event = self.polled.arm(watchers, wanted)?;
        lock(&watchers.known).insert(self.number()?, Arc::downgrade(self));
        let rings = lock(&self.polled.state).rings;
        if action == NotifyAction::TranArm {
            return self.notify(action, wanted, event).await.map(drop);
        }
        let holds = match self.notify(NotifyAction::PollArm, wanted, event).await {
            // Who does not tell has files that never make anybody wait.
            Err(Errno::NOSYS) => wanted,
            // A call will say what has become of it.
            Err(Errno::STALE) => Conditions::all(),
            holds => holds?,
        };
        self.polled.answered(rings, wanted, holds);
        Ok(())
    }
}
