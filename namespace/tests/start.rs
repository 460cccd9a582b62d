//! Nobody has to start anything, two never serve at once, and who serves leaves cleanly.
#![allow(clippy::unwrap_used)] // helpers of tests are tests

mod common;

use common::{Assistant, Daemon, Place, channels, end, until};
use resmgr_namespace::protocol::{Request, VERSION};
use resmgr_namespace::server::{Config, Ended, Server};
use resmgr_namespace::{AttachFlags, Errno, Session, StartError};
use resmgr_sys::epoll::EventFd;
use resmgr_sys::{process, signal, socket};
use std::os::fd::AsFd;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

#[test]
fn assistant() {
    common::assist();
}

/// Children of `pid` that have ended and were not waited for.
fn zombies_of(pid: u32) -> usize {
    let stats = std::fs::read_dir("/proc").unwrap().flatten();
    let stats = stats.filter_map(|file| std::fs::read_to_string(file.path().join("stat")).ok());
    let is_one = |stat: &String| {
        let fields = stat.rsplit_once(") ").map_or("", |(_, fields)| fields);
        fields.starts_with(&format!("Z {pid} "))
    };
    stats.filter(is_one).count()
}

#[test]
fn processes_that_start_at_once_share_one_server() {
    let place = Place::new();
    let mut racers: Vec<_> = (0..6).map(|_| Assistant::new(&place)).collect();
    for racer in &mut racers {
        racer.tell("open");
    }
    for racer in &mut racers {
        assert_eq!(racer.answer(), "ok");
        assert_eq!(zombies_of(racer.pid()), 0);
    }
    let server = place.server().unwrap().to_string();
    for racer in &mut racers {
        assert_eq!(racer.ask("server"), server);
    }
}

#[test]
fn the_server_is_no_child_and_in_no_session_of_who_started_it() {
    let place = Place::new();
    let mut starter = Assistant::ready(&place);
    let server = place.server().unwrap();
    let stat = std::fs::read_to_string(format!("/proc/{server}/stat")).unwrap();
    let fields: Vec<_> = stat.rsplit_once(") ").unwrap().1.split(' ').collect();
    assert_ne!(fields[1], starter.pid().to_string());
    starter.attach("/dev/x", 1, AttachFlags::empty());
    starter.kill();
    let session = place.session();
    until("the name goes", || {
        channels(&session, "/dev/x") == Err(Errno::NOENT)
    });
}

#[test]
fn without_the_daemon_the_first_process_serves_on_a_thread_and_the_next_one_after_it() {
    let place = Place::new();
    let nothing = Path::new("/nonexistent/namespaced");
    let mut first = Assistant::with_daemon(&place, nothing);
    let mut second = Assistant::with_daemon(&place, nothing);
    assert_eq!(first.ask("open"), "ok");
    assert_eq!(first.ask("server"), first.pid().to_string());
    assert_eq!(second.ask("open"), "ok");
    second.attach("/dev/x", 1, AttachFlags::SELF);
    assert_eq!(second.ask("server"), first.pid().to_string());
    first.kill();
    assert_eq!(second.ask("server"), second.pid().to_string());
    assert_eq!(second.ask("resolve /dev/x"), format!("{}/1 ", second.pid()));
}

#[test]
fn a_daemon_that_does_nothing_is_replaced_by_a_thread() {
    let place = Place::new();
    let mut only = Assistant::with_daemon(&place, Path::new("/bin/true"));
    assert_eq!(only.ask("open"), "ok");
    assert_eq!(only.ask("server"), only.pid().to_string());
}

#[test]
fn a_second_server_says_who_serves_and_exits_111() {
    let place = Place::new();
    let daemon = Daemon::start(&place, &[]);
    let mut second = Command::new(env!("CARGO_BIN_EXE_namespaced"));
    let output = second.arg("--dir").arg(place.path()).output().unwrap();
    assert_eq!(output.status.code(), Some(111));
    let sentence = format!(
        "namespaced: {}: already served by pid {}\n",
        place.path().display(),
        daemon.child.id()
    );
    assert_eq!(String::from_utf8(output.stderr).unwrap(), sentence);
    let here = Server::new(&place.dir(), Config::default());
    assert!(matches!(here, Err(StartError::Served { .. })));
}

#[test]
fn wrong_usage_exits_100() {
    for wrong in [&["--idle", "soon"][..], &["--no-such-thing"], &["extra"]] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_namespaced"));
        assert_eq!(
            command.args(wrong).output().unwrap().status.code(),
            Some(100)
        );
    }
}

#[test]
fn sigterm_leaves_nothing_behind() {
    let place = Place::new();
    for signal in [signal::TERM, signal::INT] {
        let mut daemon = Daemon::start(&place, &["--idle", "never"]);
        let session = place.session();
        process::kill(daemon.child.id(), signal).unwrap();
        assert_eq!(daemon.wait(), 0);
        assert_eq!(place.files(), [""; 0]);
        drop(session);
    }
}

#[test]
fn a_server_without_clients_leaves() {
    let place = Place::new();
    let mut daemon = Daemon::start(&place, &["--idle", "0"]);
    assert_eq!(daemon.wait(), 0);
    assert_eq!(place.files(), [""; 0]);
}

#[test]
fn a_client_that_connects_while_the_server_leaves_is_served() {
    let place = Place::new();
    let dir = place.dir();
    let config = Config {
        idle: Some(Duration::ZERO),
        ..Config::default()
    };
    let mut server = Server::new(&dir, config).unwrap();
    let client = socket::connect(&dir.entry("ns"), common::LIMIT).unwrap();
    let hello = Request::Hello { version: VERSION }.encode(1).unwrap();
    socket::send(client.as_fd(), &hello, &[]).unwrap();
    let stop = EventFd::new().unwrap();
    let ended = std::thread::scope(|scope| {
        let running = scope.spawn(|| server.run(Some(stop.as_fd())));
        let deadline = Some(Instant::now() + common::LIMIT);
        socket::receive_until(client.as_fd(), &mut [0; 64], deadline).unwrap();
        stop.ring();
        running.join().unwrap()
    });
    assert_eq!(ended, Ok(Ended::Stopped));
}

#[test]
fn who_only_looks_starts_nothing() {
    let place = Place::new();
    assert!(matches!(
        Session::connect(&place.dir()),
        Err(StartError::Nobody { .. })
    ));
    assert_eq!(place.files(), [""; 0]);
}

#[test]
fn a_stopped_server_costs_a_call_its_deadline_and_no_more() {
    let place = Place::new();
    let daemon = Daemon::start(&place, &[]);
    let session = place.session();
    session.set_patience(Duration::from_millis(50));
    process::kill(daemon.child.id(), signal::STOP).unwrap();
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| assert_eq!(channels(&session, "/x"), Err(Errno::TIMEDOUT)));
        }
    });
    process::kill(daemon.child.id(), signal::CONT).unwrap();
    session.set_patience(common::LIMIT);
    assert_eq!(channels(&session, "/x"), Err(Errno::NOENT));
    end(daemon.child.id());
}
