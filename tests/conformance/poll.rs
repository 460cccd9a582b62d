//! A channel in an event loop: it is ready when a receive would not block (M-7, M-9).

use crate::flags::NONE;
use resmgr_tests::{Pair, Place};

rules! {
    m7_a_channel_is_ready_while_something_can_be_received,
    m7_a_channel_is_ready_by_edge,
    m7_a_polled_channel_serves_blocked_receivers_too,
    m9_a_try_that_finds_nothing_is_eagain,
    c19_a_destroyed_channel_is_ready,
}

fn m7_a_channel_is_ready_while_something_can_be_received(place: Place, wait: &'static str) {
    let mut pair = Pair::apart(place, wait);
    pair.open(NONE);
    assert_eq!(pair.server.ask("is-ready ch deadline=0"), "false");
    // A client that comes later, and one message after another.
    pair.attach("c");
    for _ in 0..20 {
        let call = pair.send("hello room=2");
        assert_eq!(pair.server.ask("is-ready ch"), "true");
        assert_eq!(pair.server.ask("is-ready ch deadline=0"), "true");
        assert_eq!(pair.server.ask("try-receive ch"), "message hello");
        assert_eq!(pair.server.ask("is-ready ch deadline=0"), "false");
        pair.server.ask("reply m 0 ok");
        assert_eq!(call.end(), "answer 0 2 ok");
    }
    for value in 0..5 {
        pair.client.ask(&format!("pulse c 1 {value}"));
        pair.server.ask("self-pulse ch 2 7");
    }
    for _ in 0..10 {
        assert_eq!(pair.server.ask("is-ready ch"), "true");
        assert!(pair.server.ask("try-receive ch").starts_with("pulse "));
    }
    assert_eq!(pair.server.ask("try-receive ch"), "error EAGAIN");
    assert_eq!(pair.server.ask("is-ready ch deadline=0"), "false");
}

fn m7_a_channel_is_ready_by_edge(place: Place, wait: &'static str) {
    let pair = Pair::new(place, wait, NONE);
    for _ in 0..20 {
        let receiver = pair.server.begin("ready-to-receive ch");
        let call = pair.send("hello");
        assert_eq!(receiver.end(), "message hello");
        pair.server.ask("reply m 0 -");
        assert_eq!(call.end(), "answer 0 0 -");
    }
}

/// Others receive at the same time, and leave no link that does not ring.
fn m7_a_polled_channel_serves_blocked_receivers_too(place: Place, wait: &'static str) {
    let pair = Pair::new(place, wait, NONE);
    assert_eq!(pair.server.ask("is-ready ch deadline=0"), "false");
    for _ in 0..10 {
        let call = pair.send("one");
        assert_eq!(pair.server.ask("receive ch"), "message one");
        pair.server.ask("reply m 0 -");
        assert_eq!(call.end(), "answer 0 0 -");
        let call = pair.send("two");
        assert_eq!(pair.server.ask("is-ready ch"), "true");
        // The bell of what another thread took may have rung as well.
        assert_eq!(pair.server.ask("ready-to-receive ch"), "message two");
        pair.server.ask("reply m 0 -");
        assert_eq!(call.end(), "answer 0 0 -");
    }
}

fn m9_a_try_that_finds_nothing_is_eagain(place: Place, wait: &'static str) {
    let pair = Pair::new(place, wait, NONE);
    assert_eq!(pair.server.ask("try-receive ch"), "error EAGAIN");
    let call = pair.blocked_send("x");
    // Without a poll descriptor, too.
    assert_eq!(pair.server.ask("try-receive ch"), "message x");
    pair.server.ask("reply m 0 -");
    assert_eq!(call.end(), "answer 0 0 -");
}

fn c19_a_destroyed_channel_is_ready(place: Place, wait: &'static str) {
    let pair = Pair::new(place, wait, NONE);
    assert_eq!(pair.server.ask("is-ready ch deadline=0"), "false");
    let receiver = pair.server.begin("ready-to-receive ch");
    pair.server.ask("destroy ch");
    assert_eq!(receiver.end(), "error ESRCH");
    assert_eq!(pair.server.ask("is-ready ch"), "true");
    assert_eq!(pair.server.ask("try-receive ch"), "error ESRCH");
}
