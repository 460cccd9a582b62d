//! How many requests wait for which server: what keeps a stopped one from taking all threads.
//!
//! Before a request is sent it is counted with the server that will get it, and it is refused with
//! `EAGAIN` when too many wait there already. Where the server is not known (a path that was never
//! resolved), it is counted with the path.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// With whom a request is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Key {
    /// A server process.
    Process(u32),
    /// The namespace: whoever serves names.
    Names,
    /// A server process, by those who wait for a lock there: they keep nobody from reading and writing.
    Locks(u32),
    /// A server process, by those who give a lock back: they are never refused, since others wait for that.
    Unlocks(u32),
}

/// The counts. Only keys with a request in flight are in it.
#[derive(Clone, Debug)]
pub(crate) struct Traffic {
    counts: Arc<Mutex<HashMap<Key, usize>>>,
    most: usize,
}

/// One counted request; dropping it takes it off.
#[derive(Debug)]
pub(crate) struct Passage {
    traffic: Traffic,
    key: Key,
    /// How many were there before this one.
    pub(crate) ahead: usize,
}

impl Key {
    /// The same server, for those who wait for locks.
    pub(crate) fn locks(self) -> Self {
        self.map(Self::Locks)
    }

    /// The same server, for those who give locks back.
    pub(crate) fn unlocks(self) -> Self {
        self.map(Self::Unlocks)
    }

    fn map(self, to: impl FnOnce(u32) -> Self) -> Self {
        match self {
            Self::Process(pid) => to(pid),
            other => other,
        }
    }
}

impl Traffic {
    /// Nothing is on its way; at most `most` for each.
    pub(crate) fn new(most: usize) -> Self {
        Self {
            counts: Arc::default(),
            most,
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Key, usize>> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a request; `None` when there are too many.
    pub(crate) fn enter(&self, key: Key) -> Option<Passage> {
        let mut counts = self.lock();
        let count = counts.entry(key).or_default();
        // The namespace answers everybody: its bound is the number of threads. An unlock is its program's only request.
        let bounded = !matches!(key, Key::Names | Key::Unlocks(_));
        if *count >= self.most && bounded {
            return None;
        }
        let ahead = *count;
        *count += 1;
        drop(counts);
        Some(Passage {
            traffic: self.clone(),
            key,
            ahead,
        })
    }
}

impl Drop for Passage {
    fn drop(&mut self) {
        if let Entry::Occupied(mut entry) = self.traffic.lock().entry(self.key) {
            *entry.get_mut() -= 1;
            if *entry.get() == 0 {
                entry.remove();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Key, Traffic};

    #[test]
    fn each_server_has_its_own_bound_and_leaves_nothing_behind() {
        let traffic = Traffic::new(2);
        let first = traffic.enter(Key::Process(1)).unwrap();
        let second = traffic.enter(Key::Process(1)).unwrap();
        assert_eq!((first.ahead, second.ahead), (0, 1));
        assert!(traffic.enter(Key::Process(1)).is_none());
        assert!(traffic.enter(Key::Process(2)).is_some());
        drop(first);
        assert!(traffic.enter(Key::Process(1)).is_some());
        drop(second);
        assert!(traffic.lock().is_empty());
    }
}
