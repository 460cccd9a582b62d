//! The rules of advisory locks.

use super::{Kind, LOCKS_PER_FILE, LOCKS_PER_OWNER, Locks, Outcome, Owner, Range, WaitGraph};
use crate::Errno;
use crate::ipc::Scoid;
use crate::resource::Most;
use crate::wire::OpenFlags;
use Kind::{Read, Write};
use std::sync::Arc;

pub(super) fn locks() -> Locks<u32> {
    Locks::new(&Arc::default())
}

pub(super) fn process(number: u32) -> Owner {
    Owner::Process {
        client: Scoid(number),
        pid: number,
    }
}

pub(super) fn range(start: i64, len: i64) -> Range {
    Range::new(0, start, len).unwrap()
}

#[test]
fn if15_a_lock_keeps_others_out_and_fgetlk_tells_whose_it_is() {
    let mut locks = locks();
    assert_eq!(locks.set(process(1), Write, range(10, 10)), Ok(vec![]));
    assert_eq!(locks.set(process(2), Read, range(19, 5)), Err(Errno::AGAIN));
    assert_eq!(locks.set(process(2), Read, range(20, 5)), Ok(vec![]));
    let held = locks.test(process(3), Write, range(15, 0)).unwrap();
    assert_eq!((held.pid(), held.range), (Some(1), range(10, 10)));
    assert_eq!(locks.test(process(3), Read, range(20, 0)), None);
    assert_eq!(locks.test(process(1), Read, range(0, 0)), None);
}

#[test]
fn if15_a_lock_asks_for_the_access_that_it_is_about() {
    let cases = [
        (Read, OpenFlags::READ, Ok(())),
        (Read, OpenFlags::WRITE, Err(Errno::BADF)),
        (Write, OpenFlags::READ, Err(Errno::BADF)),
        (Write, OpenFlags::READ | OpenFlags::WRITE, Ok(())),
    ];
    for (kind, flags, expected) in cases {
        assert_eq!(kind.check_mode(flags), expected);
    }
}

#[test]
fn if15_an_owners_locks_are_split_merged_and_changed() {
    let mut locks = locks();
    let mut expect = |kind: Option<Kind>, (start, len), expected: &[(Kind, i64, i64)]| {
        match kind {
            Some(kind) => locks.set(process(1), kind, range(start, len)).unwrap(),
            None => locks.unset(process(1), range(start, len)).unwrap(),
        };
        let now: Vec<_> = locks
            .ranges
            .locks()
            .map(|held| (held.kind, held.range.start(), held.range.len()))
            .collect();
        assert_eq!(now, expected);
    };
    expect(Some(Read), (10, 10), &[(Read, 10, 10)]);
    expect(Some(Read), (20, 10), &[(Read, 10, 20)]);
    expect(
        Some(Write),
        (15, 5),
        &[(Read, 10, 5), (Write, 15, 5), (Read, 20, 10)],
    );
    expect(Some(Read), (15, 5), &[(Read, 10, 20)]);
    expect(None, (12, 1), &[(Read, 10, 2), (Read, 13, 17)]);
    expect(Some(Write), (0, 0), &[(Write, 0, 0)]);
    expect(None, (5, 0), &[(Write, 0, 5)]);
    expect(None, (0, 0), &[]);
    assert!(locks.is_empty());
}

#[test]
fn if15_who_waits_gets_its_lock_in_the_order_of_arrival() {
    let mut locks = locks();
    let wait =
        |locks: &mut Locks<u32>, who, kind| locks.wait(process(who), kind, Range::WHOLE, || who);
    assert_eq!(wait(&mut locks, 1, Write), Ok(Outcome::Granted(vec![])));
    for (who, kind) in [(2, Read), (3, Write), (4, Read)] {
        assert_eq!(wait(&mut locks, who, kind), Ok(Outcome::Waits(vec![])));
    }
    assert_eq!(locks.unset(process(1), Range::WHOLE), Ok(vec![2, 4]));
    assert_eq!(locks.release_process(Scoid(2), 2), []);
    assert_eq!(locks.release_process(Scoid(4), 4), [3]);
}

#[test]
fn if15_a_weaker_lock_lets_others_in() {
    let mut locks = locks();
    locks.set(process(1), Write, Range::WHOLE).unwrap();
    locks.wait(process(2), Read, range(5, 1), || 2).unwrap();
    assert_eq!(locks.set(process(1), Read, range(0, 5)), Ok(vec![]));
    assert_eq!(locks.set(process(1), Read, range(0, 6)), Ok(vec![2]));
}

#[test]
fn if15_a_lock_goes_at_any_close_of_the_process_and_a_wait_does_not() {
    let mut locks = locks();
    locks.set(process(1), Write, range(0, 1)).unwrap();
    locks.set(process(2), Write, range(1, 1)).unwrap();
    locks.wait(process(1), Write, range(1, 1), || 1).unwrap();
    assert_eq!(locks.release_process(Scoid(1), 1), []);
    assert_eq!(locks.test(process(3), Write, range(0, 1)), None);
    assert_eq!(locks.release_process(Scoid(2), 2), [1]);
    assert_eq!(locks.release_process(Scoid(9), 9), []);
}

#[test]
fn if15_the_processes_behind_a_mount_are_told_apart() {
    let behind = |pid| Owner::Process {
        client: Scoid(1),
        pid,
    };
    let mut locks = locks();
    locks.set(behind(10), Write, range(0, 1)).unwrap();
    let refused = locks.set(behind(11), Write, range(0, 1));
    assert_eq!(refused, Err(Errno::AGAIN));
    locks.set(behind(11), Write, range(1, 1)).unwrap();
    locks.wait(process(2), Write, range(0, 1), || 2).unwrap();
    assert_eq!(locks.release_process(Scoid(1), 10), [2]);
    locks.remove_client(Scoid(1));
    assert_eq!(locks.test(process(2), Write, Range::WHOLE), None);
}

#[test]
fn if15_a_client_that_goes_takes_its_locks_and_its_waits_along() {
    let mut locks = locks();
    locks.set(process(1), Write, range(0, 1)).unwrap();
    locks.set(process(2), Write, range(1, 1)).unwrap();
    locks.wait(process(1), Write, range(1, 1), || 1).unwrap();
    locks.wait(process(3), Write, range(0, 1), || 3).unwrap();
    let removed = locks.remove_client(Scoid(1));
    assert_eq!((removed.granted, removed.dropped), (vec![3], vec![1]));
    assert_eq!(locks.release_process(Scoid(2), 2), []);
    locks.remove_client(Scoid(3));
    assert!(locks.is_empty());
}

#[test]
fn if16_an_unblock_ends_the_wait_and_nothing_else() {
    let mut locks = locks();
    locks.set(process(1), Write, Range::WHOLE).unwrap();
    locks.wait(process(2), Read, range(0, 1), || 2).unwrap();
    locks
        .wait(Owner::Open(1), Read, Range::WHOLE, || 3)
        .unwrap();
    assert_eq!(locks.cancel(|token| *token == 9), None);
    assert_eq!(locks.cancel(|token| *token == 2), Some(2));
    assert_eq!(locks.cancel(|token| *token == 2), None);
    assert_eq!(locks.release_process(Scoid(1), 1), []);
}

#[test]
fn flock_and_fcntl_do_not_see_each_other() {
    let mut locks = locks();
    locks.set(process(1), Write, Range::WHOLE).unwrap();
    locks.set(Owner::Open(1), Write, Range::WHOLE).unwrap();
    let refused = locks.set(Owner::Open(2), Read, Range::WHOLE);
    assert_eq!(refused, Err(Errno::AGAIN));
    assert_eq!(locks.release_process(Scoid(1), 1), []);
    let held = locks.test(Owner::Open(2), Read, Range::WHOLE).unwrap();
    assert_eq!(held.pid(), None);
    locks
        .wait(Owner::Open(2), Read, Range::WHOLE, || 2)
        .unwrap();
    assert_eq!(locks.release_open(1), [2]);
    assert_eq!(locks.release_open(2), []);
    assert!(locks.is_empty());
}

#[test]
fn two_opens_that_both_want_to_write_do_not_wait_for_ever() {
    let mut locks = locks();
    for open in [1, 2] {
        locks.set(Owner::Open(open), Read, Range::WHOLE).unwrap();
    }
    let first = locks.wait(Owner::Open(1), Write, Range::WHOLE, || 1);
    assert_eq!(first, Ok(Outcome::Waits(vec![])));
    let second = locks.wait(Owner::Open(2), Write, Range::WHOLE, || 2);
    assert_eq!(second, Ok(Outcome::Granted(vec![])));
    assert_eq!(locks.release_open(2), [1]);
}

#[test]
fn if15_a_circle_of_waits_is_refused_over_several_files() {
    let graph = Arc::default();
    let mut files: Vec<Locks<u32>> = (0..3).map(|_| Locks::new(&graph)).collect();
    for (at, file) in (1..).zip(&mut files) {
        file.set(process(at), Write, Range::WHOLE).unwrap();
    }
    let wait = |file: &mut Locks<u32>, who| file.wait(process(who), Read, Range::WHOLE, || who);
    assert_eq!(wait(&mut files[1], 1), Ok(Outcome::Waits(vec![])));
    assert_eq!(wait(&mut files[2], 2), Ok(Outcome::Waits(vec![])));
    assert_eq!(wait(&mut files[0], 3), Err(Errno::DEADLK));
    // A wait that has ended holds nobody up.
    assert_eq!(files[1].cancel(|token| *token == 1), Some(1));
    assert_eq!(wait(&mut files[0], 3), Ok(Outcome::Waits(vec![])));
    // 2 waits for 3, which waits for 1.
    assert_eq!(wait(&mut files[1], 1), Err(Errno::DEADLK));
    assert_eq!(files[0].release_process(Scoid(1), 1), [3]);
    assert_eq!(wait(&mut files[1], 1), Ok(Outcome::Waits(vec![])));
}

#[test]
fn if15_the_number_of_locks_is_bounded_and_unlocking_is_not() {
    let mut locks = locks();
    let most = i64::try_from(LOCKS_PER_OWNER).unwrap();
    for at in 0..most {
        locks.set(process(1), Write, range(at * 10, 5)).unwrap();
    }
    let more = locks.set(process(1), Write, range(most * 10, 5));
    assert_eq!(more, Err(Errno::NOLCK));
    assert_eq!(locks.unset(process(1), range(2, 1)), Err(Errno::NOLCK));
    assert_eq!(locks.unset(process(1), range(2, 3)), Ok(vec![]));
    assert_eq!(locks.set(process(1), Write, range(0, 0)), Ok(vec![]));
    let waits = (0..).take_while(|_| locks.wait(process(2), Read, range(0, 1), || 0).is_ok());
    assert_eq!(waits.count(), LOCKS_PER_OWNER / 2);
    let others = (3..).take_while(|who| locks.wait(process(*who), Read, range(0, 1), || 0).is_ok());
    assert_eq!(others.count(), (LOCKS_PER_FILE - LOCKS_PER_OWNER - 1) / 2);
    let granted = locks.release_process(Scoid(1), 1);
    assert_eq!(granted.len(), (LOCKS_PER_FILE - 1) / 2);
}

#[test]
fn the_bound_of_one_owner_can_be_chosen() {
    let graph = Arc::new(WaitGraph::default());
    let all = Most { client: 5, user: 5 };
    graph.set_limits(2, all);
    let mut locks = Locks::<u32>::new(&graph);
    let owner = Owner::Process {
        client: crate::ipc::Scoid(1),
        pid: 1,
    };
    let mut set = |at: i64| {
        let range = Range::new(0, at, 1).unwrap();
        locks.set(owner, Kind::Write, range).map(drop)
    };
    assert_eq!((set(0), set(10)), (Ok(()), Ok(())));
    assert_eq!(set(20), Err(Errno::NOLCK));
}

#[test]
fn if15_the_locks_of_a_client_are_bounded_over_all_files() {
    let graph = Arc::new(WaitGraph::default());
    let all = Most { client: 5, user: 5 };
    graph.set_limits(3, all);
    let mut files = [0; 2].map(|_| Locks::<u32>::new(&graph));
    let [one, two] = [1, 2].map(|client| Owner::Process {
        client: Scoid(client),
        pid: 1,
    });
    let set = |file: &mut Locks<u32>, owner, at: i64| {
        file.set(owner, Kind::Write, range(at, 5)).map(drop)
    };
    let first: Vec<_> = (0..4).map(|at| set(&mut files[0], one, at * 10)).collect();
    assert_eq!(first, [Ok(()), Ok(()), Ok(()), Err(Errno::NOLCK)]);
    let second: Vec<_> = (0..3).map(|at| set(&mut files[1], one, at * 10)).collect();
    assert_eq!(second, [Ok(()), Ok(()), Err(Errno::NOLCK)]);
    // Another client is not refused anything, and what takes away is right.
    assert_eq!(set(&mut files[1], two, 100), Ok(()));
    assert_eq!(files[0].unset(one, range(2, 1)), Err(Errno::NOLCK));
    assert_eq!(files[0].unset(one, range(0, 5)), Ok(vec![]));
    assert_eq!(graph.tally().has(Scoid(1)), 4);
    // What others have waited for is theirs.
    let waits = files[0].wait(two, Kind::Write, range(10, 5), || 7);
    assert_eq!(waits, Ok(Outcome::Waits(vec![])));
    assert_eq!(files[0].release_process(Scoid(1), 1), [7]);
    assert_eq!(
        (graph.tally().has(Scoid(1)), graph.tally().has(Scoid(2))),
        (2, 2)
    );
    files[1].remove_client(Scoid(1));
    assert_eq!(graph.tally().has(Scoid(1)), 0);
    assert_eq!(files[1].release_process(Scoid(2), 1), []);
    assert_eq!(graph.tally().has(Scoid(2)), 1);
}
