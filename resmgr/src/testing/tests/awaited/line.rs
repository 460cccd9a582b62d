//! The device whose reads wait until it is fed, as tasks.

use crate::resource::{AsyncResource, At, Attr, Buffer, Ocb, Opening, Waiters, lock};
use crate::testing::tests::fault::Fault;
use crate::wire::Conditions;
use crate::{Errno, Result};
use std::sync::{Arc, Mutex};
use tokio::sync::Notify;

/// The device, and whoever feeds it.
#[derive(Clone)]
pub(super) struct Line(Arc<Inner>);

struct Inner {
    fault: Fault,
    waiters: Waiters,
    bytes: Mutex<Vec<u8>>,
    came: Notify,
}

impl Line {
    pub(super) fn new(fault: Fault) -> Self {
        Self(Arc::new(Inner {
            fault,
            waiters: Waiters::new(),
            bytes: Mutex::default(),
            came: Notify::new(),
        }))
    }

    /// Has some bytes come.
    pub(super) fn feed(&self) {
        let mut bytes = lock(&self.0.bytes);
        bytes.extend_from_slice(b"fed");
        self.0.waiters.wake(Conditions::INPUT);
        self.0.came.notify_one();
    }
}

impl Inner {
    async fn next(&self) -> Vec<u8> {
        loop {
            let came = self.came.notified();
            let bytes = std::mem::take(&mut *lock(&self.bytes));
            if !bytes.is_empty() {
                return bytes;
            }
            came.await;
        }
    }
}

impl AsyncResource for Line {
    type Node = ();
    type Open = ();

    fn root(&self) {}
    async fn attr(&self, (): &()) -> Result<Attr> {
        Ok(Attr::device(0o666))
    }
    async fn open(&self, (): &(), _how: &Opening) -> Result<()> {
        Ok(())
    }
    async fn read(&self, _ocb: &Ocb, at: &At, buffer: &mut Buffer) -> Result<usize> {
        let blocks = self.0.fault == Fault::AlwaysBlocks;
        if at.nonblock && lock(&self.0.bytes).is_empty() && !blocks {
            return Err(Errno::AGAIN);
        }
        let bytes = if self.0.fault == Fault::FeedsTheGone {
            // A task of its own goes on when the call has been let go.
            let inner = Arc::clone(&self.0);
            let task = tokio::spawn(async move { inner.next().await });
            task.await.map_err(|_| Errno::IO)?
        } else {
            self.0.next().await
        };
        At::new(0).copy(&bytes, buffer)
    }
    fn ready(&self, _ocb: &Ocb) -> Conditions {
        let mut ready = Conditions::OUTPUT;
        ready.set(Conditions::INPUT, !lock(&self.0.bytes).is_empty());
        ready
    }
    fn waiters(&self, _ocb: &Ocb) -> Option<&Waiters> {
        Some(&self.0.waiters)
    }
}
