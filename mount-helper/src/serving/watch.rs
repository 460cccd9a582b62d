//! Looks after programs that wait long: were they interrupted or killed meanwhile?
//!
//! One thread. It sleeps while nothing waits, wakes after [`FIRST`] when something does, and looks at a
//! waiting program less often the longer it has waited: after a minute, twice a second. A request that
//! is answered quickly costs it nothing but an entry in a table.

use crate::serving::call::Pending;
use crate::serving::program;
use slab::Slab;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

/// How long a call waits before anybody looks at its program.
const FIRST: Duration = Duration::from_millis(50);
/// The longest time between two looks: how long Ctrl-C may take.
const SELDOM: Duration = Duration::from_millis(500);

#[derive(Default)]
struct State {
    calls: Slab<Arc<dyn Pending>>,
    /// The thread has a look planned, so a new call need not wake it.
    awake: bool,
    over: bool,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    bell: Condvar,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The watcher. Dropping it ends its thread.
pub(crate) struct Watch(Arc<Shared>);

/// A call in the table; dropping it takes it out.
pub(crate) struct Watched {
    shared: Weak<Shared>,
    key: usize,
}

impl Watch {
    /// Starts the thread.
    pub(crate) fn start() -> std::io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let own = Arc::clone(&shared);
        std::thread::Builder::new()
            .name("mount-watch".into())
            .stack_size(128 << 10)
            .spawn(move || run(&own))?;
        Ok(Self(shared))
    }

    /// Puts a call under watch until the result is dropped.
    pub(crate) fn over(&self, call: Arc<dyn Pending>) -> Watched {
        let mut state = self.0.lock();
        let key = state.calls.insert(call);
        if !state.awake {
            state.awake = true;
            self.0.bell.notify_one();
        }
        Watched {
            shared: Arc::downgrade(&self.0),
            key,
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.0.lock().over = true;
        self.0.bell.notify_one();
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        let call = self
            .shared
            .upgrade()
            .and_then(|shared| shared.lock().calls.try_remove(self.key));
        // Outside the lock: the last owner of an unanswered call writes to the kernel.
        drop(call);
    }
}

fn run(shared: &Shared) {
    let mut state = shared.lock();
    while !state.over {
        if state.calls.is_empty() {
            state.awake = false;
            state = shared
                .bell
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
            continue;
        }
        state.awake = true;
        let pause = pause(&state.calls);
        let (woken, _) = shared
            .bell
            .wait_timeout(state, pause)
            .unwrap_or_else(PoisonError::into_inner);
        let old: Vec<_> = woken
            .calls
            .iter()
            .filter(|(_, call)| call.begun().elapsed() >= FIRST)
            .map(|(_, call)| Arc::clone(call))
            .collect();
        drop(woken);
        for call in old {
            call.hear(program::wish(call.tid()));
        }
        state = shared.lock();
    }
}

/// Until the next look: an eighth of what the youngest has waited.
fn pause(calls: &Slab<Arc<dyn Pending>>) -> Duration {
    let now = Instant::now();
    let youngest = calls.iter().map(|(_, call)| now - call.begun()).min();
    (youngest.unwrap_or(SELDOM) / 8).clamp(FIRST, SELDOM)
}

#[cfg(test)]
mod tests {
    use super::Watch;
    use crate::serving::call::Pending;
    use crate::serving::program::Wish;
    use std::sync::{Arc, mpsc};
    use std::time::{Duration, Instant};

    struct Probe {
        begun: Instant,
        heard: mpsc::Sender<Wish>,
    }

    impl Pending for Probe {
        fn tid(&self) -> u32 {
            std::process::id()
        }
        fn begun(&self) -> Instant {
            self.begun
        }
        fn hear(&self, wish: Wish) {
            let _ = self.heard.send(wish);
        }
    }

    #[test]
    fn a_call_is_looked_at_while_it_waits_and_not_after() {
        let watch = Watch::start().unwrap();
        let (heard, hear) = mpsc::channel();
        let begun = Instant::now();
        let watched = watch.over(Arc::new(Probe { begun, heard }));
        assert_eq!(hear.recv_timeout(Duration::from_secs(10)), Ok(Wish::Answer));
        drop(watched);
        while hear.recv_timeout(Duration::from_secs(10)).is_ok() {}
        assert!(hear.try_recv().is_err());
    }
}
