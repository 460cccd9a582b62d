//! Received messages by number: what interfaces need that have numbers only.

use super::{Message, Rcvid, Scoid, process};
use resmgr_sys::{Errno, Result};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// One message, or none any more. Its lock keeps threads that use the same number from each other.
type Place = Arc<Mutex<Option<Message>>>;

/// The messages of a channel that are known by number. As many as calls can be under way: the table needs no
/// bound of its own.
#[derive(Debug, Default)]
pub(super) struct Held(Mutex<HashMap<Rcvid, Place>>);

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Held {
    fn find(&self, rcvid: Rcvid) -> Option<Place> {
        lock(&self.0).get(&rcvid).cloned()
    }

    /// Forgets those of a client that has gone: nobody can answer them any more.
    pub(super) fn forget(&self, client: Scoid) {
        lock(&self.0).retain(|rcvid, _| rcvid.client() != Some(client));
    }

    /// Forgets all.
    pub(super) fn clear(&self) {
        lock(&self.0).clear();
    }
}

/// # Errors
/// - `ESRCH`: no message is held under this number.
fn place(rcvid: Rcvid) -> Result<Place> {
    let channel = process::current().channel(rcvid.channel());
    channel
        .and_then(|channel| channel.held.find(rcvid))
        .ok_or(Errno::SRCH)
}

impl Message {
    /// Leaves the message to be answered by its number, by any thread of this process, with
    /// [`by_rcvid`](Self::by_rcvid). Nobody answers for one that is forgotten, unlike for a value that is dropped.
    pub fn into_rcvid(mut self) -> Rcvid {
        self.leave_line();
        let rcvid = self.rcvid();
        // Without its channel the message can be answered no more.
        if let Some(channel) = process::current().channel(rcvid.channel()) {
            let place = Arc::new(Mutex::new(Some(self)));
            lock(&channel.held.0).insert(rcvid, place);
        }
        rcvid
    }

    /// Takes the message with this number, to answer it. A thread that uses it is waited for.
    ///
    /// # Errors
    /// - `ESRCH`: there is none: it was answered, its client has gone, or it is held as a value.
    pub fn by_rcvid(rcvid: Rcvid) -> Result<Self> {
        let place = place(rcvid)?;
        let taken = lock(&place).take();
        if let Some(channel) = process::current().channel(rcvid.channel()) {
            lock(&channel.held.0).remove(&rcvid);
        }
        taken.ok_or(Errno::SRCH)
    }

    /// Has `act` use the message with this number, which stays to be answered.
    ///
    /// # Errors
    /// - `ESRCH`: there is none, or its client waits no more.
    /// - what `act` returns.
    #[doc(alias = "MsgInfo")]
    pub fn with_rcvid<T>(rcvid: Rcvid, act: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        let place = place(rcvid)?;
        let mut message = lock(&place);
        match message.as_mut() {
            Some(message) if message.is_waiting() => act(message),
            _ => Err(Errno::SRCH),
        }
    }
}
