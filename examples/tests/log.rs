//! `RESMGR_LOG`, as somebody uses it who wants to see what a server is asked.

#![allow(clippy::unwrap_used)] // helpers of tests are tests

mod support;

use resmgr_sys::signal;
use std::io::Read as _;
use std::process::ChildStderr;
use support::{House, Ran, until};

const COUNTER: &str = env!("CARGO_BIN_EXE_counter");

/// Without the time of day and the duration: path, client, operation, outcome.
fn shown(line: &str) -> String {
    let (time, rest) = line.split_once(' ').unwrap();
    assert_eq!(time.len(), "21:05:17.123456".len(), "{line}");
    let (said, took) = rest.rsplit_once(", ").unwrap();
    let micros = took.strip_suffix(" us").unwrap();
    micros.parse::<u64>().unwrap();
    let mut words: Vec<_> = said.split(' ').collect();
    words.remove(1).parse::<u32>().unwrap();
    words.join(" ")
}

/// A counter with this value of the variable.
fn counter(house: &mut House, log: &str) -> ChildStderr {
    let mut command = house.command(COUNTER);
    let mut child = command.env("RESMGR_LOG", log).spawn().unwrap();
    let complaints = child.stderr.take().unwrap();
    house.keep(child);
    until("it serves", || house.resolves("/dev/counter"));
    complaints
}

/// All that it has complained of, when it has ended.
fn all(house: &mut House, mut complaints: ChildStderr) -> String {
    house.server().signal(signal::TERM);
    let mut text = String::new();
    complaints.read_to_string(&mut text).unwrap();
    text
}

#[test]
fn each_message_is_shown_decoded_on_standard_error() {
    let mut house = House::new();
    let complaints = counter(&mut house, "1");
    assert_eq!(house.run(COUNTER, &["set", "40"]).code, 0);
    assert_eq!(house.run(COUNTER, &["get"]), Ran::said("40"));
    assert_eq!(house.run(COUNTER, &["add", "2"]), Ran::said("42"));
    let refused = Ran::failed("counter: invalid argument");
    assert_eq!(house.run(COUNTER, &["set", "many"]), refused);
    let text = all(&mut house, complaints);
    let lines: Vec<_> = text.lines().map(shown).collect();
    let expected = [
        "/dev/counter open O_WRONLY = ok",
        "/dev/counter write 2 = 2 bytes",
        "/dev/counter close = ok",
        "/dev/counter open O_RDONLY = ok",
        "/dev/counter read 32 = 3 bytes",
        "/dev/counter close = ok",
        "/dev/counter open O_RDWR = ok",
        "/dev/counter devctl 0xc0086301 8 = 24 bytes",
        "/dev/counter close = ok",
        "/dev/counter open O_WRONLY = ok",
        "/dev/counter write 4 = EINVAL",
        "/dev/counter close = ok",
    ];
    assert_eq!(lines, expected);
}

#[test]
fn only_what_is_asked_for_goes_to_the_file() {
    let mut house = House::new();
    let file = house.base().join("log");
    let log = format!("/dev ops=write,stat file={}", file.display());
    let complaints = counter(&mut house, &log);
    assert_eq!(house.run(COUNTER, &["set", "1"]).code, 0);
    assert_eq!(house.run(COUNTER, &["get"]), Ran::said("1"));
    let text = std::fs::read_to_string(&file).unwrap();
    let lines: Vec<_> = text.lines().map(shown).collect();
    assert_eq!(lines, ["/dev/counter write 1 = 1 bytes"]);
    assert_eq!(all(&mut house, complaints), "");
}

#[test]
fn a_word_that_is_not_understood_is_told_and_nothing_is_shown() {
    let mut house = House::new();
    let complaints = counter(&mut house, "1 everything");
    assert_eq!(house.run(COUNTER, &["set", "1"]).code, 0);
    let said = "resmgr: RESMGR_LOG: \"everything\" is not understood: nothing is shown\n";
    assert_eq!(all(&mut house, complaints), said);
}
