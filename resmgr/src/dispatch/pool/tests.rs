use super::{Member, PoolCounts, PoolHandle, PoolOptions, RunningPool, ThreadPool};
use crate::ipc::{Channel, ChannelFlags, Connection, Received, Semaphore, SendOptions};
use crate::{Errno, Result};
use resmgr_sys::sched::{self, Scheduling};
use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, mpsc};
use std::thread;

/// Somebody's work; `None` only wakes.
type Job = Option<Box<dyn FnOnce() + Send>>;

/// Where members wait for jobs.
#[derive(Default)]
struct Desk {
    jobs: Mutex<VecDeque<Job>>,
    come: Condvar,
}

impl Desk {
    fn put(&self, job: Job) {
        self.jobs.lock().unwrap().push_back(job);
        self.come.notify_one();
    }

    fn give(&self, job: impl FnOnce() + Send + 'static) {
        self.put(Some(Box::new(job)));
    }
}

struct Worker(Arc<Desk>);

impl Member for Worker {
    type Work = Box<dyn FnOnce() + Send>;

    fn block(&mut self) -> Option<Self::Work> {
        let mut jobs = self.0.jobs.lock().unwrap();
        loop {
            if let Some(job) = jobs.pop_front() {
                return job;
            }
            jobs = self.0.come.wait(jobs).unwrap();
        }
    }

    fn handle(&mut self, job: Self::Work) {
        job();
    }
}

const OPTIONS: PoolOptions = PoolOptions {
    low_water: 2,
    increment: 2,
    high_water: 3,
    maximum: 6,
};

fn pool_with(
    options: PoolOptions,
    make: impl Fn() -> Result<()> + Send + Sync + 'static,
) -> (ThreadPool, Arc<Desk>) {
    let desk = Arc::new(Desk::default());
    let (members, wake) = (Arc::clone(&desk), Arc::clone(&desk));
    let make = move || make().map(|()| Worker(Arc::clone(&members)));
    let pool = ThreadPool::new(options, make, move || wake.put(None)).unwrap();
    (pool, desk)
}

fn running(options: PoolOptions) -> (RunningPool, PoolHandle, Arc<Desk>) {
    let (pool, desk) = pool_with(options, || Ok(()));
    let handle = pool.handle();
    (pool.spawn().unwrap(), handle, desk)
}

fn until(mut holds: impl FnMut() -> bool) {
    while !holds() {
        thread::yield_now();
    }
}

fn has(handle: &PoolHandle, threads: usize, waiting: usize) -> bool {
    handle.counts() == PoolCounts { threads, waiting }
}

/// Has the members busy with `count` jobs that end at a post each.
fn occupy(desk: &Desk, count: usize) -> Semaphore {
    let (begun, go_on) = (Semaphore::new(), Semaphore::new());
    for _ in 0..count {
        let (begun, go_on) = (begun.clone(), go_on.clone());
        desk.give(move || {
            begun.post();
            go_on.wait(None).unwrap();
        });
    }
    (0..count).for_each(|_| begun.wait(None).unwrap());
    go_on
}

#[test]
fn tp2_a_pool_begins_at_low_water() {
    let (pool, handle, desk) = running(OPTIONS);
    until(|| has(&handle, 2, 2));
    pool.stop().unwrap();
    assert_eq!(Arc::strong_count(&desk), 1);
    assert_eq!(
        (handle.options(), handle.counts()),
        (None, PoolCounts::default())
    );
    assert_eq!(handle.limits(OPTIONS), Err(Errno::SRCH));
}

#[test]
fn tp3_a_burst_is_met_up_to_the_maximum_and_then_threads_end_down_to_high_water() {
    let (_pool, handle, desk) = running(OPTIONS);
    let go_on = occupy(&desk, OPTIONS.maximum);
    assert!(has(&handle, OPTIONS.maximum, 0));
    // One more has to wait: there is nobody.
    let late = Arc::new(AtomicBool::new(false));
    desk.give({
        let late = Arc::clone(&late);
        move || late.store(true, Ordering::SeqCst)
    });
    assert!(has(&handle, OPTIONS.maximum, 0) && !late.load(Ordering::SeqCst));
    (0..OPTIONS.maximum).for_each(|_| go_on.post());
    until(|| has(&handle, OPTIONS.high_water, OPTIONS.high_water));
    assert!(late.load(Ordering::SeqCst));
}

#[test]
fn tp3_leaving_low_water_starts_as_many_as_the_increment() {
    let (_pool, handle, desk) = running(OPTIONS);
    until(|| has(&handle, 2, 2));
    let go_on = occupy(&desk, 1);
    until(|| has(&handle, 4, 3));
    go_on.post();
    // Three wait already.
    until(|| has(&handle, 3, 3));
}

#[test]
fn tp1_one_that_is_slow_does_not_stop_the_others() {
    let (_pool, _, desk) = running(OPTIONS);
    let go_on = occupy(&desk, 1);
    let (done, dones) = mpsc::channel();
    for number in 0..100 {
        let done = done.clone();
        desk.give(move || done.send(number).unwrap());
    }
    let all: Vec<_> = dones.iter().take(100).collect();
    assert_eq!(all.len(), 100);
    go_on.post();
}

#[test]
fn tp4_limits_change_while_it_runs() {
    let (_pool, handle, desk) = running(OPTIONS);
    assert_eq!(handle.limits(PoolOptions::fixed(0)), Err(Errno::INVAL));
    let more = PoolOptions::fixed(5);
    handle.limits(more).unwrap();
    assert_eq!(handle.options(), Some(more));
    until(|| has(&handle, 5, 5));
    handle.limits(PoolOptions::fixed(1)).unwrap();
    // They wait until there is something: only who comes back from work ends.
    assert!(has(&handle, 5, 5));
    let go_on = occupy(&desk, 3);
    assert!(has(&handle, 5, 2));
    (0..3).for_each(|_| go_on.post());
    until(|| has(&handle, 2, 2));
    occupy(&desk, 1).post();
    until(|| has(&handle, 1, 1));
}

#[test]
fn tp1_a_stop_wakes_those_that_wait_and_lets_the_others_finish() {
    let (pool, handle, desk) = running(PoolOptions::fixed(4));
    let go_on = occupy(&desk, 2);
    until(|| has(&handle, 4, 2));
    let finished = Arc::new(AtomicBool::new(false));
    desk.give({
        let (handle, finished) = (handle.clone(), Arc::clone(&finished));
        move || {
            handle.stop();
            handle.stop();
            finished.store(true, Ordering::SeqCst);
        }
    });
    until(|| has(&handle, 2, 0));
    (0..2).for_each(|_| go_on.post());
    pool.wait().unwrap();
    assert!(finished.load(Ordering::SeqCst));
    assert_eq!(Arc::strong_count(&desk), 1);
}

#[test]
fn tp1_a_panic_ends_the_work_and_nothing_else() {
    let (pool, handle, desk) = running(PoolOptions::fixed(1));
    desk.give(|| panic!("a test's"));
    let (done, dones) = mpsc::channel();
    desk.give(move || done.send(thread::current().id()).unwrap());
    assert!(dones.recv().is_ok());
    until(|| has(&handle, 1, 1));
    pool.stop().unwrap();
}

#[test]
fn tp2_the_caller_can_be_a_member() {
    let (pool, desk) = pool_with(PoolOptions::fixed(1), || Ok(()));
    let (handle, me) = (pool.handle(), thread::current().id());
    let same = Arc::new(AtomicBool::new(false));
    desk.give({
        let same = Arc::clone(&same);
        move || {
            assert_eq!(handle.counts().threads, 1);
            same.store(thread::current().id() == me, Ordering::SeqCst);
            handle.stop();
        }
    });
    pool.run().unwrap();
    assert!(same.load(Ordering::SeqCst));
    assert_eq!(Arc::strong_count(&desk), 1);
}

#[test]
fn tp2_the_caller_waits_for_the_others() {
    let (pool, desk) = pool_with(OPTIONS, || Ok(()));
    let handle = pool.handle();
    let runner = thread::spawn(move || pool.run());
    until(|| has(&handle, 2, 2));
    let go_on = occupy(&desk, OPTIONS.maximum);
    (0..OPTIONS.maximum).for_each(|_| go_on.post());
    until(|| has(&handle, 3, 3));
    handle.stop();
    runner.join().unwrap().unwrap();
    assert_eq!(Arc::strong_count(&desk), 1);
}

#[test]
fn tp2_a_pool_that_was_stopped_before_does_not_begin() {
    let (pool, _desk) = pool_with(OPTIONS, || Ok(()));
    pool.handle().stop();
    pool.run().unwrap();
}

#[test]
fn tp3_members_that_cannot_be_made_are_tried_again_at_the_next_need() {
    let made = Arc::new(AtomicUsize::new(0));
    let room = Arc::new(AtomicUsize::new(1));
    let make = {
        let (made, room) = (Arc::clone(&made), Arc::clone(&room));
        move || {
            let number = made.fetch_add(1, Ordering::SeqCst);
            let fits = number < room.load(Ordering::SeqCst);
            fits.then_some(()).ok_or(Errno::AGAIN)
        }
    };
    let (pool, desk) = pool_with(PoolOptions::fixed(2), make);
    let handle = pool.handle();
    let pool = pool.spawn().unwrap();
    until(|| has(&handle, 1, 1));
    room.store(usize::MAX, Ordering::SeqCst);
    occupy(&desk, 1).post();
    until(|| has(&handle, 2, 2));
    pool.stop().unwrap();
}

#[test]
fn tp2_a_pool_without_any_member_fails() {
    for make in [|| Err(Errno::NOMEM), || panic!("a test's")] {
        let (pool, _desk) = pool_with(OPTIONS, make);
        assert!(pool.run().is_err());
        let (pool, _desk) = pool_with(OPTIONS, make);
        let failed = pool.spawn().and_then(RunningPool::wait);
        assert!(failed.is_err());
    }
}

#[test]
fn tp4_a_member_can_drop_the_pool() {
    let (pool, handle, desk) = running(OPTIONS);
    let (done, dones) = mpsc::channel();
    desk.give(move || {
        drop(pool);
        done.send(()).unwrap();
    });
    dones.recv().unwrap();
    until(|| handle.counts() == PoolCounts::default());
    until(|| Arc::strong_count(&desk) == 1);
}

#[test]
fn tp3_the_counts_hold_while_everything_happens_at_once() {
    const JOBS: usize = 2000;
    const GIVERS: usize = 3;
    let (pool, handle, desk) = running(OPTIONS);
    let done = Arc::new(AtomicUsize::new(0));
    let most = Arc::new(AtomicUsize::new(0));
    thread::scope(|scope| {
        for _ in 0..GIVERS {
            scope.spawn(|| {
                for _ in 0..JOBS {
                    let (done, most) = (Arc::clone(&done), Arc::clone(&most));
                    let handle = handle.clone();
                    desk.give(move || {
                        most.fetch_max(handle.counts().threads, Ordering::SeqCst);
                        done.fetch_add(1, Ordering::SeqCst);
                    });
                }
            });
        }
        scope.spawn(|| {
            for round in 0..200 {
                let low_water = 1 + round % 3;
                let options = PoolOptions {
                    low_water,
                    ..OPTIONS
                };
                handle.limits(options).unwrap();
            }
        });
    });
    until(|| done.load(Ordering::SeqCst) == JOBS * GIVERS);
    pool.stop().unwrap();
    assert!((1..=OPTIONS.maximum).contains(&most.load(Ordering::SeqCst)));
    assert_eq!(Arc::strong_count(&desk), 1);
}

/// Answers each message with whether it runs at a client's priority.
struct Floating {
    channel: Channel,
    own: Scheduling,
}

impl Member for Floating {
    type Work = Received;

    fn block(&mut self) -> Option<Received> {
        self.channel.receive(&mut []).ok()
    }

    fn handle(&mut self, work: Received) {
        if let Received::Message(message) = work {
            let floats = sched::scheduling(None) != Ok(self.own);
            message.reply(floats.into(), &[]).unwrap();
        }
    }
}

fn ask(client: &Connection, priority: u8) -> bool {
    let options = SendOptions {
        priority: Some(priority),
        ..SendOptions::default()
    };
    client.send_with(&[], &mut [], options).unwrap().status != 0
}

/// Where this process may not raise its threads, that is so anyway.
#[test]
fn tp1_a_member_does_not_keep_the_priority_at_which_it_was_started() {
    let channel = Channel::create(ChannelFlags::PRIVATE).unwrap();
    let begun_as = Arc::new(Mutex::new(Vec::new()));
    let (members, wake, seen) = (channel.clone(), channel.clone(), Arc::clone(&begun_as));
    let make = move || {
        let (channel, own) = (members.clone(), sched::scheduling(None)?);
        seen.lock().unwrap().push(own);
        Ok(Floating { channel, own })
    };
    let options = PoolOptions {
        low_water: 1,
        increment: 1,
        high_water: 2,
        maximum: 2,
    };
    let pool = ThreadPool::new(options, make, move || wake.pulse(10, 0, 0).unwrap()).unwrap();
    let handle = pool.handle();
    let pool = pool.spawn().unwrap();
    let client = Connection::attach(0, channel.id()).unwrap();
    until(|| has(&handle, 1, 1));
    if !ask(&client, 20) {
        println!("receivers do not rise here: nothing is shown by this");
    }
    until(|| has(&handle, 2, 2));
    let home = sched::scheduling(None).unwrap();
    assert_eq!(*begun_as.lock().unwrap(), [home, home]);
    pool.stop().unwrap();
}
