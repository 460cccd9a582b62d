//! What users may do with files (IF-3, IF-4, IF-12, IF-18), by real processes of theirs, beside the host's files.

use crate::both::{Both, MEMBER, OWNER, SHARED, STRANGER};
use resmgr_tests::Peer;

/// The permission bits of `ls`, as far as anybody has got them by opening: `r`, `w`, or `-`.
fn opens(both: &Both, peer: &Peer, name: &str) -> String {
    let may = |how: &str| {
        let said = both.ask(peer, &format!("open f {name} {how}"));
        match &*said {
            "ok" => both.done(peer, "close f"),
            said => assert_eq!(said, "error EACCES", "{name} {how}"),
        }
        said == "ok"
    };
    ["r", "w"]
        .map(|how| if may(how) { how } else { "-" })
        .concat()
}

#[test]
fn if18_the_class_of_the_process_decides_and_root_passes() {
    let Some(both) = Both::new() else { return };
    let [owner, member, stranger] = both.users();
    let root = both.root();
    for (mode, expected) in [
        ("640", ["rw", "r-", "--", "rw"]),
        ("604", ["rw", "--", "r-", "rw"]),
        ("066", ["--", "rw", "rw", "rw"]),
        ("426", ["r-", "-w", "rw", "rw"]),
        ("000", ["--", "--", "--", "rw"]),
    ] {
        both.file(&owner, mode, mode);
        let found = [&owner, &member, &stranger, &root].map(|peer| opens(&both, peer, mode));
        assert_eq!(found, expected, "{mode}");
    }
}

#[test]
fn if18_supplementary_groups_count_for_and_against_their_members() {
    let Some(both) = Both::new() else { return };
    let [owner, member, stranger] = both.users();
    for (mode, expected) in [("060", ["rw", "--"]), ("006", ["--", "rw"])] {
        both.file(&owner, mode, mode);
        both.done(&owner, &format!("chown {mode} - {SHARED}"));
        let found = [&member, &stranger].map(|peer| opens(&both, peer, mode));
        assert_eq!(found, expected, "{mode}");
    }
}

#[test]
fn if18_each_directory_on_the_way_must_let_the_user_pass() {
    let Some(both) = Both::new() else { return };
    let [owner, member, stranger] = both.users();
    both.done(&owner, "mkdir d 710");
    both.done(&owner, "mkdir d/e 755");
    both.file(&owner, "d/e/f", "666");
    for call in ["open f d/e/f r", "stat d/e/f", "chmod d/e/f 600"] {
        both.refused(&stranger, call, "EACCES");
    }
    both.done(&member, "open f d/e/f r");
    both.refused(&member, "open g d r+directory", "EACCES");
    both.refused(&member, "open g d/none rw+create", "EACCES");
    both.refused(&stranger, "open g d/none/f r", "EACCES");
    both.done(&owner, "chmod d 600");
    both.refused(&owner, "stat d/e", "EACCES");
    both.done(&both.root(), "open f d/e/f r");
    // Who has it open already needs no way any more.
    assert_eq!(both.ask(&member, "read f 1"), "-");
}

#[test]
fn if4_names_are_made_and_removed_by_who_may_write_the_directory() {
    let Some(both) = Both::new() else { return };
    let [owner, member, stranger] = both.users();
    both.done(&owner, "mkdir d 775");
    both.file(&owner, "d/f", "666");
    both.file(&member, "d/g", "600");
    for call in [
        "open n d/new rw+create",
        "mkdir d/new 777",
        "mknod d/new 10666",
        "symlink f d/new",
        "unlink d/f",
        "rmdir d/f",
        "rename d/f d/new",
    ] {
        both.refused(&stranger, call, "EACCES");
    }
    both.refused(&stranger, "open n d/none r", "ENOENT");
    // A name belongs to its directory: whose the file is does not matter.
    both.done(&owner, "rename d/g d/h");
    both.done(&owner, "unlink d/h");
    both.done(&member, "unlink d/f");
    both.done(&member, "mkdir d/sub 700");
    both.refused(&member, "unlink d/sub", "EISDIR");
    both.done(&owner, "rmdir d/sub");
}

#[test]
fn if12_in_a_sticky_directory_only_owners_take_names_away() {
    let Some(both) = Both::new() else { return };
    let [owner, member, stranger] = both.users();
    both.done(&owner, "mkdir d 1777");
    both.file(&member, "d/f", "666");
    both.file(&stranger, "d/g", "666");
    both.refused(&stranger, "unlink d/f", "EPERM");
    both.refused(&stranger, "rename d/f d/new", "EPERM");
    // Also what would be replaced.
    both.refused(&stranger, "rename d/g d/f", "EPERM");
    both.done(&stranger, "rename d/g d/h");
    both.done(&member, "unlink d/f");
    both.done(&owner, "unlink d/h");
    both.file(&member, "d/i", "600");
    both.done(&both.root(), "unlink d/i");
}

#[test]
fn if3_a_new_file_is_its_makers_less_the_mask() {
    let Some(both) = Both::new() else { return };
    let (owner, root) = (both.peer(OWNER), both.root());
    let whose = format!("{0}:{0}", OWNER.id);
    both.file(&root, "roots", "4755");
    both.is(&root, "roots", "104755 0:0 1 0");
    for (mask, made) in [("0", "100666"), ("22", "100644"), ("777", "100000")] {
        assert_eq!(owner.ask(&format!("umask {mask}")), "ok");
        both.done(&owner, &format!("open f {mask} rw+create 666"));
        both.is(&owner, mask, &format!("{made} {whose} 1 0"));
    }
    assert_eq!(owner.ask("umask 27"), "ok");
    both.done(&owner, "mkdir d 1777");
    both.is(&owner, "d", &format!("41750 {whose} 2 -"));
    both.done(&owner, "mknod p 10666");
    both.is(&owner, "p", &format!("10640 {whose} 1 -"));
    both.done(&owner, "symlink nowhere l");
    both.is(&owner, "l", &format!("120777 {whose} 1 7"));
    // The mode is that of the file to come: who makes it has what was asked for.
    both.done(&owner, "open f unreadable rw+create 0");
    assert_eq!(both.ask(&owner, "write f x"), "1");
    both.refused(&owner, "open g unreadable rw+create", "EACCES");
}

#[test]
fn if3_a_directory_that_sets_the_group_hands_it_on_to_others_files() {
    let Some(both) = Both::new() else { return };
    let [owner, member, stranger] = both.users();
    both.done(&owner, "mkdir d 777");
    both.done(&owner, &format!("chown d - {SHARED}"));
    both.done(&owner, "chmod d 2777");
    both.file(&stranger, "d/f", "666");
    let id = STRANGER.id;
    both.is(&stranger, "d/f", &format!("100666 {id}:{SHARED} 1 0"));
    both.done(&stranger, "mkdir d/e 755");
    both.is(&stranger, "d/e", &format!("42755 {id}:{SHARED} 2 -"));
    // Nobody makes a program that sets a group which is not its own.
    both.file(&stranger, "d/g", "2755");
    both.is(&stranger, "d/g", &format!("100755 {id}:{SHARED} 1 0"));
    both.file(&member, "d/h", "2755");
    let id = MEMBER.id;
    both.is(&member, "d/h", &format!("102755 {id}:{SHARED} 1 0"));
}

#[test]
fn if12_permissions_are_changed_by_the_owner_and_root() {
    let Some(both) = Both::new() else { return };
    let [owner, member, stranger] = both.users();
    both.file(&owner, "f", "666");
    for other in [&member, &stranger] {
        both.refused(other, "chmod f 600", "EPERM");
        both.done(other, "open f f rw");
        both.refused(other, "fchmod f 600", "EPERM");
    }
    let whose = format!("{0}:{0} 1 0", OWNER.id);
    both.done(&owner, "chmod f 7755");
    both.is(&owner, "f", &format!("107755 {whose}"));
    both.done(&both.root(), "chmod f 400");
    both.is(&owner, "f", &format!("100400 {whose}"));
    // An open goes on with what it was allowed.
    assert_eq!(both.ask(&stranger, "write f x"), "1");
    both.refused(&stranger, "open g f r", "EACCES");
}

#[test]
fn if12_nobody_sets_a_group_that_is_not_the_files_owners() {
    let Some(both) = Both::new() else { return };
    let (owner, root) = (both.peer(OWNER), both.root());
    both.file(&owner, "f", "755");
    both.done(&root, &format!("chown f - {}", STRANGER.id));
    both.done(&owner, "chmod f 2755");
    both.is(
        &owner,
        "f",
        &format!("100755 {}:{} 1 0", OWNER.id, STRANGER.id),
    );
    both.done(&owner, &format!("chown f - {SHARED}"));
    both.done(&owner, "chmod f 2755");
    both.is(&owner, "f", &format!("102755 {}:{SHARED} 1 0", OWNER.id));
    both.done(&root, &format!("chown f - {}", STRANGER.id));
    both.done(&root, "chmod f 2755");
    both.is(
        &root,
        "f",
        &format!("102755 {}:{} 1 0", OWNER.id, STRANGER.id),
    );
}

#[test]
fn if12_only_root_gives_files_away_and_owners_choose_among_their_groups() {
    let Some(both) = Both::new() else { return };
    let [owner, member, stranger] = both.users();
    both.file(&owner, "f", "644");
    let (id, other) = (OWNER.id, STRANGER.id);
    for (who, uid, gid) in [
        (&owner, &*other.to_string(), "-"),
        (&owner, "0", "-"),
        (&owner, "-", &*other.to_string()),
        (&member, "-", &*SHARED.to_string()),
        (&stranger, &*other.to_string(), &*other.to_string()),
    ] {
        both.refused(who, &format!("chown f {uid} {gid}"), "EPERM");
    }
    both.done(&stranger, "chown f - -");
    both.done(&owner, &format!("chown f {id} {SHARED}"));
    both.is(&owner, "f", &format!("100644 {id}:{SHARED} 1 0"));
    both.done(&both.root(), &format!("chown f {other} {other}"));
    both.is(&owner, "f", &format!("100644 {other}:{other} 1 0"));
    both.refused(&owner, &format!("chown f {id} -"), "EPERM");
    both.done(&stranger, "chmod f 600");
}

#[test]
fn if12_a_file_that_changes_hands_sets_no_ids() {
    let Some(both) = Both::new() else { return };
    let (owner, root) = (both.peer(OWNER), both.root());
    let id = OWNER.id;
    for (name, mode, left) in [
        ("f", "6755", "100755"),
        ("g", "6745", "102745"),
        ("h", "1755", "101755"),
    ] {
        both.file(&owner, name, "666");
        both.done(&owner, &format!("chmod {name} {mode}"));
        both.done(&owner, &format!("chown {name} - {SHARED}"));
        both.is(&owner, name, &format!("{left} {id}:{SHARED} 1 0"));
        both.done(&root, &format!("chmod {name} 6755"));
        both.done(&root, &format!("chown {name} 0 0"));
        both.is(&owner, name, "100755 0:0 1 0");
    }
    both.done(&owner, "mkdir d 755");
    both.done(&root, "chmod d 6755");
    both.done(&root, "chown d 0 -");
    both.is(&root, "d", &format!("46755 0:{id} 2 -"));
}

#[test]
fn if12_what_others_write_sets_no_ids() {
    let Some(both) = Both::new() else { return };
    let [owner, member, stranger] = both.users();
    let root = both.root();
    let whose = format!("{0}:{SHARED} 1", OWNER.id);
    both.file(&owner, "f", "666");
    both.done(&owner, &format!("chown f - {SHARED}"));
    let changes = [
        "open w f w+trunc",
        "write w xyz",
        "pwrite w xyz 0",
        "truncate w 3",
    ];
    for (who, mode, left) in [
        (&stranger, "6777", "100777"),
        (&stranger, "2766", "100766"),
        (&member, "6777", "100777"),
        // No program: there the bit has another meaning, and a member may set it.
        (&member, "2766", "102766"),
        (&owner, "6777", "100777"),
        (&root, "6777", "106777"),
    ] {
        both.done(who, "open w f w");
        for change in changes {
            both.done(&root, &format!("chmod f {mode}"));
            both.ask(who, change);
            let size = if change == changes[0] { 0 } else { 3 };
            both.is(&root, "f", &format!("{left} {whose} {size}"));
        }
    }
}

#[test]
fn if12_times_are_set_by_the_owner_and_to_now_by_who_may_write() {
    let Some(both) = Both::new() else { return };
    let [owner, member, stranger] = both.users();
    both.file(&owner, "f", "664");
    both.refused(&member, "utime f 5 6", "EPERM");
    both.refused(&member, "utime f now 6", "EPERM");
    both.refused(&member, "utime f now keep", "EPERM");
    both.done(&member, "utime f now now");
    both.refused(&stranger, "utime f now now", "EACCES");
    both.refused(&stranger, "utime f 5 6", "EPERM");
    both.done(&stranger, "utime f keep keep");
    both.done(&owner, "utime f 5 6");
    assert_eq!(both.ask(&owner, "times f"), "5 6");
    both.done(&both.root(), "utime f keep 7");
    assert_eq!(both.ask(&owner, "times f"), "5 7");
    both.done(&owner, "chmod f 0");
    both.done(&owner, "utime f -3 keep");
    assert_eq!(both.ask(&owner, "times f"), "-3 7");
}

#[test]
fn if4_devices_are_roots_to_make_and_directories_have_one_name() {
    let Some(both) = Both::new() else { return };
    let [owner, _, stranger] = both.users();
    both.done(&owner, "mkdir d 777");
    both.refused(&stranger, "mknod d/dev 60666", "EPERM");
    // One without a number is no device to Linux, but a mark that a name has been taken away.
    let made = Both::ours(&stranger, "mknod d/dev 20666");
    assert_eq!(made, "error EPERM");
    both.done(&stranger, "mknod d/p 10666");
    both.done(&stranger, "mknod d/s 140666");
    both.done(&stranger, "mknod d/f 100666");
    both.refused(&owner, "link d e", "EPERM");
    both.refused(&both.root(), "link d e", "EPERM");
    both.refused(&owner, "mkdir d 777", "EEXIST");
    both.refused(&owner, "symlink x d", "EEXIST");
    both.refused(&owner, "rename d d/e", "EINVAL");
}

#[test]
fn if12_a_directory_moves_only_if_its_way_up_may_be_written() {
    let Some(both) = Both::new() else { return };
    let [owner, member, _] = both.users();
    both.done(&owner, "mkdir a 777");
    both.done(&owner, "mkdir b 777");
    both.done(&owner, "mkdir a/own 755");
    both.done(&owner, "mkdir a/shared 775");
    both.refused(&member, "rename a/own b/own", "EACCES");
    both.done(&member, "rename a/own a/other");
    both.done(&member, "rename a/shared b/shared");
    both.file(&owner, "a/f", "600");
    both.done(&member, "rename a/f b/f");
    both.done(&both.root(), "rename a/other b/other");
}
