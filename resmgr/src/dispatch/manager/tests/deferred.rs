//! Answers that come late, and what happens to who waits for them.

use super::{BOTH, Running, bytes, open, root, serve};
use crate::client::{Caller, File};
use crate::ipc::{CancelToken, Rcvid};
use crate::resource::{
    Attr, Call, Conditions, Deferred, Done, Ocb, OnUnblock, Opening, Order, Read, Resource,
    Waiters, Write, lock,
};
use crate::wire::{MessageType, NotifyAction, Transfer};
use crate::{Errno, Result};
use std::collections::VecDeque;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread;

/// Every read is deferred and sent to the test.
struct Late {
    unblock: OnUnblock,
    reads: Mutex<Sender<Deferred<Read>>>,
    asked: Mutex<Sender<Rcvid>>,
}

impl Resource for Late {
    type Node = ();
    type Open = ();

    fn root(&self) {}

    fn attr(&self, (): &()) -> Result<Attr> {
        Ok(Attr::device(0o666))
    }

    fn open(&self, (): &(), _how: &Opening) -> Result<()> {
        Ok(())
    }

    fn read(&self, _ocb: &Ocb, call: Call<'_, Read>) -> Result<Done> {
        let (done, deferred) = call.defer(self.unblock)?;
        lock(&self.reads).send(deferred).unwrap();
        Ok(done)
    }

    fn write(&self, _ocb: &Ocb, call: Call<'_, Write>) -> Result<Done> {
        call.all()
    }

    fn unblock(&self, _ocb: &Ocb, call: Rcvid) {
        lock(&self.asked).send(call).unwrap();
    }
}

struct World {
    running: Running,
    file: Arc<File>,
    reads: Receiver<Deferred<Read>>,
    asked: Receiver<Rcvid>,
}

fn late(unblock: OnUnblock) -> World {
    let (reads, deferred) = channel();
    let (asked, was_asked) = channel();
    let late = Late {
        unblock,
        reads: Mutex::new(reads),
        asked: Mutex::new(asked),
    };
    let (running, chid) = serve(late, 1);
    World {
        running,
        file: Arc::new(open(chid, BOTH)),
        reads: deferred,
        asked: was_asked,
    }
}

/// A read in a thread of its own, which a token can end.
fn read(
    file: &Arc<File>,
    token: &Arc<CancelToken>,
) -> thread::JoinHandle<(Result<usize>, [u8; 8])> {
    let (file, token) = (Arc::clone(file), Arc::clone(token));
    thread::spawn(move || {
        let mut buffer = [0; 8];
        let caller = Caller {
            cancel: Some(&token),
            ..root()
        };
        (file.on_behalf(caller).read(&mut buffer), buffer)
    })
}

#[test]
fn hp4_a_reply_may_come_later_and_a_write_is_not_kept_out_meanwhile() {
    let world = late(OnUnblock::LetGo);
    let token = Arc::new(CancelToken::new());
    let reader = read(&world.file, &token);
    let deferred = world.reads.recv().unwrap();
    assert_eq!(world.file.write(b"x"), Ok(1));
    assert!(deferred.is_waiting());
    deferred.bytes(b"late").unwrap();
    let (count, buffer) = reader.join().unwrap();
    assert_eq!((count, &buffer[..4]), (Ok(4), &b"late"[..]));
}

#[test]
fn a_deferred_reply_that_is_dropped_answers_eio() {
    let world = late(OnUnblock::LetGo);
    let token = Arc::new(CancelToken::new());
    let reader = read(&world.file, &token);
    drop(world.reads.recv().unwrap());
    assert_eq!(reader.join().unwrap().0, Err(Errno::IO));
}

#[test]
fn hp7_who_is_to_be_let_go_at_once_is_and_the_reply_is_void() {
    let world = late(OnUnblock::LetGo);
    let token = Arc::new(CancelToken::new());
    let reader = read(&world.file, &token);
    let deferred = world.reads.recv().unwrap();
    token.cancel();
    assert_eq!(reader.join().unwrap().0, Err(Errno::INTR));
    assert!(!deferred.is_waiting());
    assert_eq!(deferred.bytes(b"x"), Err(Errno::SRCH));
}

#[test]
fn hp7_a_resource_that_wants_to_be_asked_decides() {
    let world = late(OnUnblock::Ask);
    let token = Arc::new(CancelToken::new());
    let reader = read(&world.file, &token);
    let deferred = world.reads.recv().unwrap();
    token.cancel();
    assert_eq!(world.asked.recv().unwrap(), deferred.rcvid());
    deferred.bytes(b"all the same").unwrap();
    assert_eq!(reader.join().unwrap().0, Ok(8));
}

#[test]
fn a_call_that_is_kept_stays_until_it_is_answered() {
    let world = late(OnUnblock::Keep);
    let token = Arc::new(CancelToken::new());
    let reader = read(&world.file, &token);
    let deferred = world.reads.recv().unwrap();
    token.cancel();
    // The pulse comes before this message of the same client.
    world.file.stat().unwrap();
    assert!(deferred.is_waiting());
    deferred.error(Errno::NXIO).unwrap();
    assert_eq!(reader.join().unwrap().0, Err(Errno::NXIO));
}

#[test]
fn who_waits_when_the_manager_ends_gets_esrch() {
    let world = late(OnUnblock::Keep);
    let token = Arc::new(CancelToken::new());
    let reader = read(&world.file, &token);
    let deferred = world.reads.recv().unwrap();
    world.running.stop().unwrap();
    assert_eq!(reader.join().unwrap().0, Err(Errno::SRCH));
    assert_eq!(deferred.bytes(b"x"), Err(Errno::SRCH));
}

/// What one writes, another reads; reads wait. Writes note their order.
#[derive(Default)]
struct Line {
    lines: Mutex<VecDeque<Vec<u8>>>,
    waiters: Waiters,
    order: Order,
    all: Arc<Mutex<Vec<u8>>>,
}

impl Resource for Line {
    type Node = ();
    type Open = ();

    fn root(&self) {}

    fn attr(&self, (): &()) -> Result<Attr> {
        Ok(Attr::device(0o666))
    }

    fn open(&self, (): &(), _how: &Opening) -> Result<()> {
        Ok(())
    }

    fn read(&self, _ocb: &Ocb, call: Call<'_, Read>) -> Result<Done> {
        let mut lines = lock(&self.lines);
        match lines.pop_front() {
            Some(line) => call.bytes(&line),
            None => self.waiters.wait(Conditions::INPUT, call),
        }
    }

    fn write(&self, _ocb: &Ocb, call: Call<'_, Write>) -> Result<Done> {
        let mut lines = lock(&self.lines);
        lines.push_back(call.data().to_vec());
        lock(&self.all).extend_from_slice(call.data());
        self.waiters.wake(Conditions::INPUT);
        call.all()
    }

    fn ready(&self, _ocb: &Ocb) -> Conditions {
        let mut ready = Conditions::OUTPUT;
        ready.set(Conditions::INPUT, !lock(&self.lines).is_empty());
        ready
    }

    fn waiters(&self, _ocb: &Ocb) -> Option<&Waiters> {
        Some(&self.waiters)
    }

    fn order(&self) -> Order {
        self.order
    }
}

#[test]
fn reads_that_wait_are_answered_in_their_order() {
    let (_running, chid) = serve(Line::default(), 1);
    let (one, two) = (open(chid, BOTH), open(chid, BOTH));
    let first = one.begin_read(8, None).unwrap();
    let second = two.begin_read(8, None).unwrap();
    let writer = open(chid, BOTH);
    writer.write(b"a").unwrap();
    writer.write(b"bc").unwrap();
    let mut buffer = [0; 8];
    assert_eq!(first.wait(&mut buffer), Ok(1));
    assert_eq!(second.wait(&mut buffer), Ok(2));
    assert_eq!(&buffer[..2], b"bc");
}

#[test]
fn nt2_poll_tells_what_is_the_case() {
    let (_running, chid) = serve(Line::default(), 1);
    let file = open(chid, BOTH);
    let event = crate::ipc::Event::none();
    let poll = || {
        let both = Conditions::INPUT | Conditions::OUTPUT;
        file.notify(NotifyAction::Poll, both, &event).unwrap()
    };
    assert_eq!(poll(), Conditions::OUTPUT);
    file.write(b"x").unwrap();
    assert_eq!(poll(), Conditions::INPUT | Conditions::OUTPUT);
}

#[test]
fn who_must_not_wait_gets_eagain() {
    let (_running, chid) = serve(Line::default(), 1);
    let file = open(chid, BOTH | crate::wire::OpenFlags::NONBLOCK);
    assert_eq!(file.read(&mut [0; 8]), Err(Errno::AGAIN));
}

/// Writes that one client has under way at once reach their handlers in the order in which it began them, whatever
/// number of threads there is.
fn keeps_order(order: Order, opens: usize) {
    const ROUNDS: u8 = 200;
    let all = Arc::new(Mutex::new(Vec::new()));
    let line = Line {
        order,
        all: Arc::clone(&all),
        ..Line::default()
    };
    let (_running, chid) = serve(line, 4);
    let files: Vec<_> = (0..opens).map(|_| open(chid, BOTH)).collect();
    let begun = (0..ROUNDS).map(|number| {
        let transfer = Transfer {
            len: 1,
            offset: None,
            nonblock: None,
        };
        let mut message = bytes(|out| transfer.encode(MessageType::WRITE, out));
        message.push(number);
        let file = &files[usize::from(number) % opens];
        file.connection.begin(&message, 0).unwrap()
    });
    let begun: Vec<_> = begun.collect();
    for call in begun {
        call.wait(&mut []).unwrap();
    }
    assert_eq!(*lock(&all), (0..ROUNDS).collect::<Vec<_>>());
}

#[test]
fn calls_of_one_open_keep_their_order_on_several_threads() {
    keeps_order(Order::PerOpen, 1);
}

#[test]
fn hp6_calls_of_one_file_keep_their_order_if_it_says_so() {
    keeps_order(Order::PerFile, 3);
}
