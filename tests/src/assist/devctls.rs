//! Device commands, from both sides.
//!
//! | command | answer |
//! |---|---|
//! | `devctl SLOT NUMBER DATA` | `INFORMATION DATA`; the number is hexadecimal, and `room:N` stands for N points |
//! | `command SLOT set\|add\|get\|convert\|reset VALUE` | what the typed command brings |
//! | `file-flags SLOT`, `file-set-flags SLOT HOW` | open()'s `oflag` as the server has it, in octal |
//! | `file-map SLOT r\|rw` | the first bytes that the memory has |
//! | `file-info SLOT`, `file-limit SLOT NUMBER`, `file-sync SLOT all\|data` | what the server tells |
//! | `file-statvfs SLOT`, `file-advise SLOT OFFSET LEN ADVICE` | `flag=N namemax=N`; `ok` |
//! | `file-write SLOT DATA`, `file-chmod SLOT MODE` | how many bytes; `ok` |
//! | `file-reopen NEW SLOT HOW`, `file-share SLOT PATH HOW SHARE` | `ok` |
//!
//! Slots are those of `file-open`.

use super::Words;
use super::commands::outcome;
use super::posix::oflag;
use super::things::Things;
use resmgr::client::{Caller, File, Share};
use resmgr::prelude::*;
use resmgr::resource::check::check_mode;
use resmgr::wire::dcmds::{self, Advice};
use resmgr::wire::{Action, Command, Exchange, Get, Plain, Protection, Set};
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

/// What the typed commands work on.
static VALUE: AtomicU32 = AtomicU32::new(0);

const SET: Set<u32> = Set::new(5, 1);
const GET: Get<u32> = Get::new(5, 2);
const CONVERT: Exchange<u16, u64> = Exchange::new(5, 3);
const RESET: Action = Action::new(5, 4);
const ADD: Exchange<u32> = Exchange::new(5, 5);
/// Answers with what came, in any direction and length, or with `z` as far as there is room. The information is a
/// thousand times how many bytes came, and for how many there is room.
const ECHO: u16 = 0x0506;
/// Answers with information and an error.
const FAIL: Action = Action::new(5, 7);
/// Only for who may write; only for who may read.
const GUARDED: Set<u32> = Set::new(5, 8);
const WATCHED: Get<u32> = Get::new(5, 9);
/// Only for root.
const ROOTS: Action = Action::new(5, 10);

/// The server's side.
pub(crate) fn answer(ocb: &Ocb, call: Call<'_, Control>) -> Result<Done> {
    if call.is(&SET) {
        VALUE.store(call.input(&SET)?, Ordering::Relaxed);
        call.information(7)
    } else if call.is(&GET) {
        call.output(&GET, &VALUE.load(Ordering::Relaxed))
    } else if call.is(&ADD) {
        let sum = VALUE.load(Ordering::Relaxed) + call.input(&ADD)?;
        VALUE.store(sum, Ordering::Relaxed);
        call.output(&ADD, &sum)
    } else if call.is(&CONVERT) {
        let value = u64::from(call.input(&CONVERT)?) << 32;
        call.output(&CONVERT, &value)
    } else if call.is(&RESET) {
        VALUE.store(0, Ordering::Relaxed);
        call.information(0)
    } else if call.command().command() == ECHO {
        let (data, room) = (call.data(), call.room());
        let information = i32::try_from(data.len() * 1000 + room).unwrap_or(-1);
        let back = if data.is_empty() {
            vec![b'z'; room]
        } else {
            data[..data.len().min(room)].to_vec()
        };
        call.reply_with(information, &back)
    } else if call.is(&FAIL) {
        Err(Errno::XDEV)
    } else if call.is(&GUARDED) {
        check_mode(ocb.flags(), OpenFlags::WRITE)?;
        call.information(0)
    } else if call.is(&WATCHED) {
        check_mode(ocb.flags(), OpenFlags::READ)?;
        call.output(&WATCHED, &1)
    } else if call.is(&ROOTS) {
        match call.at().client.uid {
            0 => call.information(0),
            _ => Err(Errno::PERM),
        }
    } else {
        Err(Errno::NOTTY)
    }
}

pub(crate) fn run(things: &Things, words: &Words<'_>) -> Option<String> {
    let file = || things.opened.get(words.get(1));
    let done = match words.get(0) {
        "devctl" => raw(&file(), words),
        "command" => typed(&file(), words),
        "file-flags" => file()
            .current_flags()
            .map(|flags| format!("{:o}", flags.to_posix())),
        "file-set-flags" => file()
            .set_flags(OpenFlags::from_posix(oflag(words.get(2))))
            .map(ok),
        "file-map" => map(&file(), words.get(2)),
        "file-info" => file().info().map(|info| {
            format!(
                "{:o} {} {} {} opens={} readers={} writers={} {}",
                info.mode,
                info.flags.to_posix(),
                info.offset,
                info.size,
                info.count,
                info.readers,
                info.writers,
                info.path.escape_ascii()
            )
        }),
        "file-advise" => {
            let advice = Advice {
                offset: words.number(2),
                len: words.number(3),
                advice: words.number(4),
            };
            file().command(&dcmds::ALL_FADVISE, &advice).map(ok)
        }
        "file-statvfs" => file()
            .statvfs()
            .map(|told| format!("flag={} namemax={}", told.flag, told.namemax)),
        "file-limit" => file()
            .pathconf(words.number(2))
            .map(|value| value.to_string()),
        "file-write" => file().write(&words.data(2)).map(|count| count.to_string()),
        "file-chmod" => {
            let mode = u32::from_str_radix(words.get(2), 8).unwrap();
            file().chmod(mode).map(ok)
        }
        "file-sync" if words.get(2) == "all" => file().sync_all().map(ok),
        "file-sync" => file().sync_data().map(ok),
        "file-reopen" => {
            let old = things.opened.get(words.get(2));
            let flags = OpenFlags::from_posix(oflag(words.get(3)));
            old.open_again(flags).map(|new| keep(things, words, new))
        }
        "file-share" => {
            let flags = OpenFlags::from_posix(oflag(words.get(3)));
            let share = share(words.get(4));
            let opened = Caller::default().open_shared(words.get(2), flags, 0, share);
            opened.map(|new| keep(things, words, new))
        }
        _ => return None,
    };
    Some(outcome(done))
}

fn ok<T>(_: T) -> String {
    "ok".into()
}

fn keep(things: &Things, words: &Words<'_>, file: File) -> String {
    things.opened.put(words.get(1), Arc::new(file));
    "ok".into()
}

fn share(word: &str) -> Share {
    match word {
        "none" => Share::DenyNone,
        "read" => Share::DenyRead,
        "write" => Share::DenyWrite,
        "both" => Share::DenyBoth,
        _ => Share::Unstated,
    }
}

fn raw(file: &File, words: &Words<'_>) -> Result<String> {
    let number = u32::from_str_radix(words.get(2), 16).unwrap();
    let mut data = match words.get(3).strip_prefix("room:") {
        Some(len) => vec![b'.'; len.parse().unwrap()],
        None => words.data(3),
    };
    let information = file.devctl(Dcmd::from_raw(number), &mut data)?;
    Ok(format!("{information} {}", super::show(&data)))
}

fn typed(file: &File, words: &Words<'_>) -> Result<String> {
    fn done<In: Plain, Out: Plain + std::fmt::Debug>(
        file: &File,
        command: Command<In, Out>,
        input: &In,
    ) -> Result<String> {
        file.command(&command, input)
            .map(|output| format!("{output:?}"))
    }
    match words.get(2) {
        "set" => done(file, SET, &words.number(3)),
        "add" => done(file, ADD, &words.number(3)),
        "get" => done(file, GET, &()),
        "convert" => done(file, CONVERT, &words.number(3)),
        _ => done(file, RESET, &()),
    }
}

/// What is in the memory that stands for the file; a program would map it.
fn map(file: &File, how: &str) -> Result<String> {
    let mut prot = Protection::READ;
    prot.set(Protection::WRITE, how == "rw");
    let mapped = file.map(prot, 0, 4)?;
    let mut bytes = [0; 4];
    let memory = std::fs::File::from(mapped.descriptor);
    memory.read_exact_at(&mut bytes, mapped.offset)?;
    Ok(super::show(&bytes))
}
