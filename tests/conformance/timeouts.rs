//! Deadlines (T-*).

use crate::flags::{NONE, PRIVATE, UNBLOCK};
use resmgr_sys::signal;
use resmgr_tests::observe::sleeps;
use resmgr_tests::{Pair, Pending, Place};

rules! {
    t1_a_deadline_counts_for_one_call,
    t3_a_deadline_that_has_passed_makes_a_poll,
    t5_a_deadline_covers_both_phases_of_a_send,
    t5_with_the_flag_a_deadline_asks_the_server,
    t6_a_receive_may_poll,
    t6_a_receive_waits_until_its_deadline,
    t1_a_timeout_is_for_the_next_call_only,
    t2_with_an_event_the_call_goes_on,
    t3_a_timeout_is_relative_to_when_it_was_set,
    t4_a_timeout_for_no_state_takes_it_back,
    t5_a_timeout_for_send_and_reply_covers_both,
    t5_a_timeout_for_send_ends_no_wait_for_the_reply,
    t5_a_timeout_for_reply_waits_until_somebody_has_the_message,
    t5_a_server_that_lets_go_as_asked_makes_it_etimedout,
    t6_a_timeout_of_now_makes_a_receive_a_poll;
    t5_a_send_that_waits_to_be_taken_sleeps,
    t5_a_send_that_waits_to_be_taken_ends_like_any_other,
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

/// The numbers of states, as commands take them.
const SEND: u32 = 0x10;
const RECEIVE: u32 = 0x20;
const REPLY: u32 = 0x40;

/// A command of the thread that the timeouts are for.
fn in_thread(pair: &Pair, command: &str) -> Pending {
    pair.client.peer.begin_in("timed", command)
}

fn set(pair: &Pair, states: u32, rest: &str) {
    let said = in_thread(pair, &format!("timeout {states} {rest}")).end();
    assert_eq!(said, "ok");
}

/// A client with a channel of its own, `own`, and a connection to it, `o`.
fn with_own(place: Place, wait: &'static str, flags: u32) -> Pair {
    let pair = Pair::new(place, wait, flags);
    let said = pair.client.ask(&format!("channel own flags={PRIVATE}"));
    let chid = said.strip_prefix("channel ").unwrap();
    pair.client.ask(&format!("attach o 0 {chid}"));
    pair
}

/// Waits until so much time has passed, by a timer.
fn pass(pair: &Pair, milliseconds: u32) {
    let said = pair.client.ask("event pulse o 99 0");
    let pulse = said.strip_prefix("event ").unwrap();
    assert_eq!(
        pair.client.ask(&format!("timer pass monotonic {pulse}")),
        "ok"
    );
    pair.client.ask(&format!("start pass {milliseconds} 0"));
    assert!(pair.client.ask("receive own").starts_with("pulse 99 "));
}

fn t1_a_timeout_is_for_the_next_call_only(place: Place, wait: &'static str) {
    let pair = Pair::new(place, wait, NONE);
    pair.client
        .ask(&format!("channel own flags={PRIVATE} {wait}"));
    pair.attach("spare");
    // Whatever comes first takes it: a call that it is not for, or one that does not block.
    for first in [
        "receive own deadline=0",
        "self-pulse own 7 7",
        "pulse c 7 7",
        "send c x deadline=0",
        "try-receive own",
        "server-info c",
        "info-from 0",
        "live-from 0",
        "flags c 0 0",
        "leave",
        "detach spare",
    ] {
        let states = if first.starts_with("receive") {
            SEND
        } else {
            RECEIVE
        };
        set(&pair, states, "");
        in_thread(&pair, first).end();
        if first.starts_with("self") {
            in_thread(&pair, "receive own").end();
        }
        let next = in_thread(&pair, "receive own wait=block");
        assert!(next.is_blocked());
        pair.client.ask("self-pulse own 1 1");
        assert!(next.end().starts_with("pulse 1 1 "), "after {first}");
    }
    set(&pair, RECEIVE, "");
    assert_eq!(in_thread(&pair, "receive own").end(), "error ETIMEDOUT");
    set(&pair, RECEIVE, "");
    assert_eq!(
        in_thread(&pair, "receive-pulse own").end(),
        "error ETIMEDOUT"
    );
    // A thread's timeout is its own.
    set(&pair, RECEIVE, "");
    pair.client.ask("self-pulse own 1 1");
    assert!(pair.client.ask("receive own").starts_with("pulse 1 1 "));
}

fn t2_with_an_event_the_call_goes_on(place: Place, wait: &'static str) {
    let pair = with_own(place, wait, NONE);
    let said = pair.client.ask("event pulse o 5 6");
    let pulse = said.strip_prefix("event ").unwrap();
    set(&pair, SEND | REPLY, &format!("time=1 event={pulse}"));
    let call = in_thread(&pair, &format!("send c x {wait}"));
    assert!(pair.client.ask("receive own").starts_with("pulse 5 6 "));
    assert!(call.is_blocked());
    assert_eq!(pair.server.ask("receive ch"), "message x");
    pair.server.ask("reply m 3 -");
    assert_eq!(call.end(), "answer 3 0 -");
    // A signal ends the call, also when the time is over before it begins.
    assert_eq!(pair.client.ask("handle"), "ok");
    set(&pair, 0, "");
    let thread = in_thread(&pair, "ready").tid();
    let said = pair.client.ask(&format!(
        "event signal-thread {thread} {} -64 0",
        signal::USR1
    ));
    let signal = said.strip_prefix("event ").unwrap();
    set(&pair, RECEIVE, &format!("time={SHORT} event={signal}"));
    assert_eq!(in_thread(&pair, "receive own").end(), "error EINTR");
    assert_eq!(pair.client.ask("handled"), "1");
    set(&pair, SEND | REPLY, &format!("event={signal}"));
    assert_eq!(in_thread(&pair, "send c x").end(), "interrupted");
    assert_eq!(pair.client.ask("handled"), "2");
    // Somebody else's event is none.
    let said = pair.world().peer().ask("event sem s");
    let foreign = said.strip_prefix("event ").unwrap();
    let said = in_thread(&pair, &format!("timeout {RECEIVE} event={foreign}")).end();
    assert_eq!(said, "error EINVAL");
}

fn t3_a_timeout_is_relative_to_when_it_was_set(place: Place, wait: &'static str) {
    let pair = with_own(place, wait, NONE);
    set(&pair, RECEIVE, &format!("time={SHORT}"));
    pass(&pair, SHORT + 1);
    let before = std::time::Instant::now();
    assert_eq!(in_thread(&pair, "receive own").end(), "error ETIMEDOUT");
    // It was over before the call began; the limit is generous.
    assert!(before.elapsed().as_millis() < 5_000);
    let before = std::time::Instant::now();
    set(&pair, RECEIVE, &format!("time={SHORT}"));
    assert_eq!(in_thread(&pair, "receive own").end(), "error ETIMEDOUT");
    assert!(before.elapsed().as_millis() >= u128::from(SHORT));
}

fn t4_a_timeout_for_no_state_takes_it_back(place: Place, wait: &'static str) {
    let pair = with_own(place, wait, NONE);
    set(&pair, RECEIVE, "");
    set(&pair, 0, "");
    let receive = in_thread(&pair, "receive own").receives();
    pair.client.ask("self-pulse own 1 1");
    assert!(receive.end().starts_with("pulse 1 1 "));
}

fn t5_a_timeout_for_send_and_reply_covers_both(place: Place, wait: &'static str) {
    let pair = Pair::new(place, wait, NONE);
    set(&pair, SEND | REPLY, &format!("time={SHORT}"));
    assert_eq!(in_thread(&pair, "send c x").end(), "timed out");
    set(&pair, SEND | REPLY, "time=500");
    let call = in_thread(&pair, "send c x");
    assert_eq!(pair.server.ask("receive ch"), "message x");
    assert_eq!(call.end(), "timed out");
    // The earlier one counts.
    set(&pair, SEND | REPLY, "time=1000000");
    assert_eq!(
        in_thread(&pair, &format!("send c x deadline={SHORT}")).end(),
        "timed out"
    );
}

fn t5_a_timeout_for_send_ends_no_wait_for_the_reply(place: Place, wait: &'static str) {
    for flags in [NONE, UNBLOCK] {
        let pair = with_own(place, wait, flags);
        set(&pair, SEND, &format!("time={SHORT}"));
        assert_eq!(
            in_thread(&pair, &format!("send c x {wait}")).end(),
            "timed out"
        );
        set(&pair, SEND, "time=500");
        let call = in_thread(&pair, &format!("send c y {wait}"));
        assert_eq!(pair.server.ask("receive ch"), "message y");
        pass(&pair, 520);
        assert!(call.is_blocked());
        assert_eq!(pair.server.ask("asked m"), "false");
        pair.server.ask("reply m 4 -");
        assert_eq!(call.end(), "answer 4 0 -");
    }
}

fn t5_a_timeout_for_reply_waits_until_somebody_has_the_message(place: Place, wait: &'static str) {
    let pair = with_own(place, wait, NONE);
    set(&pair, REPLY, "time=1");
    let call = in_thread(&pair, &format!("send c x {wait}"));
    pass(&pair, SHORT);
    assert!(call.is_blocked());
    assert_eq!(pair.server.ask("receive ch"), "message x");
    assert_eq!(call.end(), "timed out");
    assert_eq!(pair.server.ask("reply m 0 -"), "error ESRCH");
    // Its own deadline holds all the time.
    set(&pair, REPLY, "time=1");
    let said = in_thread(&pair, &format!("send c x deadline={SHORT} {wait}")).end();
    assert_eq!(said, "timed out");
    let pair = with_own(place, wait, UNBLOCK);
    set(&pair, REPLY, "time=1");
    let call = in_thread(&pair, &format!("send c x {wait}"));
    assert_eq!(pair.server.ask("receive ch"), "message x");
    assert!(pair.server.ask("receive ch").starts_with("pulse -32 "));
    assert!(call.is_blocked());
    pair.server.ask("reply m 9 -");
    assert_eq!(call.end(), "answer 9 0 -");
}

/// A send whose time for the reply has passed, and whose message nobody has.
fn overdue(pair: &Pair, message: &str) -> Pending {
    set(pair, REPLY, "time=1");
    let call = in_thread(pair, &format!("send c {message} {}", pair.wait()));
    pass(pair, SHORT);
    call.sends()
}

fn t5_a_send_that_waits_to_be_taken_sleeps(place: Place, wait: &'static str) {
    for flags in [NONE, UNBLOCK] {
        let pair = with_own(place, wait, flags);
        let call = overdue(&pair, "x");
        let (pid, tid) = (pair.client.peer.pid(), call.tid());
        let before = sleeps(pid, tid);
        pass(&pair, 10 * SHORT);
        // Once, if it had not come so far: a thread that looks now and then would have slept more often.
        assert!(sleeps(pid, tid) <= before + 1);
        assert_eq!(pair.server.ask("receive ch"), "message x");
        if flags == UNBLOCK {
            assert!(pair.server.ask("receive ch").starts_with("pulse -32 "));
            pair.server.ask("error-as-asked m");
        }
        assert_eq!(call.end(), "timed out");
    }
}

fn t5_a_send_that_waits_to_be_taken_ends_like_any_other(place: Place, wait: &'static str) {
    for flags in [NONE, UNBLOCK] {
        let pair = with_own(place, wait, flags);
        let call = overdue(&pair, "x cancel=t");
        pair.client.ask("cancel t");
        assert_eq!(call.end(), "interrupted");
        pair.client.ask("handle");
        let call = overdue(&pair, "x");
        call.signal();
        assert_eq!(call.end(), "interrupted");
        assert_eq!(pair.client.ask("handled"), "1");
        assert_eq!(pair.server.ask("receive ch deadline=0"), "error ETIMEDOUT");
        let call = overdue(&pair, "x");
        pair.server.ask("destroy ch");
        assert_eq!(call.end(), "gone ESRCH");
        let pair = with_own(place, wait, flags);
        let coid = pair.client.field("server-info c", "coid");
        let call = overdue(&pair, "x");
        pair.client.ask(&format!("detach-id {coid}"));
        assert_eq!(call.end(), "gone EBADF");
    }
}

fn t5_a_server_that_lets_go_as_asked_makes_it_etimedout(place: Place, wait: &'static str) {
    let pair = Pair::new(place, wait, UNBLOCK);
    // For the reply only, so that the message is taken for certain.
    set(&pair, REPLY, "time=1");
    let call = in_thread(&pair, &format!("send c x {wait}"));
    assert_eq!(pair.server.ask("receive ch"), "message x");
    assert!(pair.server.ask("receive ch").starts_with("pulse -32 "));
    assert!(call.is_blocked());
    assert_eq!(pair.server.ask("error-as-asked m"), "ok");
    assert_eq!(call.end(), "timed out");
}

fn t6_a_timeout_of_now_makes_a_receive_a_poll(place: Place, wait: &'static str) {
    let pair = with_own(place, wait, NONE);
    pair.client.ask("self-pulse own 3 4");
    set(&pair, RECEIVE, "");
    assert!(
        in_thread(&pair, "receive own")
            .end()
            .starts_with("pulse 3 4 ")
    );
    set(&pair, RECEIVE, "");
    assert_eq!(in_thread(&pair, "receive own").end(), "error ETIMEDOUT");
}
