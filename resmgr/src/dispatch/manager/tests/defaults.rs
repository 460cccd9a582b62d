//! The table of what absence of a handler means: the same in both places, and true.

use super::{BOTH, READ, bytes, open, refused, serve};
use crate::client::File;
use crate::dispatch::Running;
use crate::ipc::{ChannelId, Connection, SendError};
use crate::resource::{Attr, Opening, Resource};
use crate::wire::{
    self, Conditions, Connect, ConnectKind, Dcmd, ExtraType, MessageType, Msg, OpenFlags, Stat,
};
use crate::{Errno, Result};
use std::io::SeekFrom;

const RUSTDOC: &str = include_str!("../../../resource/mod.rs");
const PAGE: &str = include_str!("../../../../../man/resmgr_handlers.3");

/// The rows: call, handler, what absence means.
fn rustdoc() -> Vec<[String; 3]> {
    let table = RUSTDOC.split("# What absence means").nth(1).unwrap();
    let rows = table.lines().filter_map(|line| {
        let row = line.strip_prefix("//! | ")?.strip_suffix(" |")?;
        let mut cells = row.split('|').map(|cell| cell.trim().replace('`', ""));
        Some([cells.next()?, cells.next()?, cells.next()?])
    });
    rows.skip(1).collect()
}

/// The same of the manual page, without its marks.
fn page() -> Vec<[String; 3]> {
    let list = PAGE.split(".Sh DEFAULTS").nth(1).unwrap();
    let list = list.split(".El").next().unwrap();
    let items = list.split("\n.It ").skip(1).map(|item| {
        let (call, rest) = item.split_once('\n').unwrap();
        let rest = rest.replace("\n.Er ", " ").replace(" .\n", ".\n");
        let rest = rest.replace('\n', " ").replace("\\(aq", "'");
        let (handler, without) = match rest.split_once(". Without it: ") {
            Some((handler, without)) => (handler.strip_prefix("Handler: ").unwrap(), without),
            None => ("", rest.strip_prefix("No handler. ").unwrap()),
        };
        let without = without.trim().trim_end_matches('.').trim();
        let without = without.replace(" ;", ";").replace(" :", ":");
        let without = without.strip_prefix("Without it: ").unwrap_or(&without);
        [
            call.replace("\\(aq", "'"),
            handler.to_owned(),
            without.to_owned(),
        ]
    });
    items.collect()
}

#[test]
fn the_table_of_defaults_is_the_same_in_both_places() {
    let squeezed = |rows: Vec<[String; 3]>| -> Vec<[String; 3]> {
        let squeeze = |cell: String| cell.split_whitespace().collect::<Vec<_>>().join(" ");
        rows.into_iter().map(|row| row.map(squeeze)).collect()
    };
    let (one, two) = (squeezed(rustdoc()), squeezed(page()));
    assert!(one.len() > 20, "{one:?}");
    for (one, two) in one.iter().zip(&two) {
        assert_eq!(one, two);
    }
    assert_eq!(one.len(), two.len());
}

/// A resource with nothing but what it must have.
struct Bare(Attr);

impl Resource for Bare {
    type Node = ();
    type Open = ();

    fn root(&self) {}

    fn attr(&self, (): &()) -> Result<Attr> {
        Ok(self.0)
    }

    fn open(&self, (): &(), _how: &Opening) -> Result<()> {
        Ok(())
    }
}

/// Bare resources of three types.
struct World {
    _running: [Running; 3],
    file: ChannelId,
    device: ChannelId,
    dir: ChannelId,
}

fn world() -> World {
    let (one, file) = serve(Bare(Attr::file(0o666, 10)), 1);
    let (two, device) = serve(Bare(Attr::device(0o666)), 1);
    let (three, dir) = serve(Bare(Attr::directory(0o777)), 1);
    World {
        _running: [one, two, three],
        file,
        device,
        dir,
    }
}

fn connect(chid: ChannelId, connect: Connect<'_>) -> std::result::Result<(), Errno> {
    let connection = Connection::attach(0, chid).unwrap();
    let message = bytes(|out| connect.encode(out).unwrap());
    match connection.send(&message, &mut [0; 256]) {
        Ok(_) => Ok(()),
        Err(SendError::Refused(errno)) => Err(errno),
        other => panic!("{other:?}"),
    }
}

fn names(dir: ChannelId, kind: ConnectKind, mode: u32) -> std::result::Result<(), Errno> {
    let extra_type = match kind {
        ConnectKind::RENAME => ExtraType::RENAME,
        ConnectKind::LINK => ExtraType::LINK,
        _ => ExtraType::NONE,
    };
    connect(
        dir,
        Connect {
            kind,
            mode,
            path: b"name",
            extra_type,
            extra: if extra_type == ExtraType::NONE {
                b""
            } else {
                b"other"
            },
            ..Connect::default()
        },
    )
}

/// What a row says is tried; a row that is not known here is an error.
#[expect(clippy::too_many_lines, reason = "it is a table")]
fn check(world: &World, call: &str) {
    let file = || open(world.file, BOTH);
    let device = || open(world.device, BOTH);
    let dir = || open(world.dir, READ);
    let nosys: Result<()> = Err(Errno::NOSYS);
    match call {
        "open" => drop((file(), device(), dir())),
        "open of a path below the attached one" => {
            let below = Connect {
                path: b"x",
                ..Connect::default()
            };
            assert_eq!(connect(world.dir, below), Err(Errno::NOENT));
        }
        "open with O_CREAT of what is not there" => {
            let flags = READ | OpenFlags::CREATE;
            let create = Connect {
                path: b"x",
                flags,
                ..Connect::default()
            };
            assert_eq!(connect(world.dir, create), Err(Errno::ROFS));
        }
        "open with O_TRUNC" => {
            let flags = BOTH | OpenFlags::TRUNCATE;
            let cut = Connect {
                flags,
                ..Connect::default()
            };
            assert_eq!(connect(world.file, cut), nosys);
            assert_eq!(connect(world.device, cut), Ok(()));
        }
        "read" => assert_eq!(file().read(&mut [0; 1]).map(drop), nosys),
        "read of a directory" => {
            // The framework's own two entries come first.
            let dir = dir();
            assert_eq!(dir.read(&mut [0; 48]).unwrap(), 48);
            assert_eq!(dir.read(&mut [0; 64]), Err(Errno::NOTDIR));
        }
        "write" => {
            assert_eq!(file().write(b"x").map(drop), nosys);
            assert_eq!(file().write(b""), Ok(0));
        }
        "stat" => assert_eq!(file().stat().unwrap().size, 10),
        "lseek" => assert_eq!(file().seek(SeekFrom::End(-3)), Ok(7)),
        "lseek with SEEK_DATA, SEEK_HOLE" => {
            assert_eq!(file().seek_data(3), Ok(3));
            assert_eq!(file().seek_hole(3), Ok(10));
            assert_eq!(file().seek_data(10), Err(Errno::NXIO));
        }
        "chmod, chown, utime" => {
            let file = file();
            file.chmod(0o640).unwrap();
            assert_eq!(file.stat().unwrap().mode, Stat::REGULAR | 0o640);
            file.chmod(0o666).unwrap();
        }
        "ftruncate" => assert_eq!(file().set_len(3).map(drop), nosys),
        "posix_fallocate, punching holes" => {
            assert_eq!(file().allocate(0, 5).map(drop), Err(Errno::NOTSUP));
        }
        "fsync, writes with O_SYNC" => assert_eq!(file().sync_all(), Ok(())),
        "devctl" => {
            let unknown = file().devctl(Dcmd::none(5, 9), &mut []);
            assert_eq!(unknown, Err(Errno::NOTTY));
            assert!(file().current_flags().is_ok());
        }
        "ioctl of the flags, statvfs" => assert_eq!(file().statvfs().unwrap().blocks, 0),
        "private messages" => assert_eq!(message(&file()), Errno::NOSYS),
        "ionotify, poll, select" => assert_eq!(ready(&file()), Ok(())),
        "mmap" => assert_eq!(map(&file()), Errno::NODEV),
        "mkdir, mknod, symlink" => {
            let made = names(world.dir, ConnectKind::MKNOD, Stat::DIRECTORY | 0o777);
            assert_eq!(made, Err(Errno::ROFS));
        }
        // What names lead to has to be there before it can be linked, removed or renamed.
        "link" | "unlink" | "rename" => {
            let kind = match call {
                "link" => ConnectKind::LINK,
                "unlink" => ConnectKind::UNLINK,
                _ => ConnectKind::RENAME,
            };
            assert_eq!(names(world.dir, kind, 0), Err(Errno::NOENT));
            default_of(call);
        }
        "rmdir" => {
            let removed = names(world.dir, ConnectKind::UNLINK, Stat::DIRECTORY);
            assert_eq!(removed, Err(Errno::NOENT));
            default_of(call);
        }
        "readlink" => {
            let read = Connect {
                kind: ConnectKind::READLINK,
                ..Connect::default()
            };
            assert_eq!(connect(world.file, read), Err(Errno::INVAL));
        }
        "extended attributes" => {
            assert_eq!(
                file().xattr("user.x".as_ref()).map(drop),
                Err(Errno::NOTSUP)
            );
            assert_eq!(file().list_xattrs().map(drop), Err(Errno::NOTSUP));
        }
        "fcntl and flock locks" => assert_eq!(lock(&file()), Ok(())),
        "dup, openfd, fdinfo, pathconf, access" => {
            let file = file();
            assert!(file.dup().is_ok());
            assert!(file.open_again(READ).is_ok());
            assert_eq!(file.pathconf(3), Ok(255));
        }
        "close" => assert_eq!(file().close(), Ok(())),
        // Deferred calls have tests of their own.
        "a signal, deadline or token ends a call" => {}
        "mount, shutdown, power, acl" => {
            let mount = Connect {
                kind: ConnectKind::MOUNT,
                ..Connect::default()
            };
            assert_eq!(connect(world.file, mount), nosys);
            let power = MessageType::SHUTDOWN.0.to_ne_bytes();
            assert_eq!(
                refused(&file().connection, &[power, [0; 2]].concat()),
                Errno::NOSYS
            );
        }
        other => panic!("the table has a row that nobody checks: {other}"),
    }
}

/// The default itself, where no client comes that far.
fn default_of(call: &str) {
    let bare = Bare(Attr::directory(0o777));
    let name = std::ffi::OsStr::new("x");
    let (got, expected) = match call {
        "link" => (bare.link(&(), &(), name), Errno::PERM),
        "unlink" => (bare.unlink(&(), name), Errno::ROFS),
        "rmdir" => (bare.remove_dir(&(), name), Errno::ROFS),
        _ => {
            let flags = crate::resource::RenameFlags::empty();
            (bare.rename((&(), name), (&(), name), flags), Errno::ROFS)
        }
    };
    assert_eq!(got, Err(expected), "{call}");
}

fn message(file: &File) -> Errno {
    let msg = Msg {
        manager: 0xF000,
        subtype: 1,
    };
    refused(&file.connection, &bytes(|out| msg.encode(out)))
}

fn ready(file: &File) -> Result<()> {
    let wanted = Conditions::INPUT | Conditions::OUTPUT;
    let event = crate::ipc::Event::none();
    let now = file.notify(wire::NotifyAction::Poll, wanted, &event)?;
    assert_eq!(now, wanted);
    Ok(())
}

fn map(file: &File) -> Errno {
    let map = wire::MmapRequest {
        prot: wire::Protection::READ,
        offset: 0,
        len: 10,
    };
    refused(&file.connection, &bytes(|out| map.encode(out)))
}

fn lock(file: &File) -> Result<()> {
    file.try_flock(wire::LockKind::Write)
}

#[test]
fn if1_what_the_table_of_defaults_says_is_so() {
    let world = world();
    for [call, ..] in rustdoc() {
        check(&world, &call);
    }
}
