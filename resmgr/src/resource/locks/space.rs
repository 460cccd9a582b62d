//! [`Space`]: locks that see each other, and who waits for them.

use super::{Held, Kind, Owner, Range as Bytes};
use crate::ipc::Scoid;
use crate::resource::Tally;
use crate::{Errno, Result};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::Arc;

/// How many locks one owner may hold on one file, unless the manager's [limits](crate::dispatch::Limits) say
/// otherwise; each of its waits counts as two.
pub const LOCKS_PER_OWNER: usize = 1024;
/// How many locks there may be on one file; each wait counts as two.
pub const LOCKS_PER_FILE: usize = 4096;
/// What a lock adds at most: itself, and the second half of one that it cuts in two. A wait keeps as much
/// free, so that nobody who has waited is told that there is no room.
const MOST_ADDED: usize = 2;

/// Locks of one family, and the queue for them.
#[derive(Debug)]
pub(super) struct Space<T> {
    /// Each owner's in the order of the file: they never overlap, and those of one kind do not touch. So it
    /// takes a look at each owner, and not at each lock, to say whether one is in the way.
    locks: BTreeMap<Owner, Vec<Held>>,
    /// In the order of arrival.
    waiters: Vec<Waiter<T>>,
    /// How many one owner may have.
    per_owner: usize,
    /// Where those of all files are counted.
    tally: Option<Arc<Tally>>,
}

#[derive(Debug)]
struct Waiter<T> {
    wanted: Held,
    token: T,
}

/// What one owner's locks become by a change.
struct Change {
    /// Which of them give way.
    gone: Range<usize>,
    /// To what, in the order of the file.
    new: [Option<Held>; 3],
    /// Whether others may get something that they could not have before.
    frees: bool,
}

impl<T> Default for Space<T> {
    fn default() -> Self {
        Self {
            locks: BTreeMap::new(),
            waiters: Vec::new(),
            per_owner: LOCKS_PER_OWNER,
            tally: None,
        }
    }
}

impl<T> Space<T> {
    /// With another bound on what one owner has, and one on what it has here and elsewhere.
    pub(super) fn within(per_owner: usize, tally: &Arc<Tally>) -> Self {
        Self {
            per_owner,
            tally: Some(Arc::clone(tally)),
            ..Self::default()
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.locks.is_empty() && self.waiters.is_empty()
    }

    /// The first lock in the file that `wanted` cannot be held beside.
    pub(super) fn conflict(&self, wanted: &Held) -> Option<Held> {
        let conflicts = self.conflicts(wanted);
        conflicts.min_by_key(|held| held.range.start()).copied()
    }

    /// For each owner, its first lock that is in the way.
    fn conflicts(&self, wanted: &Held) -> impl Iterator<Item = &Held> {
        let others = self
            .locks
            .iter()
            .filter(|(owner, _)| **owner != wanted.owner);
        others.filter_map(|(_, locks)| {
            let at = locks.partition_point(|held| held.range.ends_before(wanted.range));
            let met = locks.iter().skip(at);
            let mut met = met.take_while(|held| held.range.overlaps(wanted.range));
            met.find(|held| held.kind == Kind::Write || wanted.kind == Kind::Write)
        })
    }

    /// Whether an owner has a lock.
    pub(super) fn has(&self, owner: Owner) -> bool {
        self.locks.contains_key(&owner)
    }

    /// Takes the lock if nothing is against it. Returns who has got theirs by it.
    pub(super) fn set(&mut self, wanted: Held) -> Result<Vec<T>> {
        if self.conflict(&wanted).is_some() {
            return Err(Errno::AGAIN);
        }
        self.replace(wanted.owner, wanted.range, Some(wanted.kind))
    }

    /// Gives up what the owner has in the range. Returns who has got theirs by it.
    pub(super) fn unset(&mut self, owner: Owner, range: Bytes) -> Result<Vec<T>> {
        self.replace(owner, range, None)
    }

    /// Whether there is room for one more that waits: `ENOLCK`.
    pub(super) fn check_room_to_wait(&self, owner: Owner) -> Result<()> {
        self.check_room(owner, MOST_ADDED, 0)
    }

    /// Has it wait.
    pub(super) fn queue(&mut self, wanted: Held, token: T) {
        self.waiters.push(Waiter { wanted, token });
    }

    /// Takes one that `is_it` knows out of the queue, and says whose it was.
    pub(super) fn cancel(&mut self, is_it: impl FnMut(&T) -> bool) -> Option<(Owner, T)> {
        let mut tokens = self.waiters.iter().map(|waiter| &waiter.token);
        let at = tokens.position(is_it)?;
        let Waiter { wanted, token } = self.waiters.remove(at);
        Some((wanted.owner, token))
    }

    /// Takes an owner's waits out of the queue.
    pub(super) fn cancel_all(&mut self, is_owner: impl Fn(&Owner) -> bool) -> Vec<T> {
        let gone = |waiter: &mut Waiter<T>| is_owner(&waiter.wanted.owner);
        let gone = self.waiters.extract_if(.., gone);
        gone.map(|waiter| waiter.token).collect()
    }

    /// Drops an owner's locks. Returns who has got theirs by it.
    pub(super) fn release(&mut self, is_owner: impl Fn(&Owner) -> bool) -> Vec<T> {
        let mut gone = self.locks.extract_if(.., |owner, _| is_owner(owner));
        let mut any = false;
        for (owner, locks) in &mut gone {
            any = true;
            if let Some((tally, client)) = counted(self.tally.as_ref(), owner) {
                tally.give(client, locks.len());
            }
        }
        drop(gone);
        if any { self.settle() } else { Vec::new() }
    }

    /// Whose locks are in the way.
    pub(super) fn holders(&self, wanted: &Held) -> impl Iterator<Item = Owner> {
        self.conflicts(wanted).map(|held| held.owner)
    }

    /// Who waits, and one whom it waits for; all such pairs, of all owners or of one.
    pub(super) fn waits(&self, only: Option<Owner>) -> BTreeSet<(Owner, Owner)> {
        let wanted = self.waiters.iter().map(|waiter| &waiter.wanted);
        let wanted = wanted.filter(|wanted| only.is_none_or(|only| only == wanted.owner));
        let pairs = wanted.flat_map(|wanted| {
            let holders = self.holders(wanted);
            holders.map(|holder| (wanted.owner, holder))
        });
        pairs.collect()
    }

    #[cfg(test)]
    pub(super) fn locks(&self) -> impl Iterator<Item = &Held> {
        self.locks.values().flatten()
    }

    pub(super) fn anyone_waits(&self) -> bool {
        !self.waiters.is_empty()
    }

    /// Makes the owner's locks in the range what `kind` says.
    fn replace(&mut self, owner: Owner, range: Bytes, kind: Option<Kind>) -> Result<Vec<T>> {
        let change = self.change(owner, range, kind);
        let added = change.new.iter().flatten().count();
        self.check_room(owner, added, change.gone.len())?;
        let frees = change.frees;
        let more = added.saturating_sub(change.gone.len());
        if let Some((tally, client)) = counted(self.tally.as_ref(), owner)
            && more > 0
        {
            tally.take(client, more).map_err(|_| Errno::NOLCK)?;
        }
        let less = change.gone.len().saturating_sub(added);
        self.apply(owner, change);
        self.give(owner, less);
        Ok(if frees { self.settle() } else { Vec::new() })
    }

    fn change(&self, owner: Owner, range: Bytes, kind: Option<Kind>) -> Change {
        let held = |kind, range| Held { owner, kind, range };
        let own = self.locks.get(&owner).map_or(&[][..], Vec::as_slice);
        let from =
            own.partition_point(|own| own.range.ends_before(range) && !own.gives_way(range, kind));
        let gone = own.get(from..).unwrap_or(&[]).iter();
        let gone = gone.take_while(|own| own.gives_way(range, kind));
        let (mut whole, mut before, mut after) = (range, None, None);
        let (mut count, mut frees) = (0, false);
        for own in gone {
            count += 1;
            if Some(own.kind) == kind {
                whole = whole.hull(own.range);
                continue;
            }
            frees |= kind != Some(Kind::Write);
            let [left, right] = own.range.without(range);
            before = before.or(left.map(|left| held(own.kind, left)));
            after = after.or(right.map(|right| held(own.kind, right)));
        }
        let set = kind.map(|kind| held(kind, whole));
        Change {
            gone: from..from + count,
            new: [before, set, after],
            frees,
        }
    }

    fn apply(&mut self, owner: Owner, change: Change) {
        let own = self.locks.entry(owner).or_default();
        drop(own.splice(change.gone, change.new.into_iter().flatten()));
        if own.is_empty() {
            self.locks.remove(&owner);
        }
    }

    /// So many locks of an owner have gone.
    fn give(&self, owner: Owner, less: usize) {
        if let Some((tally, client)) = counted(self.tally.as_ref(), owner)
            && less > 0
        {
            tally.give(client, less);
        }
    }

    /// Gives waiters what they can have now, in the order in which they came. What a later one gets may
    /// free something for an earlier one (a write lock that becomes a read lock): then again from the start.
    fn settle(&mut self) -> Vec<T> {
        let mut granted = Vec::new();
        let mut at = 0;
        while let Some(waiter) = self.waiters.get(at) {
            let wanted = waiter.wanted;
            if self.conflict(&wanted).is_some() {
                at += 1;
                continue;
            }
            granted.push(self.waiters.remove(at).token);
            let Held { owner, kind, range } = wanted;
            let change = self.change(owner, range, Some(kind));
            if change.frees {
                at = 0;
            }
            let (added, gone) = (change.new.iter().flatten().count(), change.gone.len());
            if let Some((tally, client)) = counted(self.tally.as_ref(), owner) {
                tally.take_promised(client, added.saturating_sub(gone));
            }
            self.apply(owner, change);
            self.give(owner, gone.saturating_sub(added));
        }
        granted
    }

    /// Whether `added` locks may come for an owner when `gone` of its own give way. What only takes away is
    /// always right.
    fn check_room(&self, owner: Owner, added: usize, gone: usize) -> Result<()> {
        if added <= gone {
            return Ok(());
        }
        let all: usize = self.locks.values().map(Vec::len).sum();
        let own = self.locks.get(&owner).map_or(0, Vec::len);
        let waits = self.waiters.iter();
        let own_waits = waits.filter(|waiter| waiter.wanted.owner == owner).count();
        let all = all + MOST_ADDED * self.waiters.len();
        let own = own + MOST_ADDED * own_waits;
        let more = added - gone;
        if own + more > self.per_owner || all + more > LOCKS_PER_FILE {
            return Err(Errno::NOLCK);
        }
        Ok(())
    }
}

/// Where an owner's locks are counted, and for whom.
fn counted(tally: Option<&Arc<Tally>>, owner: Owner) -> Option<(&Arc<Tally>, Scoid)> {
    match owner {
        Owner::Process { client, .. } => Some((tally?, client)),
        Owner::Open(_) => None,
    }
}

impl Held {
    /// Whether its owner's new lock of this kind (or none) in this range takes its place or a part of it.
    fn gives_way(&self, range: Bytes, kind: Option<Kind>) -> bool {
        if Some(self.kind) == kind {
            self.range.touches(range)
        } else {
            self.range.overlaps(range)
        }
    }
}
