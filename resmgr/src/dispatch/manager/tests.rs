//! A manager and its clients in one process, on a private channel, without names.

mod awaited;
mod defaults;
mod deferred;
mod fair;
mod gone;
mod limits;
mod opens;

use super::Manager;
use crate::client::walk::{Ask, Said};
use crate::client::{Caller, File};
use crate::dispatch::Running;
use crate::ipc::{
    CancelToken, Channel, ChannelFlags, ChannelId, ChannelOptions, Connection, Credentials,
    SendError,
};
use crate::resource::{At, Attr, Devctl, Device, Resource, lock};
use crate::wire::{
    self, Connect, ConnectKind, Dcmd, Dup, MessageType, OpenFlags, Stat, TRANSFER_MAX, Transfer,
};
use crate::{Errno, Result};
use resmgr_namespace::{AttachFlags, Entry, FileType, Pathname};
use std::io::SeekFrom;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};

const READ: OpenFlags = OpenFlags::READ;
const WRITE: OpenFlags = OpenFlags::WRITE;
const BOTH: OpenFlags = OpenFlags::READ.union(OpenFlags::WRITE);
const ADD: Dcmd = Dcmd::exchange::<u32>(5, 1);

/// An ordinary file in memory that panics when it is written "panic".
#[derive(Default)]
struct Ram(Mutex<Vec<u8>>);

impl Device for Ram {
    fn attr(&self) -> Attr {
        Attr::file(0o640, lock(&self.0).len() as u64).owner(500, 500)
    }

    fn read(&self, at: &At, buffer: &mut [u8]) -> Result<usize> {
        at.copy(&lock(&self.0), buffer)
    }

    fn write(&self, at: &At, data: &[u8]) -> Result<usize> {
        assert_ne!(data, b"panic");
        let mut bytes = lock(&self.0);
        let start = usize::try_from(at.offset).unwrap();
        let end = start + data.len();
        if bytes.len() < end {
            bytes.resize(end, 0);
        }
        bytes[start..end].copy_from_slice(data);
        Ok(data.len())
    }

    fn truncate(&self, size: u64) -> Result<()> {
        lock(&self.0).truncate(usize::try_from(size).unwrap());
        Ok(())
    }

    fn devctl(&self, _at: &At, command: Devctl<'_>) -> Result<i32> {
        match command.command() {
            ADD => {
                let value: u32 = command.value()?;
                command.reply(&(value + 1))
            }
            _ => Err(Errno::NOTTY),
        }
    }
}

/// A device whose read says that it has begun, and ends when it is told to.
struct Slow(Mutex<(Sender<()>, Receiver<()>)>);

impl Device for Slow {
    fn read(&self, _at: &At, _buffer: &mut [u8]) -> Result<usize> {
        let ends = lock(&self.0);
        ends.0.send(()).unwrap();
        ends.1.recv().unwrap();
        Ok(0)
    }
}

/// Serves a resource on a private channel.
fn serve(resource: impl Resource, threads: usize) -> (Running, ChannelId) {
    let options = ChannelOptions {
        flags: ChannelFlags::PRIVATE,
        ..ChannelOptions::default()
    };
    let manager = Manager::with_options(options).unwrap().threads(threads);
    let manager = manager.unnamed(resource);
    let chid = manager.shared.channel.id();
    (manager.spawn().unwrap(), chid)
}

fn open_as(caller: &Caller<'_>, chid: ChannelId, flags: OpenFlags) -> Result<File> {
    let entry = Entry {
        nd: 0,
        pid: 0,
        identity: 0,
        chid: chid.raw().cast_signed(),
        handle: 0,
        file_type: FileType::ANY,
        flags: AttachFlags::empty(),
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
    match caller.server(&Pathname::new("/x")?.into(), &entry, &ask)? {
        Said::Yes(found) => Ok(File::new(found.connection, flags)),
        Said::NotHere | Said::Unable | Said::Gone | Said::GoOn(_) => Err(Errno::NOENT),
    }
}

fn open(chid: ChannelId, flags: OpenFlags) -> File {
    open_as(&root(), chid, flags).unwrap()
}

fn root() -> Caller<'static> {
    somebody(0)
}

fn somebody(id: u32) -> Caller<'static> {
    let credentials = Some(Credentials {
        pid: 1,
        uid: id,
        gid: id,
    });
    Caller {
        credentials,
        ..Caller::default()
    }
}

fn refused(connection: &Connection, message: &[u8]) -> Errno {
    match connection.send(message, &mut [0; 256]) {
        Err(SendError::Refused(errno)) => errno,
        other => panic!("{other:?}"),
    }
}

fn bytes(write: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut out = Vec::new();
    write(&mut out);
    out
}

#[test]
fn a_file_is_written_moved_in_and_read_back() {
    let (_running, chid) = serve(Ram::default(), 1);
    let file = open(chid, BOTH);
    assert_eq!(file.write(b"hello world"), Ok(11));
    assert_eq!(file.seek(SeekFrom::End(-5)), Ok(6));
    let mut buffer = [0; 16];
    assert_eq!(file.read(&mut buffer), Ok(5));
    assert_eq!(&buffer[..5], b"world");
    assert_eq!(file.read(&mut buffer), Ok(0));
    assert_eq!(file.seek(SeekFrom::Current(-20)), Err(Errno::INVAL));
    let stat = file.stat().unwrap();
    assert_eq!(
        (stat.size, stat.uid, stat.mode),
        (11, 500, Stat::REGULAR | 0o640)
    );
    assert_eq!(file.close(), Ok(()));
}

#[test]
fn if9_an_offset_of_its_own_leaves_the_position_alone() {
    let (_running, chid) = serve(Ram::default(), 1);
    let file = open(chid, BOTH);
    file.write_at(b"abc", 2).unwrap();
    let mut buffer = [9; 3];
    assert_eq!(file.read_at(&mut buffer, 3), Ok(2));
    assert_eq!(file.read(&mut buffer), Ok(3));
    assert_eq!(&buffer, b"\0\0a");
    assert_eq!(file.read_at(&mut buffer, u64::MAX), Err(Errno::INVAL));
    assert_eq!(
        file.write_at(b"x", i64::MAX.cast_unsigned()),
        Err(Errno::FBIG)
    );
}

#[test]
fn what_is_longer_than_the_receive_buffer_is_fetched_and_what_is_too_long_is_partial() {
    let (_running, chid) = serve(Ram::default(), 1);
    let file = open(chid, BOTH);
    let data: Vec<u8> = (0..TRANSFER_MAX + 5000)
        .map(|i| u8::try_from(i % 251).unwrap())
        .collect();
    assert_eq!(file.write(&data), Ok(TRANSFER_MAX));
    assert_eq!(file.write(&data[TRANSFER_MAX..]), Ok(5000));
    let mut back = vec![0; data.len()];
    assert_eq!(file.read_at(&mut back, 0), Ok(TRANSFER_MAX));
    assert_eq!(
        file.read_at(&mut back[TRANSFER_MAX..], TRANSFER_MAX as u64),
        Ok(5000)
    );
    assert!(back == data);
}

#[test]
fn if8_an_open_allows_what_it_was_made_for() {
    let (_running, chid) = serve(Ram::default(), 1);
    let (reads, writes) = (open(chid, READ), open(chid, WRITE));
    assert_eq!(reads.write(b"x"), Err(Errno::BADF));
    assert_eq!(writes.read(&mut [0; 1]), Err(Errno::BADF));
    assert_eq!(
        open(chid, OpenFlags::empty()).read(&mut [0; 1]),
        Err(Errno::BADF)
    );
}

#[test]
fn if4_the_permissions_of_whom_the_call_is_for_decide() {
    let (_running, chid) = serve(Ram::default(), 1);
    let refused = |id, flags| open_as(&somebody(id), chid, flags).map(drop);
    assert_eq!(refused(500, BOTH), Ok(()));
    assert_eq!(refused(501, READ), Err(Errno::ACCES));
    assert_eq!(
        refused(0, READ | OpenFlags::CREATE | OpenFlags::EXCLUSIVE),
        Err(Errno::EXIST)
    );
    assert_eq!(refused(0, READ | OpenFlags::DIRECTORY), Err(Errno::NOTDIR));
}

#[test]
fn o_trunc_cuts_and_o_append_writes_at_the_end() {
    let (_running, chid) = serve(Ram::default(), 1);
    open(chid, WRITE).write(b"something").unwrap();
    let file = open(chid, WRITE | OpenFlags::TRUNCATE | OpenFlags::APPEND);
    assert_eq!(file.stat().unwrap().size, 0);
    open(chid, WRITE).write(b"abc").unwrap();
    file.write(b"def").unwrap();
    assert_eq!(file.stat().unwrap().size, 6);
    assert_eq!(file.position(), Ok(6));
}

#[test]
fn du1_a_duplicate_shares_the_position_and_outlives_the_first() {
    let (_running, chid) = serve(Ram::default(), 1);
    let file = open(chid, BOTH);
    file.write(b"abcdef").unwrap();
    file.seek(SeekFrom::Start(1)).unwrap();
    let twin = file.dup().unwrap();
    let mut buffer = [0; 2];
    twin.read(&mut buffer).unwrap();
    assert_eq!(file.position(), Ok(3));
    file.close().unwrap();
    assert_eq!(twin.read(&mut buffer), Ok(2));
    assert_eq!(&buffer, b"de");
}

#[test]
fn du1_a_duplicate_leads_to_the_same_channel_or_nowhere() {
    let before = Channel::create(ChannelFlags::PRIVATE).unwrap();
    let connection = Connection::attach(0, before.id()).unwrap();
    assert_eq!(
        connection.again().unwrap().server_info().scoid,
        connection.server_info().scoid
    );
    let chid = before.id();
    before.destroy();
    let mut others = Vec::new();
    while others.last().map(Channel::id) != Some(chid) {
        assert!(others.len() < 1000, "no channel got the number again");
        others.push(Channel::create(ChannelFlags::PRIVATE).unwrap());
    }
    assert!(matches!(connection.again(), Err(Errno::SRCH)));
}

#[test]
fn du1_a_duplicate_of_another_process_is_refused() {
    let (_running, chid) = serve(Ram::default(), 1);
    let file = open(chid, BOTH);
    let stranger = Connection::attach(0, chid).unwrap();
    let scoid = file.server_info().scoid.raw();
    for (scoid, coid) in [(scoid + 1, file.connection.id().raw()), (scoid, 12_345)] {
        let message = bytes(|out| Dup { scoid, coid }.encode(out));
        assert_eq!(refused(&stranger, &message), Errno::BADF);
    }
}

#[test]
fn a_command_goes_both_ways_and_an_unknown_one_is_enotty() {
    let (_running, chid) = serve(Ram::default(), 1);
    let file = open(chid, READ);
    let mut data = 41_u32.to_ne_bytes();
    assert_eq!(file.devctl(ADD, &mut data), Ok(0));
    assert_eq!(u32::from_ne_bytes(data), 42);
    assert_eq!(file.devctl(ADD, &mut [0; 3]), Err(Errno::INVAL));
    assert_eq!(file.devctl(Dcmd::none(5, 99), &mut []), Err(Errno::NOTTY));
}

#[test]
fn a_panic_is_eio_for_its_caller_and_nobody_else() {
    let (_running, chid) = serve(Ram::default(), 1);
    let (file, other) = (open(chid, BOTH), open(chid, BOTH));
    assert_eq!(file.write(b"panic"), Err(Errno::IO));
    assert_eq!(other.write(b"alive"), Ok(5));
    assert_eq!(file.write(b"alive"), Ok(5));
}

#[test]
fn what_makes_no_sense_is_refused_and_the_client_lives_on() {
    let (_running, chid) = serve(Ram::default(), 1);
    let file = open(chid, BOTH);
    let promised = Transfer {
        len: 1000,
        offset: None,
        nonblock: None,
    };
    let cases = [
        (vec![], Errno::BADMSG),
        (vec![1], Errno::BADMSG),
        (MessageType::READ.0.to_ne_bytes().to_vec(), Errno::BADMSG),
        (MessageType::POWER.0.to_ne_bytes().to_vec(), Errno::NOSYS),
        (0x4000_u16.to_ne_bytes().to_vec(), Errno::NOSYS),
        (
            bytes(|out| promised.encode(MessageType::WRITE, out)),
            Errno::BADMSG,
        ),
    ];
    for (message, expected) in cases {
        assert_eq!(refused(&file.connection, &message), expected, "{message:?}");
    }
    let stat = bytes(wire::encode_stat);
    let short = file.connection.send(&stat, &mut [0; 10]);
    assert_eq!(short, Err(SendError::Refused(Errno::MSGSIZE)));
    assert_eq!(file.write(b"fine"), Ok(4));
}

#[test]
fn a_path_or_number_that_is_not_served_is_not_here() {
    let (_running, chid) = serve(Ram::default(), 1);
    let connection = Connection::attach(0, chid).unwrap();
    let below = Connect {
        path: b"below",
        ..Connect::default()
    };
    let other = Connect {
        handle: 7,
        ..Connect::default()
    };
    for connect in [below, other] {
        let message = bytes(|out| connect.encode(out).unwrap());
        assert_eq!(refused(&connection, &message), Errno::NOENT);
    }
    assert_eq!(refused(&connection, &bytes(wire::encode_stat)), Errno::BADF);
}

#[test]
fn cb2_a_combine_is_one_message_and_leaves_no_open() {
    let (_running, chid) = serve(Ram::default(), 1);
    let connection = Connection::attach(0, chid).unwrap();
    let connect = Connect {
        kind: ConnectKind::COMBINE_CLOSE,
        ..Connect::default()
    };
    let mut message = bytes(|out| connect.encode(out).unwrap());
    wire::encode_stat(&mut message);
    let mut room = [0; Stat::SIZE];
    connection.send(&message, &mut room).unwrap();
    assert_eq!(Stat::decode(&room).unwrap().uid, 500);
    assert_eq!(refused(&connection, &bytes(wire::encode_stat)), Errno::BADF);
}

#[test]
fn du2_a_client_that_goes_without_closing_takes_its_opens_along() {
    let (_running, chid) = serve(Ram::default(), 1);
    let file = open(chid, BOTH);
    let coid = file.connection.id();
    file.forget();
    let mut again = Vec::new();
    let same = loop {
        let connection = Connection::attach(0, chid).unwrap();
        if connection.id() == coid {
            break connection;
        }
        again.push(connection);
    };
    assert_eq!(refused(&same, &bytes(wire::encode_stat)), Errno::BADF);
}

#[test]
fn p9_a_pulse_that_nobody_asked_for_is_dropped() {
    let (_running, chid) = serve(Ram::default(), 1);
    let file = open(chid, BOTH);
    for code in [0, 5, 127, -1, -32, -128] {
        file.connection.send_pulse(None, code, 7).unwrap();
    }
    assert_eq!(file.write(b"x"), Ok(1));
}

/// A device that waits, and the two ends of its strings.
fn slow() -> (Slow, Receiver<()>, Sender<()>) {
    let (begun, has_begun) = channel();
    let (go, may_go) = channel();
    (Slow(Mutex::new((begun, may_go))), has_begun, go)
}

#[test]
fn with_two_threads_a_handler_that_waits_makes_nobody_else_wait() {
    let (device, has_begun, go) = slow();
    let (_running, chid) = serve(device, 2);
    let (one, two) = (open(chid, READ), open(chid, READ));
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| one.read(&mut [0; 1]));
        has_begun.recv().unwrap();
        assert!(two.stat().is_ok());
        go.send(()).unwrap();
        assert_eq!(waiting.join().unwrap(), Ok(0));
    });
}

#[test]
fn stopping_ends_all_threads_that_wait() {
    let (running, chid) = serve(Ram::default(), 4);
    assert!(open(chid, READ).stat().is_ok());
    assert_eq!(running.stop(), Ok(()));
}

#[test]
fn stopping_finishes_what_runs_and_refuses_what_waits() {
    let (device, has_begun, go) = slow();
    let (running, chid) = serve(device, 1);
    let file = Arc::new(open(chid, READ));
    std::thread::scope(|scope| {
        let served = scope.spawn(|| file.read(&mut [0; 1]));
        has_begun.recv().unwrap();
        let queued = scope.spawn(|| file.stat());
        running.handle().stop();
        go.send(()).unwrap();
        assert_eq!(served.join().unwrap(), Ok(0));
        assert_eq!(queued.join().unwrap(), Err(Errno::SRCH));
        running.stop().unwrap();
    });
}

#[test]
fn a_token_ends_a_call_that_no_thread_has_taken() {
    let (device, has_begun, go) = slow();
    let (_running, chid) = serve(device, 1);
    let file = open(chid, READ);
    let cancel = CancelToken::new();
    std::thread::scope(|scope| {
        let busy = scope.spawn(|| file.read(&mut [0; 1]));
        has_begun.recv().unwrap();
        cancel.cancel();
        let caller = Caller {
            cancel: Some(&cancel),
            ..Caller::default()
        };
        assert_eq!(file.on_behalf(caller).stat(), Err(Errno::INTR));
        go.send(()).unwrap();
        assert_eq!(busy.join().unwrap(), Ok(0));
    });
}
