//! `kill -9` of whoever serves the names: nothing is lost, and nobody notices but by the time it takes.

use crate::kills::repeat;
use resmgr_tests::observe::{descriptors, settles, until};
use resmgr_tests::{Peer, World};

/// Descriptors that come and go with a conversation.
const SLACK: usize = 8;

/// A server with the name `printer`, whose clients it answers.
fn with_name() -> (World, Peer, Peer) {
    let world = World::new();
    let (server, client) = (world.peer(), world.peer());
    assert_eq!(server.ask("name-attach printer"), "channel 1");
    drop(server.begin("echo n"));
    (world, server, client)
}

/// Kills the one that serves, and waits until the next one does.
fn replace(world: &World) {
    let old = world.namespaced();
    world.kill_namespaced();
    until("somebody else serves", || {
        world.namespaced() != old && world.namespaced().is_some()
    });
}

#[test]
fn namespaced_killed_while_idle() {
    let (world, server, client) = with_name();
    client.ask("name-open printer as=c");
    world.kill_namespaced();
    client.ask("name-open printer as=d");
    client.ask("detach d");
    server.ask("name-attach t as=t");
    server.ask("name-detach t");
    let count = || [server.pid(), client.pid()].map(descriptors);
    let before = count();
    repeat("namespaced, idle", |turn| {
        world.kill_namespaced();
        // An open connection has nothing to do with it.
        assert_eq!(client.ask("send c hi room=2"), "answer 0 2 hi");
        assert!(
            client
                .ask("name-open printer as=d")
                .starts_with("connection ")
        );
        client.ask("detach d");
        assert!(
            server
                .ask(&format!("name-attach t{turn} as=t"))
                .starts_with("channel ")
        );
        assert!(
            client
                .ask("name-attach printer as=x")
                .starts_with("error EBUSY")
        );
        server.ask("name-detach t");
    });
    // Counted while some may just be made anew: a leak would be one for each death, or more.
    settles("descriptors", &before.map(|count| count + SLACK), || {
        count().to_vec()
    });
}

#[test]
fn namespaced_killed_while_clients_resolve_and_attach() {
    let (world, server, client) = with_name();
    let other = world.peer();
    let seekers = [client.begin("seek printer"), other.begin("seek printer")];
    repeat("namespaced, under load", |turn| {
        replace(&world);
        assert!(
            server
                .ask(&format!("name-attach t{turn} as=t"))
                .starts_with("channel ")
        );
        server.ask("name-detach t");
    });
    client.ask("stop");
    other.ask("stop");
    for seeker in seekers {
        let said = seeker.end();
        assert!(said.starts_with("did "), "{said}");
    }
}
