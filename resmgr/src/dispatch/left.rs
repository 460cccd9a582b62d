//! [`Left`]: what is left to be done between two messages, and what becomes of it after the last one.

use super::shared::Shared;
use crate::resource::{Task, lock};
use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

/// Tasks, in their order.
#[derive(Default)]
pub(super) struct Left {
    queue: Arc<Mutex<Queue>>,
    /// How many there are: looked at after each message.
    count: AtomicUsize,
}

#[derive(Default)]
struct Queue {
    tasks: VecDeque<Task>,
    /// Nobody works them off any more.
    is_over: bool,
    /// A thread drops them.
    is_swept: bool,
}

impl Left {
    /// Adds one; false if nobody has to do it any more.
    ///
    /// It is called anywhere, perhaps under a lock of an author's that a handler of close takes: so nothing is dropped
    /// here. What comes after the end is dropped by a thread that ends when it has done so.
    pub(super) fn push(&self, task: Task) -> bool {
        let mut queue = lock(&self.queue);
        queue.tasks.push_back(task);
        if !queue.is_over {
            drop(queue);
            self.count.fetch_add(1, Ordering::AcqRel);
            return true;
        }
        if !queue.is_swept {
            let tasks = Arc::clone(&self.queue);
            let sweep = thread::Builder::new().name("resmgr-end".into());
            // Without a thread they stay for the next one.
            queue.is_swept = sweep.spawn(move || sweep_out(&tasks)).is_ok();
        }
        false
    }

    pub(super) fn is_empty(&self) -> bool {
        self.count.load(Ordering::Acquire) == 0
    }

    pub(super) fn take(&self) -> VecDeque<Task> {
        std::mem::take(&mut lock(&self.queue).tasks)
    }

    /// So many of them are done. Whether there are others.
    pub(super) fn done(&self, count: usize) -> bool {
        self.count.fetch_sub(count, Ordering::AcqRel) > count
    }

    /// Drops all there are, and those that come of that; only where no lock of an author's can be held.
    pub(super) fn drop_all(&self) {
        loop {
            let tasks = self.take();
            if tasks.is_empty() {
                return;
            }
            tasks.into_iter().for_each(end_task);
        }
    }

    /// Nobody works tasks off from now on.
    pub(super) fn close(&self) {
        lock(&self.queue).is_over = true;
        self.drop_all();
    }
}

/// Drops the tasks that come after the end, until there are none.
fn sweep_out(queue: &Mutex<Queue>) {
    loop {
        let mut state = lock(queue);
        let Some(task) = state.tasks.pop_front() else {
            state.is_swept = false;
            return;
        };
        drop(state);
        end_task(task);
    }
}

/// A task that nobody does any more. Calls that wait in a lane hold the file that the lane is a part of: so they
/// are taken out.
fn end_task(task: Task) {
    if let Task::Forget(scoid, opens) = task {
        for file in opens {
            Shared::forget_holder(&*file, scoid);
        }
        return;
    }
    let mut task = Some(task);
    while let Some(Task::Next(pending, lane)) = task.take() {
        let next = pending
            .file()
            .and_then(|file| file.core().lane(lane).leave());
        task = next.map(|pending| Task::Next(pending, lane));
    }
}

#[cfg(test)]
mod tests {
    use super::Left;
    use crate::Result;
    use crate::resource::{Attr, Ocb, Opening, Resource, Task, lock, open_for_test};
    use std::sync::mpsc::{Sender, channel};
    use std::sync::{Arc, Mutex};

    /// A resource whose close takes a lock, and says that it has run.
    struct Locks(Arc<Mutex<()>>, Mutex<Sender<()>>);

    impl Resource for Locks {
        type Node = ();
        type Open = ();

        fn root(&self) {}

        fn attr(&self, (): &()) -> Result<Attr> {
            Ok(Attr::device(0o666))
        }

        fn open(&self, (): &(), _how: &Opening) -> Result<()> {
            Ok(())
        }

        fn close(&self, _ocb: &Ocb) {
            drop(lock(&self.0));
            lock(&self.1).send(()).unwrap();
        }
    }

    #[test]
    fn what_is_put_off_after_the_end_is_not_dropped_under_its_authors_lock() {
        let (author, (says, closed)) = (Arc::new(Mutex::new(())), channel());
        let open = || {
            let says = Mutex::new(says.clone());
            Task::Release(open_for_test(Locks(Arc::clone(&author), says)))
        };
        let left = Left::default();
        assert!(left.push(open()));
        left.close();
        assert_eq!(closed.try_recv(), Ok(()));
        for _ in 0..3 {
            let held = lock(&author);
            (0..3).for_each(|_| assert!(!left.push(open())));
            assert!(closed.try_recv().is_err());
            drop(held);
            (0..3).for_each(|_| closed.recv().unwrap());
        }
        assert!(left.take().is_empty());
    }
}
