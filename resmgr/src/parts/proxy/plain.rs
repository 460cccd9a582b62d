//! The proxy of a plain resource: its calls may be answered later, and the filter stays with them.

use super::filter::{Act, Filter, as_many};
use super::seen::{Seen, Under, name_of};
use super::{Proxy, ProxyOpen, forward};
use crate::Result;
use crate::ipc::Rcvid;
use crate::resource::caller::caller;
use crate::resource::{
    Attr, Call, Change, Control, Done, Entries, Filesystem, Kind, New, Ocb, Opening, Operation,
    Order, Private, Read, RenameFlags, Resource, Waiters, Write,
};
use crate::wire::{Conditions, Seek, Space};
use std::ffi::{OsStr, OsString};
use std::os::fd::OwnedFd;
use std::sync::Arc;

impl<R: Resource, F: Filter> Proxy<R, F> {
    /// An act whose handler answers by returning.
    fn pass<T>(&self, act: Act<'_>, run: impl FnOnce() -> Result<T>) -> Result<T> {
        let under = Under::begin(&*self.filter, act, caller())?;
        under.end(run(), |_| 0)
    }

    /// Has the filter look at a call, and go with it. False: it does already, and the handler is called again.
    fn watched<'a, K: Kind>(&self, call: Call<'a, K>) -> Result<(Call<'a, K>, bool)> {
        let before = call.watch();
        if before.is_some_and(|watch| watch.is_for(name_of(&self.filter))) {
            return Ok((call, false));
        }
        let (act, by) = (act_of(&call), call.at().client);
        self.filter.before(&act, &by)?;
        let seen = Seen::new(&self.filter, (act, by), before.cloned());
        Ok((call.watched(Some(Arc::new(seen))), true))
    }

    /// A call that its handler may answer later.
    fn call<'a, K: Kind>(
        &self,
        call: Call<'a, K>,
        run: impl FnOnce(Call<'a, K>, bool) -> Result<Done>,
    ) -> Result<Done> {
        let (call, first) = self.watched(call)?;
        let watch = call.watch().cloned();
        let done = run(call, first);
        if let (Err(errno), Some(watch)) = (&done, watch) {
            watch.done(Err(*errno));
        }
        done
    }
}

fn act_of<K: Kind>(call: &Call<'_, K>) -> Act<'static> {
    let offset = call.at().offset;
    match call.operation() {
        Operation::Read(_) => Act::Read {
            offset,
            len: call.room(),
        },
        Operation::Write(_) => Act::Write {
            offset,
            len: call.input_len(),
        },
        Operation::Control(control) => Act::Devctl(control.command),
        Operation::Private(private) => Act::Message {
            manager: private.manager,
            subtype: private.subtype,
        },
    }
}

impl<R: Resource, F: Filter> Resource for Proxy<R, F> {
    type Node = R::Node;
    type Open = ProxyOpen<R::Node, R::Open>;

    fn read(&self, ocb: &Ocb<Self::Node, Self::Open>, call: Call<'_, Read>) -> Result<Done> {
        self.call(call, |call, _| self.inner.read(&ocb.open.inner, call))
    }

    fn write(&self, ocb: &Ocb<Self::Node, Self::Open>, call: Call<'_, Write>) -> Result<Done> {
        self.call(call, |call, first| {
            // When it is called again, it has what the filter made of them.
            if !first {
                return self.inner.write(&ocb.open.inner, call);
            }
            let (at, data) = (*call.at(), call.data());
            let data = as_many(data.len(), self.filter.write(&at, data))?;
            self.inner.write(&ocb.open.inner, call.with_input(&data))
        })
    }

    fn devctl(&self, ocb: &Ocb<Self::Node, Self::Open>, call: Call<'_, Control>) -> Result<Done> {
        self.call(call, |call, _| self.inner.devctl(&ocb.open.inner, call))
    }

    fn msg(&self, ocb: &Ocb<Self::Node, Self::Open>, call: Call<'_, Private>) -> Result<Done> {
        self.call(call, |call, _| self.inner.msg(&ocb.open.inner, call))
    }

    fn unblock(&self, ocb: &Ocb<Self::Node, Self::Open>, call: Rcvid) {
        self.inner.unblock(&ocb.open.inner, call);
    }

    fn waiters<'a>(&'a self, ocb: &'a Ocb<Self::Node, Self::Open>) -> Option<&'a Waiters> {
        self.inner.waiters(&ocb.open.inner)
    }

    forward!(Resource, pass, [];);
}
