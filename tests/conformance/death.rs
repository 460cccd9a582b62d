//! Who learns what when somebody goes: the rows of the specification's table of deaths (D-*), C-20, U-6.

use crate::flags::{COID_DISCONNECT, DISCONNECT, NONE, PRIVATE, UNBLOCK};
use resmgr_tests::observe::until;
use resmgr_tests::{Pair, Place};

apart! {
    d1_a_killed_server_ends_a_send_that_nobody_has,
    d1_a_killed_server_ends_a_send_that_waits_to_be_taken,
    d2_a_killed_server_ends_the_wait_for_its_reply,
    d3_a_dead_servers_connections_say_so_until_they_are_detached,
    d5_a_killed_sender_takes_its_message_with_it,
    d5_pulses_of_a_killed_client_are_received_before_its_end,
    d6_a_killed_client_can_be_answered_no_more,
    u6_a_killed_client_does_not_wait_for_its_server,
    d8_exec_ends_the_connections,
    d11_a_client_that_is_detached_by_its_server_is_told,
    c20_a_process_that_ends_takes_its_channels_and_its_socket,
    d_a_forked_child_keeps_nobody_alive,
}

fn apart(place: Place, flags: u32) -> Pair {
    Pair::new(place, "", flags)
}

fn d1_a_killed_server_ends_a_send_that_nobody_has(place: Place) {
    let pair = apart(place, NONE);
    let call = pair.blocked_send("x");
    pair.server.peer.kill();
    assert_eq!(call.end(), "gone ESRCH");
}

fn d1_a_killed_server_ends_a_send_that_waits_to_be_taken(place: Place) {
    for flags in [NONE, UNBLOCK] {
        let pair = apart(place, flags);
        // For the reply only, and over at once.
        let timed = |command: &str| pair.client.peer.begin_in("timed", command);
        timed("timeout 64").end();
        let call = timed("send c x wait=block").sends();
        pair.server.peer.kill();
        assert_eq!(call.end(), "gone ESRCH");
    }
}

fn d2_a_killed_server_ends_the_wait_for_its_reply(place: Place) {
    let pair = apart(place, UNBLOCK);
    let call = pair.blocked_send("x");
    pair.server.ask("receive ch");
    pair.server.peer.kill();
    assert_eq!(call.end(), "gone ESRCH");
}

fn d3_a_dead_servers_connections_say_so_until_they_are_detached(place: Place) {
    let pair = apart(place, NONE);
    let flags = COID_DISCONNECT | PRIVATE;
    pair.client.ask(&format!("channel own flags={flags}"));
    let coid = pair.attach("d");
    pair.client.ask("detach c");
    pair.server.peer.kill();
    assert!(
        pair.client
            .ask("receive own")
            .starts_with(&format!("pulse -35 {coid} "))
    );
    assert_eq!(pair.client.ask("send d x"), "gone ESRCH");
    assert_eq!(pair.client.ask("pulse d 1 1"), "error ESRCH");
    assert_eq!(pair.client.field("server-info d", "flags"), "2");
    assert_eq!(pair.client.ask(&pair.attachment("e")), "error ESRCH");
    assert_eq!(pair.client.ask("detach d"), "ok");
}

fn d5_a_killed_sender_takes_its_message_with_it(place: Place) {
    let pair = apart(place, DISCONNECT);
    pair.blocked_send("never seen");
    pair.client.peer.kill();
    // From the moment on in which the server learns it.
    assert!(
        pair.server
            .ask("receive-pulse ch")
            .starts_with("pulse -33 0 ")
    );
    assert_eq!(pair.server.ask("receive ch deadline=0"), "error ETIMEDOUT");
}

fn d5_pulses_of_a_killed_client_are_received_before_its_end(place: Place) {
    let pair = apart(place, DISCONNECT);
    for value in 0..20 {
        pair.client.ask(&format!("pulse c 3 {value}"));
    }
    pair.client.peer.kill();
    for value in 0..20 {
        let received = pair.server.ask("receive ch");
        assert!(
            received.starts_with(&format!("pulse 3 {value} ")),
            "{received}"
        );
    }
    assert!(pair.server.ask("receive ch").starts_with("pulse -33 0 "));
}

fn d6_a_killed_client_can_be_answered_no_more(place: Place) {
    let pair = apart(place, DISCONNECT);
    pair.blocked_send("x room=10");
    pair.server.ask("receive ch as=m");
    pair.blocked_send("y room=10");
    pair.server.ask("receive ch as=n");
    pair.client.peer.kill();
    assert!(pair.server.ask("receive ch").starts_with("pulse -33 0 "));
    assert_eq!(pair.server.ask("read m 0 1"), "error ESRCH");
    assert_eq!(pair.server.ask("write m 0 data"), "error ESRCH");
    assert_eq!(pair.server.ask("reply m 0 -"), "error ESRCH");
    assert_eq!(pair.server.ask("error n 22"), "error ESRCH");
}

fn u6_a_killed_client_does_not_wait_for_its_server(place: Place) {
    let pair = apart(place, DISCONNECT | UNBLOCK);
    pair.blocked_send("x");
    pair.server.ask("receive ch");
    // Returns once it is dead.
    pair.client.peer.kill();
    assert!(pair.server.ask("receive ch").starts_with("pulse -33 0 "));
    assert_eq!(pair.server.ask("reply m 0 -"), "error ESRCH");
}

fn d8_exec_ends_the_connections(place: Place) {
    let pair = apart(place, DISCONNECT);
    let _executed = pair.client.begin("exec sleep 60");
    assert!(pair.server.ask("receive ch").starts_with("pulse -33 0 "));
}

fn d11_a_client_that_is_detached_by_its_server_is_told(place: Place) {
    let pair = apart(place, DISCONNECT);
    let replying = pair.blocked_send("x");
    pair.server.ask("receive ch");
    let sending = pair.blocked_send("y");
    let scoid = pair.server.field("info m", "scoid");
    assert_eq!(pair.server.ask(&format!("detach-client ch {scoid}")), "ok");
    assert_eq!(replying.end(), "gone ESRCH");
    assert_eq!(sending.end(), "gone ESRCH");
    assert_eq!(pair.client.ask("send c x"), "gone ESRCH");
    assert_eq!(pair.server.ask("reply m 0 -"), "error ESRCH");
    assert_eq!(pair.server.ask("receive ch deadline=0"), "error ETIMEDOUT");
    pair.attach("again");
}

#[test]
fn d11_a_client_in_the_servers_process_is_told_too() {
    let pair = Pair::new(Place::Same, "", DISCONNECT);
    let replying = pair.blocked_send("x");
    pair.server.ask("receive ch");
    let scoid = pair.server.field("info m", "scoid");
    pair.server.ask(&format!("detach-client ch {scoid}"));
    assert_eq!(replying.end(), "gone ESRCH");
    assert_eq!(pair.client.ask("send c x"), "gone ESRCH");
}

fn c20_a_process_that_ends_takes_its_channels_and_its_socket(place: Place) {
    let pair = apart(place, NONE);
    assert!(pair.world().socket_of(pair.server.peer.pid()).exists());
    pair.server.peer.kill();
    until("the socket is gone", || {
        !pair.world().socket_of(pair.server.peer.pid()).exists()
    });
    assert_eq!(pair.client.ask(&pair.attachment("d")), "error ESRCH");
}

fn d_a_forked_child_keeps_nobody_alive(place: Place) {
    for handlers in [true, false] {
        let pair = apart(place, DISCONNECT);
        let call = pair.blocked_send("x");
        pair.server.ask("receive ch");
        pair.world().orphan(pair.server.peer.fork(handlers));
        pair.server.peer.kill();
        assert_eq!(call.end(), "gone ESRCH");
        let pair = apart(place, DISCONNECT);
        pair.world().orphan(pair.client.peer.fork(handlers));
        pair.client.peer.kill();
        assert!(pair.server.ask("receive ch").starts_with("pulse -33 0 "));
    }
}
