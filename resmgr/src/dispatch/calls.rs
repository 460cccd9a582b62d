//! The calls that handlers have taken over: by client, and by their names.

use super::hash::Table;
use crate::ipc::{Rcvid, Scoid};
use crate::resource::{CallName, Pending, lock};
use std::sync::{Arc, Mutex};

/// The table. Bounded by what clients may have under way: each call is one of a link's slots. The lock is held
/// for look-ups only.
#[derive(Debug, Default)]
pub(super) struct Calls(Mutex<Table<Scoid, Table<Rcvid, Arc<Pending>>>>);

impl Calls {
    pub(super) fn keep(&self, pending: &Arc<Pending>) {
        let (scoid, rcvid) = pending.name();
        let mut clients = lock(&self.0);
        let calls = clients.entry(scoid).or_default();
        calls.insert(rcvid, Arc::clone(pending));
    }

    pub(super) fn forget(&self, (scoid, rcvid): CallName) {
        let mut clients = lock(&self.0);
        let Some(calls) = clients.get_mut(&scoid) else {
            return;
        };
        let forgotten = calls.remove(&rcvid);
        if calls.is_empty() {
            clients.remove(&scoid);
        }
        drop(clients);
        // What goes with it may be anybody's code.
        drop(forgotten);
    }

    pub(super) fn find(&self, (scoid, rcvid): CallName) -> Option<Arc<Pending>> {
        let clients = lock(&self.0);
        clients.get(&scoid)?.get(&rcvid).cloned()
    }

    /// Those on opens of an attachment.
    pub(super) fn of_link(&self, link: u32) -> Vec<Arc<Pending>> {
        let clients = lock(&self.0);
        let calls = clients.values().flat_map(Table::values);
        let mut calls: Vec<_> = calls.map(Arc::clone).collect();
        drop(clients);
        // Not under the lock: this may come to hold the last of an open.
        calls.retain(|call| call.file().is_some_and(|file| file.link() == link));
        calls
    }

    /// All calls of a client that has gone.
    pub(super) fn forget_client(&self, scoid: Scoid) -> impl Iterator<Item = Arc<Pending>> {
        let calls = lock(&self.0).remove(&scoid).unwrap_or_default();
        calls.into_values()
    }

    /// All calls of all clients: the manager ends.
    pub(super) fn clear(&self) {
        let clients = std::mem::take(&mut *lock(&self.0));
        for pending in clients.into_values().flat_map(Table::into_values) {
            pending.gone();
        }
    }
}
