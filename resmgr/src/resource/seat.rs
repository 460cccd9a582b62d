//! [`Seat`]: a resource at its path, as the dispatcher sees it.

use super::call::Desk;
use super::connect::{self, Connected};
use super::handlers::{Handlers, Pace, now};
use super::record::Record;
use super::{Attr, caller, guarded, lock};
use crate::ipc::Message;
use crate::wire::{Connect, Stat};
use crate::{Errno, Result, StartError};
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
    pub(super) number: u32,
    /// Where it was attached.
    path: String,
    /// It was taken away, with its opens.
    pub(super) is_down: AtomicBool,
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
    pub(super) fn release(&self, record: &Arc<Record>) {
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
