//! Which of a client's connections lead to which open: the table of open files.
//!
//! A connection is named by (scoid, coid): the process as the channel knows it, and the number that the
//! process gave it. Several connections share one open (dup); it ends when the last of them, and the last
//! call on it, has gone. Bounds: those of [`Limits::opens`](super::Limits::opens).

use super::hash::Table;
use crate::ipc::{Coid, Scoid};
use crate::resource::{Charged, Most, OpenFile, Users, lock};
use crate::{Errno, Result};
use std::sync::{Arc, Mutex};

/// One client's connections.
pub(super) type Opens = Table<Coid, Arc<dyn OpenFile>>;

/// The table. The lock is held for look-ups only: opens are dropped after it is released.
#[derive(Debug)]
pub(super) struct Bindings(Mutex<State>);

#[derive(Debug)]
struct State {
    clients: Table<Scoid, Client>,
    users: Users,
    most: Most,
}

/// What a client has, and whom it counts for.
#[derive(Debug, Default)]
struct Client {
    opens: Opens,
    user: Charged,
}

impl Bindings {
    pub(super) fn new(most: Most) -> Self {
        Self(Mutex::new(State {
            clients: Table::default(),
            users: Users::default(),
            most,
        }))
    }

    /// Sets what a client may have from now on.
    pub(super) fn set_most(&self, most: Most) {
        lock(&self.0).most = most;
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
    /// - `ENFILE`: its user has.
    /// - `ESRCH`: it has gone.
    pub(super) fn bind(
        &self,
        (scoid, coid): (Scoid, Coid),
        user: Charged,
        ocb: Arc<dyn OpenFile>,
        is_waiting: impl FnOnce() -> bool,
    ) -> Result<Option<Arc<dyn OpenFile>>> {
        let mut state = lock(&self.0);
        let State {
            clients,
            users,
            most,
        } = &mut *state;
        if !is_waiting() {
            return Err(Errno::SRCH);
        }
        // Whoever takes the resource away says so before it looks through this table.
        if ocb.is_down() {
            return Err(Errno::NOENT);
        }
        let none = || Client {
            opens: Opens::default(),
            user,
        };
        let client = clients.entry(scoid).or_insert_with(none);
        if let Some(bound) = client.opens.get_mut(&coid) {
            return Ok(Some(std::mem::replace(bound, ocb)));
        }
        let checked = if client.opens.len() >= most.client {
            Err(Errno::MFILE)
        } else if !users.have_room(client.user, 1, most.user) {
            Err(Errno::NFILE)
        } else {
            Ok(None)
        };
        if checked.is_ok() {
            users.take(client.user, 1);
            client.opens.insert(coid, ocb);
        } else if client.opens.is_empty() {
            clients.remove(&scoid);
        }
        checked
    }

    /// The open behind a connection; `EBADF` when there is none.
    pub(super) fn get(&self, scoid: Scoid, coid: Coid) -> Result<Arc<dyn OpenFile>> {
        let state = lock(&self.0);
        let client = state.clients.get(&scoid);
        let ocb = client.and_then(|client| client.opens.get(&coid));
        ocb.cloned().ok_or(Errno::BADF)
    }

    /// How many connections of a client lead to opens.
    pub(super) fn count(&self, scoid: Scoid) -> usize {
        let state = lock(&self.0);
        state.clients.get(&scoid).map_or(0, |one| one.opens.len())
    }

    /// Takes a connection's binding away; `EBADF` when there is none.
    pub(super) fn unbind(&self, scoid: Scoid, coid: Coid) -> Result<Arc<dyn OpenFile>> {
        let mut state = lock(&self.0);
        let State { clients, users, .. } = &mut *state;
        let client = clients.get_mut(&scoid).ok_or(Errno::BADF)?;
        let ocb = client.opens.remove(&coid).ok_or(Errno::BADF)?;
        users.give(client.user, 1);
        if client.opens.is_empty() {
            clients.remove(&scoid);
        }
        Ok(ocb)
    }

    /// Takes everybody's bindings away.
    pub(super) fn clear(&self) -> impl Iterator<Item = (Scoid, Opens)> {
        let mut state = lock(&self.0);
        state.users = Users::default();
        let clients = std::mem::take(&mut state.clients);
        clients
            .into_iter()
            .map(|(scoid, client)| (scoid, client.opens))
    }

    /// Takes the bindings to opens of one attachment away, by client.
    pub(super) fn unbind_link(&self, link: u32) -> Vec<(Scoid, Vec<Arc<dyn OpenFile>>)> {
        let mut state = lock(&self.0);
        let State { clients, users, .. } = &mut *state;
        let taken = clients.iter_mut().map(|(scoid, client)| {
            let of_it = client.opens.extract_if(|_, file| file.link() == link);
            let files: Vec<_> = of_it.map(|(_, file)| file).collect();
            users.give(client.user, files.len());
            (*scoid, files)
        });
        let taken: Vec<(Scoid, Vec<_>)> = taken.collect();
        clients.retain(|_, client| !client.opens.is_empty());
        drop(state);
        let is_client = |(_, opens): &(Scoid, Vec<_>)| !opens.is_empty();
        taken.into_iter().filter(is_client).collect()
    }

    /// Takes all of a client's bindings away.
    pub(super) fn unbind_client(&self, scoid: Scoid) -> Opens {
        let mut state = lock(&self.0);
        let client = state.clients.remove(&scoid).unwrap_or_default();
        state.users.give(client.user, client.opens.len());
        client.opens
    }
}

#[cfg(test)]
mod tests {
    use super::Bindings;
    use crate::Errno;
    use crate::ipc::{Coid, Scoid};
    use crate::resource::{Device, Most, OpenFile, open_for_test};
    use std::sync::Arc;

    struct Nothing;
    impl Device for Nothing {}

    fn table(client: usize, user: usize) -> Bindings {
        Bindings::new(Most { client, user })
    }

    fn ocb() -> Arc<dyn OpenFile> {
        open_for_test(Nothing)
    }

    const ONE: (Scoid, Coid) = (Scoid::from_raw(1), Coid::from_raw(7));
    const TWO: (Scoid, Coid) = (Scoid::from_raw(1), Coid::from_raw(8));
    const OTHER: (Scoid, Coid) = (Scoid::from_raw(2), Coid::from_raw(7));

    #[test]
    fn du2_an_open_ends_with_its_last_connection() {
        let (table, open) = (table(9, 9), ocb());
        table.bind(ONE, None, Arc::clone(&open), || true).unwrap();
        table.bind(TWO, None, Arc::clone(&open), || true).unwrap();
        assert_eq!((table.count(ONE.0), table.count(OTHER.0)), (2, 0));
        table.unbind(ONE.0, ONE.1).unwrap();
        assert_eq!(table.get(ONE.0, ONE.1).unwrap_err(), Errno::BADF);
        assert!(Arc::ptr_eq(&table.get(TWO.0, TWO.1).unwrap(), &open));
        table.unbind(TWO.0, TWO.1).unwrap();
        assert_eq!(Arc::strong_count(&open), 1);
    }

    #[test]
    fn du2_a_client_that_goes_takes_only_its_own_opens() {
        let table = table(9, 9);
        for place in [ONE, TWO, OTHER] {
            table.bind(place, None, ocb(), || true).unwrap();
        }
        assert_eq!(table.unbind_client(ONE.0).len(), 2);
        assert!(table.get(TWO.0, TWO.1).is_err());
        assert!(table.get(OTHER.0, OTHER.1).is_ok());
        assert_eq!(table.unbind_client(ONE.0).len(), 0);
    }

    #[test]
    fn a_client_has_as_many_opens_as_it_may_have() {
        let table = table(9, 9);
        table.set_most(Most { client: 1, user: 9 });
        table.bind(ONE, None, ocb(), || true).unwrap();
        assert_eq!(
            table.bind(TWO, None, ocb(), || true).unwrap_err(),
            Errno::MFILE
        );
        // Its own place again, and another client.
        assert!(table.bind(ONE, None, ocb(), || true).is_ok());
        assert!(table.bind(OTHER, None, ocb(), || true).is_ok());
        table.unbind(ONE.0, ONE.1).unwrap();
        assert!(table.bind(TWO, None, ocb(), || true).is_ok());
    }

    #[test]
    fn the_clients_of_a_user_have_no_more_together_than_it_may_have() {
        let table = table(2, 3);
        let bind = |place, user| table.bind(place, user, ocb(), || true).map(drop);
        let at = |client, number| (Scoid::from_raw(client), Coid::from_raw(number));
        assert_eq!(bind(at(1, 1), Some(7)), Ok(()));
        assert_eq!(bind(at(1, 2), Some(7)), Ok(()));
        assert_eq!(bind(at(1, 3), Some(7)), Err(Errno::MFILE));
        assert_eq!(bind(at(2, 1), Some(7)), Ok(()));
        assert_eq!(bind(at(2, 2), Some(7)), Err(Errno::NFILE));
        assert_eq!(bind(at(3, 1), Some(7)), Err(Errno::NFILE));
        // Others, and whom nobody counts for.
        assert_eq!(bind(at(4, 1), Some(8)), Ok(()));
        assert_eq!(bind(at(5, 1), None), Ok(()));
        assert_eq!(table.unbind_client(at(1, 1).0).len(), 2);
        assert_eq!(bind(at(3, 1), Some(7)), Ok(()));
        table.unbind(at(2, 1).0, at(2, 1).1).unwrap();
        assert_eq!(bind(at(3, 2), Some(7)), Ok(()));
    }

    #[test]
    fn nothing_is_bound_for_a_client_that_has_gone() {
        let table = table(9, 9);
        assert_eq!(
            table.bind(ONE, None, ocb(), || false).unwrap_err(),
            Errno::SRCH
        );
        assert!(table.get(ONE.0, ONE.1).is_err());
    }
}
