//! Sending, receiving, answering (M-*).

use crate::flags::{DISCONNECT, NONE, UNBLOCK};
use resmgr_tests::observe::{link_descriptors, settles, until};
use resmgr_tests::{Pair, Place, field};
use std::collections::HashSet;

/// Calls of one client process that may be under way on a channel.
const MOST: usize = 1024;

rules! {
    m1_a_sender_is_blocked_until_the_reply,
    m1_a_receiver_that_waits_gets_the_message_at_once,
    m2_the_shorter_side_decides_how_much_is_copied,
    m3_the_parts_of_both_sides_are_one_buffer,
    m5_the_status_comes_back_as_it_was_given,
    m6_a_message_that_is_too_long_is_not_sent,
    m6_too_many_calls_under_way_are_eagain,
    m7_a_receive_tells_messages_from_pulses,
    m10_a_pulse_receiver_leaves_messages_in_the_queue,
    m11_info_says_who_sent_how_much,
    m12_info_tells_whether_the_client_wants_to_be_let_go,
    m14_any_thread_of_the_server_may_answer,
    m14_the_name_of_a_call_may_be_kept_and_answered,
    m15_the_name_of_a_call_tells_its_client_after_the_answer,
    m14_who_gets_a_clients_id_does_not_get_the_names_of_its_calls,
    m14_a_thread_that_ends_leaves_its_message_to_others,
    m18_an_error_is_no_reply,
    m19_an_error_number_as_status_is_a_status,
    m23_nobody_keeps_a_descriptor_of_link_memory,
    m23_in_another_process_the_name_of_a_call_means_nothing,
    m24_a_message_to_oneself_waits_like_any_other,
}

fn m1_a_sender_is_blocked_until_the_reply(place: Place, wait: &'static str) {
    let pair = Pair::new(place, wait, NONE);
    let call = pair.blocked_send("hello room=5");
    assert!(call.is_blocked());
    assert_eq!(pair.server.ask("receive ch"), "message hello");
    assert!(call.is_blocked());
    assert_eq!(pair.server.ask("reply m 7 world"), "ok");
    assert_eq!(call.end(), "answer 7 5 world");
}

fn m1_a_receiver_that_waits_gets_the_message_at_once(place: Place, wait: &'static str) {
    let pair = Pair::new(place, wait, NONE);
    let receiver = pair.receiving(pair.server.begin("receive ch"));
    let call = pair.send("hello");
    assert_eq!(receiver.end(), "message hello");
    assert!(call.is_blocked());
    pair.server.ask("reply m 0 -");
    assert_eq!(call.end(), "answer 0 0 -");
}

fn m2_the_shorter_side_decides_how_much_is_copied(place: Place, wait: &'static str) {
    let pair = Pair::new(place, wait, NONE);
    let call = pair.send("longer room=3");
    assert_eq!(pair.server.ask("receive ch room=4"), "message long");
    assert_eq!(pair.server.ask("reply m 0 answer"), "ok");
    assert_eq!(call.end(), "answer 0 3 ans");
    let call = pair.send("hi room=8");
    assert_eq!(pair.server.ask("receive ch room=64"), "message hi");
    assert_eq!(pair.server.ask("reply m 0 ok"), "ok");
    assert_eq!(call.end(), "answer 0 2 ok......");
}

fn m3_the_parts_of_both_sides_are_one_buffer(place: Place, wait: &'static str) {
    let pair = Pair::new(place, wait, NONE);
    let call = pair.send("he|llo|world room=3|0|6");
    assert_eq!(
        pair.server.ask("receive ch room=4|1|64"),
        "message helloworld"
    );
    pair.server.ask("reply m 0 abcdefg");
    assert_eq!(call.end(), "answer 0 7 abcdefg..");
}

fn m5_the_status_comes_back_as_it_was_given(place: Place, wait: &'static str) {
    let pair = Pair::new(place, wait, NONE);
    for status in [0, 1, -1, -2, i64::MAX, i64::MIN] {
        let call = pair.send("x");
        pair.server.ask("receive ch");
        pair.server.ask(&format!("reply m {status} -"));
        assert_eq!(call.end(), format!("answer {status} 0 -"));
    }
}

fn m6_a_message_that_is_too_long_is_not_sent(place: Place, wait: &'static str) {
    let mut pair = Pair::apart(place, wait);
    let len = 1 << 20;
    pair.open_with(NONE, &format!("bulk={len}"));
    pair.attach("c");
    // A byte more than a link's memory.
    let too_long = format!("send c fill:{}", len + 1);
    assert_eq!(pair.client.ask(&too_long), "unsent EMSGSIZE");
    let call = pair.send("short");
    assert_eq!(pair.server.ask("receive ch"), "message short");
    pair.server.ask("reply m 0 -");
    assert_eq!(call.end(), "answer 0 0 -");
}

/// Who gives up calls that nobody takes uses up places, until the server has seen that they are over.
fn m6_too_many_calls_under_way_are_eagain(place: Place, wait: &'static str) {
    let pair = Pair::new(place, wait, UNBLOCK);
    let other = pair.world().peer();
    other.ask(&pair.attachment("c"));
    for _ in 0..MOST {
        assert_eq!(pair.client.ask("send c x deadline=0"), "timed out");
    }
    assert_eq!(pair.client.ask("send c x deadline=0"), "unsent EAGAIN");
    let theirs = other.begin("send c theirs");
    assert_eq!(pair.server.ask("receive ch"), "message theirs");
    pair.server.ask("reply m 0 -");
    assert_eq!(theirs.end(), "answer 0 0 -");
    assert_eq!(pair.server.ask("receive ch deadline=0"), "error ETIMEDOUT");
    let call = pair.send("again");
    assert_eq!(pair.server.ask("receive ch"), "message again");
    pair.server.ask("reply m 0 -");
    assert_eq!(call.end(), "answer 0 0 -");
}

fn m7_a_receive_tells_messages_from_pulses(place: Place, wait: &'static str) {
    let pair = Pair::new(place, wait, NONE);
    pair.client.ask("pulse c 5 6");
    assert!(pair.server.ask("receive ch").starts_with("pulse 5 6 "));
    let call = pair.send("x");
    assert_eq!(pair.server.ask("receive ch"), "message x");
    pair.server.ask("reply m 0 -");
    call.end();
}

fn m10_a_pulse_receiver_leaves_messages_in_the_queue(place: Place, wait: &'static str) {
    let pair = Pair::new(place, wait, NONE);
    let call = pair.blocked_send("first");
    let pulses = pair.server.begin("receive-pulse ch").receives();
    pair.client.ask("pulse c 1 2");
    assert!(pulses.end().starts_with("pulse 1 2 "));
    assert_eq!(
        pair.server.ask("receive-pulse ch deadline=0"),
        "error ETIMEDOUT"
    );
    assert_eq!(pair.server.ask("receive ch"), "message first");
    pair.server.ask("reply m 0 -");
    assert_eq!(call.end(), "answer 0 0 -");
}

fn m11_info_says_who_sent_how_much(place: Place, wait: &'static str) {
    let pair = Pair::new(place, wait, NONE);
    let coid = pair.attach("d");
    let call = pair.client.begin("send d 0123456789 room=20 priority=12");
    pair.server.ask("receive ch room=4");
    let info = pair.server.ask("info m");
    let (pid, tid) = (pair.client.peer.pid(), call.tid());
    assert_eq!(field(&info, "pid"), pid.to_string());
    assert_eq!(field(&info, "tid"), tid.to_string());
    assert_eq!(field(&info, "chid"), pair.chid.to_string());
    assert_eq!(field(&info, "coid"), coid.to_string());
    assert!(info.contains(" priority=12 len=4 source=10 room=20 "));
    pair.server.ask("reply m 0 -");
    call.end();
}

/// What every message of a machine like this has, and what a client that wants to be let go adds.
const BITS_64: u32 = 0x1000;
const UNBLOCK_REQ: u32 = 0x100;

fn m12_info_tells_whether_the_client_wants_to_be_let_go(place: Place, wait: &'static str) {
    let pair = Pair::new(place, wait, UNBLOCK);
    let call = pair.blocked_send("x cancel=t");
    pair.server.ask("receive ch");
    assert_eq!(pair.server.field("info m", "flags"), BITS_64.to_string());
    let parked = pair.server.ask("park m");
    let rcvid = parked.strip_prefix("rcvid ").unwrap();
    let asked = |flags: u32| {
        let info = pair.server.ask(&format!("info-id {rcvid}"));
        assert_eq!(field(&info, "flags"), flags.to_string());
    };
    asked(BITS_64);
    pair.client.ask("cancel t");
    let pulse = pair.server.ask("receive ch");
    assert!(pulse.starts_with(&format!("pulse -32 {rcvid} ")), "{pulse}");
    asked(BITS_64 | UNBLOCK_REQ);
    assert_eq!(pair.server.ask(&format!("reply-id {rcvid} 0 -")), "ok");
    assert_eq!(call.end(), "answer 0 0 -");
    let late = pair.server.ask(&format!("info-id {rcvid}"));
    assert_eq!(late, "error ESRCH");
}

fn m14_the_name_of_a_call_may_be_kept_and_answered(place: Place, wait: &'static str) {
    let pair = Pair::new(place, wait, DISCONNECT);
    let park = |text: &str| {
        let call = pair.blocked_send(&format!("{text} room=4"));
        pair.server.ask("receive ch room=2");
        let parked = pair.server.ask("park m");
        (call, parked.strip_prefix("rcvid ").unwrap().to_owned())
    };
    let ((one, first), (two, second)) = (park("first"), park("second"));
    assert_ne!(first, second);
    // By any thread, in any order, and once.
    let read = pair.server.begin(&format!("read-id {second} 2 9"));
    assert_eq!(read.end(), "4 cond");
    let reply = format!("reply-id {second} 2 -");
    assert_eq!(pair.server.begin(&reply).end(), "ok");
    assert_eq!(two.end(), "answer 2 0 ....");
    assert_eq!(pair.server.ask(&reply), "error ESRCH");
    assert_eq!(
        pair.server.ask(&format!("read-id {second} 0 1")),
        "error ESRCH"
    );
    assert_eq!(pair.server.ask(&format!("reply-id {first} 1 four")), "ok");
    assert_eq!(one.end(), "answer 1 4 four");
    // A client that goes takes its calls with it.
    let (gone, third) = park("third");
    let scoid = pair.client.field("server-info c", "scoid");
    pair.server.ask(&format!("detach-client ch {scoid}"));
    assert_eq!(gone.end(), "gone ESRCH");
    for nobody in [third.as_str(), "0", "-1", "9223372036854775807"] {
        let said = pair.server.ask(&format!("reply-id {nobody} 0 -"));
        assert_eq!(said, "error ESRCH", "{nobody}");
    }
}

fn m15_the_name_of_a_call_tells_its_client_after_the_answer(place: Place, wait: &'static str) {
    let pair = Pair::new(place, wait, NONE);
    let call = pair.send("x");
    pair.server.ask("receive ch");
    let rcvid = pair.server.ask("rcvid m");
    pair.server.ask("reply m 0 -");
    call.end();
    let scoid = pair.client.field("server-info c", "scoid");
    let whose = pair.server.ask(&format!("whose {rcvid}"));
    assert_eq!(whose, format!("channel {} client {scoid}", pair.chid));
    let info = pair.server.ask(&format!("client-info ch {scoid}"));
    assert_eq!(field(&info, "pid"), pair.client.peer.pid().to_string());
}

fn m14_who_gets_a_clients_id_does_not_get_the_names_of_its_calls(place: Place, wait: &'static str) {
    let pair = Pair::new(place, wait, NONE);
    let mut names = Vec::new();
    for _ in 0..3 {
        let scoid = pair.client.field("server-info c", "scoid");
        let call = pair.send("x");
        pair.server.ask("receive ch");
        names.push((scoid.clone(), pair.server.ask("rcvid m")));
        pair.server.ask("reply m 0 -");
        call.end();
        pair.client.ask("detach c");
        until("the id is free", || {
            pair.server.ask(&format!("client-info ch {scoid}")) == "error EINVAL"
        });
        pair.attach("c");
    }
    // One id after the other, each with its first call.
    assert!(names.iter().all(|(scoid, _)| *scoid == names[0].0));
    let names: HashSet<_> = names.into_iter().map(|(_, rcvid)| rcvid).collect();
    assert_eq!(names.len(), 3);
}

fn m14_any_thread_of_the_server_may_answer(place: Place, wait: &'static str) {
    let pair = Pair::new(place, wait, NONE);
    let (one, two) = (pair.blocked_send("one"), pair.blocked_send("two"));
    pair.server.ask("receive ch as=a");
    pair.server.ask("receive ch as=b");
    assert_ne!(pair.server.ask("rcvid a"), pair.server.ask("rcvid b"));
    assert_eq!(pair.server.begin("reply b 2 -").end(), "ok");
    assert_eq!(pair.server.begin("reply a 1 -").end(), "ok");
    assert_eq!(one.end(), "answer 1 0 -");
    assert_eq!(two.end(), "answer 2 0 -");
}

fn m14_a_thread_that_ends_leaves_its_message_to_others(place: Place, wait: &'static str) {
    let pair = Pair::new(place, wait, NONE);
    let call = pair.blocked_send("x");
    assert_eq!(pair.server.ask("receive-in-dying-thread ch"), "message x");
    assert!(call.is_blocked());
    assert_eq!(pair.server.ask("reply m 3 -"), "ok");
    assert_eq!(call.end(), "answer 3 0 -");
}

fn m18_an_error_is_no_reply(place: Place, wait: &'static str) {
    let pair = Pair::new(place, wait, NONE);
    let call = pair.send("x room=4");
    pair.server.ask("receive ch");
    // 22 is EINVAL.
    assert_eq!(pair.server.ask("error m 22"), "ok");
    assert_eq!(call.end(), "refused EINVAL");
}

fn m19_an_error_number_as_status_is_a_status(place: Place, wait: &'static str) {
    let pair = Pair::new(place, wait, NONE);
    let call = pair.send("x");
    pair.server.ask("receive ch");
    pair.server.ask("reply m 22 -");
    assert_eq!(call.end(), "answer 22 0 -");
}

fn m23_nobody_keeps_a_descriptor_of_link_memory(place: Place, wait: &'static str) {
    let pair = Pair::new(place, wait, NONE);
    // The server lets go of them just after the client has them.
    let held = || [&pair.server, &pair.client].map(|role| link_descriptors(role.peer.pid()));
    settles("descriptors of link memory", &[0, 0], || held().to_vec());
}

/// What is dropped is answered: promise 1 of the crate.
#[test]
fn a_message_that_is_dropped_answers_eio() {
    let pair = Pair::new(Place::Other, "", NONE);
    let call = pair.send("x");
    pair.server.ask("receive ch");
    pair.server.ask("drop m");
    assert_eq!(call.end(), "refused EIO");
}

fn m23_in_another_process_the_name_of_a_call_means_nothing(place: Place, wait: &'static str) {
    let pair = Pair::new(place, wait, NONE);
    let call = pair.blocked_send("hello");
    pair.server.ask("receive ch");
    let said = pair.server.ask("park m");
    let rcvid = said.strip_prefix("rcvid ").unwrap();
    let other = pair.world().peer();
    other.ask("channel ch");
    for command in ["read-id RCVID 0 5", "info-id RCVID", "reply-id RCVID 0 -"] {
        let command = command.replace("RCVID", rcvid);
        assert_eq!(other.ask(&command), "error ESRCH", "{command}");
    }
    assert!(call.is_blocked());
    assert_eq!(pair.server.ask(&format!("read-id {rcvid} 0 5")), "5 hello");
    assert_eq!(pair.server.ask(&format!("reply-id {rcvid} 0 -")), "ok");
    assert_eq!(call.end(), "answer 0 0 -");
}

fn m24_a_message_to_oneself_waits_like_any_other(place: Place, wait: &'static str) {
    let pair = Pair::new(place, wait, NONE);
    let pid = pair.server.peer.pid();
    let attach = format!("attach own {pid} {}", pair.chid);
    assert!(pair.server.ask(&attach).starts_with("connection "));
    // The thread that would have to receive it is the one that waits.
    assert_eq!(pair.server.ask("send own x deadline=20"), "timed out");
    let call = pair.server.begin("send own y room=1").sends();
    assert_eq!(pair.server.ask("receive ch"), "message y");
    pair.server.ask("reply m 0 z");
    assert_eq!(call.end(), "answer 0 1 z");
}

#[test]
fn k4_what_a_server_does_for_a_stopped_client_does_not_wait() {
    let pair = Pair::new(Place::Other, "", NONE);
    let calls = [
        pair.blocked_send("hello room=5"),
        pair.blocked_send("again room=5"),
    ];
    let said = pair.client.ask("event signal 10");
    let event = said.strip_prefix("event ").unwrap();
    let scoid = pair.client.field("server-info c", "scoid");
    pair.client.peer.stop();
    pair.server.ask("receive ch as=m");
    pair.server.ask("receive ch as=n");
    for (command, expected) in [
        ("read m 0 5".into(), "5 hello"),
        ("write m 0 abc".into(), "3"),
        ("reply m 0 -".into(), "ok"),
        ("error n 22".into(), "ok"),
        (format!("verify-for ch scoid:{scoid} {event}"), "ok"),
    ] {
        assert_eq!(pair.server.ask(&command), expected, "{command}");
    }
    let info = pair.server.ask(&format!("client-info ch {scoid}"));
    assert!(info.contains("pid="), "{info}");
    assert_eq!(pair.server.ask("destroy ch"), "ok");
    pair.client.peer.signal(resmgr_sys::signal::CONT);
    let said = calls.map(resmgr_tests::Pending::end);
    assert_eq!(said, ["answer 0 3 abc..", "refused EINVAL"]);
}
