//! What handlers are given, and give back, beside attributes and data.

use super::ocb::Core;
use crate::ipc::Credentials;
use crate::wire::{Dirent, OpenFlags};
use std::ffi::{OsStr, OsString};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::os::unix::ffi::OsStrExt;
use std::sync::Arc;
use std::time::SystemTime;

/// How a file is opened, and by whom. It has been checked.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Opening {
    /// How.
    pub flags: OpenFlags,
    /// By whom.
    pub client: Credentials,
    /// Whether this very open() has made the file.
    pub created: bool,
    /// The framework's part of the open: a resource inside another one shares it.
    pub(crate) core: Arc<Core>,
}

/// A file to make. Its owner and permissions are those that POSIX gives it: the client's user; the directory's
/// group if that has the set-group-ID bit, else the client's.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct New {
    /// What it is.
    pub what: NewKind,
    /// Type and permission bits; the client's umask is off already.
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Who makes it.
    pub client: Credentials,
}

/// What a [`New`] file is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NewKind {
    /// An ordinary file.
    File,
    /// A directory.
    Directory,
    /// A symbolic link with this text.
    Link(OsString),
    /// A pipe, socket or device; the number says which device.
    Special(u64),
}

/// Attributes to change: those that are `Some`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Change {
    /// Permission bits.
    pub mode: Option<u32>,
    /// Owner.
    pub uid: Option<u32>,
    /// Group.
    pub gid: Option<u32>,
    /// Bytes: cut, or filled with zeros.
    pub size: Option<u64>,
    /// Time of the last read.
    pub accessed: Option<SystemTime>,
    /// Time of the last write.
    pub modified: Option<SystemTime>,
}

impl Change {
    /// Another size.
    pub fn to_size(size: u64) -> Self {
        Self {
            size: Some(size),
            ..Self::default()
        }
    }

    /// Books the change in attributes that a resource keeps as such.
    pub fn apply(&self, attr: &mut super::Attr) {
        if let Some(mode) = self.mode {
            attr.mode = attr.mode & crate::wire::Stat::TYPE | mode & 0o7777;
        }
        attr.uid = self.uid.unwrap_or(attr.uid);
        attr.gid = self.gid.unwrap_or(attr.gid);
        attr.size = self.size.unwrap_or(attr.size);
        attr.accessed = self.accessed.or(attr.accessed);
        attr.modified = self.modified.or(attr.modified);
    }
}

/// What statvfs() tells of the file system that a file is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
#[doc(alias = "statvfs")]
pub struct Filesystem {
    /// Bytes of a block.
    pub block_size: u32,
    /// Blocks in all.
    pub blocks: u64,
    /// Free blocks.
    pub free: u64,
    /// Files in all.
    pub files: u64,
    /// Files that can still be made.
    pub free_files: u64,
    /// Longest name.
    pub name_max: u32,
    /// Nothing in it can be changed: the framework then refuses what would with `EROFS`.
    pub read_only: bool,
}

impl Default for Filesystem {
    fn default() -> Self {
        Self {
            block_size: 4096,
            blocks: 0,
            free: 0,
            files: 0,
            free_files: 0,
            name_max: 255,
            read_only: false,
        }
    }
}

/// What calls are kept in order: they run in the order in which they came, and one after the other. A call that
/// is [deferred](super::Call::defer) keeps nobody out; an asynchronous one does until it is done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// The reads of one open, and its writes. Of an ordinary file both together, because they share the position.
    /// Calls that bring an offset of their own are in no order.
    #[default]
    PerOpen,
    /// All reads and writes of one file, whoever opened it: QNX's default, the locked attribute.
    #[doc(alias = "iofunc_attr_lock")]
    #[doc(alias = "iofunc_lock_ocb_default")]
    PerFile,
}

/// Where [`read_dir`](super::Resource::read_dir) puts its entries: as many as the client has room for.
#[derive(Debug)]
pub struct Entries {
    bytes: Vec<u8>,
    room: usize,
    /// What the framework adds to the cookies of handlers, which begin at 0.
    base: u64,
    next: u64,
    full: bool,
    /// How the numbers of files are told, the resource that names them last.
    numbers: Vec<Renumber>,
}

/// Numbers of files for a resource inside another one, in which they must be unique.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Renumber {
    /// The number that the inner resource's root has in the outer one.
    pub(crate) number: u64,
    /// The number that it has in the inner one.
    pub(crate) root: u64,
}

impl Renumber {
    /// The number of a file in the outer resource. Those of outer files are small; the others have the highest bit, and
    /// the chance that two of them are the same is that of any two random numbers.
    pub(crate) fn of(self, ino: u64) -> u64 {
        if ino == self.root {
            return self.number;
        }
        let mut hasher = DefaultHasher::new();
        (self.number, ino).hash(&mut hasher);
        hasher.finish() | 1 << 63
    }
}

impl Entries {
    pub(crate) fn new(room: usize, base: u64) -> Self {
        Self {
            bytes: Vec::new(),
            room,
            base,
            next: base,
            full: false,
            numbers: Vec::new(),
        }
    }

    /// A resource inside another one adds its entries, until [`renumbered`](Self::renumbered).
    pub(crate) fn renumber(&mut self, numbers: Renumber) {
        self.numbers.push(numbers);
    }

    /// It has added them.
    pub(crate) fn renumbered(&mut self) {
        self.numbers.pop();
    }

    /// Adds an entry: its name, the number of the file, and the cookie to go on with behind it. False when it has no
    /// room: then it comes again in the next call, and nothing more is taken in this one.
    pub fn add(&mut self, name: impl AsRef<OsStr>, ino: u64, next: u64) -> bool {
        let ino = self.numbers.iter().rev().fold(ino, |ino, by| by.of(ino));
        self.push(name.as_ref(), ino, self.base.saturating_add(next))
    }

    pub(crate) fn push(&mut self, name: &OsStr, ino: u64, next: u64) -> bool {
        let entry = Dirent {
            ino: ino.max(1),
            offset: next,
            name: name.as_bytes(),
        };
        if self.full || self.bytes.len() + entry.len() > self.room {
            self.full = true;
            return false;
        }
        if let Err(errno) = entry.encode(&mut self.bytes) {
            tracing::error!(?name, %errno, "an entry cannot be told to clients");
        }
        self.next = next;
        true
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// The records, and the position behind the last.
    pub(crate) fn done(self) -> (Vec<u8>, u64, bool) {
        (self.bytes, self.next, self.full)
    }
}
