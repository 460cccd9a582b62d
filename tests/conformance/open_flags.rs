//! How files are opened, and what an open may then do (IF-4 to IF-10, IF-17), beside the host's files.

use crate::both::{Both, OWNER, STRANGER, world};
use resmgr_tests::observe::until;
use resmgr_tests::{Peer, Pending, User, World};

/// A server of one file that everybody may reach, and a client of it.
fn gadget(how: &str) -> (World, Peer, Peer) {
    let world = world();
    let server = world.peer();
    let said = server.ask(&format!("serve-gadget g /gadget {how}"));
    assert_eq!(said, "ok");
    let client = world.peer();
    (world, server, client)
}

fn done(client: &Peer, command: &str) {
    assert_eq!(client.ask(command), "ok", "{command}");
}

#[test]
fn if4_flags_say_what_must_be_there_and_what_must_not() {
    let Some(both) = Both::new() else { return };
    let (owner, stranger) = (both.peer(OWNER), both.peer(STRANGER));
    both.done(&owner, "mkdir d 777");
    both.file(&owner, "f", "644");
    both.done(&owner, "symlink f l");
    both.done(&owner, "symlink nowhere m");
    both.done(&owner, "symlink d e");
    for (call, errno) in [
        ("open x none r", "ENOENT"),
        ("open x f rw+create+excl", "EEXIST"),
        ("open x d r+create+excl", "EEXIST"),
        ("open x l r+create+excl", "EEXIST"),
        ("open x m r+create+excl", "EEXIST"),
        ("open x d w", "EISDIR"),
        ("open x d rw+trunc", "EISDIR"),
        ("open x d r+create", "EISDIR"),
        ("open x f r+directory", "ENOTDIR"),
        ("open x l r+directory", "ENOTDIR"),
        ("open x f/ r", "ENOTDIR"),
        ("open x f/g rw+create", "ENOTDIR"),
        ("open x none/ rw+create", "EISDIR"),
        ("open x l r+nofollow", "ELOOP"),
        ("open x e r+directory+nofollow", "ENOTDIR"),
        ("open x m r", "ENOENT"),
    ] {
        both.refused(&owner, call, errno);
    }
    // What is there counts before who may.
    both.refused(&stranger, "open x f w+create+excl", "EEXIST");
    both.refused(&stranger, "open x f w+directory", "ENOTDIR");
    both.refused(&stranger, "open x f w+create", "EACCES");
    both.done(&stranger, "open x f r+create");
    both.done(&owner, "open x l rw+create");
    both.done(&owner, "open x d r+directory");
    // Through a link that leads nowhere the file is made where it leads.
    both.done(&owner, "open x m rw+create 600");
    both.is(&owner, "nowhere", &format!("100600 {0}:{0} 1 0", OWNER.id));
}

#[test]
fn if4_of_many_that_make_one_file_exclusively_one_does() {
    let Some(both) = Both::new() else { return };
    let peers: Vec<_> = (0..4).map(|_| both.peer(OWNER)).collect();
    for (base, round) in ["/mem", "/dir"]
        .into_iter()
        .flat_map(|base| (0..8).map(move |round| (base, round)))
    {
        let open = format!("on {base} open x f{round} rw+create+excl");
        let begun: Vec<_> = peers.iter().map(|peer| peer.begin(&open)).collect();
        let said: Vec<_> = begun.into_iter().map(Pending::end).collect();
        let made = said.iter().filter(|said| *said == "ok").count();
        assert_eq!(made, 1, "{said:?}");
        let refused = said.iter().filter(|said| *said == "error EEXIST");
        assert_eq!(refused.count(), peers.len() - 1, "{said:?}");
    }
}

#[test]
fn if4_truncation_needs_the_right_to_write_and_is_seen_by_all_opens() {
    let Some(both) = Both::new() else { return };
    let (owner, stranger) = (both.peer(OWNER), both.peer(STRANGER));
    both.file(&owner, "f", "644");
    both.done(&owner, "open a f rw");
    assert_eq!(both.ask(&owner, "write a abcdef"), "6");
    both.refused(&stranger, "open x f r+trunc", "EACCES");
    both.refused(&stranger, "open x f w+trunc", "EACCES");
    let whose = format!("{0}:{0} 1", OWNER.id);
    both.is(&owner, "f", &format!("100644 {whose} 6"));
    both.done(&owner, "utime f 5 5");
    both.done(&stranger, "open s f r");
    both.done(&owner, "open x f w+trunc");
    both.is(&owner, "f", &format!("100644 {whose} 0"));
    let times = Both::ours(&owner, "times f");
    assert!(times.starts_with("5 ") && times != "5 5", "{times}");
    assert_eq!(both.ask(&stranger, "read s 9"), "-");
    // The position of another open is its own: behind the end is a hole.
    assert_eq!(both.ask(&owner, "write a g"), "1");
    assert_eq!(
        both.ask(&stranger, "read s 9"),
        r"\x00\x00\x00\x00\x00\x00g"
    );
    // Linux cuts also what is opened for reading only, by who may write.
    both.done(&owner, "open x f r+trunc");
    both.is(&owner, "f", &format!("100644 {whose} 0"));
}

#[test]
fn if8_an_open_is_used_for_what_it_was_made_for() {
    let Some(both) = Both::new() else { return };
    let owner = both.peer(OWNER);
    both.file(&owner, "f", "666");
    both.done(&owner, "open r f r");
    both.done(&owner, "open w f w");
    for call in [
        "write r x",
        "pwrite r x 0",
        "allocate r 0 1",
        "free r 0 1",
        "read w 1",
        "pread w 1 0",
    ] {
        both.refused(&owner, call, "EBADF");
    }
    assert_eq!(both.ask(&owner, "write w xyz"), "3");
    assert_eq!(both.ask(&owner, "read r 9"), "xyz");
    both.done(&owner, "mkdir d 755");
    both.done(&owner, "open d d r");
    // To read a directory is to list it, and no entry has so little room.
    assert_eq!(Both::ours(&owner, "read d 9"), "error EINVAL");
}

#[test]
fn if5_a_file_may_be_opened_for_nothing_and_is_then_only_looked_at() {
    let Some(both) = Both::new() else { return };
    let (owner, stranger) = (both.peer(OWNER), both.peer(STRANGER));
    both.file(&owner, "f", "0");
    // Linux asks for both rights, and gives neither.
    assert_eq!(stranger.ask("on /mem open x f -"), "ok");
    assert_eq!(stranger.ask("on /mem read x 1"), "error EBADF");
    assert_eq!(stranger.ask("on /mem write x y"), "error EBADF");
    let told = stranger.ask("on /mem fstat x");
    assert_eq!(told, format!("100000 {0}:{0} 1 0", OWNER.id));
}

#[test]
fn if9_an_offset_of_its_own_moves_no_position_of_the_process() {
    let Some(both) = Both::new() else { return };
    let owner = both.peer(OWNER);
    both.file(&owner, "f", "666");
    both.done(&owner, "open f f rw");
    assert_eq!(both.ask(&owner, "write f 0123456789"), "10");
    assert_eq!(both.ask(&owner, "pwrite f ab 3"), "2");
    assert_eq!(both.ask(&owner, "pread f 4 2"), "2ab5");
    assert_eq!(both.ask(&owner, "seek f cur 0"), "10");
    assert_eq!(both.ask(&owner, "pread f 4 99"), "-");
    assert_eq!(both.ask(&owner, "seek f set 8"), "8");
    assert_eq!(both.ask(&owner, "read f 4"), "89");
}

#[test]
fn if10_a_seek_goes_where_the_hosts_does_and_keeps_its_place_when_it_cannot() {
    let Some(both) = Both::new() else { return };
    let owner = both.peer(OWNER);
    both.file(&owner, "f", "666");
    both.done(&owner, "open f f rw");
    assert_eq!(both.ask(&owner, "write f 0123456789"), "10");
    for (call, expected) in [
        ("set 4", "4"),
        ("cur 3", "7"),
        ("end -2", "8"),
        ("end 5", "15"),
        ("cur -16", "error EINVAL"),
        ("set -1", "error EINVAL"),
        ("end -11", "error EINVAL"),
        ("cur 9223372036854775807", "error EOVERFLOW"),
        ("cur 0", "15"),
        ("data 10", "error ENXIO"),
        ("hole 10", "error ENXIO"),
        ("data 3", "3"),
        ("hole 3", "10"),
        ("set 12", "12"),
    ] {
        let call = format!("seek f {call}");
        // The host's file system has a last offset of its own.
        let said = if expected == "error EOVERFLOW" {
            Both::ours(&owner, &call)
        } else {
            both.ask(&owner, &call)
        };
        assert_eq!(said, expected, "{call}");
    }
}

#[test]
fn if4_appending_writes_of_several_processes_lose_nothing() {
    let Some(both) = Both::new() else { return };
    let (owner, stranger) = (both.peer(OWNER), both.peer(STRANGER));
    both.file(&owner, "f", "666");
    for (peer, data) in [(&owner, "a"), (&stranger, "b"), (&owner, "c")] {
        both.done(peer, "open f f rw+append");
        assert_eq!(both.ask(peer, "seek f set 0"), "0");
        assert_eq!(both.ask(peer, &format!("write f {data}")), "1");
    }
    assert_eq!(both.ask(&owner, "pread f 9 0"), "abc");
    for base in ["/mem", "/dir"] {
        append_at_once(base, &owner, &stranger);
    }
}

fn append_at_once(base: &str, one: &Peer, other: &Peer) {
    let begun: Vec<_> = [(one, "xx"), (other, "yyy")]
        .into_iter()
        .flat_map(|(peer, data)| {
            let write = format!("on {base} write f {data}");
            (0..20).map(move |_| peer.begin(&write))
        })
        .collect();
    for write in begun {
        assert!(write.end().parse::<u32>().is_ok());
    }
    let all = one.ask(&format!("on {base} pread f 200 0"));
    let (twos, threes) = (all.matches("xx").count(), all.matches("yyy").count());
    assert_eq!((all.len(), twos, threes), (3 + 20 * 2 + 20 * 3, 20, 20));
}

#[test]
fn if8_an_open_that_may_not_wait_says_so_to_its_server_until_it_is_changed() {
    let (_world, _server, client) = gadget("bytes");
    // READ and NONBLOCK.
    done(&client, &format!("file-open f /gadget flags={}", 0x801));
    done(&client, "file-dup g f");
    assert_eq!(client.ask("file-read f 2"), "error EAGAIN");
    done(&client, "file-set-flags g r");
    assert_eq!(client.ask("file-read f 2"), "01");
    done(&client, "file-set-flags f r+nonblock");
    assert_eq!(client.ask("file-read g 2"), "error EAGAIN");
    done(&client, "file-reopen h f r");
    assert_eq!(client.ask("file-read h 2"), "01");
}

#[test]
fn if8_a_write_that_is_to_be_safe_is_answered_when_it_is() {
    let (_world, server, client) = gadget("bytes");
    let synced = |data: u32, all: u32| {
        assert_eq!(
            server.ask("gadget-syncs g"),
            format!("data={data} all={all}")
        );
    };
    // WRITE, and with DATA_SYNC.
    done(&client, &format!("file-open w /gadget flags={}", 0x2));
    done(&client, &format!("file-open s /gadget flags={}", 0x1002));
    assert_eq!(client.ask("file-write w ab"), "2");
    synced(0, 0);
    assert_eq!(client.ask("file-write s abc"), "3");
    synced(1, 0);
    done(&client, "file-set-flags s w");
    assert_eq!(client.ask("file-write s abc"), "3");
    synced(1, 0);
    done(&client, "file-set-flags s w+dsync");
    assert_eq!(client.ask("file-write s abc"), "3");
    synced(2, 0);
    done(&client, "file-sync w data");
    done(&client, "file-sync w all");
    synced(3, 1);
}

#[test]
fn if6_share_modes_keep_other_processes_out_also_roots() {
    let (world, _server, client) = gadget("bytes");
    let other = world.peer();
    let opens = |how: &str, share: &str, expected: &str| {
        let said = other.ask(&format!("file-share f /gadget {how} {share}"));
        assert_eq!(said, expected, "{how} {share}");
        if said == "ok" {
            done(&other, "file-close f");
        }
    };
    let busy = "error EBUSY";
    done(&client, "file-share f /gadget r write");
    for (how, share, expected) in [
        ("r", "none", "ok"),
        ("r", "write", "ok"),
        ("w", "none", busy),
        ("rw", "unstated", busy),
        ("r", "read", busy),
        ("-", "both", busy),
        ("-", "write", "ok"),
    ] {
        opens(how, share, expected);
    }
    // A duplicate keeps the mode; opening again is one more open.
    done(&client, "file-dup g f");
    assert_eq!(client.ask("file-reopen h f rw"), busy);
    done(&client, "file-close f");
    opens("w", "none", busy);
    done(&client, "file-close g");
    opens("w", "both", "ok");
}

#[test]
fn if7_the_share_modes_of_a_killed_process_go() {
    let (world, _server, client) = gadget("bytes");
    let other = world.peer();
    done(&client, "file-share f /gadget rw both");
    assert_eq!(other.ask("file-share f /gadget r none"), "error EBUSY");
    world.kill(&client);
    until("the file is free", || {
        other.ask("file-share f /gadget r none") == "ok"
    });
}

#[test]
fn if17_openfd_asks_for_the_rights_of_now_and_makes_an_open_of_its_own() {
    let (world, _server, client) = gadget("bytes");
    let Some(stranger) = User::missing().is_none().then(|| world.peer_of(STRANGER)) else {
        return println!("skipped: there are no other users");
    };
    done(&stranger, &format!("file-open f /gadget flags={}", 0x1));
    assert_eq!(stranger.ask("file-read f 2"), "01");
    done(&stranger, "file-reopen g f rw");
    assert_eq!(stranger.ask("file-read g 1"), "0");
    assert_eq!(stranger.ask("file-write g x"), "1");
    let info = stranger.ask("file-info f");
    assert!(info.contains(" opens=2 readers=2 writers=1 "), "{info}");
    done(&client, "file-open f /gadget");
    done(&client, "file-chmod f 644");
    done(&stranger, "file-reopen h f r");
    assert_eq!(stranger.ask("file-reopen h f rw"), "error EACCES");
    assert_eq!(stranger.ask("file-reopen h f r+trunc"), "error EACCES");
    assert_eq!(stranger.ask("file-reopen h f r+directory"), "error ENOTDIR");
    // What is open stays so.
    assert_eq!(stranger.ask("file-write g y"), "1");
    done(&client, "file-chmod f 0");
    assert_eq!(stranger.ask("file-reopen h f r"), "error EACCES");
    done(&client, "file-reopen h f rw");
}
