//! The ends of this process's threads, for channels with THREAD_DEATH.
//!
//! Linux (6.9 and later) tells the end of a thread by a descriptor of that thread, which the background
//! thread waits for. Nothing tells an unprivileged program of a thread's *beginning*, so threads are
//! found:
//! - when a channel with the flag is made, all that there are;
//! - each thread at its first call into this library;
//! - all others when a thread ends, and before a receiver of such a channel sleeps (the kernel's count of
//!   threads is compared first).
//!
//! What is missed is a thread that never calls this library and begins and ends between two looks.
//!
//! Older kernels have no such descriptor. There a thread that has called this library reports its end by
//! itself, as the last thing that it does, and the others are noticed at the looks.

use super::process;
use resmgr_sys::fork::PerProcess;
use resmgr_sys::pidfd::PidFd;
use resmgr_sys::{Result, sched};
use std::collections::HashMap;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

const THREADS: &str = "/proc/self/task";

/// What is known of a thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Thread {
    /// The background thread waits for its end.
    Watched,
    /// It is missed when it is looked for.
    Unwatched,
    /// Its end was told; the kernel may still list it.
    Told,
    /// One of the library's own.
    Helper,
}

#[derive(Debug)]
struct Deaths {
    active: AtomicBool,
    /// Lock order: a channel's state, then this, then the background thread's table.
    known: Mutex<HashMap<u32, Thread>>,
}

static DEATHS: PerProcess<Deaths> = PerProcess::new();

fn deaths() -> &'static Deaths {
    DEATHS.get(|| Deaths {
        active: AtomicBool::new(false),
        known: Mutex::default(),
    })
}

/// The thread's end, where the kernel does not tell it.
struct Ending(u32);

impl Drop for Ending {
    fn drop(&mut self) {
        deaths().is_ending(self.0);
    }
}

thread_local! {
    static ENDING: std::cell::OnceCell<Ending> = const { std::cell::OnceCell::new() };
}

/// From now on the ends of threads are told. Asked for by each channel with the flag.
pub(super) fn start() {
    let deaths = deaths();
    deaths.active.store(true, Ordering::Relaxed);
    deaths.look();
    seen(sched::thread_id());
}

/// A channel has gone: nobody may want to know any more.
pub(super) fn stop_if_unwanted() {
    let deaths = deaths();
    if !deaths.active.load(Ordering::Relaxed) {
        return;
    }
    // Under the lock: a channel that is made now looks for threads after this.
    let mut known = deaths.lock();
    if !process::current().wants_thread_deaths() {
        deaths.active.store(false, Ordering::Relaxed);
        known.retain(|_, thread| *thread == Thread::Helper);
        process::current().forget_threads();
    }
}

/// The calling thread calls the library for the first time.
pub(super) fn seen(tid: u32) {
    let deaths = deaths();
    if !deaths.active.load(Ordering::Relaxed) {
        return;
    }
    let now = *deaths
        .lock()
        .entry(tid)
        .and_modify(|thread| {
            // The number's last owner.
            if *thread == Thread::Told {
                *thread = watch(tid);
            }
        })
        .or_insert_with(|| watch(tid));
    if now == Thread::Unwatched {
        // Gone already in a thread that is ending: then it is noticed at a look.
        let _ = ENDING.try_with(|place| {
            place.get_or_init(|| Ending(tid));
        });
    }
}

/// One of the library's own threads, whose end is nobody's business.
pub(super) struct Helper(u32);

/// The calling thread is one, as long as it has the value.
pub(super) fn helper() -> Helper {
    let tid = sched::thread_id();
    deaths().lock().insert(tid, Thread::Helper);
    Helper(tid)
}

impl Drop for Helper {
    fn drop(&mut self) {
        let deaths = deaths();
        // Where ends are told, the next look finds that it has gone.
        if !deaths.active.load(Ordering::Relaxed) {
            deaths.lock().remove(&self.0);
        }
    }
}

/// The background thread has seen a thread end.
pub(super) fn ended(tid: u32) {
    let deaths = deaths();
    if !deaths.active.load(Ordering::Relaxed) {
        return;
    }
    let told = deaths.lock().insert(tid, Thread::Told);
    if !matches!(told, Some(Thread::Helper | Thread::Told)) {
        process::current().thread_ended(tid);
    }
    deaths.look();
}

/// A receiver is about to sleep: are there threads that nobody knows?
pub(super) fn look_before_sleep() {
    let deaths = deaths();
    let listed = fs::metadata(THREADS).map_or(0, |directory| directory.nlink().saturating_sub(2));
    let all_watched = {
        let known = deaths.lock();
        let alive = known.values().filter(|thread| **thread != Thread::Told);
        let exact = !known.values().any(|thread| *thread == Thread::Unwatched);
        exact && alive.count() as u64 == listed
    };
    if !all_watched {
        deaths.look();
    }
}

/// Has the background thread wait for the end of a thread, if the kernel tells it.
fn watch(tid: u32) -> Thread {
    let watched = PidFd::open_thread(tid).and_then(|end| process::current().watch_thread(tid, end));
    watched.map_or(Thread::Unwatched, |()| Thread::Watched)
}

impl Deaths {
    fn lock(&self) -> MutexGuard<'_, HashMap<u32, Thread>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn look(&self) {
        let Ok(listed) = threads() else { return };
        let ended = {
            let mut known = self.lock();
            if !self.active.load(Ordering::Relaxed) {
                return;
            }
            take_in(&mut known, &listed, watch)
        };
        for tid in ended {
            process::current().thread_ended(tid);
        }
    }

    fn is_ending(&self, tid: u32) {
        if self.active.load(Ordering::Relaxed)
            && self.lock().insert(tid, Thread::Told) == Some(Thread::Unwatched)
        {
            process::current().thread_ended(tid);
        }
    }
}

fn threads() -> Result<Vec<u32>> {
    let entries = fs::read_dir(THREADS)?;
    let names = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    Ok(names.collect())
}

/// Takes in what the kernel lists; returns the threads whose end nobody else tells.
fn take_in(
    known: &mut HashMap<u32, Thread>,
    listed: &[u32],
    mut watch: impl FnMut(u32) -> Thread,
) -> Vec<u32> {
    let mut ended = Vec::new();
    known.retain(|tid, thread| {
        let gone = *thread != Thread::Watched && !listed.contains(tid);
        if gone && *thread == Thread::Unwatched {
            ended.push(*tid);
        }
        !gone
    });
    for tid in listed {
        match known.get(tid) {
            // Listed after its end: a first thread that left the others behind, one that a debugger
            // holds; or the number has a new owner.
            Some(Thread::Told)
                if PidFd::open_thread(*tid).is_ok_and(|thread| thread.is_alive()) =>
            {
                known.insert(*tid, watch(*tid));
            }
            Some(_) => {}
            None => {
                known.insert(*tid, watch(*tid));
            }
        }
    }
    ended
}

#[cfg(test)]
mod tests {
    use super::{Thread, take_in, threads};
    use resmgr_sys::sched;
    use std::collections::HashMap;
    use std::sync::mpsc::channel;

    #[test]
    fn c8_without_the_kernels_help_an_end_is_noticed_at_the_next_look() {
        let (say, said) = channel();
        let (stop, stopped) = channel::<()>();
        let thread = std::thread::spawn(move || {
            say.send(sched::thread_id()).unwrap();
            let _ = stopped.recv();
        });
        let tid = said.recv().unwrap();
        let mut known = HashMap::new();
        let unwatched = |_| Thread::Unwatched;
        assert!(take_in(&mut known, &threads().unwrap(), unwatched).is_empty());
        assert_eq!(known.get(&tid), Some(&Thread::Unwatched));
        drop(stop);
        thread.join().unwrap();
        // The list may hold it for a moment after its join.
        let mut ended = Vec::new();
        while !ended.contains(&tid) {
            ended.extend(take_in(&mut known, &threads().unwrap(), unwatched));
        }
        assert!(!known.contains_key(&tid));
    }

    #[test]
    fn c8_an_end_is_told_once() {
        let mut known = HashMap::from([
            (7, Thread::Watched),
            (8, Thread::Told),
            (9, Thread::Unwatched),
            (10, Thread::Helper),
        ]);
        assert_eq!(take_in(&mut known, &[], |_| Thread::Unwatched), [9]);
        assert_eq!(known, HashMap::from([(7, Thread::Watched)]));
    }
}
