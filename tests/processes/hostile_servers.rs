//! Servers that lie to their clients: the connection ends, and the client's others go on.

mod scribbles;

use resmgr_sys::socket;
use resmgr_tests::hostile::layout::{BULK, IN_SLOT, INLINE, LEN, MAGIC, VERSION, answer, packet};
use resmgr_tests::hostile::{Lie, Noise, RawServer, is_closed};
use resmgr_tests::observe::until;
use resmgr_tests::{Peer, Pending, World};
use std::os::fd::AsFd as _;

/// A client with a connection to an honest server, on which it works all the time, and a liar for it.
struct Victim {
    client: Peer,
    load: Pending,
    liar: RawServer,
    world: World,
}

impl Victim {
    fn new() -> Self {
        let world = World::new();
        let (honest, client) = (world.peer(), world.peer());
        honest.ask("channel work");
        drop(honest.begin("echo work"));
        client.ask(&format!("attach honest {} 1", honest.pid()));
        Self {
            load: client.begin("check honest"),
            liar: RawServer::listen(&world),
            client,
            world,
        }
    }

    /// The client attaches to the liar.
    fn attach(&self) -> Pending {
        self.client
            .begin(&format!("attach c {} 1", std::process::id()))
    }

    fn goes_on(self) {
        self.client.ask("stop");
        let said = self.load.end();
        assert!(said.starts_with("did "), "{said}");
        drop(self.liar);
        drop(self.world);
    }
}

#[test]
fn a_welcome_that_is_none_is_eproto() {
    let victim = Victim::new();
    let mut noise = Noise::new(7);
    let bytes = [
        noise.bytes(20),
        noise.bytes(64),
        vec![0],
        packet(&[MAGIC, VERSION, 0, 65_537]),
        // No error number.
        packet(&[MAGIC, VERSION, 5000, 0, 0, 0, 0, 0, 0]),
        packet(&[MAGIC, VERSION, u32::MAX, 0, 0, 0, 0, 0, 0]),
    ];
    for bytes in bytes {
        let attach = victim.attach();
        victim.liar.welcome(&Lie::Bytes(bytes.clone()));
        let said = attach.end();
        assert!(
            said == "error EPROTO" || said == "error EBADMSG",
            "{said} after {bytes:?}"
        );
    }
    victim.goes_on();
}

#[test]
fn a_server_that_hangs_up_is_esrch() {
    let victim = Victim::new();
    let attach = victim.attach();
    victim.liar.hang_up();
    assert_eq!(attach.end(), "error ESRCH");
    victim.goes_on();
}

#[test]
fn a_server_that_never_welcomes_delays_only_its_own_clients() {
    let victim = Victim::new();
    let attach = victim.attach();
    let silent = victim.liar.accept();
    // Meanwhile the honest server's client works.
    assert_eq!(attach.end(), "error ETIMEDOUT");
    drop(silent);
    victim.goes_on();
}

#[test]
fn memory_that_is_not_what_it_should_be_is_refused() {
    let victim = Victim::new();
    let lies = [
        Lie::Descriptors(0),
        Lie::Descriptors(2),
        Lie::Descriptors(4),
        Lie::Length(LEN - 4096),
        Lie::Length(LEN + 4096),
        Lie::Length(0),
        Lie::Unsealed,
        Lie::File,
        Lie::Sockets,
        Lie::Pipe,
    ];
    for lie in lies {
        let attach = victim.attach();
        victim.liar.welcome(&lie);
        let said = attach.end();
        assert!(
            said == "error EPROTO" || said == "error EINVAL",
            "{said} after {lie:?}"
        );
    }
    victim.goes_on();
}

#[test]
fn an_answer_that_cannot_be_ends_the_connection() {
    let victim = Victim::new();
    // Offset and length of a range of the reply.
    let range = |at: u64, len: u64| [at, len].map(u64::to_ne_bytes).concat();
    let lies = [
        ("longer than the room", answer(0, 0, 2001, 0), vec![]),
        (
            "longer than a slot",
            answer(0, 0, INLINE + 1, IN_SLOT),
            vec![],
        ),
        ("behind the link", answer(0, 0, 1, BULK), vec![]),
        ("across its end", answer(0, 0, 100, BULK - 50), vec![]),
        (
            "a place that overflows",
            answer(0, 0, 100, u64::MAX - 50),
            vec![],
        ),
        ("a length that overflows", answer(0, 0, u64::MAX, 8), vec![]),
        ("an error that is none", answer(5000, 0, 0, IN_SLOT), vec![]),
        (
            "an error far from any",
            answer(u32::MAX, 0, 0, IN_SLOT),
            vec![],
        ),
        (
            "more ranges than there may be",
            answer(0, 57, 100, 0),
            vec![],
        ),
        (
            "a range behind the reply",
            answer(0, 1, 100, 0),
            range(90, 20),
        ),
        (
            "a range that overflows",
            answer(0, 1, 100, 0),
            range(u64::MAX, 2),
        ),
        ("ranges in a slot", answer(0, 1, 100, IN_SLOT), range(0, 10)),
    ];
    for (what, fields, data) in lies {
        let attach = victim.attach();
        let taken = victim.liar.welcome(&Lie::None).unwrap();
        assert!(attach.end().starts_with("connection "));
        let call = victim.client.begin("send c x room=2000");
        taken.answer(&fields, &data);
        assert_eq!(call.end(), "protocol", "{what}");
        assert_eq!(victim.client.ask("send c x"), "gone ESRCH", "{what}");
        victim.client.ask("detach c");
    }
    victim.goes_on();
}

#[test]
fn a_server_by_hand_is_believed_when_it_tells_the_truth() {
    let victim = Victim::new();
    let attach = victim.attach();
    let taken = victim.liar.welcome(&Lie::None).unwrap();
    assert!(attach.end().starts_with("connection "));
    let call = victim.client.begin("send c x room=4");
    taken.answer(&answer(0, 0, 2, IN_SLOT), b"hi");
    assert_eq!(call.end(), "answer 0 2 hi..");
    victim.goes_on();
}

/// A packet with an event: its kind, the priority of whoever delivers, and what a client might have made.
fn event_packet(event: &[u8]) -> Vec<u8> {
    [&[3, 0, 0, 0, 200, 0, 0, 0], event].concat()
}

#[test]
fn events_that_a_client_did_not_make_are_ignored() {
    let victim = Victim::new();
    let attach = victim.attach();
    let taken = victim.liar.welcome(&Lie::None).unwrap();
    assert!(attach.end().starts_with("connection "));
    let mut noise = Noise::new(11);
    for _ in 0..10_000 {
        let mut event = noise.bytes(32);
        // Of every kind that there is, and with every flag: SIGKILL, closed connections, handles of nothing.
        event[0] = [0, 1, 2, 3, 4, 5, 7, 8][usize::from(event[0] & 7)];
        event[1] &= 0x64;
        event[2..4].fill(0);
        event[4] = [9, event[4]][usize::from(event[5] & 1)];
        event[5..8].fill(0);
        event[15] = 0;
        // The client may be slow to read.
        until("there is room for one more", || {
            socket::send(taken.socket.as_fd(), &event_packet(&event), &[]).is_ok()
        });
    }
    // It has read them all, and believes the server as before.
    let said = victim.client.ask("event sem s");
    let good = said.strip_prefix("event ").unwrap();
    let byte = |at: usize| u8::from_str_radix(&good[at..at + 2], 16).unwrap();
    let good: Vec<u8> = (0..good.len()).step_by(2).map(byte).collect();
    until("there is room for one more", || {
        socket::send(taken.socket.as_fd(), &event_packet(&good), &[]).is_ok()
    });
    assert_eq!(victim.client.ask("await-post s"), "ok");
    assert_eq!(victim.client.ask("posts s"), "0");
    victim.goes_on();
}

#[test]
fn what_is_no_event_closes_the_link() {
    let victim = Victim::new();
    let lies = [
        vec![],
        vec![0; 31],
        vec![0; 33],
        vec![0xff; 32],
        vec![6; 32],
    ];
    for lie in lies {
        let attach = victim.attach();
        let taken = victim.liar.welcome(&Lie::None).unwrap();
        assert!(attach.end().starts_with("connection "));
        socket::send(taken.socket.as_fd(), &event_packet(&lie), &[]).unwrap();
        assert!(is_closed(&taken.socket), "{lie:?}");
        assert_eq!(victim.client.ask("send c x"), "gone ESRCH");
        victim.client.ask("detach c");
    }
    victim.goes_on();
}
