//! Names and attributes: lookup, getattr, setattr, access.

use crate::attr::{TTL, allows, attributes as words, kind_of, unasked};
use crate::bridge::Desk;
use crate::call::Refuse;
use crate::handle::Open;
use crate::node::{Kind, Node, ROOT};
use fuser::{Generation, ReplyAttr, ReplyEmpty, ReplyEntry};
use resmgr::client::{OpenFlags, Stat};
use resmgr_sys::{Errno, Result};
use std::path::Path;

/// Finds a name. Its server is asked only where the namespace does not know.
pub(crate) fn lookup(desk: &mut Desk<'_, ReplyEntry>, path: &Path) -> Result<()> {
    let found = desk.shared.names.find(path)?;
    let (kind, stat) = if let Some(kind) = found.kind {
        (kind, None)
    } else {
        desk.enter(found.server)?;
        let stat = desk.caller(&desk.shared.process).stat(path)?;
        (kind_of(&stat), Some(stat))
    };
    let number = desk.shared.nodes.refer(path, kind, found.server)?;
    let attr = stat.map_or_else(|| unasked(number, kind), |stat| words(number, kind, &stat));
    if !desk.answer(|reply| reply.entry(&TTL, &attr, Generation(0))) {
        // The kernel has not heard of the reference, so it will never take it back.
        desk.shared.nodes.forget(number, 1);
    }
    Ok(())
}

/// What a node is, from its server, under that server's bound.
fn stat<R: Refuse>(desk: &mut Desk<'_, R>, node: &Node) -> Result<Stat> {
    desk.enter(node.server)?;
    desk.caller(&desk.shared.process).stat(&node.path)
}

/// getattr of a node.
pub(crate) fn attributes(desk: &mut Desk<'_, ReplyAttr>, number: u64) -> Result<()> {
    let node = desk.shared.nodes.get(number)?;
    let attr = match stat(desk, &node) {
        Ok(stat) => words(number, node.kind, &stat),
        // Nobody has registered anything there yet: an empty directory, until somebody does.
        Err(Errno::NOENT) if number == ROOT => unasked(number, Kind::Directory),
        Err(errno) => return Err(errno),
    };
    desk.answer(|reply| reply.attr(&TTL, &attr));
    Ok(())
}

/// getattr of an open file, which may have lost its name.
pub(crate) fn attributes_of_open(
    desk: &mut Desk<'_, ReplyAttr>,
    number: u64,
    open: &Open,
) -> Result<()> {
    let stat = open.file().on_behalf(desk.caller(&open.process)).stat()?;
    let attr = words(number, Kind::File, &stat);
    desk.answer(|reply| reply.attr(&TTL, &attr));
    Ok(())
}

/// setattr. Cutting to nothing is an open with O_TRUNC, which is how it is said by message; times are
/// the server's own affair; owner and mode cannot be changed from here.
pub(crate) fn set_attributes(
    desk: &mut Desk<'_, ReplyAttr>,
    number: u64,
    owner_or_mode: bool,
    size: Option<u64>,
) -> Result<()> {
    let node = desk.shared.nodes.get(number)?;
    if owner_or_mode {
        return Err(Errno::PERM);
    }
    match size {
        None => {}
        Some(0) => {
            desk.enter(node.server)?;
            let caller = desk.caller(&desk.shared.process);
            drop(caller.open(&node.path, OpenFlags::WRITE | OpenFlags::TRUNCATE, 0)?);
        }
        Some(_) => return Err(Errno::INVAL),
    }
    attributes(desk, number)
}

/// access(2), by the permission bits.
pub(crate) fn access(desk: &mut Desk<'_, ReplyEmpty>, number: u64, mask: u32) -> Result<()> {
    let node = desk.shared.nodes.get(number)?;
    let stat = stat(desk, &node)?;
    let program = desk.call.program;
    if !allows(&stat, program.uid, program.gid, mask) {
        return Err(Errno::ACCES);
    }
    desk.answer(ReplyEmpty::ok);
    Ok(())
}
