//! Starting: each failure is one sentence and a code, and leaves nothing half-made.

mod support;

use std::os::unix::fs::PermissionsExt;
use std::process::Command;
use support::{House, can_mount, helpers, is_mounted, is_root, run, shell, skip};

#[test]
fn server_process() {
    support::serve_if_asked();
}

/// Runs the mount program in vain.
#[track_caller]
fn refused(house: &House, arguments: &[&str], code: i32, sentence: &str) {
    for mode in [&[][..], &["--foreground"]] {
        let ran = run(house.mount_command().args(mode).args(arguments));
        assert_eq!(ran.code, Some(code), "{ran:?}");
        assert!(ran.err.contains(sentence), "{ran:?}");
        if code == 111 || sentence.contains("option") {
            assert_eq!(ran.err.lines().count(), 1, "{ran:?}");
        }
        assert!(helpers(house).is_empty());
    }
}

#[test]
fn wrong_usage_is_told_apart_from_a_refusal_of_the_system() {
    let house = House::new();
    let point = house.point();
    let point = point.to_str().unwrap();
    refused(&house, &[], 100, "Usage");
    refused(
        &house,
        &["-o", "ro,frobnicate", point],
        100,
        "unknown option \"frobnicate\"",
    );
    refused(&house, &["-o", "fd=0", point], 100, "unknown option");
    refused(
        &house,
        &["relative", point],
        100,
        "an absolute path of the namespace",
    );
    let missing = house.path("missing");
    refused(
        &house,
        &[missing.to_str().unwrap()],
        111,
        "no such file or directory",
    );
    let file = house.path("file");
    std::fs::write(&file, "").unwrap();
    refused(&house, &[file.to_str().unwrap()], 111, "not a directory");
    assert!(!is_mounted(&house.point()));
}

#[test]
fn a_point_that_shows_a_namespace_already_is_busy() {
    if !can_mount() {
        return;
    }
    let mut house = House::new();
    house.mount(&[]);
    let before = helpers(&house);
    let ran = run(house.mount_command().arg(house.point()));
    assert_eq!(ran.code, Some(111));
    assert!(ran.err.contains("busy"), "{ran:?}");
    assert_eq!(helpers(&house), before);
}

#[test]
fn a_dead_mount_is_named_and_what_to_do_about_it() {
    if !can_mount() {
        return;
    }
    let mut house = House::new();
    let mut program = house.mount_foreground(&[]);
    program.0.kill().unwrap();
    program.end();
    let ran = run(house.mount_command().arg(house.point()));
    assert_eq!(ran.code, Some(111));
    assert!(ran.err.contains("umount -l"), "{ran:?}");
}

#[test]
fn a_runtime_directory_that_others_may_write_is_refused() {
    if !can_mount() {
        return;
    }
    let house = House::new();
    std::fs::create_dir(house.path("run")).unwrap();
    std::fs::set_permissions(house.path("run"), PermissionsExt::from_mode(0o777)).unwrap();
    let point = house.point();
    refused(
        &house,
        &[point.to_str().unwrap()],
        111,
        house.path("run").to_str().unwrap(),
    );
    assert!(!is_mounted(&point));
}

#[test]
fn a_source_that_is_a_file_is_refused() {
    if !can_mount() {
        return;
    }
    let house = House::new();
    let _server = house.server(&["/dev/hello"]);
    let point = house.point();
    refused(
        &house,
        &["/dev/hello", point.to_str().unwrap()],
        111,
        "source /dev/hello: not a directory",
    );
    assert!(!is_mounted(&point));
}

#[test]
fn mount_8_finds_and_passes_its_own_options() {
    if !can_mount() || !is_root() {
        return skip("mount(8) with a helper is root's");
    }
    let mut house = House::new();
    let _server = house.server(&["/dev/hello"]);
    // mount(8) looks for helpers in /sbin only: call the helper as it does.
    house.mount(&[
        "/dev",
        "-n",
        "-s",
        "-v",
        "-o",
        "ro,nosuid,nodev,x-test,_netdev",
    ]);
    let line = shell(&format!(
        "grep ' {} ' /proc/self/mountinfo",
        house.point().display()
    ))
    .text();
    assert!(
        line.contains(" ro,nosuid,nodev") && line.contains("fuse.resmgr /dev "),
        "{line}"
    );
    assert_eq!(
        shell(&format!("umount {}", house.point().display())).code,
        Some(0)
    );
    support::until("the helper has ended", || helpers(&house).is_empty());
}

#[test]
fn a_user_mounts_by_fusermount3_and_only_he_looks_inside() {
    if !can_mount() {
        return;
    }
    if !is_root() || shell("setpriv --version && fusermount3 --version").code != Some(0) {
        return skip("only root, with setpriv and fusermount3, can try as somebody else");
    }
    let house = House::new();
    let own = 65534;
    std::fs::set_permissions(house.path(""), PermissionsExt::from_mode(0o755)).unwrap();
    // The programs must be reachable for that user.
    for (name, from) in [("mount.resmgr", env!("CARGO_BIN_EXE_mount-resmgr"))] {
        std::fs::copy(from, house.path(name)).unwrap();
    }
    std::fs::create_dir(house.path("run")).unwrap();
    for path in [house.point(), house.path("run")] {
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o700)).unwrap();
        std::os::unix::fs::chown(&path, Some(own), Some(own)).unwrap();
    }
    let nobody = [
        "setpriv",
        "--reuid=65534",
        "--regid=65534",
        "--clear-groups",
    ];
    let as_nobody = |program: &std::path::Path| {
        let mut command = house.command(nobody[0]);
        command
            .env_remove("RESMGR_NAMESPACED")
            .args(&nobody[1..])
            .arg(program);
        command
    };
    let ran = run(as_nobody(&house.path("mount.resmgr"))
        .arg("/a,allow_other")
        .arg(house.point()));
    if ran.err.contains("Operation not permitted") || ran.err.contains("ermission denied") {
        return skip(&format!(
            "fusermount3 may not mount here: {}",
            ran.err.trim()
        ));
    }
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    let line = shell(&format!(
        "grep ' {} ' /proc/self/mountinfo",
        house.point().display()
    ))
    .text();
    assert!(
        line.contains("user_id=65534") && !line.contains("allow_other"),
        "{line}"
    );
    assert_eq!(
        run(as_nobody("ls".as_ref()).arg(house.point())).code,
        Some(0)
    );
    assert_eq!(
        run(Command::new("ls").arg(house.point())).code,
        Some(2),
        "root looks inside"
    );
    let pids = helpers(&house);
    assert_eq!(pids.len(), 1);
    resmgr_sys::process::kill(pids[0], resmgr_sys::signal::TERM).unwrap();
    support::until("it has ended", || helpers(&house).is_empty());
    assert!(!is_mounted(&house.point()));
}
