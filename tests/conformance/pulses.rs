//! Pulses (P-*).

use crate::flags::NONE;
use resmgr_tests::{Pair, Place, field};

rules! {
    p1_a_pulse_carries_a_code_and_a_value_and_its_sender_goes_on,
    p2_a_pulse_has_its_senders_priority_and_never_0,
    p3_system_codes_may_be_sent,
    p5_a_sender_with_too_many_pulses_gets_eagain,
    p5_a_process_that_does_not_receive_its_own_pulses_gets_eagain,
    p6_a_pulse_says_which_client_sent_it,
    p7_pulses_of_one_priority_come_in_turn,
    p7_a_process_may_send_a_pulse_to_itself,
    p1_an_equal_pulse_is_not_queued_twice_if_asked,
    p1_a_pulse_may_replace_the_value_of_a_pending_one,
}

/// Pulses of one client that may wait on a channel.
const MOST: usize = 128;

fn p1_a_pulse_carries_a_code_and_a_value_and_its_sender_goes_on(place: Place, wait: &'static str) {
    let pair = Pair::new(place, wait, NONE);
    for (code, value) in [(0, 0), (127, -1), (1, i64::MAX), (2, i64::MIN)] {
        assert_eq!(pair.client.ask(&format!("pulse c {code} {value}")), "ok");
        let received = pair.server.ask("receive ch");
        assert!(
            received.starts_with(&format!("pulse {code} {value} ")),
            "{received}"
        );
    }
}

fn p2_a_pulse_has_its_senders_priority_and_never_0(place: Place, wait: &'static str) {
    let pair = Pair::new(place, wait, NONE);
    pair.client.ask("pulse c 1 1");
    // What ordinary threads have.
    assert_eq!(pair.server.field("receive ch", "priority"), "10");
    pair.client.ask("pulse c 1 1 priority=0");
    assert_eq!(pair.server.field("receive ch", "priority"), "1");
    pair.client.ask("pulse c 1 1 priority=63");
    assert_eq!(pair.server.field("receive ch", "priority"), "63");
}

fn p3_system_codes_may_be_sent(place: Place, wait: &'static str) {
    let pair = Pair::new(place, wait, NONE);
    assert_eq!(pair.client.ask("pulse c -128 1"), "ok");
    assert!(pair.server.ask("receive ch").starts_with("pulse -128 1 "));
}

fn p5_a_sender_with_too_many_pulses_gets_eagain(place: Place, wait: &'static str) {
    let pair = Pair::new(place, wait, NONE);
    let other = pair.world().peer();
    other.ask(&pair.attachment("c"));
    for number in 0..MOST {
        assert_eq!(pair.client.ask(&format!("pulse c 1 {number}")), "ok");
    }
    assert_eq!(pair.client.ask("pulse c 1 0"), "error EAGAIN");
    assert_eq!(other.ask("pulse c 2 7"), "ok");
    let call = other.begin("send c fine").sends();
    let received: Vec<String> = (0..MOST + 2)
        .map(|_| pair.server.ask("receive ch"))
        .collect();
    let told = |start: &str| {
        received
            .iter()
            .filter(|said| said.starts_with(start))
            .count()
    };
    assert_eq!(
        [told("pulse 1 "), told("pulse 2 7 "), told("message fine")],
        [MOST, 1, 1]
    );
    pair.server.ask("reply m 0 -");
    assert_eq!(call.end(), "answer 0 0 -");
    assert_eq!(pair.client.ask("pulse c 1 0"), "ok");
}

fn p5_a_process_that_does_not_receive_its_own_pulses_gets_eagain(place: Place, wait: &'static str) {
    let pair = Pair::new(place, wait, NONE);
    for number in 0..MOST {
        // Codes of the system's are no way around it.
        let code = [1, -1][number % 2];
        assert_eq!(pair.server.ask(&format!("self-pulse ch {code} 1")), "ok");
    }
    assert_eq!(pair.server.ask("self-pulse ch 1 1"), "error EAGAIN");
    assert_eq!(pair.server.ask("self-pulse ch -1 1"), "error EAGAIN");
    // Nobody else's room.
    assert_eq!(pair.client.ask("pulse c 2 7"), "ok");
    pair.server.ask("receive ch");
    assert_eq!(pair.server.ask("self-pulse ch 1 1"), "ok");
    assert_eq!(pair.server.ask("self-pulse ch 1 1"), "error EAGAIN");
}

fn p6_a_pulse_says_which_client_sent_it(place: Place, wait: &'static str) {
    let pair = Pair::new(place, wait, NONE);
    pair.client.ask("pulse c 1 1");
    let from = field(&pair.server.ask("receive ch"), "from");
    assert_eq!(from, pair.client.field("server-info c", "scoid"));
}

fn p7_pulses_of_one_priority_come_in_turn(place: Place, wait: &'static str) {
    let pair = Pair::new(place, wait, NONE);
    for value in 0..20 {
        pair.client.ask(&format!("pulse c 3 {value}"));
    }
    for value in 0..20 {
        let received = pair.server.ask("receive ch");
        assert!(
            received.starts_with(&format!("pulse 3 {value} ")),
            "{received}"
        );
    }
}

fn p7_a_process_may_send_a_pulse_to_itself(place: Place, wait: &'static str) {
    let pair = Pair::new(place, wait, NONE);
    pair.server.ask("self-pulse ch 1 5");
    pair.server.ask("self-pulse ch 2 5 priority=20");
    let receiver = pair.server.begin("receive ch");
    assert_eq!(receiver.end(), "pulse 2 5 from=self priority=20");
    assert_eq!(
        pair.server.ask("receive ch"),
        "pulse 1 5 from=self priority=10"
    );
    let receiver = pair.receiving(pair.server.begin("receive ch"));
    pair.server.ask("self-pulse ch 3 5");
    assert_eq!(receiver.end(), "pulse 3 5 from=self priority=10");
}

fn p1_an_equal_pulse_is_not_queued_twice_if_asked(place: Place, wait: &'static str) {
    let pair = Pair::new(place, wait, NONE);
    let other = pair.world().peer();
    other.ask(&pair.attachment("c"));
    assert_eq!(pair.client.ask("pulse c 1 5"), "ok");
    // The link is full of them until the server looks; what is not queued takes no room then.
    for _ in 1..MOST {
        assert_eq!(pair.client.ask("pulse c 1 5 how=unique"), "ok");
    }
    assert_eq!(pair.client.ask("pulse c 1 5 how=unique"), "error EAGAIN");
    let said = pair.server.ask("receive ch deadline=0");
    assert!(said.starts_with("pulse 1 5 "), "{said}");
    for _ in 0..MOST {
        assert_eq!(pair.client.ask("pulse c 1 5 how=unique"), "ok");
        assert_eq!(pair.client.ask("pulse c 1 6 how=unique"), "ok");
        // The server takes in what has come, and leaves it in the queue.
        pair.server.ask("self-pulse ch 9 9 priority=40");
        assert!(pair.server.ask("receive ch").starts_with("pulse 9 9 "));
    }
    // Another client's is another pulse.
    assert_eq!(other.ask("pulse c 1 5 how=unique"), "ok");
    let mut values: Vec<String> = (0..3)
        .map(|_| pair.server.ask("receive ch"))
        .map(|said| said.split(' ').nth(2).unwrap().to_owned())
        .collect();
    values.sort_unstable();
    assert_eq!(values, ["5", "5", "6"]);
    assert_eq!(pair.server.ask("receive ch deadline=0"), "error ETIMEDOUT");
    // Received: it is no longer pending.
    assert_eq!(pair.client.ask("pulse c 1 5 how=unique"), "ok");
    assert!(pair.server.ask("receive ch").starts_with("pulse 1 5 "));
}

fn p1_a_pulse_may_replace_the_value_of_a_pending_one(place: Place, wait: &'static str) {
    let pair = Pair::new(place, wait, NONE);
    pair.client.ask("pulse c 1 5 how=replace");
    pair.client.ask("pulse c 2 6");
    pair.client.ask("pulse c 1 7 how=replace");
    pair.client.ask("pulse c 1 8 how=replace priority=60");
    assert_eq!(pair.server.field("receive ch", "priority"), "10");
    assert!(pair.server.ask("receive ch").starts_with("pulse 2 6 "));
    assert_eq!(pair.server.ask("receive ch deadline=0"), "error ETIMEDOUT");
    pair.server.ask("self-pulse ch 3 1 how=replace");
    pair.server.ask("self-pulse ch 3 2 how=replace");
    assert!(pair.server.ask("receive ch").starts_with("pulse 3 2 "));
    assert_eq!(pair.server.ask("receive ch deadline=0"), "error ETIMEDOUT");
}
