//! Paths (PN-*), between processes: one that serves several channels, and one that opens.

use resmgr_tests::observe::until;
use resmgr_tests::{Pair, Place, field};

const BEFORE: u32 = 0x1;
const AFTER: u32 = 0x2;
const OPAQUE: u32 = 0x4;
const FTYPEONLY: u32 = 0x8;
const FTYPEALL: u32 = 0x10;
const DIR: u32 = 0x100;
const SELF: u32 = 0x200;

/// File types.
const MQUEUE: u32 = 6;
const NAME: u32 = 12;

fn apart() -> Pair {
    Pair::apart(Place::Other, "")
}

/// The server registers `path` for a new channel, and answers opens there.
fn serve(pair: &Pair, channel: &str, path: &str, answer: &str) {
    serve_as(pair, channel, (path, ""), answer);
}

/// The same with choices of the registration.
fn serve_as(pair: &Pair, channel: &str, (path, choices): (&str, &str), answer: &str) {
    let server = &pair.server;
    server.ask(&format!("channel {channel}"));
    let attach = format!("path-attach {path} {channel} as={channel} {choices}");
    assert_eq!(server.ask(&attach), "ok");
    drop(server.begin(&format!("serve {channel} {answer}")));
}

fn serve_dir(pair: &Pair, channel: &str, path: &str, answer: &str) {
    serve_as(pair, channel, (path, &format!("flags={DIR}")), answer);
}

fn opens(pair: &Pair, path: &str) -> bool {
    let said = pair.client.ask(&format!("open {path}"));
    assert!(
        said.starts_with("file ") || said == "error ENOENT",
        "{said}"
    );
    said.starts_with("file ")
}

/// The path that the channel's server was asked for last; `nothing` when it was not asked.
fn asked(pair: &Pair, channel: &str) -> String {
    let said = pair.server.ask(&format!("asked-for {channel}"));
    if said == "nothing" {
        said
    } else {
        field(&said, "path")
    }
}

#[test]
fn pn1_several_servers_may_have_one_path() {
    let pair = apart();
    pair.server.ask("channel ch");
    pair.client.ask("channel ch");
    assert_eq!(pair.server.ask("path-attach /dev/tty ch"), "ok");
    assert_eq!(pair.client.ask("path-attach /dev/tty ch"), "ok");
}

#[test]
fn pn2_the_longest_prefix_is_asked_first_and_the_newest_within_one() {
    let pair = apart();
    serve_dir(&pair, "long", "/fs/sub", "ok");
    serve_dir(&pair, "old", "/fs", "ok");
    serve_dir(&pair, "new", "/fs", "ok");
    assert!(opens(&pair, "/fs/sub/x"));
    assert_eq!(asked(&pair, "long"), "x");
    assert_eq!(asked(&pair, "new"), "nothing");
    assert!(opens(&pair, "/fs/y"));
    assert_eq!(asked(&pair, "new"), "y");
    assert_eq!(asked(&pair, "old"), "nothing");
}

#[test]
fn pn3_only_a_directory_answers_for_what_is_below() {
    let pair = apart();
    serve_dir(&pair, "d", "/dev/ser", "ok");
    serve(&pair, "f", "/dev/file", "ok");
    assert!(opens(&pair, "/dev/ser/1"));
    assert!(!opens(&pair, "/dev/ser1"));
    assert!(opens(&pair, "/dev/file"));
    assert_eq!(pair.client.ask("open /dev/file/x"), "error ENOTDIR");
}

#[test]
fn pn4_before_after_and_opaque_decide_who_is_asked() {
    let pair = apart();
    let flags = |flags: u32| format!("flags={}", DIR | flags);
    serve_as(&pair, "first", ("/fs", &flags(BEFORE)), "2");
    serve_as(&pair, "last", ("/fs", &flags(AFTER)), "ok");
    serve_as(&pair, "plain", ("/fs", &flags(0)), "2");
    assert!(opens(&pair, "/fs/x"));
    for channel in ["first", "plain", "last"] {
        assert_eq!(asked(&pair, channel), "x", "{channel}");
    }
    serve_as(&pair, "wall", ("/fs/sub", &flags(OPAQUE)), "2");
    assert!(!opens(&pair, "/fs/sub/y"));
    assert_eq!(asked(&pair, "wall"), "y");
    assert_eq!(asked(&pair, "last"), "x");
}

#[test]
fn pn4_a_process_opens_its_own_path_only_with_self() {
    let pair = apart();
    serve(&pair, "hidden", "/dev/hidden", "ok");
    serve_as(&pair, "seen", ("/dev/seen", &format!("flags={SELF}")), "ok");
    assert_eq!(pair.server.ask("open /dev/hidden"), "error ENOENT");
    assert!(pair.server.ask("open /dev/seen").starts_with("file of "));
}

#[test]
fn pn4_ftypeonly_at_the_root_answers_for_one_type() {
    let pair = apart();
    let names = format!("flags={FTYPEONLY} for={NAME}");
    serve_as(&pair, "names", ("-", &names), "ok");
    let said = pair.client.ask("name-open anything");
    assert!(said.starts_with("connection "), "{said}");
    assert_eq!(asked(&pair, "names"), "");
    assert!(!opens(&pair, "/dev/name/local/anything"));
}

#[test]
fn pn4_ftypeall_answers_for_every_type() {
    let pair = apart();
    let choices = format!("flags={FTYPEALL} for={MQUEUE}");
    serve_as(&pair, "all", ("/dev/name/local/all", &choices), "ok");
    let said = pair.client.ask("name-open all");
    assert!(said.starts_with("connection "), "{said}");
}

#[test]
fn pn5_not_here_and_no_such_call_move_on_through_all_registrations() {
    let pair = apart();
    // ENOENT is 2, ENOSYS 38.
    serve_dir(&pair, "root", "/", "ok");
    serve_dir(&pair, "old", "/fs", "2");
    serve_dir(&pair, "new", "/fs", "38");
    assert!(opens(&pair, "/fs/x"));
    assert_eq!(asked(&pair, "new"), "x");
    assert_eq!(asked(&pair, "old"), "x");
    assert_eq!(asked(&pair, "root"), "fs/x");
    pair.server.ask("path-detach root");
    assert!(!opens(&pair, "/fs/x"));
}

#[test]
fn pn5_any_other_error_ends_the_search() {
    let pair = apart();
    serve_dir(&pair, "old", "/fs", "ok");
    // EACCES is 13, EISDIR 21.
    for (channel, number, said) in [("one", "13", "error EACCES"), ("two", "21", "error EISDIR")] {
        serve_dir(&pair, channel, "/fs", number);
        assert_eq!(pair.client.ask("open /fs/x"), said);
    }
    assert_eq!(asked(&pair, "old"), "nothing");
}

#[test]
fn pn6_a_server_gets_the_rest_of_the_path_normalised() {
    let pair = apart();
    let choices = format!("flags={DIR} value=7");
    serve_as(&pair, "s", ("/sample_fsys", &choices), "ok");
    for (asked, expected) in [
        ("/sample_fsys/spud", "path=spud end=0 handle=7"),
        ("/sample_fsys", "path= end=0 handle=7"),
        ("/sample_fsys//a/../b/./c/", "path=b/c end=1 handle=7"),
    ] {
        assert!(opens(&pair, asked));
        assert_eq!(pair.server.ask("asked-for s"), expected);
    }
}

#[test]
fn pn7_a_listing_joins_all_servers_and_the_tree() {
    let pair = apart();
    serve_dir(&pair, "one", "/fs", "dir:a,b");
    serve_dir(&pair, "two", "/fs", "dir:b,c,deep");
    serve_dir(&pair, "not", "/fs", "2");
    serve(&pair, "file", "/fs/c", "ok");
    serve(&pair, "below", "/fs/deep/x", "ok");
    assert_eq!(pair.client.ask("list /fs"), "a? b? c deep/");
    assert_eq!(pair.client.ask("list /fs/c"), "error ENOTDIR");
    // The servers of /fs answer for what is below.
    assert_eq!(pair.client.ask("list /fs/other"), "a? b? c? deep?");
}

#[test]
fn pn7_a_directory_of_100000_names_is_listed_piece_by_piece() {
    let pair = apart();
    pair.server.ask("channel ch");
    assert_eq!(pair.server.ask("path-attach-many /big ch 100000"), "ok");
    assert_eq!(pair.client.ask("count /big"), "100000");
}

#[test]
fn pn8_parents_are_listed_as_long_as_they_lead_somewhere() {
    let pair = apart();
    serve(&pair, "x", "/dev/a/x", "ok");
    assert_eq!(pair.client.ask("list /dev"), "a/");
    assert_eq!(pair.client.ask("stat /dev/a"), "40755");
    pair.server.ask("path-detach x");
    assert_eq!(pair.client.ask("list /dev"), "error ENOENT");
}

#[test]
fn pn9_a_link_of_the_path_manager_leads_on_before_any_server_is_asked() {
    let pair = apart();
    serve_dir(&pair, "root", "/", "2");
    serve_dir(&pair, "ser", "/dev/ser1", "ok");
    for (target, link) in [
        ("ser1", "/dev/modem"),
        ("/dev", "/d"),
        ("../d/modem", "/x/m"),
    ] {
        assert_eq!(pair.server.ask(&format!("symlink {target} {link}")), "ok");
    }
    for way in ["/dev/modem/at", "/d/ser1/at", "/d/modem/at", "/x/m/at"] {
        assert!(opens(&pair, way), "{way}");
        assert_eq!(asked(&pair, "ser"), "at");
    }
    assert_eq!(asked(&pair, "root"), "nothing");
    assert_eq!(pair.client.ask("read-link /x/m"), "../d/modem");
    assert_eq!(pair.client.ask("read-link /dev"), "error EINVAL");
    assert_eq!(pair.client.ask("list /d"), "modem->ser1 ser1/");
    pair.server.ask("unlink /dev/modem");
    assert_eq!(pair.client.ask("open /x/m/at"), "error ENOENT");
}

#[test]
fn pn9_links_stay_with_their_process_whoever_serves_the_names() {
    let pair = apart();
    serve(&pair, "ser", "/dev/ser1", "ok");
    assert_eq!(pair.server.ask("symlink /dev/ser1 /dev/modem"), "ok");
    pair.world().kill_namespaced();
    assert!(opens(&pair, "/dev/modem"));
    assert_eq!(pair.client.ask("symlink x /dev/modem"), "error EEXIST");
    pair.server.peer.kill();
    until("the link is gone", || {
        pair.client.ask("read-link /dev/modem") == "error ENOENT"
    });
}

#[test]
fn pn9_a_servers_link_starts_again() {
    let pair = apart();
    serve_dir(&pair, "fs", "/fs", "link:sub/file");
    serve_dir(&pair, "sub", "/fs/sub", "ok");
    serve_dir(&pair, "abs", "/abs", "link:/fs/sub");
    for way in ["/fs/any", "/abs/x"] {
        assert!(opens(&pair, way));
    }
    assert_eq!(asked(&pair, "sub"), "");
    assert_eq!(asked(&pair, "fs"), "any");
}

#[test]
fn pn9_too_many_links_are_eloop() {
    let pair = apart();
    serve_dir(&pair, "fs", "/fs", "link:again");
    pair.server.ask("symlink b /a");
    pair.server.ask("symlink /a /b");
    for way in ["/fs/x", "/a", "/b/below"] {
        assert_eq!(pair.client.ask(&format!("open {way}")), "error ELOOP");
        assert_eq!(pair.client.ask(&format!("list {way}")), "error ELOOP");
    }
}

#[test]
fn pn9_a_link_that_is_not_to_be_followed_is_eloop() {
    let pair = apart();
    serve(&pair, "ser", "/dev/ser1", "ok");
    for (target, link) in [("ser1", "/dev/modem"), ("/dev", "/d")] {
        assert_eq!(pair.server.ask(&format!("symlink {target} {link}")), "ok");
    }
    // Reading, and O_NOFOLLOW.
    let open = |way| pair.client.ask(&format!("open {way} flags={}", 0x2_0001));
    assert_eq!(open("/d/modem"), "error ELOOP");
    assert!(open("/d/ser1").starts_with("file of "));
}

#[test]
fn pn10_a_file_type_has_to_agree() {
    let pair = apart();
    let queue = format!("for={MQUEUE}");
    serve_as(&pair, "q", ("/dev/name/local/q", &queue), "ok");
    assert!(opens(&pair, "/dev/name/local/q"));
    assert_eq!(pair.client.ask("name-open q"), "error ENOENT");
}

#[test]
fn pn11_nothing_is_enoent_and_a_file_is_no_directory() {
    let pair = apart();
    serve(&pair, "f", "/dev/file", "ok");
    assert!(!opens(&pair, "/dev/none"));
    for command in ["open", "stat", "list"] {
        let said = pair.client.ask(&format!("{command} /dev/file/x"));
        assert_eq!(said, "error ENOTDIR", "{command}");
    }
}

#[test]
fn pn11_a_slash_behind_what_is_no_directory_is_enotdir() {
    let pair = apart();
    assert_eq!(pair.server.ask("manage /dev/null"), "ok");
    assert_eq!(pair.server.ask("symlink /dev/null /dev/zero"), "ok");
    assert!(opens(&pair, "/dev/null") && opens(&pair, "/dev/zero"));
    for way in ["/dev/null/", "/dev/zero/", "/dev/null/."] {
        let said = pair.client.ask(&format!("open {way}"));
        assert_eq!(said, "error ENOTDIR", "{way}");
    }
}

#[test]
fn pn13_neither_dots_nor_links_leave_a_callers_root() {
    let pair = apart();
    serve(&pair, "in", "/jail/dev/x", "ok");
    serve(&pair, "out", "/dev/x", "ok");
    serve_dir(&pair, "fs", "/jail/fs", "link:/dev/x");
    pair.server.ask("symlink /dev /jail/abs");
    pair.server.ask("symlink ../../../dev /jail/rel");
    for way in ["/dev/x", "../../dev/x", "abs/x", "rel/x", "/fs/any"] {
        let said = pair.client.ask(&format!("open {way} root=/jail"));
        assert!(said.starts_with("file of "), "{way}: {said}");
    }
    assert_eq!(asked(&pair, "in"), "");
    assert_eq!(asked(&pair, "out"), "nothing");
    let said = pair.client.ask("open x root=/jail in=/dev");
    assert!(said.starts_with("file of "), "{said}");
    assert_eq!(
        pair.client.ask("list / root=/jail"),
        "abs->/dev dev/ fs/ rel->../../../dev"
    );
    assert!(opens(&pair, "/jail/abs/x"));
    assert_eq!(asked(&pair, "out"), "");
}
