//! Device commands between processes (DV-1 to DV-5).

use crate::both::{STRANGER, world};
use resmgr_tests::{Peer, User, World, field};

/// Numbers as QNX's macros make them: of class 5, [`ECHO`] in each direction and of eight bytes.
const ECHO_NONE: &str = "00000506";
const ECHO_TO: &str = "80080506";
const ECHO_FROM: &str = "40080506";
const ECHO_BOTH: &str = "c0080506";
const SET: &str = "80040501";
const GET: &str = "40040502";
const FAIL: &str = "00000507";
const GUARDED: &str = "80040508";
const WATCHED: &str = "40040509";
const ROOTS: &str = "0000050a";
/// Those of every file.
const GETFLAGS: &str = "40040101";
const SETFLAGS: &str = "80040102";
const GETMOUNTFLAGS: &str = "40040103";
const GETOWN: &str = "40040104";
const SETOWN: &str = "80040105";
const FADVISE: &str = "80180106";

/// A server of a device with commands, and a client that has it open.
fn device(how: &str) -> (World, Peer) {
    device_opened(how, 3)
}

/// The same with the flags of the open.
fn device_opened(how: &str, flags: u32) -> (World, Peer) {
    let world = world();
    let said = world.peer().ask(&format!("serve-gadget g /gadget {how}"));
    assert_eq!(said, "ok");
    let client = world.peer();
    done(&client, &format!("file-open f /gadget flags={flags}"));
    (world, client)
}

fn done(client: &Peer, command: &str) {
    assert_eq!(client.ask(command), "ok", "{command}");
}

fn devctl(client: &Peer, number: &str, data: &str) -> String {
    client.ask(&format!("devctl f {number} {data}"))
}

#[test]
fn dv1_data_go_and_come_as_the_number_says() {
    let (_world, client) = device("commands");
    for (number, data, expected) in [
        (ECHO_BOTH, "abcdefgh", "8008 abcdefgh"),
        (ECHO_TO, "abcdefgh", "8000 abcdefgh"),
        (ECHO_FROM, "room:8", "8 zzzzzzzz"),
        (ECHO_FROM, "abcdefgh", "8 zzzzzzzz"),
        (ECHO_NONE, "abcdefgh", "0 abcdefgh"),
        (ECHO_NONE, "-", "0 -"),
        (ECHO_TO, "-", "0 -"),
        (ECHO_FROM, "-", "0 -"),
    ] {
        assert_eq!(devctl(&client, number, data), expected, "{number} {data}");
    }
}

#[test]
fn dv1_what_the_device_says_beside_the_data_is_apart_from_the_error() {
    let (_world, client) = device("commands");
    assert_eq!(devctl(&client, SET, "abcd"), "7 abcd");
    assert_eq!(devctl(&client, GET, "room:4"), "0 abcd");
    assert_eq!(devctl(&client, FAIL, "-"), "error EXDEV");
    // And an error leaves the next command alone.
    assert_eq!(devctl(&client, GET, "room:4"), "0 abcd");
}

#[test]
fn dv1_a_buffer_that_is_too_short_is_refused_and_a_longer_one_keeps_its_rest() {
    let (_world, client) = device("commands");
    assert_eq!(devctl(&client, SET, "abcd"), "7 abcd");
    for (number, data, expected) in [
        (SET, "xyz", "error EINVAL"),
        (SET, "-", "error EINVAL"),
        (GET, "room:3", "error EMSGSIZE"),
        (GET, "-", "error EMSGSIZE"),
        (GET, "room:6", "0 abcd.."),
        (GETFLAGS, "room:3", "error EMSGSIZE"),
        (SETFLAGS, "xyz", "error EINVAL"),
        (GETMOUNTFLAGS, "-", "error EMSGSIZE"),
    ] {
        assert_eq!(devctl(&client, number, data), expected, "{number} {data}");
    }
    assert_eq!(devctl(&client, GET, "room:4"), "0 abcd");
}

#[test]
fn dv1_typed_commands_work_on_one_device_for_several_clients() {
    let (world, one) = device("commands");
    let other = world.peer();
    done(&other, "file-open f /gadget");
    for (client, command, expected) in [
        (&one, "set 40", "()"),
        (&other, "add 2", "42"),
        (&one, "get", "42"),
        (&other, "convert 3", "12884901888"),
        (&one, "steps 1 10 3", "3"),
        (&other, "steps 1 10 0", "error ERANGE"),
        (&one, "reset", "()"),
        (&other, "get", "0"),
    ] {
        assert_eq!(client.ask(&format!("command f {command}")), expected);
    }
}

#[test]
fn dv2_what_a_device_does_not_know_is_enotty() {
    let (world, client) = device("commands");
    let unknown = [
        ("00000563", "another number"),
        ("80040401", "another class"),
        ("40040501", "another direction"),
        ("c008050b", "another size than that of a structure"),
        ("80080501", "another size"),
        ("00000101", "a number of every file's, without its data"),
        (GETOWN, "a signal's owner, which there is none of"),
        (SETOWN, "a signal's owner, which there is none of"),
    ];
    for (number, why) in unknown {
        assert_eq!(devctl(&client, number, "abcd"), "error ENOTTY", "{why}");
    }
    let server = world.peer();
    done(&server, "serve-gadget n /null null");
    done(&server, "serve-files m /mem 777");
    for path in ["/null", "/mem"] {
        done(&client, &format!("file-open f {path} flags=1"));
        assert_eq!(devctl(&client, SET, "abcd"), "error ENOTTY", "{path}");
        assert_eq!(client.ask("command f get"), "error ENOTTY", "{path}");
    }
}

#[test]
fn dv3_flags_are_the_opens_and_change_for_all_its_duplicates() {
    let (_world, client) = device("null");
    for (flags, expected) in [(1, "0"), (2, "1"), (3, "2"), (0xC02, "6001"), (0, "3")] {
        done(&client, &format!("file-open g /gadget flags={flags}"));
        assert_eq!(client.ask("file-flags g"), expected, "{flags}");
    }
    done(&client, "file-open g /gadget flags=1");
    done(&client, "file-dup h g");
    done(&client, "file-open i /gadget flags=1");
    // Access and what was only for the open stay as they are.
    done(
        &client,
        "file-set-flags h rw+append+nonblock+dsync+create+trunc",
    );
    assert_eq!(client.ask("file-flags g"), "16000");
    assert_eq!(client.ask("file-flags i"), "0");
    assert_eq!(client.ask("file-read g 1"), "error ENOSYS");
    done(&client, "file-set-flags g r");
    assert_eq!(client.ask("file-flags h"), "0");
}

#[test]
fn dv3_each_file_tells_its_mount_and_takes_advice() {
    for (how, flags) in [("null", r"\x00"), ("bytes", r"\x00"), ("readonly", r"\x01")] {
        let (_world, client) = device_opened(how, 1);
        let expected = format!(r"0 {flags}\x00\x00\x00");
        assert_eq!(devctl(&client, GETMOUNTFLAGS, "room:4"), expected, "{how}");
        // Offset, length, advice: the data in the middle of the file will be needed.
        done(&client, "file-advise f 4096 65536 3");
        assert_eq!(client.ask("file-advise f 0 0 6"), "error EINVAL");
        assert_eq!(devctl(&client, FADVISE, "fill:23"), "error EINVAL");
        let told = client.ask("file-statvfs f");
        assert_eq!(field(&told, "namemax"), "255");
        assert_eq!(
            field(&told, "flag"),
            u32::from(how == "readonly").to_string()
        );
    }
}

#[test]
fn dv4_the_size_has_14_bits_and_the_buffers_decide() {
    let (_world, client) = device("commands");
    // The most that a number can say, in both directions.
    let most = 0x3FFF;
    let said = devctl(&client, "ffff0506", &format!("fill:{most}"));
    assert_eq!(said, format!("{} fill:{most}", most * 1001));
    // devctlv() and Linux's ioctl() go by what is handed over.
    let said = devctl(&client, ECHO_BOTH, "fill:100000");
    assert_eq!(said, "100100000 fill:100000");
    let said = devctl(&client, ECHO_BOTH, "abcd");
    assert_eq!(said, "4004 abcd");
}

#[test]
fn dv5_a_command_may_ask_for_an_open_of_its_direction_or_for_a_user() {
    let (world, client) = device("commands");
    for (flags, guarded, watched) in [
        (3, "0 abcd", r"0 \x01\x00\x00\x00"),
        (1, "error EBADF", r"0 \x01\x00\x00\x00"),
        (2, "0 abcd", "error EBADF"),
        (0, "error EBADF", "error EBADF"),
    ] {
        done(&client, &format!("file-open f /gadget flags={flags}"));
        assert_eq!(devctl(&client, GUARDED, "abcd"), guarded, "{flags}");
        assert_eq!(devctl(&client, WATCHED, "room:4"), watched, "{flags}");
    }
    if User::missing().is_some() {
        return println!("skipped: there are no other users");
    }
    let stranger = world.peer_of(STRANGER);
    done(&stranger, "file-open f /gadget");
    assert_eq!(devctl(&stranger, ROOTS, "-"), "error EPERM");
    assert_eq!(devctl(&stranger, GUARDED, "abcd"), "0 abcd");
    assert_eq!(devctl(&client, ROOTS, "-"), "0 -");
}
