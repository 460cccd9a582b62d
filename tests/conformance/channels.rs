//! Channels and their queue (C-1 to C-6).

use crate::flags::{NONE, PRIVATE};
use resmgr_tests::{BLOCKING, Pair, Place};

rules! {
    c1_channels_are_numbered_from_1,
    c1_a_channel_belongs_to_the_process,
    c3_messages_and_pulses_come_by_priority_and_then_in_turn,
    c3_clients_take_their_turns,
    c4_answers_may_come_in_any_order,
    c5_an_unknown_flag_is_enotsup;
    c2_the_last_receiver_to_wait_is_the_first_to_be_served,
}

apart! {
    c6_a_private_channel_lets_nobody_else_in,
    c6_a_process_with_private_channels_only_is_not_to_be_found,
}

fn c1_channels_are_numbered_from_1(place: Place, _wait: &'static str) {
    let pair = Pair::apart(place, "");
    assert_eq!(pair.server.ask("channel one"), "channel 1");
    assert_eq!(pair.server.ask("channel two"), "channel 2");
}

fn c1_a_channel_belongs_to_the_process(place: Place, wait: &'static str) {
    let pair = Pair::new(place, wait, NONE);
    // Made by one thread, used by another.
    let receiver = pair.server.begin("receive ch");
    let call = pair.send("x");
    assert_eq!(receiver.end(), "message x");
    pair.server.begin("reply m 0 -").end();
    assert_eq!(call.end(), "answer 0 0 -");
}

fn c2_the_last_receiver_to_wait_is_the_first_to_be_served(place: Place, wait: &'static str) {
    let pair = Pair::new(place, wait, NONE);
    let first = pair.server.begin("receive ch as=first").receives();
    let second = pair.server.begin("receive ch as=second").receives();
    let third = pair.server.begin("receive ch as=third").receives();
    let mut calls = Vec::new();
    // One after the other: two that are awake at the same time take what they come to.
    for (text, receiver) in [("1", third), ("2", second), ("3", first)] {
        calls.push(pair.blocked_send(text));
        assert_eq!(receiver.end(), format!("message {text}"));
    }
    for held in ["first", "second", "third"] {
        pair.server.ask(&format!("reply {held} 0 -"));
    }
    for call in calls {
        call.end();
    }
}

fn c3_messages_and_pulses_come_by_priority_and_then_in_turn(place: Place, wait: &'static str) {
    let pair = Pair::new(place, wait, NONE);
    let send = |text: &str, priority: u8| pair.blocked_send(&format!("{text} priority={priority}"));
    let low = [send("low1", 5), send("low2", 5)];
    pair.client.ask("pulse c 1 1 priority=5");
    let high = send("high", 40);
    pair.client.ask("pulse c 2 2 priority=30");
    let low3 = send("low3", 5);
    let received: Vec<String> = (0..6)
        .map(|at| pair.server.ask(&format!("receive ch as=m{at}")))
        .map(|said| said.split(" from=").next().unwrap().to_owned())
        .collect();
    let expected = [
        "message high",
        "pulse 2 2",
        "message low1",
        "message low2",
        "pulse 1 1",
        "message low3",
    ];
    assert_eq!(received, expected);
    for held in ["m0", "m2", "m3", "m5"] {
        pair.server.ask(&format!("reply {held} 0 -"));
    }
    for call in low.into_iter().chain([high, low3]) {
        call.end();
    }
}

fn c3_clients_take_their_turns(place: Place, wait: &'static str) {
    let pair = Pair::new(place, wait, NONE);
    let other = pair.world().peer();
    other.ask(&pair.attachment("c"));
    let theirs = |text: &str| other.begin(&format!("send c {text} {BLOCKING}")).sends();
    let calls = [
        pair.blocked_send("a1"),
        theirs("b1"),
        pair.blocked_send("a2"),
        theirs("b2"),
    ];
    // Of one client in the order in which it sent; between clients as the server observes them.
    let mut received: Vec<String> = (0..4)
        .map(|at| pair.server.ask(&format!("receive ch as=m{at}")))
        .collect();
    let place_of = |text: &str| {
        received
            .iter()
            .position(|said| said.ends_with(text))
            .unwrap()
    };
    assert!(place_of("a1") < place_of("a2"));
    assert!(place_of("b1") < place_of("b2"));
    received.sort();
    assert_eq!(
        received,
        ["message a1", "message a2", "message b1", "message b2"]
    );
    for at in 0..4 {
        pair.server.ask(&format!("reply m{at} 0 -"));
    }
    for call in calls {
        call.end();
    }
}

fn c4_answers_may_come_in_any_order(place: Place, wait: &'static str) {
    let pair = Pair::new(place, wait, NONE);
    let calls = [
        pair.blocked_send("0"),
        pair.blocked_send("1"),
        pair.blocked_send("2"),
    ];
    for at in 0..3 {
        pair.server.ask(&format!("receive ch as=m{at}"));
    }
    for at in [1, 2, 0] {
        pair.server.ask(&format!("reply m{at} {at} -"));
    }
    let answers = calls.map(resmgr_tests::Pending::end);
    assert_eq!(answers, ["answer 0 0 -", "answer 1 0 -", "answer 2 0 -"]);
}

fn c5_an_unknown_flag_is_enotsup(place: Place, _wait: &'static str) {
    let pair = Pair::apart(place, "");
    // A bit that no version of the system has.
    assert_eq!(
        pair.server.ask(&format!("channel x flags={}", 1 << 30)),
        "error ENOTSUP"
    );
}

fn c6_a_private_channel_lets_nobody_else_in(place: Place) {
    let mut pair = Pair::apart(place, "");
    pair.server.ask("channel public");
    pair.open(PRIVATE);
    assert_eq!(pair.client.ask(&pair.attachment("c")), "error EPERM");
    assert!(
        pair.server
            .ask(&pair.attachment("c"))
            .starts_with("connection ")
    );
}

fn c6_a_process_with_private_channels_only_is_not_to_be_found(place: Place) {
    let mut pair = Pair::apart(place, "");
    pair.open(PRIVATE);
    assert_eq!(pair.client.ask(&pair.attachment("c")), "error ESRCH");
    assert_eq!(pair.world().sockets(), 0);
}
