//! A manager whose loop has everything attached that can be, and which notes each thing that it is given.
//!
//! | command | answer |
//! |---|---|
//! | `serve-loop NAME PATH THREADS` | `channel CHID`; for the path `-` it has no file |
//! | `loop-seen NAME` | what it has been given, in this order, with `, ` between; then it is forgotten |
//! | `loop-threads NAME` | how many threads have run its handlers |
//! | `loop-poke NAME` | `ok`: a byte for its pipe |
//! | `loop-timer NAME` | `ok`: its timer expires once |
//! | `loop-send NAME DATA` | the status: a message by the loop's connection to itself |
//! | `loop-pulse NAME CODE`, `loop-types NAME FIRST LAST` | `ok`, or why that cannot be attached |
//!
//! Messages whose second byte is `a` are the program's own: the answer's status is 7. Of those that are filled with
//! the pattern it is the length. The pulses are those with code 5. Of what is written to the file the first half is
//! taken; what begins with `!` is `EIO`, and with `?` a panic.

use super::Words;
use super::commands::outcome;
use super::things::Things;
use resmgr::dispatch::{Attachments, SelectFlags, SourceId};
use resmgr::ipc::{Clock, Message};
use resmgr::prelude::*;
use resmgr_sys::{sched, signal};
use std::collections::HashSet;
use std::io::{PipeReader, PipeWriter, Read as _, Write as _};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// What was given to handlers, and the threads that ran them.
#[derive(Debug, Default)]
struct Notes(Mutex<(Vec<String>, HashSet<u32>)>);

/// A loop, seen from the commands.
#[derive(Debug)]
pub(crate) struct Loop {
    notes: Arc<Notes>,
    attachments: Arc<Attachments>,
    pipe: PipeWriter,
    timer: SourceId,
}

impl Notes {
    fn note(&self, what: String) {
        let mut noted = self.0.lock().unwrap();
        noted.1.insert(sched::thread_id());
        noted.0.push(what);
    }
}

struct Noted(Arc<Notes>);

impl Resource for Noted {
    type Node = ();
    type Open = ();

    fn root(&self) {}

    fn attr(&self, (): &()) -> Result<Attr> {
        Ok(Attr::file(0o666, 4))
    }

    fn open(&self, (): &(), _how: &Opening) -> Result<()> {
        self.0.note("open".into());
        Ok(())
    }

    fn close(&self, _ocb: &Ocb) {
        self.0.note("close".into());
    }

    fn read(&self, _ocb: &Ocb, call: Call<'_, Read>) -> Result<Done> {
        let info = call.info().ok_or(Errno::IO)?;
        let (scoid, coid) = (info.scoid, info.coid);
        let (pid, tid) = (info.pid, info.tid);
        self.0.note(format!(
            "read scoid={scoid} coid={coid} pid={pid} tid={tid}"
        ));
        call.fill(|at, buffer| at.copy(b"data", buffer))
    }

    fn write(&self, _ocb: &Ocb, call: Call<'_, Write>) -> Result<Done> {
        let data = call.data();
        self.0.note(format!("write {}", data.len()));
        match data.first() {
            Some(b'!') => Err(Errno::IO),
            Some(b'?') => panic!("a handler was told to"),
            _ => call.taken(data.len() / 2),
        }
    }
}

pub(crate) fn run(things: &Things, words: &Words<'_>) -> Option<String> {
    let name = words.get(1);
    let one = || things.loops.get(name);
    let done = match words.get(0) {
        "serve-loop" => serve(things, words),
        "loop-seen" => {
            let noted = std::mem::take(&mut one().notes.0.lock().unwrap().0);
            Ok(noted.join(", "))
        }
        "loop-threads" => Ok(one().notes.0.lock().unwrap().1.len().to_string()),
        "loop-poke" => {
            let written = (&one().pipe).write_all(b"x");
            written.map_err(Errno::from).map(|()| "ok".into())
        }
        "loop-timer" => {
            let one = one();
            let soon = Duration::from_millis(1);
            let started = one.attachments.start_timer(one.timer, soon, Duration::ZERO);
            started.map(|()| "ok".into())
        }
        "loop-send" => send(&one(), &words.data(2)),
        "loop-pulse" => {
            let attached = one().attachments.attach_pulse(words.number(2), |_| ());
            attached.map(|()| "ok".into())
        }
        "loop-types" => {
            let types = words.number(2)..=words.number(3);
            let attached = one().attachments.attach_messages(types, |_, _| ());
            attached.map(|()| "ok".into())
        }
        _ => return None,
    };
    Some(outcome(done))
}

fn send(one: &Loop, data: &[u8]) -> Result<String> {
    let connection = one.attachments.connect()?;
    let sent = connection.send(data, &mut []);
    Ok(sent.map_or_else(
        |error| format!("{error:?}"),
        |answer| answer.status.to_string(),
    ))
}

fn serve(things: &Things, words: &Words<'_>) -> Result<String> {
    let notes = Arc::new(Notes::default());
    let failed = |error: StartError| error.errno();
    let manager = Manager::new().map_err(failed)?.threads(words.number(3));
    let channel = manager.channel();
    let attachments = manager.attachments();
    let (reader, pipe) = std::io::pipe()?;
    attach_messages(&attachments, &notes)?;
    let timer = attach_sources(&attachments, &notes, reader)?;
    let manager = match words.get(2) {
        "-" => manager,
        path => manager
            .attach(path, Noted(Arc::clone(&notes)))
            .map_err(failed)?,
    };
    let running = manager.spawn().map_err(failed)?;
    things.managers.put(words.get(1), running);
    let one = Loop {
        notes,
        attachments,
        pipe,
        timer,
    };
    things.loops.put(words.get(1), Arc::new(one));
    Ok(format!("channel {channel}"))
}

fn attach_messages(attachments: &Attachments, notes: &Arc<Notes>) -> Result<()> {
    let noted = Arc::clone(notes);
    attachments.attach_messages(0x6100..=0x61FF, move |message, bytes| {
        noted.note(format!(
            "message {} {}",
            super::show(bytes),
            message.info().pid
        ));
        let _ = message.reply(7, &[]);
    })?;
    attachments.attach_messages(0x0201..=0x0201, |message, bytes| {
        let whole = whole(&message, bytes).unwrap_or(-1);
        let _ = message.reply(whole, &[]);
    })?;
    let noted = Arc::clone(notes);
    attachments.attach_pulse(5, move |pulse| {
        noted.note(format!("pulse {} {}", pulse.code, pulse.value));
    })
}

/// How long a message is, if each byte of it is the pattern's.
fn whole(message: &Message, bytes: &[u8]) -> Result<i64> {
    let mut all = bytes.to_vec();
    all.resize(message.info().source_len, 0);
    let rest = all.get_mut(bytes.len()..).ok_or(Errno::BADMSG)?;
    message.read(rest, bytes.len())?;
    let good = all == super::fill(all.len());
    Ok(if good {
        i64::try_from(all.len()).unwrap_or(-1)
    } else {
        -1
    })
}

fn attach_sources(
    attachments: &Attachments,
    notes: &Arc<Notes>,
    reader: PipeReader,
) -> Result<SourceId> {
    let (noted, mut input) = (Arc::clone(notes), reader.try_clone()?);
    attachments.attach_fd(reader, SelectFlags::READ, move |_| {
        let mut byte = [0];
        let count = input.read(&mut byte).unwrap_or(0);
        noted.note(format!("descriptor {count}"));
    })?;
    let noted = Arc::clone(notes);
    attachments.attach_signal(signal::ALRM, move |signal| {
        noted.note(format!("signal {}", signal.number));
    })?;
    let noted = Arc::clone(notes);
    attachments.attach_timer(Clock::Monotonic, move |expired| {
        noted.note(format!("timer {}", expired.times));
    })
}
