//! Events (E-1 to E-8, M-15), and a flag that is about them.

use crate::flags::{DISCONNECT, NOEVENT, NONE, PRIVATE, REG_EVENTS};
use resmgr_sys::signal;
use resmgr_tests::observe::until;
use resmgr_tests::{Pair, Peer, Place, Role, field};

rules! {
    e1_a_server_delivers_a_pulse_while_its_client_is_blocked,
    e1_a_signal_comes_with_its_code_and_value,
    e1_a_semaphore_is_posted_and_a_function_runs,
    e1_rcvid_0_is_the_caller_itself,
    e2_a_pulse_may_go_to_any_connection_of_the_client,
    e2_a_pulse_has_its_own_priority_or_the_deliverers,
    e3_a_registered_event_is_for_one_server_or_any_or_none,
    e4_what_the_client_did_not_make_is_ignored,
    e4_a_connection_may_ask_for_registered_events_only,
    x11_noevent_is_told_and_holds_nothing_back,
    e5_only_what_is_updateable_is_changed,
    e6_an_event_can_be_verified,
    e7_a_client_that_has_gone_is_ebadf_or_esrch,
    e8_an_unregistered_event_is_ignored,
    m15_a_call_names_its_client_after_the_reply,
}

const USR1: i32 = signal::USR1;

/// A client with a channel of its own, `own`, and a connection to it, `o`.
fn with_events(place: Place, wait: &'static str, flags: u32) -> Pair {
    let pair = Pair::new(place, wait, flags);
    own_channel(&pair.client.peer);
    pair
}

fn own_channel(client: &Peer) {
    let said = client.ask(&format!("channel own flags={PRIVATE}"));
    let chid = said.strip_prefix("channel ").unwrap();
    let said = client.ask(&format!("attach o 0 {chid}"));
    assert!(said.starts_with("connection "), "{said}");
}

/// An event that the client makes, or a handle of it.
fn event(client: &Role, command: &str) -> String {
    let said = client.ask(command);
    let event = said.strip_prefix("event ");
    event
        .unwrap_or_else(|| panic!("{command}: {said}"))
        .to_owned()
}

fn scoid(pair: &Pair) -> String {
    format!("scoid:{}", pair.client.field("server-info c", "scoid"))
}

/// What came first; a second one, with code 99, is delivered as a mark.
fn next_at(client: &Role) -> String {
    let said = client.ask("receive own");
    said.split(" from").next().unwrap().to_owned()
}

fn e1_a_server_delivers_a_pulse_while_its_client_is_blocked(place: Place, wait: &'static str) {
    let pair = with_events(place, wait, NONE);
    let pulse = event(&pair.client, "event pulse o 5 -7");
    let call = pair.send("x");
    assert_eq!(pair.server.ask("receive ch"), "message x");
    assert_eq!(pair.server.ask(&format!("deliver ch m {pulse}")), "ok");
    assert_eq!(next_at(&pair.client), "pulse 5 -7");
    assert!(call.is_blocked());
    pair.server.ask("reply m 0 -");
    assert_eq!(call.end(), "answer 0 0 -");
}

fn e1_a_signal_comes_with_its_code_and_value(place: Place, wait: &'static str) {
    let pair = with_events(place, wait, NONE);
    assert_eq!(pair.client.ask("handle"), "ok");
    let to = scoid(&pair);
    let signalled = |command: &str, count: &str| {
        let signal = event(&pair.client, command);
        assert_eq!(pair.server.ask(&format!("deliver ch {to} {signal}")), "ok");
        until("the signal has come", || {
            pair.client.ask("handled") == count
        });
        pair.client.ask("last-signal")
    };
    assert_eq!(signalled(&format!("event signal {USR1}"), "1"), "-1 0");
    let coded = format!("event signal-code {USR1} -100 12345678901");
    assert_eq!(signalled(&coded, "2"), "-100 12345678901");
    let asleep = pair.client.begin("receive own").receives();
    let aimed = format!("event signal-thread {} {USR1} -64 -1", asleep.tid());
    assert_eq!(signalled(&aimed, "3"), "-64 -1");
    assert_eq!(asleep.end(), "error EINTR");
}

fn e1_a_semaphore_is_posted_and_a_function_runs(place: Place, wait: &'static str) {
    let pair = with_events(place, wait, NONE);
    let to = scoid(&pair);
    let post = event(&pair.client, "event sem s");
    assert_eq!(
        pair.server.ask(&format!("deliver ch {to} {post} times=3")),
        "ok"
    );
    for _ in 0..3 {
        assert_eq!(pair.client.ask("await-post s"), "ok");
    }
    assert_eq!(pair.client.ask("posts s"), "0");
    let run = event(&pair.client, "event thread 41 updateable=value");
    assert_eq!(
        pair.server.ask(&format!("deliver ch {to} {run} value=42")),
        "ok"
    );
    assert_eq!(pair.client.ask("await-post f"), "ok");
    assert_eq!(pair.client.ask("last-value"), "42");
}

fn e1_rcvid_0_is_the_caller_itself(place: Place, wait: &'static str) {
    let pair = with_events(place, wait, NONE);
    let pulse = event(&pair.client, "event pulse o 5 6");
    assert_eq!(pair.client.ask(&format!("perform {pulse}")), "ok");
    assert_eq!(next_at(&pair.client), "pulse 5 6");
    let own = event(&pair.client, &format!("register {pulse} for=self"));
    assert_eq!(pair.client.ask(&format!("perform {own}")), "ok");
    assert_eq!(next_at(&pair.client), "pulse 5 6");
    // Another process's event means nothing here.
    let stranger = pair.world().peer();
    assert_eq!(stranger.ask(&format!("perform {pulse}")), "error EINVAL");
}

/// It is the client who sends it, wherever it goes: to the server, too.
fn e2_a_pulse_may_go_to_any_connection_of_the_client(place: Place, wait: &'static str) {
    let pair = with_events(place, wait, NONE);
    let pulse = event(&pair.client, "event pulse c 5 6");
    let to = scoid(&pair);
    assert_eq!(pair.server.ask(&format!("deliver ch {to} {pulse}")), "ok");
    let said = pair.server.ask("receive ch");
    assert!(said.starts_with("pulse 5 6 "), "{said}");
    assert_eq!(format!("scoid:{}", field(&said, "from")), to);
}

fn e2_a_pulse_has_its_own_priority_or_the_deliverers(place: Place, wait: &'static str) {
    let pair = with_events(place, wait, NONE);
    let to = scoid(&pair);
    for (given, expected) in [("", "10"), (" priority=33", "33"), (" priority=0", "1")] {
        let pulse = event(&pair.client, &format!("event pulse o 5 6{given}"));
        assert_eq!(pair.server.ask(&format!("deliver ch {to} {pulse}")), "ok");
        assert_eq!(pair.client.field("receive own", "priority"), expected);
    }
}

/// The server delivers something that is not welcome, and then a mark that is.
fn is_ignored(pair: &Pair, server: &Role, to: &str, delivery: &str) {
    let said = server.ask(&format!("deliver ch {to} {delivery}"));
    assert!(
        said == "ok" || said == "error EACCES" || said == "error EINVAL",
        "{said}"
    );
    let mark = event(&pair.client, "event pulse o 99 0");
    assert_eq!(server.ask(&format!("deliver ch {to} {mark}")), "ok");
    assert_eq!(next_at(&pair.client), "pulse 99 0");
}

fn e3_a_registered_event_is_for_one_server_or_any_or_none(place: Place, wait: &'static str) {
    let pair = with_events(place, wait, NONE);
    let other = pair.world().peer();
    let chid = other.ask("channel ch rights=anyone");
    let chid = chid.strip_prefix("channel ").unwrap();
    let attach = format!("attach d {} {chid}", other.pid());
    assert!(pair.client.ask(&attach).starts_with("connection "));
    let other_to = format!("scoid:{}", pair.client.field("server-info d", "scoid"));
    let to = scoid(&pair);
    let plain = event(&pair.client, "event pulse o 5 6");
    let one = event(&pair.client, &format!("register {plain} for=c"));
    let any = event(&pair.client, &format!("register {plain} for=any"));
    let own = event(&pair.client, &format!("register {plain} for=self"));
    for welcome in [&one, &any] {
        assert_eq!(pair.server.ask(&format!("deliver ch {to} {welcome}")), "ok");
        assert_eq!(next_at(&pair.client), "pulse 5 6");
    }
    assert_eq!(other.ask(&format!("deliver ch {other_to} {any}")), "ok");
    assert_eq!(next_at(&pair.client), "pulse 5 6");
    is_ignored(&pair, &pair.server, &to, &own);
    for unwelcome in [&one, &own] {
        assert_eq!(
            other.ask(&format!("deliver ch {other_to} {unwelcome}")),
            "ok"
        );
    }
    let mark = event(&pair.client, "event pulse o 99 0");
    assert_eq!(other.ask(&format!("deliver ch {other_to} {mark}")), "ok");
    assert_eq!(next_at(&pair.client), "pulse 99 0");
}

fn e4_what_the_client_did_not_make_is_ignored(place: Place, wait: &'static str) {
    let pair = with_events(place, wait, NONE);
    let to = scoid(&pair);
    let pulse = event(&pair.client, "event pulse o 5 6");
    // Each byte of it: connection, priority, code, value, seal. (The first four say of what kind it is.)
    for at in 4..32 {
        let mut forged = pulse.clone();
        let digit = if &forged[at * 2..=at * 2] == "0" {
            "1"
        } else {
            "0"
        };
        forged.replace_range(at * 2..=at * 2, digit);
        if at != 15 {
            is_ignored(&pair, &pair.server, &to, &forged);
        }
    }
    // Somebody else's event.
    let stranger = pair.world().peer();
    own_channel(&stranger);
    let said = stranger.ask("event pulse o 5 6");
    is_ignored(
        &pair,
        &pair.server,
        &to,
        said.strip_prefix("event ").unwrap(),
    );
}

fn e4_a_connection_may_ask_for_registered_events_only(place: Place, wait: &'static str) {
    let pair = with_events(place, wait, NONE);
    let to = scoid(&pair);
    let plain = event(&pair.client, "event pulse o 5 6");
    assert_eq!(pair.server.ask(&format!("deliver ch {to} {plain}")), "ok");
    assert_eq!(next_at(&pair.client), "pulse 5 6");
    let attach = format!("{} flags={REG_EVENTS}", pair.attachment("strict"));
    assert!(pair.client.ask(&attach).starts_with("connection "));
    for command in ["deliver", "verify-for"] {
        let said = pair.server.ask(&format!("{command} ch {to} {plain}"));
        assert_eq!(said, "error EACCES");
    }
    let handle = event(&pair.client, &format!("register {plain} for=c"));
    assert_eq!(
        pair.server.ask(&format!("verify-for ch {to} {handle}")),
        "ok"
    );
    assert_eq!(pair.server.ask(&format!("deliver ch {to} {handle}")), "ok");
    assert_eq!(next_at(&pair.client), "pulse 5 6");
}

fn x11_noevent_is_told_and_holds_nothing_back(place: Place, wait: &'static str) {
    let pair = with_events(place, wait, NONE);
    let attach = format!("{} flags={NOEVENT}", pair.attachment("quiet"));
    assert!(pair.client.ask(&attach).starts_with("connection "));
    let set = format!("flags c {NOEVENT} {NOEVENT}");
    assert_eq!(pair.client.ask(&set), "flags 0");
    for name in ["c", "quiet"] {
        let told = pair.client.field(&format!("server-info {name}"), "flags");
        assert_eq!(told, NOEVENT.to_string());
        let pulse = event(&pair.client, "event pulse o 5 6");
        let call = pair.client.begin(&format!("send {name} x {wait}"));
        assert_eq!(pair.server.ask("receive ch"), "message x");
        assert_eq!(pair.server.ask(&format!("deliver ch m {pulse}")), "ok");
        assert_eq!(next_at(&pair.client), "pulse 5 6");
        pair.server.ask("reply m 0 -");
        assert_eq!(call.end(), "answer 0 0 -");
    }
}

fn e5_only_what_is_updateable_is_changed(place: Place, wait: &'static str) {
    let pair = with_events(place, wait, NONE);
    let to = scoid(&pair);
    let expectations = [("", "5 6"), ("value", "5 -9"), ("code", "8 6")];
    for registered in [false, true] {
        for (updateable, expected) in expectations {
            let made = format!("event pulse o 5 6 updateable={updateable}");
            let mut pulse = event(&pair.client, &made);
            if registered {
                pulse = event(&pair.client, &format!("register {pulse} for=c"));
            }
            let deliver = format!("deliver ch {to} {pulse} value=-9 code=8");
            assert_eq!(pair.server.ask(&deliver), "ok");
            assert_eq!(next_at(&pair.client), format!("pulse {expected}"));
        }
    }
    // A code that is the system's is not among those that a server may give.
    let open = event(&pair.client, "event pulse o 5 6 updateable=code");
    is_ignored(&pair, &pair.server, &to, &format!("{open} code=-35"));
}

fn e6_an_event_can_be_verified(place: Place, wait: &'static str) {
    let pair = with_events(place, wait, NONE);
    let to = scoid(&pair);
    let verify = |event: &str| pair.client.ask(&format!("verify {event}"));
    let pulse = event(&pair.client, "event pulse o 5 6");
    assert_eq!(verify(&pulse), "ok");
    assert_eq!(
        pair.server.ask(&format!("verify-for ch {to} {pulse}")),
        "ok"
    );
    let handle = event(&pair.client, &format!("register {pulse} for=c"));
    assert_eq!(verify(&handle), "error EACCES");
    assert_eq!(verify(&"00".repeat(32)), "ok");
    let function = event(&pair.client, "event thread 1");
    assert_eq!(verify(&function), "ok");
    // Its place is taken by another function.
    event(&pair.client, "event thread 1");
    assert_eq!(verify(&function), "error EINVAL");
    pair.client.ask("destroy own");
    assert_eq!(verify(&pulse), "error ESRCH");
    pair.client.ask("detach o");
    assert_eq!(verify(&pulse), "error EBADF");
    let unblock = format!("05{}", "00".repeat(31));
    let said = pair.server.ask(&format!("verify-for ch {to} {unblock}"));
    assert_eq!(said, "error EINVAL");
}

fn e7_a_client_that_has_gone_is_ebadf_or_esrch(place: Place, wait: &'static str) {
    for (flags, expected) in [(NONE, "error EBADF"), (DISCONNECT, "error ESRCH")] {
        let pair = with_events(place, wait, flags);
        let to = scoid(&pair);
        let pulse = event(&pair.client, "event pulse o 5 6");
        let other = pair.server.ask(&format!("deliver ch scoid:65999 {pulse}"));
        assert_eq!(other, "error EBADF");
        pair.client.ask("detach c");
        // A delivery may find the socket closed before the server has looked after its client's end.
        until("the server knows", || {
            pair.server.ask(&format!("verify-for ch {to} {pulse}")) == expected
        });
        let said = pair.server.ask(&format!("deliver ch {to} {pulse}"));
        assert_eq!(said, expected);
        pair.server.ask("destroy ch");
        let said = pair.server.ask(&format!("deliver ch {to} {pulse}"));
        assert_eq!(said, "error ESRCH");
    }
}

fn e8_an_unregistered_event_is_ignored(place: Place, wait: &'static str) {
    let pair = with_events(place, wait, NONE);
    let to = scoid(&pair);
    let plain = event(&pair.client, "event pulse o 5 6");
    let handle = event(&pair.client, &format!("register {plain} for=c"));
    assert_eq!(pair.server.ask(&format!("deliver ch {to} {handle}")), "ok");
    assert_eq!(next_at(&pair.client), "pulse 5 6");
    assert_eq!(pair.client.ask(&format!("unregister {handle}")), "ok");
    is_ignored(&pair, &pair.server, &to, &handle);
    // Nor is it taken for the one that has its place now.
    event(&pair.client, &format!("register {plain} for=c"));
    is_ignored(&pair, &pair.server, &to, &handle);
    assert_eq!(
        pair.client.ask(&format!("unregister {handle}")),
        "error EINVAL"
    );
    assert_eq!(
        pair.client.ask(&format!("unregister {plain}")),
        "error EINVAL"
    );
}

fn m15_a_call_names_its_client_after_the_reply(place: Place, wait: &'static str) {
    let pair = with_events(place, wait, NONE);
    let pulse = event(&pair.client, "event pulse o 5 6");
    let call = pair.send("x");
    pair.server.ask("receive ch");
    let rcvid = pair.server.ask("rcvid m");
    pair.server.ask("reply m 0 -");
    call.end();
    for _ in 0..3 {
        let said = pair
            .server
            .ask(&format!("deliver ch rcvid:{rcvid} {pulse}"));
        assert_eq!(said, "ok");
        assert_eq!(next_at(&pair.client), "pulse 5 6");
    }
    pair.client.ask("detach c");
    until("its connection is gone", || {
        pair.server
            .ask(&format!("deliver ch rcvid:{rcvid} {pulse}"))
            == "error EBADF"
    });
}

#[test]
fn e7_a_client_that_does_not_read_is_eagain() {
    let pair = with_events(Place::Other, "", NONE);
    let to = scoid(&pair);
    let post = event(&pair.client, "event sem s");
    pair.client.peer.stop();
    let said = pair
        .server
        .ask(&format!("deliver ch {to} {post} times=1000000"));
    assert_eq!(said, "error EAGAIN");
    pair.client.peer.signal(signal::CONT);
    assert_eq!(pair.client.ask("await-post s"), "ok");
    until("it reads again", || {
        pair.server.ask(&format!("deliver ch {to} {post}")) == "ok"
    });
}
