//! A client that dies, lies or sleeps hurts its own connection and nothing else.
#![allow(clippy::unwrap_used)] // helpers of tests are tests

mod common;

use common::{Assistant, Daemon, LIMIT, Place, channels, end, exclusive, path, until};
use resmgr_namespace::protocol::{Request, VERSION};
use resmgr_namespace::server::{Config, Server};
use resmgr_namespace::{Attach, AttachFlags, AttachId, Errno, FileType, Link};
use resmgr_sys::epoll::{EventFd, Ready, poll_one};
use resmgr_sys::pidfd::PidFd;
use resmgr_sys::{process, signal, socket};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
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
    let attach = exclusive("/dev/x");
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
    let attach = exclusive("/dev/x");
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

/// One request of each kind, whole.
fn requests() -> Vec<Vec<u8>> {
    let attach = Attach {
        path: path("/dev/half"),
        chid: 1,
        handle: 0,
        file_type: FileType::ANY,
        flags: AttachFlags::empty(),
        exclusive: false,
    };
    let link = Link {
        path: path("/dev/link"),
        target: (*b"/dev/half").into(),
    };
    let (id, file_type) = (AttachId(0), FileType::ANY);
    let after = b"after".to_vec();
    let all = [
        Request::Hello { version: VERSION },
        Request::Attach {
            id,
            attach: Ok(attach),
        },
        Request::Detach(AttachId(7)),
        Request::List {
            after,
            path: Ok(path("/dev")),
        },
        Request::Serve,
        Request::Listen,
        Request::Settled,
        Request::Link { id, link: Ok(link) },
        Request::Watch {
            file_type,
            path: Ok(path("/dev/half")),
        },
    ];
    all.iter()
        .map(|request| request.encode(2).unwrap())
        .collect()
}

#[test]
fn half_a_message_closes_only_its_own_connection() {
    let place = Place::new();
    let _daemon = Daemon::start(&place, &["--idle", "never"]);
    let session = place.session();
    let hello = Request::Hello { version: VERSION }.encode(1).unwrap();
    let mut halves = 0;
    for whole in requests() {
        for len in 1..whole.len() {
            // A path that was cut short is another path.
            if Request::decode(&whole[..len]).is_ok() {
                continue;
            }
            halves += 1;
            let client = raw_client(&place);
            socket::send(client.as_fd(), &hello, &[]).unwrap();
            socket::send(client.as_fd(), &whole[..len], &[]).unwrap();
            assert!(is_closed(&client), "{len} of {whole:?}");
        }
    }
    assert!(halves > 100, "{halves}");
    assert_eq!(channels(&session, "/dev/half"), Err(Errno::NOENT));
}

#[test]
fn floods_hold_up_nobody() {
    const FLOODS: usize = 3;
    let place = Place::new();
    let _daemon = Daemon::start(&place, &["--idle", "never"]);
    let mut owner = Assistant::ready(&place);
    let session = place.session();
    let over = AtomicBool::new(false);
    let cut = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        let _end = AtEnd(|| over.store(true, Ordering::Relaxed));
        for _ in 0..FLOODS {
            scope.spawn(|| {
                while !over.load(Ordering::Relaxed) {
                    flood(&place, &over);
                    cut.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        until("every flood was cut off once", || {
            cut.load(Ordering::Relaxed) >= FLOODS
        });
        for turn in 0..100 {
            let id = owner.attach("/dev/x", turn, AttachFlags::empty());
            assert_eq!(channels(&session, "/dev/x").unwrap(), [(owner.pid(), turn)]);
            assert_eq!(owner.ask(&format!("detach {id}")), "ok");
        }
    });
}

/// Also when the test fails: the threads of a scope are waited for.
struct AtEnd<F: Fn()>(F);

impl<F: Fn()> Drop for AtEnd<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}

/// Requests without end, of which no answer is read, until the server has enough.
fn flood(place: &Place, over: &AtomicBool) {
    let client = raw_client(place);
    let hello = Request::Hello { version: VERSION }.encode(1).unwrap();
    let file_type = FileType::ANY;
    let watch = Request::Watch {
        file_type,
        path: Ok(path("/dev/x")),
    };
    let list = Request::List {
        after: Vec::new(),
        path: Ok(path("/dev")),
    };
    let packets = [watch.encode(2).unwrap(), list.encode(3).unwrap()];
    let mut next = packets.iter().cycle();
    let mut sent = socket::send(client.as_fd(), &hello, &[]);
    while !over.load(Ordering::Relaxed) {
        match sent {
            Ok(()) => {}
            Err(Errno::AGAIN) => {
                let deadline = Some(Instant::now() + LIMIT);
                assert!(poll_one(client.as_fd(), Ready::OUT, deadline).unwrap());
            }
            Err(errno) => {
                assert!(matches!(errno, Errno::PIPE | Errno::CONNRESET), "{errno:?}");
                return;
            }
        }
        sent = socket::send(client.as_fd(), next.next().unwrap(), &[]);
    }
}

#[test]
fn a_crowd_of_one_user_leaves_room_for_others() {
    let Some(place) = Place::of_all_users() else {
        return;
    };
    let config = Config {
        idle: None,
        sessions: 16,
        ..Config::default()
    };
    let mut server = Server::new(&place.dir(), config).unwrap();
    let stop = EventFd::new().unwrap();
    std::thread::scope(|scope| {
        scope.spawn(|| server.run(Some(stop.as_fd())));
        let _end = AtEnd(|| stop.ring());
        let mut crowd = Assistant::of_user(&place, 54_321, &[]);
        // Its own session is one of the four.
        assert_eq!(crowd.ask("crowd 20"), "3 17");
        let mut other = Assistant::of_user(&place, 54_322, &[]);
        assert_eq!(other.ask("resolve /dev/x"), "ENOENT");
        let mut root = Assistant::ready(&place);
        root.attach("/dev/x", 1, AttachFlags::empty());
        assert_eq!(other.ask("resolve /dev/x"), format!("{}/1 ", root.pid()));
    });
}
