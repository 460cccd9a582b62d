//! Opens of one file, their duplicates, and how they end (DU-1 to DU-4, HP-8).

use resmgr_tests::observe::until;
use resmgr_tests::{Peer, World};

/// A server of a file, and what it counts.
fn served(world: &World, how: &str) -> Peer {
    let server = world.peer();
    let said = server.ask(&format!("serve-probe p /probe/file {how}"));
    assert_eq!(said, "ok");
    server
}

fn counts(server: &Peer, opens: usize, dups: usize, closes: usize) -> bool {
    let said = server.ask("probe-counts p");
    said.starts_with(&format!("opens={opens} dups={dups} closes={closes} "))
}

fn done(client: &Peer, commands: &[&str]) {
    for command in commands {
        assert_eq!(client.ask(command), "ok", "{command}");
    }
}

#[test]
fn du1_a_duplicate_shares_the_position_and_another_process_does_not() {
    let world = World::new();
    let server = served(&world, "bytes");
    let (one, other) = (world.peer(), world.peer());
    done(&one, &["file-open f /probe/file", "file-dup g f"]);
    done(&other, &["file-open f /probe/file"]);
    assert_eq!(one.ask("file-read f 3"), "012");
    assert_eq!(one.ask("file-read g 3"), "345");
    assert_eq!(one.ask("file-position f"), "6");
    assert_eq!(other.ask("file-read f 2"), "01");
    done(&one, &["file-close f"]);
    assert_eq!(one.ask("file-read g 3"), "678");
    assert!(counts(&server, 2, 1, 0));
}

#[test]
fn du1_a_file_that_is_opened_again_has_a_position_of_its_own() {
    let world = World::new();
    let server = served(&world, "bytes");
    let client = world.peer();
    done(&client, &["file-open f /probe/file"]);
    assert_eq!(client.ask("file-read f 3"), "012");
    done(&client, &["file-again h f"]);
    assert_eq!(client.ask("file-read h 2"), "01");
    assert_eq!(client.ask("file-position f"), "3");
    done(&client, &["file-close f"]);
    assert!(counts(&server, 2, 1, 1));
    assert_eq!(client.ask("file-read h 2"), "23");
}

#[test]
fn du2_each_close_is_told_and_the_last_one_ends_the_open() {
    let world = World::new();
    let server = served(&world, "bytes");
    let client = world.peer();
    done(
        &client,
        &["file-open a /probe/file", "file-dup b a", "file-dup c b"],
    );
    assert!(counts(&server, 1, 0, 0));
    for (turn, file) in (1..).zip(["b", "a", "c"]) {
        done(&client, &[&format!("file-close {file}")]);
        let closes = usize::from(turn == 3);
        until("the close was counted", || counts(&server, 1, turn, closes));
    }
}

#[test]
fn du2_a_killed_client_ends_each_of_its_opens_once() {
    let world = World::new();
    let server = served(&world, "bytes");
    let (client, other) = (world.peer(), world.peer());
    done(
        &client,
        &["file-open a /probe/file", "file-dup b a", "file-again c a"],
    );
    done(&other, &["file-open a /probe/file"]);
    world.kill(&client);
    until("both opens have ended", || counts(&server, 3, 0, 2));
    assert_eq!(other.ask("file-read a 2"), "01");
    done(&other, &["file-close a"]);
    until("the third has, too", || counts(&server, 3, 1, 3));
}

#[test]
fn du3_opens_are_counted_and_not_their_duplicates() {
    let world = World::new();
    let server = served(&world, "bytes");
    let client = world.peer();
    done(
        &client,
        &["file-open a /probe/file", "file-dup b a", "file-dup c a"],
    );
    assert!(counts(&server, 1, 0, 0));
    done(&client, &["file-again d b", "file-open e /probe/file"]);
    assert!(counts(&server, 3, 0, 0));
}

#[test]
fn du4_an_open_ends_although_its_close_is_an_error() {
    let world = World::new();
    let server = served(&world, "sour");
    let client = world.peer();
    done(&client, &["file-open a /probe/file", "file-dup b a"]);
    assert_eq!(client.ask("file-close a"), "error EIO");
    assert!(counts(&server, 1, 1, 0));
    assert_eq!(client.ask("file-close b"), "error EIO");
    until("the open has ended", || counts(&server, 1, 2, 1));
}
