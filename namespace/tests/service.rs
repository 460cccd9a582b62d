//! As a service: socket activation, readiness, and the units under `namespace/systemd`.
#![allow(clippy::unwrap_used)] // helpers of tests are tests

mod common;

use common::{LIMIT, Place, channels, exclusive};
use resmgr_namespace::protocol::{Request, VERSION, decode_answer};
use resmgr_sys::epoll::{Ready, poll_one};
use resmgr_sys::pidfd::PidFd;
use resmgr_sys::{process, signal, socket};
use std::fs;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Instant;

/// A namespace whose socket a service manager holds: this test.
struct Managed {
    place: Place,
    listener: OwnedFd,
    notices: UnixDatagram,
    _home: tempfile::TempDir,
    notify: PathBuf,
}

impl Managed {
    fn new() -> Self {
        let place = Place::new();
        let listener = socket::listen(&place.dir().path().join("ns")).unwrap();
        let home = tempfile::tempdir().unwrap();
        let notify = home.path().join("notify");
        let notices = UnixDatagram::bind(&notify).unwrap();
        notices.set_read_timeout(Some(LIMIT)).unwrap();
        Self {
            place,
            listener,
            notices,
            _home: home,
            notify,
        }
    }

    /// The service with this socket as its descriptor 3. The shell is what it then becomes, pid and all.
    fn command(&self, socket: &OwnedFd) -> Command {
        let mut command = Command::new("sh");
        let script = r#"exec 3<&0 </dev/null; LISTEN_PID=$$ LISTEN_FDS=1 exec "$@""#;
        command.args(["-c", script, "sh", env!("CARGO_BIN_EXE_namespaced")]);
        command
            .args(["--idle", "never", "--dir"])
            .arg(self.place.path());
        command.env("NOTIFY_SOCKET", &self.notify);
        command.stdin(Stdio::from(socket.try_clone().unwrap()));
        command
    }

    fn activate(&self) -> Service {
        let child = self.command(&self.listener).spawn().unwrap();
        let service = Service(child);
        assert_eq!(self.notice(), "READY=1");
        service
    }

    fn notice(&self) -> String {
        let mut text = [0; 64];
        let len = self.notices.recv(&mut text).unwrap();
        String::from_utf8(text[..len].to_vec()).unwrap()
    }

    /// A client that connects and greets, whether or not anybody serves.
    fn greet(&self) -> OwnedFd {
        let client = socket::connect(&self.place.dir().entry("ns"), LIMIT).unwrap();
        let hello = Request::Hello { version: VERSION }.encode(1).unwrap();
        socket::send(client.as_fd(), &hello, &[]).unwrap();
        client
    }
}

fn is_answered(client: &OwnedFd) -> bool {
    let mut answer = [0; 64];
    let deadline = Some(Instant::now() + LIMIT);
    let packet = socket::receive_until(client.as_fd(), &mut answer, deadline).unwrap();
    decode_answer(&answer[..packet.len]).is_ok_and(|(serial, done)| serial == 1 && done.is_ok())
}

struct Service(Child);

impl Service {
    fn stop(mut self) {
        process::kill(self.0.id(), signal::TERM).unwrap();
        let pidfd = PidFd::open(self.0.id()).unwrap();
        let ended = poll_one(pidfd.as_fd(), Ready::IN, Some(Instant::now() + LIMIT));
        assert_eq!(ended, Ok(true), "it stays");
        assert!(self.0.wait().unwrap().success());
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn an_activated_server_is_the_one_that_clients_see() {
    let managed = Managed::new();
    let early = managed.greet();
    let service = managed.activate();
    // Who came before it was there waited in the socket, and sees whose socket that was.
    assert!(is_answered(&early));
    let seen = socket::peer_credentials(early.as_fd()).unwrap();
    assert_eq!(
        (seen.pid, seen.uid),
        (std::process::id(), process::effective_uid())
    );
    let client = managed.greet();
    let seen = socket::peer_credentials(client.as_fd()).unwrap();
    assert_eq!(
        (seen.pid, seen.uid),
        (service.0.id(), process::effective_uid())
    );
    assert!(is_answered(&client));
    let session = managed.place.session();
    assert_eq!(session.server_pid(), Ok(service.0.id()));
    assert_eq!(managed.place.server(), Some(service.0.id()));
}

#[test]
fn the_socket_outlives_each_server_and_whoever_connects_meanwhile_waits() {
    let managed = Managed::new();
    let first = managed.activate();
    let session = managed.place.session();
    let attach = exclusive("/dev/x");
    session.attach(&attach).unwrap();
    first.stop();
    assert_eq!(managed.notice(), "STOPPING=1");
    let left = managed.place.files();
    let stays = |name: &str| left.iter().any(|file| file == name);
    assert!(
        stays("ns") && stays("journal") && !stays("lock"),
        "{left:?}"
    );
    let waiting = managed.greet();
    let _second = managed.activate();
    assert!(is_answered(&waiting));
    assert_eq!(
        channels(&session, "/dev/x").unwrap(),
        [(std::process::id(), 1)]
    );
}

#[test]
fn two_never_serve_however_they_are_started() {
    let managed = Managed::new();
    let service = managed.activate();
    let expected = format!("already served by pid {}", service.0.id());
    let again = managed.command(&managed.listener).output().unwrap();
    assert_eq!(again.status.code(), Some(111));
    assert!(said(&again).contains(&expected), "{}", said(&again));
    let mut by_hand = Command::new(env!("CARGO_BIN_EXE_namespaced"));
    let by_hand = by_hand
        .arg("--dir")
        .arg(managed.place.path())
        .output()
        .unwrap();
    assert_eq!(by_hand.status.code(), Some(111));
    assert!(said(&by_hand).contains(&expected), "{}", said(&by_hand));
    let session = managed.place.session();
    assert_eq!(session.server_pid(), Ok(service.0.id()));
}

#[test]
fn a_socket_that_is_not_this_directorys_is_refused() {
    let managed = Managed::new();
    let elsewhere = tempfile::tempdir().unwrap();
    let other = socket::listen(&elsewhere.path().join("ns")).unwrap();
    let refused = managed.command(&other).output().unwrap();
    assert_eq!(refused.status.code(), Some(111));
    let expected = "is not what the socket that was handed over is bound to";
    assert!(said(&refused).contains(expected), "{}", said(&refused));
    assert_eq!(managed.place.files(), ["ns"]);
}

fn is_missing(program: &str) -> bool {
    let missing = Command::new(program).arg("--version").output().is_err();
    if missing {
        println!("skipped: {program} is not here");
    }
    missing
}

fn units() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("systemd")
}

/// Verifies the units of one kind, with this build's program where they have the installed one.
fn verify(kind: &str) {
    if is_missing("systemd-analyze") {
        return;
    }
    let home = tempfile::tempdir().unwrap();
    let mut command = Command::new("systemd-analyze");
    command
        .arg(format!("--{kind}"))
        .args(["--man=no", "--recursive-errors=no", "verify"]);
    command.env("XDG_RUNTIME_DIR", home.path());
    for unit in ["namespaced.socket", "namespaced.service"] {
        let text = fs::read_to_string(units().join(kind).join(unit)).unwrap();
        let text = text.replace("/usr/sbin/namespaced", env!("CARGO_BIN_EXE_namespaced"));
        fs::write(home.path().join(unit), text).unwrap();
        command.arg(home.path().join(unit));
    }
    let verified = command.output().unwrap();
    assert!(verified.status.success(), "{}", said(&verified));
    assert_eq!(said(&verified), "");
}

#[test]
fn the_systems_units_are_good() {
    verify("system");
}

#[test]
fn a_users_units_are_good() {
    verify("user");
}

#[test]
fn the_directories_are_made_as_clients_want_them() {
    if is_missing("systemd-tmpfiles") {
        return;
    }
    if process::effective_uid() != 0 {
        println!("skipped: only root can make root's directories");
        return;
    }
    let root = tempfile::tempdir().unwrap();
    let mut command = Command::new("systemd-tmpfiles");
    command
        .arg(format!("--root={}", root.path().display()))
        .arg("--create");
    let made = command
        .arg(units().join("tmpfiles.d/resmgr.conf"))
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", said(&made));
    for name in ["run/resmgr", "run/resmgr/p"] {
        let seen = fs::metadata(root.path().join(name)).unwrap();
        assert_eq!(seen.permissions().mode() & 0o7777, 0o755, "{name}");
    }
}
