//! The tree in memory, as tasks that let others come between.

use crate::resource::{
    AsyncResource, At, Attr, Buffer, Change, Entries, New, Ocb, Opening, RenameFlags, Resource,
};
use crate::testing::contract::PIECE;
use crate::testing::tests::fault::Fault;
use crate::testing::tests::gap::Gap;
use crate::testing::tests::model::{Model as Plain, Node, Open};
use crate::wire::Seek;
use crate::{Errno, Result};
use std::ffi::{OsStr, OsString};
use std::sync::Arc;
use tokio::task::yield_now;

/// Its own faults are in how its handlers wait; the tree itself has none.
pub(super) struct Model {
    inner: Plain,
    fault: Fault,
    gap: Gap,
}

impl Model {
    pub(super) fn tree(fault: Fault) -> Self {
        Self {
            inner: Plain::tree(Fault::None),
            fault,
            gap: Gap::default(),
        }
    }

    fn has_for(&self, fault: Fault, name: &OsStr, what: &str) -> bool {
        self.fault == fault && name.to_string_lossy().ends_with(what)
    }
}

impl AsyncResource for Model {
    type Node = Node;
    type Open = Open;

    fn root(&self) -> Node {
        Resource::root(&self.inner)
    }

    async fn attr(&self, node: &Node) -> Result<Attr> {
        yield_now().await;
        Ok(self.inner.attr_of(node))
    }

    async fn lookup(&self, dir: &Node, name: &OsStr) -> Result<Node> {
        yield_now().await;
        let found = self.inner.find(dir, name);
        if found.is_none() && self.fault == Fault::RenameGap {
            self.gap.pass();
        }
        found.ok_or(Errno::NOENT)
    }

    async fn read_link(&self, node: &Node) -> Result<OsString> {
        Resource::read_link(&self.inner, node)
    }

    async fn open(&self, node: &Node, how: &Opening) -> Result<Open> {
        yield_now().await;
        Resource::open(&self.inner, node, how)
    }

    async fn read(&self, ocb: &Ocb<Node, Open>, at: &At, buffer: &mut Buffer) -> Result<usize> {
        yield_now().await;
        let bytes = self.inner.bytes(&ocb.node, at.offset, buffer.len())?;
        At::new(0).copy(&bytes, buffer)
    }

    async fn write(&self, ocb: &Ocb<Node, Open>, at: &At, data: &[u8]) -> Result<usize> {
        yield_now().await;
        if self.fault == Fault::WriteGap && data.len() == PIECE {
            let before = self.inner.bytes(&ocb.node, 0, usize::MAX)?;
            self.gap.meet_async().await;
            Resource::change(&self.inner, &ocb.node, &Change::to_size(0))?;
            self.inner.store(&ocb.node, 0, &before)?;
        }
        self.inner.store(&ocb.node, at.offset, data)?;
        Ok(data.len())
    }

    async fn read_dir(
        &self,
        ocb: &Ocb<Node, Open>,
        from: u64,
        entries: &mut Entries,
    ) -> Result<()> {
        yield_now().await;
        Resource::read_dir(&self.inner, ocb, from, entries)
    }

    async fn change(&self, node: &Node, change: &Change) -> Result<()> {
        yield_now().await;
        Resource::change(&self.inner, node, change)
    }

    async fn create(&self, dir: &Node, name: &OsStr, new: &New) -> Result<Node> {
        if self.has_for(Fault::CreateGap, name, "-create") {
            self.inner.may_be_new(dir, name, new)?;
            let node = self.inner.new_node(new);
            self.gap.meet_async().await;
            self.inner.put(dir, name, Arc::clone(&node));
            return Ok(node);
        }
        Resource::create(&self.inner, dir, name, new)
    }

    async fn link(&self, node: &Node, dir: &Node, name: &OsStr) -> Result<()> {
        Resource::link(&self.inner, node, dir, name)
    }

    async fn unlink(&self, dir: &Node, name: &OsStr) -> Result<()> {
        Resource::unlink(&self.inner, dir, name)
    }

    async fn remove_dir(&self, dir: &Node, name: &OsStr) -> Result<()> {
        Resource::remove_dir(&self.inner, dir, name)
    }

    async fn rename(
        &self,
        from: (&Node, &OsStr),
        to: (&Node, &OsStr),
        flags: RenameFlags,
    ) -> Result<()> {
        if self.has_for(Fault::RenameGap, to.1, "-rename") {
            self.inner.take(to.0, to.1);
            self.gap.wait_async().await;
        }
        Resource::rename(&self.inner, from, to, flags)
    }

    async fn seek(&self, ocb: &Ocb<Node, Open>, to: Seek, size: u64) -> Result<u64> {
        Resource::seek(&self.inner, ocb, to, size)
    }
}
