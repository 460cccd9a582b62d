//! A mount, servers behind it, and programs in front of it, for one test. Everything is taken down when
//! the test ends, however it ends, and nothing waits for ever.

#![allow(dead_code)] // Each test binary uses its part.

mod server;

pub(crate) use server::serve_if_asked;

use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// How long anything may take that should be quick, on a busy machine.
pub(crate) const LONG: Duration = Duration::from_secs(30);

/// Says why a test does nothing here.
pub(crate) fn skip(why: &str) {
    println!("skipped: {why}");
}

/// Whether mounts can be made; says so if not.
pub(crate) fn can_mount() -> bool {
    let can = Path::new("/dev/fuse").exists();
    if !can {
        skip("there is no /dev/fuse");
    }
    can
}

/// Whether this is root, who mounts without helpers and may become others.
pub(crate) fn is_root() -> bool {
    resmgr_sys::process::effective_uid() == 0
}

/// Waits until something is so.
pub(crate) fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let end = Instant::now() + LONG;
    while !is_so() {
        assert!(Instant::now() < end, "still not after {LONG:?}: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// A process that does not survive its test.
pub(crate) struct Process(pub(crate) Child);

impl Process {
    pub(crate) fn start(command: &mut Command) -> Self {
        Self(
            command
                .spawn()
                .unwrap_or_else(|error| panic!("{command:?}: {error}")),
        )
    }

    pub(crate) fn pid(&self) -> u32 {
        self.0.id()
    }

    pub(crate) fn signal(&self, signal: i32) {
        resmgr_sys::process::kill(self.pid(), signal).expect("it has not been waited for");
    }

    /// Its exit, which must come soon.
    pub(crate) fn end(&mut self) -> ExitStatus {
        self.end_within(LONG)
    }

    /// The same of one that was told to go on for a while.
    pub(crate) fn end_within(&mut self, long: Duration) -> ExitStatus {
        let end = Instant::now() + long;
        loop {
            if let Some(status) = self.0.try_wait().expect("it is our child") {
                return status;
            }
            assert!(Instant::now() < end, "a process does not end");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    pub(crate) fn is_running(&mut self) -> bool {
        self.0.try_wait().expect("it is our child").is_none()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        // A killed program whose request is never answered cannot be waited for.
        let end = Instant::now() + Duration::from_secs(5);
        while matches!(self.0.try_wait(), Ok(None)) && Instant::now() < end {
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

/// A program's end and what it wrote.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) out: Vec<u8>,
    pub(crate) err: String,
}

impl Ran {
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.out).into_owned()
    }
}

/// Runs a program to its end, which must come soon.
pub(crate) fn run(command: &mut Command) -> Ran {
    let command = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut process = Process::start(command);
    let out = collect(process.0.stdout.take());
    let err = collect(process.0.stderr.take());
    let code = process.end().code();
    Ran {
        code,
        out: out.join().expect("the reader does not panic"),
        err: String::from_utf8_lossy(&err.join().expect("the reader does not panic")).into_owned(),
    }
}

fn collect(from: Option<impl std::io::Read + Send + 'static>) -> std::thread::JoinHandle<Vec<u8>> {
    std::thread::spawn(move || {
        let mut all = Vec::new();
        if let Some(mut from) = from {
            let _ = from.read_to_end(&mut all);
        }
        all
    })
}

/// Runs a line of shell.
pub(crate) fn shell(line: &str) -> Ran {
    run(Command::new("sh").arg("-c").arg(line))
}

/// Runs python in the directory /fs of the mount, with `check` and `fails`.
pub(crate) fn python(house: &House, script: &str) {
    if shell("python3 -c 'import fcntl'").code != Some(0) {
        return skip("there is no python3");
    }
    let before = "
import ctypes, errno, fcntl, mmap, os, select, signal, stat, subprocess, sys, threading, time
top = sys.argv[1]
os.chdir(top)
os.umask(0o022)
def check(got, wanted):
    if got != wanted:
        sys.exit('line %d: %r, not %r' % (sys._getframe(1).f_lineno, got, wanted))
def fails(number, call, *args, **named):
    try:
        got = call(*args, **named)
    except OSError as error:
        got = errno.errorcode[error.errno]
    if got != errno.errorcode[number]:
        sys.exit('line %d: %r, not %s' % (sys._getframe(1).f_lineno, got, errno.errorcode[number]))
";
    let ran = run(Command::new("python3")
        .arg("-c")
        .arg(format!("{before}{script}"))
        .arg(house.file("fs")));
    assert_eq!(
        (ran.code, ran.err.as_str()),
        (Some(0), ""),
        "{before}{script}"
    );
}

/// A namespace of its own, and a directory to mount it on.
pub(crate) struct House {
    directory: tempfile::TempDir,
    mounts: Vec<PathBuf>,
}

impl House {
    pub(crate) fn new() -> Self {
        let directory = tempfile::Builder::new()
            .prefix("resmgr-mount-")
            .tempdir()
            .expect("a directory");
        let house = Self {
            directory,
            mounts: Vec::new(),
        };
        std::fs::create_dir(house.point()).expect("a directory");
        house
    }

    /// Lets other users reach the mount point.
    pub(crate) fn open_to_all(&self) {
        let all = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(self.path(""), all).expect("it is ours");
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub(crate) fn point(&self) -> PathBuf {
        self.path("mnt")
    }

    /// A file below the mount point.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.point().join(name)
    }

    /// The file of the server's that always answers does so, read by a program.
    pub(crate) fn says_hello(&self) {
        let hello = self.file("dev/hello");
        let text = shell(&format!("cat {}", hello.display())).text();
        assert_eq!(text, "Hello, world!\n");
    }

    /// A command that lives in this house's namespace.
    pub(crate) fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new(program);
        command.env("RESMGR_DIR", self.path("run"));
        let beside = Path::new(env!("CARGO_BIN_EXE_mount-resmgr")).with_file_name("namespaced");
        if beside.exists() {
            command.env("RESMGR_NAMESPACED", beside);
        }
        command
    }

    pub(crate) fn mount_command(&self) -> Command {
        self.command(env!("CARGO_BIN_EXE_mount-resmgr"))
    }

    /// Mounts in the background, as a person would; it must work.
    pub(crate) fn mount(&mut self, arguments: &[&str]) {
        let point = self.point();
        self.mounts.push(point.clone());
        let ran = run(self.mount_command().args(arguments).arg(&point));
        assert_eq!(ran.code, Some(0), "{}", ran.err);
    }

    /// Mounts and stays the parent of the one who serves the mount.
    pub(crate) fn mount_foreground(&mut self, arguments: &[&str]) -> Process {
        let point = self.point();
        self.mounts.push(point.clone());
        let process = Process::start(
            self.mount_command()
                .arg("--foreground")
                .args(arguments)
                .arg(&point)
                .stdin(Stdio::null()),
        );
        until("the mount is live", || is_mounted(&point));
        process
    }

    /// Starts a server with these names; it is ready when this returns.
    pub(crate) fn server(&self, names: &[&str]) -> Process {
        self.server_as(names, &[])
    }

    /// The same behind another program, such as setpriv with its arguments.
    pub(crate) fn server_as(&self, names: &[&str], before: &[&str]) -> Process {
        let own = std::env::current_exe().expect("this program");
        let ready = self.path(&format!("ready-{}", names.join("-").replace('/', "_")));
        let _ = std::fs::remove_file(&ready);
        let mut command = match before.split_first() {
            Some((program, arguments)) => {
                let mut command = self.command(program);
                command.args(arguments).arg(own);
                command
            }
            None => self.command(own),
        };
        command
            .args(["--exact", "server_process", "--nocapture"])
            .env("RESMGR_TEST_NAMES", names.join(" "))
            .env("RESMGR_TEST_READY", &ready)
            .stdin(Stdio::null())
            .stdout(Stdio::null());
        let mut process = Process::start(&mut command);
        until("the server is ready", || {
            assert!(process.is_running(), "the server ended at once");
            ready.exists()
        });
        process
    }
}

impl Drop for House {
    fn drop(&mut self) {
        for point in &self.mounts {
            while is_mounted(point) {
                let done = Command::new("umount").arg("-l").arg(point).status();
                if !done.is_ok_and(|status| status.success()) {
                    break;
                }
            }
        }
    }
}

/// By the table, which asks no file system anything.
pub(crate) fn is_mounted(point: &Path) -> bool {
    std::fs::read_to_string("/proc/self/mountinfo")
        .expect("/proc is there")
        .lines()
        .any(|line| line.split(' ').nth(4) == point.to_str() && line.contains(" fuse.resmgr "))
}

/// Processes that run the mount program for this house.
pub(crate) fn helpers(house: &House) -> Vec<u32> {
    let point = house.point();
    let needle = point.to_str().expect("a plain path").as_bytes();
    std::fs::read_dir("/proc")
        .expect("/proc is there")
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter(|pid: &u32| {
            std::fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|line| {
                let mut words = line.split(|byte| *byte == 0);
                let program = words.next().unwrap_or_default();
                program.ends_with(b"mount-resmgr") && words.any(|word| word == needle)
            })
        })
        .collect()
}
