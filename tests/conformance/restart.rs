//! Errors that are more than errors (M-18).

use crate::flags::{NONE, UNBLOCK};
use resmgr_tests::{Pair, Place};

/// ERESTART
const AGAIN: &str = "85";

rules! {
    m18_erestart_sends_the_message_again_at_once,
    m18_erestart_after_a_write_is_einval,
    m18_the_server_lets_go_with_what_was_asked_for,
    m18_who_has_not_asked_cannot_be_let_go_so,
}

fn m18_erestart_sends_the_message_again_at_once(place: Place, wait: &'static str) {
    for (message, room) in [("hello", "8"), ("fill:5000", "5000")] {
        let pair = Pair::new(place, wait, NONE);
        let call = pair.send(&format!("{message} room={room}"));
        let mut names = Vec::new();
        for _ in 0..3 {
            assert_eq!(
                pair.server.ask("receive ch room=5000"),
                format!("message {message}")
            );
            names.push(pair.server.ask("rcvid m"));
            assert_eq!(pair.server.ask(&format!("error m {AGAIN}")), "ok");
        }
        names.dedup();
        assert_eq!(names.len(), 3, "each time a call of its own");
        pair.server.ask("receive ch room=5000");
        pair.server.ask("reply m 3 yes");
        assert!(call.end().starts_with("answer 3 3 yes"));
    }
}

fn m18_erestart_after_a_write_is_einval(place: Place, wait: &'static str) {
    let pair = Pair::new(place, wait, NONE);
    let call = pair.send("x room=8");
    pair.server.ask("receive ch");
    pair.server.ask("write m 0 part");
    assert_eq!(pair.server.ask(&format!("error m {AGAIN}")), "error EINVAL");
    assert_eq!(call.end(), "refused EIO");
}

fn m18_the_server_lets_go_with_what_was_asked_for(place: Place, wait: &'static str) {
    let pair = Pair::new(place, wait, UNBLOCK);
    pair.client.ask("handle");
    let by_signal = pair.blocked_send("x");
    pair.server.ask("receive ch");
    by_signal.signal();
    pair.server.ask("receive ch");
    assert_eq!(pair.server.ask("error-as-asked m"), "ok");
    assert_eq!(by_signal.end(), "interrupted");
    let by_deadline = pair.send("x deadline=1");
    if pair
        .server
        .ask("receive ch deadline=500")
        .starts_with("message")
    {
        assert!(pair.server.ask("receive ch").starts_with("pulse -32 "));
        assert_eq!(pair.server.ask("error-as-asked m"), "ok");
    }
    assert_eq!(by_deadline.end(), "timed out");
}

fn m18_who_has_not_asked_cannot_be_let_go_so(place: Place, wait: &'static str) {
    let pair = Pair::new(place, wait, UNBLOCK);
    let call = pair.send("x");
    pair.server.ask("receive ch");
    assert_eq!(pair.server.ask("error-as-asked m"), "error EINVAL");
    assert_eq!(call.end(), "refused EIO");
}
