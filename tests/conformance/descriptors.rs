//! Descriptors that travel with messages and replies: only where they were asked for (M-23).

use crate::flags::{NONE, UNBLOCK};
use resmgr_tests::observe::{descriptors, settles};
use resmgr_tests::{Pair, Place};

rules! {
    m23_descriptors_come_with_a_message,
    m23_descriptors_come_with_a_reply,
    m23_nobody_gets_descriptors_that_it_has_not_asked_for,
    m23_descriptors_that_nobody_takes_are_closed,
    m18_a_message_that_is_sent_again_brings_its_descriptors_again,
    m23_descriptors_come_and_go_with_a_call_that_was_begun,
    m23_descriptors_come_and_go_with_an_awaited_send,
    m23_descriptors_come_and_go_with_a_borrowed_message,
    m23_calls_that_were_begun_have_the_same_bounds_and_errors,
    m23_a_call_that_is_dropped_closes_what_came,
    m18_a_call_that_is_begun_again_brings_its_descriptors_again,
    m18_who_has_asked_to_be_let_go_brings_its_descriptors_again,
    u1_a_cancelled_call_that_is_to_be_sent_again_is_not,
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

/// The server answers a call that brings `one,two` and takes two.
fn give_and_take(pair: &Pair, data: &str) {
    pair.server.ask("receive ch room=0");
    assert_eq!(pair.server.ask("descriptors m"), "[one,two]");
    let reply = format!("reply-lend m 3 {data} lend=three,four");
    assert_eq!(pair.server.ask(&reply), "ok");
}

fn m23_descriptors_come_and_go_with_a_call_that_was_begun(place: Place, wait: &'static str) {
    let pair = pair(place, wait, 4);
    for data in ["data", "fill:3000"] {
        let ends = ["poll p room=3000", "wait p room=3000 wait=block"];
        for end in ends {
            let begin = format!("begin p c {data} room=3000 lend=one,two take=2");
            assert_eq!(pair.client.ask(&begin), "ok");
            give_and_take(&pair, data);
            let said = pair.client.ask(end);
            assert!(said.starts_with("answer 3 "), "{said}");
            assert!(said.ends_with(" [three,four]"), "{said}");
        }
    }
    // None come, and none go.
    pair.client.ask("begin p c x take=2");
    pair.server.ask("receive ch");
    assert_eq!(pair.server.ask("descriptors m"), "[]");
    pair.server.ask("reply m 0 -");
    assert_eq!(pair.client.ask("poll p"), "answer 0 0 - []");
}

fn m23_descriptors_come_and_go_with_an_awaited_send(place: Place, wait: &'static str) {
    let pair = pair(place, wait, 2);
    for data in ["data", "fill:3000"] {
        let call = pair.client.begin(&format!(
            "send-async c {data} room=3000 lend=one,two take=3"
        ));
        give_and_take(&pair, data);
        assert_eq!(call.end(), format!("answer 3 {data} [three,four]"));
    }
    let call = pair.client.begin("send-async c x lend=one take=1");
    pair.server.ask("receive ch");
    pair.server.ask("error m 13");
    assert_eq!(call.end(), "refused EACCES");
}

fn m23_descriptors_come_and_go_with_a_borrowed_message(place: Place, wait: &'static str) {
    let pair = pair(place, wait, 2);
    for data in ["data", "fill:3000"] {
        let send = format!("send-borrowed c {data} room=3000 lend=one,two take=2 {wait}");
        let call = pair.client.begin(&send);
        give_and_take(&pair, data);
        let said = call.end();
        assert!(said.starts_with("answer 3 "), "{said}");
        assert!(said.ends_with(&format!(" {data} [three,four]")), "{said}");
    }
    let refused = pair.client.ask("send-borrowed c x lend=1,2,3");
    assert_eq!(refused, "unsent ENOTSUP");
    let call = pair.client.begin("send-borrowed c x take=1");
    pair.server.ask("receive ch");
    let said = pair.server.ask("reply-lend m 3 - lend=one,two");
    assert_eq!(said, "error EMSGSIZE");
    assert_eq!(call.end(), "refused EMSGSIZE");
    let call = pair
        .client
        .begin("send-borrowed c again lend=one,two take=2");
    pair.server.ask("receive ch");
    pair.server.ask("error m 85");
    give_and_take(&pair, "-");
    assert_eq!(call.end(), "answer 3 0 - [three,four]");
}

fn m23_calls_that_were_begun_have_the_same_bounds_and_errors(place: Place, wait: &'static str) {
    let pair = pair(place, wait, 1);
    for call in ["begin p c x", "send-async c x"] {
        let said = pair.client.ask(&format!("{call} lend=one,two"));
        assert_eq!(said, "unsent ENOTSUP");
    }
    pair.client.ask("begin p c x take=1");
    pair.server.ask("receive ch");
    let said = pair.server.ask("reply-lend m 3 - lend=one,two");
    assert_eq!(said, "error EMSGSIZE");
    assert_eq!(pair.client.ask("poll p"), "refused EMSGSIZE");
    for call in 0..64 {
        let begin = format!("begin p{call} c x lend=one take=1");
        assert_eq!(pair.client.ask(&begin), "ok");
    }
    for late in [
        "begin late c x lend=one",
        "begin late c x take=1",
        "send-async c x take=1",
        "send c x take=1",
        "send-borrowed c x lend=one",
    ] {
        assert_eq!(pair.client.ask(late), "unsent EAGAIN", "{late}");
    }
    assert_eq!(pair.client.ask("begin late c x"), "ok");
    // One that has been answered makes room, and so does one that was dropped and noticed.
    pair.server.ask("receive ch");
    pair.server.ask("reply m 0 -");
    assert_eq!(pair.client.ask("poll p0"), "answer 0 0 - []");
    assert_eq!(pair.client.ask("begin more c x take=1"), "ok");
    pair.client.ask("give-up p1");
    assert_eq!(pair.server.ask("receive ch"), "message x");
    assert_eq!(pair.server.ask("descriptors m"), "[one]");
    assert_eq!(pair.client.ask("begin last c x lend=one"), "ok");
}

fn m23_a_call_that_is_dropped_closes_what_came(place: Place, wait: &'static str) {
    for flags in [NONE, UNBLOCK] {
        let mut pair = Pair::apart(place, wait);
        pair.open_with(flags, "descriptors=4");
        pair.attach("c");
        let begin = "begin p c x lend=one,two,three take=4";
        // Everything has been used once.
        pair.client.ask(begin);
        pair.server.ask("receive ch");
        pair.server.ask("reply-lend m 0 - lend=four");
        assert_eq!(pair.client.ask("poll p"), "answer 0 0 - [four]");
        let pids = [pair.server.peer.pid(), pair.client.peer.pid()];
        let before = pids.map(descriptors);
        // One that nobody has, and that stays the last one.
        pair.client.ask(begin);
        pair.client.ask("give-up p");
        assert_eq!(pair.server.ask("receive ch deadline=0"), "error ETIMEDOUT");
        settles("descriptors", &before, || pids.map(descriptors).to_vec());
        // One that is answered before it is dropped.
        pair.client.ask(begin);
        pair.server.ask("receive ch");
        pair.server.ask("reply-lend m 0 - lend=1,2,3,4");
        pair.client.ask("give-up p");
        settles("descriptors", &before, || pids.map(descriptors).to_vec());
        // One that is dropped first, and answered all the same where the server was asked.
        pair.client.ask(begin);
        pair.server.ask("receive ch");
        pair.client.ask("give-up p");
        let said = pair.server.ask("reply-lend m 0 - lend=1,2,3,4");
        let expected = if flags == NONE { "error ESRCH" } else { "ok" };
        assert_eq!(said, expected);
        settles("descriptors", &before, || pids.map(descriptors).to_vec());
    }
}

fn m18_a_call_that_is_begun_again_brings_its_descriptors_again(place: Place, wait: &'static str) {
    let pair = pair(place, wait, 2);
    let awaited = pair.client.begin("send-async c x lend=one,two take=2");
    // The same pipes come each time; what was read of them is gone.
    for words in ["[one,two]", "[,]"] {
        pair.server.ask("receive ch");
        assert_eq!(pair.server.ask("descriptors m"), words);
        pair.server.ask("error m 85");
    }
    pair.server.ask("receive ch");
    pair.server.ask("reply-lend m 3 - lend=three,four");
    assert_eq!(awaited.end(), "answer 3 - [three,four]");
    for end in ["poll p", "wait p wait=block"] {
        pair.client.ask("begin p c x lend=one,two take=2");
        // Not fetched at the first time.
        pair.server.ask("receive ch");
        pair.server.ask("error m 85");
        if end == "poll p" {
            assert_eq!(pair.client.ask(end), "nothing");
            give_and_take(&pair, "-");
            assert_eq!(pair.client.ask(end), "answer 3 0 - [three,four]");
        } else {
            let waiter = pair.client.begin(end);
            give_and_take(&pair, "-");
            assert_eq!(waiter.end(), "answer 3 0 - [three,four]");
        }
    }
}

/// The server has been asked to let a client go, and wants the message once more: the client's handler runs, and
/// the same message comes again.
fn m18_who_has_asked_to_be_let_go_brings_its_descriptors_again(place: Place, wait: &'static str) {
    let mut pair = Pair::apart(place, wait);
    pair.open_with(UNBLOCK, "descriptors=2");
    pair.attach("c");
    pair.client.ask("handle");
    for (turn, send) in ["send", "send-borrowed", "wait"].into_iter().enumerate() {
        let call = if send == "wait" {
            pair.client.ask("begin p c x lend=one,two take=2");
            pair.client.begin("wait p wait=block")
        } else {
            let command = format!("{send} c x lend=one,two take=2 wait=block");
            pair.client.begin(&command)
        };
        let call = call.sends();
        assert_eq!(pair.server.ask("receive ch"), "message x");
        call.signal();
        assert!(pair.server.ask("receive ch").starts_with("pulse -32 "));
        assert_eq!(pair.server.ask("error m 85"), "ok");
        give_and_take(&pair, "-");
        assert_eq!(call.end(), "answer 3 0 - [three,four]");
        assert_eq!(pair.client.ask("handled"), (turn + 1).to_string());
        assert_eq!(pair.server.ask("receive ch deadline=0"), "error ETIMEDOUT");
    }
}

/// A token stays cancelled: what the server wants once more is taken back, unless it is taken before.
fn u1_a_cancelled_call_that_is_to_be_sent_again_is_not(place: Place, wait: &'static str) {
    let mut pair = Pair::apart(place, wait);
    pair.open_with(UNBLOCK, "descriptors=2");
    pair.attach("c");
    for (turn, send) in ["send", "wait"].into_iter().enumerate() {
        let call = if send == "wait" {
            pair.client.ask("begin p c x lend=one,two take=2");
            pair.client.begin(&format!("wait p cancel=t{turn} {wait}"))
        } else {
            let command = format!("send c x lend=one,two take=2 cancel=t{turn} {wait}");
            pair.client.begin(&command)
        };
        assert_eq!(pair.server.ask("receive ch"), "message x");
        pair.client.ask(&format!("cancel t{turn}"));
        assert!(pair.server.ask("receive ch").starts_with("pulse -32 "));
        assert_eq!(pair.server.ask("error m 85"), "ok");
        assert_eq!(call.end(), "interrupted");
        assert_eq!(pair.server.ask("receive ch deadline=0"), "error ETIMEDOUT");
    }
}
