//! Connections by number (X-7, X-9, X-11, C-12).

use crate::flags::{DISCONNECT, NONE, UNBLOCK};
use resmgr_tests::{BLOCKING, Pair, Pending, Place, field};
use std::path::Path;

rules! {
    x3_a_number_is_as_good_as_a_connection,
    x5_a_connection_that_is_not_shared_is_a_client_of_its_own,
    x7_a_detached_number_ends_its_own_sends_with_ebadf,
    x7_a_detached_number_ends_the_calls_that_nobody_waits_in,
    x7_the_server_of_a_detached_send_cannot_answer_it,
    x7_an_unblock_channel_learns_of_a_detached_send,
    x7_what_is_no_connection_is_einval,
    x7_who_still_holds_a_detached_connection_gets_ebadf,
    x9_the_next_higher_connection_answers_for_a_number,
    x11_flags_are_set_under_a_mask_and_the_old_ones_told,
    x11_flags_that_cannot_be_set_are_refused,
    x2_a_closed_descriptor_is_a_detached_connection,
    x2_what_took_a_descriptors_place_stays_open,
    c12_a_dead_number_stays_until_it_is_detached,
}

const SIDE_CHANNEL: i32 = 0x4000_0000;
/// Above every descriptor that a peer has by itself.
const LOWEST: i32 = 200;

const CLOEXEC: u32 = 0x1;
const DEAD: u32 = 0x2;
const NOSHARE: u32 = 0x40;
const INSECURE: u32 = 0x1000;
const REG_EVENTS: u32 = 0x2000;

/// A further connection in the descriptor space; its number.
fn attach_descriptor(pair: &Pair, name: &str) -> i32 {
    let said = pair
        .client
        .ask(&format!("{} fd={LOWEST}", pair.attachment(name)));
    said.strip_prefix("connection ").unwrap().parse().unwrap()
}

/// A call through `name` that somebody has received as `held`.
fn received(pair: &Pair, name: &str, held: &str) -> Pending {
    let call = pair
        .client
        .begin(&format!("send {name} {held} room=4 {}", pair.wait()));
    let said = pair.server.ask(&format!("receive ch as={held}"));
    assert_eq!(said, format!("message {held}"));
    call
}

fn exchange(pair: &Pair, name: &str) {
    let call = received(pair, name, "x");
    pair.server.ask("reply x 0 -");
    assert_eq!(call.end(), "answer 0 0 ....");
}

fn x3_a_number_is_as_good_as_a_connection(place: Place, wait: &'static str) {
    let pair = Pair::new(place, wait, NONE);
    let coid = pair.attach("d");
    assert_eq!(pair.client.ask("into-id d"), format!("id {coid}"));
    exchange(&pair, &format!("#{coid}"));
    assert_eq!(pair.client.ask(&format!("pulse #{coid} 1 2")), "ok");
    assert!(pair.server.ask("receive ch").starts_with("pulse 1 2 "));
    assert_eq!(pair.client.ask(&format!("detach-id {coid}")), "ok");
    assert_eq!(pair.client.ask(&format!("send #{coid} x")), "error EBADF");
    exchange(&pair, "c");
}

fn x5_a_connection_that_is_not_shared_is_a_client_of_its_own(place: Place, wait: &'static str) {
    let pair = Pair::new(place, wait, DISCONNECT);
    let scoid = |name: &str| pair.client.field(&format!("server-info {name}"), "scoid");
    pair.client
        .ask(&format!("{} flags={NOSHARE}", pair.attachment("own")));
    pair.attach("d");
    assert_ne!(scoid("own"), scoid("c"));
    assert_eq!(scoid("d"), scoid("c"));
    exchange(&pair, "own");
    let own = scoid("own");
    pair.client.ask("detach own");
    assert_eq!(pair.server.field("receive ch", "from"), own);
    exchange(&pair, "c");
    pair.client
        .ask(&format!("{} flags={NOSHARE}", pair.attachment("own")));
    pair.server.ask("destroy ch");
    assert_eq!(pair.client.ask("send own x"), "gone ESRCH");
}

fn x7_a_detached_number_ends_its_own_sends_with_ebadf(place: Place, wait: &'static str) {
    let pair = Pair::new(place, wait, NONE);
    let coid = pair.attach("d");
    let theirs = received(&pair, "d", "theirs");
    let mine = received(&pair, "c", "mine");
    let queued = pair
        .client
        .begin(&format!("send d queued {BLOCKING}"))
        .sends();
    assert_eq!(pair.client.ask(&format!("detach-id {coid}")), "ok");
    assert_eq!(theirs.end(), "gone EBADF");
    assert_eq!(queued.end(), "gone EBADF");
    assert!(mine.is_blocked());
    assert_eq!(pair.server.ask("receive ch deadline=0"), "error ETIMEDOUT");
    pair.server.ask("reply mine 7 good");
    assert_eq!(mine.end(), "answer 7 4 good");
    exchange(&pair, "c");
}

fn x7_a_detached_number_ends_the_calls_that_nobody_waits_in(place: Place, wait: &'static str) {
    let pair = Pair::new(place, wait, NONE);
    let coid = pair.attach("d");
    pair.client.ask("begin polled d a");
    pair.client.ask("begin awaited d b");
    pair.client.ask("begin mine c c");
    for held in ["a", "b", "c"] {
        pair.server.ask(&format!("receive ch as={held}"));
    }
    let waiting = pair
        .client
        .begin(&format!("wait awaited {BLOCKING}"))
        .sends();
    let future = pair.client.begin("send-async d f");
    pair.server.ask("receive ch as=f");
    pair.client.ask(&format!("detach-id {coid}"));
    assert_eq!(pair.client.ask("poll polled"), "gone EBADF");
    assert_eq!(waiting.end(), "gone EBADF");
    assert_eq!(future.end(), "gone EBADF");
    assert_eq!(pair.client.ask("begin more d x"), "gone EBADF");
    assert_eq!(pair.client.ask("poll mine"), "nothing");
    for held in ["a", "b", "f"] {
        assert_eq!(pair.server.ask(&format!("reply {held} 0 -")), "error ESRCH");
    }
    pair.server.ask("reply c 3 -");
    assert_eq!(pair.client.ask("wait mine"), "answer 3 0 -");
}

fn x7_the_server_of_a_detached_send_cannot_answer_it(place: Place, wait: &'static str) {
    let pair = Pair::new(place, wait, NONE);
    let coid = pair.attach("d");
    let call = received(&pair, "d", "m");
    pair.client.ask(&format!("detach-id {coid}"));
    assert_eq!(call.end(), "gone EBADF");
    assert_eq!(pair.server.ask("waiting m"), "false");
    assert_eq!(pair.server.ask("read m 0 1"), "error ESRCH");
    assert_eq!(pair.server.ask("reply m 0 -"), "error ESRCH");
    exchange(&pair, "c");
}

fn x7_an_unblock_channel_learns_of_a_detached_send(place: Place, wait: &'static str) {
    let pair = Pair::new(place, wait, UNBLOCK);
    let coid = pair.attach("d");
    let call = received(&pair, "d", "m");
    let rcvid = pair.server.ask("rcvid m");
    pair.client.ask(&format!("detach-id {coid}"));
    // It does not wait for what the server makes of it.
    assert_eq!(call.end(), "gone EBADF");
    let pulse = pair.server.ask("receive ch");
    assert!(pulse.starts_with(&format!("pulse -32 {rcvid} ")), "{pulse}");
    assert_eq!(pair.server.ask("error m 4"), "error ESRCH");
    exchange(&pair, "c");
}

fn x7_what_is_no_connection_is_einval(place: Place, wait: &'static str) {
    let pair = Pair::new(place, wait, NONE);
    // Standard input is a descriptor, but no connection; the others are nothing at all.
    for coid in [0, 999, SIDE_CHANNEL, SIDE_CHANNEL + 999, -1] {
        let said = pair.client.ask(&format!("detach-id {coid}"));
        assert_eq!(said, "error EINVAL", "{coid}");
        assert_eq!(pair.client.ask(&format!("send #{coid} x")), "error EBADF");
    }
}

fn x7_who_still_holds_a_detached_connection_gets_ebadf(place: Place, wait: &'static str) {
    let pair = Pair::new(place, wait, NONE);
    for attach in [Pair::attach, attach_descriptor] {
        let coid = attach(&pair, "d");
        pair.client.ask(&format!("detach-id {coid}"));
        assert_eq!(pair.client.ask("send d x"), "gone EBADF");
        assert_eq!(pair.client.ask("pulse d 1 1"), "error EBADF");
        assert_eq!(pair.client.ask("flags d 0 0"), "error EBADF");
        // The number is another connection's, which the old one's end does not touch.
        assert_eq!(attach(&pair, "e"), coid);
        assert_eq!(pair.client.ask("detach d"), "ok");
        exchange(&pair, "e");
        pair.client.ask("detach e");
    }
}

fn x9_the_next_higher_connection_answers_for_a_number(place: Place, wait: &'static str) {
    let pair = Pair::new(place, wait, NONE);
    let (low, high) = (attach_descriptor(&pair, "d"), pair.attach("e"));
    let at = |coid: i32| pair.client.field(&format!("info-from {coid}"), "coid");
    assert_eq!(at(0), low.to_string());
    assert_eq!(at(low), low.to_string());
    assert_eq!(at(low + 1), (SIDE_CHANNEL + 1).to_string());
    assert_eq!(at(high), high.to_string());
    let none = format!("info-from {}", high + 1);
    assert_eq!(pair.client.ask(&none), "error EINVAL");
    let info = pair.client.ask(&format!("info-from {high}"));
    assert_eq!(field(&info, "pid"), pair.server.peer.pid().to_string());
    assert_eq!(field(&info, "chid"), pair.chid.to_string());
}

fn c12_a_dead_number_stays_until_it_is_detached(place: Place, wait: &'static str) {
    let pair = Pair::new(place, wait, NONE);
    for coid in [pair.attach("d"), attach_descriptor(&pair, "e")] {
        let live = pair.client.ask(&format!("live-from {coid}"));
        assert_eq!(live, coid.to_string());
    }
    pair.client.ask("detach c");
    pair.server.ask("destroy ch");
    let dead = SIDE_CHANNEL + 2;
    assert_eq!(pair.client.ask(&format!("send #{dead} x")), "gone ESRCH");
    for coid in [LOWEST, dead] {
        let info = pair.client.ask(&format!("info-from {coid}"));
        assert_eq!(field(&info, "coid"), coid.to_string());
        assert_eq!(field(&info, "flags"), DEAD.to_string());
        // Without a place for the answer the dead are passed over.
        assert_eq!(
            pair.client.ask(&format!("live-from {coid}")),
            "error EINVAL"
        );
        assert_eq!(pair.client.ask(&format!("detach-id {coid}")), "ok");
        assert_eq!(
            pair.client.ask(&format!("detach-id {coid}")),
            "error EINVAL"
        );
    }
}

fn x11_flags_are_set_under_a_mask_and_the_old_ones_told(place: Place, wait: &'static str) {
    let pair = Pair::new(place, wait, NONE);
    attach_descriptor(&pair, "d");
    let set = |name: &str, mask: u32, bits: u32| {
        let said = pair.client.ask(&format!("flags {name} {mask} {bits}"));
        said.strip_prefix("flags ").unwrap().parse::<u32>().unwrap()
    };
    for name in ["c", "d"] {
        assert_eq!(
            set(name, CLOEXEC | INSECURE, CLOEXEC | INSECURE | REG_EVENTS),
            0
        );
        assert_eq!(set(name, CLOEXEC, 0), CLOEXEC | INSECURE);
        assert_eq!(set(name, 0, CLOEXEC), INSECURE);
        assert_eq!(set(name, REG_EVENTS, REG_EVENTS), INSECURE);
        let all = INSECURE | REG_EVENTS;
        assert_eq!(set(name, 0, 0), all);
        let told = pair.client.field(&format!("server-info {name}"), "flags");
        assert_eq!(told, all.to_string());
        exchange(&pair, name);
    }
    pair.server.ask("destroy ch");
    assert_eq!(set("c", 0, 0) & DEAD, DEAD);
}

fn x11_flags_that_cannot_be_set_are_refused(place: Place, wait: &'static str) {
    let pair = Pair::new(place, wait, NONE);
    assert_eq!(
        pair.client.ask(&format!("flags c {DEAD} 0")),
        "error EINVAL"
    );
    assert_eq!(
        pair.client.ask(&format!("flags c {NOSHARE} {NOSHARE}")),
        "error EINVAL"
    );
    // LOCAL, ALLOWED, PIPE, and no flag of any release.
    for unknown in [0x8, 0x80, 0x400, 1 << 30] {
        let said = pair.client.ask(&format!("flags c {unknown} 0"));
        assert_eq!(said, "error ENOTSUP");
        let attach = format!("{} flags={unknown}", pair.attachment("d"));
        assert_eq!(pair.client.ask(&attach), "error ENOTSUP");
    }
    let attach = format!("{} flags={DEAD}", pair.attachment("d"));
    assert_eq!(pair.client.ask(&attach), "error EINVAL");
}

fn x2_a_closed_descriptor_is_a_detached_connection(place: Place, wait: &'static str) {
    let pair = Pair::new(place, wait, DISCONNECT);
    let fd = attach_descriptor(&pair, "d");
    assert_eq!(pair.client.ask(&format!("close {fd}")), "ok");
    // Nobody has looked yet.
    exchange(&pair, "d");
    assert_eq!(pair.client.ask(&format!("detach-id {fd}")), "error EINVAL");
    assert_eq!(pair.client.ask("send d x"), "gone EBADF");
    // Its number goes to the next one.
    assert_eq!(attach_descriptor(&pair, "e"), fd);
    pair.client.ask(&format!("close {fd}"));
    assert_eq!(attach_descriptor(&pair, "f"), fd);
    assert_eq!(pair.client.ask("send e x"), "gone EBADF");
    pair.client.ask("detach e");
    exchange(&pair, "f");
    // The server has seen one client throughout.
    assert_eq!(pair.server.ask("receive ch deadline=0"), "error ETIMEDOUT");
}

fn x2_what_took_a_descriptors_place_stays_open(place: Place, wait: &'static str) {
    let pair = Pair::new(place, wait, NONE);
    let link = |fd: i32| {
        let path = format!("/proc/{}/fd/{fd}", pair.client.peer.pid());
        std::fs::read_link(path).ok()
    };
    let fd = attach_descriptor(&pair, "d");
    pair.client.ask(&format!("dup2 0 {fd}"));
    let info = pair.client.ask(&format!("info-from {fd}"));
    assert_eq!(field(&info, "coid"), (SIDE_CHANNEL + 1).to_string());
    assert_eq!(pair.client.ask("send d x"), "gone EBADF");
    pair.client.ask("detach d");
    assert!(link(fd).is_some() && link(fd) == link(0));
    let next = attach_descriptor(&pair, "e");
    pair.client.ask(&format!("dup2 0 {next}"));
    pair.client.ask("detach e");
    assert!(link(next) == link(0));
    assert!(Path::new(&format!("/proc/{}", pair.client.peer.pid())).exists());
}
