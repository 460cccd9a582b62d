//! Listing directories.
//!
//! Without attributes (readdirplus): the kernel would believe them for no time and ask again, so they would save no
//! message. `ls -l` of 1,000 files in a server's directory sends that server four messages for each: one when the
//! listing is read, since a server's entries say neither type nor device, then a lookup of the directory and one of the
//! file, and a stat.

use crate::serving::bridge::Desk;
use crate::serving::call::Refuse;
use crate::state::handle::Handle;
use crate::state::node::{Id, Kind};
use fuser::{FileHandle, FileType, FopenFlags, INodeNo, ReplyDirectory, ReplyOpen};
use resmgr::client::{Caller, EntryKind, ListEntry};
use resmgr_sys::{Errno, Result};
use std::ffi::OsString;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How long a listing waits for the server of an entry whose kind nobody else knows.
const PATIENCE: Duration = Duration::from_millis(100);

/// What was in a directory when its reading began. It stays until it begins again, so that no entry comes twice or is
/// left out.
#[derive(Debug, Default)]
pub(crate) struct Listing {
    entries: Arc<Vec<Listed>>,
    /// Nothing of it was read yet.
    fresh: bool,
}

/// An entry.
#[derive(Debug)]
struct Listed {
    number: u64,
    kind: FileType,
    name: OsString,
}

/// opendir(3): the directory is read now, so that the open says whether it can be.
pub(crate) fn open(desk: &mut Desk<'_, ReplyOpen>, number: u64) -> Result<()> {
    let path = desk.shared.nodes.get(number)?.path()?;
    let listing = Listing {
        entries: Arc::new(list(desk, &path)?),
        fresh: true,
    };
    let handle = Handle::Directory(Arc::new(Mutex::new(listing)));
    let handle = desk.shared.handles.insert(handle)?;
    if !desk.answer(|reply| reply.opened(FileHandle(handle), FopenFlags::empty())) {
        desk.shared.handles.remove(handle);
    }
    Ok(())
}

/// One part of a listing: entries from `offset` on, as many as fit.
pub(crate) fn read(
    desk: &mut Desk<'_, ReplyDirectory>,
    number: u64,
    listing: &Mutex<Listing>,
    offset: u64,
) -> Result<()> {
    let lock = || listing.lock().unwrap_or_else(PoisonError::into_inner);
    let path = desk.shared.nodes.get(number)?.path();
    let is_fresh = std::mem::take(&mut lock().fresh);
    if offset == 0 && !is_fresh {
        let entries = match &path {
            Ok(path) => list(desk, path)?,
            // A directory that was removed is empty.
            Err(_) => Vec::new(),
        };
        lock().entries = Arc::new(entries);
    }
    let entries = Arc::clone(&lock().entries);
    let parent = path.ok().and_then(|path| {
        let parent = path.parent()?;
        Some(desk.shared.nodes.number(Id::Path(parent)))
    });
    let dots = [
        (number, FileType::Directory, ".".as_ref()),
        (parent.unwrap_or(number), FileType::Directory, "..".as_ref()),
    ];
    let named = entries
        .iter()
        .map(|entry| (entry.number, entry.kind, entry.name.as_os_str()));
    let skip = usize::try_from(offset).unwrap_or(usize::MAX);
    desk.answer(|mut reply| {
        for (next, (number, kind, name)) in (1..).zip(dots.into_iter().chain(named)).skip(skip) {
            if reply.add(INodeNo(number), next, kind, name) {
                break;
            }
        }
        reply.ok();
    });
    Ok(())
}

fn list<R: Refuse>(desk: &mut Desk<'_, R>, path: &Path) -> Result<Vec<Listed>> {
    match desk.shared.names.find(path) {
        Ok(found) => desk.enter(found.server)?,
        // The root of a mount whose source nobody has registered yet.
        Err(Errno::NOENT) => return Ok(Vec::new()),
        Err(errno) => return Err(errno),
    }
    let caller = desk.caller(&desk.shared.process);
    let entries = caller.list(path)?;
    let listed = entries.into_iter();
    Ok(listed.map(|one| listed_as(desk, path, one)).collect())
}

/// What an entry is, as a lookup would say.
fn listed_as<R: Refuse>(desk: &Desk<'_, R>, dir: &Path, entry: ListEntry) -> Listed {
    let path = dir.join(&entry.name);
    let kind = match entry.kind {
        EntryKind::Directory => Some(Kind::Directory),
        EntryKind::File => Some(Kind::File),
        // Of a link of the path manager, what it leads to.
        EntryKind::Link => desk.shared.names.find(&path).ok().and_then(|one| one.kind),
        EntryKind::Unknown => None,
    };
    let (number, kind) = match kind {
        Some(kind) => (desk.shared.nodes.number(Id::Path(&path)), kind),
        None => asked(desk, &path),
    };
    Listed {
        number,
        kind: kind.into(),
        name: entry.name,
    }
}

/// The same from its server.
fn asked<R: Refuse>(desk: &Desk<'_, R>, path: &Path) -> (u64, Kind) {
    let caller = Caller {
        deadline: Some(Instant::now() + PATIENCE),
        ..desk.caller(&desk.shared.process)
    };
    match caller.stat(path) {
        Ok(stat) => {
            let id = Id::of(path, &stat);
            (desk.shared.nodes.number(id), Kind::of(&stat))
        }
        // The kernel's listings have a word for "unknown", fuser has not: a file is the better guess.
        Err(_) => (desk.shared.nodes.number(Id::Path(path)), Kind::File),
    }
}
