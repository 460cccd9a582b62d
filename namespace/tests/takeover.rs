//! Whoever serves may die at any moment: no name is lost, none is stolen, none returns from the dead.

mod common;

use common::{Assistant, Daemon, Place, channels, end, until};
use resmgr_namespace::{AttachFlags, Errno, Session};
use resmgr_sys::{process, signal};

#[test]
fn assistant() {
    common::assist();
}

#[test]
fn names_survive_the_server_in_their_order_and_cannot_be_stolen() {
    let place = Place::new();
    let mut first = Assistant::ready(&place);
    let mut second = Assistant::ready(&place);
    let mut dead = Assistant::ready(&place);
    first.attach("/dev/x", 1, AttachFlags::BEFORE);
    first.attach("/dev/x", 2, AttachFlags::AFTER);
    let third = second.attach("/dev/x", 3, AttachFlags::DIR);
    first.attach("/dev/x", 4, AttachFlags::empty());
    second.attach_exclusive("/dev/name/local/taken");
    dead.attach_exclusive("/dev/name/local/dead");
    let before = channels(&place.session(), "/dev/x").unwrap();
    assert_eq!(
        before.iter().map(|one| one.1).collect::<Vec<_>>(),
        [1, 4, 3, 2]
    );

    let server = place.server().unwrap();
    end(server);
    dead.kill();

    // The newcomer starts the successor; the others have not even noticed yet.
    let mut newcomer = Assistant::ready(&place);
    assert_ne!(place.server().unwrap(), server);
    assert_eq!(channels(&place.session(), "/dev/x").unwrap(), before);
    assert_eq!(newcomer.attach_exclusive("/dev/name/local/taken"), "EBUSY");
    assert_eq!(newcomer.ask("resolve /dev/name/local/dead"), "ENOENT");
    newcomer
        .attach_exclusive("/dev/name/local/dead")
        .parse::<u64>()
        .unwrap();

    // Now they come back, each with its own names and ids.
    assert_eq!(second.ask(&format!("detach {third}")), "ok");
    first.attach("/dev/x", 5, AttachFlags::empty());
    let after = channels(&place.session(), "/dev/x").unwrap();
    assert_eq!(
        after.iter().map(|one| one.1).collect::<Vec<_>>(),
        [1, 5, 4, 2]
    );
    first.kill();
    second.kill();
    let session = place.session();
    until("their names go", || {
        channels(&session, "/dev/x") == Err(Errno::NOENT)
    });
}

#[test]
fn a_survivor_that_watches_starts_the_successor() {
    let place = Place::new();
    let mut watcher = Assistant::ready(&place);
    watcher.attach("/dev/x", 1, AttachFlags::empty());
    for _ in 0..3 {
        let server = place.server().unwrap();
        assert_eq!(watcher.ask("watch"), "watching");
        end(server);
        assert_eq!(watcher.answer(), "recovered");
        assert_eq!(
            channels(&place.session(), "/dev/x").unwrap(),
            [(watcher.pid(), 1)]
        );
    }
}

#[test]
fn no_resolution_fails_while_servers_are_killed_under_load() {
    const KILLS: usize = 25;
    let place = Place::new();
    let mut owners: Vec<_> = (0..2).map(|_| Assistant::ready(&place)).collect();
    for chid in 0..20 {
        for owner in &mut owners {
            owner.attach("/dev/x", chid, AttachFlags::DIR);
        }
    }
    let end_mark = place.path().join("end");
    let mut clients: Vec<_> = (0..3).map(|_| Assistant::ready(&place)).collect();
    for client in &mut clients {
        client.tell(&format!("storm /dev/x/below {}", end_mark.display()));
    }
    for _ in 0..KILLS {
        let server = place.server().unwrap();
        assert!(
            clients.iter().all(|client| client.pid() != server),
            "a client serves"
        );
        end(server);
        until("another serves", || {
            Session::connect(&place.dir()).is_ok()
                && place.server().is_some_and(|pid| pid != server)
        });
    }
    std::fs::write(&end_mark, "").unwrap();
    for client in &mut clients {
        let answer = client.answer();
        assert!(answer.starts_with("calm after "), "{answer}");
    }
    assert_eq!(channels(&place.session(), "/dev/x").unwrap().len(), 40);
}

#[test]
fn a_lost_journal_costs_nothing_but_a_gap() {
    let place = Place::new();
    let mut first = Assistant::ready(&place);
    let mut second = Assistant::ready(&place);
    first.attach("/dev/x", 1, AttachFlags::empty());
    second.attach("/dev/x", 2, AttachFlags::empty());
    end(place.server().unwrap());
    std::fs::remove_file(place.path().join("journal")).unwrap();
    // The older name comes back last, and stands in its old place.
    assert_eq!(second.ask("resolve /nothing"), "ENOENT");
    assert_eq!(first.ask("resolve /nothing"), "ENOENT");
    let now = channels(&place.session(), "/dev/x").unwrap();
    assert_eq!(now, [(second.pid(), 2), (first.pid(), 1)]);
}

#[test]
fn a_graceful_end_keeps_the_names_of_the_living_too() {
    let place = Place::new();
    let mut daemon = Daemon::start(&place, &[]);
    let mut owner = Assistant::ready(&place);
    owner.attach("/dev/x", 1, AttachFlags::empty());
    process::kill(daemon.child.id(), signal::TERM).unwrap();
    assert_eq!(daemon.wait(), 0);
    assert_eq!(place.files(), ["generation", "journal"]);
    let _next = Daemon::start(&place, &[]);
    assert_eq!(
        channels(&place.session(), "/dev/x").unwrap(),
        [(owner.pid(), 1)]
    );
}

#[test]
fn what_a_process_gave_up_in_the_gap_does_not_stay() {
    let place = Place::new();
    let mut owner = Assistant::ready(&place);
    owner.attach("/dev/x", 1, AttachFlags::empty());
    end(place.server().unwrap());
    // A second open drops the first session, whose server cannot be told any more.
    assert_eq!(owner.ask("open"), "ok");
    let session = place.session();
    until("the name goes", || {
        channels(&session, "/dev/x") == Err(Errno::NOENT)
    });
}
