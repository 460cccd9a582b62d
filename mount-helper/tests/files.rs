//! Real programs on files of real servers, through a real mount.

mod support;

use std::process::Command;
use support::{House, can_mount, is_root, run, shell, skip};

#[test]
fn server_process() {
    support::serve_if_asked();
}

#[test]
fn cat_echo_dd_ls_and_head_work_on_files_of_a_server() {
    if !can_mount() {
        return;
    }
    let mut house = House::new();
    house.mount(&[]);
    let _server = house.server(&["/dev/hello", "/dev/store"]);
    let (hello, store) = (house.file("dev/hello"), house.file("dev/store"));
    let (hello, store) = (hello.display(), store.display());

    assert_eq!(shell(&format!("cat {hello}")).text(), "Hello, world!\n");
    assert_eq!(shell(&format!("head -c 5 {hello}")).text(), "Hello");
    let echo = shell(&format!("echo one two > {store} && cat {store}"));
    assert_eq!((echo.text().as_str(), echo.err.as_str()), ("one two\n", ""));
    let again = shell(&format!(
        "echo 3 > {store}; echo 4 >> {store}; cat {store}; stat -c %s {store}"
    ));
    assert_eq!(
        (again.text().as_str(), again.err.as_str()),
        ("3\n4\n4\n", "")
    );

    let listed = shell(&format!("ls -l {}", house.file("dev").display())).text();
    assert!(
        listed.contains(" hello") && listed.contains("-rw-rw-rw-"),
        "{listed}"
    );
    let top = shell(&format!(
        "ls {}; ls -id {1}; ls -i {1}",
        house.point().display(),
        house.file("dev").display()
    ));
    assert!(top.text().starts_with("dev\n"), "{top:?}");

    let bulk = shell(&format!(
        "head -c 3000000 /dev/urandom > {0}/a && dd if={0}/a of={store} bs=1M 2>/dev/null && dd if={store} of={0}/b bs=1M 2>/dev/null && cmp {0}/a {0}/b && echo same",
        house.path("").display()
    ));
    assert_eq!(bulk.text(), "same\n", "{bulk:?}");
}

#[test]
fn names_appear_and_disappear_at_once() {
    if !can_mount() {
        return;
    }
    let mut house = House::new();
    house.mount(&[]);
    let list = || shell(&format!("ls {}", house.file("a/b").display()));
    assert!(list().err.contains("No such file"));
    let mut server = house.server(&["/a/b/hello"]);
    assert_eq!(list().text(), "hello\n");
    server.0.kill().unwrap();
    server.end();
    support::until("the name has gone", || list().err.contains("No such file"));
    let _next = house.server(&["/a/b/hello"]);
    assert_eq!(list().text(), "hello\n");
}

#[test]
fn a_subtree_is_mounted_by_its_source() {
    if !can_mount() {
        return;
    }
    let mut house = House::new();
    let _server = house.server(&["/dev/sub/hello", "/other/hello"]);
    house.mount(&["-o", "ro,noauto", "/dev/sub"]);
    assert_eq!(
        shell(&format!("ls {}", house.point().display())).text(),
        "hello\n"
    );
    assert_eq!(
        shell(&format!("cat {}", house.file("hello").display())).text(),
        "Hello, world!\n"
    );
    let refused = shell(&format!("echo x > {}", house.file("hello").display()));
    assert!(refused.err.contains("Read-only file system"), "{refused:?}");
}

#[test]
fn commands_reach_the_device_in_both_directions() {
    if !can_mount() {
        return;
    }
    if shell("python3 -c 'import fcntl'").code != Some(0) {
        return skip("there is no python3 to call ioctl");
    }
    let mut house = House::new();
    house.mount(&[]);
    let _server = house.server(&["/dev/control", "/dev/hello"]);
    let script = "
import fcntl, os, struct, sys, errno
IOW, IOR, IOWR, IO = 0x40046301, 0x80046302, 0xc0046303, 0x00006304
fd = os.open(sys.argv[1], os.O_RDWR)
print(fcntl.ioctl(fd, IOW, struct.pack('I', 40)) is not None)
buffer = bytearray(4)
print(fcntl.ioctl(fd, IOR, buffer), struct.unpack('I', buffer)[0])
buffer = bytearray(struct.pack('I', 2))
print(fcntl.ioctl(fd, IOWR, buffer), struct.unpack('I', buffer)[0])
print(fcntl.ioctl(fd, IO))
for number in (0x4004637f, 0x5401):
    try:
        fcntl.ioctl(fd, number, bytearray(64))
    except OSError as error:
        print(errno.errorcode[error.errno])
# The refusals have not switched ioctl off for the mount.
print(fcntl.ioctl(fd, IOR, buffer), struct.unpack('I', buffer)[0])
print(os.isatty(fd))
";
    let ran = run(Command::new("python3")
        .arg("-c")
        .arg(script)
        .arg(house.file("dev/control")));
    assert_eq!(
        (ran.text().as_str(), ran.err.as_str()),
        ("True\n0 40\n0 42\n0\nENOTTY\nENOTTY\n0 0\nFalse\n", "")
    );
}

#[test]
fn one_server_without_handlers_switches_nothing_off_for_others() {
    if !can_mount() {
        return;
    }
    let mut house = House::new();
    house.mount(&[]);
    let _server = house.server(&["/dev/mute", "/dev/hello", "/dev/store"]);
    let mute = house.file("dev/mute");
    let read = shell(&format!("cat {}", mute.display()));
    assert!(read.err.contains("Invalid argument"), "{read:?}");
    let write = shell(&format!("echo x | dd of={} conv=notrunc", mute.display()));
    assert!(write.err.contains("Invalid argument"), "{write:?}");
    house.says_hello();
    let store = house.file("dev/store");
    assert_eq!(
        shell(&format!("echo y > {0}; cat {0}", store.display())).text(),
        "y\n"
    );
}

#[test]
fn the_caller_is_who_the_server_sees() {
    if !can_mount() {
        return;
    }
    let mut house = House::new();
    house.mount(&[]);
    let _server = house.server(&["/dev/who", "/dev/private"]);
    let who = house.file("dev/who");
    let seen = shell(&format!("echo $$; exec cat {}", who.display())).text();
    let (shell_pid, line) = seen.split_once('\n').unwrap();
    let uid = resmgr_sys::process::effective_uid();
    assert_eq!(
        line.trim(),
        format!("{shell_pid} {uid} {}", resmgr_sys::process::effective_gid())
    );
    if !is_root() || shell("setpriv --version").code != Some(0) {
        return skip("only root, with setpriv, can become somebody else");
    }
    std::fs::set_permissions(
        house.path(""),
        std::os::unix::fs::PermissionsExt::from_mode(0o755),
    )
    .unwrap();
    let nobody = "setpriv --reuid=65534 --regid=65533 --clear-groups";
    let seen = shell(&format!("{nobody} cat {}", who.display()));
    assert!(seen.text().ends_with(" 65534 65533\n"), "{seen:?}");
    let private = house.file("dev/private");
    assert_eq!(
        shell(&format!("cat {}", private.display())).text(),
        "secret\n"
    );
    let refused = shell(&format!("{nobody} cat {}", private.display()));
    assert!(refused.err.contains("Permission denied"), "{refused:?}");
    assert_eq!(
        shell(&format!(
            "{nobody} test -r {} || echo no",
            private.display()
        ))
        .text(),
        "no\n"
    );
}
