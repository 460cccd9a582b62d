//! Clients that behave badly.

use super::{WITH, path};
use crate::arguments::{Errand, Role};
use crate::failure::{Doing, Failure};
use crate::server::{Server, say_ready};
use resmgr::Errno;
use resmgr::client::{self, File, LockKind, OpenFlags, PendingRead, Seek};
use std::collections::VecDeque;
use std::time::Duration;

/// Locks that somebody holds, and reads that somebody waits in.
const HELD: usize = 1000;
/// Opens of somebody who dies soon.
const FEW: usize = 50;
/// How long such a one lives.
const LIFE: Duration = Duration::from_millis(5);

/// The client's side: behaves as its errand says until it is killed.
pub(crate) fn behave_badly(errand: &Errand) -> Result<(), Failure> {
    match errand.address.as_str() {
        "unfetched" => unfetched(),
        "locks" => locks(),
        "opening" => opening(errand.count),
        "opened" => opened(errand.count),
        "dying" => dying(),
        "doomed" => doomed(),
        "flood" => flood(),
        "blocked" => blocked(),
        other => Err(Failure::new(format!("nobody behaves like this: {other}"))),
    }
}

fn open(name: &str) -> Result<File, Failure> {
    let flags = OpenFlags::READ | OpenFlags::WRITE;
    client::open(path(WITH, name), flags).doing("open a file")
}

fn sleep() -> ! {
    loop {
        std::thread::sleep(Duration::from_secs(1));
    }
}

/// As many reads as there may be. A full server is what is wanted here.
fn begin(file: &File, len: usize, most: usize) -> Result<Vec<PendingRead>, Failure> {
    let mut begun = Vec::new();
    while begun.len() < most {
        match file.begin_read(len, Some(0)) {
            Ok(read) => begun.push(read),
            Err(Errno::AGAIN | Errno::NOMEM) => break,
            Err(errno) => return Err(errno).doing("begin to read"),
        }
    }
    Ok(begun)
}

fn unfetched() -> Result<(), Failure> {
    let file = open("data")?;
    let _begun = begin(&file, 4096, usize::MAX)?;
    say_ready("ready")?;
    sleep()
}

fn locks() -> Result<(), Failure> {
    let file = open("data")?;
    let at = |number: usize| Seek::Start(2 * number as u64);
    for number in 0..HELD {
        file.try_lock(LockKind::Write, at(number), 1)
            .doing("lock a range")?;
    }
    say_ready("ready")?;
    loop {
        for number in HELD..HELD + 20 {
            file.try_lock(LockKind::Write, at(number), 1)
                .doing("lock a range")?;
        }
        for number in HELD..HELD + 20 {
            file.unlock(at(number), 1).doing("unlock a range")?;
        }
    }
}

fn opening(count: usize) -> Result<(), Failure> {
    let _kept = open("data")?;
    say_ready("ready")?;
    loop {
        let files: Result<Vec<_>, _> = (0..count).map(|_| open("data")).collect();
        drop(files?);
    }
}

fn opened(count: usize) -> Result<(), Failure> {
    let files: Result<Vec<_>, _> = (0..count).map(|_| open("data")).collect();
    let _files = files?;
    say_ready("ready")?;
    sleep()
}

fn dying() -> Result<(), Failure> {
    say_ready("ready")?;
    loop {
        let errand = Errand {
            address: "doomed".to_owned(),
            ..Errand::new(Role::Bad, None)
        };
        let mut doomed = Server::start(&errand, None)?;
        doomed.ready()?;
        std::thread::sleep(LIFE);
    }
}

fn doomed() -> Result<(), Failure> {
    let files: Result<Vec<_>, _> = (0..FEW).map(|_| open("data")).collect();
    let (_files, never) = (files?, open("never")?);
    let _begun = begin(&never, 16, HELD)?;
    say_ready("ready")?;
    loop {
        open("data")?;
    }
}

fn flood() -> Result<(), Failure> {
    let file = open("data")?;
    let mut begun = VecDeque::from(begin(&file, 4096, usize::MAX)?);
    say_ready("ready")?;
    let mut buffer = [0; 4096];
    loop {
        if let Some(read) = begun.pop_front() {
            read.wait(&mut buffer).doing("read")?;
        }
        begun.extend(begin(&file, 4096, usize::MAX)?);
    }
}

fn blocked() -> Result<(), Failure> {
    let never = open("never")?;
    let _begun = begin(&never, 16, HELD)?;
    say_ready("ready")?;
    loop {
        drop(begin(&never, 16, 10)?);
    }
}
