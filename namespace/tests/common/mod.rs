//! What the process tests share: a directory that is left clean, a daemon, and assistants: processes of
//! this same test program that hold a session and do as they are told, a line at a time.
// Each test program uses its part.
#![allow(dead_code, unreachable_pub, clippy::unwrap_used)]

use resmgr_namespace::protocol::{Request, VERSION, decode_answer};
use resmgr_namespace::{
    Attach, AttachFlags, AttachId, Errno, FileType, Pathname, RuntimeDir, Session,
};
use resmgr_sys::epoll::{Ready, poll_one};
use resmgr_sys::pidfd::PidFd;
use resmgr_sys::{process, signal, socket};
use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

/// Longer than anything here takes, shorter than anybody's patience.
pub const LIMIT: Duration = Duration::from_secs(30);

/// A runtime directory. Whoever still serves it at the end is killed.
pub struct Place {
    base: tempfile::TempDir,
}

impl Place {
    pub fn new() -> Self {
        Self {
            base: tempfile::tempdir().unwrap(),
        }
    }

    /// One that other users can look into, as they can into the system's. `None`, and a word about it, when
    /// this test cannot have other users.
    pub fn of_all_users() -> Option<Self> {
        if process::effective_uid() != 0 {
            println!("skipped: only root can start processes of another user");
            return None;
        }
        let program = std::env::current_exe().unwrap();
        if !program.ancestors().all(open_to_all) {
            println!("skipped: {} is closed to other users", program.display());
            return None;
        }
        let place = Self::new();
        for path in [place.base.path().to_owned(), place.dir().path().to_owned()] {
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
        }
        Some(place)
    }

    /// A rules file in it.
    pub fn rules(&self, text: &str) -> PathBuf {
        let path = self.base.path().join("rules");
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
        path
    }

    /// What [`Daemon::logged`] has said.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.base.path().join("log")).unwrap()
    }

    pub fn path(&self) -> PathBuf {
        self.base.path().join("ns")
    }

    pub fn dir(&self) -> RuntimeDir {
        RuntimeDir::at(&self.path()).unwrap()
    }

    /// A session of this process.
    pub fn session(&self) -> Session {
        Session::connect(&self.dir()).unwrap()
    }

    /// The pid in the lock file.
    pub fn server(&self) -> Option<u32> {
        std::fs::read_to_string(self.path().join("lock"))
            .ok()?
            .trim()
            .parse()
            .ok()
    }

    /// Names of what lies in the directory.
    pub fn files(&self) -> Vec<String> {
        let files = std::fs::read_dir(self.path()).unwrap();
        let mut names: Vec<_> = files
            .map(|file| file.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // An assistant that was killed may have started a daemon that only now begins to serve.
        let deadline = Instant::now() + LIMIT;
        while Instant::now() < deadline {
            if let Some(pid) = self.server().filter(|pid| *pid != std::process::id()) {
                end(pid);
            }
            if std::fs::remove_dir_all(self.base.path()).is_ok() {
                return;
            }
        }
    }
}

fn open_to_all(path: &Path) -> bool {
    std::fs::metadata(path).is_ok_and(|seen| seen.permissions().mode() & 0o001 != 0)
}

/// Kills a process and waits until it is dead.
pub fn end(pid: u32) {
    let Ok(pidfd) = PidFd::open(pid) else { return };
    let _ = pidfd.signal(signal::KILL);
    let _ = poll_one(pidfd.as_fd(), Ready::IN, Some(Instant::now() + LIMIT));
}

/// Waits for something that no event tells.
pub fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + LIMIT;
    while !condition() {
        assert!(Instant::now() < deadline, "still not: {what}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

pub fn path(text: &str) -> Pathname {
    Pathname::new(text).unwrap()
}

/// To be attached with no other beside it.
pub fn exclusive(text: &str) -> Attach {
    Attach {
        path: path(text),
        chid: 1,
        handle: 0,
        file_type: FileType::ANY,
        flags: AttachFlags::SELF,
        exclusive: true,
    }
}

/// The channels that a path leads to, or why it leads nowhere.
pub fn channels(session: &Session, text: &str) -> Result<Vec<(u32, i32)>, Errno> {
    let entries = session.resolve(&path(text), FileType::ANY)?;
    Ok(entries
        .iter()
        .map(|entry| (entry.pid, entry.chid))
        .collect())
}

/// `namespaced` in the foreground.
pub struct Daemon {
    pub child: Child,
}

impl Daemon {
    pub fn start(place: &Place, more: &[&str]) -> Self {
        Self::launch(place, more, Stdio::inherit())
    }

    /// One whose words are kept: [`Place::log`]. It has these rules.
    pub fn ruled(place: &Place, rules: &Path) -> Self {
        let mut log = std::fs::File::options();
        let log = log.create(true).append(true);
        let log = log.open(place.base.path().join("log")).unwrap();
        let rules = rules.to_str().unwrap();
        Self::launch(
            place,
            &["--idle", "never", "-v", "--rules", rules],
            log.into(),
        )
    }

    fn launch(place: &Place, more: &[&str], log: Stdio) -> Self {
        let (mut ready, announce) = std::io::pipe().unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_namespaced"));
        command.arg("--dir").arg(place.path()).args(more);
        command
            .arg("--ready-fd")
            .arg(announce.as_raw_fd().to_string());
        command.stderr(log);
        process::detached(&mut command, Some(announce.as_fd()));
        let child = command.spawn().unwrap();
        drop(announce);
        let mut line = Vec::new();
        ready.read_to_end(&mut line).unwrap();
        assert_eq!(line, b"\n", "one newline, then closed");
        Self { child }
    }

    /// Its exit status, once it has ended by itself.
    pub fn wait(&mut self) -> i32 {
        let pidfd = PidFd::open(self.child.id()).unwrap();
        let deadline = Some(Instant::now() + LIMIT);
        assert!(
            poll_one(pidfd.as_fd(), Ready::IN, deadline).unwrap(),
            "it stays"
        );
        self.child.wait().unwrap().code().unwrap_or(-1)
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A process with a session, which does what it is told.
pub struct Assistant {
    child: Child,
    orders: ChildStdin,
    answers: Receiver<String>,
}

impl Assistant {
    /// One that would start the daemon.
    pub fn new(place: &Place) -> Self {
        Self::with_daemon(place, Path::new(env!("CARGO_BIN_EXE_namespaced")))
    }

    /// One that would start `daemon`.
    pub fn with_daemon(place: &Place, daemon: &Path) -> Self {
        Self::start(place, daemon, None)
    }

    /// One of another user, whose group has the same number, and who is in these groups besides. It has
    /// opened a session with what is there.
    pub fn of_user(place: &Place, user: u32, groups: &[u32]) -> Self {
        let mut assistant = Self::start(place, Path::new("/nonexistent"), Some((user, groups)));
        assert_eq!(assistant.ask("look"), "ok");
        assistant
    }

    fn start(place: &Place, daemon: &Path, user: Option<(u32, &[u32])>) -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", "assistant", "--nocapture", "--test-threads=1"]);
        command
            .env("RESMGR_DIR", place.path())
            .env("RESMGR_NAMESPACED", daemon);
        command.env("RESMGR_ASSISTANT", "1");
        if let Some((user, groups)) = user {
            process::as_user(&mut command, user, user, groups);
        }
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (sender, answers) = channel();
        let output = BufReader::new(child.stdout.take().unwrap());
        std::thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                // The test harness writes to the same pipe.
                if let Some((_, answer)) = line.split_once('@') {
                    let _ = sender.send(answer.to_owned());
                }
            }
        });
        let orders = child.stdin.take().unwrap();
        Self {
            child,
            orders,
            answers,
        }
    }

    /// One that has opened its session.
    pub fn ready(place: &Place) -> Self {
        let mut assistant = Self::new(place);
        assert_eq!(assistant.ask("open"), "ok");
        assistant
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn tell(&mut self, order: &str) {
        writeln!(self.orders, "{order}").unwrap();
    }

    pub fn answer(&mut self) -> String {
        self.answers.recv_timeout(LIMIT).unwrap()
    }

    pub fn ask(&mut self, order: &str) -> String {
        self.tell(order);
        self.answer()
    }

    /// Attaches; returns the id.
    pub fn attach(&mut self, path: &str, chid: i32, flags: AttachFlags) -> String {
        let answer = self.ask(&format!("attach {path} {chid} {} 0", flags.bits()));
        assert!(answer.parse::<u64>().is_ok(), "{answer}");
        answer
    }

    pub fn attach_exclusive(&mut self, path: &str) -> String {
        self.ask(&format!("attach {path} 1 0 1"))
    }

    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Assistant {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The assistant's side: the body of a test named `assistant`, which does nothing in an ordinary run.
pub fn assist() {
    if std::env::var_os("RESMGR_ASSISTANT").is_none() {
        return;
    }
    let mut session = None;
    for order in std::io::stdin().lines().map_while(Result::ok) {
        let words: Vec<_> = order.split(' ').collect();
        let answer = match (words.as_slice(), &session) {
            (["open"], _) => match RuntimeDir::own().and_then(|dir| Session::open(&dir)) {
                Ok(opened) => {
                    session = Some(opened);
                    "ok".into()
                }
                Err(error) => error.to_string(),
            },
            (["look"], _) => match RuntimeDir::search().and_then(|dirs| Session::connect(&dirs[0]))
            {
                Ok(opened) => {
                    session = Some(opened);
                    "ok".into()
                }
                Err(error) => error.to_string(),
            },
            (words, Some(session)) => {
                obey(session, words).unwrap_or_else(|errno| format!("{errno:?}"))
            }
            _ => "no session".into(),
        };
        println!("@{answer}");
    }
}

fn obey(session: &Session, words: &[&str]) -> Result<String, Errno> {
    Ok(match words {
        ["attach", name, chid, flags, exclusive] => {
            let attach = Attach {
                path: Pathname::new(name)?,
                chid: chid.parse().unwrap(),
                handle: 0,
                file_type: FileType::ANY,
                flags: AttachFlags::from_bits_retain(flags.parse().unwrap()),
                exclusive: *exclusive == "1",
            };
            session.attach(&attach)?.0.to_string()
        }
        ["detach", id] => {
            session.detach(AttachId(id.parse().unwrap()))?;
            "ok".into()
        }
        ["resolve", name] => {
            let mut text = String::new();
            for (pid, chid) in channels(session, name)? {
                let _ = write!(text, "{pid}/{chid} ");
            }
            text
        }
        ["link", name, target] => {
            let link = resmgr_namespace::registration::Link {
                path: Pathname::new(name)?,
                target: target.as_bytes().into(),
            };
            session.link(&link)?.0.to_string()
        }
        ["list", name] => {
            let page = session.list(&path(name), b"")?;
            let names = page.names.iter();
            let names: Vec<_> = names
                .map(|one| String::from_utf8_lossy(&one.name).into_owned())
                .collect();
            names.join(" ")
        }
        ["crowd", count] => crowd(session, count.parse().unwrap())?,
        ["watches", connections] => {
            let clients = (0..connections.parse().unwrap()).map(|_: u32| greeted(session.dir()));
            let clients: Vec<_> = clients.collect();
            let count: u32 = clients.iter().map(|client| watches(client).0).sum();
            // They stay for as long as this process.
            std::mem::forget(clients);
            count.to_string()
        }
        ["serve"] => {
            session.serve()?;
            "ok".into()
        }
        ["server"] => session.server_pid()?.to_string(),
        ["watch"] => {
            let fd = session.watch_fd()?;
            println!("@watching");
            let deadline = Some(Instant::now() + LIMIT);
            assert!(poll_one(fd.as_fd(), Ready::PEER_CLOSED, deadline)?);
            session.recover()?;
            "recovered".into()
        }
        ["child-uses-it"] => child_uses(session)?,
        ["storm", name, end] => {
            let expected = channels(session, name)?;
            let (mut asked, mut longest) = (0u64, Duration::ZERO);
            while !Path::new(end).exists() {
                let before = Instant::now();
                // Another path each time: what is known already is not asked again.
                if channels(session, &format!("{name}/{asked}"))? != expected {
                    return Ok("another answer".into());
                }
                asked += 1;
                longest = longest.max(before.elapsed());
            }
            format!("calm after {asked} (longest {} ms)", longest.as_millis())
        }
        ["fork"] => fork_with_copy(session)?.to_string(),
        _ => "what?".into(),
    })
}

/// One request and whether it was done.
fn raw_ask(client: &OwnedFd, serial: u32, request: &Request) -> Result<(), Errno> {
    socket::send(client.as_fd(), &request.encode(serial).unwrap(), &[]).unwrap();
    let mut buffer = [0; 64];
    let deadline = Some(Instant::now() + LIMIT);
    let packet = socket::receive_until(client.as_fd(), &mut buffer, deadline).unwrap();
    let (to, content) = decode_answer(&buffer[..packet.len]).unwrap();
    assert_eq!(to, serial);
    content.map(drop)
}

/// A connection that the server has greeted.
pub fn greeted(dir: &RuntimeDir) -> OwnedFd {
    let client = socket::connect(&dir.entry("ns"), LIMIT).unwrap();
    let hello = Request::Hello { version: VERSION };
    assert_eq!(raw_ask(&client, 1, &hello), Ok(()));
    client
}

/// As many watches as a connection can have; returns their number, and why it has no more.
pub fn watches(client: &OwnedFd) -> (u32, Errno) {
    let watch = Request::Watch {
        file_type: FileType::ANY,
        path: Ok(path("/dev/x")),
    };
    for count in 0.. {
        if let Err(errno) = raw_ask(client, 2 + count, &watch) {
            return (count, errno);
        }
    }
    unreachable!("the server takes any number of watches")
}

/// Connects so often; returns how many are answered, and how many are sent away.
fn crowd(session: &Session, count: usize) -> Result<String, Errno> {
    let deadline = Some(Instant::now() + LIMIT);
    let (mut held, mut refused) = (Vec::new(), 0);
    for _ in 0..count {
        let client = socket::connect(&session.dir().entry("ns"), LIMIT)?;
        let hello = Request::Hello { version: VERSION }.encode(1)?;
        // One that is sent away may be closed before it has said anything.
        let _ = socket::send(client.as_fd(), &hello, &[]);
        let mut buffer = [0; 64];
        let packet = match socket::receive_until(client.as_fd(), &mut buffer, deadline) {
            // It was closed before its greeting was read.
            Err(Errno::CONNRESET) => {
                refused += 1;
                continue;
            }
            packet => packet?,
        };
        match decode_answer(&buffer[..packet.len]).unwrap() {
            (0, Err(Errno::NFILE)) => refused += 1,
            (1, Ok(_)) => held.push(client),
            other => panic!("{other:?}"),
        }
    }
    let text = format!("{} {refused}", held.len());
    // They stay for as long as this process.
    std::mem::forget(held);
    Ok(text)
}

/// What a forked child gets that goes on with its parent's session.
fn child_uses(session: &Session) -> Result<String, Errno> {
    if let Some(pid) = process::fork_for_test()? {
        return Ok((process::wait_for(pid)? >> 8).to_string());
    }
    let errno = session.server_pid().err().map_or(0, Errno::raw);
    process::exit_now(if session.is_ours() { 0 } else { errno })
}

/// A child that lives on with a copy of the session's socket, which the fork handler does not know of.
fn fork_with_copy(session: &Session) -> Result<u32, Errno> {
    let copy = session.watch_fd()?.as_fd().try_clone_to_owned()?;
    match process::fork_for_test()? {
        Some(pid) => Ok(pid),
        None => loop {
            let _ = poll_one(copy.as_fd(), Ready::empty(), None);
        },
    }
}
