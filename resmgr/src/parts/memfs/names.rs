//! [`Directory`]: names, and how they come, go and move.
//!
//! # Order of locks
//! First the file system's lock for renames between directories: under it no directory changes its place, so who
//! is above whom stays true. Then directories, one above before one below, and those beside each other by number;
//! last the attributes of one file.

use super::inode::{Happened, Inode, alone, shared};
use crate::resource::{Entries, RenameFlags, lock};
use crate::{Errno, Result};
use std::collections::{BTreeMap, HashMap};
use std::ffi::{OsStr, OsString};
use std::sync::{Arc, Mutex, RwLock, RwLockWriteGuard, Weak};

/// What a name adds to its directory's size, as in Linux's tmpfs.
const NAME_SIZE: u64 = 20;

/// A directory's own.
#[derive(Debug, Default)]
pub(super) struct Directory {
    names: RwLock<Names>,
    /// The directory above; none of the root, nor of one that was removed.
    above: Mutex<Weak<Inode>>,
}

#[derive(Debug, Default)]
pub(super) struct Names {
    by_name: HashMap<OsString, Slot>,
    /// Where a reader goes on: a number is given once and never again, so that it means the same however the
    /// directory changes.
    by_number: BTreeMap<u64, OsString>,
    next: u64,
    /// It was removed: nothing comes into it any more.
    gone: bool,
}

#[derive(Debug)]
struct Slot {
    number: u64,
    file: Arc<Inode>,
}

impl Names {
    fn find(&self, name: &OsStr) -> Result<Arc<Inode>> {
        let slot = self.by_name.get(name).ok_or(Errno::NOENT)?;
        Ok(Arc::clone(&slot.file))
    }

    /// `ENOENT`: the directory was removed. `EEXIST`: there is such a name.
    fn check_free(&self, name: &OsStr) -> Result<()> {
        if self.gone {
            Err(Errno::NOENT)
        } else if self.by_name.contains_key(name) {
            Err(Errno::EXIST)
        } else {
            Ok(())
        }
    }

    fn insert(&mut self, name: &OsStr, file: Arc<Inode>) {
        self.remove(name);
        let number = self.next;
        self.next += 1;
        self.by_number.insert(number, name.into());
        self.by_name.insert(name.into(), Slot { number, file });
    }

    fn remove(&mut self, name: &OsStr) {
        if let Some(slot) = self.by_name.remove(name) {
            self.by_number.remove(&slot.number);
        }
    }

    /// Another file under a name that stays.
    fn replace(&mut self, name: &OsStr, file: Arc<Inode>) {
        if let Some(slot) = self.by_name.get_mut(name) {
            slot.file = file;
        }
    }
}

impl Directory {
    pub(super) fn size(&self) -> u64 {
        (shared(&self.names).by_name.len() as u64 + 2) * NAME_SIZE
    }

    pub(super) fn find(&self, name: &OsStr) -> Result<Arc<Inode>> {
        shared(&self.names).find(name)
    }

    pub(super) fn list(&self, from: u64, entries: &mut Entries) {
        let names = shared(&self.names);
        for (number, name) in names.by_number.range(from..) {
            let ino = names.by_name.get(name).map_or(0, |slot| slot.file.ino);
            if !entries.add(name, ino, number + 1) {
                return;
            }
        }
    }

    #[cfg(test)]
    pub(super) fn files(&self) -> Vec<Arc<Inode>> {
        let names = shared(&self.names);
        let file = |slot: &Slot| Arc::clone(&slot.file);
        names.by_name.values().map(file).collect()
    }

    /// All files in it; it is empty then.
    pub(super) fn take_all(&self) -> Vec<Arc<Inode>> {
        let mut names = alone(&self.names);
        names.by_number.clear();
        names.by_name.drain().map(|(_, slot)| slot.file).collect()
    }

    fn is_below(&self, inode: &Arc<Inode>) -> bool {
        let mut above = lock(&self.above).upgrade();
        while let Some(here) = above {
            if Arc::ptr_eq(&here, inode) {
                return true;
            }
            let next = here.directory().map(|one| lock(&one.above).upgrade());
            above = next.ok().flatten();
        }
        false
    }

    fn set_above(&self, dir: &Arc<Inode>) {
        *lock(&self.above) = Arc::downgrade(dir);
    }
}

/// A name for a file that has none yet.
pub(super) fn add(
    dir: &Arc<Inode>,
    name: &OsStr,
    make: impl FnOnce() -> Result<Inode>,
) -> Result<Arc<Inode>> {
    let mut names = alone(&dir.directory()?.names);
    names.check_free(name)?;
    let file = Arc::new(make()?);
    names.insert(name, Arc::clone(&file));
    if let Ok(directory) = file.directory() {
        directory.set_above(dir);
        dir.add_link()?;
    }
    dir.book(Happened::Written);
    Ok(file)
}

pub(super) fn link(file: &Arc<Inode>, dir: &Inode, name: &OsStr) -> Result<()> {
    if file.is_dir() {
        return Err(Errno::PERM);
    }
    let mut names = alone(&dir.directory()?.names);
    names.check_free(name)?;
    dir.room.take_name()?;
    if let Err(errno) = file.add_link() {
        dir.room.give_name();
        return Err(errno);
    }
    names.insert(name, Arc::clone(file));
    dir.book(Happened::Written);
    Ok(())
}

pub(super) fn unlink(dir: &Inode, name: &OsStr) -> Result<()> {
    let mut names = alone(&dir.directory()?.names);
    let file = names.find(name)?;
    if file.is_dir() {
        return Err(Errno::ISDIR);
    }
    names.remove(name);
    file.remove_link();
    dir.book(Happened::Written);
    Ok(())
}

pub(super) fn remove_dir(dir: &Inode, name: &OsStr) -> Result<()> {
    let mut names = alone(&dir.directory()?.names);
    let file = names.find(name)?;
    empty(&file)?;
    names.remove(name);
    dir.remove_link();
    dir.book(Happened::Written);
    Ok(())
}

/// Nothing comes into the directory any more. `ENOTDIR`: it is none. `ENOTEMPTY`: something is in it.
fn empty(file: &Inode) -> Result<()> {
    let mut names = alone(&file.directory()?.names);
    if !names.by_name.is_empty() {
        return Err(Errno::NOTEMPTY);
    }
    names.gone = true;
    file.no_links();
    Ok(())
}

/// A name in a directory.
pub(super) type Place<'a> = (&'a Arc<Inode>, &'a OsStr);

/// The names of one directory, or of two.
enum Locked<'a> {
    Same(RwLockWriteGuard<'a, Names>),
    Two(RwLockWriteGuard<'a, Names>, RwLockWriteGuard<'a, Names>),
}

impl<'a> Locked<'a> {
    fn new(from: &'a Arc<Inode>, to: &'a Arc<Inode>) -> Result<Self> {
        let (one, other) = (from.directory()?, to.directory()?);
        if Arc::ptr_eq(from, to) {
            return Ok(Self::Same(alone(&one.names)));
        }
        let first = other.is_below(from) || !one.is_below(to) && from.ino < to.ino;
        Ok(if first {
            let from = alone(&one.names);
            Self::Two(from, alone(&other.names))
        } else {
            let to = alone(&other.names);
            Self::Two(alone(&one.names), to)
        })
    }

    fn from(&mut self) -> &mut Names {
        match self {
            Self::Same(names) | Self::Two(names, _) => names,
        }
    }

    fn to(&mut self) -> &mut Names {
        match self {
            Self::Same(names) | Self::Two(_, names) => names,
        }
    }
}

/// Moves a name, with everything that POSIX and Linux's renameat2() say of it.
pub(super) fn rename(
    moves: &Mutex<()>,
    (from, name): Place<'_>,
    (to, new_name): Place<'_>,
    flags: RenameFlags,
) -> Result<()> {
    let _moves = (!Arc::ptr_eq(from, to)).then(|| lock(moves));
    let mut locked = Locked::new(from, to)?;
    let file = locked.from().find(name)?;
    if locked.to().gone {
        return Err(Errno::NOENT);
    }
    let other = locked.to().find(new_name).ok();
    match other {
        Some(_) if flags.contains(RenameFlags::NO_REPLACE) => Err(Errno::EXIST),
        _ if contains(&file, to) => Err(Errno::INVAL),
        Some(other) if Arc::ptr_eq(&file, &other) => Ok(()),
        None if flags.contains(RenameFlags::EXCHANGE) => Err(Errno::NOENT),
        Some(other) if flags.contains(RenameFlags::EXCHANGE) => {
            if contains(&other, from) {
                return Err(Errno::INVAL);
            }
            locked.from().replace(name, Arc::clone(&other));
            locked.to().replace(new_name, Arc::clone(&file));
            hang(&file, from, to)?;
            hang(&other, to, from)?;
            booked(&[from, to], &[&file, &other]);
            Ok(())
        }
        other => {
            if let Some(other) = &other {
                make_way(&file, other, (from, to))?;
            }
            locked.from().remove(name);
            locked.to().insert(new_name, Arc::clone(&file));
            hang(&file, from, to)?;
            booked(&[from, to], &[&file]);
            Ok(())
        }
    }
}

/// Whether a directory is this one, or above it.
fn contains(file: &Arc<Inode>, dir: &Arc<Inode>) -> bool {
    let below = |directory: &Directory| directory.is_below(file);
    file.is_dir() && (Arc::ptr_eq(file, dir) || dir.directory().is_ok_and(below))
}

/// The file that loses its name to another.
fn make_way(file: &Inode, other: &Arc<Inode>, (from, to): (&Arc<Inode>, &Inode)) -> Result<()> {
    match (file.is_dir(), other.is_dir()) {
        (true, false) => Err(Errno::NOTDIR),
        (false, true) => Err(Errno::ISDIR),
        (false, false) => {
            other.remove_link();
            Ok(())
        }
        // Its lock is held already, or one below it.
        (true, true) if contains(other, from) => Err(Errno::NOTEMPTY),
        (true, true) => {
            empty(other)?;
            to.remove_link();
            Ok(())
        }
    }
}

/// A directory has come from one to another.
fn hang(file: &Inode, from: &Arc<Inode>, to: &Arc<Inode>) -> Result<()> {
    if let Ok(directory) = file.directory()
        && !Arc::ptr_eq(from, to)
    {
        from.remove_link();
        to.add_link()?;
        directory.set_above(to);
    }
    Ok(())
}

fn booked(dirs: &[&Arc<Inode>], files: &[&Arc<Inode>]) {
    for dir in dirs {
        dir.book(Happened::Written);
    }
    for file in files {
        file.book(Happened::Changed);
    }
}
