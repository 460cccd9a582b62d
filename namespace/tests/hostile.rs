//! A client that dies, lies or sleeps hurts its own connection and nothing else.
#![allow(clippy::unwrap_used)] // helpers of tests are tests

mod common;

use common::{Assistant, Daemon, LIMIT, Place, channels, end, path, until};
use resmgr_namespace::protocol::{Request, VERSION};
use resmgr_namespace::{Attach, AttachFlags, Errno, FileType};
use resmgr_sys::epoll::{Ready, poll_one};
use resmgr_sys::pidfd::PidFd;
use resmgr_sys::{process, signal, socket};
use std::os::fd::{AsFd, OwnedFd};
use std::time::Instant;

#[test]
fn assistant() {
    common::assist();
}

fn raw_client(place: &Place) -> OwnedFd {
    socket::connect(&place.dir().entry("ns"), LIMIT).unwrap()
}

/// Waits for the server to close the connection; answers before that are passed over.
fn is_closed(client: &OwnedFd) -> bool {
    let deadline = Some(Instant::now() + LIMIT);
    loop {
        match socket::receive_until(client.as_fd(), &mut [0; 64], deadline) {
            Ok(_) => {}
            Err(errno) => return errno == Errno::CONNRESET,
        }
    }
}

#[test]
fn a_killed_client_loses_its_names_and_socket_though_its_child_lives() {
    let place = Place::new();
    let _daemon = Daemon::start(&place, &["--idle", "never"]);
    let mut client = Assistant::ready(&place);
    client.attach("/dev/x", 1, AttachFlags::empty());
    assert_eq!(client.ask("serve"), "ok");
    let listening = place.path().join("p").join(client.pid().to_string());
    std::fs::create_dir(place.path().join("p")).unwrap();
    std::fs::write(&listening, "").unwrap();
    let child: u32 = client.ask("fork").parse().unwrap();
    let session = place.session();
    assert_eq!(channels(&session, "/dev/x").unwrap(), [(client.pid(), 1)]);
    client.kill();
    until("the name goes", || {
        channels(&session, "/dev/x") == Err(Errno::NOENT)
    });
    until("the socket goes", || !listening.exists());
    let alive = PidFd::open(child).is_ok_and(|pidfd| pidfd.is_alive());
    end(child);
    assert!(alive);
}

#[test]
fn a_forked_child_has_no_part_in_its_parents_session() {
    let place = Place::new();
    let mut parent = Assistant::ready(&place);
    parent.attach("/dev/x", 1, AttachFlags::SELF);
    assert_eq!(parent.ask("child-uses-it"), Errno::BADF.raw().to_string());
    assert_eq!(parent.ask("resolve /dev/x"), format!("{}/1 ", parent.pid()));
}

#[test]
fn sockets_of_the_dead_are_swept_when_a_server_starts() {
    let place = Place::new();
    place.dir();
    let dead = std::process::Command::new("true")
        .spawn()
        .unwrap()
        .wait_with_output();
    assert!(dead.is_ok());
    let mut gone = std::process::Command::new("true").spawn().unwrap();
    gone.wait().unwrap();
    let sockets = place.path().join("p");
    std::fs::create_dir(&sockets).unwrap();
    let (dead, alive) = (
        sockets.join(gone.id().to_string()),
        sockets.join(std::process::id().to_string()),
    );
    std::fs::write(&dead, "").unwrap();
    std::fs::write(&alive, "").unwrap();
    let _daemon = Daemon::start(&place, &[]);
    assert!(!dead.exists());
    assert!(alive.exists());
}

#[test]
fn garbage_closes_only_its_own_connection() {
    let place = Place::new();
    let _daemon = Daemon::start(&place, &["--idle", "never"]);
    let session = place.session();
    let attach = Attach {
        path: path("/dev/x"),
        chid: 1,
        handle: 0,
        file_type: FileType::ANY,
        flags: AttachFlags::SELF,
        exclusive: true,
    };
    session.attach(&attach).unwrap();
    let hello = Request::Hello { version: VERSION }.encode(1).unwrap();
    let early = Request::Serve.encode(1).unwrap();
    let garbage: [&[u8]; 5] = [b"!", &[0xff; 9000], &[0; 8], &hello[..9], &early];
    for packet in garbage {
        let client = raw_client(&place);
        socket::send(client.as_fd(), packet, &[]).unwrap();
        assert!(is_closed(&client), "{} bytes", packet.len());
        assert_eq!(channels(&session, "/dev/x").unwrap().len(), 1);
    }
    let twice = raw_client(&place);
    socket::send(twice.as_fd(), &hello, &[]).unwrap();
    socket::send(twice.as_fd(), &hello, &[]).unwrap();
    assert!(is_closed(&twice));
    let gift = raw_client(&place);
    socket::send(gift.as_fd(), &hello, &[gift.as_fd()]).unwrap();
    assert!(is_closed(&gift));
    assert_eq!(channels(&session, "/dev/x").unwrap().len(), 1);
}

#[test]
fn another_version_is_told_so() {
    let place = Place::new();
    let _daemon = Daemon::start(&place, &["--idle", "never"]);
    let client = raw_client(&place);
    let hello = Request::Hello {
        version: VERSION + 1,
    }
    .encode(1)
    .unwrap();
    socket::send(client.as_fd(), &hello, &[]).unwrap();
    let mut answer = [0; 8];
    let deadline = Some(Instant::now() + LIMIT);
    socket::receive_until(client.as_fd(), &mut answer, deadline).unwrap();
    assert_eq!(i32::from(answer[0]), Errno::PROTONOSUPPORT.raw());
    assert!(is_closed(&client));
}

#[test]
fn a_client_that_never_reads_is_cut_off() {
    let place = Place::new();
    let _daemon = Daemon::start(&place, &["--idle", "never"]);
    let session = place.session();
    let client = raw_client(&place);
    let hello = Request::Hello { version: VERSION }.encode(1).unwrap();
    socket::send(client.as_fd(), &hello, &[]).unwrap();
    let list = Request::List {
        after: Vec::new(),
        path: Ok(path("/")),
    }
    .encode(2)
    .unwrap();
    let deadline = Instant::now() + LIMIT;
    let errno = loop {
        match socket::send(client.as_fd(), &list, &[]) {
            Ok(()) => {}
            Err(Errno::AGAIN) => {
                assert!(poll_one(client.as_fd(), Ready::OUT, Some(deadline)).unwrap());
            }
            Err(errno) => break errno,
        }
    };
    assert!(matches!(errno, Errno::PIPE | Errno::CONNRESET), "{errno:?}");
    assert_eq!(channels(&session, "/x"), Err(Errno::NOENT));
}

#[test]
fn who_watches_and_never_reads_is_cut_off_and_holds_up_nobody() {
    let place = Place::new();
    let _daemon = Daemon::start(&place, &["--idle", "never"]);
    let session = place.session();
    let deadline = Instant::now() + LIMIT;
    let mut reads = session
        .watch(&path("/dev/x"), FileType::ANY, deadline)
        .unwrap();
    let deaf = raw_client(&place);
    let hello = Request::Hello { version: VERSION }.encode(1).unwrap();
    socket::send(deaf.as_fd(), &hello, &[]).unwrap();
    for serial in 2..66 {
        let watch = Request::Watch {
            file_type: FileType::ANY,
            path: Ok(path("/dev/x")),
        };
        socket::send(deaf.as_fd(), &watch.encode(serial).unwrap(), &[]).unwrap();
    }
    let attach = Attach {
        path: path("/dev/x"),
        chid: 1,
        handle: 0,
        file_type: FileType::ANY,
        flags: AttachFlags::SELF,
        exclusive: true,
    };
    // Far more than any queue holds.
    for _ in 0..100 {
        let id = session.attach(&attach).unwrap();
        assert!(poll_one(reads.as_fd(), Ready::IN, Some(deadline)).unwrap());
        session.detach(id).unwrap();
        reads.refresh(deadline).unwrap();
    }
    let ends = Ready::PEER_CLOSED;
    assert!(poll_one(deaf.as_fd(), ends, Some(deadline)).unwrap());
}

#[test]
fn stopped_processes_hold_up_nobody() {
    let place = Place::new();
    let daemon = Daemon::start(&place, &["--idle", "never"]);
    let mut stopped = Assistant::ready(&place);
    let mut running = Assistant::ready(&place);
    stopped.attach("/dev/x", 1, AttachFlags::empty());
    assert_eq!(stopped.ask("watch"), "watching");
    process::kill(stopped.pid(), signal::STOP).unwrap();
    let session = place.session();
    for _ in 0..100 {
        let id = running.attach("/dev/y", 2, AttachFlags::empty());
        assert_eq!(channels(&session, "/dev/x").unwrap(), [(stopped.pid(), 1)]);
        assert_eq!(channels(&session, "/dev/y").unwrap(), [(running.pid(), 2)]);
        assert_eq!(running.ask(&format!("detach {id}")), "ok");
    }
    // Nor does one keep a successor from serving, or lose its own name to it.
    process::kill(daemon.child.id(), signal::KILL).unwrap();
    running.attach("/dev/y", 2, AttachFlags::empty());
    assert_eq!(channels(&session, "/dev/x").unwrap(), [(stopped.pid(), 1)]);
    process::kill(stopped.pid(), signal::CONT).unwrap();
    assert_eq!(stopped.answer(), "recovered");
    assert_eq!(channels(&session, "/dev/x").unwrap(), [(stopped.pid(), 1)]);
}
