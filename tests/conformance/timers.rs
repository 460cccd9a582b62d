//! Timers (E-9).

use crate::flags::{NONE, PRIVATE};
use resmgr_sys::signal;
use resmgr_tests::observe::until;
use resmgr_tests::{Pair, Place, Role, World};

rules! {
    e9_a_timer_sends_a_pulse_once_or_again_and_again,
    e9_a_timer_may_send_to_another_process,
    e9_a_timer_that_is_gone_sends_nothing,
    e9_what_finds_no_room_is_an_overrun,
    e9_a_timer_may_raise_a_signal_or_run_a_function,
}

fn event(role: &Role, command: &str) -> String {
    let said = role.ask(command);
    let event = said.strip_prefix("event ");
    event
        .unwrap_or_else(|| panic!("{command}: {said}"))
        .to_owned()
}

/// A client with a channel of its own, `own`, and a connection to it, `o`.
fn with_own(place: Place, wait: &'static str) -> Pair {
    let pair = Pair::new(place, wait, NONE);
    let said = pair
        .client
        .ask(&format!("channel own flags={PRIVATE} {wait}"));
    let chid = said.strip_prefix("channel ").unwrap();
    pair.client.ask(&format!("attach o 0 {chid}"));
    pair
}

fn pulse_timer(role: &Role, name: &str, clock: &str, code: i32) {
    let pulse = event(role, &format!("event pulse o {code} 7"));
    assert_eq!(role.ask(&format!("timer {name} {clock} {pulse}")), "ok");
}

fn code(received: &str) -> String {
    received.split(' ').nth(1).unwrap_or(received).to_owned()
}

fn e9_a_timer_sends_a_pulse_once_or_again_and_again(place: Place, wait: &'static str) {
    let pair = with_own(place, wait);
    let client = &pair.client;
    for clock in ["monotonic", "realtime", "boottime"] {
        pulse_timer(client, "t", clock, 1);
        assert_eq!(client.ask("timer-info t"), "left=0 interval=0 overruns=0");
        for absolute in ["", " absolute=1"] {
            client.ask(&format!("start t 1 0{absolute}"));
            assert_eq!(code(&client.ask("receive own")), "1");
            assert_eq!(client.field("timer-info t", "left"), "0");
            client.ask(&format!("start t 1 2{absolute}"));
            for _ in 0..3 {
                assert_eq!(code(&client.ask("receive own")), "1");
            }
            assert_eq!(client.field("timer-info t", "interval"), "2");
            assert_eq!(client.ask("stop-timer t"), "ok");
            while client.ask("receive own deadline=0") != "error ETIMEDOUT" {}
        }
    }
    // Not for a long time.
    client.ask("start t 1000000 0");
    let left: u32 = client.field("timer-info t", "left").parse().unwrap();
    assert!((900_000..=1_000_000).contains(&left), "{left}");
    client.ask("start t 0 0");
    assert_eq!(code(&client.ask("receive own")), "1");
}

fn e9_a_timer_may_send_to_another_process(place: Place, wait: &'static str) {
    let pair = with_own(place, wait);
    let pulse = event(&pair.client, "event pulse c 3 4");
    assert_eq!(pair.client.ask(&format!("timer t monotonic {pulse}")), "ok");
    pair.client.ask("start t 1 0");
    assert!(pair.server.ask("receive ch").starts_with("pulse 3 4 "));
}

fn e9_a_timer_that_is_gone_sends_nothing(place: Place, wait: &'static str) {
    let pair = with_own(place, wait);
    let client = &pair.client;
    for end in ["end-timer t", "stop-timer t"] {
        pulse_timer(client, "t", "monotonic", 1);
        pulse_timer(client, "mark", "monotonic", 2);
        client.ask("start t 1 1");
        assert_eq!(code(&client.ask("receive own")), "1");
        assert_eq!(client.ask(end), "ok");
        while client.ask("receive own deadline=0") != "error ETIMEDOUT" {}
        client.ask("start mark 20 0");
        assert_eq!(code(&client.ask("receive own")), "2");
    }
}

fn e9_what_finds_no_room_is_an_overrun(place: Place, wait: &'static str) {
    let pair = with_own(place, wait);
    let client = &pair.client;
    pulse_timer(client, "t", "monotonic", 1);
    client.ask("start t 1 1");
    until("more has expired than there is room for", || {
        client.field("timer-info t", "overruns") != "0"
    });
    client.ask("start t 1 0");
    assert_eq!(code(&client.ask("receive own")), "1");
}

fn e9_a_timer_may_raise_a_signal_or_run_a_function(place: Place, wait: &'static str) {
    let pair = with_own(place, wait);
    let client = &pair.client;
    assert_eq!(client.ask("handle"), "ok");
    let signal = event(client, &format!("event signal-code {} -70 3", signal::USR1));
    assert_eq!(client.ask(&format!("timer s monotonic {signal}")), "ok");
    client.ask("start s 1 0");
    until("the signal has come", || client.ask("handled") == "1");
    assert_eq!(client.ask("last-signal"), "-70 3");
    let run = event(client, "event thread 5");
    assert_eq!(client.ask(&format!("timer f monotonic {run}")), "ok");
    client.ask("start f 1 0");
    assert_eq!(client.ask("await-post f"), "ok");
    assert_eq!(client.ask("last-value"), "5");
}

#[test]
fn e9_a_timer_takes_only_events_that_can_happen() {
    let world = World::new();
    let (peer, stranger) = (world.peer(), world.peer());
    let unblock = format!("05{}", "00".repeat(31));
    assert_eq!(
        peer.ask(&format!("timer t monotonic {unblock}")),
        "error EINVAL"
    );
    let foreign = stranger.ask("event sem s");
    let foreign = foreign.strip_prefix("event ").unwrap();
    assert_eq!(
        peer.ask(&format!("timer t monotonic {foreign}")),
        "error EINVAL"
    );
    assert_eq!(peer.ask("timer t monotonic alarm"), "ok");
}

#[test]
fn e9_there_are_4096_timers() {
    let world = World::new();
    let peer = world.peer();
    let said = peer.ask("timers");
    let [count, errno, again] = <[&str; 3]>::try_from(said.split(' ').collect::<Vec<_>>()).unwrap();
    // Fewer where the process may not have so many descriptors.
    let expected = if errno == "EMFILE" { count } else { "4096" };
    assert_eq!([count, again], [expected, "true"]);
    assert!(errno == "EAGAIN" || errno == "EMFILE", "{errno}");
}
