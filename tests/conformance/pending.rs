//! Sends that nobody is blocked in: the rules of a send hold for them (M-*, U-*).

use crate::flags::{NONE, UNBLOCK};
use resmgr_tests::observe::until;
use resmgr_tests::{BLOCKING, Pair, Pending, Place};

rules! {
    m1_a_call_that_was_begun_is_answered_later,
    m1_a_call_that_was_begun_can_be_waited_for,
    m1_an_awaited_send_is_woken_by_its_answer,
    m1_an_awaited_send_is_woken_beside_many_threads,
    m5_an_awaited_send_ends_like_any_other,
    m6_calls_that_were_begun_have_the_same_bound,
    m18_a_call_that_was_begun_is_sent_again,
    u1_a_call_that_is_dropped_is_taken_back,
    u2_a_call_that_is_dropped_gives_its_slot_back,
    u3_of_a_dropped_call_the_server_is_asked_to_let_go,
    u1_a_call_that_is_waited_for_is_taken_back_like_a_send,
    u2_the_wait_for_a_call_ends_like_that_of_a_send,
    u3_a_call_that_is_waited_for_asks_like_a_send,
    m18_a_call_that_is_waited_for_is_let_go_as_it_asked,
    m18_a_dropped_call_is_not_sent_again,
    t5_a_timeout_for_reply_holds_for_a_call_that_was_begun,
    d2_the_end_of_the_channel_ends_awaited_sends,
}

fn m1_a_call_that_was_begun_is_answered_later(place: Place, wait: &'static str) {
    let pair = Pair::new(place, wait, NONE);
    for message in ["hello", "fill:3000"] {
        assert_eq!(
            pair.client.ask(&format!("begin p c {message} room=3000")),
            "ok"
        );
        assert_eq!(pair.client.ask("poll p room=3000"), "nothing");
        assert_eq!(
            pair.server.ask("receive ch room=3000"),
            format!("message {message}")
        );
        assert_eq!(pair.client.ask("poll p room=3000"), "nothing");
        assert_eq!(pair.server.ask("reply m 4 fill:3000"), "ok");
        assert_eq!(
            pair.client.ask("poll p room=3000"),
            "answer 4 3000 fill:3000"
        );
        assert_eq!(pair.client.ask("poll p room=3000"), "unsent EINVAL");
        // Less room than was announced: the reply is cut.
        pair.client.ask("begin p c x room=6");
        pair.server.ask("receive ch");
        pair.server.ask("reply m 4 abcdef");
        assert_eq!(pair.client.ask("poll p room=3"), "answer 4 3 abc");
    }
}

fn m1_a_call_that_was_begun_can_be_waited_for(place: Place, wait: &'static str) {
    for flags in [NONE, UNBLOCK] {
        let pair = Pair::new(place, wait, flags);
        pair.client.ask("begin p c x room=8");
        pair.server.ask("receive ch");
        let waiter = pair.client.begin(&format!("wait p room=8 {wait}"));
        assert!(waiter.is_blocked());
        pair.server.ask("reply m 9 done");
        assert_eq!(waiter.end(), "answer 9 4 done....");
        pair.client.ask("begin p c x");
        assert_eq!(
            pair.client.ask(&format!("wait p deadline=1 {wait}")),
            "timed out"
        );
        assert_eq!(pair.server.ask("receive ch deadline=0"), "error ETIMEDOUT");
    }
}

fn m1_an_awaited_send_is_woken_by_its_answer(place: Place, wait: &'static str) {
    let pair = Pair::new(place, wait, NONE);
    let echo = pair.server.begin("echo ch");
    assert_eq!(pair.client.ask("async-load c 1 50"), "did 50");
    assert_eq!(pair.client.ask("async-load c 1000 3"), "did 3000");
    pair.server.ask("destroy ch");
    echo.end();
}

/// As many threads sleep as the server can wake one by one, and more.
fn m1_an_awaited_send_is_woken_beside_many_threads(place: Place, wait: &'static str) {
    let pair = Pair::new(place, wait, UNBLOCK);
    let calls: Vec<Pending> = (0..70).map(|_| pair.blocked_send("x")).collect();
    let awaited = pair.client.begin("send-async c last");
    for turn in 0..calls.len() {
        let said = pair.server.ask(&format!("receive ch as=m{turn}"));
        assert_eq!(said, "message x");
    }
    assert_eq!(pair.server.ask("receive ch"), "message last");
    pair.server.ask("reply m 5 -");
    assert_eq!(awaited.end(), "answer 5 -");
    for (turn, call) in calls.into_iter().enumerate() {
        pair.server.ask(&format!("reply m{turn} 0 -"));
        assert_eq!(call.end(), "answer 0 0 -");
    }
}

fn m5_an_awaited_send_ends_like_any_other(place: Place, wait: &'static str) {
    let pair = Pair::new(place, wait, NONE);
    let call = pair.client.begin("send-async c hello room=9");
    assert_eq!(pair.server.ask("receive ch"), "message hello");
    pair.server.ask("reply m -7 fill:3");
    assert_eq!(call.end(), "answer -7 \\x01\\x02\\x03");
    let call = pair.client.begin("send-async c hello");
    pair.server.ask("receive ch");
    pair.server.ask("error m 13");
    assert_eq!(call.end(), "refused EACCES");
}

fn m6_calls_that_were_begun_have_the_same_bound(place: Place, wait: &'static str) {
    let pair = Pair::new(place, wait, NONE);
    for call in 0..1024 {
        assert_eq!(pair.client.ask(&format!("begin p{call} c x")), "ok");
    }
    assert_eq!(pair.client.ask("begin late c x"), "unsent EAGAIN");
    assert_eq!(pair.client.ask("send-async c x"), "unsent EAGAIN");
    pair.client.ask("give-up p77");
    // The server comes past it.
    pair.server.ask("receive ch");
    for _ in 0..1022 {
        assert_eq!(pair.server.ask("receive ch"), "message x");
    }
    assert_eq!(pair.server.ask("receive ch deadline=0"), "error ETIMEDOUT");
    assert_eq!(pair.client.ask("begin late c x"), "ok");
}

fn m18_a_call_that_was_begun_is_sent_again(place: Place, wait: &'static str) {
    let pair = Pair::new(place, wait, NONE);
    let call = pair.client.begin("send-async c hello room=2");
    for _ in 0..2 {
        assert_eq!(pair.server.ask("receive ch"), "message hello");
        pair.server.ask("error m 85");
    }
    assert_eq!(pair.server.ask("receive ch"), "message hello");
    pair.server.ask("reply m 0 ok");
    assert_eq!(call.end(), "answer 0 ok");
}

fn u1_a_call_that_is_dropped_is_taken_back(place: Place, wait: &'static str) {
    for flags in [NONE, UNBLOCK] {
        let pair = Pair::new(place, wait, flags);
        pair.client.ask("begin p c x");
        pair.client.ask("give-up p");
        assert_eq!(pair.client.ask("async-give-up c 3000"), "unsent EAGAIN");
        assert_eq!(pair.server.ask("receive ch deadline=0"), "error ETIMEDOUT");
        assert_eq!(pair.client.ask("async-give-up c 1000"), "dropped 1000");
    }
}

fn u2_a_call_that_is_dropped_gives_its_slot_back(place: Place, wait: &'static str) {
    let pair = Pair::new(place, wait, NONE);
    pair.client.ask("begin p c x");
    pair.server.ask("receive ch");
    pair.client.ask("give-up p");
    assert_eq!(pair.server.ask("reply m 0 late"), "error ESRCH");
    pair.client.ask("begin p c y");
    assert_eq!(pair.server.ask("receive ch"), "message y");
    pair.server.ask("reply m 0 -");
    assert_eq!(pair.client.ask("poll p"), "answer 0 0 -");
}

fn u3_of_a_dropped_call_the_server_is_asked_to_let_go(place: Place, wait: &'static str) {
    let pair = Pair::new(place, wait, UNBLOCK);
    pair.client.ask("begin p c x room=4");
    pair.server.ask("receive ch");
    pair.client.ask("give-up p");
    let rcvid = pair.server.ask("rcvid m");
    let pulse = pair.server.ask("receive ch");
    assert!(pulse.starts_with(&format!("pulse -32 {rcvid} ")), "{pulse}");
    assert_eq!(pair.server.ask("reply m 0 late"), "ok");
    let next = pair.send("next room=4");
    assert_eq!(pair.server.ask("receive ch"), "message next");
    pair.server.ask("reply m 1 good");
    assert_eq!(next.end(), "answer 1 4 good");
}

fn d2_the_end_of_the_channel_ends_awaited_sends(place: Place, wait: &'static str) {
    let pair = Pair::new(place, wait, NONE);
    let calls: Vec<_> = (0..3)
        .map(|_| pair.client.begin("send-async c x"))
        .collect();
    pair.server.ask("receive ch");
    pair.client.ask("begin p c x");
    until("all have come", || {
        pair.server.ask("receive ch as=n deadline=0") == "error ETIMEDOUT"
    });
    pair.server.ask("destroy ch");
    for call in calls {
        let said = call.end();
        // The one that was dropped with its name was answered so.
        assert!(
            ["gone ESRCH", "refused EIO"].contains(&said.as_str()),
            "{said}"
        );
    }
}

/// A call that was begun, and a thread that sleeps until it is over.
fn waited_for(pair: &Pair, how: &str) -> Pending {
    assert_eq!(pair.client.ask("handle"), "ok");
    assert_eq!(pair.client.ask("begin p c x room=4"), "ok");
    pair.client
        .begin(&format!("wait p room=4 {BLOCKING} {how}"))
        .sends()
}

fn u1_a_call_that_is_waited_for_is_taken_back_like_a_send(place: Place, wait: &'static str) {
    for flags in [NONE, UNBLOCK] {
        let pair = Pair::new(place, wait, flags);
        let waiter = waited_for(&pair, "");
        waiter.signal();
        assert_eq!(waiter.end(), "interrupted");
        let waiter = waited_for(&pair, "cancel=t");
        pair.client.ask("cancel t");
        assert_eq!(waiter.end(), "interrupted");
        assert_eq!(waited_for_at_once(&pair), "interrupted");
        assert_eq!(pair.server.ask("receive ch deadline=0"), "error ETIMEDOUT");
    }
}

/// One whose token has been cancelled before.
fn waited_for_at_once(pair: &Pair) -> String {
    assert_eq!(pair.client.ask("begin p c x"), "ok");
    pair.client.ask(&format!("wait p cancel=t {}", pair.wait()))
}

fn u2_the_wait_for_a_call_ends_like_that_of_a_send(place: Place, wait: &'static str) {
    let pair = Pair::new(place, wait, NONE);
    for how in ["", "cancel=t", "deadline=1"] {
        assert_eq!(pair.client.ask("handle"), "ok");
        assert_eq!(pair.client.ask("begin p c x"), "ok");
        assert_eq!(pair.server.ask("receive ch"), "message x");
        let waiter = pair.client.begin(&format!("wait p {BLOCKING} {how}"));
        let expected = match how {
            "" => {
                waiter.is_sending();
                waiter.signal();
                "interrupted"
            }
            "cancel=t" => {
                pair.client.ask("cancel t");
                "interrupted"
            }
            _ => "timed out",
        };
        assert_eq!(waiter.end(), expected);
        assert_eq!(pair.server.ask("reply m 0 late"), "error ESRCH");
    }
}

fn u3_a_call_that_is_waited_for_asks_like_a_send(place: Place, wait: &'static str) {
    let pair = Pair::new(place, wait, UNBLOCK);
    let waiter = waited_for(&pair, "");
    pair.server.ask("receive ch");
    waiter.signal();
    let rcvid = pair.server.ask("rcvid m");
    let pulse = pair.server.ask("receive ch");
    assert!(pulse.starts_with(&format!("pulse -32 {rcvid} ")), "{pulse}");
    waiter.is_sending();
    assert_eq!(pair.client.ask("handled"), "0");
    pair.server.ask("reply m 5 done");
    assert_eq!(waiter.end(), "answer 5 4 done");
    assert_eq!(pair.client.ask("handled"), "1");
    let waiter = waited_for(&pair, "cancel=t");
    pair.server.ask("receive ch");
    pair.client.ask("cancel t");
    assert!(pair.server.ask("receive ch").starts_with("pulse -32 "));
    assert!(waiter.is_blocked());
    // One request for a call.
    assert_eq!(pair.server.ask("receive ch deadline=0"), "error ETIMEDOUT");
    pair.server.ask("reply m 6 well");
    assert_eq!(waiter.end(), "answer 6 4 well");
}

fn m18_a_call_that_is_waited_for_is_let_go_as_it_asked(place: Place, wait: &'static str) {
    let pair = Pair::new(place, wait, UNBLOCK);
    for (how, expected) in [
        ("", "interrupted"),
        ("cancel=t", "interrupted"),
        ("deadline=1", "timed out"),
    ] {
        assert_eq!(pair.client.ask("handle"), "ok");
        assert_eq!(pair.client.ask("begin p c x"), "ok");
        assert_eq!(pair.server.ask("receive ch"), "message x");
        let waiter = pair.client.begin(&format!("wait p {BLOCKING} {how}"));
        if how.is_empty() {
            waiter.is_sending();
            waiter.signal();
        }
        pair.client.ask("cancel t");
        assert!(pair.server.ask("receive ch").starts_with("pulse -32 "));
        assert_eq!(pair.server.ask("error-as-asked m"), "ok");
        assert_eq!(waiter.end(), expected, "{how}");
    }
}

fn m18_a_dropped_call_is_not_sent_again(place: Place, wait: &'static str) {
    for flags in [NONE, UNBLOCK] {
        let pair = Pair::new(place, wait, flags);
        pair.client.ask("begin p c x");
        pair.server.ask("receive ch");
        pair.client.ask("give-up p");
        let said = pair.server.ask("error m 85");
        assert_eq!(said, if flags == NONE { "error ESRCH" } else { "ok" });
        // Dropped after that answer, and before anybody has seen it.
        pair.client.ask("begin p c x");
        until("it has come", || {
            pair.server.ask("receive ch deadline=0") == "message x"
        });
        pair.server.ask("error m 85");
        pair.client.ask("give-up p");
        assert_eq!(pair.server.ask("receive ch deadline=0"), "error ETIMEDOUT");
        let next = pair.send("next room=4");
        assert_eq!(pair.server.ask("receive ch"), "message next");
        pair.server.ask("reply m 1 good");
        assert_eq!(next.end(), "answer 1 4 good");
    }
}

fn t5_a_timeout_for_reply_holds_for_a_call_that_was_begun(place: Place, wait: &'static str) {
    for flags in [NONE, UNBLOCK] {
        let pair = Pair::new(place, wait, flags);
        let timed = |command: &str| pair.client.peer.begin_in("timed", command);
        pair.client.ask("begin p c x");
        // For the reply only, and over at once.
        timed("timeout 64").end();
        let waiter = timed(&format!("wait p {BLOCKING}")).sends();
        assert_eq!(pair.server.ask("receive ch"), "message x");
        if flags == UNBLOCK {
            assert!(pair.server.ask("receive ch").starts_with("pulse -32 "));
            assert_eq!(pair.server.ask("error-as-asked m"), "ok");
        }
        assert_eq!(waiter.end(), "timed out");
    }
}
