//! [`Peer`]: a process of a world that does what it is told.

use crate::daemon::assist;
use crate::observe::{all_stopped, until};
use crate::{LIMIT, Pending, User, namespaced};
use resmgr_sys::epoll::{Ready, poll_one};
use resmgr_sys::pidfd::PidFd;
use resmgr_sys::signal;
use std::collections::HashMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::fd::AsFd as _;
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Instant;

type Waiting = Arc<Mutex<Option<HashMap<u64, Sender<String>>>>>;

/// A process; clones name the same one.
#[derive(Clone, Debug)]
pub struct Peer(Arc<Process>);

#[derive(Debug)]
struct Process {
    pid: u32,
    pidfd: PidFd,
    child: Mutex<Child>,
    input: Mutex<ChildStdin>,
    waiting: Waiting,
    serial: AtomicU64,
}

impl Peer {
    /// One whose namespaces are its user's and the system's: for tests that have a machine of their own.
    pub fn of_the_machine(user: Option<User>) -> Self {
        // A variable without a value stands for none.
        Self::start(Path::new(""), user, None)
    }

    pub(crate) fn start(directory: &Path, user: Option<User>, log: Option<&Path>) -> Self {
        let mut command = Command::new(assist());
        if let Some(user) = user {
            user.runs(&mut command);
        }
        if let Some(log) = log {
            command.env("RESMGR_LOG", format!("1 file={}", log.display()));
        }
        command
            .env("RESMGR_DIR", directory)
            .env("RESMGR_NAMESPACED", namespaced())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let pid = child.id();
        let waiting: Waiting = Arc::new(Mutex::new(Some(HashMap::new())));
        let output = child.stdout.take().unwrap();
        std::thread::spawn({
            let waiting = Arc::clone(&waiting);
            move || hand_out(output, &waiting)
        });
        let process = Process {
            pid,
            pidfd: PidFd::open(pid).unwrap(),
            input: Mutex::new(child.stdin.take().unwrap()),
            child: Mutex::new(child),
            waiting,
            serial: AtomicU64::new(1),
        };
        let peer = Self(Arc::new(process));
        assert_eq!(peer.ask("ready"), "ready");
        peer
    }

    /// Its number.
    pub fn pid(&self) -> u32 {
        self.0.pid
    }

    /// Has a command run in its first thread, and waits for what comes of it.
    pub fn ask(&self, command: &str) -> String {
        self.begin_in("first", command).end()
    }

    /// Has a command begun in a thread of its own.
    pub fn begin(&self, command: &str) -> Pending {
        let lane = format!("own-{}", self.0.serial.load(Ordering::Relaxed));
        self.begin_in(&lane, command)
    }

    /// Has a command begun in the thread that is called `lane`.
    pub fn begin_in(&self, lane: &str, command: &str) -> Pending {
        let serial = self.0.serial.fetch_add(1, Ordering::Relaxed);
        let (sender, lines) = channel();
        // None: the process has ended, and so has this command.
        if let Some(waiting) = &mut *self.0.waiting.lock().unwrap() {
            waiting.insert(serial, sender);
        }
        let mut input = self.0.input.lock().unwrap();
        let _ = writeln!(input, "{serial} {lane} {command}");
        Pending::new(self.clone(), command, lines)
    }

    /// Has it fork, and returns the child. With `handlers` the C library's fork, which lets this project
    /// close descriptors in the child; without, a bare clone, which keeps them all.
    pub fn fork(&self, handlers: bool) -> u32 {
        let said = self.ask(if handlers { "fork" } else { "clone" });
        said.strip_prefix("child ").unwrap().parse().unwrap()
    }

    /// Sends a signal to the process.
    pub fn signal(&self, signal: i32) {
        self.0.pidfd.signal(signal).unwrap();
    }

    /// Stops it, and waits until each of its threads has stopped.
    pub fn stop(&self) {
        self.signal(signal::STOP);
        until("it has stopped", || all_stopped(self.pid()));
    }

    /// Kills it and waits until it is dead.
    pub fn kill(&self) {
        let _ = self.0.pidfd.signal(signal::KILL);
        let deadline = Some(Instant::now() + LIMIT);
        assert_eq!(
            poll_one(self.0.pidfd.as_fd(), Ready::IN, deadline),
            Ok(true)
        );
        let _ = self.0.child.lock().unwrap().wait();
        // Nobody answers any more, also if a forked child has a copy of the pipe.
        self.0.waiting.lock().unwrap().take();
    }
}

/// Gives each line to the command that it answers, until the process ends.
fn hand_out(output: ChildStdout, waiting: &Waiting) {
    for line in BufReader::new(output).lines().map_while(Result::ok) {
        let (serial, text) = line.split_once(' ').unwrap_or(("", ""));
        let serial = serial.parse().unwrap_or(0);
        if let Some(waiting) = &mut *waiting.lock().unwrap() {
            if let Some(asker) = waiting.get(&serial) {
                let _ = asker.send(text.into());
            }
            if !text.starts_with("at ") {
                waiting.remove(&serial);
            }
        }
    }
    waiting.lock().unwrap().take();
}
