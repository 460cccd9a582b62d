//! Deadlines (T-*).

use crate::flags::{NONE, UNBLOCK};
use resmgr_tests::{Pair, Place};

rules! {
    t1_a_deadline_counts_for_one_call,
    t3_a_deadline_that_has_passed_makes_a_poll,
    t5_a_deadline_covers_both_phases_of_a_send,
    t5_with_the_flag_a_deadline_asks_the_server,
    t6_a_receive_may_poll,
    t6_a_receive_waits_until_its_deadline,
}

spinning! {
    t3_a_deadline_that_has_passed_makes_a_poll,
    t5_a_deadline_covers_both_phases_of_a_send,
    t5_with_the_flag_a_deadline_asks_the_server,
    t6_a_receive_waits_until_its_deadline,
}

/// Milliseconds: short for the test, long for the machine.
const SHORT: u32 = 20;

fn t1_a_deadline_counts_for_one_call(place: Place, wait: &'static str) {
    let pair = Pair::new(place, wait, NONE);
    let sender = |command: &str| pair.client.peer.begin_in("sender", command);
    assert_eq!(
        sender(&format!("send c x deadline={SHORT}")).end(),
        "timed out"
    );
    let call = sender("send c next").sends();
    assert_eq!(pair.server.ask("receive ch"), "message next");
    pair.server.ask("reply m 0 -");
    assert_eq!(call.end(), "answer 0 0 -");
}

fn t3_a_deadline_that_has_passed_makes_a_poll(place: Place, wait: &'static str) {
    let pair = Pair::new(place, wait, NONE);
    assert_eq!(
        pair.client.ask("send c x deadline=0 wait=block"),
        "timed out"
    );
    assert_eq!(pair.client.ask("send c x deadline=0"), "timed out");
    assert_eq!(pair.server.ask("receive ch deadline=0"), "error ETIMEDOUT");
}

fn t5_a_deadline_covers_both_phases_of_a_send(place: Place, wait: &'static str) {
    let pair = Pair::new(place, wait, NONE);
    let call = pair.send("x deadline=500");
    assert_eq!(pair.server.ask("receive ch"), "message x");
    assert_eq!(call.end(), "timed out");
    assert_eq!(pair.server.ask("reply m 0 -"), "error ESRCH");
}

fn t5_with_the_flag_a_deadline_asks_the_server(place: Place, wait: &'static str) {
    let pair = Pair::new(place, wait, UNBLOCK);
    let call = pair.send("x deadline=500");
    assert_eq!(pair.server.ask("receive ch"), "message x");
    assert!(pair.server.ask("receive ch").starts_with("pulse -32 "));
    assert!(call.is_blocked());
    pair.server.ask("reply m 9 -");
    assert_eq!(call.end(), "answer 9 0 -");
}

fn t6_a_receive_may_poll(place: Place, wait: &'static str) {
    let pair = Pair::new(place, wait, NONE);
    assert_eq!(pair.server.ask("receive ch deadline=0"), "error ETIMEDOUT");
    assert_eq!(
        pair.server.ask("receive-pulse ch deadline=0"),
        "error ETIMEDOUT"
    );
    let call = pair.blocked_send("x");
    assert_eq!(pair.server.ask("receive ch deadline=0"), "message x");
    pair.server.ask("reply m 0 -");
    call.end();
    pair.client.ask("pulse c 4 4");
    assert!(
        pair.server
            .ask("receive-pulse ch deadline=0")
            .starts_with("pulse 4 4 ")
    );
}

fn t6_a_receive_waits_until_its_deadline(place: Place, wait: &'static str) {
    let pair = Pair::new(place, wait, NONE);
    let before = std::time::Instant::now();
    let said = pair.server.ask(&format!("receive ch deadline={SHORT}"));
    assert_eq!(said, "error ETIMEDOUT");
    assert!(before.elapsed().as_millis() >= u128::from(SHORT));
}
