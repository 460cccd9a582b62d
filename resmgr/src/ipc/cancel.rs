//! Ending a blocked send from another thread.

use super::link::ClientLink;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// Asks a send to end, as a signal would: while no receiver has taken the message, or when the channel
/// has no UNBLOCK flag, the send ends with [`Interrupted`](super::SendError::Interrupted); otherwise the server
/// gets an unblock pulse and the send goes on until the answer.
///
/// A token serves one send at a time; once cancelled it stays so.
#[derive(Clone, Debug, Default)]
pub struct CancelToken(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    cancelled: AtomicBool,
    /// Where the send waits.
    place: Mutex<Option<(Arc<ClientLink>, u16)>>,
}

/// While this lives, cancelling wakes the thread that made it.
#[derive(Debug)]
pub(super) struct Entered<'a>(&'a Inner);

impl CancelToken {
    /// A token that nobody has cancelled.
    pub fn new() -> Self {
        Self::default()
    }

    /// Asks. Before the send begins it is remembered; after it has ended nothing happens.
    pub fn cancel(&self) {
        self.0.cancelled.store(true, Ordering::SeqCst);
        // Held while kicking: the sender leaves the slot only after this.
        let place = self.0.place.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((link, slot)) = &*place {
            link.kick(*slot);
        }
    }

    /// Whether somebody has asked.
    pub fn is_cancelled(&self) -> bool {
        self.0.cancelled.load(Ordering::SeqCst)
    }

    pub(super) fn enter(&self, link: &Arc<ClientLink>, slot: u16) -> Entered<'_> {
        *self.0.place.lock().unwrap_or_else(PoisonError::into_inner) =
            Some((Arc::clone(link), slot));
        Entered(&self.0)
    }
}

impl Drop for Entered<'_> {
    fn drop(&mut self) {
        *self.0.place.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}
