//! [`Proxy`]: a resource behind a filter.

mod awaited;
mod filter;
mod plain;
mod seen;
#[cfg(test)]
mod tests;

pub use filter::{Act, Filter};

use crate::ipc::Credentials;
use crate::resource::Ocb;
use std::fmt;
use std::sync::Arc;

/// Another resource behind a [`Filter`], which sees what is asked of it, by whom, and what comes of it; it may refuse,
/// and change the data of reads and writes. It has the form of the resource: plain before a
/// [`Resource`](crate::resource::Resource), asynchronous before an
/// [`AsyncResource`](crate::resource::AsyncResource).
///
/// Everything else is the resource's: late answers, conditions and who waits for them, unblock, the order of calls,
/// locks, mappings, further opens. The filter is not asked where the framework answers: positions, locks,
/// notification, fdinfo, duplicates.
///
/// ```
/// use resmgr::parts::{Act, Filter, MemFs, Proxy};
/// use resmgr::ipc::Credentials;
/// use resmgr::prelude::*;
/// use resmgr::resource::Filesystem;
/// use std::borrow::Cow;
/// use std::sync::atomic::{AtomicU64, Ordering};
///
/// /// Everything is read in capitals.
/// struct Loud;
/// impl Filter for Loud {
///     fn read<'d>(&self, _at: &At, data: &'d [u8]) -> Result<Cow<'d, [u8]>> {
///         Ok(data.to_ascii_uppercase().into())
///     }
/// }
///
/// /// Nothing can be changed.
/// struct ReadOnly;
/// impl Filter for ReadOnly {
///     fn before(&self, act: &Act<'_>, _by: &Credentials) -> Result<()> {
///         if act.changes() { Err(Errno::ROFS) } else { Ok(()) }
///     }
///     fn filesystem(&self, known: &mut Filesystem) {
///         known.read_only = true;
///     }
/// }
///
/// /// Counts bytes.
/// #[derive(Default)]
/// struct Counted(AtomicU64);
/// impl Filter for Counted {
///     fn after(&self, _act: &Act<'_>, _by: &Credentials, outcome: Result<u64>) {
///         self.0.fetch_add(outcome.unwrap_or(0), Ordering::Relaxed);
///     }
/// }
///
/// let shown = Proxy::new(Proxy::new(MemFs::new(), Loud), ReadOnly);
/// # drop((shown, Counted::default()));
/// ```
pub struct Proxy<R, F> {
    inner: R,
    filter: Arc<F>,
}

impl<R, F: Filter> Proxy<R, F> {
    /// The resource behind the filter.
    pub fn new(inner: R, filter: F) -> Self {
        let filter = Arc::new(filter);
        Self { inner, filter }
    }

    /// The filter.
    pub fn filter(&self) -> &F {
        &self.filter
    }

    /// The resource.
    pub fn inner(&self) -> &R {
        &self.inner
    }
}

impl<R, F> fmt::Debug for Proxy<R, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Proxy").finish_non_exhaustive()
    }
}

/// What one open of a [`Proxy`] has for itself: that of the resource, and who opened it.
#[derive(Debug)]
pub struct ProxyOpen<N, O> {
    inner: Ocb<N, O>,
    by: Credentials,
}

/// Forwards each of these to the resource, with `$wait` behind the call.
macro_rules! forward {
    ($inner:ident, $pass:ident, [$($later:tt)*]; $($wait:tt)*) => {
        fn root(&self) -> Self::Node {
            $inner::root(&self.inner)
        }
        fn order(&self) -> Order {
            $inner::order(&self.inner)
        }
        fn ready(&self, ocb: &Ocb<Self::Node, Self::Open>) -> Conditions {
            $inner::ready(&self.inner, &ocb.open.inner)
        }
        $($later)* fn attr(&self, node: &Self::Node) -> Result<Attr> {
            let attr = || $inner::attr(&self.inner, node);
            let mut attr = self.$pass(Act::Attr, attr)$($wait)*?;
            self.filter.attr(&mut attr);
            Ok(attr)
        }
        $($later)* fn lookup(&self, dir: &Self::Node, name: &OsStr) -> Result<Self::Node> {
            let lookup = || $inner::lookup(&self.inner, dir, name);
            self.$pass(Act::Lookup(name), lookup)$($wait)*
        }
        $($later)* fn read_link(&self, node: &Self::Node) -> Result<OsString> {
            let read_link = || $inner::read_link(&self.inner, node);
            self.$pass(Act::ReadLink, read_link)$($wait)*
        }
        $($later)* fn open(&self, node: &Self::Node, how: &Opening) -> Result<Self::Open> {
            let open = || $inner::open(&self.inner, node, how);
            let open = self.$pass(Act::Open(how.flags), open)$($wait)*?;
            let inner = Ocb::new(node.clone(), open, Arc::clone(&how.core));
            Ok(ProxyOpen { inner, by: how.client })
        }
        $($later)* fn close_dup(&self, ocb: &Ocb<Self::Node, Self::Open>) -> Result<()> {
            $inner::close_dup(&self.inner, &ocb.open.inner)$($wait)*
        }
        $($later)* fn close(&self, ocb: &Ocb<Self::Node, Self::Open>) {
            let by = ocb.open.by;
            if let Err(errno) = self.filter.before(&Act::Close, &by) {
                tracing::debug!(%errno, "a close is not refused");
            }
            $inner::close(&self.inner, &ocb.open.inner)$($wait)*;
            self.filter.after(&Act::Close, &by, Ok(0));
        }
        $($later)* fn read_dir(
            &self,
            ocb: &Ocb<Self::Node, Self::Open>,
            from: u64,
            entries: &mut Entries,
        ) -> Result<()> {
            self.$pass(Act::ReadDir, || {
                $inner::read_dir(&self.inner, &ocb.open.inner, from, entries)
            })$($wait)*
        }
        $($later)* fn change(&self, node: &Self::Node, change: &Change) -> Result<()> {
            let changed = || $inner::change(&self.inner, node, change);
            self.$pass(Act::Change(change), changed)$($wait)*
        }
        $($later)* fn create(
            &self,
            dir: &Self::Node,
            name: &OsStr,
            new: &New,
        ) -> Result<Self::Node> {
            let create = || $inner::create(&self.inner, dir, name, new);
            self.$pass(Act::Create(name, new), create)$($wait)*
        }
        $($later)* fn link(
            &self,
            node: &Self::Node,
            dir: &Self::Node,
            name: &OsStr,
        ) -> Result<()> {
            let link = || $inner::link(&self.inner, node, dir, name);
            self.$pass(Act::Link(name), link)$($wait)*
        }
        $($later)* fn unlink(&self, dir: &Self::Node, name: &OsStr) -> Result<()> {
            let unlink = || $inner::unlink(&self.inner, dir, name);
            self.$pass(Act::Unlink(name), unlink)$($wait)*
        }
        $($later)* fn remove_dir(&self, dir: &Self::Node, name: &OsStr) -> Result<()> {
            let remove_dir = || $inner::remove_dir(&self.inner, dir, name);
            self.$pass(Act::RemoveDir(name), remove_dir)$($wait)*
        }
        $($later)* fn rename(
            &self,
            from: (&Self::Node, &OsStr),
            to: (&Self::Node, &OsStr),
            flags: RenameFlags,
        ) -> Result<()> {
            let rename = || $inner::rename(&self.inner, from, to, flags);
            let (from, to) = (from.1, to.1);
            self.$pass(Act::Rename { from, to, flags }, rename)$($wait)*
        }
        $($later)* fn seek(
            &self,
            ocb: &Ocb<Self::Node, Self::Open>,
            to: Seek,
            size: u64,
        ) -> Result<u64> {
            let seek = || $inner::seek(&self.inner, &ocb.open.inner, to, size);
            self.$pass(Act::Seek, seek)$($wait)*
        }
        $($later)* fn space(
            &self,
            ocb: &Ocb<Self::Node, Self::Open>,
            space: &Space,
        ) -> Result<()> {
            let taken = || $inner::space(&self.inner, &ocb.open.inner, space);
            self.$pass(Act::Space(space), taken)$($wait)*
        }
        $($later)* fn sync(
            &self,
            ocb: &Ocb<Self::Node, Self::Open>,
            data_only: bool,
        ) -> Result<()> {
            let sync = || $inner::sync(&self.inner, &ocb.open.inner, data_only);
            self.$pass(Act::Sync, sync)$($wait)*
        }
        $($later)* fn statvfs(&self, node: &Self::Node) -> Result<Filesystem> {
            let statvfs = || $inner::statvfs(&self.inner, node);
            let mut known = self.$pass(Act::Filesystem, statvfs)$($wait)*?;
            self.filter.filesystem(&mut known);
            Ok(known)
        }
        $($later)* fn xattr(&self, node: &Self::Node, name: &OsStr) -> Result<Vec<u8>> {
            let xattr = || $inner::xattr(&self.inner, node, name);
            self.$pass(Act::Xattr(name), xattr)$($wait)*
        }
        $($later)* fn xattrs(&self, node: &Self::Node) -> Result<Vec<OsString>> {
            let xattrs = || $inner::xattrs(&self.inner, node);
            self.$pass(Act::Xattrs, xattrs)$($wait)*
        }
        $($later)* fn set_xattr(
            &self,
            node: &Self::Node,
            name: &OsStr,
            value: Option<&[u8]>,
            exists: Option<bool>,
        ) -> Result<()> {
            let set_xattr = || $inner::set_xattr(&self.inner, node, name, value, exists);
            self.$pass(Act::SetXattr(name), set_xattr)$($wait)*
        }
        $($later)* fn map(
            &self,
            ocb: &Ocb<Self::Node, Self::Open>,
            write: bool,
        ) -> Result<OwnedFd> {
            let map = || $inner::map(&self.inner, &ocb.open.inner, write);
            self.$pass(Act::Map(write), map)$($wait)*
        }
    };
}
use forward;
