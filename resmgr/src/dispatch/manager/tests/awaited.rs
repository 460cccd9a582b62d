//! Asynchronous resources: what waits keeps nobody else waiting, and ends when nobody waits for it.

use super::{ADD, BOTH, READ, WRITE, bytes, refused, root};
use crate::client::walk::{Ask, Said};
use crate::client::{Caller, File};
use crate::dispatch::{Manager, Running};
use crate::ipc::{CancelToken, ChannelFlags, ChannelId, ChannelOptions, Connection};
use crate::resource::{
    AsyncDevice, AsyncResource, At, Attr, Devctl, Device, Entries, Ocb, Opening, Order, lock,
};
use crate::wire::{self, Connect, ConnectKind, Msg, OpenFlags, Stat};
use crate::{Errno, Result};
use resmgr_namespace::{AttachFlags, Entry, FileType, Pathname};
use std::collections::VecDeque;
use std::ffi::OsStr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};
use tokio::sync::Semaphore;

/// A test that waits longer has failed.
const LIMIT: Duration = Duration::from_mins(1);

/// A number that tests wait for.
#[derive(Default)]
struct Count(Mutex<usize>, Condvar);

impl Count {
    fn add(&self, more: isize) {
        let mut count = lock(&self.0);
        *count = count.checked_add_signed(more).unwrap();
        self.1.notify_all();
    }

    /// Waits until it has this value.
    fn until(&self, wanted: usize) {
        let count = lock(&self.0);
        let waited = self
            .1
            .wait_timeout_while(count, LIMIT, |now| *now != wanted);
        assert!(!waited.unwrap().1.timed_out(), "never {wanted}");
    }
}

/// Counts the futures that wait in a handler.
struct Guard(Arc<Watch>);

impl Guard {
    fn new(watch: &Arc<Watch>) -> Self {
        watch.waiting.add(1);
        Self(Arc::clone(watch))
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.0.waiting.add(-1);
    }
}

/// What a test sees of a resource, and does to it.
struct Watch {
    /// Handlers that wait now.
    waiting: Count,
    /// Those that have ever waited.
    came: Count,
    /// Opens that were not closed.
    opens: Count,
    /// Each lets one handler go on.
    gate: Semaphore,
    /// What handlers did, in their order.
    log: Mutex<Vec<String>>,
    data: Mutex<Vec<u8>>,
}

impl Watch {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            waiting: Count::default(),
            came: Count::default(),
            opens: Count::default(),
            gate: Semaphore::new(0),
            log: Mutex::default(),
            data: Mutex::default(),
        })
    }

    async fn pass(self: &Arc<Self>) {
        let _guard = Guard::new(self);
        self.came.add(1);
        self.gate.acquire().await.unwrap().forget();
    }

    fn note(&self, what: String) {
        lock(&self.log).push(what);
    }

    fn noted(&self) -> Vec<String> {
        lock(&self.log).clone()
    }
}

/// Where a read waits.
const WAIT: u64 = 1;
/// Where it panics.
const PANIC: u64 = 2;
/// Where it lets others go on some times.
const TURNS: u64 = 3;

/// A device: reads at [`WAIT`] and writes of "wait" pass the gate.
struct Door(Arc<Watch>);

impl AsyncDevice for Door {
    async fn read(&self, at: &At, buffer: &mut [u8]) -> Result<usize> {
        match at.offset {
            WAIT => self.0.pass().await,
            PANIC => panic!("as the test wants"),
            TURNS => {
                for _ in 0..10 {
                    tokio::task::yield_now().await;
                }
            }
            _ => {}
        }
        At::new(0).copy(b"through", buffer)
    }

    async fn write(&self, at: &At, data: &[u8]) -> Result<usize> {
        if data == b"wait" {
            self.0.pass().await;
        }
        self.0.note(format!("write {}", at.offset));
        Ok(data.len())
    }

    async fn devctl(&self, _at: &At, command: Devctl<'_>) -> Result<i32> {
        match command.command() {
            ADD => {
                self.0.pass().await;
                let value: u32 = command.value()?;
                command.reply(&(value + 1))
            }
            _ => Err(Errno::NOTTY),
        }
    }
}

/// A directory with the files `now` and `late`; opening the latter passes the gate. Both have the same data.
struct Yard(Arc<Watch>);

impl Yard {
    const NAMES: [&str; 3] = ["", "now", "late"];
}

impl AsyncResource for Yard {
    type Node = usize;
    type Open = usize;

    fn root(&self) -> usize {
        0
    }

    async fn attr(&self, node: &usize) -> Result<Attr> {
        let size = lock(&self.0.data).len() as u64;
        let attr = match node {
            0 => Attr::directory(0o755),
            _ => Attr::file(0o666, size),
        };
        Ok(attr.number(*node as u64 + 1))
    }

    async fn lookup(&self, _dir: &usize, name: &OsStr) -> Result<usize> {
        let found = Self::NAMES.iter().position(|known| *known == name);
        found.ok_or(Errno::NOENT)
    }

    async fn open(&self, node: &usize, _how: &Opening) -> Result<usize> {
        if *node == 2 {
            self.0.pass().await;
        }
        self.0.opens.add(1);
        Ok(*node)
    }

    async fn close(&self, _ocb: &Ocb<usize, usize>) {
        self.0.opens.add(-1);
    }

    async fn read(&self, _ocb: &Ocb<usize, usize>, at: &At, buffer: &mut [u8]) -> Result<usize> {
        self.0.note(format!("read {}", at.offset));
        self.0.pass().await;
        at.copy(&lock(&self.0.data), buffer)
    }

    async fn write(&self, _ocb: &Ocb<usize, usize>, at: &At, data: &[u8]) -> Result<usize> {
        self.0.note(format!("write {}", at.offset));
        self.0.pass().await;
        let mut bytes = lock(&self.0.data);
        let start = usize::try_from(at.offset).unwrap();
        let end = bytes.len().max(start + data.len());
        bytes.resize(end, 0);
        bytes[start..start + data.len()].copy_from_slice(data);
        Ok(data.len())
    }

    async fn msg(
        &self,
        _ocb: &Ocb<usize, usize>,
        kind: (u16, u16),
        data: &[u8],
        reply: &mut Vec<u8>,
    ) -> Result<i64> {
        self.0.pass().await;
        reply.extend(data.iter().rev());
        Ok(kind.1.into())
    }

    async fn read_dir(
        &self,
        _ocb: &Ocb<usize, usize>,
        from: u64,
        entries: &mut Entries,
    ) -> Result<()> {
        self.0.pass().await;
        let from = usize::try_from(from).unwrap();
        for (number, name) in Self::NAMES.iter().enumerate().skip(from.max(1)) {
            let number = number as u64;
            if !entries.add(name, number + 1, number + 1) {
                break;
            }
        }
        Ok(())
    }

    async fn sync(&self, _ocb: &Ocb<usize, usize>, data_only: bool) -> Result<()> {
        self.0.note(format!("sync {data_only}"));
        Ok(())
    }
}

fn manager() -> Manager {
    let options = ChannelOptions {
        flags: ChannelFlags::PRIVATE,
        ..ChannelOptions::default()
    };
    Manager::with_options(options).unwrap()
}

/// Serves one on a private channel.
fn serve<R: AsyncResource>(
    resource: impl FnOnce(Arc<Watch>) -> R,
) -> (Running, ChannelId, Arc<Watch>) {
    let watch = Watch::new();
    let manager = manager()
        .unnamed_async(0, resource(Arc::clone(&watch)))
        .unwrap();
    let chid = manager.channel();
    (manager.spawn().unwrap(), chid, watch)
}

fn open_with(
    caller: &Caller<'_>,
    (chid, handle): (ChannelId, u32),
    name: &str,
    flags: OpenFlags,
) -> Result<File> {
    let entry = Entry {
        nd: 0,
        pid: 0,
        identity: 0,
        chid: chid.raw().cast_signed(),
        handle,
        file_type: FileType::ANY,
        flags: AttachFlags::DIR,
        prefix_len: 2,
    };
    let connect = Connect {
        flags,
        ..Connect::default()
    };
    let ask = Ask {
        connect,
        next: &[],
        room: 100,
    };
    let path = format!("/x/{name}");
    let path = Pathname::new(path.trim_end_matches('/'))?.into();
    match caller.server(&path, &entry, &ask)? {
        Said::Yes(found) => Ok(File::new(found.connection, flags)),
        Said::NotHere | Said::Unable | Said::Gone | Said::GoOn(_) => Err(Errno::NOENT),
    }
}

fn open(chid: ChannelId, name: &str, flags: OpenFlags) -> File {
    open_with(&root(), (chid, 0), name, flags).unwrap()
}

fn read(file: &File, offset: u64) -> Result<usize> {
    file.read_at(&mut [0; 16], offset)
}

#[test]
fn a_read_that_waits_keeps_nobody_waiting() {
    let (_running, chid, watch) = serve(Door);
    let (one, two) = (open(chid, "", BOTH), open(chid, "", BOTH));
    let waits = one.begin_read(16, Some(WAIT)).unwrap();
    watch.waiting.until(1);
    assert_eq!(read(&two, 0), Ok(7));
    assert_eq!(read(&one, 0), Ok(7));
    assert_eq!(one.write(b"x"), Ok(1));
    assert!(one.stat().is_ok());
    watch.gate.add_permits(1);
    let mut buffer = [0; 16];
    assert_eq!(waits.wait(&mut buffer), Ok(7));
    assert_eq!(&buffer[..7], b"through");
    watch.waiting.until(0);
}

#[test]
fn many_reads_wait_on_one_thread() {
    let (_running, chid, watch) = serve(Door);
    let file = open(chid, "", READ);
    let begun: Vec<_> = (0..900)
        .map(|_| file.begin_read(16, Some(WAIT)).unwrap())
        .collect();
    watch.waiting.until(900);
    watch.gate.add_permits(900);
    for read in begun {
        assert_eq!(read.wait(&mut [0; 16]), Ok(7));
    }
    watch.waiting.until(0);
}

#[test]
fn an_unblock_drops_the_future_where_it_waits() {
    let (_running, chid, watch) = serve(Door);
    let file = open(chid, "", READ);
    let soon = Caller {
        deadline: Some(Instant::now() + Duration::from_millis(20)),
        ..Caller::default()
    };
    let late = file.on_behalf(soon).read_at(&mut [0; 16], WAIT);
    assert_eq!(late, Err(Errno::TIMEDOUT));
    watch.waiting.until(0);
    let cancel = CancelToken::new();
    std::thread::scope(|scope| {
        let caller = Caller {
            cancel: Some(&cancel),
            ..Caller::default()
        };
        let file = &file;
        let waits = scope.spawn(move || file.on_behalf(caller).read_at(&mut [0; 16], WAIT));
        watch.waiting.until(1);
        cancel.cancel();
        assert_eq!(waits.join().unwrap(), Err(Errno::INTR));
    });
    watch.waiting.until(0);
    let given_up = file.begin_read(16, Some(WAIT)).unwrap();
    watch.waiting.until(1);
    drop(given_up);
    watch.waiting.until(0);
    assert_eq!(read(&file, 0), Ok(7));
}

#[test]
fn a_connection_that_goes_ends_its_calls() {
    let (_running, chid, watch) = serve(Door);
    let file = open(chid, "", READ);
    let waits = file.begin_read(16, Some(WAIT)).unwrap();
    watch.waiting.until(1);
    file.forget();
    assert_eq!(waits.wait(&mut [0; 16]), Err(Errno::BADF));
    watch.waiting.until(0);
}

#[test]
fn a_panic_in_a_future_is_eio_for_its_caller_and_nobody_else() {
    let (_running, chid, watch) = serve(Door);
    let file = open(chid, "", READ);
    let waits = file.begin_read(16, Some(WAIT)).unwrap();
    watch.waiting.until(1);
    assert_eq!(read(&file, PANIC), Err(Errno::IO));
    assert_eq!(read(&file, 0), Ok(7));
    watch.gate.add_permits(1);
    assert_eq!(waits.wait(&mut [0; 16]), Ok(7));
}

#[test]
fn a_lane_goes_on_after_a_panic_and_after_an_unblock() {
    let (_running, chid, watch) = serve(Door);
    let file = open(chid, "", READ);
    file.seek_and_read(std::io::SeekFrom::Start(0), &mut [0; 2])
        .unwrap();
    // Position 2: a panic.
    assert_eq!(file.read(&mut [0; 2]), Err(Errno::IO));
    let moved = file.seek_and_read(std::io::SeekFrom::Start(0), &mut [0; 1]);
    assert_eq!(moved, Ok(1));
    // Position 1: it waits, and so does who comes behind.
    let first = file.begin_read(1, None).unwrap();
    watch.waiting.until(1);
    let second = file.begin_read(16, None).unwrap();
    let third = file.begin_read(16, None).unwrap();
    drop(second);
    drop(first);
    // The third waits at the gate now.
    watch.came.until(2);
    watch.gate.add_permits(1);
    assert_eq!(third.wait(&mut [0; 16]), Ok(7));
    watch.waiting.until(0);
}

#[test]
fn a_waiting_read_of_a_device_keeps_no_write_out() {
    let (_running, chid, watch) = serve(Door);
    let file = open(chid, "", BOTH);
    file.read(&mut [0; 1]).unwrap();
    let waits = file.begin_read(16, None).unwrap();
    watch.waiting.until(1);
    assert_eq!(file.write(b"x"), Ok(1));
    let write = file.begin_write(b"wait", None).unwrap();
    watch.waiting.until(2);
    watch.gate.add_permits(2);
    assert_eq!(waits.wait(&mut [0; 16]), Ok(7));
    assert_eq!(write.wait(), Ok(4));
}

#[test]
fn reads_and_writes_of_an_open_of_a_file_are_in_order() {
    let (_running, chid, watch) = serve(Yard);
    let (one, two) = (open(chid, "now", BOTH), open(chid, "now", READ));
    let writes: Vec<_> = ["ab", "cd"]
        .map(|text| one.begin_write(text.as_bytes(), None).unwrap())
        .into();
    let read = one.begin_read(2, None).unwrap();
    watch.waiting.until(1);
    let other = two.begin_read(1, None).unwrap();
    watch.waiting.until(2);
    assert_eq!(watch.noted(), ["write 0", "read 0"]);
    watch.gate.add_permits(100);
    for write in writes {
        assert_eq!(write.wait(), Ok(2));
    }
    assert_eq!(read.wait(&mut [0; 2]), Ok(0));
    assert!(other.wait(&mut [0; 1]).is_ok());
    assert_eq!(watch.noted(), ["write 0", "read 0", "write 2", "read 4"]);
    assert_eq!(one.position(), Ok(4));
    assert_eq!(*lock(&watch.data), b"abcd");
}

#[test]
fn o_append_writes_at_the_end_and_o_sync_is_answered_when_it_is_safe() {
    let (_running, chid, watch) = serve(Yard);
    let flags = WRITE | OpenFlags::APPEND;
    let files = [(); 2].map(|()| open(chid, "now", flags));
    let writes: Vec<_> = (0..6)
        .map(|turn| files[turn % 2].begin_write(b"abc", None).unwrap())
        .collect();
    watch.gate.add_permits(100);
    for write in writes {
        assert_eq!(write.wait(), Ok(3));
    }
    assert_eq!(*lock(&watch.data), b"abc".repeat(6));
    let log = watch.noted();
    assert_eq!(log, [0, 3, 6, 9, 12, 15].map(|at| format!("write {at}")));
    let safe = open(chid, "now", WRITE | OpenFlags::DATA_SYNC);
    assert_eq!(safe.write(b"x"), Ok(1));
    assert_eq!(watch.noted()[6..], ["write 0", "sync true"]);
}

#[test]
fn devctl_and_messages_wait_and_answer() {
    let (_running, chid, watch) = serve(Door);
    let file = open(chid, "", READ);
    std::thread::scope(|scope| {
        let waits = scope.spawn(|| {
            let mut data = 41_u32.to_ne_bytes();
            (file.devctl(ADD, &mut data), u32::from_ne_bytes(data))
        });
        watch.waiting.until(1);
        assert_eq!(read(&file, 0), Ok(7));
        watch.gate.add_permits(1);
        assert_eq!(waits.join().unwrap(), (Ok(0), 42));
    });
    let (_running, chid, watch) = serve(Yard);
    watch.gate.add_permits(1);
    let file = open(chid, "now", READ);
    let mut reply = [0; 3];
    let message = Msg {
        manager: 0xf001,
        subtype: 5,
    };
    let said = file.message(message, b"abc", &mut reply).unwrap();
    assert_eq!((said.status, &reply), (5, b"cba"));
}

#[test]
fn an_open_may_wait_and_is_dropped_when_its_client_is_let_go() {
    let (_running, chid, watch) = serve(Yard);
    let cancel = CancelToken::new();
    std::thread::scope(|scope| {
        let caller = Caller {
            cancel: Some(&cancel),
            ..root()
        };
        let waits = scope.spawn(move || open_with(&caller, (chid, 0), "late", READ).map(drop));
        watch.waiting.until(1);
        // Nobody else waits.
        drop(open(chid, "now", READ));
        cancel.cancel();
        assert_eq!(waits.join().unwrap(), Err(Errno::INTR));
    });
    watch.waiting.until(0);
    std::thread::scope(|scope| {
        let waits = scope.spawn(|| open_with(&root(), (chid, 0), "late", READ));
        watch.waiting.until(1);
        watch.gate.add_permits(1);
        assert!(waits.join().unwrap().is_ok());
    });
    watch.opens.until(0);
}

#[test]
fn a_directory_is_read_and_a_combine_is_answered_late() {
    let (_running, chid, watch) = serve(Yard);
    let dir = open(chid, "", READ);
    watch.gate.add_permits(10);
    let mut buffer = [0; 1024];
    let len = dir.read(&mut buffer).unwrap();
    let entries = wire::dirents(&buffer[..len]);
    let names: Vec<_> = entries.map(|entry| entry.unwrap().name.to_vec()).collect();
    assert_eq!(names, [&b"."[..], b"..", b"now", b"late"]);
    assert_eq!(dir.read(&mut buffer), Ok(0));
    let connection = Connection::attach(0, chid).unwrap();
    let connect = Connect {
        kind: ConnectKind::COMBINE_CLOSE,
        path: b"late",
        ..Connect::default()
    };
    let mut message = bytes(|out| connect.encode(out).unwrap());
    wire::encode_stat(&mut message);
    let mut room = [0; Stat::SIZE];
    connection.send(&message, &mut room).unwrap();
    assert_eq!(Stat::decode(&room).unwrap().ino, 3);
    assert_eq!(refused(&connection, &bytes(wire::encode_stat)), Errno::BADF);
    watch.opens.until(1);
    drop(dir);
    watch.opens.until(0);
}

/// Answers at once.
struct Plain;

impl Device for Plain {
    fn read(&self, _at: &At, buffer: &mut [u8]) -> Result<usize> {
        At::new(0).copy(b"plain", buffer)
    }
}

#[test]
fn plain_and_asynchronous_resources_are_in_one_manager() {
    for threads in [1, 3] {
        let watch = Watch::new();
        let manager = manager().threads(threads).unnamed(Plain);
        let manager = manager.unnamed_async(1, Door(Arc::clone(&watch))).unwrap();
        let chid = manager.channel();
        let running = manager.spawn().unwrap();
        let plain = open_with(&root(), (chid, 0), "", READ).unwrap();
        let door = open_with(&root(), (chid, 1), "", READ).unwrap();
        let waits: Vec<_> = (0..50)
            .map(|_| door.begin_read(16, Some(WAIT)).unwrap())
            .collect();
        watch.waiting.until(50);
        for _ in 0..100 {
            assert_eq!(read(&plain, 0), Ok(5));
            assert_eq!(read(&door, 0), Ok(7));
        }
        watch.gate.add_permits(50);
        for one in waits {
            assert_eq!(one.wait(&mut [0; 16]), Ok(7));
        }
        drop((plain, door));
        running.stop().unwrap();
    }
}

/// The clients never leave the channel empty, and a handler that takes some turns is done all the same.
#[test]
fn a_flood_of_messages_does_not_starve_handlers() {
    let watch = Watch::new();
    let manager = manager().unnamed(Plain);
    let manager = manager.unnamed_async(1, Door(Arc::clone(&watch))).unwrap();
    let chid = manager.channel();
    let _running = manager.spawn().unwrap();
    let door = open_with(&root(), (chid, 1), "", READ).unwrap();
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let flood = || {
            let plain = open_with(&root(), (chid, 0), "", READ).unwrap();
            let mut begun = VecDeque::new();
            while !done.load(Ordering::Relaxed) {
                begun.push_back(plain.begin_read(1, Some(0)).unwrap());
                if begun.len() > 200 {
                    assert_eq!(begun.pop_front().unwrap().wait(&mut [0]), Ok(1));
                }
            }
        };
        (0..3).for_each(|_| drop(scope.spawn(flood)));
        for _ in 0..20 {
            assert_eq!(read(&door, TURNS), Ok(7));
        }
        done.store(true, Ordering::Relaxed);
    });
}

#[test]
fn handlers_run_in_a_programs_own_runtime() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .build()
        .unwrap();
    let watch = Watch::new();
    let manager = manager().on_runtime(runtime.handle().clone());
    let manager = manager.unnamed_async(0, Door(Arc::clone(&watch))).unwrap();
    let chid = manager.channel();
    let running = manager.spawn().unwrap();
    let file = open(chid, "", READ);
    let mut begun: Vec<_> = (0..200)
        .map(|_| file.begin_read(16, Some(WAIT)).unwrap())
        .collect();
    watch.waiting.until(200);
    assert_eq!(read(&file, PANIC), Err(Errno::IO));
    drop(begun.split_off(100));
    watch.waiting.until(100);
    watch.gate.add_permits(50);
    watch.waiting.until(50);
    running.stop().unwrap();
    let ends: Vec<_> = begun
        .into_iter()
        .map(|one| one.wait(&mut [0; 16]))
        .collect();
    assert_eq!(ends.iter().filter(|end| **end == Ok(7)).count(), 50);
    let refused = ends.iter().filter(|end| **end == Err(Errno::SRCH));
    assert_eq!(refused.count(), 50);
    watch.waiting.until(0);
    // The program's runtime goes on.
    assert_eq!(runtime.block_on(async { 5 }), 5);
}

#[test]
fn stopping_answers_everybody_and_leaves_nothing() {
    let (running, chid, watch) = serve(Yard);
    let file = open(chid, "now", READ);
    let begun: Vec<_> = (0..300)
        .map(|turn| file.begin_read(16, Some(turn)).unwrap())
        .collect();
    watch.waiting.until(300);
    let queued: Vec<_> = (0..10)
        .map(|_| file.begin_read(16, None).unwrap())
        .collect();
    watch.waiting.until(301);
    std::thread::scope(|scope| {
        let opens = scope.spawn(|| open_with(&root(), (chid, 0), "late", READ).map(drop));
        watch.waiting.until(302);
        running.stop().unwrap();
        assert!(opens.join().unwrap().is_err());
    });
    for one in begun.into_iter().chain(queued) {
        assert_eq!(one.wait(&mut [0; 16]), Err(Errno::SRCH));
    }
    watch.waiting.until(0);
    // The close handler has run.
    watch.opens.until(0);
    assert_eq!(Arc::strong_count(&watch), 1);
}

/// A resource whose order is per file.
struct Single(Arc<Watch>);

impl AsyncResource for Single {
    type Node = ();
    type Open = ();

    fn root(&self) {}

    async fn attr(&self, (): &()) -> Result<Attr> {
        Ok(Attr::device(0o666))
    }

    async fn open(&self, (): &(), _how: &Opening) -> Result<()> {
        Ok(())
    }

    async fn read(&self, _ocb: &Ocb, _at: &At, _buffer: &mut [u8]) -> Result<usize> {
        self.0.pass().await;
        Ok(0)
    }

    fn order(&self) -> Order {
        Order::PerFile
    }
}

#[test]
fn calls_of_all_opens_are_in_order_where_the_resource_wants_it() {
    let (_running, chid, watch) = serve(Single);
    let files = [(); 3].map(|()| open(chid, "", READ));
    let begun = files
        .each_ref()
        .map(|file| file.begin_read(1, None).unwrap());
    for one in begun {
        watch.waiting.until(1);
        watch.gate.add_permits(1);
        assert_eq!(one.wait(&mut [0; 1]), Ok(0));
    }
    watch.waiting.until(0);
}
