//! Names: lookup, and what other requests say of a file that they have made or found.

use crate::requests::attr::{TTL, attributes as words, unasked};
use crate::serving::bridge::Desk;
use crate::serving::call::Refuse;
use crate::state::lines::Server;
use crate::state::node::{Id, Kind, Node};
use fuser::{FileAttr, FileType, Generation, ReplyEntry};
use resmgr::client::{Caller, Calls, Stat};
use resmgr_sys::{Errno, Result};
use std::path::Path;

/// How often the way to a file may turn out to be lost within one request.
const WAYS_MAX: usize = 8;

/// Finds a name. Its server is asked only where the namespace does not know.
pub(crate) fn lookup(desk: &mut Desk<'_, ReplyEntry>, path: &Path) -> Result<()> {
    let found = desk.shared.names.find(path)?;
    let Some(kind) = found.kind else {
        return entry(desk, path, found.server);
    };
    let what = (kind, found.server);
    let number = desk.shared.nodes.refer(path, Id::Path(path), what)?;
    tell(desk, number, &unasked(number, kind));
    Ok(())
}

/// Tells of a file in a server's directory: its server is asked.
pub(crate) fn entry(desk: &mut Desk<'_, ReplyEntry>, path: &Path, server: Server) -> Result<()> {
    entry_as(desk, path, server, None)
}

/// The same with a type for this once.
pub(crate) fn entry_as(
    desk: &mut Desk<'_, ReplyEntry>,
    path: &Path,
    server: Server,
    shown: Option<FileType>,
) -> Result<()> {
    desk.enter(server)?;
    let stat = desk.caller(&desk.shared.process).stat(path)?;
    let (number, mut attr) = refer(desk, path, &stat, server)?;
    attr.kind = shown.unwrap_or(attr.kind);
    tell(desk, number, &attr);
    Ok(())
}

/// Takes a reference for the kernel to a file in a server's directory.
pub(crate) fn refer<R: Refuse>(
    desk: &Desk<'_, R>,
    path: &Path,
    stat: &Stat,
    server: Server,
) -> Result<(u64, FileAttr)> {
    let (id, kind) = (Id::of(path, stat), Kind::of(stat));
    let number = desk.shared.nodes.refer(path, id, (kind, server))?;
    Ok((number, words(number, kind, stat)))
}

fn tell(desk: &mut Desk<'_, ReplyEntry>, number: u64, attr: &FileAttr) {
    if !desk.answer(|reply| reply.entry(&TTL, attr, Generation(0))) {
        // The kernel has not heard of the reference, so it will never take it back.
        desk.shared.nodes.forget(number, 1);
    }
}

impl<R: Refuse> Desk<'_, R> {
    /// Asks something of a file: by an open of it, which leads to that very file whatever has its names by now; else by
    /// its path.
    ///
    /// # Errors
    /// - `ESTALE`: nothing leads there any more. The kernel then looks the name up again.
    pub(crate) fn ask<T>(
        &mut self,
        number: u64,
        by_path: impl Fn(Caller<'_>, &Path, &Node) -> Result<T>,
        by_open: impl Fn(Calls<'_>) -> Result<T>,
    ) -> Result<T> {
        let node = self.shared.nodes.get(number)?;
        // A registered name may be another server's since the file was opened.
        if node.is_told_apart() {
            match self.ask_open(&node, number, &by_open) {
                None | Some(Err(Errno::SRCH | Errno::BADF)) => {}
                Some(asked) => return asked,
            }
        }
        self.ask_by_path(number, by_path, by_open)
    }

    /// The same by its path; of a file that has lost its names, by an open.
    ///
    /// # Errors
    /// As [`ask`](Self::ask).
    pub(crate) fn ask_by_path<T>(
        &mut self,
        number: u64,
        by_path: impl Fn(Caller<'_>, &Path, &Node) -> Result<T>,
        by_open: impl Fn(Calls<'_>) -> Result<T>,
    ) -> Result<T> {
        let mut node = self.shared.nodes.get(number)?;
        self.enter(node.server)?;
        for _ in 0..WAYS_MAX {
            let Ok(path) = node.path() else { break };
            let asked = by_path(self.caller(&self.shared.process), &path, &node);
            if !matches!(asked, Err(Errno::NOENT)) || !node.is_told_apart() {
                return asked;
            }
            self.shared.nodes.lost(number, &path);
            node = self.shared.nodes.get(number)?;
        }
        let asked = self.ask_open(&node, number, by_open);
        asked.unwrap_or(Err(Errno::STALE))
    }

    fn ask_open<T>(
        &mut self,
        node: &Node,
        number: u64,
        by_open: impl Fn(Calls<'_>) -> Result<T>,
    ) -> Option<Result<T>> {
        let open = self.shared.handles.open_of(number)?;
        if let Err(errno) = self.enter(node.server) {
            return Some(Err(errno));
        }
        let calls = open.file().on_behalf(self.caller(&open.process));
        Some(by_open(calls))
    }
}
