//! What a directory holds: names of the namespace, and what servers of directories add.

use super::walk::{Ask, LINKS_MAX, Said};
use super::{Caller, File, OpenFlags};
use crate::names;
use crate::wire::{Connect, dirents};
use crate::{Errno, Result};
use resmgr_namespace::tree::Listing;
use resmgr_namespace::{AttachFlags, Entry, FileType, Name, NameKind, Rooted};
use std::collections::{BTreeMap, HashSet};
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;

/// Entries that one directory may have where they have to be kept (`EOVERFLOW`): a server could go on for ever.
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
    /// A symbolic link of the path manager.
    Link,
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
    /// Where it leads, if it is a link of the path manager; else empty.
    pub target: OsString,
}

/// What a directory holds: see [`Caller::list`].
pub fn list(path: impl AsRef<Path>) -> Result<Vec<ListEntry>> {
    Caller::default().list(path)
}

impl<'a> Caller<'a> {
    /// What a directory holds, sorted by name, without `.` and `..`: all that [`entries`](Self::entries) gives.
    ///
    /// # Errors
    /// - as [`entries`](Self::entries), and its entries.
    /// - `EOVERFLOW`: there are more than 1,048,576.
    #[doc(alias = "scandir")]
    pub fn list(&self, path: impl AsRef<Path>) -> Result<Vec<ListEntry>> {
        let mut sorted = BTreeMap::new();
        for entry in self.entries(path)? {
            let entry = entry?;
            sorted.insert(entry.name.clone(), entry);
            if sorted.len() > ENTRIES_MAX {
                return Err(Errno::OVERFLOW);
            }
        }
        Ok(sorted.into_values().collect())
    }

    /// What a directory holds, in no particular order, each name once, without `.` and `..`: the names in the
    /// tree, and what every server of the directory says (PN-7).
    ///
    /// It comes piece by piece: a page of the tree, or one read of a server, is the most that is held or
    /// sent at once. Only where servers and the tree, or several servers, have to be told apart, the names
    /// that came are kept.
    ///
    /// # Errors
    /// - `ENOENT`: there is no such directory.
    /// - `ENOTDIR`: it is none.
    /// - `ELOOP`: too many symbolic links.
    /// - others: the answer of the first server that knows the path, if nothing is known but by servers.
    #[doc(alias = "opendir")]
    #[doc(alias = "readdir")]
    pub fn entries(&self, path: impl AsRef<Path>) -> Result<Entries<'a>> {
        let mut path = self.path(path.as_ref())?;
        for _ in 0..=LINKS_MAX {
            match Entries::begin(*self, &path)? {
                Begun::Entries(entries) => return Ok(*entries),
                Begun::GoOn(next) => path = next,
            }
        }
        Err(Errno::LOOP)
    }
}

/// The entries of a directory: see [`Caller::entries`]. An error ends them.
#[derive(Debug)]
pub struct Entries<'a> {
    caller: Caller<'a>,
    path: Rooted,
    /// The last name of the page before, while there are more pages.
    after: Option<Vec<u8>>,
    /// Servers that are still to be asked, the first one last.
    servers: Vec<Entry>,
    /// The one that is being read.
    open: Option<File>,
    /// What has come and was not given out yet.
    ready: std::vec::IntoIter<ListEntry>,
    /// What was given out, if it could come again.
    seen: Option<HashSet<OsString>>,
}

#[derive(Debug)]
enum Begun<'a> {
    Entries(Box<Entries<'a>>),
    /// A server says that the directory is a link.
    GoOn(Rooted),
}

impl<'a> Entries<'a> {
    fn begin(caller: Caller<'a>, path: &Rooted) -> Result<Begun<'a>> {
        let way = names::follow(path, FileType::ANY)?;
        let known = match names::page(way.path.path(), b"") {
            Err(Errno::NOENT) if way.path.path().components().next().is_none() => Listing {
                here: NameKind::PARENT,
                ..Listing::default()
            },
            Err(Errno::NOENT) => Listing::default(),
            known => known?,
        };
        let is_parent = known.here.contains(NameKind::PARENT);
        if known.here == NameKind::REGISTERED {
            return Err(Errno::NOTDIR);
        }
        let serves = |one: &Entry| one.flags.contains(AttachFlags::DIR);
        let (mut servers, missing) = match way.servers {
            Ok(servers) => (servers, Errno::NOENT),
            Err(errno) => (Vec::new(), errno),
        };
        servers.retain(serves);
        servers.reverse();
        let several = !known.names.is_empty() || servers.len() > 1;
        let mut entries = Self {
            caller,
            path: way.path.into_owned(),
            after: None,
            seen: (several && !servers.is_empty()).then(HashSet::new),
            servers,
            open: None,
            ready: Vec::new().into_iter(),
        };
        entries.take_page(known);
        if is_parent {
            return Ok(Begun::Entries(Box::new(entries)));
        }
        entries.first(missing)
    }

    /// The directory is only known by servers: one of them has to have it.
    fn first(mut self, mut missing: Errno) -> Result<Begun<'a>> {
        while let Some(server) = self.servers.pop() {
            match self.ask(&server) {
                Ok(Said::GoOn(next)) => return Ok(Begun::GoOn(next)),
                Ok(Said::Yes(found)) => {
                    self.open = Some(File::new(found.connection, FLAGS));
                    return Ok(Begun::Entries(Box::new(self)));
                }
                Ok(Said::NotHere | Said::Unable | Said::Gone) => {}
                Err(Errno::NOTDIR) => missing = Errno::NOTDIR,
                Err(errno) => return Err(errno),
            }
        }
        Err(missing)
    }

    fn ask(&self, server: &Entry) -> Result<Said> {
        let connect = Connect {
            flags: FLAGS,
            ..Connect::default()
        };
        let ask = Ask {
            connect,
            next: &[],
            room: 0,
        };
        self.caller.server(&self.path, server, &ask)
    }

    fn take_page(&mut self, page: Listing) {
        let last = page.names.last().filter(|_| page.more);
        self.after = last.map(|name| name.name.clone());
        let entries: Vec<_> = page.names.into_iter().map(of_tree).collect();
        self.ready = entries.into_iter();
    }

    /// Fetches more; false when there is none.
    fn fetch(&mut self) -> Result<bool> {
        if let Some(after) = self.after.take() {
            let page = names::page(self.path.path(), &after)?;
            self.take_page(page);
            return Ok(true);
        }
        if let Some(open) = &self.open {
            let mut buffer = vec![0; READ];
            let len = open.on_behalf(self.caller).read(&mut buffer)?;
            let bytes = buffer.get(..len).unwrap_or(&[]);
            self.ready = of_server(bytes)?.into_iter();
            if bytes.is_empty() {
                self.open = None;
            }
            return Ok(true);
        }
        let Some(server) = self.servers.pop() else {
            return Ok(false);
        };
        match self.ask(&server) {
            Ok(Said::Yes(found)) => self.open = Some(File::new(found.connection, FLAGS)),
            Ok(Said::NotHere | Said::Unable | Said::Gone | Said::GoOn(_)) => {}
            // The others have the directory; this one has its reasons.
            Err(errno) => tracing::debug!(%errno, "a server has nothing to say of a directory"),
        }
        Ok(true)
    }

    fn is_new(&mut self, entry: &ListEntry) -> Result<bool> {
        let Some(seen) = &mut self.seen else {
            return Ok(true);
        };
        if seen.len() >= ENTRIES_MAX {
            return Err(Errno::OVERFLOW);
        }
        Ok(seen.insert(entry.name.clone()))
    }

    fn step(&mut self) -> Result<Option<ListEntry>> {
        loop {
            while let Some(entry) = self.ready.next() {
                if self.is_new(&entry)? {
                    return Ok(Some(entry));
                }
            }
            if !self.fetch()? {
                return Ok(None);
            }
        }
    }
}

impl Iterator for Entries<'_> {
    type Item = Result<ListEntry>;

    fn next(&mut self) -> Option<Self::Item> {
        let next = self.step();
        if next.is_err() {
            (self.after, self.open) = (None, None);
            self.servers.clear();
            self.ready = Vec::new().into_iter();
        }
        next.transpose()
    }
}

const FLAGS: OpenFlags = OpenFlags::READ.union(OpenFlags::DIRECTORY);

/// What one read of a directory brought.
fn of_server(bytes: &[u8]) -> Result<Vec<ListEntry>> {
    let mut entries = Vec::new();
    for entry in dirents(bytes) {
        let name = entry?.name;
        if !matches!(name, b"" | b"." | b"..") && !name.contains(&b'/') {
            entries.push(ListEntry {
                name: OsStr::from_bytes(name).into(),
                kind: EntryKind::Unknown,
                target: OsString::new(),
            });
        }
    }
    Ok(entries)
}

fn of_tree(name: Name) -> ListEntry {
    let kind = if name.kind.contains(NameKind::LINK) {
        EntryKind::Link
    } else if name.kind.intersects(NameKind::PARENT | NameKind::DIR) {
        EntryKind::Directory
    } else {
        EntryKind::File
    };
    ListEntry {
        name: OsString::from_vec(name.name),
        kind,
        target: OsString::from_vec(name.target),
    }
}
