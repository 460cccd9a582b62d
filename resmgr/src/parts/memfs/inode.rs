//! [`Inode`]: a file of a [`MemFs`](super::MemFs).

use super::data::{Data, PAGE};
use super::names::Directory;
use super::room::Room;
use crate::resource::check::{Subject, mode_after_write};
use crate::resource::{Attr, Call, Change, New, NewKind, Write, lock};
use crate::wire::Stat;
use crate::{Errno, Result};
use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::SystemTime;

/// Bytes that names and values of one file's extended attributes may have in all.
const XATTRS_MAX: usize = 64 << 10;

/// A file of a [`MemFs`](super::MemFs): it stays as long as a name or an open leads to it.
#[derive(Debug)]
pub struct Inode {
    pub(super) ino: u64,
    /// Its type bits.
    kind: u32,
    pub(super) room: Arc<Room>,
    pub(super) body: Body,
    /// The last lock that is taken, and none is taken under it.
    meta: Mutex<Meta>,
}

/// What a file holds, by its type.
#[derive(Debug)]
pub(super) enum Body {
    File(RwLock<Data>),
    Directory(Directory),
    Link(OsString),
    Special(u64),
}

#[derive(Debug)]
struct Meta {
    permissions: u32,
    uid: u32,
    gid: u32,
    nlink: u32,
    accessed: SystemTime,
    modified: SystemTime,
    changed: SystemTime,
    xattrs: BTreeMap<OsString, Vec<u8>>,
}

/// What has happened to a file, for its times.
#[derive(Clone, Copy)]
pub(super) enum Happened {
    /// It was read.
    Read,
    /// Its bytes, or the names in it, have changed.
    Written,
    /// Something else has.
    Changed,
}

pub(super) fn shared<T>(lock: &RwLock<T>) -> RwLockReadGuard<'_, T> {
    lock.read().unwrap_or_else(PoisonError::into_inner)
}

pub(super) fn alone<T>(lock: &RwLock<T>) -> RwLockWriteGuard<'_, T> {
    lock.write().unwrap_or_else(PoisonError::into_inner)
}

impl Inode {
    /// A new file, with room for its name.
    ///
    /// # Errors
    /// - `ENOSPC`: there is none.
    pub(super) fn new(room: &Arc<Room>, ino: u64, new: &New) -> Result<Self> {
        let pages = match &new.what {
            NewKind::Link(text) => link_pages(text),
            _ => 0,
        };
        room.take_name()?;
        if let Err(errno) = room.take_pages(pages) {
            room.give_name();
            return Err(errno);
        }
        Ok(Self::with_room(room, ino, new))
    }

    /// The first of all, which there is room for.
    pub(super) fn root(room: &Arc<Room>, new: &New) -> Self {
        let _ = room.take_name();
        Self::with_room(room, 1, new)
    }

    fn with_room(room: &Arc<Room>, ino: u64, new: &New) -> Self {
        let (body, nlink) = match &new.what {
            NewKind::File => (Body::File(RwLock::new(Data::new(room))), 1),
            NewKind::Directory => (Body::Directory(Directory::default()), 2),
            NewKind::Link(text) => (Body::Link(text.clone()), 1),
            NewKind::Special(device) => (Body::Special(*device), 1),
        };
        let now = SystemTime::now();
        Self {
            ino,
            kind: new.mode & Stat::TYPE,
            room: Arc::clone(room),
            body,
            meta: Mutex::new(Meta {
                permissions: new.mode & 0o7777,
                uid: new.uid,
                gid: new.gid,
                nlink,
                accessed: now,
                modified: now,
                changed: now,
                xattrs: BTreeMap::new(),
            }),
        }
    }

    pub(super) fn is_dir(&self) -> bool {
        matches!(self.body, Body::Directory(_))
    }

    /// `ENOTDIR`: it is none.
    pub(super) fn directory(&self) -> Result<&Directory> {
        match &self.body {
            Body::Directory(directory) => Ok(directory),
            _ => Err(Errno::NOTDIR),
        }
    }

    /// `EISDIR`, `EINVAL`: it has no bytes.
    pub(super) fn data(&self) -> Result<&RwLock<Data>> {
        match &self.body {
            Body::File(data) => Ok(data),
            Body::Directory(_) => Err(Errno::ISDIR),
            _ => Err(Errno::INVAL),
        }
    }

    pub(super) fn attr(&self) -> Attr {
        let (size, space) = match &self.body {
            Body::File(data) => {
                let data = shared(data);
                (data.size(), data.space())
            }
            Body::Directory(directory) => (directory.size(), 0),
            Body::Link(text) => (text.len() as u64, link_pages(text) * PAGE),
            Body::Special(_) => (0, 0),
        };
        let rdev = match self.body {
            Body::Special(device) => device,
            _ => 0,
        };
        let meta = lock(&self.meta);
        Attr {
            ino: self.ino,
            size,
            space: Some(space),
            nlink: meta.nlink,
            rdev,
            accessed: Some(meta.accessed),
            modified: Some(meta.modified),
            changed: Some(meta.changed),
            ..Attr::of_mode(self.kind | meta.permissions).owner(meta.uid, meta.gid)
        }
    }

    pub(super) fn book(&self, happened: Happened) {
        let (now, mut meta) = (SystemTime::now(), lock(&self.meta));
        match happened {
            Happened::Read => meta.accessed = now,
            Happened::Written => (meta.modified, meta.changed) = (now, now),
            Happened::Changed => meta.changed = now,
        }
    }

    /// Books a write of some bytes by this call.
    pub(super) fn written(&self, call: &Call<'_, Write>) {
        let sets_ids = lock(&self.meta).permissions & 0o6000 != 0;
        if sets_ids {
            let groups = &call.groups();
            let client = Subject {
                groups,
                ..Subject::from(&call.at().client)
            };
            let mode = mode_after_write(&self.attr(), client);
            lock(&self.meta).permissions = mode & 0o7777;
        }
        self.book(Happened::Written);
    }

    pub(super) fn change(&self, change: &Change) -> Result<()> {
        if let Some(size) = change.size {
            match &self.body {
                Body::File(data) => alone(data).resize(size),
                Body::Directory(_) => return Err(Errno::ISDIR),
                Body::Link(_) => return Err(Errno::INVAL),
                // There is nothing that could be cut.
                Body::Special(_) => return Err(Errno::NOSYS),
            }
            self.book(Happened::Written);
        }
        let mut meta = lock(&self.meta);
        meta.permissions = change.mode.map_or(meta.permissions, |mode| mode & 0o7777);
        meta.uid = change.uid.unwrap_or(meta.uid);
        meta.gid = change.gid.unwrap_or(meta.gid);
        meta.accessed = change.accessed.unwrap_or(meta.accessed);
        meta.modified = change.modified.unwrap_or(meta.modified);
        meta.changed = SystemTime::now();
        Ok(())
    }

    #[cfg(test)]
    pub(super) fn nlink(&self) -> u32 {
        lock(&self.meta).nlink
    }

    /// One more name.
    ///
    /// # Errors
    /// - `ENOENT`: the last one has gone.
    /// - `EMLINK`: there are too many.
    pub(super) fn add_link(&self) -> Result<()> {
        let mut meta = lock(&self.meta);
        if meta.nlink == 0 {
            return Err(Errno::NOENT);
        }
        meta.nlink = meta.nlink.checked_add(1).ok_or(Errno::MLINK)?;
        meta.changed = SystemTime::now();
        Ok(())
    }

    /// One name less. The room of second names is given back; that of the last goes with the file.
    pub(super) fn remove_link(&self) {
        let mut meta = lock(&self.meta);
        meta.nlink = meta.nlink.saturating_sub(1);
        meta.changed = SystemTime::now();
        if meta.nlink > 0 && !self.is_dir() {
            self.room.give_name();
        }
    }

    /// A directory that was removed has no names, not even its own.
    pub(super) fn no_links(&self) {
        let mut meta = lock(&self.meta);
        meta.nlink = 0;
        meta.changed = SystemTime::now();
    }

    /// User's attributes belong to files and directories; the other classes are kept for whoever may set them.
    fn check_xattr(&self, name: &OsStr) -> Result<()> {
        let name = name.as_encoded_bytes();
        let known = [&b"user."[..], b"trusted.", b"security."];
        let is_user = name.starts_with(b"user.");
        if !known.iter().any(|class| name.starts_with(class)) {
            return Err(Errno::NOTSUP);
        }
        if is_user && !matches!(self.body, Body::File(_) | Body::Directory(_)) {
            return Err(Errno::PERM);
        }
        Ok(())
    }

    pub(super) fn xattr(&self, name: &OsStr) -> Result<Vec<u8>> {
        match self.check_xattr(name) {
            Err(Errno::PERM) => return Err(Errno::NODATA),
            checked => checked?,
        }
        lock(&self.meta)
            .xattrs
            .get(name)
            .cloned()
            .ok_or(Errno::NODATA)
    }

    pub(super) fn xattrs(&self) -> Vec<OsString> {
        lock(&self.meta).xattrs.keys().cloned().collect()
    }

    pub(super) fn set_xattr(
        &self,
        name: &OsStr,
        value: Option<&[u8]>,
        exists: Option<bool>,
    ) -> Result<()> {
        self.check_xattr(name)?;
        let mut meta = lock(&self.meta);
        let here = meta.xattrs.get(name).map(Vec::len);
        match (exists, here) {
            (Some(false), Some(_)) => return Err(Errno::EXIST),
            (Some(true), None) => return Err(Errno::NODATA),
            _ if value.is_none() && here.is_none() => return Err(Errno::NODATA),
            _ => {}
        }
        let before = taken(&meta.xattrs);
        let old = here.map_or(0, |len| len + name.len());
        let new = value.map_or(0, |value| value.len() + name.len());
        let after = before - old + new;
        if after > XATTRS_MAX {
            return Err(Errno::NOSPC);
        }
        self.room
            .take_pages(pages(after).saturating_sub(pages(before)))?;
        match value {
            Some(value) => drop(meta.xattrs.insert(name.into(), value.into())),
            None => drop(meta.xattrs.remove(name)),
        }
        let less = pages(before).saturating_sub(pages(after));
        self.room.give_pages(usize::try_from(less).unwrap_or(0));
        meta.changed = SystemTime::now();
        Ok(())
    }
}

/// Bytes of all attributes.
fn taken(xattrs: &BTreeMap<OsString, Vec<u8>>) -> usize {
    let bytes = |(name, value): (&OsString, &Vec<u8>)| name.len() + value.len();
    xattrs.iter().map(bytes).sum()
}

/// Pages that the text of a link takes, as in Linux's tmpfs: a short one takes none.
fn link_pages(text: &OsStr) -> u64 {
    u64::from(text.len() >= 128)
}

fn pages(bytes: usize) -> u64 {
    (bytes as u64).div_ceil(PAGE)
}

impl Drop for Inode {
    fn drop(&mut self) {
        let link = match &self.body {
            Body::Link(text) => link_pages(text),
            _ => 0,
        };
        let taken = pages(taken(&lock(&self.meta).xattrs)) + link;
        self.room.give_pages(usize::try_from(taken).unwrap_or(0));
        self.room.give_name();
    }
}
