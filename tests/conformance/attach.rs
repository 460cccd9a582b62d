//! Resources that come and go while their manager serves (RM-1 to RM-7), and what becomes of their clients.

use resmgr_tests::observe::{until, waits_for_answer};
use resmgr_tests::{Peer, World};

/// A manager with one file, and a client.
fn served(world: &World) -> (Peer, Peer) {
    let server = world.peer();
    done(&server, &["serve-probe p /probe/first bytes"]);
    (server, world.peer())
}

fn done(peer: &Peer, commands: &[&str]) {
    for command in commands {
        assert_eq!(peer.ask(command), "ok", "{command}");
    }
}

fn counts(server: &Peer, probe: &str, opens: usize, closes: usize) -> bool {
    let said = server.ask(&format!("probe-counts {probe}"));
    said.starts_with(&format!("opens={opens} ")) && said.contains(&format!(" closes={closes} "))
}

#[test]
fn rm1_a_manager_that_serves_gets_more_resources() {
    let world = World::new();
    let (server, client) = served(&world);
    done(&client, &["file-open a /probe/first"]);
    assert_eq!(client.ask("file-open b /probe/second"), "error ENOENT");
    done(
        &server,
        &[
            "probe-add q p /probe/second bytes",
            "probe-add r p /probe/first bytes",
        ],
    );
    let links = "/probe/first /probe/second /probe/first";
    assert_eq!(server.ask("probe-links p"), links);
    // The newest of a path is asked first, and what is open stays what it is.
    done(
        &client,
        &["file-open b /probe/second", "file-open c /probe/first"],
    );
    assert_eq!(client.ask("file-read a 2"), "01");
    assert!(counts(&server, "p", 1, 0));
    assert!(counts(&server, "q", 1, 0) && counts(&server, "r", 1, 0));
    // Below what is no directory, nothing is.
    assert_eq!(client.ask("at stat /probe/second/x"), "error ENOTDIR");
}

#[test]
fn rm7_a_name_that_is_taken_away_leaves_the_opens() {
    let world = World::new();
    let (server, client) = served(&world);
    done(&server, &["probe-add q p /probe/second bytes"]);
    done(&client, &["file-open a /probe/second", "file-dup b a"]);
    done(&server, &["probe-detach p /probe/second name"]);
    assert_eq!(server.ask("probe-links p"), "/probe/first");
    assert_eq!(client.ask("at stat /probe/second"), "error ENOENT");
    assert_eq!(client.ask("file-read a 3"), "012");
    done(&client, &["file-dup c b", "file-close a", "file-close b"]);
    assert_eq!(client.ask("file-read c 3"), "345");
    done(&client, &["file-close c"]);
    until("it is closed", || counts(&server, "q", 1, 1));
}

#[test]
fn rm7_a_resource_that_is_taken_away_takes_its_opens_along() {
    let world = World::new();
    let (server, client) = served(&world);
    let other = world.peer();
    done(&server, &["probe-add q p /probe/second bytes"]);
    done(&client, &["file-open a /probe/second", "file-dup b a"]);
    done(&client, &["file-open keep /probe/first"]);
    done(&other, &["file-open c /probe/second"]);
    done(&other, &["file-lock c set read 0 1"]);
    done(&server, &["probe-detach p /probe/second all"]);
    for (peer, file) in [(&client, "a"), (&client, "b"), (&other, "c")] {
        let read = peer.ask(&format!("file-read {file} 1"));
        assert_eq!(read, "error EBADF", "{file}");
    }
    assert_eq!(client.ask("file-dup d a"), "error EBADF");
    assert_eq!(client.ask("at stat /probe/second"), "error ENOENT");
    until("both opens have ended", || counts(&server, "q", 2, 2));
    assert_eq!(client.ask("file-read keep 2"), "01");
    // The same path, another resource.
    done(&server, &["probe-add s p /probe/second bytes"]);
    done(&client, &["file-open e /probe/second"]);
    assert_eq!(client.ask("file-read e 1"), "0");
    assert!(counts(&server, "s", 1, 0));
}

#[test]
fn rm7_calls_that_wait_on_a_resource_that_is_taken_away_are_refused() {
    let world = World::new();
    let (server, client) = served(&world);
    for how in ["line", "keep"] {
        let path = format!("/probe/{how}");
        done(&server, &[&format!("probe-add {how} p {path} {how}")]);
        done(&client, &[&format!("file-open {how} {path}")]);
        let reading = client.begin(&format!("file-read {how} 4"));
        until("it waits", || waits_for_answer(client.pid(), reading.tid()));
        done(&server, &[&format!("probe-detach p {path} all")]);
        assert_eq!(reading.end(), "error EBADF", "{how}");
        until("the open has ended", || counts(&server, how, 1, 1));
    }
}

#[test]
fn d10_who_waits_for_a_manager_that_ends_is_told_so() {
    let world = World::new();
    let server = world.peer();
    done(&server, &["serve-probe p /probe/file keep"]);
    let clients = [world.peer(), world.peer()];
    let reading = clients.each_ref().map(|client| {
        done(client, &["file-open a /probe/file"]);
        let reading = client.begin("file-read a 4");
        until("it waits", || waits_for_answer(client.pid(), reading.tid()));
        reading
    });
    done(&server, &["probe-stop p"]);
    for reading in reading {
        assert_eq!(reading.end(), "error ESRCH");
    }
    assert!(counts(&server, "p", 2, 2));
    assert_eq!(clients[0].ask("at stat /probe/file"), "error ENOENT");
}
