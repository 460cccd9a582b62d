//! A device whose reads wait until it is fed, with one fault that a test chooses.

use super::fault::Fault;
use crate::ipc::Rcvid;
use crate::resource::{
    Attr, Call, Deferred, Done, Ocb, OnUnblock, Opening, Read, Resource, Waiters, lock,
};
use crate::wire::Conditions;
use crate::{Errno, Result};
use std::sync::{Arc, Mutex};

/// The device, and whoever feeds it.
#[derive(Clone)]
pub(super) struct Line(Arc<Inner>);

struct Inner {
    fault: Fault,
    waiters: Waiters,
    bytes: Mutex<Vec<u8>>,
    kept: Mutex<Vec<Deferred<Read>>>,
    broken: Mutex<bool>,
}

impl Line {
    pub(super) fn new(fault: Fault) -> Self {
        Self(Arc::new(Inner {
            fault,
            waiters: Waiters::new(),
            bytes: Mutex::default(),
            kept: Mutex::default(),
            broken: Mutex::default(),
        }))
    }

    /// Has some bytes come.
    pub(super) fn feed(&self) {
        let mut bytes = lock(&self.0.bytes);
        bytes.extend_from_slice(b"fed");
        let mut kept = lock(&self.0.kept);
        while !kept.is_empty() && !bytes.is_empty() {
            let call = kept.remove(0);
            if call.is_waiting() || self.0.fault == Fault::FeedsTheGone {
                let _ = call.bytes(&std::mem::take(&mut *bytes));
            }
        }
        if !matches!(self.0.fault, Fault::WakesNobody | Fault::TellsNobody) {
            self.0.waiters.wake(Conditions::INPUT);
        }
    }

    fn keep(&self, call: Call<'_, Read>, unblock: OnUnblock) -> Result<Done> {
        let (done, deferred) = call.defer(unblock)?;
        lock(&self.0.kept).push(deferred);
        Ok(done)
    }
}

impl Resource for Line {
    type Node = ();
    type Open = ();

    fn root(&self) {}
    fn attr(&self, (): &()) -> Result<Attr> {
        if *lock(&self.0.broken) {
            return Err(Errno::IO);
        }
        Ok(Attr::device(0o666))
    }
    fn open(&self, (): &(), _how: &Opening) -> Result<()> {
        Ok(())
    }
    fn close(&self, _ocb: &Ocb) {
        if self.0.fault == Fault::DiesWithClient {
            *lock(&self.0.broken) = !lock(&self.0.kept).is_empty();
        }
    }
    fn read(&self, _ocb: &Ocb, call: Call<'_, Read>) -> Result<Done> {
        let mut bytes = lock(&self.0.bytes);
        if !bytes.is_empty() {
            return call.bytes(&std::mem::take(&mut *bytes));
        }
        if call.nonblock() && self.0.fault != Fault::AlwaysBlocks {
            return Err(Errno::AGAIN);
        }
        match self.0.fault {
            Fault::KeepsBlocked => self.keep(call, OnUnblock::Keep),
            Fault::EndsWell => self.keep(call, OnUnblock::Ask),
            Fault::AlwaysBlocks
            | Fault::DiesWithClient
            | Fault::TellsNobody
            | Fault::FeedsTheGone => self.keep(call, OnUnblock::LetGo),
            _ => self.0.waiters.wait(Conditions::INPUT, call),
        }
    }
    fn unblock(&self, _ocb: &Ocb, _call: Rcvid) {
        for call in lock(&self.0.kept).drain(..) {
            let _ = call.bytes(b"late");
        }
    }
    fn ready(&self, _ocb: &Ocb) -> Conditions {
        let mut ready = Conditions::OUTPUT;
        let has_data = !lock(&self.0.bytes).is_empty() || self.0.fault == Fault::AlwaysReady;
        ready.set(Conditions::INPUT, has_data);
        ready
    }
    fn waiters(&self, _ocb: &Ocb) -> Option<&Waiters> {
        Some(&self.0.waiters)
    }
}
