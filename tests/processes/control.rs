//! Peers that misuse a link's socket: theirs is the only link that ends, and nothing of theirs stays.

use resmgr_sys::socket;
use resmgr_tests::hostile::layout::{CALL, IN_SLOT, answer, request, slot};
use resmgr_tests::hostile::{Lie, Noise, RawClient, RawServer};
use resmgr_tests::observe::{descriptors, settles, until};
use resmgr_tests::{Peer, Pending, World};
use std::fs::File;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::sync::atomic::Ordering;

const WAKE: u8 = 1;
const DESCRIPTORS: u8 = 2;
const EVENT: u8 = 3;
/// Beside a slot's request: where its caller sleeps.
const WAITING: usize = 4;

/// A server and a client that work together, and whom the test disturbs.
struct Victim {
    server: Peer,
    client: Peer,
    load: Pending,
    world: World,
}

impl Victim {
    fn new() -> Self {
        let world = World::new();
        let (server, client) = (world.peer(), world.peer());
        server.ask("channel work");
        server.ask("channel asks descriptors=2");
        drop(server.begin("echo work"));
        client.ask(&format!("attach work {} 1", server.pid()));
        Self {
            load: client.begin("check work"),
            server,
            client,
            world,
        }
    }

    fn attach(&self, chid: u32) -> RawClient {
        RawClient::attach(&self.world, self.server.pid(), chid)
    }

    fn goes_on(self) {
        self.client.ask("stop");
        let said = self.load.end();
        assert!(said.starts_with("did "), "{said}");
    }
}

fn null() -> File {
    File::open("/dev/null").unwrap()
}

fn wake(lane: u8, number: u32) -> Vec<u8> {
    [vec![WAKE, lane, 0, 0], number.to_ne_bytes().to_vec()].concat()
}

fn parcel(count: u8, slot: u8, number: u32) -> Vec<u8> {
    let head = vec![DESCRIPTORS, count, slot, 0];
    [head, number.to_ne_bytes().to_vec()].concat()
}

/// An event of 32 bytes for handle 200.
fn event_packet(event: &[u8]) -> Vec<u8> {
    [&[EVENT, 0, 0, 0, 200, 0, 0, 0], event].concat()
}

/// Sends until the peer has taken it, or has closed.
fn insist(to: &OwnedFd, bytes: &[u8], fds: &[BorrowedFd<'_>]) {
    until("the peer reads", || {
        socket::send(to.as_fd(), bytes, fds) != Err(resmgr_sys::Errno::AGAIN)
    });
}

/// What neither side may say to the other: bytes, and how many descriptors come with them.
fn nonsense() -> Vec<(Vec<u8>, usize)> {
    let mut noise = Noise::new(99);
    vec![
        (vec![0], 0),
        (vec![0; 4], 0),
        (vec![77, 0, 0, 0], 0),
        (vec![9; 200], 0),
        (vec![EVENT; 133], 0),
        (noise.bytes(64), 0),
        (noise.bytes(64), 4),
        (vec![EVENT, 0, 0, 0], 1),
        (parcel(2, 0, 1), 0),
        (parcel(2, 0, 1), 1),
        (parcel(5, 0, 1), 4),
        (parcel(0, 0, 1), 1),
        (wake(0, 2), 0),
        (wake(0, 2), 2),
        (wake(64, 2), 1),
    ]
}

#[test]
fn control_packets_of_no_kind_close_the_link() {
    let victim = Victim::new();
    let before = descriptors(victim.server.pid());
    let file = null();
    for chid in [1, 2] {
        for (bytes, count) in nonsense() {
            let client = victim.attach(chid);
            let fds = vec![file.as_fd(); count];
            socket::send(client.socket.as_fd(), &bytes, &fds).unwrap();
            assert!(client.is_closed(), "{bytes:?} with {count}");
        }
    }
    settles("descriptors", &[before + 1], || {
        vec![descriptors(victim.server.pid())]
    });
    victim.goes_on();
}

#[test]
fn descriptors_that_a_channel_does_not_ask_for_close_the_link() {
    let victim = Victim::new();
    let file = null();
    let cases = [
        (1, parcel(1, 0, 1), 1),
        (2, parcel(3, 0, 1), 3),
        // No socket to wake anybody by.
        (1, wake(0, 2), 1),
        (1, vec![EVENT, 0, 0, 0, 7], 0),
    ];
    for (chid, bytes, count) in cases {
        let client = victim.attach(chid);
        let fds = vec![file.as_fd(); count];
        socket::send(client.socket.as_fd(), &bytes, &fds).unwrap();
        assert!(client.is_closed(), "{bytes:?}");
    }
    victim.goes_on();
}

#[test]
fn floods_of_control_packets_hold_up_nobody() {
    let victim = Victim::new();
    let before = descriptors(victim.server.pid());
    let (client, file) = (victim.attach(2), null());
    let (socket, _other) = socket::nudge_pair().unwrap();
    for number in 0..3000 {
        let lane = u8::try_from(number % 64).unwrap();
        insist(&client.socket, &wake(lane, 2 + number), &[socket.as_fd()]);
        let slot = u8::try_from(number % 200).unwrap();
        let fds = [file.as_fd(), file.as_fd()];
        insist(&client.socket, &parcel(2, slot, number), &fds);
    }
    // One link, its sockets and its parcels: 64 of each.
    let limit = before + 4 + 64 + 2 * 64;
    settles("descriptors", &[limit], || {
        vec![descriptors(victim.server.pid())]
    });
    assert!(!client.is_closed_now());
    drop(client);
    settles("descriptors", &[before + 1], || {
        vec![descriptors(victim.server.pid())]
    });
    victim.goes_on();
}

/// What a client that waits for its message to be taken says beside its place.
const UNTIL_TAKEN: u32 = 1 << 31;

/// The client says that it sleeps where the server cannot wake it, or where there is no room for a byte, or that
/// it waits to be told of each message that it was taken, and does not.
#[test]
fn clients_that_cannot_be_woken_hold_up_nobody() {
    let victim = Victim::new();
    let client = victim.attach(1);
    let waiting = |number: u32| {
        let word = client.ours.word(slot(0) + WAITING);
        word.store(number, Ordering::SeqCst);
    };
    waiting(77);
    client.fill(0, 1, &request(0, IN_SLOT, 0));
    client.entry(0, CALL, 0);
    client.ring();
    assert!(client.is_answered(0, 1));
    let (full, _other) = socket::nudge_pair().unwrap();
    while socket::send(full.as_fd(), &[0; 4096], &[]).is_ok() {}
    insist(&client.socket, &wake(3, 9), &[full.as_fd()]);
    waiting(9);
    client.fill(0, 2, &request(0, IN_SLOT, 0));
    client.entry(1, CALL, 0);
    client.ring();
    assert!(client.is_answered(0, 2));
    for (position, place) in [0, 1, 9, 77].into_iter().enumerate() {
        let number = 3 + u32::try_from(position).unwrap();
        waiting(place | UNTIL_TAKEN);
        client.fill(0, number, &request(0, IN_SLOT, 0));
        client.entry(number - 1, CALL, 0);
        client.ring();
        assert!(client.is_answered(0, number));
    }
    victim.goes_on();
}

/// The victim's client attaches to a liar as well.
fn deceived(victim: &Victim, liar: &RawServer) -> resmgr_tests::hostile::Taken {
    let attach = victim
        .client
        .begin(&format!("attach c {} 1", std::process::id()));
    let taken = liar.welcome(&Lie::None).unwrap();
    assert!(attach.end().starts_with("connection "));
    taken
}

#[test]
fn servers_that_send_nonsense_lose_their_clients() {
    let victim = Victim::new();
    let liar = RawServer::listen(&victim.world);
    let file = null();
    let mut packets = nonsense();
    packets.extend([(parcel(1, 0, 1), 1), (wake(0, 2), 1)]);
    for (bytes, count) in packets {
        let taken = deceived(&victim, &liar);
        let before = descriptors(victim.client.pid());
        let call = victim.client.begin("send c x");
        let fds = vec![file.as_fd(); count];
        socket::send(taken.socket.as_fd(), &bytes, &fds).unwrap();
        assert_eq!(call.end(), "gone ESRCH", "{bytes:?} with {count}");
        assert_eq!(victim.client.ask("send c x"), "gone ESRCH");
        settles("descriptors", &[before + 1], || {
            vec![descriptors(victim.client.pid())]
        });
        victim.client.ask("detach c");
    }
    drop(liar);
    victim.goes_on();
}

#[test]
fn servers_that_flood_their_clients_hurt_only_their_connection() {
    let victim = Victim::new();
    let liar = RawServer::listen(&victim.world);
    let taken = deceived(&victim, &liar);
    let call = victim.client.begin("send c x room=2 take=1");
    for _ in 0..3000 {
        // An event that is to do nothing.
        insist(&taken.socket, &event_packet(&[0; 32]), &[]);
    }
    // Descriptors that are announced, and do not come.
    taken.answer(&answer(0, 1 << 8, 2, IN_SLOT), b"hi");
    assert_eq!(call.end(), "protocol");
    assert_eq!(victim.client.ask("send c x"), "gone ESRCH");
    victim.client.ask("detach c");
    drop(liar);
    victim.goes_on();
}
