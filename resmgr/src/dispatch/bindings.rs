//! Which of a client's connections lead to which open: the table of open files.
//!
//! A connection is named by (scoid, coid): the process as the channel knows it, and the number that the
//! process gave it. Several connections share one open (dup); it ends when the last of them, and the last
//! call on it, has gone. Bound: [`Limits::opens`] connections a client (`EMFILE`).

use super::hash::Table;
use crate::ipc::{Coid, Scoid};
use crate::resource::{LOCKS_PER_OWNER, OpenFile, lock};
use crate::{Errno, Result};
use std::sync::{Arc, Mutex};

/// How many open connections one client process may have with one manager, unless its
/// [limits](super::Manager::limits) say otherwise.
pub const OPENS_PER_CLIENT: usize = 65_536;

/// What one client process may take of a manager.
///
/// Calls under way are bounded by the channel ([`ChannelLimits::calls`](crate::ipc::ChannelLimits::calls)); what waits in
/// a resource, by its [`Waiters`](crate::resource::Waiters).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Open connections, duplicates among them; beyond it, `EMFILE` from open() and dup().
    pub opens: usize,
    /// Locks of ranges on one file, each wait for one counting as two; beyond it, `ENOLCK`. It holds for files that have
    /// no lock yet.
    pub locks: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            opens: OPENS_PER_CLIENT,
            locks: LOCKS_PER_OWNER,
        }
    }
}

/// One client's connections.
pub(super) type Opens = Table<Coid, Arc<dyn OpenFile>>;

/// The table. The lock is held for look-ups only: opens are dropped after it is released.
#[derive(Debug, Default)]
pub(super) struct Bindings {
    clients: Mutex<Table<Scoid, Opens>>,
    limits: Mutex<Limits>,
}

impl Bindings {
    /// Sets what a client may have from now on.
    pub(super) fn set_limits(&self, limits: Limits) {
        *lock(&self.limits) = limits;
    }

    /// Binds a connection to an open. A connection that was bound before lost its close message; its old
    /// open is returned, to be dropped.
    ///
    /// `is_waiting` is asked under the lock: a client that has gone in the meantime may already have been
    /// forgotten, and its scoid may be another's soon, so nothing may be bound for it any more.
    ///
    /// # Errors
    /// - `EMFILE`: the client has too many.
    /// - `ENOENT`: the resource was taken away meanwhile.
    /// - `ESRCH`: it has gone.
    pub(super) fn bind(
        &self,
        (scoid, coid): (Scoid, Coid),
        ocb: Arc<dyn OpenFile>,
        is_waiting: impl FnOnce() -> bool,
    ) -> Result<Option<Arc<dyn OpenFile>>> {
        let most = lock(&self.limits).opens;
        let mut clients = lock(&self.clients);
        if !is_waiting() {
            return Err(Errno::SRCH);
        }
        // Whoever takes the resource away says so before it looks through this table.
        if ocb.is_down() {
            return Err(Errno::NOENT);
        }
        let opens = clients.entry(scoid).or_default();
        if opens.len() >= most && !opens.contains_key(&coid) {
            return Err(Errno::MFILE);
        }
        Ok(opens.insert(coid, ocb))
    }

    /// The open behind a connection; `EBADF` when there is none.
    pub(super) fn get(&self, scoid: Scoid, coid: Coid) -> Result<Arc<dyn OpenFile>> {
        let clients = lock(&self.clients);
        let ocb = clients.get(&scoid).and_then(|opens| opens.get(&coid));
        ocb.cloned().ok_or(Errno::BADF)
    }

    /// How many connections of a client lead to opens.
    pub(super) fn count(&self, scoid: Scoid) -> usize {
        lock(&self.clients).get(&scoid).map_or(0, Opens::len)
    }

    /// Takes a connection's binding away; `EBADF` when there is none.
    pub(super) fn unbind(&self, scoid: Scoid, coid: Coid) -> Result<Arc<dyn OpenFile>> {
        let mut clients = lock(&self.clients);
        let opens = clients.get_mut(&scoid).ok_or(Errno::BADF)?;
        let ocb = opens.remove(&coid).ok_or(Errno::BADF)?;
        if opens.is_empty() {
            clients.remove(&scoid);
        }
        Ok(ocb)
    }

    /// Takes everybody's bindings away.
    pub(super) fn clear(&self) -> Table<Scoid, Opens> {
        std::mem::take(&mut *lock(&self.clients))
    }

    /// Takes the bindings to opens of one attachment away, by client.
    pub(super) fn unbind_link(&self, link: u32) -> Vec<(Scoid, Vec<Arc<dyn OpenFile>>)> {
        let mut clients = lock(&self.clients);
        let taken = clients.iter_mut().map(|(scoid, opens)| {
            let of_it = opens.extract_if(|_, file| file.link() == link);
            (*scoid, of_it.map(|(_, file)| file).collect())
        });
        let taken: Vec<(Scoid, Vec<_>)> = taken.collect();
        clients.retain(|_, opens| !opens.is_empty());
        drop(clients);
        let is_client = |(_, opens): &(Scoid, Vec<_>)| !opens.is_empty();
        taken.into_iter().filter(is_client).collect()
    }

    /// Takes all of a client's bindings away.
    pub(super) fn unbind_client(&self, scoid: Scoid) -> Opens {
        lock(&self.clients).remove(&scoid).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::Bindings;
    use crate::Errno;
    use crate::ipc::{Coid, Scoid};
    use crate::resource::{Device, OpenFile, open_for_test};
    use std::sync::Arc;

    struct Nothing;
    impl Device for Nothing {}

    fn ocb() -> Arc<dyn OpenFile> {
        open_for_test(Nothing)
    }

    const ONE: (Scoid, Coid) = (Scoid::from_raw(1), Coid::from_raw(7));
    const TWO: (Scoid, Coid) = (Scoid::from_raw(1), Coid::from_raw(8));
    const OTHER: (Scoid, Coid) = (Scoid::from_raw(2), Coid::from_raw(7));

    #[test]
    fn du2_an_open_ends_with_its_last_connection() {
        let (table, open) = (Bindings::default(), ocb());
        table.bind(ONE, Arc::clone(&open), || true).unwrap();
        table.bind(TWO, Arc::clone(&open), || true).unwrap();
        assert_eq!((table.count(ONE.0), table.count(OTHER.0)), (2, 0));
        table.unbind(ONE.0, ONE.1).unwrap();
        assert_eq!(table.get(ONE.0, ONE.1).unwrap_err(), Errno::BADF);
        assert!(Arc::ptr_eq(&table.get(TWO.0, TWO.1).unwrap(), &open));
        table.unbind(TWO.0, TWO.1).unwrap();
        assert_eq!(Arc::strong_count(&open), 1);
    }

    #[test]
    fn du2_a_client_that_goes_takes_only_its_own_opens() {
        let table = Bindings::default();
        for place in [ONE, TWO, OTHER] {
            table.bind(place, ocb(), || true).unwrap();
        }
        assert_eq!(table.unbind_client(ONE.0).len(), 2);
        assert!(table.get(TWO.0, TWO.1).is_err());
        assert!(table.get(OTHER.0, OTHER.1).is_ok());
        assert_eq!(table.unbind_client(ONE.0).len(), 0);
    }

    #[test]
    fn a_client_has_as_many_opens_as_it_may_have() {
        let table = Bindings::default();
        table.set_limits(super::Limits {
            opens: 1,
            ..super::Limits::default()
        });
        table.bind(ONE, ocb(), || true).unwrap();
        assert_eq!(table.bind(TWO, ocb(), || true).unwrap_err(), Errno::MFILE);
        // Its own place again, and another client.
        assert!(table.bind(ONE, ocb(), || true).is_ok());
        assert!(table.bind(OTHER, ocb(), || true).is_ok());
        table.unbind(ONE.0, ONE.1).unwrap();
        assert!(table.bind(TWO, ocb(), || true).is_ok());
    }

    #[test]
    fn nothing_is_bound_for_a_client_that_has_gone() {
        let table = Bindings::default();
        assert_eq!(table.bind(ONE, ocb(), || false).unwrap_err(), Errno::SRCH);
        assert!(table.get(ONE.0, ONE.1).is_err());
    }
}
