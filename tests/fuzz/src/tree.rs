//! Messages about a whole file system: names, attributes, locks, space, notification, in any order and with any
//! numbers, by two processes' worth of connections and with calls that wait.

use crate::Script;
use resmgr::fuzzing;
use resmgr::ipc::{Connection, Event, SendError, SendOptions};
use resmgr::parts::MemFs;
use resmgr::wire::{
    self, Conditions, Connect, ConnectKind, Dup, ExtraType, LockAction, LockKind, LockRequest,
    MessageType, Notify, NotifyAction, OpenFd, OpenFlags, PathEnd, Seek, Space, SpaceKind, Stat,
    TimeChange, Transfer, Utime, Xattr, XattrFlags,
};
use std::io::{IoSlice, IoSliceMut};
use std::time::{Duration, Instant};

/// What the file system may hold: less than a script can ask for.
const MOST: u64 = 1 << 20;
/// Paths that scripts use, so that they come upon each other.
const PATHS: [&[u8]; 10] = [
    b"", b"a", b"b", b"a/b", b"a/b/c", b"link", b"a/link", b"link/x", b"d", b"d/e",
];
/// Connections at a time.
const CONNECTIONS: usize = 4;

/// Each message is answered, what waits can be let go, and the file system can be used afterwards.
pub fn tree(data: &[u8]) {
    let mut script = Script::new(data);
    let (running, chid) = fuzzing::serve(MemFs::new().bytes(MOST).names(64)).unwrap();
    let attach = || Connection::attach(0, chid).unwrap();
    let mut connections: Vec<_> = (0..CONNECTIONS).map(|_| attach()).collect();
    while let Some(step) = script.step() {
        let which = script.below(CONNECTIONS);
        if step.is_multiple_of(16) {
            connections[which] = attach();
            continue;
        }
        let connection = &connections[which];
        let mut message = Vec::new();
        if step.is_multiple_of(3) {
            connect(&mut script, &mut message);
        } else {
            request(&mut script, connection, &mut message);
        }
        let room = script.below(4096);
        send(connection, &message, room);
    }
    works(&attach());
    drop(connections);
    running.stop().unwrap();
}

/// No call of this waits for ever: who waits is let go after a moment. What comes is an answer, or that.
fn send(connection: &Connection, message: &[u8], room: usize) {
    let mut reply = vec![0; room];
    loop {
        let options = SendOptions {
            deadline: Some(Instant::now() + Duration::from_millis(2)),
            ..SendOptions::default()
        };
        let parts = &[IoSlice::new(message)];
        match connection.send_with(parts, &mut [IoSliceMut::new(&mut reply)], options) {
            Ok(_) | Err(SendError::Refused(_) | SendError::TimedOut) => return,
            // The fuzzer has a timer.
            Err(SendError::Interrupted) => {}
            Err(other) => panic!("{other:?}"),
        }
    }
}

fn path(script: &mut Script<'_>) -> &'static [u8] {
    PATHS[script.below(PATHS.len())]
}

fn connect(script: &mut Script<'_>, message: &mut Vec<u8>) {
    const KINDS: [ConnectKind; 8] = [
        ConnectKind::OPEN,
        ConnectKind::COMBINE_CLOSE,
        ConnectKind::COMBINE,
        ConnectKind::UNLINK,
        ConnectKind::RENAME,
        ConnectKind::MKNOD,
        ConnectKind::READLINK,
        ConnectKind::LINK,
    ];
    const MODES: [u32; 6] = [
        Stat::REGULAR | 0o644,
        Stat::DIRECTORY | 0o755,
        Stat::DIRECTORY | 0o2777,
        Stat::PIPE | 0o600,
        0,
        1,
    ];
    let kind = KINDS[script.below(KINDS.len())];
    let old = path(script);
    let (extra_type, extra) = match kind {
        ConnectKind::RENAME => (ExtraType::RENAME, old),
        ConnectKind::LINK if script.byte().is_multiple_of(2) => (ExtraType::LINK, old),
        ConnectKind::LINK => (ExtraType::SYMLINK, script.bytes(8)),
        _ => (ExtraType::NONE, &b""[..]),
    };
    let end = if script.byte().is_multiple_of(8) {
        PathEnd::SLASH
    } else {
        PathEnd::empty()
    };
    let connect = Connect {
        kind,
        flags: flags(script),
        mode: MODES[script.below(MODES.len())],
        share: u16::from(script.byte() % 4) << 4,
        access: u16::from(script.byte() % 8),
        end,
        path: path(script),
        extra_type,
        extra,
        ..Connect::default()
    };
    connect.encode(message).unwrap();
    if matches!(kind, ConnectKind::COMBINE | ConnectKind::COMBINE_CLOSE) {
        open_request(script, message);
    }
}

fn flags(script: &mut Script<'_>) -> OpenFlags {
    const BITS: u32 = 0x3 | 0x40 | 0x80 | 0x200 | 0x400 | 0x800 | 0x1000 | 0x1_0000 | 0x2_0000;
    OpenFlags::from_bits_retain(script.word() & BITS)
}

fn place(script: &mut Script<'_>) -> Seek {
    let offset = script.size(MOST);
    match script.byte() % 5 {
        0 | 1 => Seek::Start(offset & (u64::MAX >> 1)),
        2 => Seek::Current(offset.cast_signed()),
        3 => Seek::End(offset.cast_signed()),
        _ => Seek::Hole(offset & (u64::MAX >> 1)),
    }
}

/// A message on an open file, or one that makes an open of another.
fn request(script: &mut Script<'_>, connection: &Connection, message: &mut Vec<u8>) {
    let scoid = connection.server_info().scoid.raw();
    let coid = connection.id().raw() + i32::from(script.byte() % 3) - 1;
    match script.byte() % 8 {
        0 => Dup { scoid, coid }.encode(message),
        1 => {
            let flags = flags(script);
            let share = u16::from(script.byte());
            OpenFd {
                flags,
                share,
                scoid,
                coid,
            }
            .encode(message);
        }
        2 => wire::encode_close(message),
        _ => open_request(script, message),
    }
}

fn open_request(script: &mut Script<'_>, message: &mut Vec<u8>) {
    let len = u32::from(script.byte()) * 16;
    let offset = (script.byte().is_multiple_of(2)).then(|| script.size(MOST));
    let transfer = Transfer {
        len,
        offset,
        nonblock: None,
    };
    match script.byte() % 16 {
        0 | 1 => transfer.encode(MessageType::READ, message),
        2 | 3 => {
            let data = script.bytes(256);
            let len = data.len() as u32;
            Transfer { len, ..transfer }.encode(MessageType::WRITE, message);
            message.extend_from_slice(data);
        }
        4 => wire::encode_stat(message),
        5 => drop(place(script).encode(message)),
        6 => lock(script, message),
        7 => {
            let kind = if script.byte().is_multiple_of(2) {
                SpaceKind::Free
            } else {
                SpaceKind::Allocate
            };
            let (base, len) = (place(script), script.size(MOST));
            let _ = Space { kind, base, len }.encode(message);
        }
        8 => notify(script, message),
        9 => xattr(script, message),
        10 => wire::encode_chmod(script.word() & 0o7777, message),
        11 => Utime {
            accessed: TimeChange::At(i64::from(script.word())),
            modified: TimeChange::Now,
        }
        .encode(message),
        12 => wire::encode_chown(Some(script.word()), None, message),
        13 => wire::encode_fd_info(0, 64, message),
        14 => wire::encode_pathconf(u16::from(script.byte()), message),
        _ => message.extend_from_slice(script.bytes(128)),
    }
}

fn lock(script: &mut Script<'_>, message: &mut Vec<u8>) {
    const ACTIONS: [LockAction; 5] = [
        LockAction::Get,
        LockAction::Set,
        LockAction::SetWait,
        LockAction::Flock,
        LockAction::FlockWait,
    ];
    const KINDS: [LockKind; 3] = [LockKind::Read, LockKind::Write, LockKind::Unlock];
    let request = LockRequest {
        action: ACTIONS[script.below(ACTIONS.len())],
        kind: KINDS[script.below(KINDS.len())],
        base: place(script),
        len: script.size(64).cast_signed(),
    };
    let _ = request.encode(message);
}

fn notify(script: &mut Script<'_>, message: &mut Vec<u8>) {
    const ACTIONS: [NotifyAction; 4] = [
        NotifyAction::TranArm,
        NotifyAction::CondArm,
        NotifyAction::Poll,
        NotifyAction::PollArm,
    ];
    let notify = Notify {
        action: ACTIONS[script.below(ACTIONS.len())],
        conditions: Conditions::from_bits_truncate(script.word()),
        event: Event::none(),
    };
    notify.encode(message);
}

fn xattr(script: &mut Script<'_>, message: &mut Vec<u8>) {
    let name = script.bytes(4);
    let value = script.bytes(64);
    let xattr = match script.byte() % 4 {
        0 => Xattr::Get { name },
        1 => Xattr::Set {
            name,
            value,
            len: value.len() as u32,
            flags: XattrFlags::from_bits_truncate(u32::from(script.byte())),
        },
        2 => Xattr::List,
        _ => Xattr::Remove { name },
    };
    let _ = xattr.encode(message);
}

/// A new client finds the root; and if it may, its entries.
fn works(connection: &Connection) {
    let connect = Connect {
        kind: ConnectKind::COMBINE_CLOSE,
        ..Connect::default()
    };
    let mut message = Vec::new();
    connect.encode(&mut message).unwrap();
    wire::encode_stat(&mut message);
    let mut room = [0; Stat::SIZE];
    loop {
        // Without a deadline: it must be answered.
        match connection.send(&message, &mut room) {
            Ok(_) => break,
            Err(SendError::Interrupted) => {}
            Err(other) => panic!("{other:?}"),
        }
    }
    assert!(Stat::decode(&room).unwrap().is_dir());
}
