//! Resources of any type and form behind one: what a [`Tree`](super::Tree) is made of.
//!
//! [`AnyFile`] is a file together with its resource, [`AnyOpen`] an open of it. Both forward to the resource's own
//! handlers, which get the open state that they have made themselves; the framework's part of an open (position, flags,
//! order) is shared with the open that the client has. What handlers answer by returning is a future here, which is
//! ready at once if the resource is a plain one.

use crate::ipc::Rcvid;
use crate::resource::{
    Attr, Change, Done, Entries, Filesystem, Handlers, New, Ocb, Opening, Operate, RenameFlags,
    Waiters, Way,
};
use crate::wire::{Conditions, NotifyAction, Seek, Space};
use crate::{Errno, Result};
use std::any::Any;
use std::ffi::{OsStr, OsString};
use std::future::Future;
use std::os::fd::OwnedFd;
use std::pin::Pin;
use std::sync::Arc;
use tokio::runtime::Handle;

/// What a handler answers by returning.
pub(super) type Soon<'a, T> = Pin<Box<dyn Future<Output = Result<T>> + Send + 'a>>;

/// A file of some resource.
pub(super) trait AnyFile: Any + Send + Sync {
    /// Gives handlers that wait a place to run.
    fn settle(&self, runtime: &Handle);
    fn attr(&self) -> Soon<'_, Attr>;
    fn lookup<'a>(&'a self, name: &'a OsStr) -> Soon<'a, Arc<dyn AnyFile>>;
    fn read_link(&self) -> Soon<'_, OsString>;
    fn open<'a>(&'a self, how: &'a Opening) -> Soon<'a, Box<dyn AnyOpen>>;
    fn change<'a>(&'a self, change: &'a Change) -> Soon<'a, ()>;
    fn create<'a>(&'a self, name: &'a OsStr, new: &'a New) -> Soon<'a, Arc<dyn AnyFile>>;
    /// `EXDEV` for a directory of another resource, also in the next ones.
    fn link<'a>(&'a self, dir: &'a dyn AnyFile, name: &'a OsStr) -> Soon<'a, ()>;
    fn unlink<'a>(&'a self, name: &'a OsStr) -> Soon<'a, ()>;
    fn remove_dir<'a>(&'a self, name: &'a OsStr) -> Soon<'a, ()>;
    fn rename<'a>(
        &'a self,
        name: &'a OsStr,
        to: (&'a dyn AnyFile, &'a OsStr),
        flags: RenameFlags,
    ) -> Soon<'a, ()>;
    fn statvfs(&self) -> Soon<'_, Filesystem>;
    fn xattr<'a>(&'a self, name: &'a OsStr) -> Soon<'a, Vec<u8>>;
    fn xattrs(&self) -> Soon<'_, Vec<OsString>>;
    fn set_xattr<'a>(
        &'a self,
        name: &'a OsStr,
        value: Option<&'a [u8]>,
        exists: Option<bool>,
    ) -> Soon<'a, ()>;
}

/// An open of a file of some resource.
pub(super) trait AnyOpen: Send + Sync {
    /// Whether calls on it go on after they have returned.
    fn is_awaited(&self) -> bool;
    fn operate(&self, operate: Operate<'_>, way: Way<'_>) -> Result<Done>;
    fn unblock(&self, call: Rcvid);
    fn close_dup(&self) -> Soon<'_, ()>;
    fn close(&self) -> Soon<'_, ()>;
    fn read_dir<'a>(&'a self, from: u64, entries: &'a mut Entries) -> Soon<'a, ()>;
    fn seek(&self, to: Seek, size: u64) -> Soon<'_, u64>;
    fn space<'a>(&'a self, space: &'a Space) -> Soon<'a, ()>;
    fn sync(&self, data_only: bool) -> Soon<'_, ()>;
    fn map(&self, write: bool) -> Soon<'_, OwnedFd>;
    fn look(&self, asked: (NotifyAction, Conditions)) -> Soon<'_, ()>;
    fn ready(&self) -> Conditions;
    fn waiters(&self) -> Option<&Waiters>;
}

/// A file of a resource of a known type.
struct File<H: Handlers> {
    handlers: Arc<H>,
    node: H::Node,
}

/// An open of such a file.
struct Open<H: Handlers> {
    handlers: Arc<H>,
    ocb: H::Kept,
}

/// The file at a resource's root.
pub(super) fn erase(handlers: impl Handlers) -> Arc<dyn AnyFile> {
    let node = handlers.root();
    let handlers = Arc::new(handlers);
    Arc::new(File { handlers, node })
}

impl<H: Handlers> File<H> {
    fn other(&self, node: H::Node) -> Arc<dyn AnyFile> {
        let handlers = Arc::clone(&self.handlers);
        Arc::new(Self { handlers, node })
    }

    /// A file as one of the same resource.
    fn mine<'a>(&self, file: &'a dyn AnyFile) -> Result<&'a H::Node> {
        let file: &dyn Any = file;
        match file.downcast_ref::<Self>() {
            Some(file) if Arc::ptr_eq(&file.handlers, &self.handlers) => Ok(&file.node),
            _ => Err(Errno::XDEV),
        }
    }
}

impl<H: Handlers> AnyFile for File<H> {
    fn settle(&self, runtime: &Handle) {
        self.handlers.settle(runtime);
    }
    fn attr(&self) -> Soon<'_, Attr> {
        Box::pin(self.handlers.attr(&self.node))
    }
    fn lookup<'a>(&'a self, name: &'a OsStr) -> Soon<'a, Arc<dyn AnyFile>> {
        Box::pin(async move {
            let node = self.handlers.lookup(&self.node, name).await?;
            Ok(self.other(node))
        })
    }
    fn read_link(&self) -> Soon<'_, OsString> {
        Box::pin(self.handlers.read_link(&self.node))
    }
    fn open<'a>(&'a self, how: &'a Opening) -> Soon<'a, Box<dyn AnyOpen>> {
        Box::pin(async move {
            // First: a resource in this one has the last word.
            how.core.set_order(self.handlers.order());
            let open = self.handlers.open(&self.node, how).await?;
            let ocb = Ocb::new(self.node.clone(), open, Arc::clone(&how.core));
            let (handlers, ocb) = (Arc::clone(&self.handlers), ocb.into());
            Ok(Box::new(Open { handlers, ocb }) as Box<dyn AnyOpen>)
        })
    }
    fn change<'a>(&'a self, change: &'a Change) -> Soon<'a, ()> {
        Box::pin(self.handlers.change(&self.node, change))
    }
    fn create<'a>(&'a self, name: &'a OsStr, new: &'a New) -> Soon<'a, Arc<dyn AnyFile>> {
        Box::pin(async move {
            let node = self.handlers.create(&self.node, name, new).await?;
            Ok(self.other(node))
        })
    }
    fn link<'a>(&'a self, dir: &'a dyn AnyFile, name: &'a OsStr) -> Soon<'a, ()> {
        Box::pin(async move {
            let dir = self.mine(dir)?;
            self.handlers.link(&self.node, dir, name).await
        })
    }
    fn unlink<'a>(&'a self, name: &'a OsStr) -> Soon<'a, ()> {
        Box::pin(self.handlers.unlink(&self.node, name))
    }
    fn remove_dir<'a>(&'a self, name: &'a OsStr) -> Soon<'a, ()> {
        Box::pin(self.handlers.remove_dir(&self.node, name))
    }
    fn rename<'a>(
        &'a self,
        name: &'a OsStr,
        (dir, new_name): (&'a dyn AnyFile, &'a OsStr),
        flags: RenameFlags,
    ) -> Soon<'a, ()> {
        Box::pin(async move {
            let to = (self.mine(dir)?, new_name);
            self.handlers.rename((&self.node, name), to, flags).await
        })
    }
    fn statvfs(&self) -> Soon<'_, Filesystem> {
        Box::pin(self.handlers.statvfs(&self.node))
    }
    fn xattr<'a>(&'a self, name: &'a OsStr) -> Soon<'a, Vec<u8>> {
        Box::pin(self.handlers.xattr(&self.node, name))
    }
    fn xattrs(&self) -> Soon<'_, Vec<OsString>> {
        Box::pin(self.handlers.xattrs(&self.node))
    }
    fn set_xattr<'a>(
        &'a self,
        name: &'a OsStr,
        value: Option<&'a [u8]>,
        exists: Option<bool>,
    ) -> Soon<'a, ()> {
        Box::pin(self.handlers.set_xattr(&self.node, name, value, exists))
    }
}

impl<H: Handlers> AnyOpen for Open<H> {
    fn is_awaited(&self) -> bool {
        self.handlers.is_awaited(&self.ocb)
    }
    fn operate(&self, operate: Operate<'_>, way: Way<'_>) -> Result<Done> {
        H::operate(&self.handlers, &self.ocb, operate, way)
    }
    fn unblock(&self, call: Rcvid) {
        self.handlers.unblock(&self.ocb, call);
    }
    fn close_dup(&self) -> Soon<'_, ()> {
        Box::pin(self.handlers.close_dup(&self.ocb))
    }
    fn close(&self) -> Soon<'_, ()> {
        Box::pin(self.handlers.close(&self.ocb))
    }
    fn read_dir<'a>(&'a self, from: u64, entries: &'a mut Entries) -> Soon<'a, ()> {
        Box::pin(self.handlers.read_dir(&self.ocb, from, entries))
    }
    fn seek(&self, to: Seek, size: u64) -> Soon<'_, u64> {
        Box::pin(self.handlers.seek(&self.ocb, to, size))
    }
    fn space<'a>(&'a self, space: &'a Space) -> Soon<'a, ()> {
        Box::pin(self.handlers.space(&self.ocb, space))
    }
    fn sync(&self, data_only: bool) -> Soon<'_, ()> {
        Box::pin(self.handlers.sync(&self.ocb, data_only))
    }
    fn map(&self, write: bool) -> Soon<'_, OwnedFd> {
        Box::pin(self.handlers.map(&self.ocb, write))
    }
    fn look(&self, asked: (NotifyAction, Conditions)) -> Soon<'_, ()> {
        Box::pin(self.handlers.look(&self.ocb, asked))
    }
    fn ready(&self) -> Conditions {
        self.handlers.ready(&self.ocb)
    }
    fn waiters(&self) -> Option<&Waiters> {
        self.handlers.waiters(&self.ocb)
    }
}
