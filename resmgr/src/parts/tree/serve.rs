//! A tree as a resource: what is its own is answered here, everything else by the resource that it is of.

use super::dir::{Mounted, Spot};
use super::{AnyFile, Tree};
use crate::ipc::Rcvid;
use crate::parts::erased::AnyOpen;
use crate::resource::{
    Attr, Change, Done, Entries, Filesystem, Handlers, New, Ocb, Opening, Operate, Operation,
    Order, Pace, RenameFlags, Waiters, Way,
};
use crate::wire::{Conditions, NotifyAction, Seek, Space};
use crate::{Errno, Result};
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use tokio::runtime::Handle;

/// A file in a [`Tree`].
#[derive(Clone)]
pub struct TreeNode(Spot);

/// An open of a file in a [`Tree`].
pub struct TreeOpen(Option<Box<dyn AnyOpen>>);

impl fmt::Debug for TreeNode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let number = self.0.kept().map(|kept| kept.number);
        f.debug_tuple("TreeNode").field(&number).finish()
    }
}

impl fmt::Debug for TreeOpen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TreeOpen").finish_non_exhaustive()
    }
}

impl TreeNode {
    /// The file of another resource; `otherwise` for what is the tree's own.
    fn file(&self, otherwise: Errno) -> Result<&dyn AnyFile> {
        self.mounted().map(|(_, file)| file).ok_or(otherwise)
    }

    fn mounted(&self) -> Option<(&Arc<Mounted>, &dyn AnyFile)> {
        match &self.0 {
            Spot::File(mounted, None) => Some((mounted, &*mounted.root)),
            Spot::File(mounted, Some(file)) => Some((mounted, &**file)),
            Spot::Dir(_) | Spot::Link(_) => None,
        }
    }
}

impl TreeOpen {
    fn open(&self, otherwise: Errno) -> Result<&dyn AnyOpen> {
        self.0.as_deref().ok_or(otherwise)
    }
}

type TreeOcb = Ocb<TreeNode, TreeOpen>;

/// Names of the tree's own are the program's.
const FIXED: Errno = Errno::PERM;

/// Has the resource that an open is of answer.
pub(super) fn operate(ocb: &TreeOcb, operate: Operate<'_>, way: Way<'_>) -> Result<Done> {
    let open = ocb.open.open(match operate.operation {
        Operation::Control(_) => Errno::NOTTY,
        Operation::Private(_) => Errno::NOSYS,
        _ => Errno::INVAL,
    })?;
    let kept = ocb.node.0.kept();
    let is_read = matches!(operate.operation, Operation::Read(_));
    // Before: whoever has the answer may look at once.
    if let (Operation::Write(_), Some(kept)) = (operate.operation, kept) {
        kept.was_written();
    }
    let done = open.operate(operate, way)?;
    if let Some(kept) = kept.filter(|_| is_read) {
        kept.was_read();
    }
    Ok(done)
}

/// Where some of its files are asynchronous, what is asked of those waits; everything else is answered at once.
impl Handlers for Tree {
    type Node = TreeNode;
    type Open = TreeOpen;
    type Kept = Arc<TreeOcb>;

    fn pace(&self) -> Pace {
        let runtime = self.handle.0.runtime.get();
        runtime.map_or(Pace::AtOnce, |runtime| Pace::Awaited(runtime.clone()))
    }

    fn is_awaited(&self, ocb: &TreeOcb) -> bool {
        ocb.open.0.as_ref().is_some_and(|open| open.is_awaited())
    }

    fn settle(&self, runtime: &Handle) {
        self.place(Some(runtime));
    }

    fn operate(
        _this: &Arc<Self>,
        ocb: &Arc<TreeOcb>,
        what: Operate<'_>,
        way: Way<'_>,
    ) -> Result<Done> {
        operate(ocb, what, way)
    }

    fn order(&self) -> Order {
        Order::PerOpen
    }

    fn root(&self) -> TreeNode {
        TreeNode(Spot::Dir(Arc::clone(&self.handle.0.root)))
    }

    async fn attr(&self, node: &TreeNode) -> Result<Attr> {
        if let Some(errno) = self.mistake {
            return Err(errno);
        }
        match &node.0 {
            Spot::Dir(dir) => Ok(dir.attr()),
            Spot::Link(link) => {
                let len = u64::try_from(link.text.len()).unwrap_or(u64::MAX);
                Ok(link.kept.complete(Attr::link(len)))
            }
            Spot::File(mounted, None) => {
                let attr = mounted.root.attr().await?;
                Ok(mounted.kept.complete(attr))
            }
            Spot::File(mounted, Some(file)) => {
                let attr = file.attr().await?;
                let ino = mounted.numbers().await.of(attr.ino);
                Ok(attr.number(ino))
            }
        }
    }

    async fn lookup(&self, dir: &TreeNode, name: &OsStr) -> Result<TreeNode> {
        match (&dir.0, dir.mounted()) {
            (Spot::Dir(dir), _) => dir.get(name).map(TreeNode).ok_or(Errno::NOENT),
            (_, Some((mounted, file))) => {
                let found = file.lookup(name).await?;
                Ok(TreeNode(Spot::File(Arc::clone(mounted), Some(found))))
            }
            _ => Err(Errno::NOTDIR),
        }
    }

    async fn read_link(&self, node: &TreeNode) -> Result<OsString> {
        match &node.0 {
            Spot::Link(link) => Ok(link.text.clone()),
            _ => node.file(Errno::INVAL)?.read_link().await,
        }
    }

    async fn open(&self, node: &TreeNode, how: &Opening) -> Result<TreeOpen> {
        match node.mounted() {
            Some((_, file)) => file.open(how).await.map(Some).map(TreeOpen),
            None => Ok(TreeOpen(None)),
        }
    }

    async fn close_dup(&self, ocb: &TreeOcb) -> Result<()> {
        match &ocb.open.0 {
            Some(open) => open.close_dup().await,
            None => Ok(()),
        }
    }

    async fn close(&self, ocb: &TreeOcb) -> Result<()> {
        match &ocb.open.0 {
            Some(open) => open.close().await,
            None => Ok(()),
        }
    }

    fn unblock(&self, ocb: &TreeOcb, call: Rcvid) {
        if let Some(open) = &ocb.open.0 {
            open.unblock(call);
        }
    }

    async fn read_dir(&self, ocb: &TreeOcb, from: u64, entries: &mut Entries) -> Result<()> {
        match (&ocb.node.0, &ocb.open.0) {
            (Spot::Dir(dir), _) => {
                dir.list(from, entries);
                Ok(())
            }
            (Spot::File(mounted, _), Some(open)) => {
                entries.renumber(mounted.numbers().await);
                let read = open.read_dir(from, entries).await;
                entries.renumbered();
                read
            }
            _ => Err(Errno::NOTDIR),
        }
    }

    async fn change(&self, node: &TreeNode, change: &Change) -> Result<()> {
        let changed = match node.mounted() {
            Some((_, file)) => file.change(change).await,
            None if change.size.is_some() => return Err(Errno::INVAL),
            None => Err(Errno::NOSYS),
        };
        match (changed, node.0.kept()) {
            // As the framework keeps them for a resource that is attached by itself.
            (Err(Errno::NOSYS), Some(kept)) if change.size.is_none() => {
                kept.keep(change);
                Ok(())
            }
            (changed, _) => changed,
        }
    }

    async fn create(&self, dir: &TreeNode, name: &OsStr, new: &New) -> Result<TreeNode> {
        let (mounted, file) = dir.mounted().ok_or(FIXED)?;
        let made = file.create(name, new).await?;
        Ok(TreeNode(Spot::File(Arc::clone(mounted), Some(made))))
    }

    async fn link(&self, node: &TreeNode, dir: &TreeNode, name: &OsStr) -> Result<()> {
        node.file(FIXED)?.link(dir.file(FIXED)?, name).await
    }

    async fn unlink(&self, dir: &TreeNode, name: &OsStr) -> Result<()> {
        dir.file(FIXED)?.unlink(name).await
    }

    async fn remove_dir(&self, dir: &TreeNode, name: &OsStr) -> Result<()> {
        dir.file(FIXED)?.remove_dir(name).await
    }

    async fn rename(
        &self,
        (from, name): (&TreeNode, &OsStr),
        (to, new_name): (&TreeNode, &OsStr),
        flags: RenameFlags,
    ) -> Result<()> {
        let to = (to.file(FIXED)?, new_name);
        from.file(FIXED)?.rename(name, to, flags).await
    }

    async fn seek(&self, ocb: &TreeOcb, to: Seek, size: u64) -> Result<u64> {
        ocb.open.open(Errno::INVAL)?.seek(to, size).await
    }

    async fn space(&self, ocb: &TreeOcb, space: &Space) -> Result<()> {
        ocb.open.open(Errno::NOTSUP)?.space(space).await
    }

    async fn sync(&self, ocb: &TreeOcb, data_only: bool) -> Result<()> {
        match &ocb.open.0 {
            Some(open) => open.sync(data_only).await,
            None => Ok(()),
        }
    }

    async fn statvfs(&self, node: &TreeNode) -> Result<Filesystem> {
        match node.mounted() {
            Some((_, file)) => file.statvfs().await,
            None => Ok(Filesystem::default()),
        }
    }

    async fn xattr(&self, node: &TreeNode, name: &OsStr) -> Result<Vec<u8>> {
        node.file(Errno::NOTSUP)?.xattr(name).await
    }

    async fn xattrs(&self, node: &TreeNode) -> Result<Vec<OsString>> {
        node.file(Errno::NOTSUP)?.xattrs().await
    }

    async fn set_xattr(
        &self,
        node: &TreeNode,
        name: &OsStr,
        value: Option<&[u8]>,
        exists: Option<bool>,
    ) -> Result<()> {
        let file = node.file(Errno::NOTSUP)?;
        file.set_xattr(name, value, exists).await
    }

    async fn map(&self, ocb: &TreeOcb, write: bool) -> Result<OwnedFd> {
        ocb.open.open(Errno::NODEV)?.map(write).await
    }

    async fn look(&self, ocb: &TreeOcb, asked: (NotifyAction, Conditions)) -> Result<()> {
        match &ocb.open.0 {
            Some(open) => open.look(asked).await,
            None => Ok(()),
        }
    }

    fn ready(&self, ocb: &TreeOcb) -> Conditions {
        let open = ocb.open.0.as_ref();
        open.map_or(Conditions::INPUT | Conditions::OUTPUT, |open| open.ready())
    }

    fn waiters<'a>(&'a self, ocb: &'a TreeOcb) -> Option<&'a Waiters> {
        ocb.open.0.as_ref().and_then(|open| open.waiters())
    }
}
