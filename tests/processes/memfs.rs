//! The file system in memory beside the host's: the same operations on both have the same results.
//!
//! Eight client processes make random operations, each in a directory of its own and, one after the other, in one
//! that they share. Every operation is made on a `MemFs` and on a tmpfs, and what comes of it is compared at once:
//! value or errno. In the end the trees are. `RESMGR_MEMFS_OPS` asks for another number of operations than that of
//! an ordinary run, `RESMGR_MEMFS_SEED` for others.
//!
//! What is not compared, because it is different on purpose:
//! - `..`: the namespace takes it off a path by its text, before anybody looks whether there is a link.
//! - opening pipes and devices, which a `MemFs` stores only.
//! - writes at an offset to a file that was opened to append: Linux appends them, against POSIX.
//! - which of two errors it is where a name is too long: the namespace looks at all names first.
//! - ftruncate() without write access: `EBADF` here, `EINVAL` on Linux; POSIX allows both.
//! - links to others' files and what is in sticky directories for all: most hosts protect them beyond POSIX.
//! - reads and positions of directories: to read one is to list it.
//! - times that nobody has set, and numbers of files.

mod both;
mod host;
mod ops;
mod ours;

use both::Both;
use resmgr::parts::MemFs;
use resmgr::prelude::*;
use resmgr_sys::process;
use resmgr_tests::{Peer, User, World, namespaced};
use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Instant;

/// Clients.
const CLIENTS: u64 = 8;
/// Operations of an ordinary run.
const OPERATIONS: u64 = 20_000;
/// Of so many operations one is in the shared directory.
const SHARED_OF: u64 = 8;
/// Operations in the shared directory before it is another client's turn.
const TURN: u64 = 5;
/// What a process whose test this is again has to do.
const ROLE: &str = "RESMGR_TEST_MEMFS";
/// Where the host's files are.
const HOST: &str = "RESMGR_TEST_MEMFS_HOST";
/// What stands before a line that is meant for the parent.
const MARK: &str = ":: ";

fn number(variable: &str, ordinary: u64) -> u64 {
    std::env::var(variable).map_or(ordinary, |number| number.parse().unwrap())
}

/// A process with a role in this test.
struct Role {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Role {
    fn start(world: &World, host: &Path, role: &str, user: Option<User>) -> Self {
        let this = std::thread::current().name().unwrap().to_owned();
        let mut command = Command::new(std::env::current_exe().unwrap());
        if let Some(user) = user {
            process::as_user(&mut command, user.id, user.id, user.groups);
        }
        let mut child = command
            .args(["--exact", &this, "--nocapture"])
            .env(ROLE, role)
            .env(HOST, host)
            .env("RESMGR_DIR", world.path())
            .env("RESMGR_NAMESPACED", namespaced())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (input, output) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        let output = BufReader::new(output);
        let mut role = Self {
            child,
            input,
            output,
        };
        assert_eq!(role.answer(), "ready");
        role
    }

    fn begin(&mut self, command: &str) {
        writeln!(self.input, "{command}").unwrap();
    }

    fn answer(&mut self) -> String {
        let mut line = String::new();
        loop {
            line.clear();
            let len = self.output.read_line(&mut line).unwrap();
            assert!(len > 0, "a process has ended early");
            if let Some((_, text)) = line.split_once(MARK) {
                return text.trim_end().to_owned();
            }
        }
    }

    fn ask(&mut self, command: &str) {
        self.begin(command);
        assert_eq!(self.answer(), "same");
    }
}

impl Drop for Role {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_file_system_in_memory_does_what_the_hosts_does() {
    match std::env::var(ROLE) {
        Err(_) => compare(),
        Ok(role) if role == "server" => serve(),
        Ok(role) => client(role.parse().unwrap()),
    }
}

fn say(text: &str) {
    println!("\n{MARK}{text}");
}

fn serve() {
    let files = MemFs::new().names(1 << 20).permissions(0o1777);
    let manager = Manager::open_to(ConnectRights::Anyone).unwrap().threads(4);
    let manager = manager
        .attach_with("/mem", AttachFlags::DIR, files)
        .unwrap();
    say("ready");
    manager.run().unwrap();
}

fn client(number: u64) {
    let host = std::env::var_os(HOST).unwrap();
    let mut own = Both::new(Path::new(&host), &format!("own-{number}"), number);
    let mut shared = Both::new(Path::new(&host), "shared", number + CLIENTS);
    shared.open_to_all();
    say("ready");
    for line in std::io::stdin().lines() {
        let line = line.unwrap();
        let differs = match line.split_once(' ') {
            Some(("own", count)) => own.run(count.parse().unwrap()),
            Some(("shared", count)) => shared.run(count.parse().unwrap()),
            _ => own.trees().and_then(|()| shared.trees()),
        };
        match differs {
            Ok(()) => say("same"),
            Err(differs) => say(&differs.replace('\n', " ")),
        }
    }
}

fn compare() {
    let operations = number("RESMGR_MEMFS_OPS", OPERATIONS);
    let shm = Path::new("/dev/shm");
    let host = if shm.is_dir() {
        tempfile::tempdir_in(shm).unwrap()
    } else {
        return println!("skipped: there is no tmpfs at /dev/shm");
    };
    let open = fs::Permissions::from_mode(0o1777);
    fs::set_permissions(host.path(), open).unwrap();
    let world = World::of_all_users();
    let first: Peer = world.peer();
    first.ask("name-wait /dev/name/local/nobody absent");
    // Where this is root, every other client is somebody without rights.
    let strangers = User::missing().is_none().then_some(User::STRANGER);
    let begun = Instant::now();
    let _server = Role::start(&world, host.path(), "server", None);
    let mut clients: Vec<_> = (0..CLIENTS)
        .map(|number| {
            let user = strangers.filter(|_| number % 2 == 1);
            Role::start(&world, host.path(), &number.to_string(), user)
        })
        .collect();
    let shared = operations / SHARED_OF;
    let own = (operations - shared) / CLIENTS;
    for client in &mut clients {
        client.begin(&format!("own {own}"));
    }
    for client in &mut clients {
        assert_eq!(client.answer(), "same");
    }
    let apart = begun.elapsed();
    for turn in 0..shared.div_ceil(TURN) {
        let client = usize::try_from(turn % CLIENTS).unwrap();
        clients[client].ask(&format!("shared {TURN}"));
    }
    for client in &mut clients {
        client.ask("trees");
    }
    println!(
        "{} operations by {CLIENTS} processes: {apart:.1?} apart, then {shared} together, {:.1?} in all",
        own * CLIENTS + shared,
        begun.elapsed()
    );
}
