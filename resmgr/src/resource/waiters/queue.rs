//! [`Queues`]: calls that wait, in the order in which they came.

use super::{Conditions, Full, Parked};
use crate::Result;
use crate::ipc::Scoid;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// What a call waits for, and its place among all.
type Key = (u32, u64);

/// Calls that wait. Void ones are found when their turn comes, when their client has no room for another,
/// and all of them each time when there may be as many as others.
#[derive(Debug)]
pub(super) struct Queues<P> {
    calls: BTreeMap<Key, P>,
    clients: HashMap<Scoid, BTreeSet<Key>>,
    last: u64,
    /// Void calls are looked for when there are as many calls as this.
    due: usize,
}

/// Few enough to look at.
const FEW: usize = 32;

impl<P> Default for Queues<P> {
    fn default() -> Self {
        Self {
            calls: BTreeMap::new(),
            clients: HashMap::new(),
            last: 0,
            due: FEW,
        }
    }
}

impl<P: Parked> Queues<P> {
    /// Adds a call at the end. Void ones come back beside.
    pub(super) fn push(
        &mut self,
        conditions: Conditions,
        call: P,
        per_client: usize,
    ) -> (Result<(), Full<P>>, Vec<P>) {
        let client = call.client();
        let mut void = Vec::new();
        if self.calls.len() >= self.due {
            void = self.take_void(self.calls.keys().copied().collect());
            self.due = FEW.max(self.calls.len().saturating_mul(2));
        }
        if self.count(client) >= per_client {
            void.append(&mut self.take_void_of(client));
        }
        if self.count(client) >= per_client {
            return (Err(Full(call)), void);
        }
        self.last += 1;
        self.put((conditions.bits(), self.last), call);
        (Ok(()), void)
    }

    /// The place of the call that came last.
    pub(super) fn last(&self) -> u64 {
        self.last
    }

    /// Takes out the first that waits for one of the conditions, and the void ones before it; none whose
    /// place is behind `last`.
    pub(super) fn pop(&mut self, conditions: Conditions, last: u64) -> (Option<(Key, P)>, Vec<P>) {
        let mut void = Vec::new();
        while let Some(key) = self.first(conditions).filter(|key| key.1 <= last) {
            let Some(call) = self.take(key) else { break };
            if call.is_waiting() {
                return (Some((key, call)), void);
            }
            void.push(call);
        }
        (None, void)
    }

    /// Adds a call at its place.
    pub(super) fn put(&mut self, key: Key, call: P) {
        self.clients.entry(call.client()).or_default().insert(key);
        self.calls.insert(key, call);
    }

    /// Takes out a client's void ones.
    pub(super) fn take_void_of(&mut self, client: Scoid) -> Vec<P> {
        let keys = self.clients.get(&client);
        self.take_void(keys.into_iter().flatten().copied().collect())
    }

    fn take_void(&mut self, keys: Vec<Key>) -> Vec<P> {
        let mut keys = keys;
        keys.retain(|key| self.calls.get(key).is_some_and(|call| !call.is_waiting()));
        keys.into_iter().filter_map(|key| self.take(key)).collect()
    }

    fn take(&mut self, key: Key) -> Option<P> {
        let call = self.calls.remove(&key)?;
        let client = call.client();
        if let Some(keys) = self.clients.get_mut(&client) {
            keys.remove(&key);
            if keys.is_empty() {
                self.clients.remove(&client);
            }
        }
        Some(call)
    }

    /// The longest waiting: the first of each set of conditions that meets these, and of those the first.
    fn first(&self, conditions: Conditions) -> Option<Key> {
        let mut first: Option<Key> = None;
        let mut next = self.calls.keys().next();
        while let Some(&(bits, place)) = next {
            let is_earlier = first.is_none_or(|(_, earliest)| place < earliest);
            if bits & conditions.bits() != 0 && is_earlier {
                first = Some((bits, place));
            }
            next = self
                .calls
                .range((bits.saturating_add(1), 0)..)
                .next()
                .map(|(key, _)| key);
        }
        first
    }

    fn count(&self, client: Scoid) -> usize {
        self.clients.get(&client).map_or(0, BTreeSet::len)
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.calls.len()
    }
}
