//! The server process: the test program itself, started again.

use resmgr::ipc::{Channel, ChannelFlags, ChannelOptions, ConnectRights, PulseCode, Received};
use resmgr::parts::MemFs;
use resmgr::prelude::*;
use resmgr::resmgr_attach;
use resmgr_namespace::FileType;
use std::sync::Mutex;
use std::time::Duration;

/// The type of a read message.
const READ: u16 = 0x101;

fn ready() -> std::ffi::OsString {
    std::env::var_os("RESMGR_TEST_READY").expect("a file to say that it is ready")
}

/// Serves the names of the environment for ever; returns at once where there are none.
pub(crate) fn serve_if_asked() {
    let Ok(names) = std::env::var("RESMGR_TEST_NAMES") else {
        return;
    };
    let _ = resmgr_sys::process::die_with_parent();
    if names.ends_with("patient") {
        patient(&names);
    }
    let mut manager = Manager::open_to(ConnectRights::Anyone)
        .expect("a manager")
        .threads(16);
    for name in names.split(' ') {
        let kind = name.rsplit(['/', '-']).next().unwrap_or_default();
        manager = match kind {
            "hello" => manager.attach(name, Hello),
            "store" => manager.attach(name, Store::default()),
            "slow" => manager.attach(name, Slow),
            "who" => manager.attach(name, Who),
            "control" => manager.attach(name, Control::default()),
            "mute" => manager.attach(name, Mute),
            "private" => manager.attach(name, Private),
            "queue" => manager.attach(name, Queue::default()),
            "fs" => {
                let files = MemFs::new().permissions(0o1777);
                manager.attach_with(name, AttachFlags::DIR, files)
            }
            other => panic!("no device {other}"),
        }
        .expect("attached");
    }
    let running = manager.spawn().expect("serving");
    std::fs::write(ready(), "").expect("the directory is there");
    std::thread::sleep(Duration::from_mins(10));
    drop(running);
}

struct Hello;

impl Device for Hello {
    fn read(&self, at: &At, buffer: &mut [u8]) -> Result<usize> {
        at.copy(b"Hello, world!\n", buffer)
    }
}

/// Bytes, as a file has them.
#[derive(Default)]
struct Store(Mutex<Vec<u8>>);

impl Device for Store {
    fn attr(&self) -> Attr {
        Attr::file(
            0o666,
            self.0.lock().expect("no handler panics").len() as u64,
        )
    }

    fn read(&self, at: &At, buffer: &mut [u8]) -> Result<usize> {
        at.copy(&self.0.lock().expect("no handler panics"), buffer)
    }

    fn write(&self, at: &At, data: &[u8]) -> Result<usize> {
        let start = usize::try_from(at.offset).map_err(|_| Errno::FBIG)?;
        let end = start
            .checked_add(data.len())
            .filter(|end| *end < 64 << 20)
            .ok_or(Errno::FBIG)?;
        let mut bytes = self.0.lock().expect("no handler panics");
        if bytes.len() < end {
            bytes.resize(end, 0);
        }
        bytes[start..end].copy_from_slice(data);
        Ok(data.len())
    }

    fn truncate(&self, size: u64) -> Result<()> {
        let size = usize::try_from(size).map_err(|_| Errno::FBIG)?;
        self.0.lock().expect("no handler panics").resize(size, 0);
        Ok(())
    }
}

/// Never answers a read.
struct Slow;

impl Device for Slow {
    fn read(&self, _at: &At, _buffer: &mut [u8]) -> Result<usize> {
        std::thread::sleep(Duration::from_mins(10));
        Ok(0)
    }

    fn write(&self, _at: &At, data: &[u8]) -> Result<usize> {
        Ok(data.len())
    }
}

/// Says who asks.
struct Who;

impl Device for Who {
    fn read(&self, at: &At, buffer: &mut [u8]) -> Result<usize> {
        let client = at.client;
        let line = format!("{} {} {}\n", client.pid, client.uid, client.gid);
        at.copy(line.as_bytes(), buffer)
    }
}

/// A number behind device commands of class 'c'.
#[derive(Default)]
struct Control(Mutex<u32>);

impl Device for Control {
    fn devctl(&self, _at: &At, command: Devctl<'_>) -> Result<i32> {
        let mut number = self.0.lock().expect("no handler panics");
        match command.command() {
            one if one == Dcmd::to_device::<u32>(b'c', 1) => {
                *number = command.value()?;
                Ok(7)
            }
            one if one == Dcmd::from_device::<u32>(b'c', 2) => command.reply(&*number),
            one if one == Dcmd::exchange::<u32>(b'c', 3) => {
                *number += command.value::<u32>()?;
                command.reply(&*number)
            }
            one if one == Dcmd::none(b'c', 4) => {
                *number = 0;
                Ok(0)
            }
            _ => Err(Errno::NOSYS),
        }
    }
}

/// Has no handler at all.
struct Mute;

impl Device for Mute {}

/// Only for its owner.
struct Private;

impl Device for Private {
    fn attr(&self) -> Attr {
        Attr::device(0o600)
    }

    fn read(&self, at: &At, buffer: &mut [u8]) -> Result<usize> {
        at.copy(b"secret\n", buffer)
    }
}

/// What one writes, another reads; reads wait.
#[derive(Default)]
struct Queue {
    bytes: Mutex<Vec<u8>>,
    waiters: Waiters,
}

impl Resource for Queue {
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
        let mut bytes = self.bytes.lock().expect("no handler panics");
        if bytes.is_empty() {
            return self.waiters.wait(Conditions::INPUT, call);
        }
        let count = call.room().min(bytes.len());
        let taken: Vec<u8> = bytes.drain(..count).collect();
        call.bytes(&taken)
    }

    fn write(&self, _ocb: &Ocb, call: Call<'_, Write>) -> Result<Done> {
        let mut bytes = self.bytes.lock().expect("no handler panics");
        bytes.extend_from_slice(call.data());
        self.waiters.wake(Conditions::INPUT);
        call.all()
    }

    fn ready(&self, _ocb: &Ocb) -> Conditions {
        let mut ready = Conditions::OUTPUT;
        let is_empty = self.bytes.lock().expect("no handler panics").is_empty();
        ready.set(Conditions::INPUT, !is_empty);
        ready
    }

    fn waiters(&self, _ocb: &Ocb) -> Option<&Waiters> {
        Some(&self.waiters)
    }
}

/// Keeps its readers waiting until they want to give up, and lets them: a server that answers its
/// messages by itself.
pub(crate) fn patient(name: &str) -> ! {
    let channel = Channel::with_options(ChannelOptions {
        flags: ChannelFlags::UNBLOCK,
        ..ChannelOptions::default()
    })
    .expect("a channel");
    let path = resmgr_attach(&channel, name, FileType::ANY, AttachFlags::empty(), 0);
    let _path = path.expect("attached");
    std::fs::write(ready(), "").expect("the directory is there");
    let mut waiting = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        match channel.receive(&mut buffer).expect("messages come") {
            Received::Message(message) if buffer[..2] == READ.to_ne_bytes() => {
                waiting.push(message);
            }
            // Connect and close.
            Received::Message(message) => message.reply(0, &[]).expect("the client waits"),
            Received::Pulse(pulse) if pulse.code == PulseCode::UNBLOCK => {
                let at = waiting
                    .iter()
                    .position(|one| one.rcvid().raw() == pulse.value);
                let message = waiting.swap_remove(at.expect("it waits"));
                message.error(Errno::INTR).expect("the client waits");
            }
            Received::Pulse(_) => {}
        }
    }
}
