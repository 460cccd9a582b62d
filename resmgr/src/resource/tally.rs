//! [`Tally`]: how much of something each client has, and each user through all of its clients.

use super::lock;
use crate::ipc::{MessageInfo, Scoid};
use resmgr_sys::process;
use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

/// The user whose share a client's goods count for; `None` for root and the server's own user, who may have as much as
/// there is room for: both can do worse to this process. Only they may speak for others.
pub(crate) type Charged = Option<u32>;

/// Whom a message's sender counts for.
pub(crate) fn charged(info: &MessageInfo) -> Charged {
    let uid = info.credentials.uid;
    let is_own = uid == 0 || info.credentials.pid != info.pid || uid == process::known_ids().0;
    (!is_own).then_some(uid)
}

/// How much a client may have, and all clients of a user together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Most {
    pub(crate) client: usize,
    pub(crate) user: usize,
}

/// What one has taken too much of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Over {
    Client,
    User,
}

/// What users have through all of their clients. Those that have nothing take no memory.
#[derive(Debug, Default)]
pub(crate) struct Users(HashMap<u32, usize>);

impl Users {
    /// Whether a user may have so many more.
    pub(crate) fn have_room(&self, user: Charged, more: usize, most: usize) -> bool {
        let has = user.map(|user| self.0.get(&user).copied().unwrap_or(0));
        has.is_none_or(|has| has.saturating_add(more) <= most)
    }

    pub(crate) fn take(&mut self, user: Charged, more: usize) {
        if let Some(user) = user {
            *self.0.entry(user).or_default() += more;
        }
    }

    pub(crate) fn give(&mut self, user: Charged, less: usize) {
        let Some(user) = user else { return };
        let Some(has) = self.0.get_mut(&user) else {
            return;
        };
        *has = has.saturating_sub(less);
        if *has == 0 {
            self.0.remove(&user);
        }
    }
}

/// The count of one kind of thing.
#[derive(Debug)]
pub(crate) struct Tally {
    state: Mutex<State>,
    client: AtomicUsize,
    user: AtomicUsize,
}

#[derive(Debug, Default)]
struct State {
    clients: HashMap<Scoid, Share>,
    users: Users,
}

#[derive(Clone, Copy, Debug, Default)]
struct Share {
    has: usize,
    user: Charged,
}

impl Tally {
    pub(crate) fn new(most: Most) -> Self {
        Self {
            state: Mutex::default(),
            client: AtomicUsize::new(most.client),
            user: AtomicUsize::new(most.user),
        }
    }

    /// Bounds what is taken from now on.
    pub(crate) fn set(&self, most: Most) {
        self.client.store(most.client, Ordering::Relaxed);
        self.user.store(most.user, Ordering::Relaxed);
    }

    /// Says whom a client counts for, until it has nothing any more.
    pub(crate) fn introduce(&self, client: Scoid, user: Charged) {
        if user.is_some() {
            let mut state = lock(&self.state);
            let share = state.clients.entry(client);
            share.or_insert(Share { has: 0, user });
        }
    }

    /// Takes so many for a client.
    pub(crate) fn take(&self, client: Scoid, more: usize) -> Result<(), Over> {
        let mut state = lock(&self.state);
        let Share { has, user } = state.clients.get(&client).copied().unwrap_or_default();
        if has.saturating_add(more) > self.client.load(Ordering::Relaxed) {
            return Err(Over::Client);
        }
        let most = self.user.load(Ordering::Relaxed);
        if !state.users.have_room(user, more, most) {
            return Err(Over::User);
        }
        state.take(client, more);
        Ok(())
    }

    /// Takes what was promised before, whether there is room or not.
    pub(crate) fn take_promised(&self, client: Scoid, more: usize) {
        lock(&self.state).take(client, more);
    }

    /// Gives so many of a client's back.
    pub(crate) fn give(&self, client: Scoid, less: usize) {
        let mut state = lock(&self.state);
        let Some(share) = state.clients.get_mut(&client) else {
            return;
        };
        let less = less.min(share.has);
        share.has -= less;
        let Share { has, user } = *share;
        if has == 0 {
            state.clients.remove(&client);
        }
        state.users.give(user, less);
    }

    /// A client that has nothing is not known any more.
    pub(crate) fn forget(&self, client: Scoid) {
        let mut state = lock(&self.state);
        if state
            .clients
            .get(&client)
            .is_some_and(|share| share.has == 0)
        {
            state.clients.remove(&client);
        }
    }

    /// How many a client has.
    #[cfg(test)]
    pub(crate) fn has(&self, client: Scoid) -> usize {
        lock(&self.state)
            .clients
            .get(&client)
            .map_or(0, |share| share.has)
    }
}

impl State {
    fn take(&mut self, client: Scoid, more: usize) {
        let share = self.clients.entry(client).or_default();
        share.has += more;
        self.users.take(share.user, more);
    }
}

/// One that a client has, until this goes.
#[derive(Debug)]
pub(crate) struct Permit {
    tally: Arc<Tally>,
    client: Scoid,
}

impl Permit {
    pub(crate) fn new(tally: &Arc<Tally>, client: Scoid, user: Charged) -> Result<Self, Over> {
        tally.introduce(client, user);
        tally.take(client, 1)?;
        let tally = Arc::clone(tally);
        Ok(Self { tally, client })
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.tally.give(self.client, 1);
    }
}

#[cfg(test)]
mod tests {
    use super::{Most, Over, Permit, Tally};
    use crate::ipc::Scoid;
    use std::sync::Arc;

    const ONE: Scoid = Scoid::from_raw(1);
    const TWO: Scoid = Scoid::from_raw(2);
    const OWN: Scoid = Scoid::from_raw(3);
    const MOST: Most = Most { client: 3, user: 4 };

    #[test]
    fn limits_of_a_user_hold_over_all_of_its_clients() {
        let tally = Tally::new(MOST);
        tally.introduce(ONE, Some(1000));
        tally.introduce(TWO, Some(1000));
        assert_eq!(tally.take(ONE, 3), Ok(()));
        assert_eq!(tally.take(ONE, 1), Err(Over::Client));
        assert_eq!(tally.take(TWO, 1), Ok(()));
        assert_eq!(tally.take(TWO, 1), Err(Over::User));
        // Whom nobody counts for.
        assert_eq!(tally.take(OWN, 3), Ok(()));
        tally.give(ONE, 3);
        assert_eq!(tally.take(TWO, 2), Ok(()));
        assert_eq!((tally.has(ONE), tally.has(TWO)), (0, 3));
    }

    #[test]
    fn what_was_promised_is_had_and_given_back() {
        let tally = Tally::new(MOST);
        tally.take(ONE, 3).unwrap();
        tally.take_promised(ONE, 2);
        tally.give(ONE, 2);
        assert_eq!(tally.take(ONE, 1), Err(Over::Client));
        tally.give(ONE, 9);
        assert_eq!(tally.has(ONE), 0);
    }

    #[test]
    fn a_permit_gives_back_what_it_took() {
        let tally = Arc::new(Tally::new(Most { client: 1, user: 1 }));
        let permit = Permit::new(&tally, ONE, Some(7)).unwrap();
        assert_eq!(Permit::new(&tally, ONE, Some(7)).unwrap_err(), Over::Client);
        assert_eq!(Permit::new(&tally, TWO, Some(7)).unwrap_err(), Over::User);
        drop(permit);
        assert!(Permit::new(&tally, TWO, Some(7)).is_ok());
    }
}
