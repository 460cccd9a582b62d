//! Listing directories.

use crate::attr::kind_of;
use crate::bridge::Desk;
use crate::node::Kind;
use fuser::{FileType, INodeNo, ReplyDirectory};
use resmgr::client::{Caller, EntryKind, ListEntry};
use resmgr_sys::{Errno, Result};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How long a listing waits for the server of an entry whose kind nobody else knows.
const PATIENCE: Duration = Duration::from_millis(100);

/// One part of a listing: entries from `offset` on, as many as fit. The listing is made when its reading
/// begins and stays until it begins again, so that no entry comes twice or is left out.
pub(crate) fn read(
    desk: &mut Desk<'_, ReplyDirectory>,
    number: u64,
    listing: &Mutex<Arc<Vec<ListEntry>>>,
    offset: u64,
) -> Result<()> {
    let path = desk.shared.nodes.get(number)?.path;
    if offset == 0 {
        let entries = list(desk, &path)?;
        *listing.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(entries);
    }
    let entries = Arc::clone(&listing.lock().unwrap_or_else(PoisonError::into_inner));
    let parent = path
        .parent()
        .map_or(number, |parent| desk.shared.nodes.number(parent));
    let skip = usize::try_from(offset).unwrap_or(usize::MAX);
    let nodes = &desk.shared.nodes;
    let kind_of = |entry: &ListEntry| match entry.kind {
        EntryKind::Directory => FileType::Directory,
        EntryKind::File | EntryKind::Link | EntryKind::Unknown => FileType::RegularFile,
    };
    let dots = [
        (number, FileType::Directory, ".".as_ref()),
        (parent, FileType::Directory, "..".as_ref()),
    ];
    let named = entries.iter().map(|entry| {
        (
            nodes.number(&path.join(&entry.name)),
            kind_of(entry),
            entry.name.as_os_str(),
        )
    });
    let all = dots.into_iter().chain(named);
    desk.answer(|mut reply| {
        for (next, (number, kind, name)) in (1..).zip(all).skip(skip) {
            if reply.add(INodeNo(number), next, kind, name) {
                break;
            }
        }
        reply.ok();
    });
    Ok(())
}

fn list(desk: &mut Desk<'_, ReplyDirectory>, path: &Path) -> Result<Vec<ListEntry>> {
    match desk.shared.names.find(path) {
        Ok(found) => desk.enter(found.server)?,
        // The root of a mount whose source nobody has registered yet.
        Err(Errno::NOENT) => return Ok(Vec::new()),
        Err(errno) => return Err(errno),
    }
    let caller = desk.caller(&desk.shared.process);
    let mut entries = caller.list(path)?;
    for entry in entries
        .iter_mut()
        .filter(|entry| matches!(entry.kind, EntryKind::Link | EntryKind::Unknown))
    {
        let caller = Caller {
            deadline: Some(Instant::now() + PATIENCE),
            ..caller
        };
        // The kernel's listings have a word for "unknown", fuser has not: a file is the better guess.
        entry.kind = match caller.stat(path.join(&entry.name)).as_ref().map(kind_of) {
            Ok(Kind::Directory) => EntryKind::Directory,
            _ => EntryKind::File,
        };
    }
    Ok(entries)
}
