//! Each example as a person would use it: a server in one process, clients in others.

mod support;

use resmgr_sys::signal;
use std::os::unix::fs::PermissionsExt;
use support::{House, Ran, can_mount, end, is_root, line, skip, until};

const HELLO: &str = env!("CARGO_BIN_EXE_hello");
const CLOCK: &str = env!("CARGO_BIN_EXE_clock");
const COUNTER: &str = env!("CARGO_BIN_EXE_counter");
const GREETER: &str = env!("CARGO_BIN_EXE_greeter");
const ADDER: &str = env!("CARGO_BIN_EXE_adder");
const RAMDISK: &str = env!("CARGO_BIN_EXE_ramdisk");

#[test]
fn hello_is_read_and_written_through_the_mount() {
    if !can_mount() {
        return;
    }
    let mut house = House::new();
    let mut output = house.serve(HELLO, &[], "/dev/hello");
    house.mount();
    let cat = house.shell("cat mnt/dev/hello && head -c 5 mnt/dev/hello");
    assert_eq!(cat.out, "Hello, world!\nHello", "{cat:?}");
    let echo = house.shell("echo hi > mnt/dev/hello");
    assert_eq!(echo.code, 0, "{echo:?}");
    assert_eq!(line(&mut output), "hi\n");
    let list = house.shell("ls mnt/dev");
    assert_eq!(list, Ran::said("hello"));
}

#[test]
fn hello_takes_its_name_along_when_it_goes() {
    let mut house = House::new();
    drop(house.serve(HELLO, &[], "/dev/hello"));
    house.server().signal(signal::TERM);
    house.server().end();
    until("the name has gone", || !house.resolves("/dev/hello"));
}

#[test]
fn counter_counts_by_read_write_and_devctl() {
    let mut house = House::new();
    let gone = Ran::failed("counter: no such file or directory");
    assert_eq!(house.run(COUNTER, &["get"]), gone);
    let _output = house.serve(COUNTER, &[], "/dev/counter");
    assert_eq!(house.run(COUNTER, &["get"]), Ran::said("0"));
    assert_eq!(house.run(COUNTER, &["set", "40"]).code, 0);
    assert_eq!(house.run(COUNTER, &["add", "2"]), Ran::said("42"));
    assert_eq!(house.run(COUNTER, &["get"]), Ran::said("42"));
    let refused = Ran::failed("counter: invalid argument");
    assert_eq!(house.run(COUNTER, &["set", "many"]), refused);
    assert_eq!(house.run(COUNTER, &["get"]), Ran::said("42"));
}

#[test]
fn clock_has_many_wait_and_forgets_who_goes() {
    let mut house = House::new();
    let _output = house.serve(CLOCK, &[], "/dev/clock");
    let waiting = |house: &House, count: &str| house.run(CLOCK, &["waiting"]) == Ran::said(count);
    let wait = |milliseconds: &str| {
        let mut command = house.command(CLOCK);
        command.args(["wait", milliseconds]).spawn().unwrap()
    };
    // An hour, and none of them keeps the others waiting.
    let mut late: Vec<_> = (0..5).map(|_| wait("3600000")).collect();
    until("all wait", || waiting(&house, "5"));
    assert_eq!(end(wait("20")).code, 0);
    for one in &mut late {
        one.kill().unwrap();
        one.wait().unwrap();
    }
    until("nobody waits", || waiting(&house, "0"));
}

#[test]
fn greeter_answers_what_it_knows_and_refuses_the_rest() {
    let mut house = House::new();
    let _output = house.serve(GREETER, &[], "/dev/name/local/greeter");
    assert_eq!(house.run(GREETER, &["Hello"]), Ran::said("World"));
    assert_eq!(house.run(GREETER, &["Ni Hao"]), Ran::said("Zhong Guo"));
    let refused = Ran::failed("greeter: the server refused: invalid argument");
    assert_eq!(house.run(GREETER, &["Good day"]), refused);
    // What Ctrl-Z and `fg` do.
    house.server().signal(signal::STOP);
    house.server().signal(signal::CONT);
    // Clients have come and gone; their numbers were given back, and the next one is served.
    assert_eq!(house.run(GREETER, &["Hello"]), Ran::said("World"));
}

#[test]
fn greeter_says_that_its_name_is_taken() {
    let mut house = House::new();
    let _output = house.serve(GREETER, &[], "/dev/name/local/greeter");
    let second = house.run(GREETER, &[]);
    let sentence = "greeter: attach /dev/name/local/greeter: device or resource busy";
    assert_eq!(second, Ran::failed(sentence));
}

#[test]
fn adder_adds_pulses_and_wakes_those_who_wait() {
    let mut house = House::new();
    let _output = house.serve(ADDER, &[], "/dev/name/local/adder");
    assert_eq!(house.run(ADDER, &["add", "3", "4"]), Ran::said("7"));
    let waiter = house.command(ADDER).args(["wait", "10", "60"]).spawn();
    assert_eq!(house.run(ADDER, &["add", "2"]), Ran::said("9"));
    assert_eq!(house.run(ADDER, &["add", "1"]), Ran::said("10"));
    assert_eq!(end(waiter.unwrap()), Ran::said("10"));
}

#[test]
fn adder_lets_go_of_a_client_whose_time_is_over() {
    let mut house = House::new();
    let _output = house.serve(ADDER, &[], "/dev/name/local/adder");
    // The server answers the unblock pulse, so the client gets the server's errno, not the deadline's.
    let late = Ran::failed("adder: interrupted system call");
    assert_eq!(house.run(ADDER, &["wait", "1", "1"]), late);
    assert_eq!(house.run(ADDER, &["add", "1"]), Ran::said("1"));
}

#[test]
fn adder_forgets_a_client_that_is_killed_while_it_waits() {
    let mut house = House::new();
    let _output = house.serve(ADDER, &[], "/dev/name/local/adder");
    let mut waiter = house.command(ADDER).args(["wait", "5", "60"]).spawn();
    assert_eq!(house.run(ADDER, &["add", "1"]), Ran::said("1"));
    let waiter = waiter.as_mut().unwrap();
    waiter.kill().unwrap();
    waiter.wait().unwrap();
    assert_eq!(house.run(ADDER, &["add", "9"]), Ran::said("10"));
}

#[test]
fn ramdisk_keeps_what_dd_writes_and_ends_where_it_is_full() {
    if !can_mount() {
        return;
    }
    let mut house = House::new();
    let _output = house.serve(RAMDISK, &["3M"], "/dev/ramdisk");
    house.mount();
    let size = house.shell("stat -c %s mnt/dev/ramdisk");
    assert_eq!(size, Ran::said("3145728"));
    let copied = house.shell(
        "dd if=/dev/urandom of=data bs=1M count=3 2>/dev/null &&
         dd if=data of=mnt/dev/ramdisk bs=1M 2>/dev/null &&
         cmp data mnt/dev/ramdisk &&
         printf middle | dd of=mnt/dev/ramdisk bs=1 seek=1000000 conv=notrunc 2>/dev/null &&
         dd if=mnt/dev/ramdisk bs=1 skip=1000000 count=6 2>/dev/null && echo",
    );
    assert_eq!(copied, Ran::said("middle"));
    let full = house.shell("dd if=/dev/zero of=mnt/dev/ramdisk bs=1M count=4");
    assert!(full.err.contains("No space left on device"), "{full:?}");
}

#[test]
fn ramdisk_is_refused_with_a_sentence() {
    let house = House::new();
    let long = format!("/dev/{}", "x".repeat(300));
    let sentence = format!("ramdisk: attach {long}: file name too long");
    let refused = house.run(RAMDISK, &["1K", &long]);
    assert_eq!(refused, Ran::failed(&sentence));
    let refused = house.run(RAMDISK, &["1K", ""]);
    let sentence = "ramdisk: attach : no such file or directory";
    assert_eq!(refused, Ran::failed(sentence));
    let refused = house.run(RAMDISK, &["much"]);
    assert_eq!(refused, Ran::failed("ramdisk: \"much\" is no size"));
    assert_eq!(house.run(RAMDISK, &["16777215G"]).code, 1);
}

#[test]
fn a_runtime_directory_that_is_open_to_others_is_refused_with_a_sentence() {
    let house = House::new();
    let dir = house.runtime_dir();
    std::fs::create_dir(&dir).unwrap();
    std::fs::set_permissions(&dir, PermissionsExt::from_mode(0o777)).unwrap();
    for program in [HELLO, GREETER] {
        let refused = house.run(program, &[]);
        assert_eq!(refused.code, 1);
        assert_eq!(refused.err.lines().count(), 1, "{refused:?}");
        let reason = format!("reach the namespace: {}: ", dir.display());
        assert!(refused.err.contains(&reason), "{refused:?}");
        assert!(refused.err.contains("(mode 0777)"), "{refused:?}");
    }
}

#[test]
fn a_runtime_directory_of_somebody_else_is_refused_with_a_sentence() {
    if !is_root() {
        return skip("only root can give a directory to somebody else");
    }
    let house = House::new();
    let dir = house.runtime_dir();
    std::fs::create_dir(&dir).unwrap();
    std::fs::set_permissions(&dir, PermissionsExt::from_mode(0o700)).unwrap();
    std::os::unix::fs::chown(&dir, Some(12345), None).unwrap();
    let refused = house.run(HELLO, &[]);
    assert_eq!(refused.code, 1);
    let sentence = format!(
        "Error: reach the namespace: {}: belongs to uid 12345\n",
        dir.display()
    );
    assert_eq!(refused.err, sentence);
}
