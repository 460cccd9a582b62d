//! Pulses that the program has a handler for.

use super::{guarded, lock};
use crate::ipc::{Pulse, PulseCode};
use crate::{Errno, Result};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex};

type Handler = dyn FnMut(&Pulse) + Send;
/// Locked while it runs.
type Place = Arc<Mutex<Box<Handler>>>;

/// Which handler a pulse is for, by its code: there are no more than codes.
#[derive(Default)]
pub(super) struct PulseHandlers(Mutex<BTreeMap<i8, Place>>);

impl PulseHandlers {
    /// # Errors
    /// - `EINVAL`: a code that the dispatcher keeps for itself.
    /// - `EBUSY`: it has a handler.
    pub(super) fn attach(&self, code: i8, handler: Box<Handler>) -> Result<()> {
        let kept = [PulseCode::UNBLOCK, PulseCode::DISCONNECT, PulseCode::READY];
        if kept.contains(&code) {
            return Err(Errno::INVAL);
        }
        let mut handlers = lock(&self.0);
        if handlers.contains_key(&code) {
            return Err(Errno::BUSY);
        }
        handlers.insert(code, Arc::new(Mutex::new(handler)));
        Ok(())
    }

    /// The same under a code that is free.
    ///
    /// # Errors
    /// - `EAGAIN`: none is.
    pub(super) fn attach_any(&self, handler: Box<Handler>) -> Result<i8> {
        let mut handlers = lock(&self.0);
        let mut codes = PulseCode::MIN_AVAILABLE..=PulseCode::MAX_AVAILABLE;
        let free = codes.find(|code| !handlers.contains_key(code));
        let code = free.ok_or(Errno::AGAIN)?;
        handlers.insert(code, Arc::new(Mutex::new(handler)));
        Ok(code)
    }

    /// # Errors
    /// - `EINVAL`: it has no handler.
    pub(super) fn detach(&self, code: i8) -> Result<()> {
        let gone = lock(&self.0).remove(&code);
        gone.map(drop).ok_or(Errno::INVAL)
    }

    /// Whether somebody has it.
    pub(super) fn handle(&self, pulse: &Pulse) -> bool {
        let found = lock(&self.0).get(&pulse.code).map(Arc::clone);
        let Some(handler) = found else {
            return false;
        };
        guarded("of a pulse", || lock(&handler)(pulse));
        true
    }
}

impl fmt::Debug for PulseHandlers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(lock(&self.0).keys()).finish()
    }
}
