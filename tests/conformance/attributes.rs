//! What a file is, and what else is known of an open (IF-2, IF-11, IF-18, IF-20 to IF-22), beside the host's files.

use crate::both::{Both, OWNER, SHARED, STRANGER, world};
use resmgr_tests::observe::until;
use resmgr_tests::{Peer, User, World, field};

/// A server of one file that everybody may reach, and a client of it.
fn gadget(how: &str) -> (World, Peer) {
    let world = world();
    let said = world.peer().ask(&format!("serve-gadget g /gadget {how}"));
    assert_eq!(said, "ok");
    let client = world.peer();
    (world, client)
}

fn done(client: &Peer, command: &str) {
    assert_eq!(client.ask(command), "ok", "{command}");
}

/// A call on the file at the root of the tree that is called `gadget`.
fn on(client: &Peer, call: &str) -> String {
    client.ask(&format!("on / {call}"))
}

#[test]
fn if2_a_device_without_handlers_keeps_attributes_and_tells_that_it_has_no_data() {
    let (world, client) = gadget("null");
    done(&client, "file-open f /gadget");
    assert_eq!(client.ask("file-read f 1"), "error ENOSYS");
    assert_eq!(client.ask("file-write f x"), "error ENOSYS");
    assert_eq!(client.ask("file-write f -"), "0");
    assert_eq!(client.ask("file-map f r"), "error ENODEV");
    let other = world.peer();
    let whose = "0:0 1 -";
    if User::missing().is_some() {
        return println!("skipped: only root has a file of another user's");
    }
    assert_eq!(on(&other, "stat gadget"), format!("20666 {whose}"));
    assert_eq!(on(&client, "chmod gadget 640"), "ok");
    assert_eq!(on(&other, "stat gadget"), format!("20640 {whose}"));
    let id = OWNER.id;
    assert_eq!(on(&client, &format!("chown gadget {id} {id}")), "ok");
    assert_eq!(on(&other, "stat gadget"), format!("20640 {id}:{id} 1 -"));
    assert_eq!(on(&client, "utime gadget 5 6"), "ok");
    assert_eq!(on(&other, "times gadget"), "5 6");
    // From now on it is the new owner's.
    let (owner, stranger) = (world.peer_of(OWNER), world.peer_of(STRANGER));
    assert_eq!(on(&owner, "chmod gadget 600"), "ok");
    assert_eq!(on(&stranger, "chmod gadget 666"), "error EPERM");
    assert_eq!(on(&stranger, "open x gadget r"), "error EACCES");
    assert_eq!(on(&owner, "open x gadget rw"), "ok");
    // What the framework keeps for a device has the rules of files: own groups, and bits that set ids.
    let other_group = format!("chown gadget - {}", STRANGER.id);
    assert_eq!(on(&owner, &other_group), "error EPERM");
    assert_eq!(on(&owner, "chmod gadget 6755"), "ok");
    assert_eq!(on(&owner, &format!("chown gadget - {SHARED}")), "ok");
    let told = format!("20755 {id}:{SHARED} 1 -");
    assert_eq!(on(&other, "stat gadget"), told);
}

#[test]
fn if11_stat_tells_what_the_hosts_does() {
    let Some(both) = Both::new() else { return };
    let (owner, stranger) = (both.peer(OWNER), both.peer(STRANGER));
    let whose = format!("{0}:{0}", OWNER.id);
    both.file(&owner, "f", "600");
    both.done(&owner, "mkdir d 711");
    both.done(&owner, "symlink f l");
    both.done(&owner, "mknod p 10622");
    both.done(&owner, "open f f rw");
    assert_eq!(both.ask(&owner, "write f hello"), "5");
    both.done(&owner, "link f g");
    // Nobody needs a right to the file itself.
    for (name, expected) in [
        ("f", "100600 OWNER 2 5"),
        ("g", "100600 OWNER 2 5"),
        ("d", "40711 OWNER 2 -"),
        ("l", "120777 OWNER 1 1"),
        ("p", "10622 OWNER 1 -"),
    ] {
        both.is(&stranger, name, &expected.replace("OWNER", &whose));
    }
    both.done(&owner, "mkdir d/e 700");
    both.is(&stranger, "d", &format!("40711 {whose} 3 -"));
    // An open goes on without a name.
    both.done(&owner, "unlink f");
    both.done(&owner, "unlink g");
    let told = both.ask(&owner, "fstat f");
    assert_eq!(told, format!("100600 {whose} 0 5"));
    assert_eq!(both.ask(&owner, "pread f 9 0"), "hello");
    both.refused(&owner, "stat f", "ENOENT");
}

#[test]
fn if18_access_asks_what_an_open_would() {
    let Some(both) = Both::new() else { return };
    let [owner, member, stranger] = both.users();
    let root = both.root();
    both.file(&owner, "f", "754");
    both.file(&owner, "g", "600");
    both.done(&owner, "mkdir d 710");
    for (peer, name, may) in [
        (&owner, "f", "rwx"),
        (&member, "f", "rx"),
        (&stranger, "f", "r"),
        (&root, "f", "rwx"),
        (&owner, "g", "rw"),
        (&stranger, "g", ""),
        // What nobody may execute, root may not.
        (&root, "g", "rw"),
        (&member, "d", "x"),
        (&root, "d", "rwx"),
    ] {
        for letter in ["r", "w", "x", "rw", "rwx"] {
            let all = letter.chars().all(|letter| may.contains(letter));
            let expected = if all { "ok" } else { "error EACCES" };
            let said = Both::ours(peer, &format!("access {name} {letter}"));
            assert_eq!(said, expected, "{name} {letter}");
        }
    }
}

#[test]
fn if20_limits_are_those_of_the_framework_and_others_are_einval() {
    let (_world, client) = gadget("null");
    done(&client, "file-open f /gadget");
    // _PC_LINK_MAX, NAME_MAX, PATH_MAX, PIPE_BUF, CHOWN_RESTRICTED, NO_TRUNC.
    for (name, expected) in [
        (0, "32000"),
        (3, "255"),
        (4, "1024"),
        (5, "4096"),
        (6, "1"),
        (7, "1"),
        (99, "error EINVAL"),
    ] {
        assert_eq!(client.ask(&format!("file-limit f {name}")), expected);
    }
}

#[test]
fn if20_an_open_tells_its_path_its_flags_and_how_often_its_file_is_open() {
    let (world, one) = gadget("bytes");
    let other = world.peer();
    done(&one, &format!("file-open f /gadget flags={}", 0x403));
    done(&one, "file-dup g f");
    done(&other, &format!("file-open f /gadget flags={}", 0x1));
    assert_eq!(one.ask("file-read g 3"), "012");
    let told = one.ask("file-info f");
    let counts = "opens=2 readers=2 writers=1 /gadget";
    assert_eq!(told, format!("100666 {} 3 10 {counts}", 0x402));
    let told = other.ask("file-info f");
    assert_eq!(told, format!("100666 0 0 10 {counts}"));
}

#[test]
fn if20_what_is_mapped_is_the_files_and_needs_an_open_of_its_kind() {
    let (world, one) = gadget("bytes");
    let other = world.peer();
    done(&one, &format!("file-open r /gadget flags={}", 0x1));
    done(&one, &format!("file-open w /gadget flags={}", 0x2));
    done(&other, "file-open f /gadget");
    assert_eq!(one.ask("file-map r r"), "0123");
    assert_eq!(one.ask("file-map r rw"), "error EACCES");
    assert_eq!(one.ask("file-map w r"), "error EACCES");
    assert_eq!(one.ask("file-map w rw"), "error EACCES");
    assert_eq!(other.ask("file-write f ab"), "2");
    assert_eq!(one.ask("file-map r r"), "ab23");
    assert_eq!(other.ask("file-map f rw"), "ab23");
}

#[test]
fn if20_space_is_cut_taken_and_given_back_as_on_the_host() {
    let Some(both) = Both::new() else { return };
    let owner = both.peer(OWNER);
    both.file(&owner, "f", "666");
    both.done(&owner, "open f f rw");
    assert_eq!(both.ask(&owner, "write f abcdef"), "6");
    let size = |expected: &str| {
        let told = both.ask(&owner, "fstat f");
        assert!(told.ends_with(&format!(" {expected}")), "{told}");
    };
    for (call, expected) in [
        ("truncate f 4", "4"),
        ("truncate f 9", "9"),
        ("allocate f 0 6", "9"),
        ("allocate f 6 6", "12"),
        ("free f 1 2", "12"),
        ("free f 10 50", "12"),
    ] {
        both.done(&owner, call);
        size(expected);
    }
    let told = both.ask(&owner, "pread f 5 0");
    assert_eq!(told, r"a\x00\x00d\x00");
    for (call, errno) in [
        ("allocate f 0 0", "EINVAL"),
        ("free f 0 0", "EINVAL"),
        ("allocate f 9223372036854775807 1", "EFBIG"),
    ] {
        both.refused(&owner, call, errno);
    }
    size("12");
}

#[test]
fn if21_times_move_with_bytes_and_not_without() {
    let (_world, client) = gadget("bytes");
    done(&client, "file-open f /gadget");
    for (command, said, read, written) in [
        ("file-read f 3", "012", true, false),
        ("file-read f 0", "-", false, false),
        ("file-write f x", "1", false, true),
        ("file-write f -", "0", false, false),
        ("file-chmod f 644", "ok", false, false),
        ("file-position f", "4", false, false),
    ] {
        assert_eq!(on(&client, "utime gadget 5 6"), "ok");
        assert_eq!(client.ask(command), said, "{command}");
        let times = on(&client, "times gadget");
        let (accessed, modified) = times.split_once(' ').unwrap();
        assert_eq!(
            (accessed != "5", modified != "6"),
            (read, written),
            "{command}"
        );
    }
}

#[test]
fn if21_a_directory_is_written_with_each_of_its_names() {
    let Some(both) = Both::new() else { return };
    let owner = both.peer(OWNER);
    both.done(&owner, "mkdir d 755");
    both.file(&owner, "d/f", "644");
    both.file(&owner, "g", "644");
    for (call, writes) in [
        ("mkdir d/sub 700", true),
        ("rename d/sub d/e", true),
        ("rmdir d/e", true),
        ("link d/f d/h", true),
        ("symlink f d/l", true),
        ("rename g d/g", true),
        ("open x d/n rw+create", true),
        ("open x d/n rw+create+trunc", false),
        ("unlink d/n", true),
        ("chmod d/f 600", false),
        ("chmod d 700", false),
        ("stat d/f", false),
    ] {
        both.done(&owner, "utime d 5 6");
        both.ask(&owner, call);
        // The clocks of both sides are read apart, and nobody has read the directory.
        let hosts = both.hosts(&owner, "times d");
        for times in [hosts, Both::ours(&owner, "times d")] {
            assert_eq!(times != "5 6", writes, "{call}: {times}");
        }
    }
}

#[test]
fn if22_nothing_changes_on_a_read_only_file_system() {
    let (world, client) = gadget("readonly");
    for call in [
        "open x gadget w",
        "open x gadget rw",
        "open x gadget r+trunc",
        "chmod gadget 600",
        "chown gadget 1 1",
        "utime gadget now now",
        "utime gadget 5 6",
        "access gadget w",
    ] {
        assert_eq!(on(&client, call), "error EROFS", "{call}");
    }
    assert_eq!(on(&client, "utime gadget keep keep"), "ok");
    assert_eq!(on(&client, "access gadget r"), "ok");
    assert_eq!(on(&client, "open x gadget r"), "ok");
    assert_eq!(on(&client, "read x 3"), "012");
    assert_eq!(on(&client, "fchmod x 600"), "error EROFS");
    done(&client, "file-open f /gadget flags=1");
    assert_eq!(field(&client.ask("file-statvfs f"), "flag"), "1");
    if User::missing().is_none() {
        // Who may not anyway hears that nobody may.
        let stranger = world.peer_of(STRANGER);
        assert_eq!(on(&stranger, "chmod gadget 600"), "error EROFS");
        assert_eq!(on(&stranger, "open x gadget w"), "error EROFS");
    }
}

/// Each message of a client comes behind those that it has sent before: what is answered now is later than the read.
fn has_come(client: &Peer) {
    assert!(client.ask("file-limit f 3").parse::<u64>().is_ok());
}

#[test]
fn if13_calls_on_one_file_are_kept_apart_where_its_server_says_so() {
    for (how, at_once) in [("per-file", "1"), ("per-open", "2")] {
        let world = world();
        let server = world.peer();
        done(&server, &format!("serve-gadget g /gadget {how}"));
        let clients = [(); 2].map(|()| world.peer());
        let inside = |count: &str| {
            until("the reads have begun", || {
                server.ask("gadget-inside g") == count
            });
        };
        let mut reads = Vec::new();
        for client in &clients {
            done(client, "file-open f /gadget");
            reads.push(client.begin("file-read f 3").sends());
            has_come(client);
            // The first one is in its handler before the other one is sent.
            inside(if reads.len() == 1 { "1" } else { at_once });
        }
        // Whatever is not in order is answered meanwhile.
        assert!(on(&clients[0], "stat gadget").starts_with("100666 "));
        inside(at_once);
        done(&server, "gadget-release g");
        for read in reads {
            assert_eq!(read.end(), "012");
        }
    }
}
