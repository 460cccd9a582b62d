//! Messages decoded for people, from their receive to their answer.
//!
//! The channels tell of each message (see [`recorder`]), the workers which file it is about, and so it does not
//! matter who answers it, where and when. What is known goes to whoever has set `RESMGR_LOG` (see [`log`]), and to a
//! subscriber of the `tracing` crate that takes events of the target `resmgr::message` at the level TRACE.
//!
//! `RESMGR_LOG` does not go through `tracing`: only one subscriber may be installed in a process, and that is the
//! program's to choose. One that a library had installed would make the program's own fail.

mod log;

use crate::Result;
use crate::ipc::recorder::{self, TARGET, Watch};
use crate::ipc::{MessageInfo, Rcvid};
use crate::resource::lock;
use crate::wire::{Description, describe, printable};
use resmgr_sys::fork::PerProcess;
use std::collections::HashMap;
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// Messages under way that are followed; others are not shown.
const MOST: usize = 1 << 17;

/// What is under way. A child of fork begins with nothing.
static UNDER_WAY: PerProcess<Mutex<HashMap<Rcvid, Open>>> = PerProcess::new();

/// A message that is not answered yet.
#[derive(Debug)]
struct Open {
    begun: Instant,
    info: MessageInfo,
    described: Description,
    path: Vec<u8>,
}

/// What came of a message.
#[derive(Debug)]
struct Seen<'a> {
    open: &'a Open,
    answer: Result<i64>,
    /// Bytes of the reply.
    bytes: u64,
    took: Duration,
    deferred: bool,
}

/// Looks on from now on, if anybody wants to know.
pub(super) fn start() {
    recorder::watch(&Shown, log::is_wanted());
}

/// Shows messages.
#[derive(Debug)]
struct Shown;

fn under_way() -> &'static Mutex<HashMap<Rcvid, Open>> {
    UNDER_WAY.get(Mutex::default)
}

impl Watch for Shown {
    fn received(&self, name: Rcvid, info: &MessageInfo, bytes: &[u8]) {
        let open = Open {
            begun: Instant::now(),
            info: *info,
            described: describe(bytes, info.source_len),
            path: Vec::new(),
        };
        let mut all = lock(under_way());
        if all.len() < MOST {
            all.insert(name, open);
        }
    }

    fn path(&self, name: Rcvid, path: &[u8]) {
        if let Some(open) = lock(under_way()).get_mut(&name) {
            open.path = path.to_vec();
        }
    }

    fn answered(&self, name: Rcvid, outcome: Result<i64>, bytes: u64, deferred: bool) {
        let open = lock(under_way()).remove(&name);
        let Some(open) = open else {
            return;
        };
        let seen = Seen {
            open: &open,
            answer: outcome,
            bytes: if outcome.is_ok() { bytes } else { 0 },
            took: open.begun.elapsed(),
            deferred,
        };
        seen.tell();
        log::show(&seen);
    }
}

impl Seen<'_> {
    /// Bytes that were moved: what a write took, and what went back.
    fn moved(&self) -> u64 {
        let writes = self.open.described.is("write");
        let wrote = self.answer.ok().filter(|_| writes);
        let wrote = wrote.and_then(|status| u64::try_from(status).ok());
        self.bytes + wrote.unwrap_or(0)
    }

    /// As an event.
    fn tell(&self) {
        let open = self.open;
        tracing::trace!(
            target: TARGET,
            path = %printable(&open.path),
            pid = open.info.credentials.pid,
            tid = open.info.tid,
            scoid = open.info.scoid.raw(),
            coid = open.info.coid.raw(),
            operation = %open.described,
            status = self.answer.ok(),
            errno = self.answer.err().map(tracing::field::debug),
            bytes = self.moved(),
            deferred = self.deferred,
            micros = u64::try_from(self.took.as_micros()).unwrap_or(u64::MAX),
            "answered"
        );
    }
}
