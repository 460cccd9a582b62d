//! Ends the run when a subject hangs: a spinning client would wait for ever for a server that has died.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// No round takes longer; neither does starting a server.
const PATIENCE: Duration = Duration::from_secs(30);

/// Knows what is being measured, and since when.
#[derive(Clone, Debug)]
pub(crate) struct Watchdog(Arc<Mutex<Option<(String, Instant)>>>);

impl Watchdog {
    /// Starts watching, on a thread that sleeps.
    pub(crate) fn start() -> Self {
        let watchdog = Self(Arc::new(Mutex::new(Some((String::new(), Instant::now())))));
        let watched = watchdog.clone();
        std::thread::spawn(move || watched.watch());
        watchdog
    }

    /// Notes that something new begins.
    pub(crate) fn begin(&self, what: String) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some((what, Instant::now()));
    }

    /// Looks away until something begins.
    pub(crate) fn rest(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    fn watch(&self) {
        loop {
            std::thread::sleep(Duration::from_secs(1));
            let current = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some((what, since)) = &*current
                && since.elapsed() > PATIENCE
            {
                eprintln!("resmgr-bench: no end within {PATIENCE:?}: {what}");
                // The servers die with this process, and private mounts go with them.
                std::process::exit(1);
            }
        }
    }
}
