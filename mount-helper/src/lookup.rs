//! Names: lookup, and what other requests say of a file that they have made or found.

use crate::attr::{TTL, attributes as words, unasked};
use crate::bridge::Desk;
use crate::call::Refuse;
use crate::lines::Server;
use crate::node::{Id, Kind, Node};
use fuser::{FileAttr, Generation, ReplyEntry};
use resmgr::client::{Caller, Calls, Stat};
use resmgr_sys::{Errno, Result};
use std::path::Path;
use std::sync::Arc;

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
    desk.enter(server)?;
    let stat = desk.caller(&desk.shared.process).stat(path)?;
    let (number, attr) = refer(desk, path, &stat, server)?;
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
    /// Asks something of a file, by its path; of one that has lost its names, by an open of it.
    ///
    /// # Errors
    /// - `ESTALE`: nothing leads there any more. The kernel then looks the name up again.
    pub(crate) fn ask<T>(
        &mut self,
        number: u64,
        by_path: impl Fn(Caller<'_>, &Path, &Node) -> Result<T>,
        by_open: impl FnOnce(&Calls<'_>) -> Result<T>,
    ) -> Result<T> {
        let mut node = self.shared.nodes.get(number)?;
        self.enter(node.server)?;
        for _ in 0..WAYS_MAX {
            let Ok(path) = node.path() else { break };
            let asked = by_path(self.caller(&self.shared.process), &path, &node);
            if !matches!(asked, Err(Errno::NOENT)) {
                return asked;
            }
            self.shared.nodes.lost(number, &path);
            node = self.shared.nodes.get(number)?;
            if node.path().is_ok_and(|next| Arc::ptr_eq(&next, &path)) {
                return asked;
            }
        }
        let open = self.shared.handles.open_of(number).ok_or(Errno::STALE)?;
        let caller = self.caller(&open.process);
        by_open(&open.file().on_behalf(caller))
    }
}
