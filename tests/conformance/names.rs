//! Names (N-*), between processes.

use resmgr_tests::{Pair, Place, field};
use std::sync::atomic::{AtomicBool, Ordering};

fn apart() -> Pair {
    Pair::apart(Place::Other, "")
}

/// The server has the name `printer` and its channel `n`.
fn with_name() -> Pair {
    let pair = apart();
    assert_eq!(pair.server.ask("name-attach printer"), "channel 1");
    pair
}

#[test]
fn n1_a_name_is_a_path_below_dev_name_local() {
    let pair = with_name();
    pair.server.ask("channel other");
    assert_eq!(
        pair.server.ask("name-attach /dev/name/local/x"),
        "error EINVAL"
    );
    assert_eq!(pair.server.ask("name-attach a/../b"), "error EINVAL");
    assert_eq!(
        pair.server
            .ask(&format!("name-attach {}", "x".repeat(5000))),
        "error ENAMETOOLONG"
    );
    assert!(pair.world().has_names());
}

#[test]
fn n2_the_channel_of_a_name_reports_ends_and_unblocks() {
    let pair = with_name();
    let open = pair.client.begin("name-open printer as=c");
    pair.server.ask("receive n");
    pair.server.ask("reply m 0 -");
    assert!(open.end().starts_with("connection "));
    let call = pair.client.begin("send c x cancel=t wait=block").sends();
    pair.server.ask("receive n");
    pair.client.ask("cancel t");
    assert!(pair.server.ask("receive n").starts_with("pulse -32 "));
    pair.server.ask("reply m 0 -");
    call.end();
    pair.client.ask("detach c");
    assert!(pair.server.ask("receive n").starts_with("pulse -33 0 "));
}

#[test]
fn n3_name_and_channel_go_together() {
    let pair = with_name();
    pair.client
        .ask(&format!("attach c {} 1", pair.server.peer.pid()));
    let call = pair.client.begin("send c x wait=block").sends();
    assert_eq!(pair.server.ask("name-detach n"), "ok");
    assert_eq!(call.end(), "gone ESRCH");
    assert_eq!(pair.client.ask("name-open printer"), "error ENOENT");
    assert!(!pair.world().has_names());
}

#[test]
fn n3_a_channel_that_was_there_before_stays() {
    let pair = apart();
    pair.server.ask("channel mine");
    assert_eq!(pair.server.ask("name-attach-on printer mine"), "channel 1");
    pair.client
        .ask(&format!("attach c {} 1", pair.server.peer.pid()));
    pair.server.ask("name-detach n");
    pair.client.ask("pulse c 1 1");
    assert!(pair.server.ask("receive mine").starts_with("pulse 1 1 "));
}

#[test]
fn n4_an_open_is_a_side_channel_and_a_connect_message() {
    let pair = with_name();
    let open = pair.client.begin("name-open printer");
    let message = pair.server.ask("receive n");
    // Type _IO_CONNECT (0x100), subtype _IO_CONNECT_OPEN (2).
    assert!(
        message.starts_with(r"message \x00\x01\x02\x00"),
        "{message}"
    );
    pair.server.ask("reply m 0 -");
    let coid: i32 = open
        .end()
        .strip_prefix("connection ")
        .unwrap()
        .parse()
        .unwrap();
    assert!(coid > 0x4000_0000);
}

#[test]
fn n5_a_name_that_nobody_has_is_enoent() {
    let pair = with_name();
    assert_eq!(pair.client.ask("name-open plotter"), "error ENOENT");
    assert_eq!(pair.client.ask("name-open printer/tray"), "error ENOTDIR");
}

#[test]
fn n6_closing_a_name_detaches_its_connection() {
    let pair = with_name();
    let open = pair.client.begin("name-open printer as=c");
    pair.server.ask("receive n");
    let scoid = pair.server.field("info m", "scoid");
    pair.server.ask("reply m 0 -");
    open.end();
    pair.client.ask("detach c");
    assert_eq!(field(&pair.server.ask("receive n"), "from"), scoid);
}

#[test]
fn n8_the_channel_of_a_name_can_be_reached_by_number() {
    let pair = with_name();
    let attach = format!("attach c {} 1", pair.server.peer.pid());
    assert!(pair.client.ask(&attach).starts_with("connection "));
}

#[test]
fn n9_any_success_and_enosys_open_a_name() {
    let pair = with_name();
    // ENOSYS is 38.
    for answer in ["reply m 0 -", "reply m 0 abcd", "error m 38"] {
        let open = pair.client.begin("name-open printer");
        pair.server.ask("receive n");
        pair.server.ask(answer);
        assert!(open.end().starts_with("connection "), "{answer}");
        pair.client.ask("detach n");
        assert!(pair.server.ask("receive n").starts_with("pulse -33 "));
    }
}

#[test]
fn n9_a_server_that_never_answers_leaves_the_open_blocked() {
    let pair = with_name();
    let open = pair.client.begin("name-open printer");
    pair.server.ask("receive n");
    open.is_sending();
    pair.server.peer.kill();
    assert_eq!(open.end(), "error ENOENT");
}

#[test]
fn n10_a_taken_name_is_ebusy_for_everybody() {
    let pair = with_name();
    assert_eq!(pair.client.ask("name-attach printer"), "error EBUSY");
    assert_eq!(
        pair.server.ask("name-attach printer as=again"),
        "error EBUSY"
    );
    pair.server.ask("name-detach n");
    assert_eq!(pair.client.ask("name-attach printer"), "channel 1");
}

#[test]
fn n11_a_global_name_is_enotsup() {
    let pair = apart();
    // 2 is NAME_FLAG_ATTACH_GLOBAL.
    assert_eq!(
        pair.server.ask("name-attach printer flags=2"),
        "error ENOTSUP"
    );
}

#[test]
fn n12_names_have_directories_and_end_with_their_process() {
    let pair = apart();
    pair.server.ask("name-attach office/printer");
    let open = pair.client.begin("name-open office/printer");
    pair.server.ask("receive n");
    pair.server.ask("reply m 0 -");
    assert!(open.end().starts_with("connection "));
    pair.server.peer.kill();
    resmgr_tests::observe::until("the name is gone", || {
        pair.client.ask("name-open office/printer") == "error ENOENT"
    });
}

#[test]
fn n13_a_name_can_be_waited_for_and_so_can_its_end() {
    for mode in ["", " how=async"] {
        let pair = apart();
        pair.server.ask("channel ch");
        let wait = |until: &str| {
            pair.client
                .begin(&format!("name-wait /dev/x {until}{mode}"))
        };
        assert_eq!(wait("absent").end(), "ok");
        let appears = wait("present");
        assert_eq!(pair.server.ask("path-attach /dev/x ch"), "ok");
        assert_eq!(appears.end(), "ok");
        let (gone, there) = (wait("absent"), wait("present"));
        assert_eq!(there.end(), "ok");
        pair.server.peer.kill();
        assert_eq!(gone.end(), "ok");
    }
}

#[test]
fn n13_a_change_can_be_waited_for() {
    let pair = apart();
    pair.server.ask("channel ch");
    for mode in ["", " how=async"] {
        let wait = format!("name-wait /dev/name/local/printer changed{mode}");
        let (changes, ended) = (pair.client.begin(&wait), AtomicBool::new(false));
        std::thread::scope(|scope| {
            // When the wait has begun is not to be seen from here: so changes go on until it ends.
            scope.spawn(|| {
                while !ended.load(Ordering::Relaxed) {
                    pair.server.ask("name-attach printer");
                    pair.server.ask("name-detach n");
                }
            });
            let end = changes.end();
            ended.store(true, Ordering::Relaxed);
            assert_eq!(end, "ok");
        });
    }
}

#[test]
fn n13_the_wait_for_a_name_outlives_who_serves_and_ends_at_its_deadline() {
    let pair = apart();
    pair.server.ask("channel ch");
    assert_eq!(
        pair.client.ask("name-wait /dev/x present deadline=1"),
        "error ETIMEDOUT"
    );
    let appears = pair.client.begin("name-wait /dev/x present");
    for _ in 0..3 {
        pair.world().kill_namespaced();
    }
    assert_eq!(pair.server.ask("path-attach /dev/x ch"), "ok");
    assert_eq!(appears.end(), "ok");
}
