//! The examples of the resource layer, each with clients in processes of their own.

// The helpers below are tests, too.
#![allow(clippy::unwrap_used)]

mod support;

use std::io::BufReader;
use std::process::Child;
use support::{House, Ran, Running, can_mount, end, line};

const CHAT: &str = env!("CARGO_BIN_EXE_chat");
const COUNTER: &str = env!("CARGO_BIN_EXE_counter");
const COUNTING: &str = env!("CARGO_BIN_EXE_counting");
const MESSAGES: &str = env!("CARGO_BIN_EXE_messages");
const POOL: &str = env!("CARGO_BIN_EXE_pool");
const SENSORS: &str = env!("CARGO_BIN_EXE_sensors");
const SERIAL: &str = env!("CARGO_BIN_EXE_serial");

fn start(house: &House, program: &str, words: &[&str]) -> Child {
    house.command(program).args(words).spawn().unwrap()
}

/// A client that goes on, and what it prints.
fn follow(
    house: &House,
    program: &str,
    words: &[&str],
) -> (Running, BufReader<std::process::ChildStdout>) {
    let mut child = start(house, program, words);
    let output = BufReader::new(child.stdout.take().unwrap());
    (Running(child), output)
}

fn quiet() -> Ran {
    Ran {
        code: 0,
        out: String::new(),
        err: String::new(),
    }
}

#[test]
fn sensors_are_a_tree_of_live_values_that_grows() {
    let mut house = House::new();
    let _output = house.serve(SENSORS, &[], "/dev/sensors");
    let get = |name: &str| house.run(SENSORS, &["get", name]);
    assert_eq!(get("limit"), Ran::said("50"));
    assert!(get("load/now").out.trim().parse::<f64>().is_ok());
    // Through the link.
    assert!(get("current").out.trim().parse::<f64>().is_ok());
    assert_eq!(house.run(SENSORS, &["set", "limit", "70"]), quiet());
    assert_eq!(get("limit"), Ran::said("70"));
    assert_eq!(house.run(SENSORS, &["set", "limit", "hot"]).code, 1);
    assert_eq!(get("plugged/lamp").code, 1);
    assert_eq!(house.run(SENSORS, &["set", "plug", "lamp"]), quiet());
    assert!(get("plugged/lamp").out.trim().parse::<u64>().is_ok());
    let names = house.run(SENSORS, &["list"]).out;
    let mut names: Vec<_> = names.lines().collect();
    names.sort_unstable();
    let expected = ["current", "limit", "load", "plug", "plugged", "uptime"];
    assert_eq!(names, expected);
}

#[test]
fn sensors_wake_who_watches_them() {
    let mut house = House::new();
    let _output = house.serve(SENSORS, &[], "/dev/sensors");
    let (mut watcher, mut output) = follow(&house, SENSORS, &["watch", "limit"]);
    assert_eq!(line(&mut output), "50\n");
    assert_eq!(house.run(SENSORS, &["set", "limit", "60"]), quiet());
    assert_eq!(line(&mut output), "60\n");
    watcher.0.kill().unwrap();
    assert_eq!(watcher.end(), -1);
    assert_eq!(house.run(SENSORS, &["set", "limit", "61"]), quiet());
    assert_eq!(house.run(SENSORS, &["get", "limit"]), Ran::said("61"));
}

#[test]
fn sensors_are_files_through_the_mount() {
    if !can_mount() {
        return;
    }
    let mut house = House::new();
    let _output = house.serve(SENSORS, &[], "/dev/sensors");
    house.mount();
    let set = house.shell("cd mnt/dev/sensors && echo 80 > limit && cat limit && stat -c %s limit");
    assert_eq!(set, Ran::said("80\n3"));
    let plug = house.shell("cd mnt/dev/sensors && echo fan > plug && ls plugged");
    assert_eq!(plug, Ran::said("fan"));
    // Which words a shell has for it is the shell's affair.
    let refused = house.shell("echo hot > mnt/dev/sensors/limit || cat mnt/dev/sensors/limit");
    assert_eq!((refused.code, &*refused.out), (0, "80\n"), "{refused:?}");
}

#[test]
fn chat_tells_everybody_who_listens_and_outlives_who_is_killed() {
    let mut house = House::new();
    let _output = house.serve(CHAT, &[], "/dev/chat");
    let (mut killed, mut first) = follow(&house, CHAT, &["listen"]);
    let (_second, mut second) = follow(&house, CHAT, &["listen"]);
    let (_polls, mut polls) = follow(&house, CHAT, &["listen", "60"]);
    for output in [&mut first, &mut second, &mut polls] {
        assert_eq!(line(output), "listening\n");
    }
    assert_eq!(house.run(CHAT, &["say", "hello"]), quiet());
    for output in [&mut first, &mut second, &mut polls] {
        assert_eq!(line(output), "hello\n");
    }
    killed.0.kill().unwrap();
    assert_eq!(killed.end(), -1);
    assert_eq!(house.run(CHAT, &["say", "goodbye"]), quiet());
    assert_eq!(line(&mut second), "goodbye\n");
    assert_eq!(line(&mut polls), "goodbye\n");
    let nothing = house.run(CHAT, &["listen", "0"]);
    assert_eq!(nothing, Ran::said("listening"));
}

#[test]
fn serial_lines_are_connected_crosswise_and_lose_nothing_to_who_is_killed() {
    let mut house = House::new();
    let _output = house.serve(SERIAL, &[], "/dev/ser2");
    assert_eq!(house.run(SERIAL, &["try", "1"]).code, 1);
    let receiver = start(&house, SERIAL, &["receive", "2"]);
    assert_eq!(house.run(SERIAL, &["send", "1", "hello"]), quiet());
    assert_eq!(end(receiver), Ran::said("hello"));
    let mut killed = Running(start(&house, SERIAL, &["receive", "1"]));
    // Its read may wait by now, or come later: either way it takes nothing along.
    assert_eq!(house.run(SERIAL, &["try", "1"]).code, 1);
    killed.0.kill().unwrap();
    assert_eq!(killed.end(), -1);
    assert_eq!(house.run(SERIAL, &["send", "2", "again"]), quiet());
    assert_eq!(house.run(SERIAL, &["receive", "1"]), Ran::said("again"));
}

#[test]
fn pool_has_threads_for_fast_calls_while_slow_ones_wait() {
    let mut house = House::new();
    let _output = house.serve(POOL, &[], "/dev/pool/fast");
    let mut killed = Running(start(&house, POOL, &["read", "slow"]));
    let slow = [(); 3].map(|()| start(&house, POOL, &["read", "slow"]));
    assert_eq!(house.run(POOL, &["read", "fast"]), Ran::said("here"));
    killed.0.kill().unwrap();
    assert_eq!(killed.end(), -1);
    assert_eq!(house.run(POOL, &["read", "fast"]), Ran::said("here"));
    // Who has begun to read only now is not told by the first.
    let ended = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !ended.load(std::sync::atomic::Ordering::SeqCst) {
                assert_eq!(house.run(POOL, &["write", "slow", "go"]), quiet());
            }
        });
        let read = slow.map(end);
        ended.store(true, std::sync::atomic::Ordering::SeqCst);
        assert_eq!(read, [(); 3].map(|()| Ran::said("at last")));
    });
}

#[test]
fn messages_answers_messages_of_its_own() {
    let mut house = House::new();
    let _output = house.serve(MESSAGES, &[], "/dev/messages");
    let upper = house.run(MESSAGES, &["upper", "good day"]);
    assert_eq!(upper, Ran::said("GOOD DAY"));
    assert_eq!(
        house.run(MESSAGES, &["sum", "1", "2", "39"]),
        Ran::said("42")
    );
    assert_eq!(house.run(MESSAGES, &["sum"]), Ran::said("0"));
}

#[test]
fn counting_passes_calls_on_and_counts_them() {
    let mut house = House::new();
    let _counter = house.serve(COUNTER, &[], "/dev/counter");
    let _counting = house.serve(COUNTING, &["/dev/counter"], "/dev/counted/file");
    let read = |path: &str| house.run(COUNTING, &["read", path]);
    assert_eq!(read("/dev/counted/file"), Ran::said("0"));
    let write = house.run(COUNTING, &["write", "/dev/counted/file", "5"]);
    assert_eq!(write, quiet());
    assert_eq!(house.run(COUNTER, &["get"]), Ran::said("5"));
    assert_eq!(read("/dev/counted/file"), Ran::said("5"));
    let bad = house.run(COUNTING, &["write", "/dev/counted/file", "x"]);
    assert_eq!(bad.code, 1);
    let counts = Ran::said("4 opens, 2 reads, 2 writes");
    assert_eq!(read("/dev/counted/calls"), counts);
}
