//! The calls that handlers have taken over: by client, and by their names.

use super::hash::Table;
use crate::ipc::{Rcvid, Scoid};
use crate::resource::{CallName, Charged, Most, Pending, Users, lock};
use crate::{Errno, Result};
use std::sync::{Arc, Mutex};

/// The table. Bounds: [`Limits::waiting`](super::Limits::waiting) and its bytes. The lock is held for look-ups only.
#[derive(Debug)]
pub(super) struct Calls(Mutex<State>);

#[derive(Debug)]
struct State {
    clients: Table<Scoid, Client>,
    calls: Users,
    bytes: Users,
    most_calls: Most,
    most_bytes: Most,
}

/// What one client has.
#[derive(Debug)]
struct Client {
    calls: Table<Rcvid, Arc<Pending>>,
    /// Kept for them.
    bytes: usize,
    user: Charged,
}

impl Calls {
    pub(super) fn new(most_calls: Most, most_bytes: Most) -> Self {
        Self(Mutex::new(State {
            clients: Table::default(),
            calls: Users::default(),
            bytes: Users::default(),
            most_calls,
            most_bytes,
        }))
    }

    /// Sets what a client may have from now on.
    pub(super) fn set_most(&self, calls: Most, bytes: Most) {
        let mut state = lock(&self.0);
        (state.most_calls, state.most_bytes) = (calls, bytes);
    }

    /// Keeps a call.
    ///
    /// # Errors
    /// - `EAGAIN`: too many calls of its client, or of its user, wait.
    /// - `ENOMEM`: too much is kept for them.
    pub(super) fn keep(&self, pending: &Arc<Pending>, user: Charged) -> Result<()> {
        let (scoid, rcvid) = pending.name();
        let mut state = lock(&self.0);
        let client = state.clients.get(&scoid);
        let (calls, bytes, user) = client.map_or((0, 0, user), |client| {
            (client.calls.len(), client.bytes, client.user)
        });
        state.check(pending.bytes(), (calls, bytes, user))?;
        state.calls.take(user, 1);
        state.bytes.take(user, pending.bytes());
        let none = || Client {
            calls: Table::default(),
            bytes: 0,
            user,
        };
        let client = state.clients.entry(scoid).or_insert_with(none);
        client.bytes += pending.bytes();
        client.calls.insert(rcvid, Arc::clone(pending));
        Ok(())
    }

    pub(super) fn forget(&self, (scoid, rcvid): CallName) {
        let forgotten = lock(&self.0).forget(scoid, rcvid);
        // What goes with it may be anybody's code, so not under the lock.
        drop(forgotten);
    }

    pub(super) fn find(&self, (scoid, rcvid): CallName) -> Option<Arc<Pending>> {
        let state = lock(&self.0);
        state.clients.get(&scoid)?.calls.get(&rcvid).cloned()
    }

    /// Those on opens of an attachment.
    pub(super) fn of_link(&self, link: u32) -> Vec<Arc<Pending>> {
        let state = lock(&self.0);
        let calls = state.clients.values().flat_map(|one| one.calls.values());
        let mut calls: Vec<_> = calls.map(Arc::clone).collect();
        drop(state);
        // Not under the lock: this may come to hold the last of an open.
        calls.retain(|call| call.file().is_some_and(|file| file.link() == link));
        calls
    }

    /// All calls of a client that has gone.
    pub(super) fn forget_client(&self, scoid: Scoid) -> Vec<Arc<Pending>> {
        let mut state = lock(&self.0);
        let Some(client) = state.clients.remove(&scoid) else {
            return Vec::new();
        };
        state.calls.give(client.user, client.calls.len());
        state.bytes.give(client.user, client.bytes);
        client.calls.into_values().collect()
    }

    /// All calls of all clients: the manager ends.
    pub(super) fn clear(&self) {
        let mut state = lock(&self.0);
        (state.calls, state.bytes) = Default::default();
        let clients = std::mem::take(&mut state.clients);
        drop(state);
        let calls = clients.into_values().flat_map(|client| client.calls);
        calls.for_each(|(_, pending)| pending.gone());
    }
}

impl State {
    fn check(&self, more: usize, (calls, bytes, user): (usize, usize, Charged)) -> Result<()> {
        let Self {
            most_calls,
            most_bytes,
            ..
        } = *self;
        if calls >= most_calls.client || !self.calls.have_room(user, 1, most_calls.user) {
            return Err(Errno::AGAIN);
        }
        let over = bytes.saturating_add(more) > most_bytes.client;
        if more > 0 && (over || !self.bytes.have_room(user, more, most_bytes.user)) {
            return Err(Errno::NOMEM);
        }
        Ok(())
    }

    fn forget(&mut self, scoid: Scoid, rcvid: Rcvid) -> Option<Arc<Pending>> {
        let client = self.clients.get_mut(&scoid)?;
        let forgotten = client.calls.remove(&rcvid)?;
        client.bytes -= forgotten.bytes();
        let (user, is_last) = (client.user, client.calls.is_empty());
        self.calls.give(user, 1);
        self.bytes.give(user, forgotten.bytes());
        if is_last {
            self.clients.remove(&scoid);
        }
        Some(forgotten)
    }
}
