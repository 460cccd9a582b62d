//! Channels with a pulse pool (C-16 to C-18).

use crate::flags::{DISCONNECT, NONE, UNBLOCK};
use resmgr_tests::observe::until;
use resmgr_tests::{Pair, Peer, Place, World};

rules! {
    c16_a_pulse_that_finds_the_pool_empty_makes_the_event_happen,
    c16_a_client_has_a_share_and_gets_eagain_beyond_it,
    c16_a_process_shares_with_itself,
    c17_the_event_comes_again_below_the_threshold,
    c17_without_a_threshold_the_event_comes_once,
    c18_without_an_event_pulses_are_dropped_silently,
    c18_the_systems_own_pulses_are_never_dropped,
}

/// A server with a pool, and a client.
fn pooled(place: Place, wait: &'static str, terms: &str) -> Pair {
    let mut pair = Pair::apart(place, wait);
    pair.open_by(&format!("pool ch {terms}"));
    pair.attach("c");
    pair
}

/// More clients.
fn others<const COUNT: usize>(pair: &Pair) -> [Peer; COUNT] {
    [(); COUNT].map(|()| {
        let peer = pair.world().peer();
        let said = peer.ask(&pair.attachment("c"));
        assert!(said.starts_with("connection "), "{said}");
        peer
    })
}

fn code_of(received: &str) -> &str {
    received.split(' ').nth(1).unwrap_or(received)
}

/// Nobody receives meanwhile: that is what the event is for.
fn c16_a_pulse_that_finds_the_pool_empty_makes_the_event_happen(place: Place, wait: &'static str) {
    // Above the number of pulses: an event for each that is dropped.
    let pair = pooled(place, wait, "4 share=2 rearm=5");
    let [second, third] = others(&pair);
    for client in [&pair.client.peer, &second, &third] {
        assert_eq!(client.ask("pulse c 1 1"), "ok");
        assert_eq!(client.ask("pulse c 1 2"), "ok");
    }
    assert_eq!(pair.server.ask("await-post ch"), "ok");
    assert_eq!(pair.server.ask("await-post ch"), "ok");
    let got = (0..4).map(|_| pair.server.ask("receive ch"));
    assert!(got.into_iter().all(|said| said.starts_with("pulse 1 ")));
    assert_eq!(pair.server.ask("receive ch deadline=0"), "error ETIMEDOUT");
    assert_eq!(pair.server.ask("posts ch"), "0");
    // There is room again.
    assert_eq!(third.ask("pulse c 2 1"), "ok");
    assert!(pair.server.ask("receive ch").starts_with("pulse 2 1 "));
}

fn c16_a_client_has_a_share_and_gets_eagain_beyond_it(place: Place, wait: &'static str) {
    // The default share is half of the pool.
    for (terms, share) in [("9 share=3", 3), ("8", 4), ("1000", 128)] {
        let pair = pooled(place, wait, terms);
        let [other] = others(&pair);
        for number in 0..share {
            assert_eq!(pair.client.ask(&format!("pulse c 1 {number}")), "ok");
        }
        assert_eq!(pair.client.ask("pulse c 1 0"), "error EAGAIN");
        assert_eq!(other.ask("pulse c 2 7"), "ok");
        assert!(pair.server.ask("receive ch").starts_with("pulse 1 0 "));
        assert_eq!(pair.client.ask("pulse c 1 0"), "ok");
        assert_eq!(pair.client.ask("pulse c 1 0"), "error EAGAIN");
        assert_eq!(pair.server.ask("posts ch"), "0");
    }
}

/// Its pulses count, and the pool is all that bounds it.
fn c16_a_process_shares_with_itself(place: Place, wait: &'static str) {
    let pair = pooled(place, wait, "4 share=1");
    for value in 0..4 {
        assert_eq!(pair.server.ask(&format!("self-pulse ch 1 {value}")), "ok");
    }
    assert_eq!(pair.server.ask("self-pulse ch 1 4"), "error EAGAIN");
    assert_eq!(pair.server.ask("posts ch"), "1");
    assert!(pair.server.ask("receive ch").starts_with("pulse 1 0 "));
    assert_eq!(pair.server.ask("self-pulse ch 1 4"), "ok");
}

/// Three clients with a share of one for a pool of two.
fn fill(pair: &Pair, others: &[Peer; 2]) {
    for client in [&pair.client.peer, &others[0], &others[1]] {
        until("the last pulse was taken in", || {
            client.ask("pulse c 1 1") == "ok"
        });
    }
}

fn take_all(pair: &Pair) {
    while pair.server.ask("receive ch deadline=0") != "error ETIMEDOUT" {}
}

fn c17_the_event_comes_again_below_the_threshold(place: Place, wait: &'static str) {
    let pair = pooled(place, wait, "2 share=1 rearm=1");
    let others = others(&pair);
    for _ in 0..3 {
        fill(&pair, &others);
        assert_eq!(pair.server.ask("await-post ch"), "ok");
        assert_eq!(pair.server.ask("posts ch"), "0");
        take_all(&pair);
    }
}

fn c17_without_a_threshold_the_event_comes_once(place: Place, wait: &'static str) {
    let pair = pooled(place, wait, "2 share=1");
    let others = others(&pair);
    fill(&pair, &others);
    assert_eq!(pair.server.ask("await-post ch"), "ok");
    for _ in 0..3 {
        take_all(&pair);
        fill(&pair, &others);
        // When it has room for another, its last one was dropped.
        let last = &others[1];
        until("a pulse was dropped", || last.ask("pulse c 1 1") == "ok");
    }
    assert_eq!(pair.server.ask("posts ch"), "0");
}

fn c18_without_an_event_pulses_are_dropped_silently(place: Place, wait: &'static str) {
    let pair = pooled(place, wait, "1 event=none");
    let [other] = others(&pair);
    assert_eq!(pair.client.ask("pulse c 1 1"), "ok");
    until("the pool has its pulse", || {
        assert_eq!(pair.server.ask("posts ch"), "0");
        other.ask("pulse c 2 2") == "ok" && pair.client.ask("pulse c 1 1") == "error EAGAIN"
    });
    until("the other's pulse was dropped", || {
        other.ask("pulse c 2 3") == "ok"
    });
    assert!(pair.server.ask("receive ch").starts_with("pulse 1 1 "));
}

fn c18_the_systems_own_pulses_are_never_dropped(place: Place, wait: &'static str) {
    let flags = DISCONNECT | UNBLOCK;
    let pair = pooled(place, wait, &format!("1 flags={flags}"));
    let [other] = others(&pair);
    let call = pair.blocked_send("x cancel=t");
    assert_eq!(pair.server.ask("receive ch"), "message x");
    assert_eq!(other.ask("pulse c 1 1"), "ok");
    pair.client.ask("cancel t");
    for _ in 0..3 {
        assert_eq!(other.ask("detach c"), "ok");
        assert!(other.ask(&pair.attachment("c")).starts_with("connection "));
    }
    let got: Vec<String> = (0..5).map(|_| pair.server.ask("receive ch")).collect();
    let mut codes: Vec<&str> = got.iter().map(|said| code_of(said)).collect();
    codes.sort_unstable();
    assert_eq!(codes, ["-32", "-33", "-33", "-33", "1"]);
    pair.server.ask("reply m 0 -");
    call.end();
    assert_eq!(pair.server.ask("posts ch"), "0");
}

#[test]
fn c16_by_default_the_owner_is_killed() {
    let pair = pooled(Place::Other, "", "1 event=kill");
    let [other] = others(&pair);
    // One of the two finds the pool empty, and nobody ever receives.
    assert_eq!(pair.client.ask("pulse c 1 1"), "ok");
    other.ask("pulse c 1 1");
    until("the clients see that the server has gone", || {
        pair.client.field("server-info c", "flags") == "2"
    });
    let said = pair.server.ask("posts ch");
    assert_eq!(said, "the process has ended");
}

#[test]
fn c16_attaching_again_is_no_way_to_a_second_share() {
    let pair = pooled(Place::Other, "", "8 share=2");
    let send = |value: u32| {
        until("the pulse was sent", || {
            pair.client.ask(&format!("pulse c 1 {value}")) == "ok"
        });
    };
    (1..=2).for_each(send);
    assert_eq!(pair.client.ask("detach c"), "ok");
    pair.attach("c");
    // The server has dropped 3 when there is room for 5.
    (3..=5).for_each(send);
    let mut got = Vec::new();
    loop {
        let said = pair.server.ask("receive ch deadline=0");
        if said == "error ETIMEDOUT" {
            break;
        }
        got.push(said.split(' ').nth(2).unwrap().to_owned());
    }
    assert_eq!(got[..2], ["1", "2"]);
    assert!(!got.contains(&"3".to_owned()), "{got:?}");
    assert_eq!(pair.server.ask("posts ch"), "0");
}

#[test]
fn c16_the_terms_of_a_pool_are_checked() {
    let world = World::new();
    let server = world.peer();
    let refused = |terms: &str, errno: &str| {
        assert_eq!(
            server.ask(&format!("pool ch {terms}")),
            format!("error {errno}"),
            "{terms}"
        );
    };
    refused("0", "EINVAL");
    refused("4 share=0", "EINVAL");
    refused("4 share=5", "EINVAL");
    refused("1000 share=129", "EINVAL");
    refused("65537", "EOVERFLOW");
    refused("4 flags=512", "ENOTSUP");
    assert_eq!(server.ask("channel ch flags=256"), "error EINVAL");
    assert_eq!(server.ask(&format!("channel ch flags={NONE}")), "channel 1");
}
