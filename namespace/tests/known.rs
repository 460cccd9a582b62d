//! What a process has resolved it need not ask again, and never uses once it is no longer true.

mod common;

use common::{Assistant, Daemon, Place, channels, end, path, until};
use resmgr_namespace::{Attach, AttachFlags, Errno, FileType};
use resmgr_sys::{process, signal};

#[test]
fn assistant() {
    common::assist();
}

#[test]
fn a_thousand_looks_at_known_names_exchange_no_message() {
    let place = Place::new();
    let _daemon = Daemon::start(&place, &["--idle", "never"]);
    let mut owner = Assistant::ready(&place);
    owner.attach("/dev/x", 1, AttachFlags::empty());
    let session = place.session();
    let look = || {
        assert_eq!(channels(&session, "/dev/x"), Ok(vec![(owner.pid(), 1)]));
        assert_eq!(channels(&session, "/dev/none"), Err(Errno::NOENT));
        assert_eq!(channels(&session, "/dev/x/below"), Err(Errno::NOTDIR));
    };
    look();
    let before = session.answered().unwrap();
    (0..1000).for_each(|_| look());
    assert_eq!(session.answered(), Some(before));
    // Another type of file is another question.
    session.resolve(&path("/dev/x"), FileType::SOCKET).unwrap();
    assert_eq!(session.answered(), Some(before + 1));
}

#[test]
fn after_a_change_anywhere_the_next_look_sees_it() {
    let place = Place::new();
    let _daemon = Daemon::start(&place, &["--idle", "never"]);
    let mut owner = Assistant::ready(&place);
    let session = place.session();
    let look = || channels(&session, "/dev/x");
    for round in 0..50 {
        assert_eq!(look(), Err(Errno::NOENT), "{round}");
        // The owner's answer comes after the count: so there is nothing to wait for here.
        let first = owner.attach("/dev/x", 1, AttachFlags::empty());
        assert_eq!(look(), Ok(vec![(owner.pid(), 1)]), "{round}");
        let second = owner.attach("/dev/x", 2, AttachFlags::empty());
        let both = vec![(owner.pid(), 2), (owner.pid(), 1)];
        assert_eq!(look(), Ok(both), "{round}");
        assert_eq!(owner.ask(&format!("detach {first}")), "ok");
        assert_eq!(look(), Ok(vec![(owner.pid(), 2)]), "{round}");
        assert_eq!(owner.ask(&format!("detach {second}")), "ok");
    }
    owner.attach("/dev/x", 1, AttachFlags::empty());
    assert!(look().is_ok());
    owner.kill();
    until("the name goes", || look() == Err(Errno::NOENT));
}

#[test]
fn in_the_gap_between_two_servers_known_names_are_still_known() {
    let place = Place::new();
    let mut owner = Assistant::ready(&place);
    owner.attach("/dev/x", 1, AttachFlags::empty());
    let session = place.session();
    let known = channels(&session, "/dev/x");
    assert!(known.is_ok());
    end(place.server().unwrap());
    assert_eq!(channels(&session, "/dev/x"), known);
    let mut newcomer = Assistant::ready(&place);
    newcomer.attach("/dev/x", 2, AttachFlags::empty());
    let now = vec![(newcomer.pid(), 2), (owner.pid(), 1)];
    assert_eq!(channels(&session, "/dev/x"), Ok(now));
}

#[test]
fn a_server_that_dies_in_the_gap_is_not_taken_for_known() {
    let place = Place::new();
    let mut owner = Assistant::ready(&place);
    let mut dead = Assistant::ready(&place);
    owner.attach("/dev/x", 1, AttachFlags::empty());
    dead.attach("/dev/x", 2, AttachFlags::empty());
    let session = place.session();
    assert_eq!(channels(&session, "/dev/x").unwrap().len(), 2);
    end(place.server().unwrap());
    dead.kill();
    assert_eq!(
        owner.ask("resolve /dev/x"),
        "ENOENT",
        "its own name, without SELF"
    );
    assert_eq!(channels(&session, "/dev/x"), Ok(vec![(owner.pid(), 1)]));
}

#[test]
fn a_page_goes_with_a_server_that_leaves_no_names() {
    let place = Place::new();
    let mut daemon = Daemon::start(&place, &[]);
    let session = place.session();
    assert_eq!(channels(&session, "/dev/x"), Err(Errno::NOENT));
    process::kill(daemon.child.id(), signal::TERM).unwrap();
    assert_eq!(daemon.wait(), 0);
    assert_eq!(place.files(), [""; 0]);
    let _next = Daemon::start(&place, &["--idle", "never"]);
    let attach = Attach {
        path: path("/dev/x"),
        chid: 1,
        handle: 0,
        file_type: FileType::ANY,
        flags: AttachFlags::SELF,
        exclusive: false,
    };
    let other = place.session();
    other.attach(&attach).unwrap();
    assert_eq!(
        channels(&session, "/dev/x"),
        Ok(vec![(std::process::id(), 1)])
    );
}
