//! Resources of any type behind one: what a [`Tree`](super::Tree) is made of.
//!
//! [`AnyFile`] is a file together with its resource, [`AnyOpen`] an open of it. Both forward to the resource's own
//! handlers, which get the open state that they have made themselves; the framework's part of an open (position, flags,
//! order) is shared with the open that the client has.

use crate::ipc::Rcvid;
use crate::resource::{
    Attr, Call, Change, Control, Done, Entries, Filesystem, New, Ocb, Opening, Private, Read,
    RenameFlags, Resource, Waiters, Write,
};
use crate::wire::{Conditions, Seek, Space};
use crate::{Errno, Result};
use std::any::Any;
use std::ffi::{OsStr, OsString};
use std::os::fd::OwnedFd;
use std::sync::Arc;

/// A file of some resource.
pub(super) trait AnyFile: Any + Send + Sync {
    fn attr(&self) -> Result<Attr>;
    fn lookup(&self, name: &OsStr) -> Result<Arc<dyn AnyFile>>;
    fn read_link(&self) -> Result<OsString>;
    fn open(&self, how: &Opening) -> Result<Box<dyn AnyOpen>>;
    fn change(&self, change: &Change) -> Result<()>;
    fn create(&self, name: &OsStr, new: &New) -> Result<Arc<dyn AnyFile>>;
    /// `EXDEV` for a directory of another resource, also in the next ones.
    fn link(&self, dir: &dyn AnyFile, name: &OsStr) -> Result<()>;
    fn unlink(&self, name: &OsStr) -> Result<()>;
    fn remove_dir(&self, name: &OsStr) -> Result<()>;
    fn rename(&self, name: &OsStr, to: (&dyn AnyFile, &OsStr), flags: RenameFlags) -> Result<()>;
    fn statvfs(&self) -> Result<Filesystem>;
    fn xattr(&self, name: &OsStr) -> Result<Vec<u8>>;
    fn xattrs(&self) -> Result<Vec<OsString>>;
    fn set_xattr(&self, name: &OsStr, value: Option<&[u8]>, exists: Option<bool>) -> Result<()>;
}

/// An open of a file of some resource.
pub(super) trait AnyOpen: Send + Sync {
    fn read(&self, call: Call<'_, Read>) -> Result<Done>;
    fn write(&self, call: Call<'_, Write>) -> Result<Done>;
    fn devctl(&self, call: Call<'_, Control>) -> Result<Done>;
    fn msg(&self, call: Call<'_, Private>) -> Result<Done>;
    fn unblock(&self, call: Rcvid);
    fn close_dup(&self) -> Result<()>;
    fn close(&self);
    fn read_dir(&self, from: u64, entries: &mut Entries) -> Result<()>;
    fn seek(&self, to: Seek, size: u64) -> Result<u64>;
    fn space(&self, space: &Space) -> Result<()>;
    fn sync(&self, data_only: bool) -> Result<()>;
    fn map(&self, write: bool) -> Result<OwnedFd>;
    fn ready(&self) -> Conditions;
    fn waiters(&self) -> Option<&Waiters>;
}

/// A file of a resource of a known type.
struct File<R: Resource> {
    resource: Arc<R>,
    node: R::Node,
}

/// An open of such a file.
struct Open<R: Resource> {
    resource: Arc<R>,
    ocb: Ocb<R::Node, R::Open>,
}

/// The file at a resource's root.
pub(super) fn erase<R: Resource>(resource: R) -> Arc<dyn AnyFile> {
    let node = resource.root();
    let resource = Arc::new(resource);
    Arc::new(File { resource, node })
}

impl<R: Resource> File<R> {
    fn other(&self, node: R::Node) -> Arc<dyn AnyFile> {
        let resource = Arc::clone(&self.resource);
        Arc::new(Self { resource, node })
    }

    /// A file as one of the same resource.
    fn mine<'a>(&self, file: &'a dyn AnyFile) -> Result<&'a R::Node> {
        let file: &dyn Any = file;
        match file.downcast_ref::<Self>() {
            Some(file) if Arc::ptr_eq(&file.resource, &self.resource) => Ok(&file.node),
            _ => Err(Errno::XDEV),
        }
    }
}

impl<R: Resource> AnyFile for File<R> {
    fn attr(&self) -> Result<Attr> {
        self.resource.attr(&self.node)
    }
    fn lookup(&self, name: &OsStr) -> Result<Arc<dyn AnyFile>> {
        let node = self.resource.lookup(&self.node, name)?;
        Ok(self.other(node))
    }
    fn read_link(&self) -> Result<OsString> {
        self.resource.read_link(&self.node)
    }
    fn open(&self, how: &Opening) -> Result<Box<dyn AnyOpen>> {
        let open = self.resource.open(&self.node, how)?;
        how.core.set_order(self.resource.order());
        let ocb = Ocb::new(self.node.clone(), open, Arc::clone(&how.core));
        let resource = Arc::clone(&self.resource);
        Ok(Box::new(Open { resource, ocb }))
    }
    fn change(&self, change: &Change) -> Result<()> {
        self.resource.change(&self.node, change)
    }
    fn create(&self, name: &OsStr, new: &New) -> Result<Arc<dyn AnyFile>> {
        let node = self.resource.create(&self.node, name, new)?;
        Ok(self.other(node))
    }
    fn link(&self, dir: &dyn AnyFile, name: &OsStr) -> Result<()> {
        self.resource.link(&self.node, self.mine(dir)?, name)
    }
    fn unlink(&self, name: &OsStr) -> Result<()> {
        self.resource.unlink(&self.node, name)
    }
    fn remove_dir(&self, name: &OsStr) -> Result<()> {
        self.resource.remove_dir(&self.node, name)
    }
    fn rename(
        &self,
        name: &OsStr,
        (dir, new_name): (&dyn AnyFile, &OsStr),
        flags: RenameFlags,
    ) -> Result<()> {
        let to = (self.mine(dir)?, new_name);
        self.resource.rename((&self.node, name), to, flags)
    }
    fn statvfs(&self) -> Result<Filesystem> {
        self.resource.statvfs(&self.node)
    }
    fn xattr(&self, name: &OsStr) -> Result<Vec<u8>> {
        self.resource.xattr(&self.node, name)
    }
    fn xattrs(&self) -> Result<Vec<OsString>> {
        self.resource.xattrs(&self.node)
    }
    fn set_xattr(&self, name: &OsStr, value: Option<&[u8]>, exists: Option<bool>) -> Result<()> {
        self.resource.set_xattr(&self.node, name, value, exists)
    }
}

impl<R: Resource> AnyOpen for Open<R> {
    fn read(&self, call: Call<'_, Read>) -> Result<Done> {
        self.resource.read(&self.ocb, call)
    }
    fn write(&self, call: Call<'_, Write>) -> Result<Done> {
        self.resource.write(&self.ocb, call)
    }
    fn devctl(&self, call: Call<'_, Control>) -> Result<Done> {
        self.resource.devctl(&self.ocb, call)
    }
    fn msg(&self, call: Call<'_, Private>) -> Result<Done> {
        self.resource.msg(&self.ocb, call)
    }
    fn unblock(&self, call: Rcvid) {
        self.resource.unblock(&self.ocb, call);
    }
    fn close_dup(&self) -> Result<()> {
        self.resource.close_dup(&self.ocb)
    }
    fn close(&self) {
        self.resource.close(&self.ocb);
    }
    fn read_dir(&self, from: u64, entries: &mut Entries) -> Result<()> {
        self.resource.read_dir(&self.ocb, from, entries)
    }
    fn seek(&self, to: Seek, size: u64) -> Result<u64> {
        self.resource.seek(&self.ocb, to, size)
    }
    fn space(&self, space: &Space) -> Result<()> {
        self.resource.space(&self.ocb, space)
    }
    fn sync(&self, data_only: bool) -> Result<()> {
        self.resource.sync(&self.ocb, data_only)
    }
    fn map(&self, write: bool) -> Result<OwnedFd> {
        self.resource.map(&self.ocb, write)
    }
    fn ready(&self) -> Conditions {
        self.resource.ready(&self.ocb)
    }
    fn waiters(&self) -> Option<&Waiters> {
        self.resource.waiters(&self.ocb)
    }
}
