//! A tree as a resource: what is its own is answered here, everything else by the resource that it is of.

use super::dir::{Mounted, Spot};
use super::{AnyFile, Tree};
use crate::ipc::Rcvid;
use crate::parts::erased::AnyOpen;
use crate::resource::{
    Attr, Call, Change, Control, Done, Entries, Filesystem, New, Ocb, Opening, Private, Read,
    RenameFlags, Resource, Waiters, Write,
};
use crate::wire::{Conditions, Seek, Space};
use crate::{Errno, Result};
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::os::fd::OwnedFd;
use std::sync::Arc;

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

impl Resource for Tree {
    type Node = TreeNode;
    type Open = TreeOpen;

    fn root(&self) -> TreeNode {
        TreeNode(Spot::Dir(Arc::clone(&self.handle.0.root)))
    }

    fn attr(&self, node: &TreeNode) -> Result<Attr> {
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
                mounted.root.attr().map(|attr| mounted.kept.complete(attr))
            }
            Spot::File(mounted, Some(file)) => {
                let attr = file.attr()?;
                Ok(attr.number(mounted.numbers().of(attr.ino)))
            }
        }
    }

    fn lookup(&self, dir: &TreeNode, name: &OsStr) -> Result<TreeNode> {
        match (&dir.0, dir.mounted()) {
            (Spot::Dir(dir), _) => dir.get(name).map(TreeNode).ok_or(Errno::NOENT),
            (_, Some((mounted, file))) => {
                let found = file.lookup(name)?;
                Ok(TreeNode(Spot::File(Arc::clone(mounted), Some(found))))
            }
            _ => Err(Errno::NOTDIR),
        }
    }

    fn read_link(&self, node: &TreeNode) -> Result<OsString> {
        match &node.0 {
            Spot::Link(link) => Ok(link.text.clone()),
            _ => node.file(Errno::INVAL)?.read_link(),
        }
    }

    fn open(&self, node: &TreeNode, how: &Opening) -> Result<TreeOpen> {
        let open = node.mounted().map(|(_, file)| file.open(how));
        open.transpose().map(TreeOpen)
    }

    fn close_dup(&self, ocb: &TreeOcb) -> Result<()> {
        ocb.open.0.as_ref().map_or(Ok(()), |open| open.close_dup())
    }

    fn close(&self, ocb: &TreeOcb) {
        if let Some(open) = &ocb.open.0 {
            open.close();
        }
    }

    fn read(&self, ocb: &TreeOcb, call: Call<'_, Read>) -> Result<Done> {
        let done = ocb.open.open(Errno::INVAL)?.read(call)?;
        if let Some(kept) = ocb.node.0.kept() {
            kept.was_read();
        }
        Ok(done)
    }

    fn write(&self, ocb: &TreeOcb, call: Call<'_, Write>) -> Result<Done> {
        // Before: whoever has the answer may look at once.
        let open = ocb.open.open(Errno::INVAL)?;
        if let Some(kept) = ocb.node.0.kept() {
            kept.was_written();
        }
        open.write(call)
    }

    fn devctl(&self, ocb: &TreeOcb, call: Call<'_, Control>) -> Result<Done> {
        ocb.open.open(Errno::NOTTY)?.devctl(call)
    }

    fn msg(&self, ocb: &TreeOcb, call: Call<'_, Private>) -> Result<Done> {
        ocb.open.open(Errno::NOSYS)?.msg(call)
    }

    fn unblock(&self, ocb: &TreeOcb, call: Rcvid) {
        if let Some(open) = &ocb.open.0 {
            open.unblock(call);
        }
    }

    fn read_dir(&self, ocb: &TreeOcb, from: u64, entries: &mut Entries) -> Result<()> {
        match (&ocb.node.0, &ocb.open.0) {
            (Spot::Dir(dir), _) => {
                dir.list(from, entries);
                Ok(())
            }
            (Spot::File(mounted, _), Some(open)) => {
                entries.renumbered(mounted.numbers(), |entries| open.read_dir(from, entries))
            }
            _ => Err(Errno::NOTDIR),
        }
    }

    fn change(&self, node: &TreeNode, change: &Change) -> Result<()> {
        let changed = match node.mounted() {
            Some((_, file)) => file.change(change),
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

    fn create(&self, dir: &TreeNode, name: &OsStr, new: &New) -> Result<TreeNode> {
        let (mounted, file) = dir.mounted().ok_or(FIXED)?;
        let made = file.create(name, new)?;
        Ok(TreeNode(Spot::File(Arc::clone(mounted), Some(made))))
    }

    fn link(&self, node: &TreeNode, dir: &TreeNode, name: &OsStr) -> Result<()> {
        node.file(FIXED)?.link(dir.file(FIXED)?, name)
    }

    fn unlink(&self, dir: &TreeNode, name: &OsStr) -> Result<()> {
        dir.file(FIXED)?.unlink(name)
    }

    fn remove_dir(&self, dir: &TreeNode, name: &OsStr) -> Result<()> {
        dir.file(FIXED)?.remove_dir(name)
    }

    fn rename(
        &self,
        (from, name): (&TreeNode, &OsStr),
        (to, new_name): (&TreeNode, &OsStr),
        flags: RenameFlags,
    ) -> Result<()> {
        let to = (to.file(FIXED)?, new_name);
        from.file(FIXED)?.rename(name, to, flags)
    }

    fn seek(&self, ocb: &TreeOcb, to: Seek, size: u64) -> Result<u64> {
        ocb.open.open(Errno::INVAL)?.seek(to, size)
    }

    fn space(&self, ocb: &TreeOcb, space: &Space) -> Result<()> {
        ocb.open.open(Errno::NOTSUP)?.space(space)
    }

    fn sync(&self, ocb: &TreeOcb, data_only: bool) -> Result<()> {
        let open = &ocb.open.0;
        open.as_ref().map_or(Ok(()), |open| open.sync(data_only))
    }

    fn statvfs(&self, node: &TreeNode) -> Result<Filesystem> {
        let file = node.mounted().map(|(_, file)| file.statvfs());
        file.unwrap_or_else(|| Ok(Filesystem::default()))
    }

    fn xattr(&self, node: &TreeNode, name: &OsStr) -> Result<Vec<u8>> {
        node.file(Errno::NOTSUP)?.xattr(name)
    }

    fn xattrs(&self, node: &TreeNode) -> Result<Vec<OsString>> {
        node.file(Errno::NOTSUP)?.xattrs()
    }

    fn set_xattr(
        &self,
        node: &TreeNode,
        name: &OsStr,
        value: Option<&[u8]>,
        exists: Option<bool>,
    ) -> Result<()> {
        node.file(Errno::NOTSUP)?.set_xattr(name, value, exists)
    }

    fn map(&self, ocb: &TreeOcb, write: bool) -> Result<OwnedFd> {
        ocb.open.open(Errno::NODEV)?.map(write)
    }

    fn ready(&self, ocb: &TreeOcb) -> Conditions {
        let open = ocb.open.0.as_ref();
        open.map_or(Conditions::INPUT | Conditions::OUTPUT, |open| open.ready())
    }

    fn waiters<'a>(&'a self, ocb: &'a TreeOcb) -> Option<&'a Waiters> {
        ocb.open.0.as_ref().and_then(|open| open.waiters())
    }
}
