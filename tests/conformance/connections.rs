//! Connections (X-*).

use crate::flags::{DISCONNECT, NONE};
use resmgr_tests::{Pair, Place, field};
use std::path::Path;

rules! {
    x1_another_node_cannot_be_reached,
    x2_side_channel_ids_lie_above_every_descriptor,
    x2_in_the_descriptor_space_the_id_is_a_descriptor,
    x3_both_kinds_of_ids_are_used_alike,
    x5_connections_of_one_process_are_one_client,
    x6_what_is_not_there_is_esrch,
    x7_a_detached_connection_frees_its_number,
    x9_a_client_learns_whom_it_is_connected_to,
    x10_the_kernel_says_who_a_client_is,
    x10_the_system_tells_a_clients_groups_and_session,
    x6_descriptor_numbers_run_out,
}

apart! {
    x4_close_on_exec_is_the_descriptors,
    x8_a_forked_child_cannot_use_its_parents_connection_but_can_attach,
}

/// The second bit from the top.
const SIDE_CHANNEL: i32 = 0x4000_0000;
/// Above every descriptor that a peer has by itself.
const LOWEST: i32 = 200;
/// O_CLOEXEC, as the kernel shows it.
const CLOSE_ON_EXEC: u32 = 0o2_000_000;

fn x1_another_node_cannot_be_reached(place: Place, wait: &'static str) {
    let pair = Pair::new(place, wait, NONE);
    let attachment = format!("{} nd=1", pair.attachment("d"));
    assert_eq!(pair.client.ask(&attachment), "error EHOSTUNREACH");
}

fn x2_side_channel_ids_lie_above_every_descriptor(place: Place, wait: &'static str) {
    let pair = Pair::new(place, wait, NONE);
    let (d, e) = (pair.attach("d"), pair.attach("e"));
    // 0 is the system's own, and the pair's first connection has 1.
    assert_eq!([d, e], [SIDE_CHANNEL + 2, SIDE_CHANNEL + 3]);
}

fn x2_in_the_descriptor_space_the_id_is_a_descriptor(place: Place, wait: &'static str) {
    let pair = Pair::new(place, wait, NONE);
    let attach = |name| {
        pair.client
            .ask(&format!("{} fd={LOWEST}", pair.attachment(name)))
    };
    assert_eq!(attach("d"), format!("connection {LOWEST}"));
    assert_eq!(attach("e"), format!("connection {}", LOWEST + 1));
    let descriptor = format!("/proc/{}/fd/{LOWEST}", pair.client.peer.pid());
    assert!(Path::new(&descriptor).is_symlink());
    pair.client.ask("detach d");
    assert!(!Path::new(&descriptor).is_symlink());
    assert_eq!(attach("f"), format!("connection {LOWEST}"));
}

fn x3_both_kinds_of_ids_are_used_alike(place: Place, wait: &'static str) {
    let pair = Pair::new(place, wait, NONE);
    pair.client
        .ask(&format!("{} fd={LOWEST}", pair.attachment("d")));
    for name in ["c", "d"] {
        let call = pair.client.begin(&format!("send {name} x"));
        assert_eq!(pair.server.ask("receive ch"), "message x");
        pair.server.ask("reply m 0 -");
        assert_eq!(call.end(), "answer 0 0 -");
    }
}

fn x5_connections_of_one_process_are_one_client(place: Place, wait: &'static str) {
    let pair = Pair::new(place, wait, NONE);
    let d = pair.attach("d");
    assert_ne!(pair.attach("e"), d);
    let scoids =
        ["c", "d", "e"].map(|name| pair.client.field(&format!("server-info {name}"), "scoid"));
    assert_eq!(scoids[0], scoids[1]);
    assert_eq!(scoids[0], scoids[2]);
    // Observed of QNX 8: the first one has this number.
    assert_eq!(scoids[0], "65537");
}

fn x6_what_is_not_there_is_esrch(place: Place, wait: &'static str) {
    let pair = Pair::new(place, wait, NONE);
    let server = pair.server.peer.pid();
    assert_eq!(
        pair.client.ask(&format!("attach d {server} 99")),
        "error ESRCH"
    );
    assert_eq!(
        pair.client.ask(&format!("attach d {server} 0")),
        "error ESRCH"
    );
    // The test itself has no channel, and no process has the second number.
    for pid in [std::process::id(), u32::MAX] {
        assert_eq!(pair.client.ask(&format!("attach d {pid} 1")), "error ESRCH");
    }
}

fn x7_a_detached_connection_frees_its_number(place: Place, wait: &'static str) {
    let pair = Pair::new(place, wait, NONE);
    let d = pair.attach("d");
    pair.client.ask("detach d");
    assert_eq!(pair.attach("e"), d);
}

fn x9_a_client_learns_whom_it_is_connected_to(place: Place, wait: &'static str) {
    let pair = Pair::new(place, wait, NONE);
    let info = pair.client.ask("server-info c");
    assert_eq!(field(&info, "pid"), pair.server.peer.pid().to_string());
    assert_eq!(field(&info, "chid"), pair.chid.to_string());
    assert_eq!(field(&info, "flags"), "0");
}

fn x10_the_kernel_says_who_a_client_is(place: Place, wait: &'static str) {
    let pair = Pair::new(place, wait, NONE);
    let scoid = pair.client.field("server-info c", "scoid");
    let info = pair.server.ask(&format!("client-info ch {scoid}"));
    assert_eq!(field(&info, "pid"), pair.client.peer.pid().to_string());
    let (uid, gid) = place.client_ids();
    assert_eq!(field(&info, "uid"), uid.to_string());
    assert_eq!(field(&info, "gid"), gid.to_string());
    for nobody in ["65999", "0", "1", "4294967295"] {
        let said = pair.server.ask(&format!("client-info ch {nobody}"));
        assert_eq!(said, "error EINVAL", "{nobody}");
    }
}

fn x10_the_system_tells_a_clients_groups_and_session(place: Place, wait: &'static str) {
    let pair = Pair::new(place, wait, NONE);
    let scoid = pair.client.field("server-info c", "scoid");
    // Not the tests' session: its leader may be outside this PID namespace, and then it has no number here.
    assert_eq!(pair.client.ask("new-session"), "ok");
    let told = pair.server.ask(&format!("client-info ch {scoid}"));
    let own = pair.client.ask("self-info");
    for name in [
        "pid", "sid", "uid", "gid", "ruid", "rgid", "groups", "flags",
    ] {
        assert_eq!(field(&told, name), field(&own, name), "{name}");
    }
    assert_eq!(field(&told, "sid"), pair.client.peer.pid().to_string());
    let (uid, gid) = place.client_ids();
    assert_eq!(field(&told, "ruid"), uid.to_string());
    assert_eq!(field(&told, "rgid"), gid.to_string());
}

fn x6_descriptor_numbers_run_out(place: Place, wait: &'static str) {
    let pair = Pair::new(place, wait, NONE);
    let attach = |fd: i32| {
        pair.client
            .ask(&format!("{} fd={fd}", pair.attachment("d")))
    };
    assert_eq!(attach(i32::MAX), "error EMFILE");
    assert_eq!(attach(-1), "error EINVAL");
    let (pid, chid) = (pair.server.peer.pid(), pair.chid);
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", pair.client.peer.pid()));
    let limits = limits.unwrap();
    let files = limits
        .lines()
        .find_map(|line| line.strip_prefix("Max open files"));
    let limit: u32 = files
        .unwrap()
        .split_whitespace()
        .next()
        .unwrap()
        .parse()
        .unwrap();
    let lowest = limit - 10;
    let many = pair
        .client
        .ask(&format!("attach-many {pid} {chid} fd={lowest}"));
    assert_eq!(many, "attached 10 EMFILE");
    // Side channels need none.
    assert!(pair.attach("d") > SIDE_CHANNEL);
}

#[test]
fn x1_process_0_is_the_callers_own() {
    let pair = Pair::new(Place::Same, "", NONE);
    assert!(pair.client.ask("attach d 0 1").starts_with("connection "));
    assert_eq!(
        pair.client.field("server-info d", "pid"),
        pair.server.peer.pid().to_string()
    );
}

fn x4_close_on_exec_is_the_descriptors(place: Place) {
    let pair = Pair::new(place, "", NONE);
    // 1 is CLOEXEC.
    pair.client
        .ask(&format!("{} fd={LOWEST} flags=1", pair.attachment("d")));
    pair.client
        .ask(&format!("{} fd={LOWEST}", pair.attachment("e")));
    let flags = [LOWEST, LOWEST + 1].map(|fd| {
        let path = format!("/proc/{}/fdinfo/{fd}", pair.client.peer.pid());
        let text = std::fs::read_to_string(path).unwrap();
        let flags = text
            .lines()
            .find_map(|line| line.strip_prefix("flags:"))
            .unwrap();
        u32::from_str_radix(flags.trim(), 8).unwrap() & CLOSE_ON_EXEC != 0
    });
    assert_eq!(flags, [true, false]);
}

fn x8_a_forked_child_cannot_use_its_parents_connection_but_can_attach(place: Place) {
    let pair = Pair::new(place, "", DISCONNECT);
    let (pid, chid) = (pair.server.peer.pid(), pair.chid);
    let child = pair.client.begin(&format!("fork-send c {pid} {chid}"));
    assert_eq!(pair.server.ask("receive ch"), "message child\\'s");
    let scoid = pair.server.field("info m", "scoid");
    pair.server.ask("reply m 0 -");
    assert_eq!(child.end(), "child ended with 0");
    let pulse = pair.server.ask("receive ch");
    assert_eq!(pulse, format!("pulse -33 0 from={scoid} priority=10"));
    let call = pair.send("parent");
    assert_eq!(pair.server.ask("receive ch"), "message parent");
    pair.server.ask("reply m 0 -");
    assert_eq!(call.end(), "answer 0 0 -");
}
