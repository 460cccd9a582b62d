//! Who watches a path is told what becomes of it, whoever serves.
#![allow(clippy::unwrap_used)] // helpers of tests are tests

mod common;

use common::{Assistant, Daemon, LIMIT, Place, end, greeted, path, until, watches};
use resmgr_namespace::{AttachFlags, Errno, FileType, Standing, Watch};
use resmgr_sys::Result;
use resmgr_sys::epoll::{Ready, poll_one};
use std::os::fd::AsFd;
use std::time::Instant;

#[test]
fn assistant() {
    common::assist();
}

fn watch(place: &Place, name: &str) -> Watch {
    let deadline = Instant::now() + LIMIT;
    let session = place.session();
    session.watch(&path(name), FileType::ANY, deadline).unwrap()
}

/// What is told next.
fn told(watch: &mut Watch) -> Result<Standing> {
    let deadline = Instant::now() + LIMIT;
    assert!(poll_one(watch.as_fd(), Ready::IN, Some(deadline))?);
    watch.refresh(deadline)
}

fn is_silent(watch: &Watch) -> bool {
    poll_one(watch.as_fd(), Ready::IN, Some(Instant::now())) == Ok(false)
}

#[test]
fn names_appear_change_and_vanish() {
    let place = Place::new();
    let _daemon = Daemon::start(&place, &["--idle", "never"]);
    let mut owner = Assistant::ready(&place);
    let mut name = watch(&place, "/dev/x");
    let mut parent = watch(&place, "/dev");
    assert!(!name.standing().present && !parent.standing().present);

    let first = owner.attach("/dev/x", 1, AttachFlags::empty());
    let alone = told(&mut name).unwrap();
    assert!(alone.present && told(&mut parent).unwrap().present);

    let second = owner.attach("/dev/x", 2, AttachFlags::empty());
    let both = told(&mut name).unwrap();
    assert!(both.present && both.mark != alone.mark);
    assert_eq!(owner.ask(&format!("detach {second}")), "ok");
    assert_eq!(told(&mut name), Ok(alone));

    owner.attach("/dev/y", 3, AttachFlags::empty());
    assert_eq!(owner.ask(&format!("detach {first}")), "ok");
    assert!(!told(&mut name).unwrap().present);
    assert!(is_silent(&name) && is_silent(&parent));
    owner.kill();
    assert!(!told(&mut parent).unwrap().present);
}

#[test]
fn a_watch_survives_the_server() {
    let place = Place::new();
    let mut owner = Assistant::ready(&place);
    let mut stays = Assistant::ready(&place);
    owner.attach("/dev/x", 1, AttachFlags::empty());
    stays.attach("/dev/stays", 1, AttachFlags::empty());
    let mut going = watch(&place, "/dev/x");
    let mut staying = watch(&place, "/dev/stays");
    let before = staying.standing();
    assert!(going.standing().present && before.present);
    for _ in 0..3 {
        end(place.server().unwrap());
        owner.kill();
        // Somebody who needs the namespace starts it again.
        owner = Assistant::ready(&place);
        assert!(
            !told(&mut going).unwrap().present,
            "its server died in the gap"
        );
        assert_eq!(told(&mut staying), Ok(before));
        owner.attach("/dev/x", 1, AttachFlags::empty());
        assert!(told(&mut going).unwrap().present);
    }
}

/// Where nobody starts a server the refresh waits for one, as long as it may.
#[test]
fn without_a_server_a_watch_waits_until_its_deadline() {
    let place = Place::new();
    let mut daemon = Daemon::start(&place, &["--idle", "never"]);
    let mut watch = watch(&place, "/dev/x");
    daemon.child.kill().unwrap();
    daemon.wait();
    let soon = Instant::now() + std::time::Duration::from_millis(50);
    let outcome = watch.refresh(soon);
    assert!(matches!(outcome, Err(Errno::NOENT | Errno::TIMEDOUT)));
}

#[test]
fn watches_are_bounded_for_each_session_and_for_all_together() {
    const OF_ONE: u32 = 64;
    const OF_ALL: u32 = 4096;
    let place = Place::new();
    let _daemon = Daemon::start(&place, &["--idle", "never"]);
    let dir = place.dir();
    let mut clients = vec![greeted(&dir)];
    assert_eq!(watches(&clients[0]), (OF_ONE, Errno::AGAIN));
    for _ in 1..OF_ALL / OF_ONE {
        let client = greeted(&dir);
        assert_eq!(watches(&client), (OF_ONE, Errno::AGAIN));
        clients.push(client);
    }
    let late = greeted(&dir);
    assert_eq!(watches(&late), (0, Errno::NFILE));
    drop(clients.pop());
    until("the watches of one that left are free", || {
        watches(&late) == (OF_ONE, Errno::AGAIN)
    });
}

#[test]
fn other_users_leave_half_of_the_watches() {
    let Some(place) = Place::of_all_users() else {
        return;
    };
    let _daemon = Daemon::start(&place, &["--idle", "never"]);
    let mut others = [54_321, 54_322].map(|user| Assistant::of_user(&place, user, &[]));
    assert_eq!(others[0].ask("watches 31"), "1984");
    assert_eq!(others[1].ask("watches 31"), "64");
    assert_eq!(watches(&greeted(&place.dir())), (64, Errno::AGAIN));
}
