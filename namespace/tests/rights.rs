//! Rights: nobody takes, shadows or sees a name against the rules, also while the server changes.
#![allow(clippy::unwrap_used)] // helpers of tests are tests

mod common;

use common::{Assistant, Daemon, Place, channels, end, until};
use resmgr_namespace::AttachFlags;
use resmgr_sys::{process, signal};
use std::process::Command;

const ANN: u32 = 54_321;
const BOB: u32 = 54_322;
const GROUP: u32 = 54_400;

#[test]
fn assistant() {
    common::assist();
}

/// Attaches; true if that was allowed, false if it was refused for want of a right.
fn attaches(who: &mut Assistant, path: &str, flags: AttachFlags) -> bool {
    let answer = who.ask(&format!("attach {path} 1 {} 0", flags.bits()));
    assert!(
        answer == "EACCES" || answer.parse::<u64>().is_ok(),
        "{answer}"
    );
    answer != "EACCES"
}

#[test]
fn without_rules_root_attaches_and_others_look() {
    let Some(place) = Place::of_all_users() else {
        return;
    };
    let _daemon = Daemon::start(&place, &["--idle", "never"]);
    let mut root = Assistant::ready(&place);
    root.attach("/dev/x", 1, AttachFlags::empty());
    let mut ann = Assistant::of_user(&place, ANN, &[0, GROUP]);
    assert_eq!(ann.ask("resolve /dev/x"), format!("{}/1 ", root.pid()));
    assert_eq!(ann.ask("list /dev"), "x");
    assert!(!attaches(&mut ann, "/dev/y", AttachFlags::empty()));
}

#[test]
fn rules_know_users_and_groups_as_the_kernel_tells_them() {
    let Some(place) = Place::of_all_users() else {
        return;
    };
    let rules = place.rules(&format!(
        "allow attach /user user:{ANN}\nallow attach /group group:{GROUP}\nallow attach /own group:{ANN}\n\
         deny attach /user/kept any\nallow attach /root user:root\n"
    ));
    let _daemon = Daemon::ruled(&place, &rules);
    let mut ann = Assistant::of_user(&place, ANN, &[7, GROUP]);
    let mut bob = Assistant::of_user(&place, BOB, &[7]);
    for (path, ann_may) in [
        ("/user", true),
        ("/user/a/b", true),
        ("/user1", false),
        ("/user/kept", false),
        ("/group", true),
        ("/own", true),
        ("/root", false),
        ("/", false),
    ] {
        let got = attaches(&mut ann, path, AttachFlags::empty());
        assert_eq!(got, ann_may, "{path}");
        assert!(!attaches(&mut bob, path, AttachFlags::empty()), "{path}");
    }
    let mut root = Assistant::ready(&place);
    root.attach("/user/kept", 1, AttachFlags::BEFORE);
}

#[test]
fn nobody_shadows_another_users_name_without_that_right() {
    let Some(place) = Place::of_all_users() else {
        return;
    };
    let rules = place.rules(&format!(
        "allow attach /srv any\nallow attach,shadow /srv/open user:{BOB}\nallow attach /mine owner\n"
    ));
    let _daemon = Daemon::ruled(&place, &rules);
    let mut root = Assistant::ready(&place);
    let mut ann = Assistant::of_user(&place, ANN, &[]);
    let mut bob = Assistant::of_user(&place, BOB, &[]);
    // What lies above the rule's place protects nothing in it.
    root.attach("/", 1, AttachFlags::DIR);
    assert!(attaches(&mut ann, "/srv/ann", AttachFlags::DIR));
    assert!(attaches(&mut ann, "/srv/file", AttachFlags::empty()));
    assert!(attaches(&mut ann, "/srv/open", AttachFlags::FTYPEONLY));
    let flags = [
        AttachFlags::empty(),
        AttachFlags::BEFORE,
        AttachFlags::AFTER,
    ];
    for path in ["/srv/ann", "/srv/ann/a/b", "/srv/file"] {
        for flags in flags {
            assert!(!attaches(&mut bob, path, flags), "{path} {flags}");
            assert!(attaches(&mut ann, path, flags), "{path} {flags}");
        }
    }
    assert!(attaches(&mut bob, "/srv/bob", AttachFlags::DIR));
    assert!(attaches(&mut bob, "/srv/file/below", AttachFlags::empty()));
    assert!(attaches(&mut bob, "/srv/open", AttachFlags::BEFORE));
    assert!(!attaches(&mut ann, "/srv/open", AttachFlags::BEFORE));
    assert!(!attaches(&mut ann, "/mine", AttachFlags::empty()));
    assert!(!attaches(&mut ann, "/mine/a", AttachFlags::empty()));
}

#[test]
fn a_name_is_kept_for_its_owner_while_the_server_changes() {
    let Some(place) = Place::of_all_users() else {
        return;
    };
    let rules = place.rules("allow attach /srv any\n");
    let daemon = Daemon::ruled(&place, &rules);
    let mut ann = Assistant::of_user(&place, ANN, &[]);
    ann.attach("/srv/ann", 1, AttachFlags::DIR);
    ann.attach_exclusive("/srv/only").parse::<u64>().unwrap();
    end(daemon.child.id());
    let _next = Daemon::ruled(&place, &rules);
    // Ann's process has not come back: it does nothing until it is asked.
    let mut bob = Assistant::of_user(&place, BOB, &[]);
    for path in ["/srv/ann", "/srv/ann/below", "/srv/only"] {
        for flags in [AttachFlags::empty(), AttachFlags::BEFORE] {
            assert!(!attaches(&mut bob, path, flags), "{path} {flags}");
        }
    }
    assert_eq!(bob.attach_exclusive("/srv/only"), "EACCES");
    // The same user, but another process: it may stand beside, and not take.
    let mut twin = Assistant::of_user(&place, ANN, &[]);
    assert_eq!(twin.attach_exclusive("/srv/only"), "EBUSY");
    assert_eq!(twin.ask("resolve /srv/only"), format!("{}/1 ", ann.pid()));
    // Rules that would refuse it now do not take a name away that is there.
    assert_eq!(ann.ask("resolve /nothing"), "ENOENT");
    assert_eq!(bob.ask("resolve /srv/only"), format!("{}/1 ", ann.pid()));
}

#[test]
fn a_successor_that_was_told_of_no_rules_keeps_them() {
    let Some(place) = Place::of_all_users() else {
        return;
    };
    let rules = place.rules("allow attach /srv any\ndeny resolve,list /hidden any\n");
    let daemon = Daemon::ruled(&place, &rules);
    let mut root = Assistant::ready(&place);
    root.attach("/hidden", 1, AttachFlags::empty());
    end(daemon.child.id());
    // Root's process starts the next one, as any of root's would.
    assert_eq!(root.ask("resolve /nothing"), "ENOENT");
    let mut ann = Assistant::of_user(&place, ANN, &[]);
    assert_eq!(ann.ask("resolve /hidden"), "ENOENT");
    assert!(attaches(&mut ann, "/srv/a", AttachFlags::empty()));
    assert!(!attaches(&mut ann, "/a", AttachFlags::empty()));
    end(place.server().unwrap());
    let _without = Daemon::start(&place, &["--idle", "never", "--no-rules"]);
    assert!(!attaches(&mut ann, "/srv/b", AttachFlags::empty()));
    assert_eq!(ann.ask("resolve /hidden"), format!("{}/1 ", root.pid()));
}

#[test]
fn a_process_that_has_a_dead_ones_number_is_no_heir() {
    let Some(place) = Place::of_all_users() else {
        return;
    };
    let rules = place.rules("allow attach /srv any\n");
    let daemon = Daemon::ruled(&place, &rules);
    let mut ann = Assistant::of_user(&place, ANN, &[]);
    ann.attach("/srv/ann", 1, AttachFlags::DIR);
    end(daemon.child.id());
    // What the journal says of the number is of a process that went before.
    let path = place.path().join("journal");
    let text = std::fs::read_to_string(&path).unwrap();
    let line = text.lines().last().unwrap();
    let mut fields: Vec<String> = line.split(' ').map(str::to_owned).collect();
    assert_eq!(fields[2], ann.pid().to_string());
    fields[3] = (fields[3].parse::<u64>().unwrap() - 1).to_string();
    std::fs::write(&path, text.replace(line, &fields.join(" "))).unwrap();
    let _next = Daemon::ruled(&place, &rules);
    let mut bob = Assistant::of_user(&place, BOB, &[]);
    assert_eq!(bob.ask("resolve /srv/ann"), "ENOENT");
    assert!(attaches(&mut bob, "/srv/ann", AttachFlags::DIR));
}

#[test]
fn what_may_not_be_resolved_is_not_there_and_not_listed() {
    let Some(place) = Place::of_all_users() else {
        return;
    };
    let rules = place.rules(&format!(
        "allow resolve,list /dev/can user:{ANN}\ndeny resolve,list /dev/can any\n\
         deny list /dev/closed any\nallow list / any\n"
    ));
    let _daemon = Daemon::ruled(&place, &rules);
    let mut root = Assistant::ready(&place);
    for name in ["/dev/a", "/dev/can/0", "/dev/closed/x"] {
        root.attach(name, 1, AttachFlags::DIR);
    }
    let mut ann = Assistant::of_user(&place, ANN, &[]);
    let mut bob = Assistant::of_user(&place, BOB, &[]);
    let yes = format!("{}/1 ", root.pid());
    for (order, of_ann, of_bob) in [
        ("resolve /dev/can/0", yes.as_str(), "ENOENT"),
        ("resolve /dev/can/0/below", &yes, "ENOENT"),
        ("list /dev/can", "0", "ENOENT"),
        ("list /dev", "a can closed", "a closed"),
        ("resolve /dev/closed/x", &yes, &yes),
        ("list /dev/closed", "EACCES", "EACCES"),
        ("resolve /dev/none", "ENOENT", "ENOENT"),
    ] {
        assert_eq!(ann.ask(order), of_ann, "{order}");
        assert_eq!(bob.ask(order), of_bob, "{order}");
    }
    assert_eq!(root.ask("list /dev/closed"), "x");
}

#[test]
fn links_lead_nobody_past_the_rules() {
    let Some(place) = Place::of_all_users() else {
        return;
    };
    let rules = place.rules(&format!(
        "allow attach /srv any\ndeny resolve,list /hidden user:{BOB}\ndeny all /srv/own user:{BOB}\n"
    ));
    let _daemon = Daemon::ruled(&place, &rules);
    let mut root = Assistant::ready(&place);
    root.attach("/hidden/x", 1, AttachFlags::empty());
    let mut ann = Assistant::of_user(&place, ANN, &[]);
    let mut bob = Assistant::of_user(&place, BOB, &[]);
    for name in ["/srv/way", "/srv/own"] {
        let made = ann.ask(&format!("link {name} /hidden"));
        assert!(made.parse::<u64>().is_ok(), "{made}");
    }
    assert_eq!(ann.ask("resolve /srv/way/x"), format!("{}/1 ", root.pid()));
    assert_eq!(ann.ask("list /srv/way"), "x");
    assert_eq!(bob.ask("resolve /srv/way/x"), "ENOENT");
    assert_eq!(bob.ask("list /srv/way"), "ENOENT");
    assert_eq!(bob.ask("list /srv"), "way");
    // A link is a name: nobody else takes its place, and none is made where the rules give none.
    assert_eq!(bob.ask("link /srv/way /srv"), "EACCES");
    assert_eq!(ann.ask("link /elsewhere /srv"), "EACCES");
}

#[test]
fn rules_are_read_again_and_a_bad_file_changes_nothing() {
    let Some(place) = Place::of_all_users() else {
        return;
    };
    let rules = place.rules("allow attach /srv any\n");
    let daemon = Daemon::ruled(&place, &rules);
    let mut ann = Assistant::of_user(&place, ANN, &[]);
    assert!(attaches(&mut ann, "/srv/a", AttachFlags::empty()));
    let reload = |text: &str, said: &str| {
        place.rules(text);
        process::kill(daemon.child.id(), signal::HUP).unwrap();
        until("it has read the file", || place.log().contains(said));
    };
    let bad = format!(
        "{}:2: no such right: read; the old rules stay",
        rules.display()
    );
    reload("deny attach /srv any\nallow read /srv any\n", &bad);
    assert!(attaches(&mut ann, "/srv/b", AttachFlags::SELF));
    // Known without asking, until the rules change.
    let here = format!("{}/1 ", ann.pid());
    assert_eq!(ann.ask("resolve /srv/b"), here);
    assert_eq!(ann.ask("resolve /srv/b"), here);
    reload("deny resolve /srv/b any\n", "new rules rules=1");
    assert_eq!(ann.ask("resolve /srv/b"), "ENOENT");
    reload("# none\n", "new rules rules=0");
    assert_eq!(ann.ask("resolve /srv/b"), here);
    assert!(!attaches(&mut ann, "/srv/c", AttachFlags::empty()));
    // What is there stays.
    assert_eq!(ann.ask("list /srv"), "a b");
    let session = place.session();
    assert_eq!(channels(&session, "/srv/a").unwrap(), [(ann.pid(), 1)]);
}

#[test]
fn a_bad_file_keeps_the_server_from_starting() {
    let place = Place::new();
    let rules = place.rules("allow all /\n");
    let mut command = Command::new(env!("CARGO_BIN_EXE_namespaced"));
    command.arg("--dir").arg(place.path());
    let ended = command.arg("--rules").arg(&rules).output().unwrap();
    assert_eq!(ended.status.code(), Some(111));
    let said = String::from_utf8(ended.stderr).unwrap();
    let expected = format!(
        "namespaced: {}:1: the rule is for nobody\n",
        rules.display()
    );
    assert_eq!(said, expected);
    assert!(place.files().is_empty());
}
