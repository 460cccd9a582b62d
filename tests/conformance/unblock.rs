//! Signals, cancellation, and the unblock pulse (U-*, M-9).

use crate::flags::{DISCONNECT, NONE, UNBLOCK};
use resmgr_sys::signal;
use resmgr_tests::observe::until;
use resmgr_tests::{Pair, Pending, Place, field};

rules! {
    u1_a_signal_takes_back_a_message_that_nobody_has,
    u1_a_cancellation_takes_back_a_message_that_nobody_has,
    u2_without_the_flag_a_signal_ends_the_wait_for_the_reply,
    u3_with_the_flag_the_server_is_asked_and_the_reply_counts,
    u3_a_cancellation_is_asked_for_like_a_signal,
    u1_a_handler_that_restarts_calls_takes_back_a_message,
    u2_a_handler_that_restarts_calls_ends_the_wait,
    u3_the_handler_runs_after_the_reply,
    u3_a_signal_that_is_ignored_asks_for_nothing,
    u3_many_threads_wait_and_each_is_asked_for_alone,
    u3_beyond_the_bound_the_server_is_asked_and_the_handler_runs,
    u3_a_request_comes_at_the_priority_of_its_call,
    u4_there_is_one_pulse_for_a_call,
    u4_the_name_of_a_finished_call_is_not_used_again_at_once,
    u5_the_server_may_answer_with_an_error;
    m9_a_signal_ends_a_receive,
}

/// A send in a thread that sleeps, and whose signals are counted.
fn interruptible(pair: &Pair, message: &str) -> Pending {
    assert_eq!(pair.client.ask("handle"), "ok");
    pair.blocked_send(message)
}

fn u1_a_signal_takes_back_a_message_that_nobody_has(place: Place, wait: &'static str) {
    for flags in [NONE, UNBLOCK] {
        let pair = Pair::new(place, wait, flags);
        let call = interruptible(&pair, "x");
        call.signal();
        assert_eq!(call.end(), "interrupted");
        assert_eq!(pair.server.ask("receive ch deadline=0"), "error ETIMEDOUT");
        let next = pair.send("next");
        assert_eq!(pair.server.ask("receive ch"), "message next");
        pair.server.ask("reply m 0 -");
        assert_eq!(next.end(), "answer 0 0 -");
    }
}

fn u1_a_cancellation_takes_back_a_message_that_nobody_has(place: Place, wait: &'static str) {
    let pair = Pair::new(place, wait, UNBLOCK);
    let call = pair.blocked_send("x cancel=t");
    pair.client.ask("cancel t");
    assert_eq!(call.end(), "interrupted");
    assert_eq!(pair.client.ask("send c x cancel=t"), "interrupted");
    assert_eq!(pair.server.ask("receive ch deadline=0"), "error ETIMEDOUT");
}

fn u2_without_the_flag_a_signal_ends_the_wait_for_the_reply(place: Place, wait: &'static str) {
    let pair = Pair::new(place, wait, NONE);
    let call = interruptible(&pair, "x room=4");
    pair.server.ask("receive ch");
    call.signal();
    assert_eq!(call.end(), "interrupted");
    assert_eq!(pair.server.ask("receive ch deadline=0"), "error ETIMEDOUT");
    assert_eq!(pair.server.ask("reply m 0 late"), "error ESRCH");
}

fn u3_with_the_flag_the_server_is_asked_and_the_reply_counts(place: Place, wait: &'static str) {
    let pair = Pair::new(place, wait, UNBLOCK);
    let call = interruptible(&pair, "x room=4");
    pair.server.ask("receive ch");
    assert_eq!(pair.server.ask("asked m"), "false");
    call.signal();
    let rcvid = pair.server.ask("rcvid m");
    let pulse = pair.server.ask("receive ch");
    assert!(pulse.starts_with(&format!("pulse -32 {rcvid} ")), "{pulse}");
    assert_eq!(pair.server.ask("asked m"), "true");
    assert!(call.is_blocked());
    assert_eq!(pair.server.ask("reply m 5 done"), "ok");
    assert_eq!(call.end(), "answer 5 4 done");
    assert_eq!(pair.client.ask("handled"), "1");
}

fn u3_a_cancellation_is_asked_for_like_a_signal(place: Place, wait: &'static str) {
    let pair = Pair::new(place, wait, UNBLOCK);
    let call = pair.blocked_send("x cancel=t");
    pair.server.ask("receive ch");
    pair.client.ask("cancel t");
    assert!(pair.server.ask("receive ch").starts_with("pulse -32 "));
    assert!(call.is_blocked());
    pair.server.ask("reply m 1 -");
    assert_eq!(call.end(), "answer 1 0 -");
}

/// Work that the client is above does not keep its wish waiting, and what is above the client goes first.
fn u3_a_request_comes_at_the_priority_of_its_call(place: Place, wait: &'static str) {
    let pair = Pair::new(place, wait, UNBLOCK);
    let ask = |text: &str, priority: u8| {
        let options = format!("priority={priority} cancel={text}");
        let call = pair
            .client
            .begin(&format!("send c {text} {options} {}", pair.wait()));
        let said = pair.server.ask(&format!("receive ch as={text}"));
        assert_eq!(said, format!("message {text}"));
        call
    };
    let calls = [ask("low", 3), ask("high", 40)];
    pair.client.ask("pulse c 1 1 priority=20");
    pair.client.ask("cancel low");
    pair.client.ask("cancel high");
    until("the server knows of both", || {
        // It takes in what has come, and leaves it in the queue.
        pair.server.ask("self-pulse ch 9 9 priority=50");
        assert!(pair.server.ask("receive ch").starts_with("pulse 9 9 "));
        ["low", "high"].map(|held| pair.server.ask(&format!("asked {held}"))) == ["true", "true"]
    });
    let next = || {
        let said = pair.server.ask("receive ch");
        (
            said.split(' ').nth(1).unwrap().to_owned(),
            field(&said, "priority"),
        )
    };
    let expected = [("-32", "40"), ("1", "20"), ("-32", "3")];
    for (code, priority) in expected {
        assert_eq!(next(), (code.into(), priority.into()));
    }
    for (call, held) in calls.into_iter().zip(["low", "high"]) {
        pair.server.ask(&format!("reply {held} 0 -"));
        assert_eq!(call.end(), "answer 0 0 -");
    }
}

fn u4_there_is_one_pulse_for_a_call(place: Place, wait: &'static str) {
    let pair = Pair::new(place, wait, UNBLOCK | DISCONNECT);
    let call = interruptible(&pair, "x");
    pair.server.ask("receive ch");
    call.signal();
    assert!(pair.server.ask("receive ch").starts_with("pulse -32 "));
    call.is_sending();
    call.signal();
    call.is_sending();
    assert_eq!(pair.server.ask("receive ch deadline=0"), "error ETIMEDOUT");
    pair.server.ask("reply m 0 -");
    assert_eq!(call.end(), "answer 0 0 -");
}

fn u3_the_handler_runs_after_the_reply(place: Place, wait: &'static str) {
    for (turn, restart) in ["", "restart"].into_iter().enumerate() {
        let pair = Pair::new(place, wait, UNBLOCK);
        pair.client.ask(&format!("handle {restart}"));
        let call = pair.blocked_send("x");
        pair.server.ask("receive ch");
        call.signal();
        assert!(pair.server.ask("receive ch").starts_with("pulse -32 "));
        call.is_sending();
        assert_eq!(pair.client.ask("handled"), "0", "turn {turn}");
        pair.server.ask("reply m 7 -");
        assert_eq!(call.end(), "answer 7 0 -");
        assert_eq!(pair.client.ask("handled"), "1");
    }
}

fn u3_a_signal_that_is_ignored_asks_for_nothing(place: Place, wait: &'static str) {
    let pair = Pair::new(place, wait, UNBLOCK);
    // What nobody has a handler for and what does no harm: a window that changes its size.
    let call = pair.blocked_send("x");
    pair.server.ask("receive ch");
    call.signal_with(signal::WINCH);
    call.is_sending();
    pair.client.ask("handle");
    call.signal();
    // One pulse, and it is that of the second signal: the first one is gone.
    assert!(pair.server.ask("receive ch").starts_with("pulse -32 "));
    assert_eq!(pair.server.ask("receive ch deadline=0"), "error ETIMEDOUT");
    pair.server.ask("reply m 0 -");
    assert_eq!(call.end(), "answer 0 0 -");
}

fn u3_many_threads_wait_and_each_is_asked_for_alone(place: Place, wait: &'static str) {
    let pair = Pair::new(place, wait, UNBLOCK);
    pair.client.ask("handle");
    // More than can be woken one by one.
    let calls: Vec<Pending> = (0..70).map(|n| pair.blocked_send(&n.to_string())).collect();
    for turn in 0..calls.len() {
        let said = pair.server.ask(&format!("receive ch as=m{turn}"));
        assert!(said.starts_with("message "), "{said}");
    }
    calls[20].signal();
    assert!(pair.server.ask("receive ch").starts_with("pulse -32 "));
    assert_eq!(pair.server.ask("receive ch deadline=0"), "error ETIMEDOUT");
    for turn in (0..calls.len()).rev() {
        assert_eq!(pair.server.ask(&format!("reply m{turn} 3 -")), "ok");
    }
    for call in calls {
        assert_eq!(call.end(), "answer 3 0 -");
    }
}

fn u3_beyond_the_bound_the_server_is_asked_and_the_handler_runs(place: Place, wait: &'static str) {
    let pair = Pair::new(place, wait, UNBLOCK);
    pair.client.ask("handle");
    let calls: Vec<Pending> = (0..65).map(|n| pair.blocked_send(&n.to_string())).collect();
    for turn in 0..calls.len() {
        let said = pair.server.ask(&format!("receive ch as=m{turn}"));
        assert_eq!(said, format!("message {turn}"));
    }
    for (turn, before_the_reply) in [(63, "0"), (64, "2")] {
        calls[turn].signal();
        let rcvid = pair.server.ask(&format!("rcvid m{turn}"));
        let pulse = pair.server.ask("receive ch");
        assert!(pulse.starts_with(&format!("pulse -32 {rcvid} ")), "{pulse}");
        assert!(calls[turn].is_blocked());
        assert_eq!(pair.client.ask("handled"), before_the_reply);
        pair.server.ask(&format!("reply m{turn} 3 -"));
        if turn == 63 {
            // The handler has run when the send returns: this lane is free, and nobody sleeps at it any more.
            let handled = || pair.client.ask("handled") == "1";
            until("the handler has run", handled);
        }
    }
    for turn in 0..63 {
        pair.server.ask(&format!("reply m{turn} 3 -"));
    }
    for call in calls {
        assert_eq!(call.end(), "answer 3 0 -");
    }
}

fn u4_the_name_of_a_finished_call_is_not_used_again_at_once(place: Place, wait: &'static str) {
    let pair = Pair::new(place, wait, UNBLOCK);
    let mut names: Vec<String> = (0..3).map(|_| one_call(&pair)).collect();
    names.dedup();
    assert_eq!(names.len(), 3);
}

/// A call by always the same thread; its rcvid.
fn one_call(pair: &Pair) -> String {
    let call = pair.client.peer.begin_in("sender", "send c x");
    pair.server.ask("receive ch");
    let rcvid = pair.server.ask("rcvid m");
    pair.server.ask("reply m 0 -");
    assert_eq!(call.end(), "answer 0 0 -");
    rcvid
}

fn u5_the_server_may_answer_with_an_error(place: Place, wait: &'static str) {
    let pair = Pair::new(place, wait, UNBLOCK);
    let call = interruptible(&pair, "x");
    pair.server.ask("receive ch");
    call.signal();
    pair.server.ask("receive ch");
    // 4 is EINTR.
    pair.server.ask("error m 4");
    assert_eq!(call.end(), "refused EINTR");
}

fn m9_a_signal_ends_a_receive(place: Place, wait: &'static str) {
    let pair = Pair::new(place, wait, NONE);
    pair.server.ask("handle");
    let receiver = pair.server.begin("receive ch").receives();
    receiver.signal();
    assert_eq!(receiver.end(), "error EINTR");
    let pulses = pair.server.begin("receive-pulse ch").receives();
    pulses.signal();
    assert_eq!(pulses.end(), "error EINTR");
}

fn u1_a_handler_that_restarts_calls_takes_back_a_message(place: Place, wait: &'static str) {
    for flags in [NONE, UNBLOCK] {
        let pair = Pair::new(place, wait, flags);
        pair.client.ask("handle restart");
        let call = pair.blocked_send("x");
        call.signal();
        assert_eq!(call.end(), "interrupted");
        assert_eq!(pair.client.ask("handled"), "1");
    }
}

fn u2_a_handler_that_restarts_calls_ends_the_wait(place: Place, wait: &'static str) {
    let pair = Pair::new(place, wait, NONE);
    pair.client.ask("handle restart");
    let call = pair.blocked_send("x");
    pair.server.ask("receive ch");
    call.signal();
    assert_eq!(call.end(), "interrupted");
    assert_eq!(pair.server.ask("reply m 0 -"), "error ESRCH");
}

/// A server that is stopped wakes nobody; a client that was stopped goes on waiting.
#[test]
fn u3_a_stopped_client_goes_on_waiting() {
    for flags in [NONE, UNBLOCK] {
        let pair = Pair::new(Place::Other, "", flags);
        let call = pair.blocked_send("x");
        pair.server.ask("receive ch");
        pair.client.peer.stop();
        pair.client.peer.signal(signal::CONT);
        assert_eq!(pair.client.ask("ready"), "ready");
        assert_eq!(pair.server.ask("receive ch deadline=0"), "error ETIMEDOUT");
        pair.server.ask("reply m 0 -");
        assert_eq!(call.end(), "answer 0 0 -");
    }
}
