//! What resmgrctl shows, of a namespace that this test serves itself.
#![allow(clippy::unwrap_used)] // helpers of tests are tests

mod common;

use common::resmgrctl;
use resmgr_namespace::server::{Config, Server};
use resmgr_namespace::{Attach, AttachFlags, FileType, Pathname, RuntimeDir, Session};
use resmgr_sys::epoll::EventFd;
use std::os::fd::AsFd;
use std::sync::Arc;

/// A served directory; the server leaves when this is dropped.
struct Served {
    base: tempfile::TempDir,
    session: Session,
    stop: Arc<EventFd>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Served {
    fn new() -> Self {
        let base = tempfile::tempdir().unwrap();
        let dir = RuntimeDir::at(base.path()).unwrap();
        let mut server = Server::new(
            &dir,
            Config {
                idle: None,
                ..Config::default()
            },
        )
        .unwrap();
        let stop = Arc::new(EventFd::new().unwrap());
        let bell = Arc::clone(&stop);
        let run = move || {
            let _ = server.run(Some((*bell).as_fd()));
        };
        let thread = Some(std::thread::spawn(run));
        Self {
            session: Session::connect(&dir).unwrap(),
            base,
            stop,
            thread,
        }
    }

    fn attach(&self, path: &str, flags: AttachFlags) {
        let attach = Attach {
            path: Pathname::new(path).unwrap(),
            chid: 1,
            handle: 5,
            file_type: FileType::NAME,
            flags,
            exclusive: false,
        };
        self.session.attach(&attach).unwrap();
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        self.stop.ring();
        let _ = self.thread.take().map(std::thread::JoinHandle::join);
    }
}

#[test]
fn ls_shows_names_and_virtual_parents() {
    let served = Served::new();
    served.attach("/dev/hello", AttachFlags::empty());
    served.attach("/dev/ram", AttachFlags::DIR);
    served.attach("/dev/name/local/a b\n", AttachFlags::empty());
    let ls = |arguments: &[&str]| resmgrctl(served.base.path(), arguments);
    assert_eq!(
        ls(&["ls", "/dev"]),
        (0, "hello\nname/\nram/\n".into(), String::new())
    );
    let all =
        "/dev/\n/dev/hello\n/dev/name/\n/dev/name/local/\n/dev/name/local/a b\\n\n/dev/ram/\n";
    assert_eq!(ls(&["ls", "-R", "/"]).1, all);
    assert_eq!(ls(&["ls", "/dev/../dev//hello"]).1, "/dev/hello\n");
    let missing = ls(&["ls", "/nothing"]);
    assert_eq!(
        (missing.0, missing.2.as_str()),
        (1, "resmgrctl: /nothing: no such file or directory\n")
    );
}

#[test]
fn ls_shows_more_than_one_page_of_names() {
    let served = Served::new();
    let long = "x".repeat(200);
    for number in 0..200 {
        served.attach(&format!("/{long}{number:03}"), AttachFlags::empty());
    }
    let (status, names, _) = resmgrctl(served.base.path(), &["ls", "/"]);
    assert_eq!((status, names.lines().count()), (0, 200));
    assert!(names.lines().is_sorted());
}

#[test]
fn resolve_shows_a_line_for_each_server_in_order() {
    let served = Served::new();
    served.attach("/", AttachFlags::DIR | AttachFlags::OPAQUE);
    served.attach("/dev/hello", AttachFlags::empty());
    let (status, text, _) = resmgrctl(served.base.path(), &["resolve", "/dev/hello"]);
    assert_eq!(status, 0);
    let pid = std::process::id().to_string();
    let lines: Vec<Vec<_>> = text
        .lines()
        .map(|line| line.split_whitespace().collect())
        .collect();
    assert_eq!(
        lines[0],
        ["PREFIX", "PID", "CHID", "HANDLE", "TYPE", "FLAGS"]
    );
    assert_eq!(
        lines[1],
        ["/dev/hello", pid.as_str(), "1", "5", "name", "-"]
    );
    assert_eq!(
        lines[2],
        ["/", pid.as_str(), "1", "5", "name", "OPAQUE|DIR"]
    );
    assert_eq!(lines.len(), 3);
}

#[test]
fn looking_starts_nothing_and_every_failure_has_its_status() {
    let base = tempfile::tempdir().unwrap();
    let nobody = resmgrctl(base.path(), &["ls", "/"]);
    assert_eq!(nobody.0, 1);
    assert_eq!(
        nobody.2,
        "resmgrctl: no namespace is served: no resource manager runs\n"
    );
    assert_eq!(std::fs::read_dir(base.path()).unwrap().count(), 0);
    assert_eq!(resmgrctl(&base.path().join("none"), &["ls", "/"]).0, 1);
    for wrong in [
        &["resolve"][..],
        &["ls", "relative"],
        &["ls", ""],
        &["look"],
        &[],
    ] {
        assert_eq!(resmgrctl(base.path(), wrong).0, 100, "{wrong:?}");
    }
    let file = base.path().join("file");
    std::fs::write(&file, "").unwrap();
    let refused = resmgrctl(&file, &["ls", "/"]);
    assert_eq!(refused.0, 111);
    assert!(refused.2.ends_with("/file: is not a directory\n"));
}
