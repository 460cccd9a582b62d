//! Device commands, from both sides.
//!
//! | command | answer |
//! |---|---|
//! | `devctl SLOT NUMBER DATA` | `INFORMATION DATA`; the number is hexadecimal, and `room:N` stands for N points |
//! | `command SLOT set\|add\|get\|convert\|steps\|reset VALUE` | what the typed command brings |
//!
//! Slots are those of `file-open`.

use super::Words;
use super::commands::outcome;
use super::things::Things;
use resmgr::prelude::*;
use resmgr::resource::check::check_mode;
use resmgr::wire::{Action, Command, Exchange, Get, Plain, Set};
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
/// Brings how many steps a range has.
const STEPS: Exchange<Range, u64> = Exchange::new(5, 11);
/// Only for root.
const ROOTS: Action = Action::new(5, 10);

resmgr::plain_struct! {
    /// From where to where, and how far each step goes: as C has it, with room between the fields.
    #[derive(Clone, Copy, Debug)]
    struct Range {
        low: u16,
        high: u32,
        step: u64,
    }
}

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
    } else if call.is(&STEPS) {
        let Range { low, high, step } = call.input(&STEPS)?;
        let distance = u64::from(high).checked_sub(low.into());
        let steps = distance.and_then(|distance| distance.checked_div(step));
        call.output(&STEPS, &steps.ok_or(Errno::RANGE)?)
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
        _ => return None,
    };
    Some(outcome(done))
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
        "steps" => {
            let range = Range {
                low: words.number(3),
                high: words.number(4),
                step: words.number(5),
            };
            done(file, STEPS, &range)
        }
        _ => done(file, RESET, &()),
    }
}
