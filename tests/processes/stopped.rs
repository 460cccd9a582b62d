//! A process that is stopped (Ctrl-Z, a debugger) holds up nobody but those who wait for it.

use resmgr_sys::signal;
use resmgr_tests::{BLOCKING, Peer, World};

fn echo(world: &World) -> Peer {
    let server = world.peer();
    server.ask("channel ch flags=8");
    drop(server.begin("echo ch"));
    server
}

fn attached(world: &World, server: &Peer) -> Peer {
    let client = world.peer();
    client.ask(&format!("attach c {} 1", server.pid()));
    client
}

#[test]
fn a_stopped_client_does_not_stop_its_server() {
    let world = World::new();
    let server = world.peer();
    server.ask("channel ch flags=8");
    let (stopped, other) = (attached(&world, &server), attached(&world, &server));
    let call = stopped
        .begin(&format!("send c fill:100000 room=100000 {BLOCKING}"))
        .sends();
    stopped.begin("pulse c 1 1").end();
    stopped.stop();
    assert_eq!(server.ask("receive ch room=100"), "message fill:100");
    assert_eq!(server.ask("read m 0 100000"), "100000 fill:100000");
    assert_eq!(server.ask("reply m 0 fill:100000"), "ok");
    server.ask("receive-pulse ch");
    drop(server.begin("echo ch"));
    (0..100).for_each(|_| assert_eq!(other.ask("send c hi room=2"), "answer 0 2 hi"));
    stopped.signal(signal::CONT);
    assert_eq!(call.end(), "answer 0 100000 fill:100000");
}

#[test]
fn a_client_that_is_killed_while_stopped_is_gone() {
    let world = World::new();
    let server = world.peer();
    server.ask("channel ch flags=8");
    let stopped = attached(&world, &server);
    stopped.stop();
    world.kill(&stopped);
    assert!(server.ask("receive ch").starts_with("pulse -33 0 "));
}

#[test]
fn a_stopped_server_delays_only_its_own_clients() {
    let world = World::new();
    let (stopped, running) = (echo(&world), echo(&world));
    let client = attached(&world, &stopped);
    stopped.stop();
    let call = client.begin("send c hello room=5").sends();
    let attach = client.begin(&format!("attach late {} 2", stopped.pid()));
    client.ask(&format!("attach d {} 1", running.pid()));
    (0..100).for_each(|_| assert_eq!(client.ask("send d hi room=2"), "answer 0 2 hi"));
    assert_eq!(client.ask("send c x deadline=20"), "timed out");
    assert!(call.is_blocked());
    stopped.signal(signal::CONT);
    assert_eq!(call.end(), "answer 0 5 hello");
    // It has no second channel.
    assert_eq!(attach.end(), "error ESRCH");
}

#[test]
fn stopped_namespaced_holds_up_no_messages() {
    let world = World::new();
    let server = echo(&world);
    let client = attached(&world, &server);
    let daemon = resmgr_sys::pidfd::PidFd::open(world.namespaced().unwrap()).unwrap();
    daemon.signal(signal::STOP).unwrap();
    (0..100).for_each(|_| assert_eq!(client.ask("send c hi room=2"), "answer 0 2 hi"));
    // Attaching needs no names.
    let late = client.ask(&format!("attach d {} 1", server.pid()));
    daemon.signal(signal::CONT).unwrap();
    assert!(late.starts_with("connection "));
}
