//! Many servers, and whoever keeps their names is killed: every name is back at once, and nobody who asks is
//! refused. `RESMGR_CROWD` says how many servers (the figure that is asked for is 2000; a few by default), and
//! prints what it took.
#![allow(clippy::unwrap_used)] // helpers of tests are tests

mod common;

use common::{Assistant, Place, end, path, until};
use resmgr_namespace::{Attach, AttachFlags, FileType, RuntimeDir, Session};
use resmgr_sys::epoll::{Epoll, Ready, poll_one};
use resmgr_sys::{process, signal};
use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::process::Command;
use std::time::Instant;

/// Names of each server.
const NAMES: usize = 10;
const KILLS: usize = 5;
const CLIENTS: usize = 4;

#[test]
fn assistant() {
    common::assist();
}

fn size() -> usize {
    let set = std::env::var("RESMGR_CROWD").ok();
    set.map_or(60, |set| set.parse().unwrap())
}

fn name(server: usize, number: usize) -> String {
    format!("/srv/{server}/{number}")
}

fn attach(server: usize, number: usize) -> Attach {
    Attach {
        path: path(&name(server, number)),
        chid: 1,
        handle: 0,
        file_type: FileType::ANY,
        flags: AttachFlags::DIR,
        exclusive: true,
    }
}

/// The body of a test of this name, run as a process of its own: the parent of the servers, which lives
/// until its standard input ends. Each server says with a byte that it has all of its names (again).
#[test]
fn parent() {
    let Ok(count) = std::env::var("RESMGR_CROWD_PARENT") else {
        return;
    };
    let (alive, parent) = std::io::pipe().unwrap();
    for server in 0..count.parse().unwrap() {
        if process::fork_for_test().unwrap().is_none() {
            drop(parent);
            serve(server, &alive);
            process::exit_now(0);
        }
    }
    let _ = std::io::stdin().read_to_end(&mut Vec::new());
    drop(parent);
}

fn serve(server: usize, alive: &std::io::PipeReader) {
    let session = Session::open(&RuntimeDir::own().unwrap()).unwrap();
    session.set_patience(common::LIMIT);
    for number in 0..NAMES {
        session.attach(&attach(server, number)).unwrap();
    }
    loop {
        std::io::stdout().write_all(b"@").unwrap();
        std::io::stdout().flush().unwrap();
        let watched = session.watch_fd().unwrap();
        let epoll = Epoll::new().unwrap();
        epoll.add(&watched, 1, Ready::PEER_CLOSED).unwrap();
        epoll.add(alive, 0, Ready::PEER_CLOSED).unwrap();
        let mut events = Vec::new();
        epoll.wait(None, &mut events).unwrap();
        if events.iter().any(|event| event.token == 0) {
            return;
        }
        session.recover().unwrap();
    }
}

/// Servers in processes of their own.
struct Crowd {
    parent: std::process::Child,
    said: std::process::ChildStdout,
    count: usize,
}

impl Crowd {
    fn start(place: &Place, count: usize) -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", "parent", "--nocapture", "--test-threads=1"]);
        command
            .env("RESMGR_DIR", place.path())
            .env("RESMGR_NAMESPACED", env!("CARGO_BIN_EXE_namespaced"))
            .env("RESMGR_CROWD_PARENT", count.to_string())
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::piped());
        let mut parent = command.spawn().unwrap();
        let said = parent.stdout.take().unwrap();
        Self {
            parent,
            said,
            count,
        }
    }

    /// Waits until each server has said once more that its names are there.
    fn is_back(&mut self) {
        let (mut heard, mut buffer) = (0, [0; 4096]);
        while heard < self.count {
            let room = buffer.len().min(self.count - heard);
            let deadline = Some(Instant::now() + common::LIMIT);
            let spoke = poll_one(self.said.as_fd(), Ready::IN, deadline);
            assert_eq!(
                spoke,
                Ok(true),
                "{heard} of {} servers are back",
                self.count
            );
            let got = self.said.read(&mut buffer[..room]).unwrap();
            assert_ne!(got, 0, "the servers have ended");
            heard += String::from_utf8_lossy(&buffer[..got]).matches('@').count();
        }
    }
}

impl Drop for Crowd {
    fn drop(&mut self) {
        drop(self.parent.stdin.take());
        let _ = self.parent.wait();
        // The last server's end of the pipe.
        let _ = self.said.read_to_end(&mut Vec::new());
    }
}

#[test]
fn a_crowd_of_servers_loses_no_name_and_no_client_is_refused() {
    let place = Place::new();
    let count = size();
    let mut crowd = Crowd::start(&place, count);
    crowd.is_back();
    let mut keeper = Assistant::ready(&place);
    keeper.attach("/storm", 1, AttachFlags::DIR);
    let end_mark = place.path().join("end");
    let mut clients: Vec<_> = (0..CLIENTS).map(|_| Assistant::ready(&place)).collect();
    for client in &mut clients {
        client.tell(&format!("storm /storm/below {}", end_mark.display()));
    }
    for kill in 0..KILLS {
        let server = place.server().unwrap();
        let before = Instant::now();
        if kill % 2 == 0 {
            end(server);
        } else {
            // As for another version of the program: the old one leaves in order.
            process::kill(server, signal::TERM).unwrap();
        }
        until("another serves", || {
            Session::connect(&place.dir()).is_ok()
                && place.server().is_some_and(|pid| pid != server)
        });
        let session = place.session();
        session.set_patience(common::LIMIT);
        let served = before.elapsed();
        // It has all names from the beginning, whoever has come back meanwhile.
        let back = std::thread::scope(|scope| {
            let back = scope.spawn(|| {
                crowd.is_back();
                before.elapsed()
            });
            for server in 0..count {
                let parent = path(&format!("/srv/{server}"));
                assert_eq!(session.list(&parent, b"").unwrap().names.len(), NAMES);
            }
            back.join().unwrap()
        });
        println!(
            "{count} servers: served with all names after {} ms, all attached again after {} ms",
            served.as_millis(),
            back.as_millis()
        );
    }
    std::fs::write(&end_mark, "").unwrap();
    for client in &mut clients {
        let answer = client.answer();
        assert!(answer.starts_with("calm after "), "{answer}");
        println!("{answer}");
    }
}
