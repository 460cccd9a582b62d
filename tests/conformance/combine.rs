//! Combine messages (CB-1 to CB-7): counted by the server, which shows each message that it has answered.

use resmgr_sys::process;
use resmgr_tests::observe::until;
use resmgr_tests::{Log, Peer, World};

/// A server of a file system, what it shows, and a client.
fn served(world: &World) -> (Peer, Log, Peer) {
    let (server, log) = world.peer_with_log();
    assert_eq!(server.ask("serve-files f /fs 777"), "ok");
    let client = world.peer();
    assert_eq!(client.ask("at open /fs/a 640 rd+wr+creat a"), "ok");
    mark(&client, &log);
    (server, log, client)
}

/// The messages until now.
fn mark(client: &Peer, log: &Log) -> Vec<String> {
    client.ask("at lstat /fs/mark");
    log.until("/fs/mark")
}

/// What a call brings, and the messages that it has cost.
fn cost(client: &Peer, log: &Log, call: &str) -> (String, Vec<String>) {
    (client.ask(call), mark(client, log))
}

#[test]
fn cb2_a_call_by_path_is_one_message() {
    let world = World::new();
    let (_server, log, client) = served(&world);
    // The rows are root's; an ordinary user's files are its own.
    let ids = [process::effective_uid(), process::effective_gid()].map(|id| id.to_string());
    let owned = |text: &str| text.replace("0:0", &ids.join(":"));
    for (call, brings, message) in [
        (
            "stat /fs/a",
            "mode=100640 links=1 owner=0:0 size=0",
            "stat = 96 bytes",
        ),
        ("access /fs/a rw", "ok", "stat = 96 bytes"),
        ("chmod /fs/a 600", "ok", "chmod 0600 = ok"),
        // To whom it belongs already: anybody may.
        ("chown /fs/a 0 0", "ok", "chown 0:0 = ok"),
        (
            "utime /fs/a 5 6",
            "ok",
            "utime 5.000000000 6.000000000 = ok",
        ),
        ("truncate /fs/a 9", "ok", "space free 9+ = 8 bytes"),
        ("pathconf /fs/a 3", "255", "pathconf 3 = 255"),
        (
            "statvfs /fs/a",
            "longest=255",
            "devctl 0x4058020d 88 = 104 bytes",
        ),
        ("setxattr /fs/a user.x 1", "ok", "setxattr user.x 1 = ok"),
        ("getxattr /fs/a user.x", "1", "getxattr user.x = 1 bytes"),
        ("listxattr /fs/a", "[\"user.x\"]", "listxattr = 7 bytes"),
        ("removexattr /fs/a user.x", "ok", "removexattr user.x = ok"),
    ] {
        let (call, brings) = (call.replace("0 0", &ids.join(" ")), owned(brings));
        let (brought, messages) = cost(&client, &log, &format!("at {call}"));
        assert_eq!(brought, brings, "{call}");
        assert_eq!(messages.len(), 1, "{call}: {messages:?}");
        assert!(messages[0].starts_with("/fs/a open "), "{messages:?}");
        let behind = format!(" a + {}", owned(message));
        assert!(messages[0].ends_with(&behind), "{call}: {messages:?}");
    }
}

#[test]
fn hp11_a_change_of_names_is_one_message_with_the_new_name_as_its_path() {
    let world = World::new();
    let (_server, log, client) = served(&world);
    for (call, message) in [
        ("mkdir /fs/d 755", "/fs/d mkdir 0755 d = ok"),
        ("rename /fs/a /fs/d/b", "/fs/d/b rename a d/b = ok"),
        ("link /fs/d/b /fs/c", "/fs/c link d/b c = ok"),
        ("symlink d/b /fs/l", "/fs/l symlink d/b l = ok"),
        ("mknod /fs/p 10644", "/fs/p mknod 010644 p = ok"),
        ("rmdir /fs/d", "/fs/d rmdir d = ENOTEMPTY"),
        ("unlink /fs/c", "/fs/c unlink c = ok"),
    ] {
        let (_, messages) = cost(&client, &log, &format!("at {call}"));
        assert_eq!(messages, [message], "{call}");
    }
    assert_eq!(client.ask("at readlink /fs/l"), "d/b");
    let other = world.peer();
    assert_eq!(other.ask("at readlink /fs/l"), "d/b");
    assert_eq!(other.ask("at lstat /fs/a"), "error ENOENT");
}

#[test]
fn cb2_a_link_sends_the_client_on_with_the_same_message() {
    let world = World::new();
    let (_server, log, client) = served(&world);
    assert_eq!(client.ask("at symlink a /fs/l"), "ok");
    mark(&client, &log);
    let (brought, messages) = cost(&client, &log, "at chmod /fs/l 600");
    assert_eq!(brought, "ok");
    let paths: Vec<_> = messages.iter().map(|line| line.split(' ').next()).collect();
    assert_eq!(paths, [Some("/fs/l"), Some("/fs/a")], "{messages:?}");
    let told = client.ask("at stat /fs/a");
    assert!(told.starts_with("mode=100600 "), "{told}");
}

#[test]
fn cb2_a_link_of_any_length_is_followed() {
    let world = World::new();
    let (_server, _log, client) = served(&world);
    let deep: Vec<_> = ["a", "b", "c", "d"].map(|name| name.repeat(220)).to_vec();
    for depth in 1..=deep.len() {
        let dir = deep[..depth].join("/");
        assert_eq!(client.ask(&format!("at mkdir /fs/{dir} 755")), "ok");
    }
    let text = deep.join("/");
    for (target, link) in [(&*text, "/fs/l"), (&*format!("{text}/none"), "/fs/m")] {
        assert_eq!(client.ask(&format!("at symlink {target} {link}")), "ok");
        assert_eq!(client.ask(&format!("at readlink {link}")), target);
    }
    assert!(client.ask("at stat /fs/l").starts_with("mode=40755 "));
    assert_eq!(client.ask("at open /fs/l 0 rd+directory d"), "ok");
    assert_eq!(client.ask("at stat /fs/m"), "error ENOENT");
}

#[test]
fn cb2_the_open_of_a_combine_ends_with_it() {
    let world = World::new();
    let (server, client) = (world.peer(), world.peer());
    assert_eq!(server.ask("serve-probe p /probe/file sour"), "ok");
    let stands = |opens: usize, closes: usize| {
        let said = server.ask("probe-counts p");
        let wanted = format!("opens={opens} dups=0 closes={closes} ");
        said.starts_with(&wanted)
    };
    // Nothing is told of a close message: there was none. (What it would do, to release the locks of the process, a
    // stat() must not do.)
    for count in 1..=3 {
        let told = client.ask("at stat /probe/file");
        assert!(told.starts_with("mode=100666 "), "{told}");
        until("the open has ended", || stands(count, count));
    }
    assert_eq!(client.ask("at open /probe/file 0 rd f"), "ok");
    assert!(stands(4, 3));
}

#[test]
fn cb4_a_part_that_fails_ends_the_combine_with_its_error() {
    let world = World::new();
    let (server, client) = (world.peer(), world.peer());
    assert_eq!(server.ask("serve-probe p /probe/file bytes"), "ok");
    // The open: nothing behind it is done.
    assert_eq!(client.ask("at chmod /probe/none 600"), "error ENOENT");
    assert!(server.ask("probe-counts p").starts_with("opens=0 "));
    // What is behind the open: that ends all the same.
    let said = client.ask("at setxattr /probe/file user.x 1");
    assert_eq!(said, "error ENOTSUP");
    until("the open has ended", || {
        let said = server.ask("probe-counts p");
        said.starts_with("opens=1 ") && said.contains(" closes=1 ")
    });
}

#[test]
fn cb3_a_seek_with_a_read_is_one_message_and_moves_the_position() {
    let world = World::new();
    let (_server, log, client) = served(&world);
    assert_eq!(client.ask("file-write a 0123456789"), "10");
    mark(&client, &log);
    let (brought, messages) = cost(&client, &log, "file-seek-read a 4 3");
    assert_eq!((&*brought, messages.len()), ("456", 1), "{messages:?}");
    let (brought, messages) = cost(&client, &log, "file-seek-write a 2 xy");
    assert_eq!((&*brought, messages.len()), ("2", 1), "{messages:?}");
    assert_eq!(client.ask("file-position a"), "4");
    assert_eq!(client.ask("file-seek-read a 0 9"), "01xy45678");
}

#[test]
fn cb7_an_exclusive_open_is_one_message_without_a_look_before() {
    let world = World::new();
    let (_server, log, client) = served(&world);
    for brings in ["ok", "error EEXIST"] {
        let call = "at open /fs/new 640 rd+wr+creat+excl b";
        let (brought, messages) = cost(&client, &log, call);
        assert_eq!((&*brought, messages.len()), (brings, 1), "{messages:?}");
    }
}

/// A server that notes what its handlers are given, and a client with a connection `c` to it, without an open.
fn noted(world: &World) -> (Peer, Peer) {
    let server = world.peer();
    let said = server.ask("serve-loop l /loop/file 1");
    let chid = said.strip_prefix("channel ").unwrap();
    let client = world.peer();
    let said = client.ask(&format!("attach c {} {chid}", server.pid()));
    assert!(said.starts_with("connection "), "{said}");
    (server, client)
}

/// The first words of what the server has been given since it was last asked.
fn given(server: &Peer) -> String {
    let said = server.ask("loop-seen l");
    let verbs = said.split(", ").map(|one| one.split(' ').next().unwrap());
    verbs.collect::<Vec<_>>().join(" ")
}

#[test]
fn cb1_the_parts_of_a_combine_are_done_in_their_order() {
    let world = World::new();
    let (server, client) = noted(&world);
    for _ in 0..3 {
        let said = client.ask("hand c close seek:1 read:2");
        assert_eq!(said, "answer 2 at");
        assert_eq!(given(&server), "open read close");
    }
    // Nothing is left of them.
    assert_eq!(client.ask("hand c read:2"), "refused EBADF");
}

#[test]
fn cb3_an_open_that_stays_is_one_message_with_the_call_behind_it() {
    let world = World::new();
    let (server, client) = noted(&world);
    assert_eq!(client.ask("hand c combine read:2"), "answer 2 da");
    assert_eq!(given(&server), "open read");
    // Its position is the open's.
    assert_eq!(client.ask("hand c read:9"), "answer 2 ta");
    assert_eq!(client.ask("hand c seek:1 read:2"), "answer 2 at");
    assert_eq!(client.ask("hand c bye"), "answer 0 -");
    until("the open has ended", || given(&server).ends_with("close"));
    assert_eq!(client.ask("hand c read:9"), "refused EBADF");
}

#[test]
fn cb4_an_open_whose_call_fails_does_not_stay() {
    let world = World::new();
    let (server, client) = noted(&world);
    assert_eq!(client.ask("hand c combine write:!"), "refused EIO");
    until("the open has ended", || {
        server.ask("loop-seen l").ends_with("close")
    });
    assert_eq!(client.ask("hand c read:2"), "refused EBADF");
}

#[test]
fn cb1_what_stands_behind_an_open_is_a_call_on_it() {
    let world = World::new();
    let (server, client) = noted(&world);
    for (parts, refused) in [
        ("close", "EBADMSG"),
        ("combine", "EBADMSG"),
        ("close close stat", "ENOSYS"),
        ("combine combine read:1", "ENOSYS"),
        ("combine bye", "ENOSYS"),
        ("close bye", "ENOSYS"),
    ] {
        let said = client.ask(&format!("hand c {parts}"));
        assert_eq!(said, format!("refused {refused}"), "{parts}");
        // The open's handler is not asked.
        assert_eq!(given(&server), "", "{parts}");
        assert_eq!(client.ask("hand c read:2"), "refused EBADF", "{parts}");
    }
}

#[test]
fn cb4_what_was_done_before_a_part_that_fails_stays_done() {
    let world = World::new();
    let (server, client) = noted(&world);
    assert_eq!(client.ask("file-open f /loop/file"), "ok");
    assert_eq!(client.ask("file-seek-write f 2 !"), "error EIO");
    assert_eq!(given(&server), "open write");
    assert_eq!(client.ask("file-position f"), "2");
    assert_eq!(client.ask("file-read f 4"), "ta");
}
