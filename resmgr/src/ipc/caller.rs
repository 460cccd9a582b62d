//! The calling thread: its number and its priority, asked once.

use resmgr_sys::sched;
use std::cell::Cell;

/// What QNX gives to ordinary threads.
const ORDINARY: u8 = 10;

thread_local! {
    static THREAD: Cell<Option<(u32, u32, u8)>> = const { Cell::new(None) };
}

/// Asked again after a fork: the child's thread has another number.
#[inline]
fn thread() -> (u32, u8) {
    let generation = resmgr_sys::fork::generation();
    match THREAD.get() {
        Some((made, id, priority)) if made == generation => (id, priority),
        _ => {
            let (id, priority) = (
                sched::thread_id(),
                sched::realtime_priority().unwrap_or(ORDINARY),
            );
            THREAD.set(Some((generation, id, priority)));
            (id, priority)
        }
    }
}

/// The thread's number.
pub(super) fn thread_id() -> u32 {
    thread().0
}

/// The thread's priority: its real-time priority, or 10. A change after the first send is not seen; who
/// changes priorities names one in each send.
pub(super) fn priority() -> u8 {
    thread().1
}
