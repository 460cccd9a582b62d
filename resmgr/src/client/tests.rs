//! Paths, names and lists in a namespace of the test's own. `RESMGR_DIR` can only be set for a new process:
//! so the test runs itself again.

mod calls;
mod changes;
mod poll;
mod remote;
mod server;

use super::{EntryKind, ListEntry, OpenFlags, Stat, list, open, stat};
use crate::dispatch::{AttachFlags, Manager};
use crate::name::{NameFlags, name_attach, name_open};
use crate::resource::{At, Device};
use crate::{Errno, Result};
use std::process::Command;

struct Hello;

impl Device for Hello {
    fn read(&self, at: &At, buffer: &mut [u8]) -> Result<usize> {
        at.copy(b"Hello, world!\n", buffer)
    }
}

#[test]
fn paths_lead_to_files_directories_and_names() {
    let mark = "RESMGR_TEST_INSIDE";
    if let Some(inside) = std::env::var_os(mark) {
        if inside == "server" {
            remote::serve();
            return;
        }
        files();
        directories();
        names();
        changes::paths();
        remote::wait_for_files(mark);
        return;
    }
    let dir = std::env::temp_dir().join(format!("resmgr-client-test-{}", std::process::id()));
    let mut inside = Command::new(std::env::current_exe().unwrap());
    let this = std::thread::current().name().unwrap().to_owned();
    // No daemon outlives the test: there is none, and the process serves itself.
    inside
        .args(["--exact", &this, "--nocapture"])
        .env(mark, "1")
        .env("RESMGR_DIR", &dir);
    let status = inside.env("RESMGR_NAMESPACED", "/nonexistent").status();
    let removed = std::fs::remove_dir_all(&dir);
    assert!(status.unwrap().success());
    assert!(removed.is_ok());
}

fn serve() -> crate::dispatch::Running {
    let manager = Manager::new().unwrap();
    let attached = manager
        .attach_with("/dev/test/hello", AttachFlags::SELF, Hello)
        .unwrap();
    attached
        .attach_with("/dev/test/sub/other", AttachFlags::SELF, Hello)
        .unwrap()
        .spawn()
        .unwrap()
}

fn files() {
    let running = serve();
    let file = open("/dev//test/./hello", OpenFlags::READ).unwrap();
    let mut buffer = [0; 32];
    assert_eq!(file.read(&mut buffer), Ok(14));
    assert_eq!(
        stat("/dev/test/hello").unwrap().mode,
        Stat::CHARACTER | 0o666
    );
    let refused = |path| open(path, OpenFlags::READ).map(drop);
    assert_eq!(refused("/dev/test/hello/"), Err(Errno::NOTDIR));
    assert_eq!(refused("/dev/test/hello/below"), Err(Errno::NOTDIR));
    assert_eq!(refused("/dev/test/hell"), Err(Errno::NOENT));
    assert_eq!(refused(""), Err(Errno::NOENT));
    running.stop().unwrap();
    assert_eq!(refused("/dev/test/hello"), Err(Errno::NOENT));
}

fn directories() {
    let _running = serve();
    assert!(stat("/").unwrap().is_dir() && stat("/dev/test").unwrap().is_dir());
    assert_eq!(stat("/dev/none"), Err(Errno::NOENT));
    let entry = |name: &str, kind| ListEntry {
        name: name.into(),
        kind,
        target: "".into(),
    };
    let expected = [
        entry("hello", EntryKind::File),
        entry("sub", EntryKind::Directory),
    ];
    assert_eq!(list("/dev/test").unwrap(), expected);
    assert_eq!(list("/dev/test/hello"), Err(Errno::NOTDIR));
    assert_eq!(list("/dev/none"), Err(Errno::NOENT));
}

fn names() {
    let name = name_attach("a/greeter", NameFlags::empty()).unwrap();
    let taken = name_attach("a/greeter", NameFlags::empty()).unwrap_err();
    assert_eq!(taken.errno(), Errno::BUSY);
    assert!(taken.to_string().contains("a/greeter"));
    assert_eq!(name_open("nobody").map(drop), Err(Errno::NOENT));
    // A process does not find its own names: another one has to open it.
    assert_eq!(name_open("a/greeter").map(drop), Err(Errno::NOENT));
    assert!(matches!(
        name.channel()
            .receive_until(&mut [0; 64], Some(std::time::Instant::now())),
        Err(Errno::TIMEDOUT)
    ));
    let listed = list("/dev/name/local/a").unwrap();
    assert_eq!(
        listed,
        [ListEntry {
            name: "greeter".into(),
            kind: EntryKind::File,
            target: "".into(),
        }]
    );
    drop(name);
    assert_eq!(list("/dev/name/local/a"), Err(Errno::NOENT));
}
