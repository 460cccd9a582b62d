//! What a client that has gone leaves behind goes bit by bit: others have their turns in between.

use super::READ;
use crate::Result;
use crate::resource::{Attr, Call, Conditions, Done, Ocb, Opening, Read, Resource, Waiters, lock};
use crate::testing::{Bench, Client};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};

/// More than goes at once, by far.
const MANY: usize = 1000;

/// A file that counts its opens. A read of one byte holds the manager's thread until it is told to go on; one of two
/// waits; any other tells how many opens there are, and how many reads wait.
struct Counted {
    opens: AtomicUsize,
    waiters: Waiters,
    entered: Sender<()>,
    goes_on: Mutex<Receiver<()>>,
}

impl Resource for Counted {
    type Node = ();
    type Open = ();

    fn root(&self) {}

    fn attr(&self, (): &()) -> Result<Attr> {
        Ok(Attr::device(0o666))
    }

    fn open(&self, (): &(), _how: &Opening) -> Result<()> {
        self.opens.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    fn read(&self, _ocb: &Ocb, call: Call<'_, Read>) -> Result<Done> {
        match call.room() {
            1 => {
                self.entered.send(()).unwrap();
                lock(&self.goes_on).recv().unwrap();
            }
            2 => return self.waiters.wait(Conditions::INPUT, call),
            _ => {}
        }
        let opens = self.opens.load(Ordering::Relaxed);
        call.bytes(&opens.to_ne_bytes())
    }

    fn close(&self, _ocb: &Ocb) {
        self.opens.fetch_sub(1, Ordering::Relaxed);
    }

    fn waiters(&self, _ocb: &Ocb) -> Option<&Waiters> {
        Some(&self.waiters)
    }
}

/// A manager of one thread, and what holds that thread.
struct World {
    bench: Bench,
    entered: Receiver<()>,
    go_on: Sender<()>,
}

fn world() -> World {
    let ((entered_by, entered), (go_on, goes_on)) = (channel(), channel());
    let counted = Counted {
        opens: AtomicUsize::new(0),
        waiters: Waiters::new(),
        entered: entered_by,
        goes_on: Mutex::new(goes_on),
    };
    let bench = Bench::new(counted).unwrap();
    World {
        bench,
        entered,
        go_on,
    }
}

/// Messages bring about slices, so nobody can call without end and keep the rest there.
fn all_go(world: &World) {
    let good = world.bench.another().unwrap();
    let file = good.open(READ).unwrap();
    let opens = || {
        let data = good.begin_read(&file, 8).unwrap().finish().unwrap().data;
        usize::from_ne_bytes(data.try_into().unwrap())
    };
    // Those of the two clients before, whose files are closed, and this one's.
    assert!((0..8 * MANY).any(|_| opens() == 1));
}

/// How many opens there are when a read is answered that came when a client of many had just died.
fn left_when_a_read_is_answered(world: &World, bad: &Client) -> usize {
    let (holder, good) = (
        world.bench.another().unwrap(),
        world.bench.another().unwrap(),
    );
    let (held, file) = (holder.open(READ).unwrap(), good.open(READ).unwrap());
    let holds = holder.begin_read(&held, 1).unwrap();
    world.entered.recv().unwrap();
    bad.vanish();
    let read = good.begin_read(&file, 8).unwrap();
    world.go_on.send(()).unwrap();
    let data = read.finish().unwrap().data;
    holds.finish().unwrap();
    usize::from_ne_bytes(data.try_into().unwrap())
}

#[test]
fn du4_what_a_dead_client_waited_in_goes_bit_by_bit_and_all_of_it() {
    let world = world();
    let bad = world.bench.another().unwrap();
    let files: Vec<_> = (0..MANY).map(|_| bad.open(READ).unwrap()).collect();
    let begun = files.iter().map(|file| bad.begin_read(file, 2).unwrap());
    let begun: Vec<_> = begun.collect();
    bad.settle();
    let left = left_when_a_read_is_answered(&world, &bad);
    assert!(left > MANY, "{left}");
    all_go(&world);
    drop(begun);
}

#[test]
fn du4_another_clients_read_comes_before_all_closes_of_one_that_has_died() {
    let world = world();
    let bad = world.bench.another().unwrap();
    let files: Vec<_> = (0..MANY).map(|_| bad.open(READ).unwrap()).collect();
    let left = left_when_a_read_is_answered(&world, &bad);
    assert!(left > MANY / 2, "{left}");
    all_go(&world);
    drop(files);
}
