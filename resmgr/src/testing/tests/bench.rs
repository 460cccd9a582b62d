//! What the bench drives.

use super::fault::Fault;
use super::line::Line;
use super::model::Model;
use crate::client::{LockKind, OpenFlags, Seek};
use crate::resource::{At, Device, lock};
use crate::testing::Bench;
use crate::{Errno, Result};
use std::sync::{Condvar, Mutex};
use std::time::Duration;

/// Longer than anything here takes on a busy machine.
const LONG: Duration = Duration::from_secs(30);
const READ: OpenFlags = OpenFlags::READ;
const BOTH: OpenFlags = OpenFlags::READ.union(OpenFlags::WRITE);
const NEW: OpenFlags = BOTH.union(OpenFlags::CREATE);

#[test]
fn a_tree_is_used_by_path_and_by_open() {
    let bench = Bench::new(Model::tree(Fault::None)).unwrap();
    bench.create_dir("a", 0o755).unwrap();
    bench.open_at("a/b", NEW).unwrap().write(b"text").unwrap();
    assert_eq!(bench.list("a").unwrap(), ["b"]);
    bench.rename("a/b", "c").unwrap();
    assert_eq!(bench.stat("c").unwrap().size, 4);
    bench.make_symlink("c", "link").unwrap();
    assert_eq!(bench.stat("link").unwrap().size, 4);
    bench.make_symlink("/c", "out").unwrap();
    assert_eq!(bench.stat("out"), Err(Errno::NOENT));
    assert_eq!(bench.remove_dir("a"), Ok(()));
}

#[test]
fn a_client_is_whom_it_says() {
    let bench = Bench::new(Model::tree(Fault::None)).unwrap();
    bench.chmod("", 0o777).unwrap();
    let (one, two) = (
        bench.client(500, 500).unwrap(),
        bench.client(600, 600).unwrap(),
    );
    let file = one.create("mine", NEW, 0o600).unwrap();
    assert_eq!(file.stat().unwrap().uid, 500);
    assert_eq!(two.open_at("mine", READ).map(drop), Err(Errno::ACCES));
    let of_two = two.create("other", NEW, 0o666).unwrap();
    assert_eq!(of_two.chmod(0o644), Ok(()));
    assert_eq!(
        one.open_at("other", READ).unwrap().chmod(0o600),
        Err(Errno::PERM)
    );
}

#[test]
fn a_call_that_blocks_is_seen_and_let_go() {
    let bench = Bench::new(Line::new(Fault::None)).unwrap();
    let file = bench.open(READ).unwrap();
    let mut pending = bench.begin_read(&file, 10).unwrap();
    assert!(pending.is_blocked());
    assert_eq!(pending.unblock(), Err(Errno::INTR));
    let two = bench.open(BOTH).unwrap();
    let mut refused = bench.begin_write(&two, b"x").unwrap();
    assert!(!refused.is_blocked());
    assert_eq!(refused.finish(), Err(Errno::NOSYS));
}

#[test]
fn a_client_that_dies_takes_its_locks_and_calls_with_it() {
    let bench = Bench::new(Model::file(Fault::None)).unwrap();
    let (one, two) = (bench.another().unwrap(), bench.another().unwrap());
    let (of_one, of_two) = (one.open(BOTH).unwrap(), two.open(BOTH).unwrap());
    of_one.lock(LockKind::Write, Seek::Start(0), 10).unwrap();
    let start = Seek::Start(5);
    assert_eq!(
        of_two.try_lock(LockKind::Write, start, 1),
        Err(Errno::AGAIN)
    );
    let mut waits = two.begin_lock(&of_two, LockKind::Write, start, 1).unwrap();
    assert!(waits.is_blocked());
    one.die().unwrap();
    assert!(waits.finish().is_ok());
    assert_eq!(of_one.stat(), Err(Errno::BADF));
    assert_eq!(one.stat("").map(drop), Err(Errno::BADF));
}

#[test]
fn a_duplicate_is_its_clients_own() {
    let bench = Bench::new(Model::file(Fault::None)).unwrap();
    let client = bench.client(500, 500).unwrap();
    bench.chmod("", 0o666).unwrap();
    let file = client.open(READ).unwrap();
    let (twin, again) = (file.dup().unwrap(), file.open_again(READ).unwrap());
    assert_eq!(twin.chmod(0o600), Err(Errno::PERM));
    assert_eq!(again.chmod(0o600), Err(Errno::PERM));
    client.die().unwrap();
    assert_eq!(twin.stat(), Err(Errno::BADF));
}

/// A device whose first read waits for its second.
#[derive(Default)]
struct Pair(Mutex<u32>, Condvar);

impl Device for Pair {
    fn read(&self, _at: &At, buffer: &mut [u8]) -> Result<usize> {
        let mut count = lock(&self.0);
        *count += 1;
        self.1.notify_all();
        let waited = self.1.wait_timeout_while(count, LONG, |count| *count < 2);
        if waited.unwrap().1.timed_out() {
            return Err(Errno::TIMEDOUT);
        }
        At::new(0).copy(b"both", buffer)
    }
}

#[test]
fn several_threads_serve_handlers_that_wait() {
    let bench = Bench::with_threads(2, Pair::default()).unwrap();
    let (one, two) = (bench.open(READ).unwrap(), bench.open(READ).unwrap());
    let first = bench.begin_read(&one, 4).unwrap();
    let second = bench.begin_read(&two, 4).unwrap();
    assert_eq!(first.finish().unwrap().data, b"both");
    assert_eq!(second.finish().unwrap().data, b"both");
}

#[test]
fn a_thread_that_is_added_serves_and_ends_with_the_bench() {
    let mut bench = Bench::new(Pair::default()).unwrap();
    bench.add_thread().unwrap();
    let (one, two) = (bench.open(READ).unwrap(), bench.open(READ).unwrap());
    let first = bench.begin_read(&one, 4).unwrap();
    let second = bench.begin_read(&two, 4).unwrap();
    assert_eq!(first.finish().unwrap().data, b"both");
    assert_eq!(second.finish().unwrap().data, b"both");
}
