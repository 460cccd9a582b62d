//! Advisory locks beside a model that knows bytes and no ranges.

use super::tests::{locks, process, range};
use super::{Held, Kind, Locks, Outcome, Range};
use crate::Errno;
use crate::ipc::Scoid;
use Kind::{Read, Write};
use proptest::prelude::*;
use std::collections::{BTreeMap, HashSet};

/// As many bytes as the model knows; the last stands for all behind it.
const BYTES: usize = 12;

#[derive(Clone, Copy, Debug)]
enum Step {
    Set(u32, Kind, Range),
    Unset(u32, Range),
    Wait(u32, Kind, Range),
    Cancel(usize),
    Release(u32),
    Remove(u32),
}

/// What every owner has on every byte, and who waits.
#[derive(Debug, Default)]
struct Model {
    bytes: [BTreeMap<u32, Kind>; BYTES],
    waits: Vec<(u32, Kind, Range, u32)>,
}

fn bytes(range: Range) -> std::ops::Range<usize> {
    let at = |offset: i64| usize::try_from(offset).unwrap().min(BYTES);
    match range.len() {
        0 => at(range.start())..BYTES,
        len => at(range.start())..at(range.start() + len),
    }
}

impl Model {
    fn holders(&self, who: u32, kind: Kind, range: Range) -> HashSet<u32> {
        let held = self.bytes[bytes(range)].iter().flatten();
        let held =
            held.filter(|(whose, held)| **whose != who && (kind == Write || **held == Write));
        held.map(|(whose, _)| *whose).collect()
    }

    fn put(&mut self, who: u32, kind: Option<Kind>, range: Range) {
        for byte in &mut self.bytes[bytes(range)] {
            match kind {
                Some(kind) => byte.insert(who, kind),
                None => byte.remove(&who),
            };
        }
    }

    fn settle(&mut self) -> Vec<u32> {
        let mut granted = Vec::new();
        loop {
            let mut waits = self.waits.iter();
            let free = |(who, kind, range, _): &(u32, Kind, Range, u32)| {
                self.holders(*who, *kind, *range).is_empty()
            };
            let Some(at) = waits.position(free) else {
                return granted;
            };
            let (who, kind, range, token) = self.waits.remove(at);
            self.put(who, Some(kind), range);
            granted.push(token);
        }
    }

    fn waits_for(&self, from: u32, to: u32, seen: &mut HashSet<u32>) -> bool {
        from == to
            || seen.insert(from)
                && self.waits.iter().any(|(who, kind, range, _)| {
                    *who == from
                        && self
                            .holders(*who, *kind, *range)
                            .iter()
                            .any(|next| self.waits_for(*next, to, seen))
                })
    }

    fn set(&mut self, who: u32, kind: Kind, range: Range) -> Result<Vec<u32>, Errno> {
        if !self.holders(who, kind, range).is_empty() {
            return Err(Errno::AGAIN);
        }
        self.put(who, Some(kind), range);
        Ok(self.settle())
    }

    fn wait(
        &mut self,
        who: u32,
        kind: Kind,
        range: Range,
        token: u32,
    ) -> Result<Outcome<u32>, Errno> {
        if let Ok(granted) = self.set(who, kind, range) {
            return Ok(Outcome::Granted(granted));
        }
        let mut holders = self.holders(who, kind, range).into_iter();
        if holders.any(|holder| self.waits_for(holder, who, &mut HashSet::new())) {
            return Err(Errno::DEADLK);
        }
        self.waits.push((who, kind, range, token));
        Ok(Outcome::Waits(Vec::new()))
    }

    fn cancel(&mut self, is_it: impl Fn(u32) -> bool) -> Option<u32> {
        let at = self.waits.iter().position(|wait| is_it(wait.3))?;
        Some(self.waits.remove(at).3)
    }

    fn same(&self, locks: &Locks<u32>) {
        let mut held: [BTreeMap<u32, Kind>; BYTES] = Default::default();
        for one in locks.ranges.locks() {
            for byte in &mut held[bytes(one.range)] {
                let twice = byte.insert(one.pid().unwrap(), one.kind);
                assert_eq!(twice, None, "locks of one owner overlap");
            }
        }
        assert_eq!(held, self.bytes);
        let idle = self.waits.is_empty() && self.bytes.iter().all(BTreeMap::is_empty);
        assert_eq!(locks.is_empty(), idle);
    }
}

fn any_range() -> impl Strategy<Value = Range> {
    (0..BYTES, 0..=BYTES).prop_map(|(start, len)| {
        let len = if start + len >= BYTES { 0 } else { len };
        range(i64::try_from(start).unwrap(), i64::try_from(len).unwrap())
    })
}

fn any_step() -> impl Strategy<Value = Step> {
    let kind = || prop_oneof![Just(Read), Just(Write)];
    let who = || 1_u32..5;
    prop_oneof![
        3 => (who(), kind(), any_range()).prop_map(|(who, kind, range)| Step::Set(who, kind, range)),
        2 => (who(), any_range()).prop_map(|(who, range)| Step::Unset(who, range)),
        4 => (who(), kind(), any_range()).prop_map(|(who, kind, range)| Step::Wait(who, kind, range)),
        1 => (0..40_usize).prop_map(Step::Cancel),
        1 => who().prop_map(Step::Release),
        1 => who().prop_map(Step::Remove),
    ]
}

fn remove(model: &mut Model, locks: &mut Locks<u32>, who: u32) {
    let gone = model.waits.extract_if(.., |wait| wait.0 == who);
    let dropped: Vec<u32> = gone.map(|wait| wait.3).collect();
    model.put(who, None, Range::WHOLE);
    let removed = locks.remove_client(Scoid(who));
    assert_eq!(
        (removed.granted, removed.dropped),
        (model.settle(), dropped)
    );
}

fn step(model: &mut Model, locks: &mut Locks<u32>, step: Step, token: u32) {
    match step {
        Step::Set(who, kind, range) => {
            let test = locks.test(process(who), kind, range).map(Held::key);
            let holders = model.holders(who, kind, range);
            assert_eq!(test.is_some(), !holders.is_empty());
            assert!(test.is_none_or(|whose| holders.contains(&whose)));
            assert_eq!(
                locks.set(process(who), kind, range),
                model.set(who, kind, range)
            );
        }
        Step::Unset(who, range) => {
            model.put(who, None, range);
            assert_eq!(locks.unset(process(who), range), Ok(model.settle()));
        }
        Step::Wait(who, kind, range) => {
            let outcome = locks.wait(process(who), kind, range, || token);
            assert_eq!(outcome, model.wait(who, kind, range, token));
        }
        Step::Cancel(at) => {
            let token = u32::try_from(at).unwrap();
            let cancelled = locks.cancel(|one| *one == token);
            assert_eq!(cancelled, model.cancel(|one| one == token));
        }
        Step::Release(who) => {
            model.put(who, None, Range::WHOLE);
            assert_eq!(locks.release_process(Scoid(who), who), model.settle());
        }
        Step::Remove(who) => remove(model, locks, who),
    }
    model.same(locks);
}

impl Held {
    fn key(self) -> u32 {
        self.pid().unwrap()
    }
}

proptest! {
    #[test]
    fn if15_it_does_what_a_table_of_bytes_does(
        steps in proptest::collection::vec(any_step(), 0..40),
    ) {
        let (mut model, mut locks) = (Model::default(), locks());
        for (token, one) in (0..).zip(steps) {
            step(&mut model, &mut locks, one, token);
        }
    }
}
