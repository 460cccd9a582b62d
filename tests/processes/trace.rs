//! Processes that are traced: by whom, how long, and what becomes of tracers who lie or do not listen.

use resmgr_sys::socket;
use resmgr_tests::hostile::{Noise, RawClient, is_closed};
use resmgr_tests::observe::until;
use resmgr_tests::{LIMIT, Peer, User, World};
use std::os::fd::{AsFd as _, OwnedFd};
use std::time::Instant;

/// The packet of a tracer: 1 begins, 2 fetches, 3 ends.
fn packet(wanted: u32) -> Vec<u8> {
    let words = [1, wanted, 0];
    let words = words.iter().flat_map(|word: &u32| word.to_ne_bytes());
    b"RST1".iter().copied().chain(words).collect()
}

fn send(tracer: &OwnedFd, wanted: u32) {
    socket::send(tracer.as_fd(), &packet(wanted), &[]).unwrap();
}

/// Somebody who traces a process, by hand.
fn begin(world: &World, server: &Peer) -> OwnedFd {
    let socket = RawClient::stranger(world, server.pid());
    send(&socket, 1);
    let mut answer = [0; 88];
    let deadline = Some(Instant::now() + LIMIT);
    let got = socket::receive_until(socket.as_fd(), &mut answer, deadline).unwrap();
    // Its one record: the end, without an error.
    assert_eq!((got.len, answer[0], answer[8]), (88, 4, 0));
    socket
}

fn server(world: &World) -> Peer {
    let server = world.peer();
    server.ask("channel ch flags=8");
    drop(server.begin("echo ch"));
    server
}

fn trace(by: &Peer, of: &Peer) -> String {
    by.ask(&format!("trace {}", of.pid()))
}

#[test]
fn only_root_and_the_servers_user_may_trace() {
    if let Some(why) = User::missing() {
        println!("skipped: {why}");
        return;
    }
    let world = World::of_all_users();
    let server = world.peer();
    server.ask("channel ch rights=anyone");
    let stranger = world.peer_of(User::STRANGER);
    assert_eq!(trace(&stranger, &server), "error EPERM");
    assert_eq!(trace(&world.peer(), &server), "told 0");
}

#[test]
fn one_traces_a_process_at_a_time_until_its_connection_ends() {
    let world = World::new();
    let (server, looker) = (server(&world), world.peer());
    let tracer = begin(&world, &server);
    assert_eq!(trace(&looker, &server), "error EBUSY");
    drop(tracer);
    until("it is traced no more", || {
        trace(&looker, &server) == "told 0"
    });
}

#[test]
fn a_tracer_that_says_nonsense_is_cut_off() {
    let world = World::new();
    let (server, looker) = (server(&world), world.peer());
    let mut noise = Noise::new(3);
    for said in [
        packet(1),
        packet(9),
        noise.bytes(16),
        noise.bytes(100),
        vec![0],
    ] {
        let tracer = begin(&world, &server);
        socket::send(tracer.as_fd(), &said, &[]).unwrap();
        until("it is cut off", || is_closed(&tracer));
    }
    // Descriptors are not asked for.
    let tracer = begin(&world, &server);
    socket::send(tracer.as_fd(), &packet(2), &[tracer.as_fd()]).unwrap();
    until("it is cut off", || is_closed(&tracer));
    // Who has not begun cannot fetch.
    for wanted in [2, 3] {
        let stranger = RawClient::stranger(&world, server.pid());
        send(&stranger, wanted);
        until("it is sent away", || is_closed(&stranger));
    }
    assert_eq!(trace(&looker, &server), "told 0");
}

#[test]
fn a_tracer_that_does_not_read_holds_up_nobody() {
    let world = World::new();
    let (server, client) = (server(&world), world.peer());
    client.ask(&format!("attach c {} 1", server.pid()));
    let tracer = begin(&world, &server);
    client.ask("check-times c 300");
    // Its queue is full at some time; then it is cut off.
    until("it is cut off", || {
        let asked = socket::send(tracer.as_fd(), &packet(2), &[]);
        client.ask("check-times c 100");
        asked.is_err()
    });
    assert_eq!(client.ask("send c hi room=2"), "answer 0 2 hi");
    assert!(trace(&client, &server).starts_with("told "));
}

#[test]
fn a_forked_child_of_a_traced_process_is_not_traced() {
    let world = World::new();
    let (server, client) = (server(&world), world.peer());
    // It has a channel, so it can be traced.
    client.ask("channel own");
    client.ask(&format!("attach c {} 1", server.pid()));
    let tracer = begin(&world, &client);
    let forked = client.ask(&format!("fork-send c {} 1", server.pid()));
    assert_eq!(forked, "child ended with 0");
    assert_eq!(client.ask("send c hi room=2"), "answer 0 2 hi");
    send(&tracer, 2);
    let mut answer = [0; 88 * 40];
    let deadline = Some(Instant::now() + LIMIT);
    let got = socket::receive_until(tracer.as_fd(), &mut answer, deadline).unwrap();
    let kinds: Vec<_> = answer[..got.len]
        .chunks(88)
        .map(|record| record[0])
        .collect();
    // One send, with its head, and the end.
    assert_eq!(kinds, [7, 8, 4]);
}
