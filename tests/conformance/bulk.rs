//! Long messages that stay where they are: built in the link's memory, or read in the client's own.

use crate::flags::{NONE, UNBLOCK};
use resmgr_tests::{Pair, Place};

rules! {
    m2_a_borrowed_message_and_its_reply_are_whole,
    m6_what_cannot_be_borrowed_is_not,
    m17_a_borrowed_call_that_is_given_up_takes_its_room_with_it,
    m22_a_reply_is_built_where_the_client_reads_it,
    m20_a_message_is_read_in_the_memory_of_a_client_that_allows_it,
}

fn m2_a_borrowed_message_and_its_reply_are_whole(place: Place, wait: &'static str) {
    let pair = Pair::new(place, wait, NONE);
    let call = pair.client.begin(&format!(
        "send-borrowed c fill:100000 room=200000 again=1 {wait}"
    ));
    assert_eq!(pair.server.ask("receive ch room=100"), "message fill:100");
    assert_eq!(pair.server.ask("read-shared m"), "100000 fill:100000");
    pair.server.ask("reply m 1 short");
    assert_eq!(pair.server.ask("receive ch room=0"), "message -");
    assert_eq!(pair.server.ask("read m 0 100000"), "100000 fill:100000");
    pair.server.ask("reply m 7 fill:150000");
    assert_eq!(call.end(), "answer 7 150000 fill:150000");
    let refused = pair
        .client
        .begin(&format!("send-borrowed c x room=1 {wait}"));
    pair.server.ask("receive ch");
    pair.server.ask("error m 22");
    assert_eq!(refused.end(), "refused EINVAL");
}

fn m6_what_cannot_be_borrowed_is_not(place: Place, wait: &'static str) {
    let pair = Pair::new(place, wait, NONE);
    let most = 64 << 20;
    assert_eq!(pair.client.ask(&format!("borrow c {most}")), "ok");
    let too_long = format!("borrow c {}", most + 1);
    assert_eq!(pair.client.ask(&too_long), "error EMSGSIZE");
    pair.server.ask("destroy ch");
    // The client may not have been told yet when it borrows.
    let refused = pair.client.ask("send-borrowed c x");
    assert!(refused.ends_with(" ESRCH"), "{refused}");
}

fn m17_a_borrowed_call_that_is_given_up_takes_its_room_with_it(place: Place, wait: &'static str) {
    let pair = Pair::new(place, wait, NONE);
    let late = pair.client.ask("send-borrowed c fill:5000 deadline=0");
    assert_eq!(late, "timed out");
    let next = pair
        .client
        .begin(&format!("send-borrowed c fill:6000 room=9 {wait}"));
    assert_eq!(pair.server.ask("receive ch room=6000"), "message fill:6000");
    pair.server.ask("reply m 0 done");
    assert_eq!(next.end(), "answer 0 4 done");
}

fn m22_a_reply_is_built_where_the_client_reads_it(place: Place, wait: &'static str) {
    let pair = Pair::new(place, wait, NONE);
    let call = pair.send("x room=12");
    pair.server.ask("receive ch");
    assert_eq!(pair.server.ask("write-shared m abcd 0"), "4");
    assert_eq!(pair.server.ask("write-shared m overlong 8"), "4");
    pair.server.ask("reply m 3 -");
    assert_eq!(call.end(), "answer 3 12 abcd....over");
}

fn m20_a_message_is_read_in_the_memory_of_a_client_that_allows_it(
    place: Place,
    wait: &'static str,
) {
    let mut pair = Pair::apart(place, wait);
    pair.open_with(UNBLOCK, "direct=1");
    pair.attach("c");
    for parts in ["fill:300000", "0123|fill:299990|456789", "short"] {
        let call = pair.send(&format!("{parts} room=4 direct=1"));
        pair.server.ask("receive ch room=3");
        let all = pair.server.ask("read m 0 300001");
        let len = if parts == "short" { 5 } else { 300_000 };
        assert!(all.starts_with(&format!("{len} ")), "{all:.20}");
        if parts == "fill:300000" {
            assert_eq!(all, "300000 fill:300000");
            assert_eq!(
                pair.server.ask("read m 299999 5"),
                pair.server.ask("read m 299999 1")
            );
        }
        pair.server.ask("reply m 0 done");
        assert_eq!(call.end(), "answer 0 4 done");
    }
    // Only one side asks: it goes as ever.
    let call = pair.send("fill:300000 room=4");
    assert_eq!(
        pair.server.ask("receive ch room=300000"),
        "message fill:300000"
    );
    assert_eq!(pair.server.ask("read-shared m"), "300000 fill:300000");
    pair.server.ask("reply m 0 done");
    call.end();
}
