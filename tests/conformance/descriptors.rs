//! Descriptors that travel with messages and replies: only where they were asked for (M-23).

use crate::flags::NONE;
use resmgr_tests::observe::{descriptors, settles};
use resmgr_tests::{Pair, Place};

rules! {
    m23_descriptors_come_with_a_message,
    m23_descriptors_come_with_a_reply,
    m23_nobody_gets_descriptors_that_it_has_not_asked_for,
    m23_descriptors_that_nobody_takes_are_closed,
    m18_a_message_that_is_sent_again_brings_its_descriptors_again,
}

fn pair(place: Place, wait: &'static str, count: u32) -> Pair {
    let mut pair = Pair::apart(place, wait);
    pair.open_with(NONE, &format!("descriptors={count}"));
    pair.attach("c");
    pair
}

fn m23_descriptors_come_with_a_message(place: Place, wait: &'static str) {
    let pair = pair(place, wait, 4);
    for round in 0..3 {
        let call = pair.send("x lend=one,two,three,four");
        pair.server.ask("receive ch");
        assert_eq!(
            pair.server.ask("descriptors m"),
            "[one,two,three,four]",
            "round {round}"
        );
        assert_eq!(pair.server.ask("descriptors m"), "[]");
        pair.server.ask("reply m 0 -");
        assert_eq!(call.end(), "answer 0 0 -");
        let plain = pair.send("x");
        pair.server.ask("receive ch");
        assert_eq!(pair.server.ask("descriptors m"), "[]");
        pair.server.ask("reply m 0 -");
        assert_eq!(plain.end(), "answer 0 0 -");
    }
    assert_eq!(pair.send("x lend=1,2,3,4,5").end(), "unsent ENOTSUP");
}

fn m23_descriptors_come_with_a_reply(place: Place, wait: &'static str) {
    let pair = pair(place, wait, 0);
    for data in ["data", "fill:3000"] {
        let call = pair.send("x room=3000 take=2");
        pair.server.ask("receive ch");
        assert_eq!(
            pair.server
                .ask(&format!("reply-lend m 3 {data} lend=one,two")),
            "ok"
        );
        let said = call.end();
        assert!(
            said.starts_with("answer 3 ") && said.ends_with(" [one,two]"),
            "{said}"
        );
        // None come, though there is room.
        let call = pair.send("x take=2");
        pair.server.ask("receive ch");
        pair.server.ask("reply m 0 -");
        assert_eq!(call.end(), "answer 0 0 - []");
    }
}

fn m23_nobody_gets_descriptors_that_it_has_not_asked_for(place: Place, wait: &'static str) {
    let pair = pair(place, wait, 1);
    assert_eq!(pair.send("x lend=one,two").end(), "unsent ENOTSUP");
    let call = pair.send("x take=1");
    pair.server.ask("receive ch");
    assert_eq!(
        pair.server.ask("reply-lend m 3 - lend=one,two"),
        "error EMSGSIZE"
    );
    assert_eq!(call.end(), "refused EMSGSIZE");
    let call = pair.send("x");
    pair.server.ask("receive ch");
    assert_eq!(
        pair.server.ask("reply-lend m 3 - lend=one"),
        "error EMSGSIZE"
    );
    assert_eq!(call.end(), "refused EMSGSIZE");
}

fn m23_descriptors_that_nobody_takes_are_closed(place: Place, wait: &'static str) {
    let pair = pair(place, wait, 4);
    let warm = pair.send("x lend=one take=1");
    pair.server.ask("receive ch");
    pair.server.ask("reply-lend m 0 - lend=two");
    assert_eq!(warm.end(), "answer 0 0 - [two]");
    let pids = [pair.server.peer.pid(), pair.client.peer.pid()];
    let before = pids.map(descriptors);
    for round in 0..100 {
        let call = pair.send("x lend=one,two,three take=4");
        if round % 2 == 0 {
            pair.server.ask("receive ch");
            pair.server.ask("reply m 0 -");
            assert_eq!(call.end(), "answer 0 0 - []");
        } else {
            assert_eq!(pair.server.ask("receive ch"), "message x");
            pair.server.ask("drop m");
            assert_eq!(call.end(), "refused EIO");
        }
    }
    let limits = before.map(|count| count + 4);
    settles("descriptors", &limits, || pids.map(descriptors).to_vec());
}

fn m18_a_message_that_is_sent_again_brings_its_descriptors_again(place: Place, wait: &'static str) {
    let pair = pair(place, wait, 2);
    let call = pair.send("x lend=one take=1");
    pair.server.ask("receive ch");
    pair.server.ask("error m 85");
    pair.server.ask("receive ch");
    assert_eq!(pair.server.ask("descriptors m"), "[one]");
    pair.server.ask("reply-lend m 0 - lend=two");
    assert_eq!(call.end(), "answer 0 0 - [two]");
}
