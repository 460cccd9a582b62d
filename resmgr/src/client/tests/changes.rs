//! The calls by path, with a server by hand: each is one message.

use super::server::{Answer, Server, bytes, done};
use crate::Errno;
use crate::client::{self, Access, Caller, OpenFlags, RenameFlags, Stat, TimeChange, XattrFlags};
use crate::ipc::{Channel, ChannelFlags, Message};
use crate::name::{AttachFlags, FileType, PathAttach, resmgr_attach, symlink};
use crate::wire::{
    Connect, ConnectKind, ConnectStatus, DevctlReply, LinkReply, Plain, Request, Statvfs, Utime,
    Xattr, dcmds,
};
use std::ffi::OsStr;
use std::sync::{Arc, Mutex};

/// What came, as text.
type Log = Arc<Mutex<Vec<String>>>;

/// A server of the directory /srv, which knows everything but names that begin with `no`.
fn serve(log: &Log) -> (Server, PathAttach) {
    let channel = Channel::create(ChannelFlags::empty()).unwrap();
    let flags = AttachFlags::SELF | AttachFlags::DIR;
    let name = resmgr_attach(&channel, "/srv", FileType::ANY, flags, 3).unwrap();
    let log = Arc::clone(log);
    let server = Server::on(channel, move |request: &Request<'_>, _: &Message| {
        let Request::Connect(connect, next) = request else {
            return Err(Errno::NOSYS);
        };
        let answer = answer(connect, next);
        log.lock().unwrap().push(describe(connect, next));
        answer
    });
    (server, name)
}

fn describe(connect: &Connect<'_>, next: &[u8]) -> String {
    let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
    let (kind, path, mode) = (connect.kind.0, text(connect.path), connect.mode);
    let next = if next.is_empty() {
        String::new()
    } else {
        format!(" {:?}", Request::decode(next))
    };
    let extra = text(connect.extra);
    format!("{kind} {path} {mode:o} {extra}{next}")
}

fn answer(connect: &Connect<'_>, next: &[u8]) -> Answer {
    if connect.path.starts_with(b"no") {
        return Err(Errno::NOENT);
    }
    if connect.path.starts_with(b"unable") {
        return Err(Errno::NOSYS);
    }
    // Where this leads is no place.
    if connect.path == b"link" && !connect.flags.contains(OpenFlags::NO_FOLLOW) {
        return Err(Errno::LOOP);
    }
    if connect.path.starts_with(b"via/") {
        let path = connect.path[4..].to_vec();
        return bytes(ConnectStatus::LINK.to_status(), |out| {
            LinkReply {
                path,
                ..LinkReply::default()
            }
            .encode(out)
            .unwrap();
        });
    }
    if connect.kind == ConnectKind::READLINK {
        return bytes(0, |out| {
            let path = b"../target".to_vec();
            LinkReply {
                path,
                ..LinkReply::default()
            }
            .encode_text(out)
            .unwrap();
        });
    }
    if connect.kind != ConnectKind::COMBINE_CLOSE {
        return done(0);
    }
    combined(connect, next)
}

fn combined(connect: &Connect<'_>, next: &[u8]) -> Answer {
    match Request::decode(next)? {
        Request::Stat if connect.access & 2 != 0 => Err(Errno::ACCES),
        Request::Stat => bytes(0, |out| {
            Stat {
                mode: Stat::REGULAR,
                ..Stat::default()
            }
            .encode(out);
        }),
        Request::Pathconf(name) => done(i64::from(name) + 1),
        Request::Space(_) => bytes(0, |out| out.extend_from_slice(&[0; 8])),
        Request::Xattr(Xattr::Get { name }) => {
            bytes(i64::try_from(name.len()).unwrap(), |out| out.extend(name))
        }
        Request::Xattr(Xattr::List) => bytes(2, |out| out.extend(b"a\0")),
        Request::Devctl(header, _) => {
            assert_eq!(header.command.raw(), dcmds::FSYS_STATVFS.dcmd().raw());
            let statvfs = Statvfs {
                namemax: 99,
                ..Statvfs::default()
            };
            bytes(0, |out| {
                DevctlReply { value: 0, len: 88 }.encode(out);
                statvfs.with_bytes(|bytes| out.extend_from_slice(bytes));
            })
        }
        _ => done(0),
    }
}

/// Run in a namespace of the test's own.
pub(super) fn paths() {
    let log = Log::default();
    let (_server, _name) = serve(&log);
    names(&log);
    attributes(&log);
    made_up(&log);
    links_themselves(&log);
}

/// Whoever follows links by itself means the link.
fn links_themselves(log: &Log) {
    let itself = Caller {
        no_follow: true,
        ..caller()
    };
    let flags = OpenFlags::READ;
    for (caller, expected) in [(caller(), Err(Errno::LOOP)), (itself, Ok(()))] {
        assert_eq!(caller.chmod("/srv/link", 0o600), expected);
        assert_eq!(caller.stat("/srv/link").map(drop), expected);
        assert_eq!(caller.open("/srv/link", flags, 0).map(drop), expected);
    }
    taken(log);
}

fn taken(log: &Log) -> Vec<String> {
    std::mem::take(&mut log.lock().unwrap())
}

/// Nothing is taken off.
fn caller() -> Caller<'static> {
    Caller {
        umask: Some(0o022),
        ..Caller::default()
    }
}

fn names(log: &Log) {
    assert_eq!(client::unlink("/srv/a"), Ok(()));
    assert_eq!(client::remove_dir("/srv/a"), Ok(()));
    assert_eq!(client::rename("/srv/a", "/srv/b"), Ok(()));
    let flags = RenameFlags::EXCHANGE;
    assert_eq!(caller().rename("/srv/a", "/srv/sub/b", flags), Ok(()));
    assert_eq!(client::link("/srv/a", "/srv/b"), Ok(()));
    assert_eq!(client::make_symlink("any text", "/srv/l"), Ok(()));
    assert_eq!(caller().create_dir("/srv/d", 0o777), Ok(()));
    assert_eq!(caller().make_node("/srv/n", 0o10_666, 0), Ok(()));
    assert_eq!(client::read_link("/srv/l"), Ok("../target".into()));
    assert_eq!(client::unlink("/srv/via/x"), Ok(()));
    let expected = [
        "3 a 0 ",
        "3 a 40000 ",
        "4 b 0 a",
        "4 sub/b 2 a",
        "7 b 0 a",
        "7 l 0 any text",
        "5 d 40755 ",
        "5 n 10644 ",
        "6 l 0 ",
        "3 via/x 0 ",
        "3 x 0 ",
    ];
    assert_eq!(taken(log), expected);
    assert_eq!(client::unlink("/srv/no"), Err(Errno::NOENT));
    assert_eq!(client::unlink("/srv/unable"), Err(Errno::NOSYS));
    assert_eq!(client::read_link("/srv/unable"), Err(Errno::INVAL));
    assert_eq!(client::make_symlink("", "/srv/l"), Err(Errno::NOENT));
    taken(log);
}

fn attributes(log: &Log) {
    let name = OsStr::new("user.a");
    let (keep, now) = (TimeChange::Keep, TimeChange::Now);
    let none = XattrFlags::empty();
    assert_eq!(client::chmod("/srv/a", 0o600), Ok(()));
    assert_eq!(client::chown("/srv/a", Some(1), None), Ok(()));
    assert_eq!(client::set_times("/srv/a", keep, now), Ok(()));
    assert_eq!(client::truncate("/srv/a", 5), Ok(()));
    assert_eq!(client::pathconf("/srv/a", 3), Ok(4));
    assert_eq!(client::statvfs("/srv/a").map(|found| found.namemax), Ok(99));
    assert_eq!(client::xattr("/srv/a", name), Ok(b"user.a".to_vec()));
    assert_eq!(client::set_xattr("/srv/a", name, b"v", none), Ok(()));
    assert_eq!(client::list_xattrs("/srv/a"), Ok(vec!["a".into()]));
    assert_eq!(client::remove_xattr("/srv/a", name), Ok(()));
    assert_eq!(client::access("/srv/a", Access::READ), Ok(()));
    assert_eq!(client::access("/srv/a", Access::WRITE), Err(Errno::ACCES));
    assert!(client::symlink_stat("/srv/a").is_ok());
    let log = taken(log);
    // CB-2: a message each, which opens, acts and closes.
    assert_eq!(log.len(), 13);
    assert!(log.iter().all(|one| one.starts_with("1 a 0 ")));
    let utime = Request::Utime(Utime {
        accessed: keep,
        modified: now,
    });
    assert!(log[2].ends_with(&format!("Ok({utime:?})")), "{}", log[2]);
    assert_eq!(client::chmod("/srv/unable", 0), Err(Errno::NOSYS));
    assert_eq!(client::chmod("/srv/no", 0), Err(Errno::NOENT));
}

/// Names of the path manager cannot be changed like files.
fn made_up(log: &Log) {
    let link = symlink("/srv/a", "/made/link").unwrap();
    assert_eq!(client::read_link("/made/link"), Ok("/srv/a".into()));
    assert_eq!(client::read_link("/made"), Err(Errno::INVAL));
    assert_eq!(client::unlink("/made/link"), Err(Errno::BUSY));
    assert_eq!(client::remove_dir("/made"), Err(Errno::BUSY));
    assert_eq!(client::create_dir("/made"), Err(Errno::EXIST));
    assert_eq!(client::make_symlink("x", "/made/link"), Err(Errno::EXIST));
    assert_eq!(client::rename("/srv/a", "/made/link"), Err(Errno::BUSY));
    let stat = client::symlink_stat("/made/link").unwrap();
    assert_eq!(stat.mode & Stat::TYPE, Stat::LINK);
    assert_eq!(client::access("/made", Access::READ), Ok(()));
    assert_eq!(client::access("/made", Access::WRITE), Err(Errno::ACCES));
    taken(log);
    let channel = Channel::create(ChannelFlags::empty()).unwrap();
    let flags = AttachFlags::SELF | AttachFlags::DIR;
    let _other = resmgr_attach(&channel, "/other", FileType::ANY, flags, 0).unwrap();
    assert_eq!(client::rename("/other/a", "/srv/a"), Err(Errno::XDEV));
    assert_eq!(client::link("/srv/a", "/other/a"), Err(Errno::XDEV));
    assert!(taken(log).is_empty());
    drop(link);
}
