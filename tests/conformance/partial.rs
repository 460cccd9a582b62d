//! Reading and writing a part of a message (M-16, M-17, M-20 to M-22).

use crate::flags::NONE;
use resmgr_tests::{Pair, Place};

rules! {
    m16_a_reply_begins_at_the_start_of_the_buffer,
    m17_a_reply_to_somebody_who_waits_no_more_is_esrch,
    m20_the_rest_of_a_message_is_read_at_any_offset,
    m20_a_long_message_is_whole_wherever_it_is_read,
    m22_what_is_written_lies_at_its_offset_and_gaps_stay,
    m3_the_parts_of_reads_and_writes_are_one_buffer,
    m22_a_write_ends_where_the_room_ends,
    m22_a_reply_lies_over_what_was_written,
    m22_where_no_memory_is_left_a_short_reply_still_has_room,
}

fn m16_a_reply_begins_at_the_start_of_the_buffer(place: Place, wait: &'static str) {
    let pair = Pair::new(place, wait, NONE);
    let call = pair.send("x room=2000");
    pair.server.ask("receive ch");
    assert_eq!(pair.server.ask("reply m 0 fill:3000"), "ok");
    assert_eq!(call.end(), "answer 0 2000 fill:2000");
}

fn m17_a_reply_to_somebody_who_waits_no_more_is_esrch(place: Place, wait: &'static str) {
    let pair = Pair::new(place, wait, NONE);
    let call = pair.client.begin("send c x room=4 cancel=t wait=block");
    pair.server.ask("receive ch");
    pair.client.ask("cancel t");
    assert_eq!(call.end(), "interrupted");
    assert_eq!(pair.server.ask("waiting m"), "false");
    assert_eq!(pair.server.ask("read m 0 4"), "error ESRCH");
    assert_eq!(pair.server.ask("write m 0 data"), "error ESRCH");
    assert_eq!(pair.server.ask("reply m 0 late"), "error ESRCH");
    let next = pair.send("next room=4");
    assert_eq!(pair.server.ask("receive ch"), "message next");
    pair.server.ask("reply m 0 fine");
    assert_eq!(next.end(), "answer 0 4 fine");
}

fn m20_the_rest_of_a_message_is_read_at_any_offset(place: Place, wait: &'static str) {
    let pair = Pair::new(place, wait, NONE);
    let call = pair.blocked_send("01234|56789");
    assert_eq!(pair.server.ask("receive ch room=2"), "message 01");
    assert_eq!(pair.server.ask("read m 2 4"), "4 2345");
    assert_eq!(pair.server.ask("read m 2 4"), "4 2345");
    assert_eq!(pair.server.ask("read m 0 100"), "10 0123456789");
    assert_eq!(pair.server.ask("read m 9 100"), "1 9");
    assert_eq!(pair.server.ask("read m 10 1"), "0 -");
    assert_eq!(pair.server.ask(&format!("read m {} 1", usize::MAX)), "0 -");
    assert!(call.is_blocked());
    pair.server.ask("reply m 0 -");
    call.end();
}

fn m20_a_long_message_is_whole_wherever_it_is_read(place: Place, wait: &'static str) {
    let pair = Pair::new(place, wait, NONE);
    // In the slot to its last byte, one byte more, and some pages.
    for len in [896, 897, 300_000] {
        let call = pair.send(&format!("fill:{len} room={len}"));
        assert_eq!(pair.server.ask("receive ch room=100"), "message fill:100");
        assert_eq!(
            pair.server.ask(&format!("read m 0 {len}")),
            format!("{len} fill:{len}")
        );
        assert_eq!(
            pair.server.ask(&format!("write m 0 fill:{len}")),
            len.to_string()
        );
        pair.server.ask("reply m 0 -");
        assert_eq!(call.end(), format!("answer 0 {len} fill:{len}"));
    }
}

fn m22_what_is_written_lies_at_its_offset_and_gaps_stay(place: Place, wait: &'static str) {
    let pair = Pair::new(place, wait, NONE);
    let call = pair.blocked_send("x room=6|10");
    pair.server.ask("receive ch");
    assert_eq!(pair.server.ask("write m 10 xyz"), "3");
    assert_eq!(pair.server.ask("write m 4 abc"), "3");
    assert!(call.is_blocked());
    pair.server.ask("reply m 1 -");
    assert_eq!(call.end(), "answer 1 13 ....abc...xyz...");
}

fn m3_the_parts_of_reads_and_writes_are_one_buffer(place: Place, wait: &'static str) {
    let pair = Pair::new(place, wait, NONE);
    let call = pair.send("01|234|56789 room=4|0|6");
    assert_eq!(pair.server.ask("receive ch room=1|1"), "message 01");
    for (read, expected) in [
        ("3 1|0|2|9", "7 3456789"),
        ("1 3|1", "4 1234"),
        ("9 5|5", "1 9"),
        ("10 1|1", "0 -"),
    ] {
        assert_eq!(pair.server.ask(&format!("read m {read}")), expected);
    }
    assert_eq!(pair.server.ask("write m 1 ab|c|def"), "6");
    // More than there is room for: the parts end in the middle of one.
    assert_eq!(pair.server.ask("write m 8 x|yz|w"), "2");
    pair.server.ask("reply m 0 -");
    assert_eq!(call.end(), "answer 0 10 .abcdef.xy");
}

fn m22_a_write_ends_where_the_room_ends(place: Place, wait: &'static str) {
    let pair = Pair::new(place, wait, NONE);
    let call = pair.send("x room=8");
    pair.server.ask("receive ch");
    assert_eq!(pair.server.ask("write m 6 abcd"), "2");
    for beyond in [8, 9, usize::MAX] {
        let write = format!("write m {beyond} abcd");
        assert_eq!(pair.server.ask(&write), "0", "{beyond}");
        let build = format!("write-shared m abcd {beyond}");
        assert_eq!(pair.server.ask(&build), "0", "{beyond}");
    }
    pair.server.ask("reply m 0 -");
    assert_eq!(call.end(), "answer 0 8 ......ab");
}

fn m22_where_no_memory_is_left_a_short_reply_still_has_room(place: Place, wait: &'static str) {
    let mut pair = Pair::apart(place, wait);
    // One page for the replies of a client.
    pair.open_with(NONE, "bulk=4096");
    pair.attach("c");
    let calls = ["a", "b"].map(|text| {
        let call = pair.send(&format!("{text} room=3000"));
        pair.server.ask(&format!("receive ch as={text}"));
        call
    });
    assert_eq!(pair.server.ask("write a 0 fill:3000"), "3000");
    assert_eq!(pair.server.ask("write b 0 fill:3000"), "error ENOMEM");
    let [a, b] = calls;
    assert_eq!(pair.server.ask("reply b 1 ok"), "ok");
    assert!(b.end().starts_with("answer 1 2 ok.."));
    assert_eq!(pair.server.ask("reply a 2 -"), "ok");
    assert_eq!(a.end(), "answer 2 3000 fill:3000");
}

fn m22_a_reply_lies_over_what_was_written(place: Place, wait: &'static str) {
    let pair = Pair::new(place, wait, NONE);
    let call = pair.send("x room=10");
    pair.server.ask("receive ch");
    pair.server.ask("write m 0 aaaa");
    pair.server.ask("write m 8 bb");
    pair.server.ask("reply m 0 RR");
    assert_eq!(call.end(), "answer 0 10 RRaa....bb");
}
