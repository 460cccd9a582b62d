//! [`Handlers`]: what the framework calls, in one shape for both tiers and both forms.
//!
//! Everything but the calls that can be deferred is written here as a future. Those of the plain forms are ready
//! at once: [`now`] runs them on the stack. So paths, checks and books are written once, and a plain handler
//! pays neither an allocation nor a task.

use super::ocb::{Inline, Keep};
use super::{
    Attr, Call, Change, Entries, Filesystem, New, Ocb, Opening, Operation, Order, RenameFlags,
    Resource, Waiters, Way,
};
use crate::ipc::Rcvid;
use crate::resource::At;
use crate::resource::call::{Done, Watch};
use crate::wire::{Conditions, NotifyAction, Seek, Space};
use crate::{Errno, Result};
use std::ffi::{OsStr, OsString};
use std::future::Future;
use std::os::fd::OwnedFd;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use tokio::runtime::Handle;

/// A future's value, as handlers' are.
pub(crate) trait Later<T>: Future<Output = Result<T>> + Send {}
impl<T, F: Future<Output = Result<T>> + Send> Later<T> for F {}

/// How a resource's answers come about.
pub(crate) enum Pace {
    /// Every future is ready at once.
    AtOnce,
    /// Futures may wait, and are run by a runtime.
    Awaited(Handle),
}

/// A call on an open file with all that its handler gets.
pub(crate) struct Operate<'a> {
    pub(crate) operation: Operation,
    pub(crate) at: At,
    pub(crate) input: &'a [u8],
    pub(crate) room: usize,
    /// Who sees what becomes of a call whose handler is called again.
    pub(crate) watch: Option<Arc<dyn Watch>>,
}

/// An open of a resource's.
pub(crate) type OcbOf<H> = Ocb<<H as Handlers>::Node, <H as Handlers>::Open>;

/// Handlers of either form.
pub(crate) trait Handlers: Sized + Send + Sync + 'static {
    type Node: Clone + Send + Sync + 'static;
    type Open: Send + Sync + 'static;
    /// How its opens are kept.
    type Kept: Keep<Ocb<Self::Node, Self::Open>>;

    fn pace(&self) -> Pace;
    /// Where the futures of an open run, and the open for a task; `None` if they are ready at once.
    fn tasks_of(&self, ocb: &Self::Kept) -> Option<(Handle, Arc<OcbOf<Self>>)> {
        let awaited = self.is_awaited(ocb).then(|| self.pace());
        match awaited? {
            Pace::Awaited(runtime) => Some((runtime, ocb.shared()?)),
            Pace::AtOnce => None,
        }
    }
    /// Whether calls on an open go on after they have returned: its futures wait.
    fn is_awaited(&self, ocb: &Ocb<Self::Node, Self::Open>) -> bool;
    /// Gives futures that wait a place to run, unless they have one.
    fn settle(&self, _runtime: &Handle) {}
    fn operate(
        this: &Arc<Self>,
        ocb: &Self::Kept,
        operate: Operate<'_>,
        way: Way<'_>,
    ) -> Result<Done>;
    fn root(&self) -> Self::Node;
    fn order(&self) -> Order;
    fn unblock(&self, ocb: &Ocb<Self::Node, Self::Open>, call: Rcvid);
    fn look(
        &self,
        _ocb: &Ocb<Self::Node, Self::Open>,
        _asked: (NotifyAction, Conditions),
    ) -> impl Later<()> {
        async { Ok(()) }
    }
    fn ready(&self, ocb: &Ocb<Self::Node, Self::Open>) -> Conditions;
    fn waiters<'a>(&'a self, ocb: &'a Ocb<Self::Node, Self::Open>) -> Option<&'a Waiters>;

    fn attr(&self, node: &Self::Node) -> impl Later<Attr>;
    fn lookup(&self, dir: &Self::Node, name: &OsStr) -> impl Later<Self::Node>;
    fn read_link(&self, node: &Self::Node) -> impl Later<OsString>;
    fn open(&self, node: &Self::Node, how: &Opening) -> impl Later<Self::Open>;
    fn close_dup(&self, ocb: &Ocb<Self::Node, Self::Open>) -> impl Later<()>;
    fn close(&self, ocb: &Ocb<Self::Node, Self::Open>) -> impl Later<()>;
    fn read_dir(
        &self,
        ocb: &Ocb<Self::Node, Self::Open>,
        from: u64,
        entries: &mut Entries,
    ) -> impl Later<()>;
    fn change(&self, node: &Self::Node, change: &Change) -> impl Later<()>;
    fn create(&self, dir: &Self::Node, name: &OsStr, new: &New) -> impl Later<Self::Node>;
    fn link(&self, node: &Self::Node, dir: &Self::Node, name: &OsStr) -> impl Later<()>;
    fn unlink(&self, dir: &Self::Node, name: &OsStr) -> impl Later<()>;
    fn remove_dir(&self, dir: &Self::Node, name: &OsStr) -> impl Later<()>;
    fn rename(
        &self,
        from: (&Self::Node, &OsStr),
        to: (&Self::Node, &OsStr),
        flags: RenameFlags,
    ) -> impl Later<()>;
    fn seek(&self, ocb: &Ocb<Self::Node, Self::Open>, to: Seek, size: u64) -> impl Later<u64>;
    fn space(&self, ocb: &Ocb<Self::Node, Self::Open>, space: &Space) -> impl Later<()>;
    fn sync(&self, ocb: &Ocb<Self::Node, Self::Open>, data_only: bool) -> impl Later<()>;
    fn statvfs(&self, node: &Self::Node) -> impl Later<Filesystem>;
    fn xattr(&self, node: &Self::Node, name: &OsStr) -> impl Later<Vec<u8>>;
    fn xattrs(&self, node: &Self::Node) -> impl Later<Vec<OsString>>;
    fn set_xattr(
        &self,
        node: &Self::Node,
        name: &OsStr,
        value: Option<&[u8]>,
        exists: Option<bool>,
    ) -> impl Later<()>;
    fn map(&self, ocb: &Ocb<Self::Node, Self::Open>, write: bool) -> impl Later<OwnedFd>;
}

/// The value of a future that does not wait.
pub(crate) fn now<T>(future: impl Later<T>) -> Result<T> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        // No plain handler is a future that waits.
        Poll::Pending => Err(Errno::IO),
    }
}

/// Forwards each of these to the resource inside, with `$wait` behind the call.
macro_rules! forward {
    ($inner:ident; $($wait:tt)*) => {
        async fn attr(&self, node: &Self::Node) -> Result<Attr> {
            $inner::attr(&self.0, node)$($wait)*
        }
        async fn lookup(&self, dir: &Self::Node, name: &OsStr) -> Result<Self::Node> {
            $inner::lookup(&self.0, dir, name)$($wait)*
        }
        async fn read_link(&self, node: &Self::Node) -> Result<OsString> {
            $inner::read_link(&self.0, node)$($wait)*
        }
        async fn open(&self, node: &Self::Node, how: &Opening) -> Result<Self::Open> {
            $inner::open(&self.0, node, how)$($wait)*
        }
        async fn close_dup(&self, ocb: &Ocb<Self::Node, Self::Open>) -> Result<()> {
            $inner::close_dup(&self.0, ocb)$($wait)*
        }
        async fn close(&self, ocb: &Ocb<Self::Node, Self::Open>) -> Result<()> {
            $inner::close(&self.0, ocb)$($wait)*;
            Ok(())
        }
        async fn read_dir(
            &self,
            ocb: &Ocb<Self::Node, Self::Open>,
            from: u64,
            entries: &mut Entries,
        ) -> Result<()> {
            $inner::read_dir(&self.0, ocb, from, entries)$($wait)*
        }
        async fn change(&self, node: &Self::Node, change: &Change) -> Result<()> {
            $inner::change(&self.0, node, change)$($wait)*
        }
        async fn create(&self, dir: &Self::Node, name: &OsStr, new: &New) -> Result<Self::Node> {
            $inner::create(&self.0, dir, name, new)$($wait)*
        }
        async fn link(&self, node: &Self::Node, dir: &Self::Node, name: &OsStr) -> Result<()> {
            $inner::link(&self.0, node, dir, name)$($wait)*
        }
        async fn unlink(&self, dir: &Self::Node, name: &OsStr) -> Result<()> {
            $inner::unlink(&self.0, dir, name)$($wait)*
        }
        async fn remove_dir(&self, dir: &Self::Node, name: &OsStr) -> Result<()> {
            $inner::remove_dir(&self.0, dir, name)$($wait)*
        }
        async fn rename(
            &self,
            from: (&Self::Node, &OsStr),
            to: (&Self::Node, &OsStr),
            flags: RenameFlags,
        ) -> Result<()> {
            $inner::rename(&self.0, from, to, flags)$($wait)*
        }
        async fn seek(
            &self,
            ocb: &Ocb<Self::Node, Self::Open>,
            to: Seek,
            size: u64,
        ) -> Result<u64> {
            $inner::seek(&self.0, ocb, to, size)$($wait)*
        }
        async fn space(&self, ocb: &Ocb<Self::Node, Self::Open>, space: &Space) -> Result<()> {
            $inner::space(&self.0, ocb, space)$($wait)*
        }
        async fn sync(&self, ocb: &Ocb<Self::Node, Self::Open>, data_only: bool) -> Result<()> {
            $inner::sync(&self.0, ocb, data_only)$($wait)*
        }
        async fn statvfs(&self, node: &Self::Node) -> Result<Filesystem> {
            $inner::statvfs(&self.0, node)$($wait)*
        }
        async fn xattr(&self, node: &Self::Node, name: &OsStr) -> Result<Vec<u8>> {
            $inner::xattr(&self.0, node, name)$($wait)*
        }
        async fn xattrs(&self, node: &Self::Node) -> Result<Vec<OsString>> {
            $inner::xattrs(&self.0, node)$($wait)*
        }
        async fn set_xattr(
            &self,
            node: &Self::Node,
            name: &OsStr,
            value: Option<&[u8]>,
            exists: Option<bool>,
        ) -> Result<()> {
            $inner::set_xattr(&self.0, node, name, value, exists)$($wait)*
        }
        async fn map(&self, ocb: &Ocb<Self::Node, Self::Open>, write: bool) -> Result<OwnedFd> {
            $inner::map(&self.0, ocb, write)$($wait)*
        }
        fn root(&self) -> Self::Node {
            $inner::root(&self.0)
        }
        fn order(&self) -> Order {
            $inner::order(&self.0)
        }
        fn ready(&self, ocb: &Ocb<Self::Node, Self::Open>) -> Conditions {
            $inner::ready(&self.0, ocb)
        }
        fn waiters<'a>(&'a self, ocb: &'a Ocb<Self::Node, Self::Open>) -> Option<&'a Waiters> {
            $inner::waiters(&self.0, ocb)
        }
    };
}
pub(super) use forward;

/// The plain form.
pub(crate) struct Plain<R>(pub(crate) R);

impl<R: Resource> Handlers for Plain<R> {
    type Node = R::Node;
    type Open = R::Open;
    type Kept = Inline<OcbOf<Self>>;

    fn pace(&self) -> Pace {
        Pace::AtOnce
    }

    fn is_awaited(&self, _ocb: &Ocb<Self::Node, Self::Open>) -> bool {
        false
    }

    fn operate(
        this: &Arc<Self>,
        ocb: &Self::Kept,
        operate: Operate<'_>,
        way: Way<'_>,
    ) -> Result<Done> {
        let Operate {
            operation,
            at,
            input,
            room,
            watch,
        } = operate;
        let resource = &this.0;
        macro_rules! call {
            ($kind:ident) => {
                Call::new(at, $kind, input, room, way).watched(watch)
            };
        }
        match operation {
            Operation::Read(kind) => resource.read(ocb, call!(kind)),
            Operation::Write(kind) => resource.write(ocb, call!(kind)),
            Operation::Control(kind) => resource.devctl(ocb, call!(kind)),
            Operation::Private(kind) => resource.msg(ocb, call!(kind)),
        }
    }

    fn unblock(&self, ocb: &Ocb<Self::Node, Self::Open>, call: Rcvid) {
        self.0.unblock(ocb, call);
    }

    forward!(Resource;);
}
