//! Asynchronous resources: what waits keeps nobody else waiting, and ends when nobody waits for it.

mod calls;
mod ends;
mod managers;
mod opens;
mod order;

use super::{ADD, root};
use crate::client::walk::{Ask, Said};
use crate::client::{Caller, File};
use crate::dispatch::{Manager, Running};
use crate::ipc::{ChannelFlags, ChannelId, ChannelOptions};
use crate::resource::{
    AsyncDevice, AsyncResource, At, Attr, Buffer, Devctl, Entries, Ocb, Opening, lock,
};
use crate::wire::{Connect, OpenFlags};
use crate::{Errno, Result};
use resmgr_namespace::{AttachFlags, Entry, FileType, Pathname};
use std::ffi::OsStr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;
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
    /// Whether attributes are told behind the gate, too.
    attr_waits: AtomicBool,
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
            attr_waits: AtomicBool::new(false),
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
    async fn read(&self, at: &At, buffer: &mut Buffer) -> Result<usize> {
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
        if self.0.attr_waits.load(Ordering::Relaxed) {
            self.0.pass().await;
        }
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

    async fn read(&self, _ocb: &Ocb<usize, usize>, at: &At, buffer: &mut Buffer) -> Result<usize> {
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
