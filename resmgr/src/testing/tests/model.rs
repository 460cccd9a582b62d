//! A tree and a file in memory that keep the contract, but for one fault that a test chooses.

mod serve;

use super::fault::Fault;
use super::gap::Gap;
use crate::resource::{Attr, Change, Deferred, New, NewKind, Read, lock};
use crate::wire::Stat;
use crate::{Errno, Result};
use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

/// Bytes of the longest file.
const MOST: usize = 1 << 24;

#[derive(Debug)]
pub(super) struct Inode {
    ino: u64,
    inner: Mutex<Inner>,
    /// Where the opens of a file read first, if they share that.
    position: AtomicU64,
}

#[derive(Clone, Debug)]
struct Inner {
    attr: Attr,
    bytes: Vec<u8>,
    /// Each with the place that it has in the directory for ever.
    names: BTreeMap<OsString, (u64, Arc<Inode>)>,
    text: OsString,
}

pub(super) type Node = Arc<Inode>;

/// What an open has for itself.
#[derive(Debug, Default)]
pub(super) struct Open {
    /// Where it goes on, for faults that do not believe the framework.
    place: AtomicU64,
    has_read: AtomicBool,
    has_ended: AtomicBool,
    connection: AtomicU64,
    late: Mutex<Option<Deferred<Read>>>,
}

/// A tree, or a file.
pub(super) struct Model {
    root: Node,
    pub(super) fault: Fault,
    next: AtomicU64,
    /// One step at a time for names.
    names: Mutex<()>,
    pub(super) gap: Gap,
}

impl Model {
    pub(super) fn tree(fault: Fault) -> Self {
        Self::of(Attr::directory(0o755), fault)
    }

    pub(super) fn file(fault: Fault) -> Self {
        Self::of(Attr::file(0o640, 0), fault)
    }

    fn of(attr: Attr, fault: Fault) -> Self {
        Self {
            root: inode(1, attr, OsString::new()),
            fault,
            next: AtomicU64::new(2),
            names: Mutex::default(),
            gap: Gap::default(),
        }
    }

    fn has(&self, fault: Fault) -> bool {
        self.fault == fault
    }

    /// Whether it has this fault with such a name.
    pub(super) fn has_for(&self, fault: Fault, name: &OsStr, what: &str) -> bool {
        self.has(fault) && name.to_string_lossy().ends_with(what)
    }

    fn number(&self) -> u64 {
        self.next.fetch_add(1, Ordering::Relaxed)
    }

    /// The name as this tree keeps it.
    fn kept(&self, name: &OsStr) -> OsString {
        let text = name.to_string_lossy();
        if self.has(Fault::ShortNames) && text.len() > 64 {
            text.chars().take(64).collect::<String>().into()
        } else {
            name.into()
        }
    }

    pub(super) fn find(&self, dir: &Node, name: &OsStr) -> Option<Node> {
        let inner = lock(&dir.inner);
        inner
            .names
            .get(&self.kept(name))
            .map(|one| Arc::clone(&one.1))
    }

    pub(super) fn put(&self, dir: &Node, name: &OsStr, node: Node) {
        let place = self.number();
        let mut inner = lock(&dir.inner);
        inner.names.insert(self.kept(name), (place, node));
        self.names_changed(&mut inner);
    }

    pub(super) fn take(&self, dir: &Node, name: &OsStr) {
        let mut inner = lock(&dir.inner);
        inner.names.remove(&self.kept(name));
        self.names_changed(&mut inner);
    }

    fn names_changed(&self, inner: &mut Inner) {
        if !self.has(Fault::DirTimesStay) {
            let now = Some(SystemTime::now());
            (inner.attr.modified, inner.attr.changed) = (now, now);
        }
    }

    /// A file loses a name, and maybe its bytes.
    fn unnamed(&self, node: &Node, empties: Fault) {
        let mut inner = lock(&node.inner);
        inner.attr.nlink = inner.attr.nlink.saturating_sub(1);
        inner.attr.changed = Some(SystemTime::now());
        if self.has(empties) {
            inner.bytes.clear();
        }
    }

    pub(super) fn attr_of(&self, node: &Node) -> Attr {
        let inner = lock(&node.inner);
        let mut attr = inner.attr;
        let then = Some(SystemTime::UNIX_EPOCH + Duration::from_secs(1));
        if attr.is_regular() {
            attr.size = inner.bytes.len() as u64;
        } else if attr.is_link() {
            attr.size = inner.text.len() as u64;
        }
        match self.fault {
            Fault::SizeIsWrong if attr.is_regular() => attr.size += 1,
            Fault::SizeStays => attr.size = attr.size.min(7),
            Fault::NumberMoves if attr.is_regular() => attr.ino = self.number(),
            Fault::ChangeTimeStays if attr.is_regular() => attr.changed = then,
            Fault::NoNames => attr.nlink = 0,
            Fault::DirIsFile if attr.is_dir() && node.ino != 1 => {
                attr.mode = Stat::REGULAR | attr.mode & 0o777;
            }
            _ => {}
        }
        attr
    }

    /// A file as it is when it is new.
    pub(super) fn new_node(&self, new: &New) -> Node {
        let mut attr = Attr::of_mode(new.mode).owner(new.uid, new.gid);
        if self.has(Fault::MadeForAll) {
            attr.mode |= 0o666;
        }
        let text = match &new.what {
            NewKind::Link(text) => text.clone(),
            NewKind::Directory => {
                attr.nlink = 2;
                OsString::new()
            }
            _ => OsString::new(),
        };
        inode(self.number(), attr, text)
    }

    pub(super) fn may_be_new(&self, dir: &Node, name: &OsStr, new: &New) -> Result<()> {
        if let NewKind::Link(text) = &new.what
            && self.has(Fault::RefusesDangling)
            && self.find(dir, text).is_none()
        {
            return Err(Errno::NOENT);
        }
        match self.find(dir, name) {
            Some(_) => Err(Errno::EXIST),
            None => Ok(()),
        }
    }

    pub(super) fn may_rename(&self, node: &Node, over: Option<&Node>, to: &Node) -> Result<()> {
        if self.has(Fault::RenamesBlindly) {
            return Ok(());
        }
        if let Some(over) = over {
            match (is_dir(node), is_dir(over)) {
                (true, false) => return Err(Errno::NOTDIR),
                (false, true) => return Err(Errno::ISDIR),
                (true, true) if !is_empty(over) => return Err(Errno::NOTEMPTY),
                _ => {}
            }
        }
        if is_dir(node) && is_below(to, node) {
            return Err(Errno::INVAL);
        }
        Ok(())
    }

    fn apply(&self, node: &Node, change: &Change) {
        let mut inner = lock(&node.inner);
        let (mut attr, old) = (inner.attr, inner.attr);
        change.apply(&mut attr);
        if self.has(Fault::ModeStays) && attr.is_regular() {
            attr.mode = old.mode;
        }
        if self.has(Fault::IgnoresTimes) {
            (attr.accessed, attr.modified) = (old.accessed, old.modified);
        }
        attr.changed = Some(SystemTime::now());
        inner.attr = attr;
        if let Some(size) = change.size
            && !(size == 0 && self.has(Fault::KeepsWhenEmptied))
        {
            let filler = if self.has(Fault::FillsWhenLonger) {
                b'x'
            } else {
                0
            };
            inner.bytes.resize(usize::try_from(size).unwrap(), filler);
            inner.attr.modified = attr.changed;
        }
    }

    /// Bytes from a place on.
    pub(super) fn bytes(&self, node: &Node, offset: u64, room: usize) -> Result<Vec<u8>> {
        let mut inner = lock(&node.inner);
        let offset = match self.fault {
            Fault::Wraps => offset & 0xffff_ffff,
            _ => offset,
        };
        let behind = inner.bytes.len() as u64 + 1..1000;
        if behind.contains(&offset) && self.has(Fault::EndIsError) {
            return Err(Errno::INVAL);
        }
        let start = usize::try_from(offset).unwrap().min(inner.bytes.len());
        let most = (inner.bytes.len() - start).min(room);
        let mut bytes = inner.bytes[start..start + most].to_vec();
        if self.has(Fault::LosesAtPage) && most <= 4096 {
            let page = (start..start + most).position(|at| at % 4096 == 4095);
            if let Some(at) = page {
                bytes[at] = 0;
            }
        }
        if !bytes.is_empty() && !self.has(Fault::ReadTimeStays) {
            inner.attr.accessed = Some(SystemTime::now());
        }
        Ok(bytes)
    }

    /// Takes bytes at a place.
    pub(super) fn store(&self, node: &Node, offset: u64, data: &[u8]) -> Result<()> {
        let offset = match self.fault {
            Fault::WritesAtStart if data.len() == 1 && offset < self.attr_of(node).size => 0,
            Fault::Wraps => offset & 0xffff_ffff,
            _ => offset,
        };
        let start = usize::try_from(offset).map_err(|_| Errno::FBIG)?;
        let end = start.checked_add(data.len()).ok_or(Errno::FBIG)?;
        if end > MOST {
            return Err(Errno::FBIG);
        }
        let mut data = data.to_vec();
        if self.has(Fault::LosesTail) && data.len() > 10_000 {
            data[10_000..].fill(0);
        }
        let mut bytes = lock(&node.inner).bytes.clone();
        if self.has(Fault::WriteGap) && data.len() == crate::testing::contract::PIECE {
            self.gap.meet();
        }
        let mut inner = lock(&node.inner);
        if !self.has(Fault::WriteGap) {
            bytes = std::mem::take(&mut inner.bytes);
        }
        if bytes.len() < end {
            let filler = if self.has(Fault::FillsHole) { b'x' } else { 0 };
            bytes.resize(end, filler);
        }
        bytes[start..end].copy_from_slice(&data);
        inner.bytes = bytes;
        let now = Some(SystemTime::now());
        inner.attr.changed = now;
        if !self.has(Fault::WriteTimeStays) {
            inner.attr.modified = now;
        }
        Ok(())
    }
}

fn inode(ino: u64, attr: Attr, text: OsString) -> Node {
    let now = Some(SystemTime::now());
    let mut attr = attr.number(ino);
    (attr.accessed, attr.modified, attr.changed) = (now, now, now);
    let inner = Inner {
        attr,
        bytes: Vec::new(),
        names: BTreeMap::new(),
        text,
    };
    Arc::new(Inode {
        ino,
        inner: Mutex::new(inner),
        position: AtomicU64::new(0),
    })
}

pub(super) fn is_dir(node: &Node) -> bool {
    lock(&node.inner).attr.is_dir()
}

fn is_empty(node: &Node) -> bool {
    lock(&node.inner).names.is_empty()
}

fn is_below(node: &Node, above: &Node) -> bool {
    Arc::ptr_eq(node, above) || {
        let names = lock(&above.inner).names.clone();
        names.values().any(|one| is_below(node, &one.1))
    }
}

fn copy(node: &Node, ino: u64) -> Node {
    let mut inner = lock(&node.inner).clone();
    inner.attr.ino = ino;
    Arc::new(Inode {
        ino,
        inner: Mutex::new(inner),
        position: AtomicU64::new(0),
    })
}
