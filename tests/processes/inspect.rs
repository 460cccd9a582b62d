//! A look into a process: what it tells, to whom, and what becomes of those who lie or do not listen.

use resmgr_sys::socket;
use resmgr_tests::hostile::{Noise, RawClient, is_closed};
use resmgr_tests::observe::until;
use resmgr_tests::{BLOCKING, LIMIT, Peer, User, World, field};
use std::os::fd::AsFd as _;
use std::time::Instant;

/// The packet that asks for everything from `after` on.
fn request(after: [u32; 2]) -> Vec<u8> {
    let mut packet = b"RSI1".to_vec();
    packet.extend(
        [1, after[0], after[1]]
            .iter()
            .flat_map(|word| word.to_ne_bytes()),
    );
    packet
}

/// A record of an answer.
fn record(fields: &[u64]) -> Vec<u8> {
    let mut fields = fields.to_vec();
    fields.resize(11, 0);
    fields
        .iter()
        .flat_map(|field| field.to_ne_bytes())
        .collect()
}

fn server(world: &World) -> Peer {
    let server = world.peer();
    server.ask("channel ch flags=8");
    server
}

fn inspect(by: &Peer, of: &Peer) -> String {
    by.ask(&format!("inspect {}", of.pid()))
}

#[test]
fn a_call_is_told_from_the_send_to_the_reply() {
    let world = World::new();
    let (server, client, looker) = (server(&world), world.peer(), world.peer());
    client.ask(&format!("attach c {} 1", server.pid()));
    let call = client
        .begin(&format!("send c hello room=5 {BLOCKING}"))
        .sends();
    let said = inspect(&looker, &server);
    let told = |key: &str, value: &str| assert_eq!(field(&said, key), value, "{key} of {said}");
    told("client", &client.pid().to_string());
    told("call", &call.tid().to_string());
    told("state", "SEND");
    // "he"
    told("type", "6568");
    told("len", "5");
    told("since", "known");
    told("opens", "-");
    told("messages", "0");
    assert_eq!(server.ask("receive ch"), "message hello");
    let said = inspect(&looker, &server);
    assert_eq!(field(&said, "state"), "REPLY");
    assert_eq!(field(&said, "busy"), "1");
    assert_eq!(field(&said, "messages"), "1");
    assert_eq!(field(&said, "replies"), "0");
    server.ask("reply m 0 there");
    assert_eq!(call.end(), "answer 0 5 there");
    let said = inspect(&looker, &server);
    assert!(!said.contains("call="), "{said}");
    assert_eq!(field(&said, "replies"), "1");
    assert_eq!(field(&said, "timed"), "1");
}

#[test]
fn messages_are_counted_whoever_waits_how() {
    let world = World::new();
    let (server, client) = (server(&world), world.peer());
    drop(server.begin("echo ch"));
    client.ask(&format!("attach c {} 1", server.pid()));
    client.ask("pulse c 1 5");
    let said = client.ask("check-times c 200");
    assert!(said.starts_with("did "), "{said}");
    until("all are counted", || {
        let said = inspect(&client, &server);
        let number = |key| field(&said, key).parse::<u64>().unwrap();
        number("messages") >= 200 && number("pulses") == 1 && number("timed") >= 1
    });
}

#[test]
fn many_clients_come_in_several_answers() {
    let world = World::new();
    let server = server(&world);
    let links: Vec<_> = (0..600)
        .map(|_| RawClient::attach(&world, server.pid(), 1))
        .collect();
    let said = inspect(&world.peer(), &server);
    assert_eq!(said.matches(" client=").count(), links.len());
    assert_eq!(said.matches(" chid=").count(), 1);
}

#[test]
fn only_root_and_the_servers_user_are_told() {
    if let Some(why) = User::missing() {
        println!("skipped: {why}");
        return;
    }
    let world = World::of_all_users();
    let server = world.peer();
    server.ask("channel ch rights=anyone");
    let stranger = world.peer_of(User::STRANGER);
    stranger.ask(&format!("attach c {} 1", server.pid()));
    assert_eq!(inspect(&stranger, &server), "error EPERM");
    let said = inspect(&world.peer(), &server);
    assert_eq!(field(&said, "user"), User::STRANGER.id.to_string());
}

#[test]
fn a_stopped_process_says_nothing_and_a_dead_one_is_none() {
    let world = World::new();
    let (server, looker) = (server(&world), world.peer());
    server.stop();
    let asked = format!("inspect {} deadline=200", server.pid());
    assert_eq!(looker.ask(&asked), "error ETIMEDOUT");
    world.kill(&server);
    assert_eq!(looker.ask(&asked), "error ESRCH");
}

#[test]
fn who_asks_and_does_not_read_holds_up_nobody() {
    let world = World::new();
    let (server, client) = (server(&world), world.peer());
    drop(server.begin("echo ch"));
    client.ask(&format!("attach c {} 1", server.pid()));
    let deaf: Vec<_> = (0..200)
        .map(|_| {
            let socket = RawClient::stranger(&world, server.pid());
            socket::send(socket.as_fd(), &request([0, 0]), &[]).unwrap();
            socket
        })
        .collect();
    assert_eq!(client.ask("send c hi room=2"), "answer 0 2 hi");
    assert_eq!(
        field(&inspect(&client, &server), "client"),
        client.pid().to_string()
    );
    drop(deaf);
}

#[test]
fn requests_that_are_none_are_answered_or_closed() {
    let world = World::new();
    let server = server(&world);
    let mut noise = Noise::new(11);
    for bytes in [
        b"RSI1".to_vec(),
        request([0, 0])[..15].to_vec(),
        noise.bytes(16),
    ] {
        let socket = RawClient::stranger(&world, server.pid());
        socket::send(socket.as_fd(), &bytes, &[]).unwrap();
        let mut answer = [0; 64];
        let deadline = Some(Instant::now() + LIMIT);
        let got = socket::receive_until(socket.as_fd(), &mut answer, deadline);
        assert!(got.is_ok() || is_closed(&socket), "{bytes:?}");
    }
    // Places that no client and no channel has.
    for after in [[u32::MAX, u32::MAX], [1, 1], [0, 7]] {
        let socket = RawClient::stranger(&world, server.pid());
        socket::send(socket.as_fd(), &request(after), &[]).unwrap();
        let mut answer = [0; 4096];
        let deadline = Some(Instant::now() + LIMIT);
        let got = socket::receive_until(socket.as_fd(), &mut answer, deadline).unwrap();
        assert!(got.len.is_multiple_of(88));
    }
    let looker = world.peer();
    assert_eq!(field(&inspect(&looker, &server), "chid"), "1");
}

/// What a looker makes of these packets of this process, which is no honest one.
fn made_of(world: &World, packets: &[Vec<u8>]) -> String {
    let path = world.socket_of(std::process::id());
    let listener = socket::listen(&path).unwrap();
    let looker = world.peer();
    let asked = looker.begin(&format!("inspect {}", std::process::id()));
    let mut taken = None;
    until("it asks", || {
        taken = socket::accept(listener.as_fd()).unwrap();
        taken.is_some()
    });
    let taken = taken.unwrap();
    let deadline = Some(Instant::now() + LIMIT);
    socket::receive_until(taken.as_fd(), &mut [0; 64], deadline).unwrap();
    for packet in packets {
        socket::send(taken.as_fd(), packet, &[]).unwrap();
    }
    // Nobody comes for more.
    drop((taken, listener));
    std::fs::remove_file(path).unwrap();
    asked.end()
}

#[test]
fn answers_that_cannot_be_are_refused() {
    const ERROR: &str = "error EPROTO";
    let world = World::new();
    let _maker_of_the_directory = server(&world);
    let channel = record(&[1, 1]);
    let client = record(&[2, 65_537, 4711]);
    let mut noise = Noise::new(5);
    let cases = [
        vec![noise.bytes(88)],
        vec![noise.bytes(40)],
        vec![vec![0; 89]],
        vec![vec![0; 88 * 41]],
        vec![record(&[9])],
        // A client of no channel, one that comes twice, a channel that goes back.
        vec![client.clone()],
        vec![channel.clone(), client.clone(), client.clone()],
        vec![record(&[1, 2]), channel.clone()],
        // A call in no state, and an end that begins again.
        vec![channel.clone(), client.clone(), record(&[3, 1, 1, 2])],
        vec![channel.clone(), record(&[4, 0, 1, 0, 0])],
        vec![record(&[4, 1 << 40])],
    ];
    for packets in cases {
        assert_eq!(made_of(&world, &packets), ERROR, "{packets:?}");
    }
    assert_eq!(made_of(&world, &[channel]), "error ESRCH");
    assert_eq!(made_of(&world, &[record(&[4, 13])]), "error EACCES");
}
