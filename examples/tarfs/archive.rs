//! The files of an archive, and their names as a tree. A file is its place in the table; the root has the first.
use resmgr::prelude::{Attr, Result};
use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::os::unix::fs::FileExt;

pub(crate) struct Entry {
    pub(crate) attr: Attr,
    /// Where a file's bytes begin in the archive.
    pub(crate) start: u64,
    /// Where a symbolic link leads.
    pub(crate) target: OsString,
    /// What is in a directory.
    pub(crate) names: BTreeMap<OsString, usize>,
}

pub(crate) struct Archive {
    pub(crate) file: File,
    pub(crate) table: Vec<Entry>,
}

impl Archive {
    /// Reads a file's bytes where they lie.
    pub(crate) fn read(&self, place: usize, offset: u64, buf: &mut [u8]) -> Result<usize> {
        let entry = &self.table[place];
        let left = entry.attr.size.saturating_sub(offset);
        let len = buf.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        // Where somebody has cut the archive, this is an error, and not the end of the file.
        (self.file).read_exact_at(&mut buf[..len], entry.start.saturating_add(offset))?;
        Ok(len)
    }

    /// Adds a file that has no name yet.
    pub(crate) fn push(&mut self, mut attr: Attr) -> usize {
        let place = self.table.len();
        (attr.ino, attr.nlink) = (place as u64 + 1, u32::from(attr.is_dir()));
        self.table.push(Entry {
            attr,
            start: 0,
            target: OsString::new(),
            names: BTreeMap::new(),
        });
        place
    }

    /// What a path leads to.
    pub(crate) fn find(&self, path: &[&OsStr]) -> Option<usize> {
        (path.iter()).try_fold(0, |at, name| self.table[at].names.get(*name).copied())
    }

    /// The directory that a path leads to. Those that are not there are made.
    pub(crate) fn dir(&mut self, path: &[&OsStr]) -> Option<usize> {
        path.iter().try_fold(0, |at, name| {
            let new = self.table.len();
            let place = *self.table[at].names.entry((*name).into()).or_insert(new);
            if place == new {
                self.push(Attr::directory(0o755));
            }
            self.table[place].attr.is_dir().then_some(place)
        })
    }

    /// Names a file; the name may have been another file's. No directory gains or loses one.
    pub(crate) fn name(&mut self, path: &[&OsStr], place: usize) -> Option<()> {
        let (last, dirs) = path.split_last()?;
        let dir = self.dir(dirs)?;
        let old = self.table[dir].names.get(*last).copied();
        let mut both = old.into_iter().chain([place]);
        if both.any(|one| self.table[one].attr.is_dir()) {
            return None;
        }
        self.table[dir].names.insert((*last).into(), place);
        self.table[place].attr.nlink += 1;
        if let Some(old) = old {
            self.table[old].attr.nlink -= 1;
        }
        Some(())
    }
}
