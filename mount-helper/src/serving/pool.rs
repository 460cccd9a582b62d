//! Threads that may wait for servers, so that those that talk to the kernel never do.
//!
//! Grows by one thread whenever a task finds nobody free, up to a bound; a thread that has been free
//! for [`PATIENCE`] goes. The last one to become free is the first to get work: its memory is warm, and
//! the others stay untouched until they go.
//!
//! Failure: a task that finds neither a free thread nor room for one is handed back, and the caller
//! says `EAGAIN`. Nothing ever queues behind a thread that waits for a stopped server.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How long a free thread stays.
const PATIENCE: Duration = Duration::from_secs(5);

/// A buffer that a thread keeps from one task to the next.
pub(crate) type Scratch = Vec<u8>;
/// Something to do that may take any time.
pub(crate) type Task = Box<dyn FnOnce(&mut Scratch) + Send>;

/// Whether a task counts against the bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Bound {
    /// It is refused when all threads wait.
    Counted,
    /// It must run: there is at most one for each server, and one for each program that gives a lock back.
    Exempt,
}

#[derive(Default)]
struct Seat {
    task: Mutex<Option<Task>>,
    bell: Condvar,
}

#[derive(Default)]
struct State {
    free: Vec<Arc<Seat>>,
    threads: usize,
}

/// The threads.
#[derive(Clone)]
pub(crate) struct Pool {
    state: Arc<Mutex<State>>,
    most: usize,
}

/// Tasks run outside every lock of this module, so a poisoned one still guards a sane value.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Pool {
    /// None yet; at most `most`.
    pub(crate) fn new(most: usize) -> Self {
        Self {
            state: Arc::default(),
            most,
        }
    }

    /// Runs a task on a thread of its own.
    ///
    /// # Errors
    /// The task, when every thread is taken and there may be no more.
    pub(crate) fn submit(&self, task: Task, bound: Bound) -> Result<(), Task> {
        let mut state = lock(&self.state);
        if let Some(seat) = state.free.pop() {
            drop(state);
            *lock(&seat.task) = Some(task);
            seat.bell.notify_one();
            return Ok(());
        }
        if bound == Bound::Counted && state.threads >= self.most {
            return Err(task);
        }
        state.threads += 1;
        drop(state);
        self.start(task)
    }

    fn start(&self, task: Task) -> Result<(), Task> {
        // The task must survive a refusal of the system to make a thread.
        let seat = Arc::new(Seat {
            task: Mutex::new(Some(task)),
            bell: Condvar::new(),
        });
        let (pool, own) = (self.clone(), Arc::clone(&seat));
        let started = std::thread::Builder::new()
            .name("mount-worker".into())
            .stack_size(256 << 10)
            .spawn(move || pool.work(&own));
        if let Err(error) = started {
            lock(&self.state).threads -= 1;
            tracing::warn!("no thread for a request: {error}");
            if let Some(task) = lock(&seat.task).take() {
                return Err(task);
            }
        }
        Ok(())
    }

    fn work(&self, seat: &Arc<Seat>) {
        let mut scratch = Scratch::new();
        while let Some(task) = self.next(seat) {
            // A panic of one task must not take the thread's place in the count with it; the reply that
            // it held answers EIO as it is dropped.
            let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                task(&mut scratch);
            }));
            if outcome.is_err() {
                tracing::error!("a request ended by a panic");
            }
            lock(&self.state).free.push(Arc::clone(seat));
        }
    }

    /// Waits for a task; `None` after a long time without one, and then the thread is not counted any more.
    fn next(&self, seat: &Arc<Seat>) -> Option<Task> {
        loop {
            let task = lock(&seat.task);
            let (mut task, _) = seat
                .bell
                .wait_timeout_while(task, PATIENCE, |task| task.is_none())
                .unwrap_or_else(PoisonError::into_inner);
            if let Some(task) = task.take() {
                return Some(task);
            }
            drop(task);
            let mut state = lock(&self.state);
            // Whoever has taken the seat off the list in the meantime is about to fill it.
            if let Some(at) = state.free.iter().position(|free| Arc::ptr_eq(free, seat)) {
                state.free.remove(at);
                state.threads -= 1;
                return None;
            }
        }
    }

    /// Threads at the moment.
    #[cfg(test)]
    fn threads(&self) -> usize {
        lock(&self.state).threads
    }
}

#[cfg(test)]
mod tests {
    use super::{Bound, Pool};
    use std::sync::mpsc;
    use std::time::Duration;

    const LONG: Duration = Duration::from_secs(20);

    #[test]
    fn stuck_tasks_do_not_hold_up_others_and_the_bound_refuses() {
        let pool = Pool::new(2);
        let (hold, held) = mpsc::channel::<()>();
        let (done, finished) = mpsc::channel();
        let end = done.clone();
        let stuck = Box::new(move |_: &mut Vec<u8>| {
            let _ = held.recv();
            let _ = end.send("stuck");
        });
        assert!(pool.submit(stuck, Bound::Counted).is_ok());
        for _ in 0..3 {
            let done = done.clone();
            let quick = Box::new(move |_: &mut Vec<u8>| done.send("quick").unwrap());
            assert!(pool.submit(quick, Bound::Counted).is_ok());
            assert_eq!(finished.recv_timeout(LONG), Ok("quick"));
            while pool.state.lock().unwrap().free.is_empty() {
                std::thread::yield_now();
            }
        }
        assert_eq!(pool.threads(), 2);
        let (hold_too, held_too) = mpsc::channel::<()>();
        let other = Box::new(move |_: &mut Vec<u8>| assert!(held_too.recv().is_err()));
        assert!(pool.submit(other, Bound::Counted).is_ok());
        assert!(
            pool.submit(Box::new(|_: &mut Vec<u8>| ()), Bound::Counted)
                .is_err()
        );
        assert!(
            pool.submit(Box::new(|_: &mut Vec<u8>| ()), Bound::Exempt)
                .is_ok()
        );
        drop((hold, hold_too));
        assert_eq!(finished.recv_timeout(LONG), Ok("stuck"));
    }

    #[test]
    fn a_panic_costs_only_its_task() {
        let pool = Pool::new(1);
        assert!(
            pool.submit(
                Box::new(|_: &mut Vec<u8>| panic!("for the test")),
                Bound::Counted
            )
            .is_ok()
        );
        let (done, finished) = mpsc::channel();
        while pool.state.lock().unwrap().free.is_empty() {
            std::thread::yield_now();
        }
        assert!(
            pool.submit(
                Box::new(move |_: &mut Vec<u8>| done.send(()).unwrap()),
                Bound::Counted
            )
            .is_ok()
        );
        assert_eq!(finished.recv_timeout(LONG), Ok(()));
    }
}
