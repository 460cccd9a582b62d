//! Open files of a client.
//!
//! | command | answer |
//! |---|---|
//! | `file-open NAME PATH flags=` | `ok`; for reading and writing, unless flags say otherwise |
//! | `file-dup NEW NAME`, `file-again NEW NAME` | `ok`: another connection of the open, or another open of the file |
//! | `file-close NAME` | `ok`, or what the server says of it |
//! | `file-read NAME LEN`, `file-position NAME` | the bytes; the position |
//! | `file-write NAME DATA` | how many bytes were taken |
//! | `file-seek-read NAME OFFSET LEN`, `file-seek-write NAME OFFSET DATA` | the same in one message with a seek |
//! | `file-lock NAME set|wait|test read|write|unlock START LEN` | `ok`; of `test`, `free` or `KIND START LEN PID` |
//! | `file-flock NAME now|wait read|write|unlock` | `ok` |
//! | `file-notify NAME poll|pollarm|condarm|tranarm CONDITIONS EVENT` | what is told; an event is hexadecimal or `-` |
//! | `file-poll NAME CONDITIONS deadline=MS` | what the file is ready for |
//!
//! Conditions are `input`, `output`, `error` and `hangup`, with `+` between them, or `-`.

use super::Words;
use super::commands::outcome;
use super::events::parse;
use super::things::Things;
use resmgr::client::{self, Conditions, File, LockKind, NotifyAction, OpenFlags, PollFile};
use resmgr::ipc::Event;
use resmgr::wire::Seek;
use resmgr_sys::{Errno, Result};
use std::sync::Arc;
use std::time::Duration;

const CONDITIONS: [(&str, Conditions); 4] = [
    ("input", Conditions::INPUT),
    ("output", Conditions::OUTPUT),
    ("error", Conditions::ERROR),
    ("hangup", Conditions::HANG_UP),
];

fn conditions(word: &str) -> Conditions {
    let named = |part| CONDITIONS.iter().find(|(name, _)| *name == part);
    word.split('+').filter_map(named).map(|one| one.1).collect()
}

fn shown(conditions: Conditions) -> String {
    let held = CONDITIONS.iter().filter(|one| conditions.contains(one.1));
    let names: Vec<_> = held.map(|one| one.0).collect();
    if names.is_empty() {
        "-".into()
    } else {
        names.join("+")
    }
}

pub(crate) fn run(things: &Things, words: &Words<'_>) -> Option<String> {
    let name = words.get(1);
    let file = || things.opened.get(name);
    let new = |made: Result<File>| made.map(|made| things.opened.put(name, Arc::new(made)));
    let old = || things.opened.get(words.get(2));
    let done = match words.get(0) {
        "file-open" => {
            let flags = words.named_number("flags");
            let flags = flags.map_or(OpenFlags::READ | OpenFlags::WRITE, |bits| {
                OpenFlags::from_bits_retain(bits)
            });
            new(client::open(words.get(2), flags)).map(ok)
        }
        "file-dup" => new(old().dup()).map(ok),
        "file-again" => new(old().open_again(old().flags())).map(ok),
        "file-close" => {
            let file = Arc::try_unwrap(things.opened.take(name));
            file.map_err(|_| Errno::BUSY).and_then(File::close).map(ok)
        }
        "file-read" => {
            let mut buffer = vec![0; words.number(2)];
            let read = file().read(&mut buffer);
            read.map(|len| super::show(&buffer[..len]))
        }
        "file-write" => file().write(&words.data(2)).map(|count| count.to_string()),
        "file-seek-read" => {
            let (to, mut buffer) = (Seek::Start(words.number(2)), vec![0; words.number(3)]);
            let read = file().seek_and_read(to, &mut buffer);
            read.map(|len| super::show(&buffer[..len]))
        }
        "file-seek-write" => {
            let to = Seek::Start(words.number(2));
            let written = file().seek_and_write(to, &words.data(3));
            written.map(|count| count.to_string())
        }
        "file-position" => file().position().map(|position| position.to_string()),
        "file-lock" => lock(&file(), words),
        "file-flock" => flock(&file(), words).map(ok),
        "file-notify" => notify(&file(), words),
        "file-poll" => poll(&file(), words),
        _ => return None,
    };
    Some(outcome(done))
}

fn ok((): ()) -> String {
    "ok".into()
}

fn kind(word: &str) -> LockKind {
    match word {
        "read" => LockKind::Read,
        "write" => LockKind::Write,
        _ => LockKind::Unlock,
    }
}

fn lock(file: &File, words: &Words<'_>) -> Result<String> {
    let kind = kind(words.get(3));
    let (base, len) = (Seek::Start(words.number(4)), words.number(5));
    match words.get(2) {
        "set" => file.try_lock(kind, base, len).map(ok),
        "wait" => file.lock(kind, base, len).map(ok),
        _ => {
            let held = file.test_lock(kind, base, len)?;
            Ok(held.map_or("free".into(), |held| {
                let kind = if held.kind == LockKind::Read {
                    "read"
                } else {
                    "write"
                };
                format!("{kind} {} {} {}", held.start, held.len, held.pid)
            }))
        }
    }
}

fn flock(file: &File, words: &Words<'_>) -> Result<()> {
    let kind = kind(words.get(3));
    match words.get(2) {
        "now" => file.try_flock(kind),
        _ => file.flock(kind),
    }
}

fn notify(file: &File, words: &Words<'_>) -> Result<String> {
    let action = match words.get(2) {
        "poll" => NotifyAction::Poll,
        "pollarm" => NotifyAction::PollArm,
        "condarm" => NotifyAction::CondArm,
        _ => NotifyAction::TranArm,
    };
    let event = match words.get(4) {
        "-" | "" => Event::none(),
        hex => parse(hex)?,
    };
    let told = file.notify(action, conditions(words.get(3)), &event)?;
    Ok(shown(told))
}

fn poll(file: &File, words: &Words<'_>) -> Result<String> {
    let mut files = [PollFile::new(file, conditions(words.get(2)))];
    let timeout = words.named_number("deadline").map(Duration::from_millis);
    client::poll(&mut files, timeout)?;
    Ok(shown(files[0].ready()))
}
