//! Connections in forked children and in new programs.

use crate::flags::{DISCONNECT, NONE};
use resmgr_tests::{Pair, Pending, Place, field};

apart! {
    x8_a_forked_child_has_the_connections_in_the_descriptor_space,
    x8_a_child_is_a_client_of_its_own,
    x8_a_child_of_a_server_reaches_its_parent,
    x8_no_child_has_what_is_not_inherited,
    x8_a_new_program_has_the_connections_in_the_descriptor_space,
    x8_a_child_finds_no_other_channel_behind_its_number,
    x4_exec_keeps_what_is_not_closed_by_it,
    x4_exec_closes_what_is_marked,
    x2_a_duplicate_is_one_more_connection,
}

/// Above every descriptor that a peer has by itself.
const LOWEST: i32 = 200;
const CLOEXEC: u32 = 0x1;
const NOINHERIT: u32 = 0x4;

/// A pair whose client has the connection `d`, number 200.
fn with_descriptor(place: Place, channel: u32, flags: u32) -> Pair {
    let pair = Pair::new(place, "", channel);
    let attach = format!("{} fd={LOWEST} flags={flags}", pair.attachment("d"));
    assert_eq!(pair.client.ask(&attach), format!("connection {LOWEST}"));
    pair
}

/// Answers one message; who sent it.
fn answer(pair: &Pair, text: &str) -> String {
    assert_eq!(pair.server.ask("receive ch"), format!("message {text}"));
    let info = pair.server.ask("info m");
    pair.server.ask("reply m 0 -");
    info
}

fn x8_a_forked_child_has_the_connections_in_the_descriptor_space(place: Place) {
    let pair = with_descriptor(place, NONE, 0);
    for name in ["d", "#200"] {
        let child = pair.client.begin(&format!("fork-use {name} child"));
        let info = answer(&pair, "child");
        assert_eq!(field(&info, "coid"), LOWEST.to_string());
        assert_eq!(child.end(), "child ended well");
        // The parent's goes on.
        let call = pair.client.begin(&format!("send {name} parent"));
        answer(&pair, "parent");
        assert_eq!(call.end(), "answer 0 0 -");
    }
    assert_eq!(pair.client.ask("fork-use c side"), "child ended with EBADF");
}

fn x8_a_child_is_a_client_of_its_own(place: Place) {
    let pair = with_descriptor(place, DISCONNECT, 0);
    let parents = pair.client.field("server-info d", "scoid");
    let child = pair.client.begin("fork-use d child");
    let info = answer(&pair, "child");
    assert_ne!(field(&info, "scoid"), parents);
    assert_ne!(field(&info, "pid"), pair.client.peer.pid().to_string());
    assert_eq!(field(&info, "uid"), place.client_ids().0.to_string());
    child.end();
    let pulse = pair.server.ask("receive ch");
    assert_eq!(field(&pulse, "from"), field(&info, "scoid"));
    // A child that does nothing is nobody to the server.
    let silent = pair.client.peer.fork(true);
    pair.world().orphan(silent);
    pair.world().end_orphans();
    assert_eq!(pair.server.ask("receive ch deadline=0"), "error ETIMEDOUT");
}

fn x8_a_child_of_a_server_reaches_its_parent(place: Place) {
    let pair = Pair::new(place, "", NONE);
    let attach = format!("{} fd={LOWEST}", pair.attachment("mine"));
    pair.server.ask(&attach);
    let child = pair.server.begin("fork-use mine child");
    assert_eq!(pair.server.ask("receive ch"), "message child");
    pair.server.ask("reply m 0 -");
    assert_eq!(child.end(), "child ended well");
}

fn x8_no_child_has_what_is_not_inherited(place: Place) {
    let pair = with_descriptor(place, NONE, NOINHERIT);
    for name in ["d", "#200"] {
        let said = pair.client.ask(&format!("fork-use {name} child"));
        assert_eq!(said, "child ended with EBADF");
    }
    assert_eq!(pair.client.ask("spawn send #200 child"), "error EBADF");
    // The flag may come and go.
    pair.client.ask(&format!("flags d {NOINHERIT} 0"));
    let child = pair.client.begin("fork-use d child");
    answer(&pair, "child");
    assert_eq!(child.end(), "child ended well");
    pair.client.ask(&format!("flags d {NOINHERIT} {NOINHERIT}"));
    assert_eq!(
        pair.client.ask("fork-use d child"),
        "child ended with EBADF"
    );
}

fn x8_a_new_program_has_the_connections_in_the_descriptor_space(place: Place) {
    let pair = with_descriptor(place, NONE, 0);
    let program = pair.client.begin("spawn send #200 program");
    let info = answer(&pair, "program");
    assert_ne!(field(&info, "pid"), pair.client.peer.pid().to_string());
    assert_eq!(program.end(), "answer 0 0 -");
    let told = pair.client.ask("spawn info-from 200");
    assert_eq!(field(&told, "pid"), pair.server.peer.pid().to_string());
    assert_eq!(field(&told, "coid"), LOWEST.to_string());
    assert_eq!(pair.client.ask("spawn detach-id 200"), "ok");
    assert_eq!(pair.client.ask("spawn detach-id 0"), "error EINVAL");
    assert_eq!(pair.client.ask("spawn send c x"), "");
}

fn x8_a_child_finds_no_other_channel_behind_its_number(place: Place) {
    let mut pair = with_descriptor(place, NONE, 0);
    let old = pair.chid;
    pair.server.ask("destroy ch");
    pair.open(NONE);
    assert_eq!(pair.chid, old);
    assert_eq!(pair.client.ask("fork-use d x"), "child ended with ESRCH");
    assert_eq!(pair.client.ask("spawn send #200 x"), "error ESRCH");
    pair.server.peer.kill();
    assert_eq!(pair.client.ask("spawn send #200 x"), "error ESRCH");
}

/// Has the client's process run its program from the beginning.
fn execute(pair: &Pair) -> Pending {
    let old = pair.client.begin("exec-self");
    // Its connections have ended, so its threads have as well: nobody else reads the next command.
    assert!(pair.server.ask("receive ch").starts_with("pulse -33 0 "));
    assert_eq!(pair.client.ask("ready"), "ready");
    old
}

fn x4_exec_keeps_what_is_not_closed_by_it(place: Place) {
    let pair = with_descriptor(place, DISCONNECT, 0);
    let _old = execute(&pair);
    let call = pair.client.begin("send #200 again");
    let info = answer(&pair, "again");
    assert_eq!(field(&info, "pid"), pair.client.peer.pid().to_string());
    assert_eq!(call.end(), "answer 0 0 -");
    assert_eq!(pair.client.ask("detach-id 200"), "ok");
    assert_eq!(
        field(&pair.server.ask("receive ch"), "from"),
        field(&info, "scoid")
    );
}

fn x4_exec_closes_what_is_marked(place: Place) {
    for flags in [CLOEXEC, NOINHERIT] {
        let pair = with_descriptor(place, DISCONNECT, flags);
        let _old = execute(&pair);
        assert_eq!(pair.client.ask("send #200 x"), "error EBADF");
        assert_eq!(pair.client.ask("detach-id 200"), "error EINVAL");
    }
    let pair = with_descriptor(place, DISCONNECT, 0);
    pair.client.ask(&format!("flags d {CLOEXEC} {CLOEXEC}"));
    let _old = execute(&pair);
    assert_eq!(pair.client.ask("send #200 x"), "error EBADF");
}

fn x2_a_duplicate_is_one_more_connection(place: Place) {
    let pair = with_descriptor(place, DISCONNECT, 0);
    assert_eq!(pair.client.ask("dup2 200 230"), "ok");
    let call = pair.client.begin("send #230 x");
    let info = answer(&pair, "x");
    assert_eq!(field(&info, "coid"), "230");
    assert_eq!(call.end(), "answer 0 0 -");
    assert_eq!(
        field(&info, "scoid"),
        pair.client.field("server-info d", "scoid")
    );
    assert_eq!(pair.client.ask("from-descriptor e 200"), "connection 300");
    for name in ["c", "d", "e"] {
        pair.client.ask(&format!("detach {name}"));
    }
    assert_eq!(pair.server.ask("receive ch deadline=0"), "error ETIMEDOUT");
    pair.client.ask("detach-id 230");
    assert!(pair.server.ask("receive ch").starts_with("pulse -33 0 "));
}
