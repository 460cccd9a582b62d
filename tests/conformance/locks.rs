//! Advisory locks of several processes (IF-15, IF-16).

use resmgr_tests::{Peer, World};

const AGAIN: &str = "error EAGAIN";

/// A server of a file, and so many clients that have it open.
fn clients<const COUNT: usize>(world: &World) -> [Peer; COUNT] {
    let server = world.peer();
    assert_eq!(server.ask("serve-probe p /probe/file bytes"), "ok");
    [(); COUNT].map(|()| {
        let client = world.peer();
        ok(&client, "handle");
        ok(&client, "file-open f /probe/file");
        client
    })
}

fn ok(client: &Peer, command: &str) {
    assert_eq!(client.ask(command), "ok", "{command}");
}

/// Each message of a client comes behind those that it has sent before.
fn has_come(client: &Peer) {
    assert!(client.ask("file-position f").parse::<u64>().is_ok());
}

#[test]
fn if15_a_range_of_another_process_is_eagain_and_what_is_free_is_not() {
    let world = World::new();
    let [one, other] = clients(&world);
    ok(&one, "file-lock f set write 0 4");
    assert_eq!(other.ask("file-lock f set write 3 2"), AGAIN);
    assert_eq!(other.ask("file-lock f set read 0 1"), AGAIN);
    ok(&other, "file-lock f set read 4 4");
    ok(&one, "file-lock f set read 4 2");
    assert_eq!(one.ask("file-lock f set write 4 2"), AGAIN);
    ok(&one, "file-lock f set unlock 2 2");
    ok(&other, "file-lock f set write 2 2");
}

#[test]
fn if15_who_stands_in_the_way_is_told_with_its_pid() {
    let world = World::new();
    let [one, other] = clients(&world);
    ok(&one, "file-lock f set write 2 5");
    let held = format!("write 2 5 {}", one.pid());
    assert_eq!(other.ask("file-lock f test read 0 0"), held);
    assert_eq!(other.ask("file-lock f test write 7 0"), "free");
    assert_eq!(one.ask("file-lock f test write 0 0"), "free");
}

#[test]
fn if15_a_wait_ends_at_the_unlock() {
    let world = World::new();
    let [one, other] = clients(&world);
    ok(&one, "file-lock f set write 0 4");
    let wait = other.begin("file-lock f wait write 2 4").sends();
    has_come(&other);
    assert!(wait.is_blocked());
    ok(&one, "file-lock f set unlock 0 4");
    assert_eq!(wait.end(), "ok");
    assert_eq!(one.ask("file-lock f set read 2 1"), AGAIN);
}

#[test]
fn if16_a_signal_ends_the_wait_and_leaves_no_lock() {
    let world = World::new();
    let [one, other] = clients(&world);
    for (lock, unlock, wait) in [
        (
            "file-lock f set write 0 4",
            "file-lock f set unlock 0 4",
            "file-lock f wait write 0 4",
        ),
        (
            "file-flock f now write",
            "file-flock f now unlock",
            "file-flock f wait write",
        ),
    ] {
        ok(&one, lock);
        let waits = other.begin(wait).sends();
        has_come(&other);
        waits.signal();
        assert_eq!(waits.end(), "error EINTR");
        ok(&one, unlock);
        // Nobody has got it.
        ok(&one, lock);
        ok(&one, unlock);
    }
}

#[test]
fn if15_a_wait_that_would_last_for_ever_is_edeadlk() {
    let world = World::new();
    let [one, other] = clients(&world);
    ok(&one, "file-lock f set write 0 1");
    ok(&other, "file-lock f set write 1 1");
    let wait = one.begin("file-lock f wait write 1 1").sends();
    has_come(&one);
    let refused = other.ask("file-lock f wait write 0 1");
    assert_eq!(refused, "error EDEADLK");
    assert!(wait.is_blocked());
    ok(&other, "file-lock f set unlock 1 1");
    assert_eq!(wait.end(), "ok");
}

#[test]
fn if15_locks_go_at_any_close_of_the_file_by_the_process() {
    let world = World::new();
    let [one, other] = clients(&world);
    for open in ["file-dup g f", "file-open g /probe/file", "file-again g f"] {
        ok(&one, open);
        ok(&one, "file-lock f set write 0 4");
        assert_eq!(other.ask("file-lock f set write 0 4"), AGAIN);
        let wait = other.begin("file-lock f wait write 0 4").sends();
        has_come(&other);
        ok(&one, "file-close g");
        assert_eq!(wait.end(), "ok");
        ok(&other, "file-lock f set unlock 0 4");
    }
}

#[test]
fn if15_locks_of_a_killed_process_go() {
    let world = World::new();
    let [one, other, third] = clients(&world);
    ok(&one, "file-lock f set write 0 4");
    ok(&third, "file-flock f now read");
    ok(&one, "file-flock f now read");
    let range = other.begin("file-lock f wait write 0 4").sends();
    has_come(&other);
    world.kill(&one);
    assert_eq!(range.end(), "ok");
    let whole = other.begin("file-flock f wait write").sends();
    world.kill(&third);
    assert_eq!(whole.end(), "ok");
}

#[test]
fn if15_who_is_killed_while_it_waits_gets_no_lock() {
    let world = World::new();
    let [one, dead, third] = clients(&world);
    ok(&one, "file-lock f set write 0 4");
    let _waits = dead.begin("file-lock f wait write 0 4").sends();
    has_come(&dead);
    let next = third.begin("file-lock f wait write 0 4").sends();
    has_come(&third);
    world.kill(&dead);
    ok(&one, "file-lock f set unlock 0 4");
    assert_eq!(next.end(), "ok");
}

#[test]
fn if15_flock_is_the_opens_and_outlives_the_close_of_a_duplicate() {
    let world = World::new();
    let [one, other] = clients(&world);
    ok(&one, "file-dup g f");
    ok(&one, "file-open h /probe/file");
    ok(&one, "file-flock f now write");
    ok(&one, "file-flock g now write");
    assert_eq!(one.ask("file-flock h now read"), AGAIN);
    assert_eq!(other.ask("file-flock f now read"), AGAIN);
    ok(&one, "file-close f");
    assert_eq!(other.ask("file-flock f now read"), AGAIN);
    let wait = other.begin("file-flock f wait read").sends();
    has_come(&other);
    ok(&one, "file-close g");
    assert_eq!(wait.end(), "ok");
    ok(&one, "file-flock h now read");
}

#[test]
fn if15_a_lock_needs_an_open_of_its_kind() {
    let world = World::new();
    let [one] = clients(&world);
    ok(&one, "file-open r /probe/file flags=1");
    ok(&one, "file-open w /probe/file flags=2");
    assert_eq!(one.ask("file-lock r set write 0 1"), "error EBADF");
    assert_eq!(one.ask("file-lock w set read 0 1"), "error EBADF");
    ok(&one, "file-lock r set read 0 1");
    assert_eq!(one.ask("file-lock r set read 0 -1"), "error EINVAL");
}
