//! Descriptors, signals and timers: what else a receiver can be woken by.
//!
//! All three are descriptors to the system. One that is ready becomes a pulse of the channel, once, and is armed
//! again after its handler has run: so a handler never runs twice at a time, and what comes meanwhile is told
//! afterwards.

use super::{SelectFlags, Selected, guarded, lock};
use crate::ipc::{Channel, Clock, Pulse, Readiness};
use crate::{Errno, Result};
use resmgr_sys::epoll::Ready;
use resmgr_sys::signal::{self, SignalFd};
use resmgr_sys::timer::{Schedule, TimerFd};
use std::collections::HashMap;
use std::fmt;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Descriptors, signals and timers of one channel, together.
const MOST: usize = 4096;

/// Names what was attached; never used again for something else.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SourceId(u32);

/// A signal that has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[doc(alias = "siginfo_t")]
pub struct Signal {
    /// Its number.
    pub number: i32,
    /// Why it was sent; below 0 if a program sent it with a value, 0 if one sent it without.
    pub code: i32,
    /// The value that came with it.
    pub value: i64,
    /// Who sent it, if a program did.
    pub pid: u32,
    /// That one's user.
    pub uid: u32,
}

/// A timer has expired.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Expired {
    /// What [`attach_timer`](super::Attachments::attach_timer) has returned.
    pub id: SourceId,
    /// How often since the last time that this was told.
    pub times: u64,
}

pub(super) type OnReady = dyn FnMut(&Selected<'_>) + Send;
pub(super) type OnSignal = dyn FnMut(&Signal) + Send;
pub(super) type OnExpiry = dyn FnMut(&Expired) + Send;
pub(super) type Descriptor = dyn AsFd + Send + Sync;

/// Handlers are locked while they run.
enum Source {
    Fd(Box<Descriptor>, SelectFlags, Mutex<Box<OnReady>>),
    Signal(i32, SignalFd, Mutex<Box<OnSignal>>),
    Timer(TimerFd, Mutex<Box<OnExpiry>>),
}

#[derive(Default)]
struct Table {
    sources: HashMap<u32, Arc<Source>>,
    last: u32,
}

/// What was attached.
pub(super) struct Sources {
    table: Mutex<Table>,
    ready: Readiness,
}

impl Source {
    fn descriptor(&self) -> BorrowedFd<'_> {
        match self {
            Self::Fd(fd, ..) => fd.as_fd(),
            Self::Signal(_, fd, _) => fd.as_fd(),
            Self::Timer(fd, _) => fd.as_fd(),
        }
    }

    fn interest(&self) -> Ready {
        match self {
            Self::Fd(_, flags, _) => flags.interest(),
            _ => Ready::IN,
        }
    }

    fn is_rearmed(&self) -> bool {
        !matches!(self, Self::Fd(_, flags, _) if flags.contains(SelectFlags::NOREARM))
    }

    fn run(&self, id: SourceId, ready: Ready) {
        match self {
            Self::Fd(fd, flags, handler) => {
                let (fd, flags) = (fd.as_fd(), flags.told(ready));
                guarded("of a descriptor", || {
                    lock(handler)(&Selected { id, fd, flags });
                });
            }
            Self::Signal(_, fd, handler) => {
                while let Some(taken) = fd.take_whole() {
                    let signal = Signal {
                        number: taken.signal,
                        code: taken.info.code,
                        value: taken.info.value,
                        pid: taken.pid,
                        uid: taken.uid,
                    };
                    guarded("of a signal", || lock(handler)(&signal));
                }
            }
            Self::Timer(fd, handler) => {
                let times = fd.take();
                // Stopped or started anew since.
                if times > 0 {
                    guarded("of a timer", || lock(handler)(&Expired { id, times }));
                }
            }
        }
    }
}

impl Sources {
    pub(super) fn new(channel: &Channel) -> Self {
        Self {
            table: Mutex::default(),
            ready: Readiness::of(channel),
        }
    }

    fn add(&self, source: Source) -> Result<SourceId> {
        let source = Arc::new(source);
        let mut table = lock(&self.table);
        if table.sources.len() >= MOST {
            return Err(Errno::AGAIN);
        }
        let mut number = table.last.wrapping_add(1);
        while table.sources.contains_key(&number) {
            number = number.wrapping_add(1);
        }
        // Under the lock: its pulse may come at once.
        self.ready
            .add(source.descriptor(), number, source.interest())?;
        table.last = number;
        table.sources.insert(number, source);
        Ok(SourceId(number))
    }

    fn find(&self, id: SourceId) -> Option<Arc<Source>> {
        lock(&self.table).sources.get(&id.0).cloned()
    }

    pub(super) fn attach_fd(
        &self,
        fd: Box<Descriptor>,
        flags: SelectFlags,
        handler: Box<OnReady>,
    ) -> Result<SourceId> {
        if !flags.are_good() {
            return Err(Errno::INVAL);
        }
        self.add(Source::Fd(fd, flags, Mutex::new(handler)))
    }

    pub(super) fn attach_signal(&self, number: i32, handler: Box<OnSignal>) -> Result<SourceId> {
        let possible = (1..=signal::highest()).contains(&number);
        if !possible || [signal::KILL, signal::STOP].contains(&number) {
            return Err(Errno::INVAL);
        }
        let is_it = |source: &Arc<Source>| matches!(&**source, Source::Signal(other, ..) if *other == number);
        if lock(&self.table).sources.values().any(is_it) {
            return Err(Errno::BUSY);
        }
        let fd = SignalFd::new(&[number])?;
        self.add(Source::Signal(number, fd, Mutex::new(handler)))
    }

    pub(super) fn attach_timer(&self, clock: Clock, handler: Box<OnExpiry>) -> Result<SourceId> {
        self.add(Source::Timer(TimerFd::new(clock)?, Mutex::new(handler)))
    }

    pub(super) fn start_timer(
        &self,
        id: SourceId,
        first: Option<Duration>,
        interval: Duration,
    ) -> Result<()> {
        let source = self.find(id);
        let Some(Source::Timer(timer, _)) = source.as_deref() else {
            return Err(Errno::INVAL);
        };
        let soonest = Duration::from_nanos(1);
        timer.set(first.map_or_else(Schedule::default, |first| Schedule {
            first: first.max(soonest),
            interval,
            absolute: false,
        }))
    }

    pub(super) fn rearm(&self, id: SourceId) -> Result<()> {
        let source = self.find(id).ok_or(Errno::INVAL)?;
        self.arm(id, &source)
    }

    fn arm(&self, id: SourceId, source: &Source) -> Result<()> {
        self.ready
            .rearm(source.descriptor(), id.0, source.interest())
    }

    pub(super) fn detach(&self, id: SourceId) -> Result<()> {
        let gone = lock(&self.table).sources.remove(&id.0);
        let source = gone.ok_or(Errno::INVAL)?;
        self.ready.remove(source.descriptor())
    }

    /// Whether the pulse tells of one of them. One that was detached since is done with.
    pub(super) fn handle(&self, pulse: &Pulse) -> bool {
        let Some((number, ready)) = Readiness::told(pulse) else {
            return false;
        };
        let id = SourceId(number);
        if let Some(source) = self.find(id) {
            source.run(id, ready);
            if source.is_rearmed()
                && let Err(errno) = self.arm(id, &source)
                && errno != Errno::NOENT
            {
                tracing::error!(%errno, ?id, "a descriptor is not waited for any more");
            }
        }
        true
    }
}

impl fmt::Debug for Sources {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set()
            .entries(lock(&self.table).sources.keys())
            .finish()
    }
}
