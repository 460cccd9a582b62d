//! Calls that are answered later, and clients that do not want to wait so long (HP-4, HP-7).

use resmgr_tests::observe::{descriptors, settles, until};
use resmgr_tests::{Peer, Pending, World};

/// A server that holds reads, and a client of it with its file open.
fn pair(world: &World, how: &str) -> (Peer, Peer) {
    let server = world.peer();
    let said = server.ask(&format!("serve-probe p /probe/file {how}"));
    assert_eq!(said, "ok");
    (server, client(world))
}

fn client(world: &World) -> Peer {
    let client = world.peer();
    assert_eq!(client.ask("handle"), "ok");
    assert_eq!(client.ask("file-open f /probe/file"), "ok");
    client
}

fn has(server: &Peer, counts: &str) {
    let seen = || server.ask("probe-counts p").contains(counts);
    until(counts, seen);
}

/// A read that the server holds.
fn held(server: &Peer, client: &Peer) -> Pending {
    let read = client.begin("file-read f 8").sends();
    has(server, "held=1 waiting=1");
    read
}

#[test]
fn hp4_an_answer_may_come_later_and_others_are_served_meanwhile() {
    let world = World::new();
    let (server, one) = pair(&world, "letgo");
    let other = client(&world);
    let first = held(&server, &one);
    let second = other.begin("file-read f 8").sends();
    has(&server, "held=2 waiting=2");
    assert_eq!(other.ask("file-notify f poll output"), "output");
    assert_eq!(server.ask("probe-answer p first"), "ok");
    assert_eq!(first.end(), "first");
    assert!(second.is_blocked());
    assert_eq!(server.ask("probe-answer p second"), "ok");
    assert_eq!(second.end(), "second");
}

#[test]
fn hp7_a_signal_lets_a_held_reader_go_and_its_answer_is_void() {
    let world = World::new();
    let (server, client) = pair(&world, "letgo");
    let read = held(&server, &client);
    read.signal();
    assert_eq!(read.end(), "error EINTR");
    assert_eq!(client.ask("handled"), "1");
    has(&server, "asked=0 held=1 waiting=0");
    assert_eq!(client.ask("file-close f"), "ok");
    // The void answer does not keep the file open.
    has(&server, "closes=1");
    assert_eq!(server.ask("probe-answer p late"), "error ESRCH");
}

#[test]
fn hp7_the_resource_is_asked_and_its_answer_counts() {
    let world = World::new();
    for (answer, told) in [("probe-answer p x", "x"), ("probe-refuse p", "error EINTR")] {
        let (server, client) = pair(&world, "ask");
        let read = held(&server, &client);
        read.signal();
        has(&server, "asked=1 held=1 waiting=1");
        assert!(read.is_blocked());
        assert_eq!(server.ask(answer), "ok");
        assert_eq!(read.end(), told);
        assert_eq!(client.ask("handled"), "1");
        world.kill(&server);
    }
}

#[test]
fn hp7_a_call_that_is_kept_ends_with_its_answer_only() {
    let world = World::new();
    let (server, client) = pair(&world, "keep");
    let read = held(&server, &client);
    read.signal();
    // Its handler is held back until the answer, whenever the request comes.
    assert_eq!(client.ask("file-notify f poll output"), "output");
    has(&server, "asked=0 held=1 waiting=1");
    assert!(read.is_blocked());
    assert_eq!(server.ask("probe-answer p kept"), "ok");
    assert_eq!(read.end(), "kept");
    assert_eq!(client.ask("handled"), "1");
}

#[test]
fn hp7_a_reader_that_is_killed_leaves_nothing_of_its_call() {
    let world = World::new();
    for how in ["letgo", "ask", "keep"] {
        let (server, other) = pair(&world, how);
        let before = descriptors(server.pid());
        let client = client(&world);
        let read = held(&server, &client);
        world.kill(&client);
        assert_eq!(read.end(), "the process has ended");
        has(&server, "opens=2 dups=0 closes=1 asked=0 held=1 waiting=0");
        assert_eq!(server.ask("probe-answer p late"), "error ESRCH");
        settles("its descriptors", &[before], || {
            vec![descriptors(server.pid())]
        });
        let read = held(&server, &other);
        assert_eq!(server.ask("probe-answer p well"), "ok");
        assert_eq!(read.end(), "well");
        world.kill(&server);
    }
}
