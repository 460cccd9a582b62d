//! Starting: each failure is one sentence and a code, and leaves nothing half-made.

mod support;

use std::os::unix::fs::PermissionsExt;
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

/// In a mount namespace of its own, where everybody may open /dev/fuse: on many machines only root may,
/// and then users have no FUSE at all.
const AS_A_USER: &str = r#"
set -e
mknod "$1/fuse" c 10 229
chmod 666 "$1/fuse"
mount --bind "$1/fuse" /dev/fuse
become="setpriv --reuid=65534 --regid=65534 --clear-groups"
point="$1/mnt"
$become "$1/mount.resmgr" /a,allow_other "$point" && echo mounted
grep " $point " /proc/self/mountinfo
$become ls "$point" && echo the user looks inside
ls "$point" 2>&1 || echo root does not
$become "$1/mount.resmgr" "$point" 2>&1 || echo "busy $?"
kill -TERM "$(pgrep -u 65534 -f "^$1/mount.resmgr")"
for i in $(seq 500); do grep -q " $point " /proc/self/mountinfo || break; sleep 0.01; done
grep " $point " /proc/self/mountinfo || echo gone
$become "$1/mount.resmgr" -o allow_other "$point" 2>&1 || echo "refused $?"
PATH=/nowhere "$(command -v setpriv)" --reuid=65534 --regid=65534 --clear-groups "$1/mount.resmgr" "$point" 2>&1 || echo "without $?"
"#;

#[test]
fn a_user_mounts_by_fusermount3_and_only_he_looks_inside() {
    if !can_mount() {
        return;
    }
    let tools = "setpriv --version && fusermount3 --version && unshare -m true && command -v pgrep";
    if !is_root() || shell(tools).code != Some(0) {
        return skip(
            "only root, with setpriv, unshare, pgrep and fusermount3, can try as somebody else",
        );
    }
    let house = House::new();
    let nobody = Some(65534);
    std::fs::set_permissions(house.path(""), PermissionsExt::from_mode(0o755)).unwrap();
    // The program must be reachable for that user.
    std::fs::copy(
        env!("CARGO_BIN_EXE_mount-resmgr"),
        house.path("mount.resmgr"),
    )
    .unwrap();
    std::fs::create_dir(house.path("run")).unwrap();
    for path in [house.point(), house.path("run")] {
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o700)).unwrap();
        std::os::unix::fs::chown(&path, nobody, nobody).unwrap();
    }
    let directory = house.path("");
    let directory = directory.to_str().unwrap().trim_end_matches('/');
    let ran = run(house
        .command("unshare")
        .env_remove("RESMGR_NAMESPACED")
        .args(["-m", "sh", "-c", AS_A_USER, "sh", directory]));
    let text = ran.text();
    for expected in [
        "mounted\n",
        "fuse.resmgr resmgr rw,user_id=65534",
        "the user looks inside\n",
        "root does not\n",
        "busy 111\n",
        "gone\n",
        "refused 111\n",
        "user_allow_other",
        "only root can do without fusermount3",
        "without 111\n",
    ] {
        assert!(
            text.contains(expected),
            "{expected:?} is not in: {text}{}",
            ran.err
        );
    }
    assert!(!text.contains("allow_other,"), "{text}");
}
