//! [`WaitGraph`]: which process waits for which, over all files of a manager.

use super::{LOCKS_PER_OWNER, Owner};
use crate::resource::{Most, Tally, lock};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

/// Who waits for whose locks. One for all files whose locks may wait for each other.
///
/// Each file states its own part, anew after each change. It is locked while a file's locks are: nothing
/// else is locked while it is taken.
#[derive(Debug)]
pub(crate) struct WaitGraph {
    state: Mutex<State>,
    /// How many locks one owner may have on one file.
    per_owner: AtomicUsize,
    /// The locks of ranges that clients have, on all files.
    tally: Arc<Tally>,
}

impl Default for WaitGraph {
    fn default() -> Self {
        let (client, user) = (usize::MAX, usize::MAX);
        Self {
            state: Mutex::default(),
            per_owner: AtomicUsize::new(LOCKS_PER_OWNER),
            tally: Arc::new(Tally::new(Most { client, user })),
        }
    }
}

#[derive(Debug, Default)]
struct State {
    /// Whom an owner waits for in a file.
    waits: BTreeMap<(Owner, u64), Vec<Owner>>,
    /// Who waits in a file.
    files: HashMap<u64, BTreeSet<Owner>>,
    last: u64,
}

impl WaitGraph {
    /// Bounds the locks of one owner on each file that has none yet, and those of a client on all files.
    pub(crate) fn set_limits(&self, per_owner: usize, on_all: Most) {
        self.per_owner.store(per_owner, Ordering::Relaxed);
        self.tally.set(on_all);
    }

    /// The count of clients' locks on all files.
    pub(crate) fn tally(&self) -> &Arc<Tally> {
        &self.tally
    }

    pub(super) fn limit(&self) -> usize {
        self.per_owner.load(Ordering::Relaxed)
    }

    /// A number for one more file.
    pub(super) fn file(&self) -> u64 {
        let mut state = lock(&self.state);
        state.last += 1;
        state.last
    }

    /// States who waits for whom in this file, pair by pair.
    pub(super) fn state(&self, file: u64, waits: impl IntoIterator<Item = (Owner, Owner)>) {
        let mut state = lock(&self.state);
        for owner in state.files.remove(&file).unwrap_or_default() {
            state.waits.remove(&(owner, file));
        }
        for (waiting, holder) in waits {
            state.add(file, waiting, &[holder]);
        }
    }

    /// States anew whom one owner waits for in this file.
    pub(super) fn state_of(
        &self,
        file: u64,
        owner: Owner,
        waits: impl IntoIterator<Item = (Owner, Owner)>,
    ) {
        let mut state = lock(&self.state);
        state.waits.remove(&(owner, file));
        if let Some(owners) = state.files.get_mut(&file) {
            owners.remove(&owner);
        }
        for (waiting, holder) in waits {
            state.add(file, waiting, &[holder]);
        }
    }

    /// Adds that `waiting` waits for each of `holders`; `false`, and nothing added, if that would leave
    /// everyone on a circle waiting for ever.
    pub(super) fn add(&self, file: u64, waiting: Owner, holders: &[Owner]) -> bool {
        let mut state = lock(&self.state);
        let circle = state.leads(holders, waiting);
        if !circle {
            state.add(file, waiting, holders);
        }
        !circle
    }
}

impl State {
    fn add(&mut self, file: u64, waiting: Owner, holders: &[Owner]) {
        self.files.entry(file).or_default().insert(waiting);
        let waits = self.waits.entry((waiting, file)).or_default();
        waits.extend_from_slice(holders);
    }

    /// Whether one of `from` is `to`, or waits for it, directly or through others.
    fn leads(&self, from: &[Owner], to: Owner) -> bool {
        let mut seen: BTreeSet<Owner> = from.iter().copied().collect();
        let mut open = from.to_vec();
        while let Some(owner) = open.pop() {
            if owner == to {
                return true;
            }
            let next = self.waits.range((owner, 0)..=(owner, u64::MAX));
            let next = next.flat_map(|(_, holders)| holders);
            open.extend(next.filter(|next| seen.insert(**next)));
        }
        false
    }
}
