//! The server of one file that is made for tests of open files, and counts what its resource is asked.
//!
//! | command | answer |
//! |---|---|
//! | `serve-probe NAME PATH HOW` | `ok`; `HOW` is below |
//! | `probe-add NEW NAME PATH HOW` | `ok`: another one of the same manager, which is serving |
//! | `probe-detach NAME PATH name|all` | `ok`; of the manager, what is at this path |
//! | `probe-links NAME` | the paths of the manager, with blanks between them |
//! | `probe-stop NAME` | `ok`: the manager has ended |
//! | `probe-counts NAME` | `opens=N dups=N closes=N asked=N held=N waiting=N` |
//! | `probe-answer NAME DATA`, `probe-refuse NAME` | `ok` or the error; the first read that is held gets data, or `EINTR` |
//! | `probe-feed NAME DATA` | `ok`: a line has come |
//!
//! `HOW`: `bytes` has ten digits; `sour` the same, and an error when it is closed; `line` keeps reads waiting for lines,
//! and tells who asked; `deaf` has lines and tells nobody; `letgo`, `ask` and `keep` hold reads, each with that answer to
//! a client that wants to be let go.

use super::Words;
use super::commands::outcome;
use super::things::Things;
use resmgr::dispatch::{AttachFlags, Detach, Handle};
use resmgr::ipc::Rcvid;
use resmgr::prelude::*;
use std::collections::VecDeque;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

/// What reads of `bytes` find.
const BYTES: &[u8] = b"0123456789";

/// What the resource is asked, and what it has; the command's side looks at it.
#[derive(Debug, Default)]
pub(crate) struct Probe {
    how: String,
    opens: AtomicUsize,
    dups: AtomicUsize,
    closes: AtomicUsize,
    asked: AtomicUsize,
    held: Mutex<VecDeque<Deferred<Read>>>,
    lines: Mutex<VecDeque<Vec<u8>>>,
    waiters: Waiters,
}

fn count(counter: &AtomicUsize) {
    counter.fetch_add(1, Ordering::Relaxed);
}

struct Served(Arc<Probe>);

impl Resource for Served {
    type Node = ();
    type Open = ();

    fn root(&self) {}

    fn attr(&self, (): &()) -> Result<Attr> {
        Ok(match &*self.0.how {
            "bytes" | "sour" => Attr::file(0o666, BYTES.len() as u64),
            _ => Attr::device(0o666),
        })
    }

    fn open(&self, (): &(), _how: &Opening) -> Result<()> {
        count(&self.0.opens);
        Ok(())
    }

    fn close_dup(&self, _ocb: &Ocb) -> Result<()> {
        count(&self.0.dups);
        if self.0.how == "sour" {
            return Err(Errno::IO);
        }
        Ok(())
    }

    fn close(&self, _ocb: &Ocb) {
        count(&self.0.closes);
    }

    fn read(&self, _ocb: &Ocb, call: Call<'_, Read>) -> Result<Done> {
        let unblock = match &*self.0.how {
            "letgo" => OnUnblock::LetGo,
            "ask" => OnUnblock::Ask,
            "keep" => OnUnblock::Keep,
            "line" | "deaf" => return self.line(call),
            _ => return call.fill(|at, buffer| at.copy(BYTES, buffer)),
        };
        let mut held = self.0.held.lock().unwrap();
        let (done, deferred) = call.defer(unblock)?;
        held.push_back(deferred);
        Ok(done)
    }

    fn unblock(&self, _ocb: &Ocb, _call: Rcvid) {
        count(&self.0.asked);
    }

    fn ready(&self, _ocb: &Ocb) -> Conditions {
        let mut ready = Conditions::OUTPUT;
        ready.set(Conditions::INPUT, !self.0.lines.lock().unwrap().is_empty());
        ready
    }

    fn waiters(&self, _ocb: &Ocb) -> Option<&Waiters> {
        (self.0.how == "line").then_some(&self.0.waiters)
    }
}

impl Served {
    fn line(&self, call: Call<'_, Read>) -> Result<Done> {
        let mut lines = self.0.lines.lock().unwrap();
        match lines.pop_front() {
            Some(line) => call.bytes(&line),
            None => self.0.waiters.wait(Conditions::INPUT, call),
        }
    }
}

impl Probe {
    fn counts(&self) -> String {
        let counted = |counter: &AtomicUsize| counter.load(Ordering::Relaxed);
        let held = self.held.lock().unwrap();
        format!(
            "opens={} dups={} closes={} asked={} held={} waiting={}",
            counted(&self.opens),
            counted(&self.dups),
            counted(&self.closes),
            counted(&self.asked),
            held.len(),
            held.iter().filter(|read| read.is_waiting()).count()
        )
    }

    fn take(&self) -> Result<Deferred<Read>> {
        self.held.lock().unwrap().pop_front().ok_or(Errno::NOENT)
    }

    fn feed(&self, line: Vec<u8>) {
        let mut lines = self.lines.lock().unwrap();
        lines.push_back(line);
        self.waiters.wake(Conditions::INPUT);
    }
}

pub(crate) fn run(things: &Things, words: &Words<'_>) -> Option<String> {
    let name = words.get(1);
    let probe = || things.probes.get(name);
    let done = match words.get(0) {
        "serve-probe" => serve(things, words),
        "probe-add" => add(things, words),
        "probe-detach" => detach(things, words),
        "probe-links" => return Some(links(things, name)),
        "probe-stop" => {
            let stopped = things.managers.take(name).stop();
            stopped.map_err(|error| error.errno())
        }
        "probe-counts" => return Some(probe().counts()),
        "probe-answer" => probe().take().and_then(|read| read.bytes(&words.data(2))),
        "probe-refuse" => probe().take().and_then(|read| read.error(Errno::INTR)),
        "probe-feed" => {
            probe().feed(words.data(2));
            Ok(())
        }
        _ => return None,
    };
    Some(outcome(done.map(|()| "ok".into())))
}

fn probe(how: &str) -> (Arc<Probe>, Served) {
    let probe = Arc::new(Probe {
        how: how.into(),
        ..Probe::default()
    });
    let served = Served(Arc::clone(&probe));
    (probe, served)
}

fn handle(things: &Things, name: &str) -> Handle {
    things.managers.lock().get(name).unwrap().handle()
}

fn add(things: &Things, words: &Words<'_>) -> Result<()> {
    let (probe, served) = probe(words.get(4));
    let added = handle(things, words.get(2)).attach(words.get(3), AttachFlags::empty(), served);
    added.map_err(|error| error.errno())?;
    things.probes.put(words.get(1), probe);
    Ok(())
}

fn detach(things: &Things, words: &Words<'_>) -> Result<()> {
    let handle = handle(things, words.get(1));
    let links = handle.links();
    let link = links
        .iter()
        .find(|(_, path)| path == Path::new(words.get(2)));
    let what = match words.get(3) {
        "name" => Detach::Name,
        _ => Detach::All,
    };
    let link = link.ok_or(Errno::NOENT)?.0;
    handle.detach(link, what)?;
    // Its number means nothing any more.
    match handle.detach(link, what) {
        Err(Errno::INVAL) => Ok(()),
        other => panic!("{other:?}"),
    }
}

fn links(things: &Things, name: &str) -> String {
    let links = handle(things, name).links().into_iter();
    let paths: Vec<_> = links.map(|(_, path)| path.display().to_string()).collect();
    paths.join(" ")
}

fn serve(things: &Things, words: &Words<'_>) -> Result<()> {
    let (name, path) = (words.get(1), words.get(2));
    let (probe, served) = probe(words.get(3));
    let attached = Manager::new().and_then(|manager| manager.attach(path, served));
    let running = attached.and_then(Manager::spawn);
    things
        .managers
        .put(name, running.map_err(|error| error.errno())?);
    things.probes.put(name, probe);
    Ok(())
}
