//! A namespace of its own for one test, and the programs in it. Everything is taken down when the test ends,
//! however it ends, and nothing waits for ever.

// Each test program uses its part, and all of it is tests.
#![allow(dead_code, clippy::unwrap_used)]

use resmgr_namespace::{FileType, Pathname, RuntimeDir, Session};
use resmgr_sys::epoll::{Ready, poll_one};
use resmgr_sys::pidfd::PidFd;
use resmgr_sys::{process, signal};
use std::io::{BufRead, BufReader, Read};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Longer than anything here takes on a busy machine.
pub(crate) const LONG: Duration = Duration::from_secs(30);

/// Says why a test does nothing here. CI takes such a line for a failure.
pub(crate) fn skip(why: &str) {
    println!("skipped: {why}");
}

/// Whether the namespace can be mounted here; says so if not.
pub(crate) fn can_mount() -> bool {
    let can = Path::new("/dev/fuse").exists() && mount_program().exists();
    if !can {
        skip("there is no /dev/fuse, or mount.resmgr was not built");
    }
    can
}

const CLIENT: &str = "RESMGR_TEST_CLIENT";

/// What a client's process is told: see [`House::client`].
pub(crate) fn is_client() -> Option<String> {
    std::env::var(CLIENT).ok()
}

/// Whether this is root, who may give files away.
pub(crate) fn is_root() -> bool {
    process::effective_uid() == 0
}

fn mount_program() -> PathBuf {
    Path::new(env!("CARGO_BIN_EXE_hello")).with_file_name("mount.resmgr")
}

/// Waits until something is so that no event tells of.
#[track_caller]
pub(crate) fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let end = Instant::now() + LONG;
    while !is_so() {
        assert!(Instant::now() < end, "still not: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// What a program wrote, and its exit code (-1 for a signal).
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Ran {
    /// What a program that succeeds prints.
    pub(crate) fn said(text: &str) -> Self {
        Self {
            code: 0,
            out: format!("{text}\n"),
            err: String::new(),
        }
    }

    /// What a program that fails says.
    pub(crate) fn failed(sentence: &str) -> Self {
        Self {
            code: 1,
            out: String::new(),
            err: format!("{sentence}\n"),
        }
    }
}

/// A program that does not outlive its test.
pub(crate) struct Running(pub(crate) Child);

impl Running {
    pub(crate) fn signal(&self, signal: i32) {
        process::kill(self.0.id(), signal).unwrap();
    }

    /// Waits for its end, which must come soon; returns its exit code.
    pub(crate) fn end(&mut self) -> i32 {
        let pidfd = PidFd::open(self.0.id()).unwrap();
        let ended = poll_one(pidfd.as_fd(), Ready::IN, Some(Instant::now() + LONG)).unwrap();
        assert!(ended, "it does not end");
        self.0.wait().unwrap().code().unwrap_or(-1)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A runtime directory, and a mount point beside it.
pub(crate) struct House {
    base: tempfile::TempDir,
    running: Vec<Running>,
    mount: Option<Running>,
}

impl House {
    pub(crate) fn new() -> Self {
        let base = tempfile::Builder::new()
            .prefix("resmgr-examples-")
            .tempdir()
            .unwrap();
        Self {
            base,
            running: Vec::new(),
            mount: None,
        }
    }

    pub(crate) fn runtime_dir(&self) -> PathBuf {
        self.base.path().join("run")
    }

    pub(crate) fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new(program);
        command.env("RESMGR_DIR", self.runtime_dir());
        command.env("TMPDIR", self.base.path());
        command
            .current_dir(self.base.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    /// Starts a server and waits until `path` leads somewhere.
    pub(crate) fn serve(
        &mut self,
        program: &str,
        words: &[&str],
        path: &str,
    ) -> BufReader<impl Read + use<>> {
        let mut child = self.command(program).args(words).spawn().unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        self.running.push(Running(child));
        until(path, || self.resolves(path));
        output
    }

    /// Has a program that was started end with this.
    pub(crate) fn keep(&mut self, child: Child) {
        self.running.push(Running(child));
    }

    /// The server that was started first.
    pub(crate) fn server(&mut self) -> &mut Running {
        &mut self.running[0]
    }

    /// Whether somebody has registered the path.
    pub(crate) fn resolves(&self, path: &str) -> bool {
        let dir = RuntimeDir::at(&self.runtime_dir()).unwrap();
        let Ok(session) = Session::connect(&dir) else {
            return false;
        };
        let path = Pathname::new(path).unwrap();
        session
            .resolve(&path, FileType::ANY)
            .is_ok_and(|found| !found.is_empty())
    }

    /// Runs a program to its end, which must come soon.
    pub(crate) fn run(&self, program: &str, words: &[&str]) -> Ran {
        end(self.command(program).args(words).spawn().unwrap())
    }

    /// A process that is a client of this namespace, with the library: it runs one test of the same program, which
    /// otherwise does nothing (see [`is_client`]). What it is to do it is told by `words`.
    pub(crate) fn client(&self, test: &str, words: &str) -> Command {
        let mut command = self.command(std::env::current_exe().unwrap());
        command.args([test, "--exact", "--nocapture"]);
        command.env(CLIENT, words);
        command
    }

    /// Runs a line of shell, in the directory that holds the mount point `mnt`.
    pub(crate) fn shell(&self, line: &str) -> Ran {
        self.run("sh", &["-c", line])
    }

    /// Mounts the namespace on `mnt`.
    pub(crate) fn mount(&mut self) {
        let point = self.base.path().join("mnt");
        std::fs::create_dir(&point).unwrap();
        let mut command = self.command(mount_program());
        let child = command.arg("--foreground").arg(&point).spawn().unwrap();
        self.mount = Some(Running(child));
        until("the mount", || self.is_mounted());
    }

    pub(crate) fn is_mounted(&self) -> bool {
        let table = std::fs::read_to_string("/proc/self/mountinfo").unwrap();
        table.contains(&*self.base.path().join("mnt").to_string_lossy())
    }

    /// The daemon that serves the namespace, if there is one.
    pub(crate) fn daemon(&self) -> Option<PidFd> {
        let lock = std::fs::read_to_string(self.runtime_dir().join("lock")).ok()?;
        let pid = lock.trim().parse().ok()?;
        let process = PidFd::open(pid).ok()?;
        // A number in a file proves nothing: it may be another's by now.
        let program = std::fs::read_link(format!("/proc/{pid}/exe")).ok()?;
        (program.file_name()? == "namespaced").then_some(process)
    }

    /// The directory that all of it lies in.
    pub(crate) fn base(&self) -> &Path {
        self.base.path()
    }

    /// What lies in the directory.
    pub(crate) fn files(&self) -> Vec<std::ffi::OsString> {
        let files = std::fs::read_dir(self.base.path()).unwrap();
        files.map(|file| file.unwrap().file_name()).collect()
    }
}

impl Drop for House {
    fn drop(&mut self) {
        if let Some(mount) = &mut self.mount {
            mount.signal(signal::TERM);
            if !std::thread::panicking() {
                mount.end();
            }
            let point = self.base.path().join("mnt");
            if self.is_mounted() {
                let _ = Command::new("umount").arg("-l").arg(point).status();
            }
        }
        self.mount = None;
        self.running.clear();
        // A program that was killed may have started a daemon that begins to serve only now.
        let end = Instant::now() + LONG;
        while Instant::now() < end {
            if let Some(daemon) = self.daemon() {
                let _ = daemon.signal(signal::KILL);
                let _ = poll_one(daemon.as_fd(), Ready::IN, Some(end));
            }
            if std::fs::remove_dir_all(self.base.path()).is_ok() {
                return;
            }
        }
    }
}

/// The next line of a program's output.
pub(crate) fn line(output: &mut impl BufRead) -> String {
    let mut line = String::new();
    output.read_line(&mut line).unwrap();
    line
}

/// Waits for the end of a program that was started.
pub(crate) fn end(mut child: Child) -> Ran {
    let (out, err) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
    let (out, err) = (collect(out), collect(err));
    let code = Running(child).end();
    Ran {
        code,
        out: out.join().unwrap(),
        err: err.join().unwrap(),
    }
}

/// All that is written to a pipe.
fn collect(mut from: impl Read + Send + 'static) -> JoinHandle<String> {
    std::thread::spawn(move || {
        let mut text = String::new();
        from.read_to_string(&mut text).unwrap();
        text
    })
}
