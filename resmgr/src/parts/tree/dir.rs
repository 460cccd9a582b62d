//! [`Dir`]: a directory of a tree; what a tree keeps of each of its entries.

use crate::parts::erased::AnyFile;
use crate::resource::{Attr, Change, Entries, Renumber, lock};
use std::collections::{BTreeMap, HashMap};
use std::ffi::{OsStr, OsString};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::SystemTime;
use tokio::runtime::Handle;

/// What a name in a tree leads to.
#[derive(Clone)]
pub(super) enum Spot {
    Dir(Arc<Dir>),
    Link(Arc<Link>),
    /// A file of another resource; `None` for its root.
    File(Arc<Mounted>, Option<Arc<dyn AnyFile>>),
}

impl Spot {
    /// What is kept of it; `None` for what lies below the root of another resource.
    pub(super) fn kept(&self) -> Option<&Kept> {
        match self {
            Self::Dir(dir) => Some(&dir.kept),
            Self::Link(link) => Some(&link.kept),
            Self::File(mounted, None) => Some(&mounted.kept),
            Self::File(_, Some(_)) => None,
        }
    }

    /// Gives all handlers in it that wait a place to run.
    pub(super) fn settle(&self, runtime: &Handle) {
        match self {
            Self::File(mounted, _) => mounted.root.settle(runtime),
            Self::Link(_) => {}
            Self::Dir(dir) => {
                let children = lock(&dir.children);
                let spots = children.places.values();
                spots.for_each(|(_, spot)| spot.settle(runtime));
            }
        }
    }

    /// It has no name any more, nor has anything in it. Returns how many entries that are.
    pub(super) fn bury(&self) -> usize {
        if let Some(kept) = self.kept() {
            kept.is_gone.store(true, Ordering::Relaxed);
        }
        let Self::Dir(dir) = self else { return 1 };
        let children = lock(&dir.children);
        let inside = children.places.values().map(|(_, spot)| spot.bury());
        1 + inside.sum::<usize>()
    }
}

/// A symbolic link.
pub(super) struct Link {
    pub(super) kept: Kept,
    pub(super) text: OsString,
}

/// Another resource.
pub(super) struct Mounted {
    pub(super) kept: Kept,
    pub(super) root: Arc<dyn AnyFile>,
    /// The root's own number, once it was asked for.
    root_ino: OnceLock<u64>,
}

impl Mounted {
    pub(super) fn new(number: u64, root: Arc<dyn AnyFile>) -> Self {
        Self {
            kept: Kept::new(number),
            root,
            root_ino: OnceLock::new(),
        }
    }

    pub(super) async fn numbers(&self) -> Renumber {
        let known = self.root_ino.get().copied();
        let root = match known {
            Some(known) => known,
            // As the framework takes it that attaches a resource by itself.
            None => self
                .root
                .attr()
                .await
                .map_or(1, |attr| *self.root_ino.get_or_init(|| attr.ino)),
        };
        Renumber {
            number: self.kept.number,
            root,
        }
    }
}

/// What a tree keeps of an entry.
pub(super) struct Kept {
    pub(super) number: u64,
    is_gone: AtomicBool,
    book: Mutex<Book>,
}

struct Book {
    /// Mode, owner and group, if they were changed.
    change: Change,
    accessed: SystemTime,
    modified: SystemTime,
    changed: SystemTime,
}

impl Kept {
    pub(super) fn new(number: u64) -> Self {
        let now = SystemTime::now();
        Self {
            number,
            is_gone: AtomicBool::new(false),
            book: Mutex::new(Book {
                change: Change::default(),
                accessed: now,
                modified: now,
                changed: now,
            }),
        }
    }

    /// The attributes with what is kept here; times that the resource gives itself are its own.
    pub(super) fn complete(&self, mut attr: Attr) -> Attr {
        let book = lock(&self.book);
        book.change.apply(&mut attr);
        attr.accessed.get_or_insert(book.accessed);
        attr.modified.get_or_insert(book.modified);
        attr.changed.get_or_insert(book.changed);
        if self.is_gone.load(Ordering::Relaxed) {
            attr.nlink = 0;
        }
        attr.number(self.number)
    }

    pub(super) fn keep(&self, change: &Change) {
        let mut book = lock(&self.book);
        book.change.mode = change.mode.or(book.change.mode);
        book.change.uid = change.uid.or(book.change.uid);
        book.change.gid = change.gid.or(book.change.gid);
        book.accessed = change.accessed.unwrap_or(book.accessed);
        book.modified = change.modified.unwrap_or(book.modified);
        book.changed = SystemTime::now();
    }

    pub(super) fn was_read(&self) {
        lock(&self.book).accessed = SystemTime::now();
    }

    pub(super) fn was_written(&self) {
        let mut book = lock(&self.book);
        book.modified = SystemTime::now();
        book.changed = book.modified;
    }
}

/// A directory.
pub(super) struct Dir {
    pub(super) kept: Kept,
    children: Mutex<Children>,
}

/// A place is a cookie: it stays the entry's as long as that is there, and no other one gets it.
#[derive(Default)]
struct Children {
    places: BTreeMap<u64, (OsString, Spot)>,
    names: HashMap<OsString, u64>,
    next: u64,
}

impl Dir {
    pub(super) fn new(number: u64) -> Arc<Self> {
        Arc::new(Self {
            kept: Kept::new(number),
            children: Mutex::default(),
        })
    }

    pub(super) fn attr(&self) -> Attr {
        let attr = self.kept.complete(Attr::directory(0o755));
        let children = lock(&self.children);
        let is_dir = |(_, spot): &&(OsString, Spot)| matches!(spot, Spot::Dir(_));
        let dirs = children.places.values().filter(is_dir).count();
        let mut attr = attr.size(u64::try_from(children.places.len()).unwrap_or(u64::MAX));
        if attr.nlink > 0 {
            attr.nlink = attr
                .nlink
                .saturating_add(u32::try_from(dirs).unwrap_or(u32::MAX));
        }
        attr
    }

    pub(super) fn get(&self, name: &OsStr) -> Option<Spot> {
        let children = lock(&self.children);
        let place = children.names.get(name)?;
        children.places.get(place).map(|(_, spot)| spot.clone())
    }

    /// Adds an entry of a name that is free.
    pub(super) fn insert(&self, name: &OsStr, spot: Spot) {
        let mut children = lock(&self.children);
        let place = children.next;
        children.next += 1;
        children.names.insert(name.to_owned(), place);
        children.places.insert(place, (name.to_owned(), spot));
        drop(children);
        self.kept.was_written();
    }

    pub(super) fn remove(&self, name: &OsStr) -> Option<Spot> {
        let mut children = lock(&self.children);
        let place = children.names.remove(name)?;
        let (_, spot) = children.places.remove(&place)?;
        drop(children);
        self.kept.was_written();
        Some(spot)
    }

    pub(super) fn list(&self, from: u64, entries: &mut Entries) {
        let children = lock(&self.children);
        for (place, (name, spot)) in children.places.range(from..) {
            let number = spot.kept().map_or(0, |kept| kept.number);
            if !entries.add(name, number, place + 1) {
                return;
            }
        }
    }

    pub(super) fn names(&self) -> Vec<OsString> {
        let children = lock(&self.children);
        let names = children.places.values().map(|(name, _)| name.clone());
        names.collect()
    }
}
