//! Bounds that were chosen, and what is said beyond them.

use crate::flags::{DISCONNECT, NONE};
use resmgr_tests::{Pair, Place, World};

rules! {
    x6_too_many_connections_of_a_process_are_emfile,
    m6_calls_and_bytes_under_way_are_what_the_channel_allows,
}

#[test]
fn c5_too_many_channels_are_eagain() {
    let world = World::new();
    let server = world.peer();
    server.ask("limit 2 100");
    assert_eq!(server.ask("channel a"), "channel 1");
    assert_eq!(server.ask("channel b"), "channel 2");
    assert_eq!(server.ask("channel c"), "error EAGAIN");
    server.ask("destroy a");
    assert_eq!(server.ask("channel c"), "channel 1");
    for nonsense in ["calls=0", "calls=4097", "clients=0", "bulk=9999999999"] {
        server.ask("limit 9 9");
        assert_eq!(server.ask(&format!("channel d {nonsense}")), "error EINVAL");
    }
}

fn x6_too_many_connections_of_a_process_are_emfile(place: Place, wait: &'static str) {
    let pair = Pair::new(place, wait, NONE);
    pair.client.ask("limit 100 2");
    assert!(pair.attach("d") > 0);
    assert_eq!(pair.client.ask(&pair.attachment("e")), "error EMFILE");
    pair.client.ask("detach d");
    assert!(pair.attach("e") > 0);
}

#[test]
fn x6_too_many_clients_of_a_channel_are_enfile() {
    let mut pair = Pair::apart(Place::Other, "");
    pair.open_with(DISCONNECT, "clients=2");
    pair.attach("c");
    let (second, third) = (pair.world().peer(), pair.world().peer());
    assert!(second.ask(&pair.attachment("c")).starts_with("connection "));
    assert_eq!(third.ask(&pair.attachment("c")), "error ENFILE");
    // Gone, but not yet detached by the server: its id is still taken.
    second.ask("detach c");
    let gone = pair.server.ask("receive ch");
    assert_eq!(third.ask(&pair.attachment("c")), "error ENFILE");
    let scoid = resmgr_tests::field(&gone, "from");
    pair.server.ask(&format!("detach-client ch {scoid}"));
    assert!(third.ask(&pair.attachment("c")).starts_with("connection "));
}

fn m6_calls_and_bytes_under_way_are_what_the_channel_allows(place: Place, wait: &'static str) {
    let mut pair = Pair::apart(place, wait);
    pair.open_with(NONE, "calls=2 bulk=8192");
    pair.attach("c");
    let calls = [
        pair.blocked_send("fill:5000 room=6000"),
        pair.blocked_send("b"),
    ];
    assert_eq!(pair.client.ask("send c x"), "unsent EAGAIN");
    for call in calls {
        pair.server.ask("receive ch room=5000");
        pair.server.ask("reply m 0 fill:6000");
        call.end();
    }
    assert_eq!(pair.client.ask("send c fill:8193"), "unsent EMSGSIZE");
    let first = pair.blocked_send("fill:8000");
    assert_eq!(pair.client.ask("send c fill:1000"), "unsent ENOMEM");
    pair.server.ask("receive ch");
    pair.server.ask("reply m 0 -");
    first.end();
    // A reply that is longer than the link has room for.
    let call = pair.blocked_send("x room=9000");
    pair.server.ask("receive ch");
    assert_eq!(pair.server.ask("reply m 0 fill:9000"), "error ENOMEM");
    assert_eq!(call.end(), "refused ENOMEM");
}
