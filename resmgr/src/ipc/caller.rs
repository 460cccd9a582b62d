//! The calling thread: its number and its priority, asked once and kept up to date by whoever changes it.

use super::priority::{self, receiver};
use resmgr_sys::sched;
use std::cell::Cell;

/// What a thread knows of itself without asking.
#[derive(Clone, Copy, Debug)]
pub(super) struct Thread {
    generation: u32,
    /// Its number; 0: not asked yet.
    pub(super) id: u32,
    /// Its priority: its own, or one that it took with a message.
    pub(super) priority: u8,
    /// Its own.
    pub(super) own: u8,
    /// The key of the channel whose receiver it is, or 0.
    pub(super) channel: u64,
}

thread_local! {
    static THREAD: Cell<Thread> = const {
        Cell::new(Thread { generation: 0, id: 0, priority: 0, own: 0, channel: 0 })
    };
}

/// The calling thread. Asked again after a fork: the child's thread has another number.
#[inline]
pub(super) fn thread() -> Thread {
    let thread = THREAD.get();
    if thread.id != 0 && thread.generation == resmgr_sys::fork::generation() {
        thread
    } else {
        ask()
    }
}

#[cold]
fn ask() -> Thread {
    let own = sched::scheduling(None).map_or(priority::ORDINARY, |now| priority::of(&now));
    let thread = Thread {
        generation: resmgr_sys::fork::generation(),
        id: sched::thread_id(),
        priority: own,
        own,
        channel: 0,
    };
    THREAD.set(thread);
    super::deaths::seen(thread.id);
    thread
}

/// Changes what the calling thread knows of itself.
pub(super) fn update(change: impl FnOnce(&mut Thread)) {
    let mut now = thread();
    change(&mut now);
    THREAD.set(now);
}

/// The thread asks again when it has to know: its program has changed it.
pub(super) fn forget() {
    update(|thread| thread.id = 0);
}

/// The thread's number.
pub(super) fn thread_id() -> u32 {
    thread().id
}

/// The priority that its messages have: its own, what it took from the message that it works for, or what
/// a waiting one has raised it to.
#[inline]
pub(super) fn priority() -> u8 {
    thread().sends_with()
}

impl Thread {
    /// The same of a thread that has been looked at.
    #[inline]
    pub(super) fn sends_with(&self) -> u8 {
        let priority = self.priority;
        if receiver::any_is_boosted() {
            receiver::boost_of_this_thread().map_or(priority, |boost| boost.max(priority))
        } else {
            priority
        }
    }
}
