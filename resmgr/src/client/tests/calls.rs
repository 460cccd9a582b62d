//! The calls on an open file: what a server gets, and what its answer becomes.

use super::server::{Answer, Server, bytes, done};
use crate::client::{
    Conditions, Dcmd, File, LockKind, LockReply, NotifyAction, OpenFlags, Seek, Statvfs,
    TimeChange, XattrFlags,
};
use crate::ipc::{Channel, ChannelFlags, Connection, Event, Message, Received};
use crate::wire::{
    self, Action, DevctlReply, Exchange, FdInfoReply, Get, LockAction, LockRequest, MessageType,
    MmapReply, MmapRequest, Msg, Notify, NotifyReply, Plain, Protection, Request, Set, Space,
    SpaceKind, Transfer, Utime, Xattr, dcmds,
};
use crate::{Errno, Result};
use resmgr_sys::memory::memfd;
use std::ffi::OsStr;
use std::os::fd::AsFd;
use std::sync::mpsc;

/// A server that expects these requests in turn, as text.
fn expecting(script: Vec<(String, Answer)>) -> Server {
    let mut script = script.into_iter();
    Server::new(move |request: &Request<'_>, _: &Message| {
        let (expected, answer) = script.next().unwrap_or_default_answer();
        assert_eq!(format!("{request:?}"), expected);
        answer
    })
}

trait OrNothing {
    fn unwrap_or_default_answer(self) -> (String, Answer);
}

impl OrNothing for Option<(String, Answer)> {
    fn unwrap_or_default_answer(self) -> (String, Answer) {
        self.unwrap_or_else(|| ("nothing more".into(), Err(Errno::IO)))
    }
}

fn text(request: Request<'_>) -> String {
    format!("{request:?}")
}

/// One call, its request, its answer.
fn call<T>(request: Request<'_>, answer: Answer, run: impl FnOnce(&File) -> T) -> T {
    let server = expecting(vec![(text(request), answer)]);
    let file = server.file();
    let result = run(&file);
    drop(file);
    result
}

#[test]
fn attributes_are_changed_by_one_message_each() {
    let ok = || done(0);
    assert_eq!(
        call(Request::Chmod(0o640), ok(), |f| f.chmod(0o640)),
        Ok(())
    );
    let (uid, gid) = (None, Some(7));
    let chown = Request::Chown { uid, gid };
    assert_eq!(call(chown, ok(), |f| f.chown(uid, gid)), Ok(()));
    let (accessed, modified) = (TimeChange::Keep, TimeChange::At(-5));
    let utime = Request::Utime(Utime { accessed, modified });
    assert_eq!(
        call(utime, ok(), |f| f.set_times(accessed, modified)),
        Ok(())
    );
    let refused = call(Request::Chmod(0), Err(Errno::PERM), |f| f.chmod(0));
    assert_eq!(refused, Err(Errno::PERM));
    assert_eq!(
        call(Request::Pathconf(4), done(255), |f| f.pathconf(4)),
        Ok(255)
    );
    assert_eq!(
        call(Request::Pathconf(5), done(-1), |f| f.pathconf(5)),
        Ok(-1)
    );
    let all = Request::Sync(wire::SYNC_ALL);
    assert_eq!(call(all, ok(), File::sync_all), Ok(()));
    let data = Request::Sync(wire::SYNC_DATA);
    assert_eq!(call(data, ok(), File::sync_data), Ok(()));
}

#[test]
fn hp11_space_is_cut_freed_and_allocated() {
    let size = |size: u64| bytes(0, |out| out.extend_from_slice(&size.to_ne_bytes()));
    let space = |kind, start, len| {
        let base = Seek::Start(start);
        Request::Space(Space { kind, base, len })
    };
    let cut = space(SpaceKind::Free, 9, 0);
    assert_eq!(call(cut, size(9), |f| f.set_len(9)), Ok(9));
    let hole = space(SpaceKind::Free, 9, 5);
    assert_eq!(call(hole, size(20), |f| f.free(9, 5)), Ok(20));
    let more = space(SpaceKind::Allocate, 9, 5);
    assert_eq!(call(more, done(0), |f| f.allocate(9, 5)), Err(Errno::PROTO));
    let server = expecting(Vec::new());
    assert_eq!(server.file().allocate(9, 0), Err(Errno::INVAL));
    let data = call(Request::Seek(Seek::Data(3)), size(4), |f| f.seek_data(3));
    assert_eq!(data, Ok(4));
    let none = Err(Errno::NXIO);
    let hole = call(Request::Seek(Seek::Hole(3)), none, |f| f.seek_hole(3));
    assert_eq!(hole, Err(Errno::NXIO));
}

#[test]
fn if15_locks_of_ranges_and_of_the_whole_file() {
    let lock = |action, kind, base, len| {
        Request::Lock(LockRequest {
            action,
            kind,
            base,
            len,
        })
    };
    let end = Seek::End(-4);
    let wait = lock(LockAction::SetWait, LockKind::Write, end, 4);
    let locked = call(wait, done(0), |f| f.lock(LockKind::Write, end, 4));
    assert_eq!(locked, Ok(()));
    let now = lock(LockAction::Set, LockKind::Read, end, 0);
    let busy = Err(Errno::AGAIN);
    let refused = call(now, busy, |f| f.try_lock(LockKind::Read, end, 0));
    assert_eq!(refused, Err(Errno::AGAIN));
    let gone = lock(LockAction::Set, LockKind::Unlock, end, 0);
    assert_eq!(call(gone, done(0), |f| f.unlock(end, 0)), Ok(()));
    let test = lock(LockAction::Get, LockKind::Read, end, 0);
    let other = LockReply {
        kind: LockKind::Write,
        start: 1,
        len: 2,
        pid: 3,
    };
    for (reply, expected) in [(LockReply::FREE, None), (other, Some(other))] {
        let answer = bytes(0, |out| reply.encode(out));
        let found = call(test, answer, |f| f.test_lock(LockKind::Read, end, 0));
        assert_eq!(found, Ok(expected));
    }
    let start = Seek::Start(0);
    let whole = lock(LockAction::FlockWait, LockKind::Write, start, 0);
    assert_eq!(call(whole, done(0), |f| f.flock(LockKind::Write)), Ok(()));
    let whole = lock(LockAction::Flock, LockKind::Unlock, start, 0);
    assert_eq!(
        call(whole, done(0), |f| f.try_flock(LockKind::Unlock)),
        Ok(())
    );
}

#[test]
fn cb3_a_seek_and_a_read_are_one_message() {
    let one = Transfer {
        len: 4,
        offset: None,
        nonblock: None,
    };
    let (mut read, mut write) = (Vec::new(), Vec::new());
    one.encode(MessageType::READ, &mut read);
    one.encode(MessageType::WRITE, &mut write);
    write.extend_from_slice(b"data");
    let mut buffer = [0; 4];
    let came = bytes(3, |out| out.extend_from_slice(b"abc"));
    let both = Request::Combine(Seek::Start(512), &read);
    let got = call(both, came, |f| {
        f.seek_and_read(Seek::Start(512), &mut buffer)
    });
    assert_eq!((got, &buffer), (Ok(3), b"abc\0"));
    let both = Request::Combine(Seek::End(0), &write);
    let took = call(both, done(4), |f| f.seek_and_write(Seek::End(0), b"data"));
    assert_eq!(took, Ok(4));
}

#[test]
fn extended_attributes_have_names_and_values() {
    let name = OsStr::new("user.colour");
    let get = Request::Xattr(Xattr::Get {
        name: b"user.colour",
    });
    let red = bytes(3, |out| out.extend_from_slice(b"red"));
    assert_eq!(call(get, red, |f| f.xattr(name)), Ok(b"red".to_vec()));
    assert_eq!(
        call(get, Err(Errno::NODATA), |f| f.xattr(name)),
        Err(Errno::NODATA)
    );
    assert_eq!(call(get, done(3), |f| f.xattr(name)), Err(Errno::PROTO));
    let flags = XattrFlags::REPLACE;
    let set = Request::Xattr(Xattr::Set {
        name: b"user.colour",
        value: b"blue",
        len: 4,
        flags,
    });
    let answer = call(set, done(0), |f| f.set_xattr(name, b"blue", flags));
    assert_eq!(answer, Ok(()));
    let names = bytes(8, |out| out.extend_from_slice(b"user.a\0b"));
    let list = call(Request::Xattr(Xattr::List), names, File::list_xattrs);
    assert_eq!(list, Ok(vec!["user.a".into(), "b".into()]));
    let server = expecting(Vec::new());
    let file = server.file();
    let long = vec![0; Xattr::VALUE_MAX + 1];
    assert_eq!(file.set_xattr(name, &long, flags), Err(Errno::TOOBIG));
    assert_eq!(file.remove_xattr(OsStr::new("")), Err(Errno::RANGE));
}

const SET_GAIN: Set<u32> = Set::new(5, 1);
const GET_GAIN: Get<u32> = Get::new(5, 2);
const CONVERT: Exchange<u16, u64> = Exchange::new(5, 3);
const RESET: Action = Action::new(5, 4);

/// A device that knows those commands.
fn device(request: &Request<'_>, _: &Message) -> Answer {
    let Request::Devctl(header, data) = request else {
        return Err(Errno::NOSYS);
    };
    let mut back = Vec::new();
    match header.command {
        one if one == SET_GAIN => assert_eq!(SET_GAIN.input(data), Ok(7)),
        one if one == GET_GAIN => GET_GAIN.put_output(&9, &mut back),
        one if one == CONVERT => {
            let value = CONVERT.input(data)?;
            CONVERT.put_output(&(u64::from(value) << 32), &mut back);
        }
        one if one == RESET => return done(0),
        one if one == dcmds::FSYS_STATVFS => {
            let statvfs = Statvfs {
                blocks: 8,
                ..Statvfs::default()
            };
            statvfs.with_bytes(|bytes| back.extend_from_slice(bytes));
        }
        one if one == dcmds::ALL_GETFLAGS => back.extend_from_slice(&2_u32.to_ne_bytes()),
        // It says more than comes.
        one if one == Dcmd::from_device::<u32>(5, 9) => back.push(1),
        _ => return Err(Errno::NOSYS),
    }
    let len = u32::try_from(back.len()).unwrap();
    bytes(0, |out| {
        DevctlReply { value: 0, len }.encode(out);
        out.append(&mut back);
    })
}

#[test]
fn dv1_commands_are_called_with_their_types() {
    let server = Server::new(device);
    let file = server.file();
    assert_eq!(file.command(&SET_GAIN, &7), Ok(()));
    assert_eq!(file.command(&GET_GAIN, &()), Ok(9));
    assert_eq!(file.command(&CONVERT, &3), Ok(3 << 32));
    assert_eq!(file.command(&RESET, &()), Ok(()));
    assert_eq!(file.command(&Action::new(5, 99), &()), Err(Errno::NOTTY));
    assert_eq!(file.command(&Get::<u32>::new(5, 9), &()), Err(Errno::PROTO));
    assert_eq!(file.statvfs().map(|found| found.blocks), Ok(8));
    assert_eq!(file.current_flags(), Ok(OpenFlags::READ | OpenFlags::WRITE));
    assert_eq!(file.set_flags(OpenFlags::APPEND), Err(Errno::NOTTY));
}

#[test]
fn a_file_tells_where_it_leads_and_is_opened_again() {
    let server = Server::new(|request: &Request<'_>, _: &Message| match request {
        Request::FdInfo(flags) => {
            let path: &[u8] = if *flags == 1 { b"x" } else { b"/dev/x" };
            let status = i64::try_from(path.len()).unwrap();
            bytes(status, |out| {
                let path = path.to_vec();
                FdInfoReply {
                    size: 5,
                    path,
                    ..FdInfoReply::default()
                }
                .encode(out);
            })
        }
        Request::OpenFd(open) => {
            assert_eq!(open.flags, OpenFlags::READ);
            done(0)
        }
        _ => Err(Errno::NOSYS),
    });
    let file = server.file();
    assert_eq!(file.path(), Ok("/dev/x".into()));
    assert_eq!(file.local_path(), Ok("x".into()));
    assert_eq!(file.info().map(|info| info.size), Ok(5));
    let again = file.open_again(OpenFlags::READ).unwrap();
    assert_eq!(again.flags(), OpenFlags::READ);
    assert_ne!(again.connection.id(), file.connection.id());
}

#[test]
fn private_messages_bring_status_and_data_back() {
    let msg = Msg {
        manager: 0xF001,
        subtype: 2,
    };
    let answer = bytes(-7, |out| out.extend_from_slice(b"pong"));
    let mut reply = [0; 8];
    let got = call(Request::Msg(msg, b"ping"), answer, |f| {
        f.message(msg, b"ping", &mut reply)
    });
    let got = got.unwrap();
    assert_eq!((got.status, &reply[..got.len]), (-7, &b"pong"[..]));
    let server = expecting(Vec::new());
    let xattr = Msg {
        manager: Msg::XATTR,
        ..msg
    };
    let refused = server.file().message(xattr, b"", &mut []);
    assert_eq!(refused, Err(Errno::INVAL));
}

#[test]
fn nt1_a_notification_tells_what_holds() {
    let (action, event) = (NotifyAction::PollArm, Event::none());
    let conditions = Conditions::INPUT | Conditions::HANG_UP;
    let request = Request::Notify(Notify {
        action,
        conditions,
        event,
    });
    let holds = Conditions::HANG_UP;
    let answer = bytes(0, |out| NotifyReply { conditions: holds }.encode(out));
    let told = call(request, answer, |f| f.notify(action, conditions, &event));
    assert_eq!(told, Ok(holds));
    let silent = call(request, done(0), |f| f.notify(action, conditions, &event));
    assert_eq!(silent, Ok(Conditions::empty()));
}

#[test]
fn what_is_mapped_comes_as_a_descriptor() {
    let channel = Channel::create(ChannelFlags::PRIVATE).unwrap();
    let connection = Connection::attach(0, channel.id()).unwrap();
    let serving = std::thread::spawn(move || {
        let mut buffer = [0; MmapRequest::SIZE];
        for gives in [true, false] {
            let Ok(Received::Message(message)) = channel.receive(&mut buffer) else {
                panic!("no message");
            };
            assert_eq!(Request::decode(&buffer), Ok(Request::Mmap(WANTED)));
            let offset = 8192;
            let mut told = Vec::new();
            MmapReply { flags: 0, offset }.encode(&mut told);
            let memory = memfd(c"mapped", 3 * 4096).unwrap();
            let fds = [memory.as_fd()];
            let fds = if gives { &fds[..] } else { &[] };
            message.reply_with_descriptors(0, &told, fds).unwrap();
        }
    });
    let file = File::new(connection, OpenFlags::READ);
    let (prot, offset, len) = (WANTED.prot, WANTED.offset, WANTED.len);
    let mapped = file.map(prot, offset, len).unwrap();
    assert_eq!(mapped.offset, 8192);
    let size = std::fs::File::from(mapped.descriptor).metadata().unwrap();
    assert_eq!(size.len(), 3 * 4096);
    let nothing = file.map(prot, offset, len).map(drop);
    assert_eq!(nothing, Err(Errno::PROTO));
    file.forget();
    serving.join().unwrap();
}

const WANTED: MmapRequest = MmapRequest {
    prot: Protection::READ,
    offset: 4096,
    len: 4096,
};

/// Reads are answered with a letter, writes are counted, and a test may hold them back.
fn slow(go_on: mpsc::Receiver<()>) -> Server {
    Server::new(move |request: &Request<'_>, _: &Message| match request {
        Request::Read(one) => {
            go_on.recv().unwrap();
            let len = usize::try_from(one.len).unwrap().min(3);
            bytes(i64::try_from(len).unwrap(), |out| out.resize(len, b'r'))
        }
        Request::Write(_, data) => done(i64::try_from(data.len()).unwrap()),
        _ => Err(Errno::NOSYS),
    })
}

#[test]
fn reads_and_writes_can_be_begun() -> Result<()> {
    let (go, go_on) = mpsc::channel();
    let server = slow(go_on);
    let file = server.file();
    let mut buffer = [0; 8];
    let mut read = file.begin_read(8, None)?;
    assert!(read.poll(&mut buffer).is_none());
    go.send(()).unwrap();
    assert_eq!(read.wait(&mut buffer), Ok(3));
    assert_eq!(&buffer[..4], b"rrr\0");
    assert_eq!(file.begin_write(b"four", Some(9))?.wait(), Ok(4));
    // Dropping one gives it up: the file goes on.
    let given_up = file.begin_read(8, None)?;
    drop(given_up);
    go.send(()).unwrap();
    go.send(()).unwrap();
    assert_eq!(file.read(&mut buffer), Ok(3));
    Ok(())
}

#[test]
fn reads_and_writes_can_be_awaited() {
    let (go, go_on) = mpsc::channel();
    let server = slow(go_on);
    let file = server.file();
    let (read, write) = (file.read_async(8, None), file.write_async(b"four", None));
    go.send(()).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let both = runtime.block_on(async { (read.await, write.await) });
    assert_eq!(both, (Ok(b"rrr".to_vec()), Ok(4)));
}
