//! The proxy of an asynchronous resource.

use super::filter::{Act, Filter, as_many};
use super::seen::Under;
use super::{Proxy, ProxyOpen, forward};
use crate::resource::caller::caller;
use crate::resource::{
    AsyncResource, At, Attr, Buffer, Change, Devctl, Entries, Filesystem, New, Ocb, Opening, Order,
    RenameFlags, Waiters,
};
use crate::wire::{Conditions, NotifyAction, Seek, Space};
use crate::{Errno, Result};
use std::borrow::Cow;
use std::ffi::{OsStr, OsString};
use std::future::Future;
use std::os::fd::OwnedFd;
use std::sync::Arc;

impl<R: AsyncResource, F: Filter> Proxy<R, F> {
    /// An act that is over when its handler has returned, or its client has gone.
    async fn wait<T, W>(&self, act: Act<'_>, run: impl FnOnce() -> W) -> Result<T>
    where
        W: Future<Output = Result<T>>,
    {
        let under = Under::begin(&*self.filter, act, caller())?;
        let done = run().await;
        under.end(done, |_| 0)
    }
}

/// A count as one of bytes that have moved.
fn moved(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}

impl<R: AsyncResource, F: Filter> AsyncResource for Proxy<R, F> {
    type Node = R::Node;
    type Open = ProxyOpen<R::Node, R::Open>;

    async fn read(
        &self,
        ocb: &Ocb<Self::Node, Self::Open>,
        at: &At,
        buffer: &mut Buffer,
    ) -> Result<usize> {
        let (offset, len) = (at.offset, buffer.len());
        let under = Under::begin(&*self.filter, Act::Read { offset, len }, at.client)?;
        let read = self.inner.read(&ocb.open.inner, at, buffer).await;
        let read = read.and_then(|count| {
            if count == 0 {
                return Ok(0);
            }
            let data = buffer.get_mut(..count).ok_or(Errno::IO)?;
            let made = as_many(count, self.filter.read(at, data))?;
            if let Cow::Owned(made) = made {
                data.copy_from_slice(&made);
            }
            Ok(count)
        });
        under.end(read, |count| moved(*count))
    }

    async fn write(
        &self,
        ocb: &Ocb<Self::Node, Self::Open>,
        at: &At,
        data: &[u8],
    ) -> Result<usize> {
        let (offset, len) = (at.offset, data.len());
        let under = Under::begin(&*self.filter, Act::Write { offset, len }, at.client)?;
        let written = match as_many(len, self.filter.write(at, data)) {
            Ok(data) => self.inner.write(&ocb.open.inner, at, &data).await,
            Err(errno) => Err(errno),
        };
        under.end(written, |count| moved(*count))
    }

    async fn devctl(
        &self,
        ocb: &Ocb<Self::Node, Self::Open>,
        at: &At,
        command: Devctl<'_>,
    ) -> Result<i32> {
        let act = Act::Devctl(command.command());
        let under = Under::begin(&*self.filter, act, at.client)?;
        let done = self.inner.devctl(&ocb.open.inner, at, command).await;
        under.end(done, |_| 0)
    }

    async fn msg(
        &self,
        ocb: &Ocb<Self::Node, Self::Open>,
        kind: (u16, u16),
        data: &[u8],
        reply: &mut Vec<u8>,
    ) -> Result<i64> {
        let (manager, subtype) = kind;
        let act = Act::Message { manager, subtype };
        self.wait(act, || self.inner.msg(&ocb.open.inner, kind, data, reply))
            .await
    }

    async fn look(
        &self,
        ocb: &Ocb<Self::Node, Self::Open>,
        action: NotifyAction,
        wanted: Conditions,
    ) -> Result<()> {
        self.inner.look(&ocb.open.inner, action, wanted).await
    }

    fn waiters<'a>(&'a self, ocb: &'a Ocb<Self::Node, Self::Open>) -> Option<&'a Waiters> {
        self.inner.waiters(&ocb.open.inner)
    }

    forward!(AsyncResource, wait, [async]; .await);
}
