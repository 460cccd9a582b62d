//! The README's first command: what it shows, and that nothing of it stays.

// The helpers below are tests, too.
#![allow(clippy::unwrap_used)]

mod support;

use resmgr_sys::signal;
use std::ffi::OsString;
use std::io::BufReader;
use support::{House, Running, can_mount, line, until};

const QUICKSTART: &str = env!("CARGO_BIN_EXE_quickstart");

/// Processes whose working directory or arguments lie in the house.
fn processes(house: &House) -> Vec<String> {
    let base = house.base().to_string_lossy().into_owned();
    let mut found = Vec::new();
    for process in std::fs::read_dir("/proc").unwrap().flatten() {
        let arguments = std::fs::read(process.path().join("cmdline")).unwrap_or_default();
        let arguments = String::from_utf8_lossy(&arguments).replace('\0', " ");
        let directory = std::fs::read_link(process.path().join("cwd")).unwrap_or_default();
        if arguments.contains(&base) || directory.starts_with(&base) {
            found.push(arguments);
        }
    }
    found
}

#[track_caller]
fn nothing_is_left(house: &House) {
    assert_eq!(house.files(), Vec::<OsString>::new());
    assert_eq!(processes(house), Vec::<String>::new());
    assert!(!house.is_mounted());
}

#[test]
fn it_shows_every_way_in_and_cleans_up() {
    let house = House::new();
    let shown = house.run(QUICKSTART, &[]);
    assert_eq!(shown.code, 0, "{shown:?}");
    for expected in [
        "-> status 2, \"first line\\nsecond line\\n\"",
        "-> 3\n   devctl(a command",
        "-> ENOENT: no such file or directory",
        "nothing is left",
    ] {
        assert!(shown.out.contains(expected), "{expected} in {}", shown.out);
    }
    if can_mount() {
        assert!(shown.out.contains("third line\n   $ echo"), "{}", shown.out);
        assert!(shown.out.contains("4194304 bytes"), "{}", shown.out);
    }
    nothing_is_left(&house);
}

/// Ends it by a signal as soon as it has said a line that contains `when`.
#[track_caller]
fn stopped(with: i32, when: &str) {
    let house = House::new();
    let mut child = house.command(QUICKSTART).spawn().unwrap();
    let mut output = BufReader::new(child.stdout.take().unwrap());
    let mut running = Running(child);
    until(when, || {
        let line = line(&mut output);
        assert!(!line.is_empty(), "it ended before it said {when}");
        line.contains(when)
    });
    running.signal(with);
    // The pipe stays open to its end, so that it is the signal that ends it.
    running.end();
    drop(output);
    nothing_is_left(&house);
}

#[test]
fn ctrl_c_cleans_up_at_every_step() {
    for when in ["Everything", "serves", "By message", "By the calls"] {
        stopped(signal::INT, when);
    }
}

#[test]
fn ctrl_c_cleans_up_while_the_mount_is_in_use() {
    if !can_mount() {
        return;
    }
    for when in ["$ mount.resmgr", "$ ls -l", "$ dd"] {
        stopped(signal::INT, when);
    }
}

#[test]
fn sigterm_and_a_closed_terminal_clean_up_as_well() {
    stopped(signal::TERM, "By message");
    stopped(signal::HUP, "By the calls");
}
