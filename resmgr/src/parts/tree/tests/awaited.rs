//! Trees with asynchronous files.

use super::super::{Tree, TreeHandle};
use crate::client::{Caller, File};
use crate::ipc::CancelToken;
use crate::parts::Text;
use crate::parts::testing::{BOTH, LONG, READ, Served, rest, serve, serve_with};
use crate::resource::{
    AsyncDevice, AsyncResource, At, Attr, Buffer, Devctl, Entries, New, Ocb, Opening, Order, lock,
};
use crate::wire::{Dcmd, OpenFlags, dirents};
use crate::{Errno, Result};
use std::ffi::OsStr;
use std::io::SeekFrom;
use std::sync::{Arc, Condvar, Mutex};
use tokio::sync::Semaphore;

const GET: Dcmd = Dcmd::from_device::<u32>(5, 1);

/// A number that tests wait for.
#[derive(Default)]
struct Count(Mutex<usize>, Condvar);

impl Count {
    fn add(&self, more: isize) {
        let mut count = lock(&self.0);
        *count = count.checked_add_signed(more).unwrap();
        self.1.notify_all();
    }

    fn until(&self, wanted: usize) {
        let count = lock(&self.0);
        let waited = self.1.wait_timeout_while(count, LONG, |now| *now != wanted);
        assert!(!waited.unwrap().1.timed_out(), "never {wanted}");
    }
}

/// Where handlers wait, and what they did.
struct Gate {
    open: Semaphore,
    waiting: Count,
    opens: Count,
    log: Mutex<Vec<String>>,
}

/// One that waits.
struct Waits<'a>(&'a Gate);

impl Drop for Waits<'_> {
    fn drop(&mut self) {
        self.0.waiting.add(-1);
    }
}

impl Gate {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            open: Semaphore::new(0),
            waiting: Count::default(),
            opens: Count::default(),
            log: Mutex::default(),
        })
    }

    /// Waits until so many handlers wait.
    fn wait(&self, wanted: usize) {
        self.waiting.until(wanted);
    }

    /// Waits until so many files are open.
    fn opened(&self, wanted: usize) {
        self.opens.until(wanted);
    }

    async fn pass(&self) {
        self.waiting.add(1);
        let _waits = Waits(self);
        self.open.acquire().await.unwrap().forget();
    }
}

/// A device: a read at an offset other than 0 waits.
struct Door(Arc<Gate>);

impl AsyncDevice for Door {
    async fn read(&self, at: &At, buffer: &mut Buffer) -> Result<usize> {
        if at.offset > 0 {
            self.0.pass().await;
        }
        At::new(0).copy(b"through", buffer)
    }

    async fn write(&self, _at: &At, data: &[u8]) -> Result<usize> {
        Ok(data.len())
    }

    async fn devctl(&self, _at: &At, command: Devctl<'_>) -> Result<i32> {
        match command.command() {
            GET => {
                self.0.pass().await;
                command.reply(&7_u32)
            }
            _ => Err(Errno::NOTTY),
        }
    }
}

/// A directory with a file `a`, in which everything but the directory's own attributes waits.
struct Yard(Arc<Gate>, Order);

impl AsyncResource for Yard {
    type Node = u64;
    type Open = ();

    fn root(&self) -> u64 {
        70
    }

    async fn attr(&self, node: &u64) -> Result<Attr> {
        let attr = if *node == 70 {
            Attr::directory(0o755)
        } else {
            self.0.pass().await;
            Attr::file(0o644, 10)
        };
        Ok(attr.number(*node))
    }

    async fn lookup(&self, _dir: &u64, name: &OsStr) -> Result<u64> {
        self.0.pass().await;
        if name == "a" {
            Ok(71)
        } else {
            Err(Errno::NOENT)
        }
    }

    async fn open(&self, _node: &u64, _how: &Opening) -> Result<()> {
        self.0.pass().await;
        self.0.opens.add(1);
        Ok(())
    }

    async fn close(&self, _ocb: &Ocb<u64>) {
        self.0.opens.add(-1);
    }

    async fn create(&self, _dir: &u64, _name: &OsStr, _new: &New) -> Result<u64> {
        self.0.pass().await;
        Ok(71)
    }

    async fn read(&self, _ocb: &Ocb<u64>, at: &At, buffer: &mut Buffer) -> Result<usize> {
        lock(&self.0.log).push(format!("read {}", at.offset));
        self.0.pass().await;
        at.copy(b"0123456789", buffer)
    }

    async fn read_dir(&self, _ocb: &Ocb<u64>, from: u64, entries: &mut Entries) -> Result<()> {
        self.0.pass().await;
        if from == 0 {
            entries.add("a", 71, 1);
        }
        Ok(())
    }

    fn order(&self) -> Order {
        self.1
    }
}

fn tree(gate: &Arc<Gate>) -> Tree {
    let inner = Tree::new()
        .file("text", Text::get(|| "inner"))
        .file_async("yard", Yard(Arc::clone(gate), Order::PerFile));
    Tree::new()
        .file("text", Text::get(|| "plain"))
        .file_async("door", Door(Arc::clone(gate)))
        .file_async("yard", Yard(Arc::clone(gate), Order::PerOpen))
        .file("inner", inner)
}

fn read(file: &File, offset: u64) -> Result<usize> {
    file.read_at(&mut [0; 16], offset)
}

fn open(served: &Served, path: &str, flags: OpenFlags) -> File {
    served.open_at(path, flags).unwrap()
}

#[test]
fn a_file_that_waits_keeps_no_other_file_of_its_tree_waiting() {
    for threads in [1, 3] {
        let gate = Gate::new();
        let served = serve_with(tree(&gate), threads);
        let (text, door) = (open(&served, "text", READ), open(&served, "door", BOTH));
        let waits: Vec<_> = (0..20)
            .map(|_| door.begin_read(16, Some(1)).unwrap())
            .collect();
        gate.wait(20);
        assert_eq!(rest(&text), "plain");
        assert_eq!(rest(&open(&served, "inner/text", READ)), "inner");
        assert_eq!((read(&door, 0), door.write(b"abc")), (Ok(7), Ok(3)));
        gate.open.add_permits(20);
        for one in waits {
            assert_eq!(one.wait(&mut [0; 16]), Ok(7));
        }
        gate.open.add_permits(1);
        let mut data = [0; 4];
        assert_eq!(door.devctl(GET, &mut data), Ok(0));
        assert_eq!(u32::from_ne_bytes(data), 7);
        assert_eq!(door.devctl(Dcmd::none(5, 9), &mut []), Err(Errno::NOTTY));
    }
}

#[test]
fn an_unblock_and_a_close_drop_the_future_where_it_waits() {
    let gate = Gate::new();
    let served = serve(tree(&gate));
    let door = open(&served, "door", READ);
    let cancel = CancelToken::new();
    std::thread::scope(|scope| {
        let caller = Caller {
            cancel: Some(&cancel),
            ..Caller::default()
        };
        let door = &door;
        let waits = scope.spawn(move || door.on_behalf(caller).read_at(&mut [0; 16], 1));
        gate.wait(1);
        cancel.cancel();
        assert_eq!(waits.join().unwrap(), Err(Errno::INTR));
    });
    gate.wait(0);
    let waits = door.begin_read(16, Some(1)).unwrap();
    gate.wait(1);
    door.forget();
    assert_eq!(waits.wait(&mut [0; 16]), Err(Errno::BADF));
    gate.wait(0);
}

#[test]
fn everything_that_a_file_does_may_wait() {
    let gate = Gate::new();
    let served = serve(tree(&gate));
    std::thread::scope(|scope| {
        // Its lookup, its attributes, its open.
        let opens = scope.spawn(|| open(&served, "yard/a", READ));
        for _ in 0..3 {
            gate.wait(1);
            assert_eq!(rest(&open(&served, "text", READ)), "plain");
            gate.open.add_permits(1);
        }
        let file = opens.join().unwrap();
        gate.opened(1);
        gate.open.add_permits(100);
        let mut buffer = [0; 16];
        assert_eq!(file.seek_and_read(SeekFrom::End(-3), &mut buffer), Ok(3));
        assert_eq!(&buffer[..3], b"789");
        let again = file.open_again(READ).unwrap();
        gate.opened(2);
        assert_eq!(read(&again, 8), Ok(2));
        // The number that stat() tells is that of the entry.
        let dir = open(&served, "yard", READ);
        let mut buffer = [0; 256];
        let len = dir.read(&mut buffer).unwrap();
        let last = dirents(&buffer[..len]).last().unwrap().unwrap();
        assert_eq!((last.name, last.ino), (&b"a"[..], file.stat().unwrap().ino));
        assert_ne!(
            last.ino,
            open(&served, "inner/yard/a", READ).stat().unwrap().ino
        );
        assert_eq!(file.write(b"x"), Err(Errno::BADF));
    });
    gate.opened(0);
}

#[test]
fn a_file_keeps_its_order_in_a_tree_and_in_a_tree_of_that() {
    let gate = Gate::new();
    let served = serve(tree(&gate));
    gate.open.add_permits(6);
    let yard = [(); 2].map(|()| open(&served, "yard/a", READ));
    // Of one open one after the other; of two at the same time.
    let begun = [&yard[0], &yard[0], &yard[1]].map(|file| file.begin_read(2, None).unwrap());
    gate.wait(2);
    assert_eq!(*lock(&gate.log), ["read 0", "read 0"]);
    gate.open.add_permits(3);
    for one in begun {
        assert_eq!(one.wait(&mut [0; 2]), Ok(2));
    }
    assert_eq!(lock(&gate.log)[2], "read 2");
    gate.open.add_permits(6);
    let inner = [(); 2].map(|()| open(&served, "inner/yard/a", READ));
    let begun = inner
        .each_ref()
        .map(|file| file.begin_read(2, None).unwrap());
    for one in begun {
        gate.wait(1);
        gate.open.add_permits(1);
        assert_eq!(one.wait(&mut [0; 2]), Ok(2));
    }
}

fn late(handle: &TreeHandle, gate: &Arc<Gate>) -> Result<()> {
    handle.add_async("late/door", Door(Arc::clone(gate)))
}

#[test]
fn an_asynchronous_file_is_added_where_such_can_run() {
    let gate = Gate::new();
    let tree = tree(&gate);
    let handle = tree.handle();
    let served = serve(tree);
    assert_eq!(late(&handle, &gate), Ok(()));
    assert_eq!(late(&handle, &gate), Err(Errno::EXIST));
    let door = open(&served, "late/door", READ);
    let waits = door.begin_read(16, Some(1)).unwrap();
    gate.wait(1);
    // What is open stays when it is removed.
    assert_eq!(handle.remove("late"), Ok(()));
    assert_eq!(
        served.open_at("late/door", READ).map(drop),
        Err(Errno::NOENT)
    );
    gate.open.add_permits(1);
    assert_eq!(waits.wait(&mut [0; 16]), Ok(7));
    let plain = Tree::new().file("text", Text::get(|| "plain"));
    let handle = plain.handle();
    let _served = serve(plain);
    assert_eq!(late(&handle, &gate), Err(Errno::NOTSUP));
}

#[test]
fn the_end_of_a_manager_ends_what_waits_in_a_tree() {
    let gate = Gate::new();
    let served = serve(tree(&gate));
    gate.open.add_permits(3);
    let file = open(&served, "yard/a", READ);
    let begun: Vec<_> = (0..5)
        .map(|_| file.begin_read(2, None).unwrap())
        .chain((0..5).map(|at| file.begin_read(2, Some(at)).unwrap()))
        .collect();
    gate.wait(6);
    drop(served);
    for one in begun {
        assert_eq!(one.wait(&mut [0; 2]), Err(Errno::SRCH));
    }
    gate.wait(0);
    gate.opened(0);
    assert_eq!(Arc::strong_count(&gate), 1);
}
