//! This process: its channels, its links to other processes' channels, and its background thread.

mod channels;
mod connections;

use super::attachments::Attachments;
use super::channel::Shared;
use super::kernel::{Kernel, Source};
use super::link::{ClientLink, WakePoint};
use super::readiness::ReadySet;
use super::timer::Ticking;
use super::{ChannelFlags, ChannelId, ProcessLimits};
use resmgr_namespace::{RuntimeDir, Session};
use resmgr_sys::fork::PerProcess;
use resmgr_sys::pidfd::PidFd;
use resmgr_sys::{Errno, Result};
use slab::Slab;
use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

/// Timers of a process.
const MOST_TIMERS: usize = 4096;

static PROCESS: PerProcess<Process> = PerProcess::new();

/// The state of this process. A child of fork begins with none.
pub(super) fn current() -> &'static Process {
    PROCESS.get(Process::new)
}

/// The link to one channel, once there is one. Locked while one is made, so that all attaches of this
/// process to the same channel share it, and a server that does not answer delays only those.
type Place = Arc<Mutex<Option<Arc<ClientLink>>>>;

#[derive(Debug)]
pub(super) struct Process {
    limits: Mutex<ProcessLimits>,
    channels: Mutex<Slab<Weak<Shared>>>,
    links: Mutex<HashMap<(u32, ChannelId), Place>>,
    pub(super) connections: Attachments,
    kernel: Mutex<Option<Arc<Kernel>>>,
    timers: AtomicUsize,
    /// The directory of the listening socket.
    listening: Mutex<Option<RuntimeDir>>,
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Process {
    fn new() -> Self {
        // Each link takes a few descriptors, and the usual soft limit is low.
        let _ = resmgr_sys::process::raise_descriptor_limit();
        Self {
            limits: Mutex::default(),
            channels: Mutex::default(),
            links: Mutex::default(),
            connections: Attachments::default(),
            kernel: Mutex::default(),
            timers: AtomicUsize::new(0),
            listening: Mutex::default(),
        }
    }

    pub(super) fn set_limits(&self, limits: ProcessLimits) {
        *lock(&self.limits) = limits;
    }

    fn limits(&self) -> ProcessLimits {
        *lock(&self.limits)
    }

    fn kernel(&self) -> Result<Arc<Kernel>> {
        let mut kernel = lock(&self.kernel);
        if let Some(kernel) = &*kernel {
            return Ok(Arc::clone(kernel));
        }
        Ok(Arc::clone(kernel.insert(Kernel::start()?)))
    }

    pub(super) fn watch_session(&self, session: &'static Session) -> Result<()> {
        let watched = session.watch_fd()?;
        self.kernel()?
            .watch(Source::Session { session, watched })
            .map(drop)
    }

    /// The background thread listens for calls of this link that no thread waits for.
    pub(super) fn watch_begun(&self, link: &Arc<ClientLink>, point: Arc<WakePoint>) -> Result<()> {
        let link = Arc::downgrade(link);
        self.kernel()?
            .watch(Source::Begun { link, point })
            .map(drop)
    }

    // Timers.

    /// The background thread waits for a timer.
    ///
    /// # Errors
    /// - `EAGAIN`: as many timers as a process may have.
    pub(super) fn watch_timer(&self, ticking: &Arc<Ticking>) -> Result<u64> {
        if self.timers.fetch_add(1, Ordering::Relaxed) >= MOST_TIMERS {
            self.timers.fetch_sub(1, Ordering::Relaxed);
            return Err(Errno::AGAIN);
        }
        let source = Source::Timer(Arc::clone(ticking));
        let watched = self.kernel().and_then(|kernel| kernel.watch(source));
        if watched.is_err() {
            self.timers.fetch_sub(1, Ordering::Relaxed);
        }
        watched
    }

    pub(super) fn unwatch_timer(&self, token: u64) {
        self.timers.fetch_sub(1, Ordering::Relaxed);
        if let Some(kernel) = &*lock(&self.kernel) {
            kernel.forget(token);
        }
    }

    // Descriptors of the program.

    /// The background thread waits for a set of them.
    pub(super) fn watch_ready(&self, set: &Arc<ReadySet>) -> Result<u64> {
        self.kernel()?.watch(Source::Ready(Arc::clone(set)))
    }

    pub(super) fn unwatch_ready(&self, token: u64) {
        if let Some(kernel) = &*lock(&self.kernel) {
            kernel.forget(token);
        }
    }

    // Threads.

    pub(super) fn wants_thread_deaths(&self) -> bool {
        !self.told_of_threads().is_empty()
    }

    fn told_of_threads(&self) -> Vec<Arc<Shared>> {
        let wants = |channel: &Arc<Shared>| channel.flags.contains(ChannelFlags::THREAD_DEATH);
        lock(&self.channels)
            .iter()
            .filter_map(|(_, channel)| channel.upgrade())
            .filter(wants)
            .collect()
    }

    /// The background thread tells the end of a thread from now on.
    pub(super) fn watch_thread(&self, tid: u32, end: PidFd) -> Result<()> {
        self.kernel()?.watch(Source::Thread { tid, end }).map(drop)
    }

    pub(super) fn forget_threads(&self) {
        if let Some(kernel) = &*lock(&self.kernel) {
            kernel.forget_where(|source| matches!(source, Source::Thread { .. }));
        }
    }

    /// A thread of this process has ended.
    pub(super) fn thread_ended(&self, tid: u32) {
        for channel in self.told_of_threads() {
            channel.thread_died(tid);
        }
    }
}
