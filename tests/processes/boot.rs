//! A user's program that starts before the system's namespace does.

use resmgr_tests::observe::until;
use resmgr_tests::{Peer, User};
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::Path;
use std::process::Command;

/// A process whose test this is again, where `/run` and all numbers are its own; says whether the system's
/// directory is there already.
const INSIDE: &str = "RESMGR_TEST_MACHINE";
/// Where the user's own namespace is.
const USERS: &str = "/run/user-of-test";

#[test]
fn a_wait_sees_the_systems_namespace_that_is_served_later() {
    if let Some(made) = std::env::var_os(INSIDE) {
        return wait_for_the_system(made == "made");
    }
    if let Some(why) = User::missing() {
        println!("skipped: {why}");
        return;
    }
    for machine in ["bare", "made"] {
        let mut inside = Command::new("unshare");
        inside.args(["--mount", "--pid", "--fork", "--mount-proc", "--kill-child"]);
        inside.arg(std::env::current_exe().unwrap());
        let this = std::thread::current().name().unwrap().to_owned();
        inside.args(["--exact", &this, "--nocapture"]);
        inside.env("XDG_RUNTIME_DIR", USERS);
        let ended = inside.env(INSIDE, machine).output().unwrap();
        assert!(ended.status.success(), "{machine}: {ended:?}");
    }
}

fn wait_for_the_system(made: bool) {
    let mounted = Command::new("mount")
        .args(["-t", "tmpfs", "tmpfs", "/run"])
        .status();
    assert!(mounted.unwrap().success());
    let id = User::STRANGER.id;
    fs::create_dir(USERS).unwrap();
    chown(USERS, Some(id), Some(id)).unwrap();
    fs::set_permissions(USERS, fs::Permissions::from_mode(0o700)).unwrap();
    if made {
        fs::create_dir("/run/resmgr").unwrap();
    }
    let user = Peer::of_the_machine(Some(User::STRANGER));
    let wait = |what: &str| format!("name-wait /dev/name/local/late {what}");
    let waits = ["present", "changed", "present how=async"].map(|what| {
        let lane = what.split('=').next_back().unwrap_or(what);
        user.begin_in(lane, &wait(what))
    });
    until("all of them wait", || watchers(user.pid()) == waits.len());
    let system = Peer::of_the_machine(None);
    assert!(system.ask("name-attach late").starts_with("channel "));
    for wait in waits {
        assert_eq!(wait.end(), "ok");
    }
    assert_eq!(user.ask(&wait("absent deadline=1")), "error ETIMEDOUT");
    until("nothing is watched any more", || watchers(user.pid()) == 0);
}

/// Inotify instances of a process.
fn watchers(pid: u32) -> usize {
    let open = fs::read_dir(Path::new("/proc").join(pid.to_string()).join("fd")).unwrap();
    open.filter_map(|fd| fs::read_link(fd.ok()?.path()).ok())
        .filter(|target| target.ends_with("anon_inode:inotify"))
        .count()
}
