//! The commands of a peer, read from standard input, one a line; see `commands.rs`.
//!
//! A line is `SERIAL LANE VERB ARGUMENT…`. A lane is a thread: commands of one lane run one after the
//! other, those of different lanes at the same time. The answer is two lines: `SERIAL at TID` when the
//! command begins, and `SERIAL TEXT` when it has ended.

pub mod bulk;
mod by_id;
mod by_path;
mod commands;
mod crowd;
mod devctls;
mod endurance;
mod events;
mod gadget;
mod hand;
mod inspect;
mod late;
mod load;
mod loops;
mod more_opens;
mod opens;
mod parcels;
mod paths;
mod pending;
mod poll;
mod posix;
mod probe;
mod remote;
mod things;
pub mod threads;
mod waits;
mod words;

use resmgr_sys::process;
use resmgr_sys::signal::{self, SignalFd};
use std::collections::HashMap;
use std::io::Write as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};
use things::Things;
pub(crate) use words::{Words, fill, show};

/// The first argument of a program that does one command.
pub(crate) const ONCE: &str = "once";

/// Serves until standard input ends, or the test's process does. A program that another peer has started does
/// the one command that it was given.
pub fn run() {
    let mut arguments = std::env::args().skip(1);
    if arguments.next().as_deref() == Some(ONCE) {
        let command: Vec<String> = arguments.collect();
        let words = command.join(" ");
        println!("{}", commands::run(&Things::default(), &Words::new(&words)));
        return;
    }
    // Before any other thread starts: handlers of a loop are to get it.
    let _ = SignalFd::new(&[signal::ALRM]);
    // The test may be killed: then nobody would end this process.
    let _ = process::die_with_parent();
    let things = Arc::new(Things::default());
    let mut lanes: HashMap<String, Sender<String>> = HashMap::new();
    for line in std::io::stdin().lines().map_while(Result::ok) {
        let lane = line.split(' ').nth(1).unwrap_or_default().to_owned();
        let lane = lanes.entry(lane).or_insert_with(|| start_lane(&things));
        if lane.send(line).is_err() {
            return;
        }
    }
}

fn start_lane(things: &Arc<Things>) -> Sender<String> {
    let (sender, receiver) = channel::<String>();
    let things = Arc::clone(things);
    std::thread::spawn(move || {
        for line in receiver {
            obey(&things, &line);
        }
    });
    sender
}

fn obey(things: &Things, line: &str) {
    let mut parts = line.splitn(3, ' ');
    let (serial, command) = (parts.next().unwrap_or("0"), parts.nth(1).unwrap_or(""));
    say(&format!("{serial} at {}", resmgr_sys::sched::thread_id()));
    let done = catch_unwind(AssertUnwindSafe(|| {
        let words = Words::new(command);
        threads::run(things, &words).unwrap_or_else(|| commands::run(things, &words))
    }));
    let text = done.unwrap_or_else(|_| format!("no such command, or not possible: {command}"));
    say(&format!("{serial} {text}"));
}

fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    // The test has gone: so will this process.
    let _ = writeln!(out, "{line}").and_then(|()| out.flush());
}
