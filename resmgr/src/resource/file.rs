//! [`Seat`]: a resource at its path; [`Opened`]: one open of a file of it, as the dispatcher sees it.

use super::call::{Desk, Done};
use super::call::{Duty, Measured, Told};
use super::connect::{self, Connected};
use super::handlers::{Handlers, Operate, Pace, now};
use super::ocb::Core;
use super::record::{Record, grant};
use super::{Attr, Ocb, Waiters, Way, caller, guarded, inform, lock};
use crate::ipc::{Message, Rcvid};
use crate::wire::{
    Conditions, Connect, FDINFO_LOCAL_PATH, NotifyAction, OpenFd, OpenFlags, Request, Stat,
};
use crate::{Errno, Result, StartError};
use smallvec::SmallVec;
use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::SystemTime;
use tokio::runtime::Handle;

/// A resource at the path that it was attached to.
pub(crate) struct Seat<H> {
    pub(crate) handlers: Arc<H>,
    /// Tells the attachments of one manager apart.
    number: u32,
    /// Where it was attached.
    path: String,
    /// It was taken away, with its opens.
    is_down: AtomicBool,
    /// The record of the file at the path itself.
    root: Arc<Record>,
    /// Those of its other files that are open.
    records: Mutex<HashMap<u64, Arc<Record>>>,
    /// When it was attached.
    born: SystemTime,
}

impl<H: Handlers> Seat<H> {
    pub(crate) fn new(handlers: H, number: u32, path: String) -> Self {
        let (root, born) = (handlers.root(), SystemTime::now());
        let ino = now(handlers.attr(&root)).map_or(1, |attr| attr.ino);
        Self {
            handlers: Arc::new(handlers),
            number,
            path,
            is_down: AtomicBool::new(false),
            root: Arc::new(Record::born(ino, born)),
            records: Mutex::default(),
            born,
        }
    }

    /// Files of different attachments are on different devices.
    pub(crate) fn device(&self) -> u64 {
        u64::from(std::process::id()) << 32 | u64::from(self.number)
    }

    /// The part below the attached path of where a link leads; `None` if that is somewhere else.
    pub(crate) fn inside(&self, target: &[u8]) -> Option<Vec<u8>> {
        let below = if target.starts_with(b"/") {
            let root = self.path.trim_end_matches('/').as_bytes();
            let below = target.strip_prefix(root)?;
            below.starts_with(b"/").then_some(below)?
        } else {
            target
        };
        let mut names: Vec<&[u8]> = Vec::new();
        for name in below.split(|byte| *byte == b'/') {
            match name {
                b"" | b"." => {}
                b".." => drop(names.pop()?),
                name => names.push(name),
            }
        }
        Some(names.join(&b'/'))
    }

    /// What a file is, with what the framework keeps of it.
    pub(crate) async fn attr(&self, node: &H::Node) -> Result<Attr> {
        let mut attr = self.handlers.attr(node).await?;
        if attr.ino == self.root.ino {
            self.root.complete(&mut attr);
        }
        Ok(attr)
    }

    /// The record of a file; made for this call if it has none.
    pub(crate) fn record(&self, ino: u64) -> Arc<Record> {
        if ino == self.root.ino {
            return Arc::clone(&self.root);
        }
        let mut records = lock(&self.records);
        let record = records.entry(ino);
        Arc::clone(record.or_insert_with(|| Arc::new(Record::born(ino, self.born))))
    }

    /// The names in a directory have changed.
    pub(crate) fn touched(&self, dir: u64) {
        if let Some(record) = self.open_record(dir) {
            record.after_write();
        }
    }

    /// Something about a file has changed that is no data.
    pub(crate) fn changed(&self, ino: u64) {
        if let Some(record) = self.open_record(ino) {
            record.after_change();
        }
    }

    /// The record of a file that has one.
    fn open_record(&self, ino: u64) -> Option<Arc<Record>> {
        if ino == self.root.ino {
            return Some(Arc::clone(&self.root));
        }
        lock(&self.records).get(&ino).cloned()
    }

    /// Whether a change that the resource does not know can be kept by the framework.
    pub(crate) fn keeps(&self, ino: u64) -> Option<&Record> {
        (ino == self.root.ino).then_some(&*self.root)
    }

    /// What stat() tells.
    pub(crate) fn stat(&self, attr: &Attr) -> Stat {
        let record = self.open_record(attr.ino);
        // What has never been open is as old as the attachment.
        record
            .unwrap_or_else(|| Arc::new(Record::born(attr.ino, self.born)))
            .stat(attr, self.device())
    }

    /// Forgets the record of a file that nobody has open, unless it has times that nobody else keeps.
    fn release(&self, record: &Arc<Record>) {
        let mut records = lock(&self.records);
        // The table's and the caller's: nobody can get another one while the table is locked.
        let unused = Arc::strong_count(record) <= 2;
        if unused && (!record.has_news() || records.len() > RECORDS_MAX) {
            records.remove(&record.ino);
        }
    }
}

/// Where a resource is about to be served.
#[doc(hidden)]
pub struct Place<'a> {
    pub(crate) number: u32,
    pub(crate) path: String,
    /// Where handlers that wait run.
    pub(crate) runtime: &'a mut dyn FnMut() -> std::result::Result<Handle, StartError>,
}

/// A resource at its place.
#[doc(hidden)]
pub struct Seated(pub(crate) Arc<dyn Attached>);

impl Place<'_> {
    pub(crate) fn seat(self, handlers: impl Handlers) -> Seated {
        Seated(Arc::new(Seat::new(handlers, self.number, self.path)))
    }
}

impl fmt::Debug for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Place").field(&self.path).finish()
    }
}

impl fmt::Debug for Seated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Seated").field(&self.0.path(&[])).finish()
    }
}

/// How many files' times are kept for a resource that does not keep them, while nobody has them open.
const RECORDS_MAX: usize = 65_536;

/// The record of a file that is about to be opened; it goes again if nothing comes of that.
pub(crate) struct Claim<'a, H: Handlers> {
    seat: &'a Seat<H>,
    record: Arc<Record>,
}

impl<'a, H: Handlers> Claim<'a, H> {
    pub(crate) fn new(seat: &'a Seat<H>, ino: u64) -> Self {
        let record = seat.record(ino);
        Self { seat, record }
    }

    pub(crate) fn record(&self) -> Arc<Record> {
        Arc::clone(&self.record)
    }
}

impl<H: Handlers> Drop for Claim<'_, H> {
    fn drop(&mut self) {
        self.seat.release(&self.record);
    }
}

/// A path below an attachment: most are short, and then take no memory of their own.
type Below = SmallVec<[u8; 16]>;

/// One open of a file.
pub(crate) struct Opened<H: Handlers> {
    pub(crate) seat: Arc<Seat<H>>,
    pub(crate) ocb: H::Kept,
    /// The path below the attached one.
    below: Below,
}

impl<H: Handlers> Opened<H> {
    pub(crate) fn new(seat: Arc<Seat<H>>, ocb: Ocb<H::Node, H::Open>, below: &[u8]) -> Self {
        Self {
            seat,
            ocb: ocb.into(),
            below: Below::from_slice(below),
        }
    }
}

impl<H: Handlers> Opened<H> {
    /// The path that the answer to a request has in it; empty if it has none.
    pub(crate) fn path_for(&self, request: &Request<'_>) -> String {
        match request {
            Request::FdInfo(flags) if flags & FDINFO_LOCAL_PATH != 0 => {
                String::from_utf8_lossy(&self.below).into_owned()
            }
            Request::FdInfo(_) => OpenFile::path(self),
            _ => String::new(),
        }
    }
}

impl<H: Handlers> Drop for Opened<H> {
    fn drop(&mut self) {
        let core = &self.ocb.core;
        grant(
            core.record
                .with_held(|locks| locks.release_open(core.number())),
        );
        if let Some(waiters) = self.seat.handlers.waiters(&self.ocb) {
            waiters.remove_open(core.number());
        }
        match self.seat.handlers.tasks_of(&self.ocb) {
            None => {
                let closed = guarded(|| now(self.seat.handlers.close(&self.ocb)));
                if let Err(errno) = closed {
                    tracing::debug!(%errno, "a handler of close failed");
                }
            }
            Some((runtime, ocb)) => {
                let seat = Arc::clone(&self.seat);
                drop(runtime.spawn(async move { seat.handlers.close(&ocb).await }));
            }
        }
        self.seat.release(&self.ocb.core.record);
    }
}

/// What is done when a resource has looked.
pub(crate) type Then = Box<dyn FnOnce() -> Result<Told> + Send>;

/// An open, whatever its resource is.
pub(crate) trait OpenFile: Send + Sync {
    /// The framework's part of it.
    fn core(&self) -> &Core;
    /// Where it is, for people.
    fn path(&self) -> String;
    /// The number of its attachment.
    fn link(&self) -> u32;
    /// Whether its attachment was taken away, with its opens.
    fn is_down(&self) -> bool;
    /// Has a handler answer.
    fn operate(&self, operate: Operate<'_>, way: Way<'_>) -> Result<Done>;
    /// Everything that handlers answer by returning.
    fn inform(&self, ask: inform::Ask<'_>, way: Way<'_>) -> Result<Done>;
    /// A client of a call on it asks to be let go.
    fn unblock(&self, call: Rcvid);
    /// Whether calls go on after they have returned from here.
    fn is_awaited(&self) -> bool;
    /// Where an appending write goes; only where nothing is awaited.
    fn end(&self) -> Result<u64>;
    /// Has a request, of which these are the bytes and the place in the client's message, go on when the end is
    /// known; only where that is awaited.
    fn measure(&self, request: (&[u8], usize), way: Way<'_>) -> Result<()>;
    /// Makes what was written safe; only where nothing is awaited.
    fn sync(&self) -> Result<()>;
    /// A new open of the same file; `None` when the answer comes later, with the message taken.
    fn reopen(
        &self,
        one: OpenFd,
        message: &mut Option<Message>,
        raw: &[u8],
        desk: &Arc<dyn Desk>,
    ) -> Result<Option<Connected>>;
    /// Has a question about conditions go on when the resource knows what holds; only where that is awaited.
    fn look(&self, asked: (NotifyAction, Conditions), way: Way<'_>, then: Then) -> Result<Done>;
    /// Which conditions hold.
    fn ready(&self) -> Conditions;
    /// Where those wait who are to be told.
    fn waiters(&self) -> Option<&Waiters>;
}

impl fmt::Debug for dyn OpenFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("OpenFile").field(&self.path()).finish()
    }
}

impl<H: Handlers> OpenFile for Opened<H> {
    fn core(&self) -> &Core {
        &self.ocb.core
    }

    fn path(&self) -> String {
        self.seat.path(&self.below)
    }

    fn link(&self) -> u32 {
        self.seat.number
    }

    fn is_down(&self) -> bool {
        self.seat.is_down.load(Ordering::Acquire)
    }

    fn operate(&self, operate: Operate<'_>, way: Way<'_>) -> Result<Done> {
        H::operate(&self.seat.handlers, &self.ocb, operate, way)
    }

    fn inform(&self, ask: inform::Ask<'_>, way: Way<'_>) -> Result<Done> {
        inform::inform(self, ask, way)
    }

    fn unblock(&self, call: Rcvid) {
        self.seat.handlers.unblock(&self.ocb, call);
    }

    fn is_awaited(&self) -> bool {
        self.seat.handlers.is_awaited(&self.ocb)
    }

    fn sync(&self) -> Result<()> {
        let data_only = !self.ocb.flags().contains(OpenFlags::SYNC);
        now(self.seat.handlers.sync(&self.ocb, data_only))
    }

    fn waiters(&self) -> Option<&Waiters> {
        self.seat.handlers.waiters(&self.ocb)
    }

    fn end(&self) -> Result<u64> {
        now(self.seat.attr(&self.ocb.node)).map(|attr| attr.size)
    }

    fn measure(&self, (raw, start): (&[u8], usize), mut way: Way<'_>) -> Result<()> {
        let tasks = self.seat.handlers.tasks_of(&self.ocb);
        let (runtime, ocb) = tasks.ok_or(Errno::IO)?;
        let (turn, raw) = (way.turn.take(), raw.to_vec());
        let (file, desk) = (Arc::clone(way.file), Arc::clone(way.desk));
        let seat = Arc::clone(&self.seat);
        let (_, pending) = way.pend()?;
        let duty = Duty(Arc::clone(&pending), "call");
        super::awaited::spawn(&runtime, &pending, async move {
            let end = seat.attr(&ocb.node).await.map(|attr| attr.size);
            if let Ok(message) = duty.0.take() {
                let measured = Measured {
                    file,
                    turn,
                    raw,
                    start,
                    end,
                };
                desk.measured(message, measured);
            }
        });
        Ok(())
    }

    fn reopen(
        &self,
        one: OpenFd,
        message: &mut Option<Message>,
        raw: &[u8],
        desk: &Arc<dyn Desk>,
    ) -> Result<Option<Connected>> {
        let client = desk.client(&message.as_ref().ok_or(Errno::IO)?.info());
        let (seat, node) = (Arc::clone(&self.seat), self.ocb.node.clone());
        let below = self.below.clone();
        let reopened = async move {
            let connect = Connect {
                flags: one.flags,
                share: one.share,
                path: &below,
                ..Connect::default()
            };
            let reopened = connect::reopen(&seat, &connect, &client, node);
            caller::during(client.credentials, reopened).await
        };
        match self.seat.handlers.pace() {
            Pace::AtOnce => guarded(|| now(reopened)).map(Some),
            Pace::Awaited(runtime) => {
                let message = message.take().ok_or(Errno::IO)?;
                super::awaited::connect(&runtime, message, raw.into(), desk, reopened)?;
                Ok(None)
            }
        }
    }

    fn look(&self, asked: (NotifyAction, Conditions), way: Way<'_>, then: Then) -> Result<Done> {
        let tasks = self.seat.handlers.tasks_of(&self.ocb);
        let (runtime, ocb) = tasks.ok_or(Errno::IO)?;
        let (done, pending) = way.pend()?;
        let seat = Arc::clone(&self.seat);
        super::awaited::run(&runtime, &pending, async move {
            seat.handlers.look(&ocb, asked).await?;
            guarded(then)
        });
        Ok(done)
    }

    fn ready(&self) -> Conditions {
        self.seat.handlers.ready(&self.ocb)
    }
}

/// An attachment, whatever its resource is.
pub(crate) trait Attached: Send + Sync {
    /// Does what a connect message wants; `None` when the answer comes later, with the message taken.
    fn connect(
        self: Arc<Self>,
        message: &mut Option<Message>,
        raw: &[u8],
        desk: &Arc<dyn Desk>,
    ) -> Result<Option<Connected>>;
    /// Where something below it is, for people.
    fn path(&self, below: &[u8]) -> String;
    /// Whether its handlers are tasks of a runtime.
    fn is_awaited(&self) -> bool;
    /// From here on nothing of it can be opened.
    fn close_down(&self);
}

impl<H: Handlers> Attached for Seat<H> {
    fn path(&self, below: &[u8]) -> String {
        match below {
            [] => self.path.clone(),
            below => format!("{}/{}", self.path, String::from_utf8_lossy(below)),
        }
    }

    fn is_awaited(&self) -> bool {
        !matches!(self.handlers.pace(), Pace::AtOnce)
    }

    fn close_down(&self) {
        self.is_down.store(true, Ordering::Release);
    }

    fn connect(
        self: Arc<Self>,
        message: &mut Option<Message>,
        raw: &[u8],
        desk: &Arc<dyn Desk>,
    ) -> Result<Option<Connected>> {
        let (connect, _) = Connect::decode(raw)?;
        let client = desk.client(&message.as_ref().ok_or(Errno::IO)?.info());
        match self.handlers.pace() {
            Pace::AtOnce => {
                let connected = connect::connect(&self, &connect, &client);
                let connected = caller::during(client.credentials, connected);
                guarded(|| now(connected)).map(Some)
            }
            Pace::Awaited(runtime) => {
                let message = message.take().ok_or(Errno::IO)?;
                let raw: Arc<[u8]> = raw.into();
                let own = Arc::clone(&raw);
                let spawned = super::awaited::connect(&runtime, message, raw, desk, async move {
                    let (connect, _) = Connect::decode(&own)?;
                    let connected = connect::connect(&self, &connect, &client);
                    caller::during(client.credentials, connected).await
                });
                spawned.map(|()| None)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Seat;
    use crate::resource::{At, Device, Plain};

    struct Nothing;
    impl Device for Nothing {
        fn read(&self, _at: &At, _buffer: &mut [u8]) -> crate::Result<usize> {
            Ok(0)
        }
    }

    #[test]
    fn pn9_a_link_inside_is_told_from_one_that_leads_out() {
        let seat = Seat::new(Plain(Nothing), 0, "/a/b".into());
        for (target, expected) in [
            ("x/../y//z/", Some("y/z")),
            ("../x", None),
            ("x/../..", None),
            ("/a/b/c", Some("c")),
            ("/a/bc", None),
            ("/a/b", None),
            ("/x", None),
        ] {
            let inside = seat.inside(target.as_bytes());
            assert_eq!(inside.as_deref(), expected.map(str::as_bytes), "{target}");
        }
    }
}
