//! What a directory holds: names of the namespace, and what servers of directories add.

use super::walk::Ask;
use super::{Caller, File, OpenFlags};
use crate::names::{self, pathname};
use crate::wire::{Connect, LinkReply, PATH_MAX, dirents};
use crate::{Errno, Result};
use resmgr_namespace::{Name, NameKind, Pathname};
use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;

/// Entries that one directory may have (`EOVERFLOW`): a server could go on for ever.
const ENTRIES_MAX: usize = 1 << 20;
/// Bytes that are read of a directory at once.
const READ: usize = 64 * 1024;

/// What an entry is, as far as it can be told without asking its server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EntryKind {
    /// A directory: names lie below it, or its server said that it answers for what lies below.
    Directory,
    /// A name with a server that answers for this name alone.
    File,
    /// Only its server knows.
    Unknown,
}

/// One entry of a directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListEntry {
    /// Its name there.
    pub name: OsString,
    /// What it is.
    pub kind: EntryKind,
}

/// What a directory holds: see [`Caller::list`].
pub fn list(path: impl AsRef<Path>) -> Result<Vec<ListEntry>> {
    Caller::default().list(path)
}

impl Caller<'_> {
    /// What a directory holds, sorted by name, without `.` and `..`: the names in the tree, and what the
    /// server of the directory (if there is one) says.
    ///
    /// # Errors
    /// - `ENOENT`: there is no such directory.
    /// - `ENOTDIR`: it is none.
    /// - others: the server's answer, if nothing is known but by the server.
    #[doc(alias = "readdir")]
    pub fn list(&self, path: impl AsRef<Path>) -> Result<Vec<ListEntry>> {
        let path = pathname(path.as_ref())?;
        let known = match names::list(&path) {
            Err(Errno::NOENT) if path.components().next().is_none() => {
                Ok((NameKind::PARENT, vec![]))
            }
            known => known,
        };
        let mut entries = BTreeMap::new();
        let told = match &known {
            Ok((kind, _)) if !kind.contains(NameKind::DIR) => Err(Errno::NOTDIR),
            _ => self.served(&path, &mut entries),
        };
        match known {
            Ok((kind, names)) if told.is_ok() || kind.contains(NameKind::PARENT) => {
                entries.extend(names.into_iter().map(of_tree));
            }
            _ => told?,
        }
        Ok(entries
            .into_iter()
            .map(|(name, kind)| ListEntry { name, kind })
            .collect())
    }

    /// What the server of a directory says.
    fn served(&self, path: &Pathname, into: &mut BTreeMap<OsString, EntryKind>) -> Result<()> {
        let flags = OpenFlags::READ | OpenFlags::DIRECTORY;
        let connect = Connect {
            flags,
            ..Connect::default()
        };
        let ask = Ask {
            connect,
            next: &[],
            room: LinkReply::HEADER + PATH_MAX,
        };
        let dir = File::new(self.walk(path, &ask)?.connection, flags);
        let mut buffer = vec![0; READ];
        loop {
            let len = dir.on_behalf(*self).read(&mut buffer)?;
            let bytes = buffer.get(..len).unwrap_or(&[]);
            if bytes.is_empty() {
                return Ok(());
            }
            for entry in dirents(bytes) {
                let name = entry?.name;
                if !matches!(name, b"" | b"." | b"..") && !name.contains(&b'/') {
                    into.insert(OsStr::from_bytes(name).into(), EntryKind::Unknown);
                }
            }
            if into.len() > ENTRIES_MAX {
                return Err(Errno::OVERFLOW);
            }
        }
    }
}

fn of_tree(name: Name) -> (OsString, EntryKind) {
    let directory = name.kind.intersects(NameKind::PARENT | NameKind::DIR);
    let kind = if directory {
        EntryKind::Directory
    } else {
        EntryKind::File
    };
    (OsString::from_vec(name.name), kind)
}
