//! What goes with a connection and with a channel (C-9 to C-12, C-19).

use crate::flags::{COID_DISCONNECT, DISCONNECT, NONE, PRIVATE};
use resmgr_tests::{Pair, Place, field};

rules! {
    c9_disconnect_pulse_on_last_detach,
    c9_without_the_flag_there_is_no_pulse,
    c10_a_scoid_stays_taken_until_it_is_detached,
    c10_without_the_flag_a_scoid_is_free_at_once,
    c11_a_channel_that_goes_is_a_pulse_for_each_connection,
    c12_a_dead_connection_stays_and_says_so,
    c19_destruction_ends_every_wait_with_esrch,
    c19_what_is_held_of_a_destroyed_channel_cannot_be_answered,
}

fn c9_disconnect_pulse_on_last_detach(place: Place, wait: &'static str) {
    let pair = Pair::new(place, wait, DISCONNECT);
    pair.attach("d");
    pair.client.ask("pulse c 1 1");
    let from = field(&pair.server.ask("receive ch"), "from");
    pair.client.ask("detach d");
    assert_eq!(pair.server.ask("receive ch deadline=0"), "error ETIMEDOUT");
    pair.client.ask("detach c");
    let pulse = pair.server.ask("receive ch");
    assert_eq!(pulse, format!("pulse -33 0 from={from} priority=10"));
}

fn c9_without_the_flag_there_is_no_pulse(place: Place, wait: &'static str) {
    let pair = Pair::new(place, wait, NONE);
    pair.client.ask("detach c");
    // The second client's attach is handled after the first one's end.
    pair.attach("d");
    assert_eq!(pair.server.ask("receive ch deadline=0"), "error ETIMEDOUT");
}

fn c10_a_scoid_stays_taken_until_it_is_detached(place: Place, wait: &'static str) {
    let pair = Pair::new(place, wait, DISCONNECT);
    pair.client.ask("detach c");
    let scoid = field(&pair.server.ask("receive ch"), "from");
    let pid = pair.client.peer.pid().to_string();
    assert_eq!(
        pair.server.field(&format!("client-info ch {scoid}"), "pid"),
        pid
    );
    pair.attach("d");
    pair.client.ask("pulse d 1 1");
    assert_ne!(field(&pair.server.ask("receive ch"), "from"), scoid);
    assert_eq!(pair.server.ask(&format!("detach-client ch {scoid}")), "ok");
    assert_eq!(
        pair.server.ask(&format!("detach-client ch {scoid}")),
        "error EINVAL"
    );
    assert_eq!(
        pair.server.ask(&format!("client-info ch {scoid}")),
        "error EINVAL"
    );
}

fn c10_without_the_flag_a_scoid_is_free_at_once(place: Place, wait: &'static str) {
    let pair = Pair::new(place, wait, NONE);
    let scoid = pair.client.field("server-info c", "scoid");
    pair.client.ask("detach c");
    resmgr_tests::observe::until("the scoid is free", || {
        pair.server.ask(&format!("client-info ch {scoid}")) == "error EINVAL"
    });
    pair.attach("d");
    assert_eq!(pair.client.field("server-info d", "scoid"), scoid);
}

fn c11_a_channel_that_goes_is_a_pulse_for_each_connection(place: Place, wait: &'static str) {
    let pair = Pair::new(place, wait, NONE);
    let flags = COID_DISCONNECT | PRIVATE;
    pair.client.ask(&format!("channel own flags={flags}"));
    let c = pair.client.field("server-info c", "pid");
    assert_eq!(c, pair.server.peer.pid().to_string());
    let mut expected = [pair.attach("d"), pair.attach("e")].map(|coid| format!("pulse -35 {coid}"));
    pair.client.ask("detach c");
    pair.server.ask("destroy ch");
    let mut received = [
        pair.client.ask("receive own"),
        pair.client.ask("receive own"),
    ]
    .map(|said| said.split(" from=").next().unwrap().to_owned());
    expected.sort();
    received.sort();
    assert_eq!(received, expected);
    assert_eq!(pair.client.ask("receive own deadline=0"), "error ETIMEDOUT");
}

fn c12_a_dead_connection_stays_and_says_so(place: Place, wait: &'static str) {
    let pair = Pair::new(place, wait, NONE);
    pair.client
        .ask(&format!("channel own flags={}", COID_DISCONNECT | PRIVATE));
    assert_eq!(pair.client.field("server-info c", "flags"), "0");
    pair.server.ask("destroy ch");
    pair.client.ask("receive own");
    // 2 is DEAD.
    assert_eq!(pair.client.field("server-info c", "flags"), "2");
    assert_eq!(pair.client.ask("send c x"), "gone ESRCH");
    assert_eq!(pair.client.ask("pulse c 1 1"), "error ESRCH");
    assert_eq!(pair.client.ask("detach c"), "ok");
}

fn c19_destruction_ends_every_wait_with_esrch(place: Place, wait: &'static str) {
    let pair = Pair::new(place, wait, NONE);
    let replying = pair.blocked_send("held");
    pair.server.ask("receive ch");
    let sending = pair.blocked_send("queued");
    let pulses = pair.server.begin("receive-pulse ch").receives();
    let more = pair.server.begin("receive-pulse ch").receives();
    assert_eq!(pair.server.ask("destroy ch"), "ok");
    assert_eq!(replying.end(), "gone ESRCH");
    assert_eq!(sending.end(), "gone ESRCH");
    assert_eq!(pulses.end(), "error ESRCH");
    assert_eq!(more.end(), "error ESRCH");
    assert_eq!(pair.client.ask("send c x"), "gone ESRCH");
    assert_eq!(pair.server.ask("receive ch"), "error ESRCH");
}

fn c19_what_is_held_of_a_destroyed_channel_cannot_be_answered(place: Place, wait: &'static str) {
    let pair = Pair::new(place, wait, NONE);
    let call = pair.blocked_send("held room=4");
    pair.server.ask("receive ch");
    pair.server.ask("destroy ch");
    assert_eq!(call.end(), "gone ESRCH");
    assert_eq!(pair.server.ask("reply m 0 late"), "error ESRCH");
}

#[test]
fn c19_receivers_that_wait_are_all_woken() {
    let pair = Pair::new(Place::Other, "", NONE);
    let receivers = [(); 4].map(|()| pair.server.begin("receive ch").receives());
    pair.server.ask("destroy ch");
    for receiver in receivers {
        assert_eq!(receiver.end(), "error ESRCH");
    }
}
