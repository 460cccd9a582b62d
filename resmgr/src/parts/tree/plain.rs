//! A tree as a plain resource: for those who have one in a resource of their own. What would wait there, in a file that
//! is asynchronous, is `EIO`; reads, writes, commands and messages are put off as ever.

use super::serve::operate;
use super::{Tree, TreeNode, TreeOpen};
use crate::ipc::Rcvid;
use crate::resource::{
    Attr, Call, Change, Control, Done, Entries, Filesystem, Handlers, Kind, New, Ocb, Opening,
    Place, Private, Read, RenameFlags, Resource, Seated, Waiters, Write, now,
};
use crate::wire::{Conditions, Seek, Space};
use crate::{Result, StartError};
use std::ffi::{OsStr, OsString};
use std::os::fd::OwnedFd;

type TreeOcb = Ocb<TreeNode, TreeOpen>;

fn call<K: Kind>(ocb: &TreeOcb, call: Call<'_, K>) -> Result<Done> {
    let (what, way) = call.into_parts();
    operate(ocb, what, way)
}

impl Resource for Tree {
    type Node = TreeNode;
    type Open = TreeOpen;

    fn seated(self, place: Place<'_>) -> std::result::Result<Seated, StartError> {
        if self.place(None) {
            let runtime = (place.runtime)()?;
            self.settle(&runtime);
        }
        Ok(place.seat(self))
    }
    fn root(&self) -> TreeNode {
        Handlers::root(self)
    }
    fn attr(&self, node: &TreeNode) -> Result<Attr> {
        now(Handlers::attr(self, node))
    }
    fn lookup(&self, dir: &TreeNode, name: &OsStr) -> Result<TreeNode> {
        now(Handlers::lookup(self, dir, name))
    }
    fn read_link(&self, node: &TreeNode) -> Result<OsString> {
        now(Handlers::read_link(self, node))
    }
    fn open(&self, node: &TreeNode, how: &Opening) -> Result<TreeOpen> {
        now(Handlers::open(self, node, how))
    }
    fn close_dup(&self, ocb: &TreeOcb) -> Result<()> {
        now(Handlers::close_dup(self, ocb))
    }
    fn close(&self, ocb: &TreeOcb) {
        if let Err(errno) = now(Handlers::close(self, ocb)) {
            tracing::debug!(%errno, "a handler of close failed");
        }
    }
    fn read(&self, ocb: &TreeOcb, one: Call<'_, Read>) -> Result<Done> {
        call(ocb, one)
    }
    fn write(&self, ocb: &TreeOcb, one: Call<'_, Write>) -> Result<Done> {
        call(ocb, one)
    }
    fn devctl(&self, ocb: &TreeOcb, one: Call<'_, Control>) -> Result<Done> {
        call(ocb, one)
    }
    fn msg(&self, ocb: &TreeOcb, one: Call<'_, Private>) -> Result<Done> {
        call(ocb, one)
    }
    fn unblock(&self, ocb: &TreeOcb, call: Rcvid) {
        Handlers::unblock(self, ocb, call);
    }
    fn read_dir(&self, ocb: &TreeOcb, from: u64, entries: &mut Entries) -> Result<()> {
        now(Handlers::read_dir(self, ocb, from, entries))
    }
    fn change(&self, node: &TreeNode, change: &Change) -> Result<()> {
        now(Handlers::change(self, node, change))
    }
    fn create(&self, dir: &TreeNode, name: &OsStr, new: &New) -> Result<TreeNode> {
        now(Handlers::create(self, dir, name, new))
    }
    fn link(&self, node: &TreeNode, dir: &TreeNode, name: &OsStr) -> Result<()> {
        now(Handlers::link(self, node, dir, name))
    }
    fn unlink(&self, dir: &TreeNode, name: &OsStr) -> Result<()> {
        now(Handlers::unlink(self, dir, name))
    }
    fn remove_dir(&self, dir: &TreeNode, name: &OsStr) -> Result<()> {
        now(Handlers::remove_dir(self, dir, name))
    }
    fn rename(
        &self,
        from: (&TreeNode, &OsStr),
        to: (&TreeNode, &OsStr),
        flags: RenameFlags,
    ) -> Result<()> {
        now(Handlers::rename(self, from, to, flags))
    }
    fn seek(&self, ocb: &TreeOcb, to: Seek, size: u64) -> Result<u64> {
        now(Handlers::seek(self, ocb, to, size))
    }
    fn space(&self, ocb: &TreeOcb, space: &Space) -> Result<()> {
        now(Handlers::space(self, ocb, space))
    }
    fn sync(&self, ocb: &TreeOcb, data_only: bool) -> Result<()> {
        now(Handlers::sync(self, ocb, data_only))
    }
    fn statvfs(&self, node: &TreeNode) -> Result<Filesystem> {
        now(Handlers::statvfs(self, node))
    }
    fn xattr(&self, node: &TreeNode, name: &OsStr) -> Result<Vec<u8>> {
        now(Handlers::xattr(self, node, name))
    }
    fn xattrs(&self, node: &TreeNode) -> Result<Vec<OsString>> {
        now(Handlers::xattrs(self, node))
    }
    fn set_xattr(
        &self,
        node: &TreeNode,
        name: &OsStr,
        value: Option<&[u8]>,
        exists: Option<bool>,
    ) -> Result<()> {
        now(Handlers::set_xattr(self, node, name, value, exists))
    }
    fn map(&self, ocb: &TreeOcb, write: bool) -> Result<OwnedFd> {
        now(Handlers::map(self, ocb, write))
    }
    fn ready(&self, ocb: &TreeOcb) -> Conditions {
        Handlers::ready(self, ocb)
    }
    fn waiters<'a>(&'a self, ocb: &'a TreeOcb) -> Option<&'a Waiters> {
        Handlers::waiters(self, ocb)
    }
}
