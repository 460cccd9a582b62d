//! Servers that everybody may reach, where they are root's: files in memory, and one file for each kind of question about open files.
//!
//! | command | answer |
//! |---|---|
//! | `serve-files NAME PATH MODE` | `ok`; a file system in memory, whose root directory has this mode |
//! | `serve-directory NAME PATH DIRECTORY` | `ok`; a directory of the host's |
//! | `serve-gadget NAME PATH HOW` | `ok`; `HOW` is below |
//! | `gadget-syncs NAME` | `data=N all=N`: how often its data, or all of it, were to be made safe |
//! | `gadget-inside NAME`, `gadget-release NAME` | how many reads are in the handler; `ok`, and they leave it |
//!
//! `HOW`: `null` has no handler at all; `bytes` has ten digits in memory that can be mapped, takes writes, and says
//! EAGAIN to who may not wait; `readonly` is the same on a file system that cannot be written; `commands` knows the
//! commands of [`devctls`](super::devctls). Reads of `per-open` and `per-file` stay in their handler until they are
//! released; those names say what is kept in order.

use super::Words;
use super::commands::outcome;
use super::devctls;
use super::things::Things;
use resmgr::parts::{HostDir, MemFs};
use resmgr::prelude::*;
use resmgr::resource::{Filesystem, Order};
use resmgr_sys::{memory, process};
use std::fs::File as HostFile;
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt as _;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};

/// Threads of each server.
const THREADS: usize = 3;

const DIGITS: &[u8] = b"0123456789";

/// One file; the command's side looks at its counters.
#[derive(Debug)]
pub(crate) struct Gadget {
    how: String,
    memory: HostFile,
    data: AtomicUsize,
    all: AtomicUsize,
    /// Reads in their handler, and whether they may leave it.
    inside: Mutex<(usize, bool)>,
    released: Condvar,
}

impl Gadget {
    fn stay(&self) {
        let mut inside = self.inside.lock().unwrap();
        inside.0 += 1;
        let mut inside = self
            .released
            .wait_while(inside, |(_, released)| !*released)
            .unwrap();
        inside.0 -= 1;
    }

    fn release(&self) {
        self.inside.lock().unwrap().1 = true;
        self.released.notify_all();
    }
}

struct Served(Arc<Gadget>);

struct Nothing;

impl Device for Nothing {}

impl Resource for Served {
    type Node = ();
    type Open = ();

    fn root(&self) {}

    fn attr(&self, (): &()) -> Result<Attr> {
        let size = self.0.memory.metadata()?.len();
        Ok(match &*self.0.how {
            "commands" => Attr::device(0o666),
            _ => Attr::file(0o666, size),
        })
    }

    fn open(&self, (): &(), _how: &Opening) -> Result<()> {
        Ok(())
    }

    fn read(&self, _ocb: &Ocb, call: Call<'_, Read>) -> Result<Done> {
        if call.at().nonblock {
            return Err(Errno::AGAIN);
        }
        if self.0.how.starts_with("per-") {
            self.0.stay();
        }
        call.fill(|at, buffer| Ok(self.0.memory.read_at(buffer, at.offset)?))
    }

    fn write(&self, _ocb: &Ocb, call: Call<'_, Write>) -> Result<Done> {
        let count = self.0.memory.write_at(call.data(), call.at().offset)?;
        call.taken(count)
    }

    fn devctl(&self, ocb: &Ocb, call: Call<'_, Control>) -> Result<Done> {
        if self.0.how == "commands" {
            devctls::answer(ocb, call)
        } else {
            Err(Errno::NOTTY)
        }
    }

    fn sync(&self, _ocb: &Ocb, data_only: bool) -> Result<()> {
        let counter = if data_only { &self.0.data } else { &self.0.all };
        counter.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    fn statvfs(&self, (): &()) -> Result<Filesystem> {
        let mut known = Filesystem::default();
        known.read_only = self.0.how == "readonly";
        Ok(known)
    }

    fn order(&self) -> Order {
        if self.0.how == "per-file" {
            Order::PerFile
        } else {
            Order::PerOpen
        }
    }

    fn map(&self, _ocb: &Ocb, _write: bool) -> Result<OwnedFd> {
        Ok(self.0.memory.try_clone()?.into())
    }
}

pub(crate) fn run(things: &Things, words: &Words<'_>) -> Option<String> {
    let name = words.get(1);
    let done = match words.get(0) {
        "serve-files" => {
            let mode = u32::from_str_radix(words.get(3), 8).unwrap();
            let files = MemFs::new().permissions(mode);
            serve(things, words, AttachFlags::DIR, files)
        }
        "serve-directory" => HostDir::new(words.get(3))
            .and_then(|directory| serve(things, words, AttachFlags::DIR, directory)),
        "serve-gadget" if words.get(3) == "null" => {
            serve(things, words, AttachFlags::empty(), Nothing)
        }
        "serve-gadget" => gadget(words.get(3)).and_then(|gadget| {
            let gadget = Arc::new(gadget);
            things.gadgets.put(name, Arc::clone(&gadget));
            serve(things, words, AttachFlags::empty(), Served(gadget))
        }),
        "gadget-inside" => {
            let inside = things.gadgets.get(name).inside.lock().unwrap().0;
            return Some(inside.to_string());
        }
        "gadget-release" => {
            things.gadgets.get(name).release();
            Ok(())
        }
        "gadget-syncs" => {
            let gadget = things.gadgets.get(name);
            let count = |counter: &AtomicUsize| counter.load(Ordering::Relaxed);
            return Some(format!(
                "data={} all={}",
                count(&gadget.data),
                count(&gadget.all)
            ));
        }
        _ => return None,
    };
    Some(outcome(done.map(|()| "ok".into())))
}

fn gadget(how: &str) -> Result<Gadget> {
    let memory: HostFile = memory::memfd(c"gadget", DIGITS.len())?.into();
    memory.write_all_at(DIGITS, 0)?;
    Ok(Gadget {
        how: how.into(),
        memory,
        data: AtomicUsize::new(0),
        all: AtomicUsize::new(0),
        inside: Mutex::default(),
        released: Condvar::new(),
    })
}

fn serve<R: Resource>(
    things: &Things,
    words: &Words<'_>,
    flags: AttachFlags,
    resource: R,
) -> Result<()> {
    // In the namespace of a user without rights there is nobody else.
    let manager = if process::effective_uid() == 0 {
        Manager::open_to(ConnectRights::Anyone)
    } else {
        Manager::new()
    };
    let attached = manager.and_then(|manager| manager.attach_with(words.get(2), flags, resource));
    // As many as calls of a test wait in their handlers, and one that answers others.
    let running = attached.and_then(|manager| manager.threads(THREADS).spawn());
    let running = running.map_err(|error| error.errno())?;
    things.managers.put(words.get(1), running);
    Ok(())
}
