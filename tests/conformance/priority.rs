//! Priorities (C-7, P-8, PR-*, M-13, M-26). Those of real-time threads need root: without it the tests say
//! that they are skipped.

use crate::flags::{FIXED_PRIORITY, NONE, PRIVATE};
use resmgr_sys::sched::{self, Policy, Scheduling};
use resmgr_tests::assist::threads::show;
use resmgr_tests::observe::until;
use resmgr_tests::{Pair, Place, Role, User, World};

rules! {
    c7_with_fixed_priority_a_receiver_keeps_its_own,
    p8_a_receiver_takes_a_pulses_priority,
    pr1_a_receiver_takes_the_senders_priority,
    pr2_receivers_that_are_all_busy_are_raised,
    pr3_at_the_next_receive_they_are_let_down,
    pr4_a_thread_belongs_to_the_channel_it_received_from_last,
    pr6_a_receiver_keeps_the_priority_until_its_next_receive,
    m13_a_thread_that_left_is_raised_by_nobody,
    m26_a_thread_goes_on_with_an_earlier_message;
    pr1_the_policy_is_the_receivers,
    pr1_a_receiver_that_sleeps_has_its_own_priority,
}

const ORDINARY: &str = "Other 0";

/// Why the tests cannot have real-time threads; they are for root.
fn no_realtime() -> bool {
    let missing = resmgr_sys::process::effective_uid() != 0;
    if missing {
        println!("skipped: only root may have real-time threads");
    }
    missing
}

/// What the kernel says of the thread that runs a role's commands.
fn scheduling(role: &Role) -> String {
    show(&sched::scheduling(Some(role.tid())).unwrap())
}

/// What the client's claim of a real-time priority comes to: a client without rights gets none.
fn realtime(pair: &Pair, priority: u8) -> String {
    if pair.place == Place::OtherUser {
        ORDINARY.into()
    } else {
        format!("Fifo {priority}")
    }
}

fn pr1_a_receiver_takes_the_senders_priority(place: Place, wait: &'static str) {
    if no_realtime() {
        return;
    }
    let pair = Pair::new(place, wait, NONE);
    let expected = [
        (30, realtime(&pair, 30)),
        (20, realtime(&pair, 20)),
        (10, ORDINARY.into()),
        (5, "Other 10".into()),
        (1, "Other 18".into()),
        (200, realtime(&pair, 99)),
        (10, ORDINARY.into()),
    ];
    for (priority, expected) in expected {
        let call = pair.blocked_send(&format!("x priority={priority}"));
        pair.server.ask("receive ch");
        assert_eq!(pair.server.ask("scheduling"), expected, "{priority}");
        pair.server.ask("reply m 0 -");
        call.end();
    }
    assert!(pair.server.ask("statistics").starts_with("not-taken=0 "));
}

fn pr1_the_policy_is_the_receivers(place: Place, wait: &'static str) {
    if no_realtime() {
        return;
    }
    let pair = Pair::new(place, wait, NONE);
    pair.server.ask("schedule RoundRobin 40");
    pair.client.ask("pulse c 1 1 priority=30");
    pair.server.ask("receive ch");
    let expected = match place {
        Place::OtherUser => ORDINARY,
        _ => "RoundRobin 30",
    };
    assert_eq!(pair.server.ask("scheduling"), expected);
    let receiver = pair.server.begin_here("receive ch").receives();
    // Its own.
    assert_eq!(scheduling_of(receiver.tid()), "RoundRobin 40");
    pair.client.ask("pulse c 1 1");
    receiver.end();
}

fn scheduling_of(tid: u32) -> String {
    show(&sched::scheduling(Some(tid)).unwrap())
}

fn p8_a_receiver_takes_a_pulses_priority(place: Place, wait: &'static str) {
    if no_realtime() {
        return;
    }
    let pair = Pair::new(place, wait, NONE);
    for (priority, expected) in [(25, realtime(&pair, 25)), (5, "Other 10".into())] {
        pair.client.ask(&format!("pulse c 1 1 priority={priority}"));
        pair.server.ask("receive ch");
        assert_eq!(pair.server.ask("scheduling"), expected);
        pair.client.ask(&format!("pulse c 1 1 priority={priority}"));
        pair.server.ask("receive-pulse ch");
        assert_eq!(pair.server.ask("scheduling"), expected);
    }
    // The process's own.
    pair.server.ask("self-pulse ch 1 1 priority=25");
    pair.server.ask("receive ch");
    assert_eq!(pair.server.ask("scheduling"), "Fifo 25");
    pair.server.ask("self-pulse ch 1 1");
    pair.server.ask("receive ch");
    assert_eq!(pair.server.ask("scheduling"), ORDINARY);
}

fn c7_with_fixed_priority_a_receiver_keeps_its_own(place: Place, wait: &'static str) {
    if no_realtime() {
        return;
    }
    let pair = Pair::new(place, wait, FIXED_PRIORITY);
    let call = pair.blocked_send("x priority=30");
    pair.server.ask("receive ch");
    assert_eq!(pair.server.ask("scheduling"), ORDINARY);
    pair.client.ask("pulse c 1 1 priority=5");
    pair.server.ask("receive ch");
    assert_eq!(pair.server.ask("scheduling"), ORDINARY);
    // Nobody raises it, either.
    let urgent = pair.blocked_send("y priority=40");
    pair.server.ask("channel other");
    pair.server.ask("self-pulse ch 2 2 priority=50");
    assert_eq!(pair.server.ask("scheduling"), ORDINARY);
    // What it took elsewhere it does not bring along.
    pair.server.ask("self-pulse other 1 1 priority=20");
    pair.server.ask("receive other");
    assert_eq!(pair.server.ask("scheduling"), "Fifo 20");
    pair.server.ask("receive ch");
    assert_eq!(pair.server.ask("scheduling"), ORDINARY);
    pair.server.ask("receive ch as=n");
    for held in ["m", "n"] {
        pair.server.ask(&format!("reply {held} 0 -"));
    }
    call.end();
    urgent.end();
}

fn pr6_a_receiver_keeps_the_priority_until_its_next_receive(place: Place, wait: &'static str) {
    if no_realtime() {
        return;
    }
    let pair = Pair::new(place, wait, NONE);
    let call = pair.blocked_send("x priority=30");
    pair.server.ask("receive ch");
    pair.server.ask("reply m 0 -");
    call.end();
    assert_eq!(pair.server.ask("scheduling"), realtime(&pair, 30));
    pair.client.ask("pulse c 1 1");
    pair.server.ask("receive ch");
    assert_eq!(pair.server.ask("scheduling"), ORDINARY);
}

fn pr1_a_receiver_that_sleeps_has_its_own_priority(place: Place, wait: &'static str) {
    if no_realtime() {
        return;
    }
    let pair = Pair::new(place, wait, NONE);
    pair.client.ask("pulse c 1 1 priority=5");
    pair.server.ask("receive ch");
    assert_eq!(pair.server.ask("scheduling"), "Other 10");
    let receiver = pair.server.begin_here("receive ch").receives();
    assert_eq!(scheduling_of(receiver.tid()), ORDINARY);
    pair.client.ask("pulse c 1 1");
    receiver.end();
}

/// Two receivers that each have an ordinary message.
fn both_busy(pair: &Pair) -> (Role, [resmgr_tests::Pending; 2]) {
    let second = pair.server.beside("second");
    let calls = [pair.blocked_send("a"), pair.blocked_send("b")];
    pair.server.ask("receive ch as=a");
    second.ask("receive ch as=b");
    (second, calls)
}

fn answer(pair: &Pair, held: &[&str]) {
    for held in held {
        assert_eq!(pair.server.ask(&format!("reply {held} 0 -")), "ok");
    }
}

fn pr2_receivers_that_are_all_busy_are_raised(place: Place, wait: &'static str) {
    if no_realtime() || place == Place::OtherUser {
        // Who may have no real-time priority raises nobody to one: see the last test.
        return;
    }
    let pair = Pair::new(place, wait, NONE);
    let (second, calls) = both_busy(&pair);
    let urgent = pair.blocked_send("c priority=30");
    until("both are raised", || {
        [&pair.server, &second].map(scheduling) == ["Fifo 30", "Fifo 30"]
    });
    // A more urgent pulse raises them further.
    pair.client.ask("pulse c 1 1 priority=35");
    until("both are raised", || {
        [&pair.server, &second].map(scheduling) == ["Fifo 35", "Fifo 35"]
    });
    // What they send meanwhile is as urgent.
    second.ask("channel other");
    second.ask(&format!("attach o {} 2", second.peer.pid()));
    second.ask("pulse o 1 1");
    assert_eq!(second.ask("priority"), "35");
    pair.server.ask("receive ch");
    pair.server.ask("receive ch as=c");
    answer(&pair, &["a", "b", "c"]);
    for call in calls.into_iter().chain([urgent]) {
        call.end();
    }
}

fn pr3_at_the_next_receive_they_are_let_down(place: Place, wait: &'static str) {
    if no_realtime() || place == Place::OtherUser {
        return;
    }
    let pair = Pair::new(place, wait, NONE);
    let (second, calls) = both_busy(&pair);
    let urgent = [
        pair.blocked_send("c priority=30"),
        pair.blocked_send("d priority=20"),
    ];
    until("both are raised", || {
        [&pair.server, &second].map(scheduling) == ["Fifo 30", "Fifo 30"]
    });
    pair.server.ask("receive ch as=c");
    // The other one still has somebody waiting for it.
    let now = [&pair.server, &second].map(scheduling);
    assert_eq!(now, ["Fifo 30", "Fifo 20"]);
    pair.server.ask("receive ch as=d");
    let now = [&pair.server, &second].map(scheduling);
    assert_eq!(now, ["Fifo 20", ORDINARY]);
    answer(&pair, &["a", "b", "c", "d"]);
    pair.client.ask("pulse c 1 1");
    pair.server.ask("receive ch");
    assert_eq!(scheduling(&pair.server), ORDINARY);
    for call in calls.into_iter().chain(urgent) {
        call.end();
    }
}

fn pr4_a_thread_belongs_to_the_channel_it_received_from_last(place: Place, wait: &'static str) {
    if no_realtime() || place == Place::OtherUser {
        return;
    }
    let pair = Pair::new(place, wait, NONE);
    let (second, calls) = both_busy(&pair);
    second.ask("channel other");
    second.ask("self-pulse other 1 1");
    second.ask("receive other");
    let urgent = pair.blocked_send("c priority=30");
    until("the one is raised", || {
        scheduling(&pair.server) == "Fifo 30"
    });
    assert_eq!(scheduling(&second), ORDINARY);
    pair.server.ask("receive ch as=c");
    answer(&pair, &["a", "b", "c"]);
    for call in calls.into_iter().chain([urgent]) {
        call.end();
    }
}

fn m13_a_thread_that_left_is_raised_by_nobody(place: Place, wait: &'static str) {
    if no_realtime() || place == Place::OtherUser {
        return;
    }
    let pair = Pair::new(place, wait, NONE);
    let (second, calls) = both_busy(&pair);
    let urgent = pair.blocked_send("c priority=30");
    until("both are raised", || {
        [&pair.server, &second].map(scheduling) == ["Fifo 30", "Fifo 30"]
    });
    assert_eq!(second.ask("leave"), "ok");
    assert_eq!(second.ask("scheduling"), ORDINARY);
    let more = pair.blocked_send("d priority=40");
    until("the other is raised", || {
        scheduling(&pair.server) == "Fifo 40"
    });
    assert_eq!(scheduling(&second), ORDINARY);
    pair.server.ask("receive ch as=d");
    pair.server.ask("receive ch as=c");
    answer(&pair, &["a", "b", "c", "d"]);
    for call in calls.into_iter().chain([urgent, more]) {
        call.end();
    }
}

fn m26_a_thread_goes_on_with_an_earlier_message(place: Place, wait: &'static str) {
    if no_realtime() {
        return;
    }
    let pair = Pair::new(place, wait, NONE);
    let calls = [
        pair.blocked_send("a priority=30"),
        pair.blocked_send("b priority=5"),
    ];
    pair.server.ask("receive ch as=a");
    pair.server.ask("receive ch as=b");
    assert_eq!(pair.server.ask("scheduling"), "Other 10");
    assert_eq!(pair.server.ask("current a"), "ok");
    assert_eq!(pair.server.ask("scheduling"), realtime(&pair, 30));
    // A thread that received nothing.
    let second = pair.server.beside("second");
    assert_eq!(second.ask("current b"), "ok");
    assert_eq!(second.ask("scheduling"), "Other 10");
    answer(&pair, &["b"]);
    pair.server.ask("destroy ch");
    assert_eq!(pair.server.ask("current a"), "error ESRCH");
    for call in calls {
        call.end();
    }
}

#[test]
fn pr5_without_rights_a_receiver_keeps_its_own_priority_and_it_is_counted() {
    let place = Place::OtherUser;
    if place.is_missing() {
        return;
    }
    let world = World::of_all_users();
    let stranger = world.peer_of(User::STRANGER);
    stranger.ask(&format!("channel ch flags={PRIVATE}"));
    stranger.ask("attach c 0 1");
    for (at, priority) in [(1, 30), (2, 5)] {
        stranger.ask(&format!("pulse c 1 1 priority={priority}"));
        stranger.ask("receive ch");
        assert_eq!(stranger.ask("scheduling"), ORDINARY);
        let counts = stranger.ask("statistics");
        assert!(counts.starts_with(&format!("not-taken={at} ")), "{counts}");
    }
    stranger.ask("pulse c 1 1");
    stranger.ask("receive ch");
    assert!(stranger.ask("statistics").starts_with("not-taken=2 "));
    assert_eq!(stranger.ask("set-priority 20"), "error EPERM");
}

#[test]
fn pr5_a_limit_of_the_kernel_is_kept() {
    if no_realtime() {
        return;
    }
    let pair = Pair::new(Place::Other, "", NONE);
    // Without CAP_SYS_RESOURCE root may only lower a limit: then this one is none at all. What a limit in between
    // allows is checked without the kernel as well (`pr1_a_receiver_goes_only_where_it_may_come_back_from`).
    let uid = User::STRANGER.id;
    let may_be = |limit: &u8| pair.server.ask(&format!("become {uid} {limit}")) == "ok";
    let limit = [20, 0].into_iter().find(may_be).unwrap();
    pair.server.ask("refresh-priority");
    let mut kept = 0;
    for priority in [20, 21, 11, 5] {
        pair.client.ask(&format!("pulse c 1 1 priority={priority}"));
        pair.server.ask("receive ch");
        let is_taken = priority > 10 && priority <= limit;
        let expected = if is_taken {
            format!("Fifo {priority}")
        } else {
            ORDINARY.into()
        };
        assert_eq!(pair.server.ask("scheduling"), expected, "{priority}");
        kept += u32::from(!is_taken);
    }
    // Each time is counted, and so is each boost that the kernel refused meanwhile.
    let counted: u32 = pair
        .server
        .field("statistics", "not-taken")
        .parse()
        .unwrap();
    assert!(counted >= kept, "{counted}");
}

#[test]
fn pr5_a_priority_from_which_there_is_no_way_back_is_not_taken() {
    if no_realtime() {
        return;
    }
    let pair = Pair::new(Place::Other, "", NONE);
    pair.server.ask("schedule Fifo 50");
    let receive = |priority: u8, expected: &str| {
        pair.client.ask(&format!("pulse c 1 1 priority={priority}"));
        pair.server.ask("receive ch");
        assert_eq!(pair.server.ask("scheduling"), expected, "{priority}");
    };
    receive(20, "Fifo 20");
    receive(50, "Fifo 50");
    // A server that gives up its privileges, as many do, and says nothing of it.
    let uid = User::STRANGER.id;
    assert_eq!(pair.server.ask(&format!("become {uid} 0")), "ok");
    for priority in [20, 10, 40] {
        receive(priority, "Fifo 50");
    }
    assert!(pair.server.ask("statistics").starts_with("not-taken=3 "));
}

#[test]
fn pr5_a_client_gives_no_more_than_the_kernel_gives_it() {
    if Place::OtherUser.is_missing() {
        return;
    }
    let world = World::of_all_users();
    let (server, client) = (world.peer(), world.peer());
    server.ask("channel ch rights=anyone");
    // Its first thread has what its starter gave it, as the processes of a service manager have.
    let given = Scheduling {
        policy: Policy::Fifo,
        realtime: 25,
        nice: 0,
        reset_on_fork: false,
    };
    sched::schedule(Some(client.pid()), &given).unwrap();
    let uid = User::STRANGER.id;
    assert_eq!(client.ask(&format!("become {uid} 0")), "ok");
    client.ask(&format!("attach c {} 1", server.pid()));
    let call = client.begin("send c x priority=60").sends();
    server.ask("receive ch");
    assert_eq!(server.ask("scheduling"), "Fifo 25");
    // The place in the queue is another matter: 63 for everybody.
    assert!(server.ask("info m").contains(" priority=60 "));
    let more = client.begin("send c y priority=70").sends();
    let lower = client.begin("send c z priority=20").sends();
    server.ask("receive ch as=n");
    assert!(server.ask("info n").contains(" priority=63 "));
    assert_eq!(server.ask("scheduling"), "Fifo 25");
    server.ask("receive ch as=o");
    assert_eq!(server.ask("scheduling"), "Fifo 20");
    // And so far it may raise it.
    let urgent = client.begin("send c w priority=70").sends();
    let tid = server.begin_in("first", "ready").tid();
    until("it is raised", || scheduling_of(tid) == "Fifo 25");
    server.ask("receive ch as=p");
    for held in ["m", "n", "o", "p"] {
        server.ask(&format!("reply {held} 0 -"));
    }
    for call in [call, more, lower, urgent] {
        call.end();
    }
}

#[test]
fn p2_a_thread_that_changes_its_priority_sends_with_the_new_one() {
    if no_realtime() {
        return;
    }
    let pair = Pair::new(Place::Other, "", NONE);
    let sent = |expected: &str| {
        pair.client.ask("pulse c 1 1");
        assert_eq!(pair.server.field("receive ch", "priority"), expected);
    };
    sent("10");
    assert_eq!(pair.client.ask("set-priority 20"), "ok");
    assert_eq!(pair.client.ask("scheduling"), "Fifo 20");
    sent("20");
    assert_eq!(pair.client.ask("set-priority 7"), "ok");
    assert_eq!(pair.client.ask("scheduling"), "Other 6");
    sent("7");
    // By other means: after it has said so.
    pair.client.ask("schedule Fifo 40");
    pair.client.ask("refresh-priority");
    sent("40");
    pair.client.ask("schedule Other 0");
    pair.client.ask("refresh-priority");
    sent("10");
    for wrong in ["0", "100"] {
        let said = pair.client.ask(&format!("set-priority {wrong}"));
        assert_eq!(said, "error EINVAL");
    }
}

#[test]
fn pr1_what_a_receiver_sends_has_the_priority_that_it_took() {
    if no_realtime() {
        return;
    }
    let pair = Pair::new(Place::Other, "", NONE);
    pair.client.ask("channel back");
    pair.server
        .ask(&format!("attach b {} 1", pair.client.peer.pid()));
    pair.client.ask("pulse c 1 1 priority=30");
    pair.server.ask("receive ch");
    pair.server.ask("pulse b 1 1");
    assert_eq!(pair.client.field("receive back", "priority"), "30");
    // A receiver that is given a priority of its own works on with that.
    pair.server.ask("set-priority 15");
    pair.server.ask("pulse b 1 1");
    assert_eq!(pair.client.field("receive back", "priority"), "15");
    let receiver = pair.server.begin_here("receive ch").receives();
    assert_eq!(scheduling_of(receiver.tid()), "Fifo 15");
    // The client has become a receiver, too.
    pair.client.ask("pulse c 1 1 priority=10");
    receiver.end();
    assert_eq!(pair.server.ask("scheduling"), ORDINARY);
}
