//! The recorder: what becomes of the messages that this process answers, for those who look on.
//!
//! - Somebody who traces this process ([`inspect::Tracer`](super::inspect::Tracer)): each message that it answers,
//!   and each of its own sends, is written down until the tracer fetches it. One tracer at a time. It holds a
//!   connection to this process; recording ends with that, whichever way it goes.
//! - A [`Watch`] of an upper layer, which shows messages decoded.
//!
//! While nobody looks, this costs two relaxed loads a receive and one a send. For a tracer it is a lock, two readings
//! of the clock and some 200 bytes a message. What has no room is counted, and the count is told with the time at
//! which it began.

mod ring;

use super::{Coid, MessageInfo, Rcvid, caller};
use resmgr_sys::clock;
use resmgr_sys::fork::PerProcess;
use resmgr_sys::{Errno, Result};
pub(super) use ring::{Batch, Entry, HEAD, Head, Sent, Served};
use ring::{Ring, UnderWay};
use std::cell::Cell;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

/// Somebody traces. A child of fork has it from its parent, and finds out that nobody asked it.
const TRACED: u8 = 1;
/// There is a watch that sees every message.
const WATCHED: u8 = 2;

/// Who looks on.
static ON: AtomicU8 = AtomicU8::new(0);
static WATCH: OnceLock<&'static dyn Watch> = OnceLock::new();

static RECORDER: PerProcess<Recorder> = PerProcess::new();

thread_local! {
    /// The call that this thread has received last.
    static LAST: Cell<i64> = const { Cell::new(0) };
}

#[derive(Debug, Default)]
struct Recorder(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    ring: Option<Ring>,
    sessions: u64,
}

/// Names one tracing, so that the end of an earlier one does not end a later one.
pub(super) type Session = u64;

fn lock() -> MutexGuard<'static, State> {
    let recorder = RECORDER.get(Recorder::default);
    recorder.0.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Whether anybody looks at messages: the trace, a watch, or a watch for a subscriber of `tracing`.
#[inline]
pub(super) fn is_on() -> bool {
    // Relaxed: a message more or less at the edges is no matter.
    ON.load(Ordering::Relaxed) != 0 || is_told()
}

/// Whether a subscriber of `tracing` wants to know of messages.
#[inline]
fn is_told() -> bool {
    tracing::enabled!(target: TARGET, tracing::Level::TRACE)
}

/// Whether sends are to be written down.
#[inline]
pub(super) fn traces_sends() -> bool {
    ON.load(Ordering::Relaxed) & TRACED != 0
}

/// The target of events about messages.
pub(crate) const TARGET: &str = "resmgr::message";

/// Sees what becomes of messages. It is told on the threads that receive and answer.
pub(crate) trait Watch: Sync {
    /// A message was received that begins with these bytes; none if it lies in the client's own memory.
    fn received(&self, name: Rcvid, info: &MessageInfo, bytes: &[u8]);
    /// It is about this file.
    fn path(&self, name: Rcvid, path: &[u8]);
    /// It is answered so, with so many bytes; perhaps later than when it was handled.
    fn answered(&self, name: Rcvid, outcome: Result<i64>, bytes: u64, deferred: bool);
}

/// Has a watch see messages: `all`, or those that a subscriber of `tracing` wants to know of. The first one stays.
pub(crate) fn watch(watch: &'static dyn Watch, all: bool) {
    let first = WATCH.set(watch).is_ok();
    if first && all {
        ON.fetch_or(WATCHED, Ordering::Relaxed);
    }
}

fn watching() -> Option<&'static dyn Watch> {
    let watch = WATCH.get().copied();
    watch.filter(|_| ON.load(Ordering::Relaxed) & WATCHED != 0 || is_told())
}

/// Does something with the ring, if there is one.
fn with(work: impl FnOnce(&mut Ring)) {
    if !traces_sends() {
        return;
    }
    match &mut lock().ring {
        Some(ring) => work(ring),
        None => drop(ON.fetch_and(!TRACED, Ordering::Relaxed)),
    }
}

/// Begins.
///
/// # Errors
/// - `EBUSY`: somebody traces this process already.
pub(super) fn begin() -> Result<Session> {
    let mut state = lock();
    if state.ring.is_some() {
        return Err(Errno::BUSY);
    }
    state.sessions += 1;
    state.ring = Some(Ring::new(state.sessions));
    ON.fetch_or(TRACED, Ordering::Relaxed);
    Ok(state.sessions)
}

/// What there is, and whether there is more; with `all` also those messages that are not answered yet.
pub(super) fn take(session: Session, most: usize, all: bool) -> Option<Batch> {
    let mut state = lock();
    let ring = state.ring.as_mut().filter(|ring| ring.session == session)?;
    if all {
        ring.end_all();
    }
    Some(ring.take(most))
}

/// Ends, if it has not ended already.
pub(super) fn end(session: Session) {
    let mut state = lock();
    if state
        .ring
        .as_ref()
        .is_some_and(|ring| ring.session == session)
    {
        ON.fetch_and(!TRACED, Ordering::Relaxed);
        state.ring = None;
    }
}

/// A message was received by this thread, and begins with these bytes.
#[cold]
pub(super) fn received(name: Rcvid, info: &MessageInfo, bytes: &[u8]) {
    LAST.set(name.raw());
    if let Some(watch) = watching() {
        watch.received(name, info, bytes);
    }
    if traces_sends() {
        write_down(name, info, bytes);
    }
}

fn write_down(name: Rcvid, info: &MessageInfo, bytes: &[u8]) {
    let call = Served {
        rcvid: name.raw(),
        pid: info.pid,
        tid: info.tid,
        chid: info.chid.raw(),
        scoid: info.scoid.raw(),
        coid: info.coid.raw(),
        priority: info.priority,
        len: info.source_len as u64,
        thread: caller::thread_id(),
        received: clock::exact(),
        head: Head::of_bytes(bytes),
        ..Served::default()
    };
    let mut is_new = false;
    with(|ring| {
        ring.begin(UnderWay(call));
        is_new = ring.is_new(info.pid);
    });
    if is_new {
        // It waits for an answer, so it is there.
        let name = std::fs::read(format!("/proc/{}/comm", info.pid)).unwrap_or_default();
        let name = name.strip_suffix(b"\n").unwrap_or(&name);
        with(|ring| ring.name(info.pid, name));
    }
}

/// Its path, which only who decodes it knows.
#[cold]
pub(super) fn note_path(name: Rcvid, path: &[u8]) {
    if let Some(watch) = watching() {
        watch.path(name, path);
    }
    with(|ring| ring.note_path(name.raw(), path));
}

/// It is answered later, and not by the one who handles it now.
#[cold]
pub(super) fn note_deferred(name: Rcvid) {
    let now = clock::exact();
    // Whichever thread answers: it has done something else meanwhile.
    LAST.set(0);
    with(|ring| ring.note_deferred(name.raw(), now));
}

/// It is about to be answered, by this thread.
pub(super) fn answered(name: Rcvid, outcome: Result<i64>, len: u64) {
    let now = clock::exact();
    let elsewhere = LAST.get() != name.raw();
    if let Some(watch) = WATCH.get() {
        watch.answered(name, outcome, len, elsewhere);
    }
    with(|ring| ring.end(name.raw(), (now, outcome), (len, elsewhere)));
}

/// A send of this thread.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sending {
    pub(super) server: u32,
    pub(super) chid: u32,
    pub(super) scoid: u32,
    pub(super) coid: Coid,
    pub(super) priority: u8,
    pub(super) len: u64,
    pub(super) head: Head,
    pub(super) begun: u64,
}

/// It has come back.
pub(super) fn sent(send: &Sending, outcome: Result<i64>) {
    let (status, errno) = ring::split(outcome);
    let entry = Sent {
        tid: caller::thread_id(),
        server: send.server,
        chid: send.chid,
        scoid: send.scoid,
        coid: send.coid.raw(),
        priority: send.priority,
        len: send.len,
        begun: send.begun,
        ended: clock::exact(),
        status,
        errno,
        head: send.head,
    };
    with(|ring| ring.add(Entry::Sent(entry)));
}

#[cfg(test)]
mod tests {
    use super::{begin, end, take};
    use resmgr_sys::Errno;

    #[test]
    fn one_traces_at_a_time_and_an_old_end_ends_nothing() {
        let first = begin().unwrap();
        assert_eq!(begin().unwrap_err(), Errno::BUSY);
        end(first);
        let second = begin().unwrap();
        end(first);
        assert!(take(first, 1, false).is_none());
        assert!(take(second, 1, false).is_some());
        end(second);
        assert!(take(second, 1, false).is_none());
    }
}
