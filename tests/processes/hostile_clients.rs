//! Clients that break the rules of a link: theirs is closed, and nobody else notices.

mod floods;
mod scribbles;

use resmgr_sys::memory::{Access, Region, Seals, seal};
use resmgr_sys::{Errno, socket};
use resmgr_tests::hostile::layout::{
    ANNOUNCED, BULK, CALL, IN_SLOT, INLINE, LEN, MAGIC, NONSENSE, PULSE, RING_AT, SLOTS, UNBLOCK,
    VERSION, packet, request, slot,
};
use resmgr_tests::hostile::{Noise, RawClient, is_closed};
use resmgr_tests::observe::{descriptors, until};
use resmgr_tests::{LIMIT, Peer, Pending, World};
use std::os::fd::AsFd as _;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// A server that echoes on channel 1 and does nothing on channel 2, and a client that works on 1 all the time.
struct Victim {
    server: Peer,
    worker: Peer,
    load: Pending,
    world: World,
}

impl Victim {
    fn new() -> Self {
        let world = World::new();
        let (server, worker) = (world.peer(), world.peer());
        server.ask("channel work flags=8");
        server.ask("channel ch");
        drop(server.begin("echo work"));
        worker.ask(&format!("attach c {} 1", server.pid()));
        let load = worker.begin("check c");
        Self {
            server,
            worker,
            load,
            world,
        }
    }

    fn attach(&self, chid: u32) -> RawClient {
        RawClient::attach(&self.world, self.server.pid(), chid)
    }

    /// The other client has got right answers only, and a new one is welcome.
    fn goes_on(self) {
        self.worker.ask("stop");
        let said = self.load.end();
        assert!(said.starts_with("did "), "{said}");
        let late = self.world.peer();
        late.ask(&format!("attach c {} 1", self.server.pid()));
        assert_eq!(late.ask("send c hello room=5"), "answer 0 5 hello");
    }
}

/// What a client does that no client may.
type Breach = fn(&RawClient);

/// A call in slot 0, with this header.
fn call(client: &RawClient, number: u32, header: &[u8]) {
    client.fill(0, number, header);
    client.entry(0, CALL, 0);
}

#[test]
fn a_client_by_hand_is_served_like_any_other() {
    let victim = Victim::new();
    let client = victim.attach(2);
    call(&client, 1, &request(4, IN_SLOT, 0));
    client.ring();
    assert_eq!(victim.server.ask("receive ch"), r"message \x00\x00\x00\x00");
    assert!(!client.is_closed_now());
    victim.goes_on();
}

#[test]
fn every_breach_closes_the_link() {
    let victim = Victim::new();
    let breaches: [(&str, Breach); 14] = [
        ("an entry of no kind", |client| client.entry(0, NONSENSE, 0)),
        ("a call in no slot", |client| client.entry(0, CALL, SLOTS)),
        ("a call in no slot, by far", |client| {
            client.entry(0, CALL, 0x3fff);
        }),
        ("a slot without a call", |client| client.entry(0, CALL, 7)),
        ("a call without a number", |client| {
            call(client, 0, &request(0, IN_SLOT, 0));
        }),
        ("more than a slot holds", |client| {
            call(client, 1, &request(INLINE + 1, IN_SLOT, 0));
        }),
        ("a message behind the link", |client| {
            call(client, 1, &request(1, BULK, 0));
        }),
        ("a message across its end", |client| {
            call(client, 1, &request(2, BULK - 1, 0));
        }),
        ("a place that overflows", |client| {
            call(client, 1, &request(8, u64::MAX - 1, 0));
        }),
        ("a length that overflows", |client| {
            call(client, 1, &request(u64::MAX, 8, 0));
        }),
        ("a call announced twice", |client| {
            client.entry(1, CALL, 0);
            call(client, 1, &request(0, IN_SLOT, 0));
        }),
        ("a pulse out of turn", |client| client.entry(0, PULSE, 5)),
        ("a pulse in no cell", |client| client.entry(0, PULSE, 128)),
        ("an unblock request for no slot", |client| {
            client.entry(0, UNBLOCK, SLOTS);
        }),
    ];
    for (what, breach) in breaches {
        let client = victim.attach(1);
        breach(&client);
        client.ring();
        assert!(client.is_closed(), "{what}");
    }
    victim.goes_on();
}

/// The server takes a call from its slot before its entry comes, if the client says that all earlier entries are
/// there. Two may be missing at a time.
#[test]
fn calls_that_are_never_announced_close_the_link() {
    let victim = Victim::new();
    let client = victim.attach(1);
    let after = |entries: u8| {
        let mut header = request(0, IN_SLOT, 0);
        header[ANNOUNCED] = entries;
        header
    };
    client.fill(0, 1, &after(0));
    client.ring();
    assert!(client.is_answered(0, 1));
    client.fill(0, 2, &after(1));
    client.ring();
    // Another look at the ring may come before the answer: then it is closed by now.
    let answer = client.theirs.word(slot(0));
    until("it is answered or closed", || {
        answer.load(Ordering::SeqCst) >> 2 == 2 || client.is_closed_now()
    });
    client.fill(0, 3, &after(2));
    client.ring();
    assert!(client.is_closed());
    victim.goes_on();
}

/// A client gains nothing by asking for boosts while nothing urgent waits, whether it may have a real-time
/// priority or not.
#[test]
fn requests_for_a_boost_without_end_hold_up_nobody() {
    const BOOST: [u8; 4] = [4, 0, 0, 0];
    let victim = Victim::new();
    let client = victim.attach(1);
    let mut asked = 0;
    while asked < 10_000 {
        match socket::send(client.socket.as_fd(), &BOOST, &[]) {
            Ok(()) => asked += 1,
            // The server has to catch up.
            Err(Errno::AGAIN) => std::thread::yield_now(),
            Err(errno) => panic!("{errno} after {asked} requests"),
        }
    }
    assert_eq!(
        victim.server.ask("statistics"),
        "not-taken=0 boosts=0 masks=0"
    );
    victim.goes_on();
}

#[test]
fn more_pulses_than_there_is_room_for_close_the_link() {
    let victim = Victim::new();
    let client = victim.attach(2);
    (0..129).for_each(|at| client.entry(at, PULSE, at % 128));
    client.ring();
    // Nobody receives on this channel: a look at its bells takes in what has come.
    victim.server.ask("receive-pulse ch deadline=0");
    assert!(client.is_closed());
    victim.goes_on();
}

/// The share of a pool is a word that a client may ignore. Nobody receives on this channel.
#[test]
fn more_pulses_than_its_share_of_a_pool_close_the_link() {
    let victim = Victim::new();
    let said = victim.server.ask("pool small 6 share=2 rearm=7");
    assert_eq!(said, "channel 3");
    let client = victim.attach(3);
    (0..2).for_each(|at| client.entry(at, PULSE, at));
    client.ring();
    // An honest client goes on beside it, and again after its end.
    assert!(
        victim
            .worker
            .ask(&format!("attach p {} 3", victim.server.pid()))
            .starts_with("connection")
    );
    assert_eq!(victim.worker.ask("pulse p 1 1"), "ok");
    assert!(!client.is_closed_now());
    client.entry(2, PULSE, 2);
    client.ring();
    assert!(client.is_closed());
    assert_eq!(victim.worker.ask("pulse p 1 2"), "ok");
    assert_eq!(victim.server.ask("posts small"), "0");
    victim.goes_on();
}

#[test]
fn a_call_that_changes_while_it_is_queued_closes_the_link() {
    let victim = Victim::new();
    let client = victim.attach(2);
    call(&client, 1, &request(0, IN_SLOT, 0));
    client.ring();
    assert_eq!(
        victim.server.ask("receive-pulse ch deadline=0"),
        "error ETIMEDOUT"
    );
    client.fill(0, 9, &request(0, IN_SLOT, 0));
    assert_eq!(
        victim.server.ask("receive ch deadline=0"),
        "error ETIMEDOUT"
    );
    assert!(client.is_closed());
    victim.goes_on();
}

#[test]
fn room_that_cannot_be_is_not_believed() {
    let victim = Victim::new();
    let client = victim.attach(2);
    call(&client, 1, &request(0, IN_SLOT, u64::MAX));
    client.ring();
    victim.server.ask("receive ch");
    for offset in [BULK, 1 << 40, u64::MAX - 1] {
        let said = victim.server.ask(&format!("write m {offset} x"));
        assert_eq!(said, "error ENOMEM");
    }
    assert_eq!(victim.server.ask(&format!("write m {} x", u64::MAX)), "0");
    assert_eq!(victim.server.ask("reply m 0 fine"), "ok");
    victim.goes_on();
}

#[test]
fn requests_without_end_hold_up_nobody() {
    let victim = Victim::new();
    let client = victim.attach(1);
    let other = victim.world.peer();
    other.ask(&format!("attach c {} 1", victim.server.pid()));
    let until = Instant::now() + Duration::from_millis(500);
    let flood = std::thread::spawn(move || {
        let mut lap = 1;
        while Instant::now() < until {
            (0..4096usize).for_each(|at| {
                let word = lap << 16 | UNBLOCK << 14;
                client
                    .ours
                    .word(at * 4)
                    .store(word, std::sync::atomic::Ordering::SeqCst);
            });
            lap = (lap + 1) & 0xffff;
            client.ring();
        }
    });
    while Instant::now() < until {
        assert_eq!(other.ask("send c hello room=5"), "answer 0 5 hello");
    }
    flood.join().unwrap();
    victim.goes_on();
}

#[test]
fn noise_in_every_word_hurts_nobody_else() {
    let victim = Victim::new();
    let mut noise = Noise::new(2_463_534_242);
    for _ in 0..30 {
        let client = victim.attach(1);
        // Everything but the bulk memory: ring, cells, and the slots. The first lap is what the server looks for.
        client.ours.write(0, &noise.bytes(200_000)).unwrap();
        client.ours.write(RING_AT, &noise.bytes(20_000)).unwrap();
        (0..8).for_each(|at| {
            let word = noise.number();
            client.entry(at, (word & 3) as u32, (word >> 8 & 0x3f) as u32);
        });
        client.ring();
        let again = noise.bytes(200_000);
        client.ours.write(RING_AT - 200_000, &again).unwrap();
        client.ring();
    }
    victim.goes_on();
}

#[test]
fn what_is_said_after_the_handshake_closes_the_link() {
    let victim = Victim::new();
    let client = victim.attach(1);
    let file = std::fs::File::open("/dev/null").unwrap();
    socket::send(client.socket.as_fd(), b"hello?", &[file.as_fd()]).unwrap();
    assert!(client.is_closed());
    victim.goes_on();
}

#[test]
fn the_servers_part_cannot_be_written_nor_either_part_cut() {
    let victim = Victim::new();
    let client = victim.attach(1);
    let [ours, theirs, _] = <[_; 3]>::try_from(client.fds).unwrap();
    assert_eq!(
        Region::map(theirs.as_fd(), LEN, Access::Write).unwrap_err(),
        Errno::PERM
    );
    assert_eq!(seal(ours.as_fd(), Seals::FUTURE_WRITE), Err(Errno::PERM));
    for part in [ours, theirs] {
        let file = std::fs::File::from(part);
        assert!(file.set_len(0).is_err());
        assert!(file.set_len(2 * LEN as u64).is_err());
    }
    victim.goes_on();
}

#[test]
fn strangers_with_wrong_words_are_sent_away() {
    let victim = Victim::new();
    let mut noise = Noise::new(88_172_645);
    for len in [1, 11, 12, 13, 64, 65, 10_000] {
        let stranger = RawClient::stranger(&victim.world, victim.server.pid());
        socket::send(stranger.as_fd(), &noise.bytes(len), &[]).unwrap();
        assert!(is_closed(&stranger), "{len} bytes");
    }
    let stranger = RawClient::stranger(&victim.world, victim.server.pid());
    let hello = packet(&[MAGIC, VERSION, 1, 0, 0]);
    let bell = std::fs::File::open("/dev/null").unwrap();
    socket::send(stranger.as_fd(), &hello, &[bell.as_fd(), bell.as_fd()]).unwrap();
    assert!(is_closed(&stranger), "descriptors in a hello");
    victim.goes_on();
}

#[test]
fn another_layout_is_told_so() {
    let victim = Victim::new();
    let stranger = RawClient::stranger(&victim.world, victim.server.pid());
    socket::send(
        stranger.as_fd(),
        &packet(&[MAGIC, VERSION + 1, 1, 0, 0]),
        &[],
    )
    .unwrap();
    let mut answer = [0; 64];
    let deadline = Some(Instant::now() + LIMIT);
    socket::receive_until(stranger.as_fd(), &mut answer, deadline).unwrap();
    let errno = Errno::PROTONOSUPPORT.raw().cast_unsigned();
    assert_eq!(answer[..12], packet(&[MAGIC, VERSION, errno]));
    victim.goes_on();
}

#[test]
fn strangers_that_say_nothing_are_few() {
    let victim = Victim::new();
    let before = descriptors(victim.server.pid());
    let connect = || RawClient::stranger(&victim.world, victim.server.pid());
    let strangers: Vec<_> = (0..300).map(|_| connect()).collect();
    // One that does speak gets its turn, and everybody who came long before it has lost theirs.
    let spoken = victim.attach(1);
    assert!(is_closed(&strangers[0]));
    assert!(descriptors(victim.server.pid()) < before + 80);
    drop(spoken);
    victim.goes_on();
}
