//! [`Naive`]: a tree as simple as it can be.

use super::steps::{Outcome, Seen, Step};
use crate::{Errno, Result};
use std::collections::BTreeMap;

/// All paths that there are, and the files' bytes.
#[derive(Debug, Default)]
pub(super) struct Naive {
    entries: BTreeMap<String, Entry>,
    files: BTreeMap<usize, Vec<u8>>,
    next: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Entry {
    Directory,
    File(usize),
}

/// The directory of a path; empty for the root.
fn parent(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(dir, _)| dir)
}

fn below<'a>(dir: &str, path: &'a str) -> Option<&'a str> {
    path.strip_prefix(dir)?.strip_prefix('/')
}

impl Naive {
    /// What a path leads to; `ENOENT`, `ENOTDIR` for what its directories are not.
    fn find(&self, path: &str) -> Result<Option<Entry>> {
        let dir = parent(path);
        if !dir.is_empty() {
            match self.find(dir)? {
                Some(Entry::Directory) => {}
                Some(Entry::File(_)) => return Err(Errno::NOTDIR),
                None => return Err(Errno::NOENT),
            }
        }
        Ok(self.entries.get(path).copied())
    }

    fn there(&self, path: &str) -> Result<Entry> {
        self.find(path)?.ok_or(Errno::NOENT)
    }

    fn file(&self, path: &str) -> Result<usize> {
        match self.there(path)? {
            Entry::File(number) => Ok(number),
            Entry::Directory => Err(Errno::ISDIR),
        }
    }

    fn bytes(&mut self, path: &str) -> Result<&mut Vec<u8>> {
        let number = self.file(path)?;
        Ok(self.files.entry(number).or_default())
    }

    fn names_in(&self, dir: &str) -> Vec<String> {
        let inside = self.entries.keys().filter_map(|path| below(dir, path));
        inside
            .filter(|name| !name.contains('/'))
            .map(Into::into)
            .collect()
    }

    fn names_of(&self, number: usize) -> u32 {
        let same = self
            .entries
            .values()
            .filter(|one| **one == Entry::File(number));
        u32::try_from(same.count()).unwrap_or(u32::MAX)
    }

    pub(super) fn run(&mut self, step: &Step) -> Outcome {
        match *step {
            Step::Mkdir(path) => self.mkdir(path),
            Step::Rmdir(path) => self.rmdir(path),
            Step::Create {
                path,
                exclusive,
                truncate,
            } => self.create(path, exclusive, truncate),
            Step::Write {
                path,
                at,
                len,
                byte,
            } => self.write(path, Some(at), &vec![byte; len]),
            Step::Append { path, len, byte } => self.write(path, None, &vec![byte; len]),
            Step::Read { path, at, len } => {
                let bytes = self.bytes(path)?;
                let rest = bytes.get(at..).unwrap_or_default();
                Ok(Seen::Bytes(rest.get(..len).unwrap_or(rest).to_vec()))
            }
            Step::Truncate { path, size } => {
                self.bytes(path)?.resize(size, 0);
                Ok(Seen::Done)
            }
            Step::Unlink(path) => {
                self.file(path)?;
                self.entries.remove(path);
                Ok(Seen::Done)
            }
            Step::Rename(old, new) => self.rename(old, new),
            Step::Link(old, new) => self.link(old, new),
            Step::Stat(path) => match self.there(path)? {
                Entry::Directory => Ok(Seen::Directory),
                Entry::File(number) => Ok(Seen::File {
                    size: self.bytes(path)?.len() as u64,
                    names: self.names_of(number),
                }),
            },
            Step::List(path) => match self.there(path)? {
                Entry::Directory => Ok(Seen::Names(self.names_in(path))),
                Entry::File(_) => Err(Errno::NOTDIR),
            },
        }
    }

    fn mkdir(&mut self, path: &str) -> Outcome {
        if self.find(path)?.is_some() {
            return Err(Errno::EXIST);
        }
        self.entries.insert(path.into(), Entry::Directory);
        Ok(Seen::Done)
    }

    fn rmdir(&mut self, path: &str) -> Outcome {
        if self.there(path)? != Entry::Directory {
            return Err(Errno::NOTDIR);
        }
        if !self.names_in(path).is_empty() {
            return Err(Errno::NOTEMPTY);
        }
        self.entries.remove(path);
        Ok(Seen::Done)
    }

    fn create(&mut self, path: &str, exclusive: bool, truncate: bool) -> Outcome {
        match self.find(path)? {
            Some(_) if exclusive => return Err(Errno::EXIST),
            Some(Entry::Directory) => return Err(Errno::ISDIR),
            Some(Entry::File(_)) if truncate => self.bytes(path)?.clear(),
            Some(Entry::File(_)) => {}
            None => {
                self.next += 1;
                self.entries.insert(path.into(), Entry::File(self.next));
            }
        }
        Ok(Seen::Done)
    }

    fn write(&mut self, path: &str, at: Option<usize>, data: &[u8]) -> Outcome {
        let bytes = self.bytes(path)?;
        let at = at.unwrap_or(bytes.len());
        if !data.is_empty() {
            let end = at + data.len();
            bytes.resize(end.max(bytes.len()), 0);
            if let Some(place) = bytes.get_mut(at..end) {
                place.copy_from_slice(data);
            }
        }
        Ok(Seen::Count(data.len()))
    }

    fn link(&mut self, old: &str, new: &str) -> Outcome {
        let entry = self.there(old)?;
        if self.find(new)?.is_some() {
            return Err(Errno::EXIST);
        }
        if entry == Entry::Directory {
            return Err(Errno::PERM);
        }
        self.entries.insert(new.into(), entry);
        Ok(Seen::Done)
    }

    /// The order of the errors is Linux's.
    fn rename(&mut self, old: &str, new: &str) -> Outcome {
        let from = self.find(old)?;
        let to = self.find(new)?;
        let from = from.ok_or(Errno::NOENT)?;
        if below(old, new).is_some() {
            return Err(Errno::INVAL);
        }
        if below(new, old).is_some() {
            return Err(Errno::NOTEMPTY);
        }
        match (from, to) {
            (Entry::File(one), Some(Entry::File(other))) if one == other => {
                return Ok(Seen::Done);
            }
            _ if old == new => {
                return Ok(Seen::Done);
            }
            (Entry::Directory, Some(Entry::File(_))) => return Err(Errno::NOTDIR),
            (Entry::File(_), Some(Entry::Directory)) => return Err(Errno::ISDIR),
            (_, Some(Entry::Directory)) if !self.names_in(new).is_empty() => {
                return Err(Errno::NOTEMPTY);
            }
            _ => {}
        }
        let inside = self
            .entries
            .keys()
            .filter(|path| below(old, path).is_some());
        let inside: Vec<_> = inside.cloned().collect();
        self.entries.remove(old);
        self.entries.insert(new.into(), from);
        for path in inside {
            let moved = below(old, &path).map(|rest| format!("{new}/{rest}"));
            if let (Some(moved), Some(entry)) = (moved, self.entries.remove(&path)) {
                self.entries.insert(moved, entry);
            }
        }
        Ok(Seen::Done)
    }
}
