//! A thread that receives: the priority and the processors that it has taken, and the way back.
//!
//! The thread changes its own scheduling when it receives; a boost (see `channel::boost`) changes it from
//! outside. Both do so under the thread's lock, so each knows what the other did. Lock order: a channel's
//! state, then this.

use super::{Rights, meant, of, refresh_rights, rights_now};
use crate::ipc::{ChannelId, caller, process, statistics};
use resmgr_sys::sched::{self, CpuSet, Scheduling};
use resmgr_sys::{Errno, Result, fork};
use std::cell::RefCell;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Threads of this process that are boosted now: nobody looks further while there are none.
static BOOSTED: AtomicU32 = AtomicU32::new(0);

/// A thread of this process.
#[derive(Debug)]
pub(in crate::ipc) struct Receiver {
    pub(in crate::ipc) tid: u32,
    held: Mutex<Held>,
}

#[derive(Debug)]
struct Held {
    /// Without anybody's message.
    own: Scheduling,
    /// As the kernel has it.
    now: Scheduling,
    /// The priority that it has by itself or by its message: a boost ends here.
    base: u8,
    boost: Option<u8>,
    /// It sleeps in a receive.
    asleep: bool,
    /// Its own processors and those that it took.
    processors: Option<(CpuSet, CpuSet)>,
}

/// Which channel the thread is a receiver of (PR-4: the last one that it received from).
#[derive(Debug)]
struct Association {
    generation: u32,
    receiver: Arc<Receiver>,
    channel: Option<(ChannelId, u64)>,
}

thread_local! {
    static ASSOCIATION: RefCell<Option<Association>> = const { RefCell::new(None) };
}

impl Association {
    fn leave(&mut self) {
        let Some((chid, key)) = self.channel.take() else {
            return;
        };
        // A forked child has none of its parent's channels, whose locks may be held for ever.
        if self.generation == fork::generation()
            && let Some(channel) = process::current().channel(chid)
        {
            channel.dissociate(key, &self.receiver);
        }
        self.receiver.end_boost();
    }
}

impl Drop for Association {
    fn drop(&mut self) {
        self.leave();
    }
}

/// The calling thread, as a receiver of `channel`, or of none any more. The caller holds no lock.
///
/// The result is `None` only in a thread that is ending, whose thread-local values are gone already.
fn associated(channel: Option<(ChannelId, u64)>) -> Option<Arc<Receiver>> {
    let generation = fork::generation();
    // Taken out meanwhile: leaving a channel takes its lock.
    let kept = ASSOCIATION.try_with(RefCell::take).ok()?;
    let mut mine = match kept {
        Some(mine) if mine.generation == generation => mine,
        _ => Association {
            generation,
            receiver: Arc::new(Receiver::new()),
            channel: None,
        },
    };
    if mine.channel != channel {
        mine.leave();
        let known = channel
            .and_then(|(chid, key)| Some((process::current().channel(chid)?, key)))
            .is_some_and(|(shared, key)| shared.associate(key, &mine.receiver));
        mine.channel = channel.filter(|_| known);
        caller::update(|thread| thread.channel = mine.channel.map_or(0, |(_, key)| key));
    }
    let receiver = Arc::clone(&mine.receiver);
    let _ = ASSOCIATION.try_with(|place| place.replace(Some(mine)));
    Some(receiver)
}

/// The calling thread, from now on a receiver of this channel.
pub(in crate::ipc) fn of_channel(chid: ChannelId, key: u64) -> Option<Arc<Receiver>> {
    associated(Some((chid, key)))
}

/// The calling thread, if it has ever received.
pub(in crate::ipc) fn this_thread() -> Option<Arc<Receiver>> {
    let known = ASSOCIATION.try_with(|mine| {
        let mine = mine.borrow();
        let mine = mine
            .as_ref()
            .filter(|mine| mine.generation == fork::generation());
        mine.map(|mine| Arc::clone(&mine.receiver))
    });
    known.ok().flatten()
}

/// The calling thread receives from no channel any more, and has its own priority again.
pub(in crate::ipc) fn leave() {
    if this_thread().is_some()
        && let Some(receiver) = associated(None)
    {
        receiver.return_to_own();
        receiver.leave_processors();
    }
}

/// Whether to ask further.
#[inline]
pub(in crate::ipc) fn any_is_boosted() -> bool {
    // Relaxed: a boost that comes while the thread looks at itself may as well have come later.
    BOOSTED.load(Ordering::Relaxed) != 0
}

#[cold]
pub(in crate::ipc) fn boost_of_this_thread() -> Option<u8> {
    this_thread().and_then(|receiver| receiver.lock().boost)
}

impl Receiver {
    /// The calling thread.
    fn new() -> Self {
        let now = sched::scheduling(None).unwrap_or(Scheduling {
            policy: sched::Policy::Other,
            realtime: 0,
            nice: 0,
            reset_on_fork: false,
        });
        Self {
            tid: caller::thread_id(),
            held: Mutex::new(Held {
                own: now,
                now,
                base: of(&now),
                boost: None,
                asleep: false,
                processors: None,
            }),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The calling thread takes a priority with a message or a pulse.
    pub(in crate::ipc) fn take(&self, priority: u8) {
        let mut held = self.lock();
        held.see();
        held.end_boost();
        if held.go(None, priority).is_err() {
            statistics::priority_not_taken(priority);
            // What it took before is over all the same.
            let own = of(&held.own);
            let _ = held.go(None, own);
        }
        held.base = of(&held.now);
        held.tell_thread();
    }

    /// The calling thread has its own priority again.
    pub(in crate::ipc) fn return_to_own(&self) {
        let mut held = self.lock();
        held.see();
        held.end_boost();
        let own = of(&held.own);
        if held.go(None, own).is_err() {
            statistics::priority_not_taken(own);
        }
        held.base = of(&held.now);
        held.tell_thread();
    }

    /// The calling thread's scheduling was set by its program: that is its own from now on.
    pub(in crate::ipc) fn begin_anew(&self) {
        let mut held = self.lock();
        held.end_boost();
        if let Ok(real) = sched::scheduling(None) {
            (held.own, held.now, held.base) = (real, real, of(&real));
        }
        held.tell_thread();
    }

    /// What `set_priority` starts from: the thread's own scheduling.
    pub(in crate::ipc) fn own(&self) -> Scheduling {
        let mut held = self.lock();
        held.see();
        held.own
    }

    /// Where an urgent sender would find the thread; `None`: it sleeps in a receive, and will be woken.
    pub(in crate::ipc) fn busy_at(&self) -> Option<u8> {
        let held = self.lock();
        (!held.asleep).then_some(held.base)
    }

    pub(in crate::ipc) fn set_asleep(&self, asleep: bool) {
        self.lock().asleep = asleep;
    }

    /// Another thread raises this one, or lets it down to what is still needed. True while it is raised.
    pub(in crate::ipc) fn boost(&self, priority: u8) -> bool {
        let mut held = self.lock();
        let wanted = priority.max(held.base);
        if wanted == held.boost.unwrap_or(held.base) {
            return held.boost.is_some();
        }
        // The thread may have ended, by means that run no destructor, and its number be another's.
        if !sched::is_thread_of(std::process::id(), self.tid) {
            return false;
        }
        if held.go(Some(self.tid), wanted).is_err() {
            statistics::priority_not_taken(wanted);
            return held.boost.is_some();
        }
        if wanted == held.base {
            held.end_boost();
        } else if held.boost.replace(wanted).is_none() {
            BOOSTED.fetch_add(1, Ordering::Relaxed);
            statistics::boosted();
        }
        held.boost.is_some()
    }

    /// The calling thread receives: what is to come is decided anew.
    pub(in crate::ipc) fn end_boost(&self) {
        let mut held = self.lock();
        held.end_boost();
        held.tell_thread();
    }

    /// The calling thread takes the processors of a sender's thread. Both numbers are checked: the process
    /// is the kernel's, and the thread one of it.
    pub(in crate::ipc) fn take_processors(&self, pid: u32, tid: u32) {
        let taken = sched::affinity(Some(tid))
            .and_then(|set| {
                let theirs = sched::is_thread_of(pid, tid);
                theirs.then_some(set).ok_or(Errno::SRCH)
            })
            .and_then(|set| self.lock().use_processors(&set));
        if taken.is_err() {
            statistics::run_mask_not_taken();
        }
    }

    /// The calling thread has its own processors again, unless its program has chosen others meanwhile.
    pub(in crate::ipc) fn leave_processors(&self) {
        let Some((own, taken)) = self.lock().processors.take() else {
            return;
        };
        if sched::affinity(None) == Ok(taken) && sched::set_affinity(&own).is_err() {
            statistics::run_mask_not_taken();
        }
    }
}

impl Held {
    /// The program may have changed the thread's scheduling since: what is not ours is its own.
    fn see(&mut self) {
        if let Ok(real) = sched::scheduling(None)
            && real != self.now
        {
            (self.own, self.now) = (real, real);
        }
    }

    /// Has a thread run at a priority from which it may return.
    fn go(&mut self, thread: Option<u32>, priority: u8) -> Result<()> {
        let to = meant(&self.now, &self.own, priority);
        if to == self.now {
            return Ok(());
        }
        let may = |rights: Rights| rights.allow_visit(&self.now, &to, &self.own);
        if !may(rights_now()) {
            return Err(Errno::PERM);
        }
        if let Err(errno) = sched::schedule(thread, &to) {
            // Its limits were lowered since they were asked for, or something else forbids it.
            refresh_rights();
            return Err(errno);
        }
        self.now = to;
        Ok(())
    }

    fn end_boost(&mut self) {
        if self.boost.take().is_some() {
            BOOSTED.fetch_sub(1, Ordering::Relaxed);
        }
    }

    fn tell_thread(&self) {
        let (priority, own) = (of(&self.now), of(&self.own));
        caller::update(|thread| (thread.priority, thread.own) = (priority, own));
    }

    fn use_processors(&mut self, wanted: &CpuSet) -> Result<()> {
        let now = sched::affinity(None)?;
        let own = match &self.processors {
            Some((own, taken)) if *taken == now => *own,
            _ => now,
        };
        if now != *wanted {
            sched::set_affinity(wanted)?;
        }
        // The kernel leaves out what this process may not use at all.
        self.processors = Some((own, sched::affinity(None)?));
        Ok(())
    }
}
