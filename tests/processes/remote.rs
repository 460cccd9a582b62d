//! A manager in front of another server's file or tree: what passes, what waits, who dies.

use resmgr_tests::observe::until;
use resmgr_tests::{Peer, User, World};

/// A server of `/back`, a manager in front of it at `/front`, and a client.
fn three(serve: &str) -> (World, Peer, Peer, Peer) {
    let world = World::new();
    let (back, front, client) = in_world(&world, serve);
    (world, back, front, client)
}

fn in_world(world: &World, serve: &str) -> (Peer, Peer, Peer) {
    let (back, front, client) = (world.peer(), world.peer(), world.peer());
    assert_eq!(back.ask(serve), "ok");
    assert_eq!(front.ask("serve-remote r /front /back"), "ok");
    (back, front, client)
}

fn each(client: &Peer, said: &[(&str, &str)]) {
    for (command, expected) in said {
        assert_eq!(client.ask(command), *expected, "{command}");
    }
}

/// How many reads wait at the server of a probe.
fn waiting(server: &Peer, count: usize) {
    until("reads wait at the server behind", || {
        let said = server.ask("probe-counts p");
        said.ends_with(&format!("waiting={count}"))
    });
}

#[test]
fn a_tree_of_another_server_keeps_the_contract() {
    let world = World::new();
    let (back, front) = (world.peer(), world.peer());
    assert_eq!(back.ask("serve-memory f /back"), "ok");
    assert_eq!(front.ask("remote-contract /back"), "kept");
}

#[test]
fn names_attributes_and_data_pass() {
    let (_world, _back, _front, client) = three("serve-memory f /back");
    each(
        &client,
        &[
            ("do mkdir /front/d", "ok"),
            ("do put /front/d/a hello", "ok"),
            ("do cat /back/d/a", "hello"),
            ("do cat /front/d/a", "hello"),
            ("do cut /front/d/a 4", "ok"),
            ("do chmod /front/d/a 640", "ok"),
            ("do what /back/d/a", "100640 0 4"),
            ("do rename /front/d/a /front/b", "ok"),
            ("do link /front/b /front/c", "ok"),
            ("do symlink /front/l b", "ok"),
            ("do where /back/l", "b"),
            ("do cat /front/l", "hell"),
            ("do list /front", "b c d l"),
            ("do xattr /front/b user.x y", "y"),
            ("do unlink /front/c", "ok"),
            ("do list /back", "b d l"),
            ("do rmdir /front/d", "ok"),
            // Errors are the server's.
            ("do rmdir /front/d", "error ENOENT"),
            ("do mkdir /front/b", "error EEXIST"),
            ("do unlink /front/b/x", "error ENOTDIR"),
        ],
    );
}

#[test]
fn an_open_file_stays_this_file_whatever_becomes_of_its_name() {
    let (_world, _back, _front, client) = three("serve-memory f /back");
    each(
        &client,
        &[
            ("do put /front/a one", "ok"),
            ("file-open f /front/a", "ok"),
            ("do rename /back/a /back/b", "ok"),
            ("do put /back/a other", "ok"),
            ("file-read f 9", "one"),
            ("file-stat f", "100644 0 3"),
            ("file-again g f", "ok"),
            ("file-read g 2", "on"),
            ("file-close g", "ok"),
            ("do unlink /back/b", "ok"),
            ("file-write f !", "1"),
            ("file-stat f", "100644 0 4"),
            ("file-close f", "ok"),
        ],
    );
}

#[test]
fn a_link_leads_nowhere_but_below_the_tree() {
    let world = World::new();
    let (back, _front, client) = in_world(&world, "serve-memory f /back");
    assert_eq!(back.ask("serve-memory g /secret"), "ok");
    each(
        &client,
        &[
            ("do mkdir /secret/d", "ok"),
            ("do put /secret/d/s x", "ok"),
            ("do symlink /back/out /secret/d", "ok"),
            // The client follows it, and asks the other server by itself.
            ("do cat /front/out/s", "x"),
            ("do what /front/out", "120777 0 9"),
        ],
    );
}

#[test]
fn commands_and_messages_pass_both_ways() {
    let (_world, _back, _front, client) = three("serve-echo e /back");
    // Both directions, 8 bytes; then to the device only, and from it only.
    each(
        &client,
        &[
            ("file-open f /front", "ok"),
            (
                "file-command f 3221751041 abcdefgh",
                "77 [0, 0, 0, 0, 104, 103, 102, 101]",
            ),
        ],
    );
    assert_eq!(
        client.ask("file-message f xyz"),
        "5 [0, 0, 0, 0, 122, 121, 120]"
    );
}

#[test]
fn a_read_that_waits_keeps_nobody_waiting() {
    let (_world, back, _front, client) = three("serve-probe p /back line");
    each(
        &client,
        &[("file-open f /front", "ok"), ("file-open g /front", "ok")],
    );
    let reads = ["a", "b", "c"].map(|lane| client.begin_in(lane, "file-read f 9"));
    let other = client.begin_in("d", "file-read g 9");
    // They all wait behind; opens and stats go on.
    each(
        &client,
        &[
            ("do what /front", "20666 0 0"),
            ("file-open h /front", "ok"),
            ("file-stat h", "20666 0 0"),
        ],
    );
    for _ in 0..4 {
        assert_eq!(back.ask("probe-feed p x"), "ok");
    }
    for read in reads.into_iter().chain([other]) {
        assert_eq!(read.end(), "x");
    }
}

#[test]
fn hp7_an_unblock_reaches_the_server_behind() {
    let (world, back, _front, client) = three("serve-probe p /back letgo");
    assert_eq!(client.ask("file-open f /front"), "ok");
    let read = client.begin("file-read f 9");
    waiting(&back, 1);
    // The client of the manager dies: its call behind ends.
    world.kill(&client);
    drop(read);
    waiting(&back, 0);
}

#[test]
fn when_the_server_behind_goes_opens_are_stale_and_new_ones_find_the_next() {
    let world = World::new();
    let (back, _front, client) = in_world(&world, "serve-memory f /back");
    each(
        &client,
        &[("do put /front/a x", "ok"), ("file-open f /front/a", "ok")],
    );
    world.kill(&back);
    each(
        &client,
        &[
            ("file-read f 1", "error ESTALE"),
            ("file-stat f", "error ESTALE"),
            ("do cat /front/a", "error ENOENT"),
        ],
    );
    let next = world.peer();
    assert_eq!(next.ask("serve-memory f /back"), "ok");
    each(
        &client,
        &[
            ("do put /front/a again", "ok"),
            ("do cat /front/a", "again"),
            ("file-read f 1", "error ESTALE"),
            ("file-close f", "ok"),
        ],
    );
}

#[test]
fn a_read_that_waits_ends_when_the_server_behind_dies() {
    let (world, back, _front, client) = three("serve-probe p /back letgo");
    assert_eq!(client.ask("file-open f /front"), "ok");
    let read = client.begin("file-read f 9");
    waiting(&back, 1);
    world.kill(&back);
    assert_eq!(read.end(), "error ESTALE");
}

#[test]
fn a_client_has_its_own_rights_and_not_the_managers() {
    if let Some(missing) = User::missing() {
        eprintln!("skipped: {missing}");
        return;
    }
    let world = World::of_all_users();
    let (_back, _front, client) = in_world(&world, "serve-memory f /back");
    let stranger = world.peer_of(User::STRANGER);
    each(
        &client,
        &[
            ("do put /front/root x", "ok"),
            ("do chmod /front/root 600", "ok"),
            ("do mkdir /front/closed", "ok"),
            ("do put /front/closed/a x", "ok"),
            ("do chmod /front/closed 700", "ok"),
        ],
    );
    each(
        &stranger,
        &[
            ("do cat /front/root", "error EACCES"),
            ("do chmod /front/root 666", "error EPERM"),
            ("do cat /front/closed/a", "error EACCES"),
            ("do unlink /front/closed/a", "error EACCES"),
            // What it makes is its own.
            ("do put /front/mine y", "ok"),
            ("do what /front/mine", "100644 54321 1"),
            ("do what /back/mine", "100644 54321 1"),
            ("do mkdir /front/dir", "ok"),
            ("do what /back/dir", "40755 54321 40"),
        ],
    );
}

#[test]
fn a_manager_ends_while_its_calls_wait_behind() {
    let world = World::new();
    let (back, front, client) = in_world(&world, "serve-probe p /back keep");
    assert_eq!(client.ask("file-open f /front"), "ok");
    let read = client.begin("file-read f 9");
    waiting(&back, 1);
    assert_eq!(front.ask("end r"), "ok");
    assert_eq!(read.end(), "error ESRCH");
}

#[test]
fn poll_waits_for_what_the_server_behind_tells() {
    let (world, back, _front, client) = three("serve-probe p /back line");
    each(
        &client,
        &[
            ("file-open f /front", "ok"),
            ("file-poll f input+output deadline=0", "output"),
            ("file-poll f input deadline=0", "-"),
        ],
    );
    let poll = client.begin("file-poll f input");
    assert_eq!(back.ask("probe-feed p x"), "ok");
    assert_eq!(poll.end(), "input");
    each(
        &client,
        &[
            ("file-poll f input deadline=0", "input"),
            ("file-read f 1", "x"),
            ("file-poll f input deadline=0", "-"),
        ],
    );
    // A server that dies ends the wait.
    let poll = client.begin("file-poll f input");
    world.kill(&back);
    assert_eq!(poll.end(), "input");
    assert_eq!(client.ask("file-read f 1"), "error ESTALE");
}
