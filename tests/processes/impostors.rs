//! A name leads to the process that has it, whoever has that process's number or its socket by now.

use resmgr_namespace::protocol::{Answer, MOST, Request, Resolved, encode_answer};
use resmgr_namespace::{AttachFlags, Entry, FileType, Pathname, RuntimeDir, Session};
use resmgr_sys::epoll::{Ready, poll_one};
use resmgr_sys::pidfd::PidFd;
use resmgr_sys::{Errno, socket};
use resmgr_tests::{LIMIT, Peer, User, World};
use std::fs;
use std::os::fd::{AsFd as _, OwnedFd};
use std::path::PathBuf;
use std::process::Command;
use std::time::Instant;

/// A process whose test this is again, where all numbers are its own.
const INSIDE: &str = "RESMGR_TEST_INSIDE";

#[test]
fn a_process_that_has_a_dead_servers_number_is_not_reached_by_its_name() {
    if std::env::var_os(INSIDE).is_some() {
        return number_taken();
    }
    if let Some(why) = User::missing() {
        println!("skipped: {why}");
        return;
    }
    let mut inside = Command::new("unshare");
    inside.args(["--pid", "--fork", "--mount-proc", "--kill-child"]);
    inside.arg(std::env::current_exe().unwrap());
    let this = std::thread::current().name().unwrap().to_owned();
    inside.args(["--exact", &this, "--nocapture"]);
    let ended = inside.env(INSIDE, "1").output().unwrap();
    assert!(ended.status.success(), "{ended:?}");
}

/// The next process here gets this number, unless another one begins in between.
fn next_is(pid: u32) {
    fs::write("/proc/sys/kernel/ns_last_pid", (pid - 1).to_string()).unwrap();
}

fn impostor(world: &World, pid: u32) -> Peer {
    let deadline = Instant::now() + LIMIT;
    loop {
        assert!(Instant::now() < deadline, "nobody gets the number");
        next_is(pid);
        let peer = world.peer();
        if peer.pid() == pid {
            return peer;
        }
        world.kill(&peer);
    }
}

fn number_taken() {
    let world = World::new();
    let (server, client) = (world.peer(), world.peer());
    assert_eq!(server.ask("name-attach printer"), "channel 1");
    let entry = resolve(&world, "printer").unwrap();
    let pid = server.pid();
    assert_eq!(entry.pid, pid);
    let named = format!("attach c {pid} 1 identity={}", entry.identity);
    assert!(client.ask(&named).starts_with("connection "));
    world.kill(&server);
    let taken = impostor(&world, pid);
    taken.ask("channel ch");
    // By number it is reached, and by what the namespace said of the dead one it is not.

    let by_number = client.ask(&format!("attach d {pid} 1"));
    assert!(by_number.starts_with("connection "), "{by_number}");
    assert_eq!(client.ask(&named), "error ESRCH");
    assert_eq!(resolve(&world, "printer"), Err(Errno::NOENT));
    assert_eq!(taken.ask("name-attach printer as=n"), "channel 2");
    let again = resolve(&world, "printer").unwrap();
    assert_ne!(again.identity, entry.identity);
    let renamed = format!("attach e {pid} 2 identity={}", again.identity);
    assert!(client.ask(&renamed).starts_with("connection "));
}

fn resolve(world: &World, name: &str) -> Result<Entry, Errno> {
    let session = Session::connect(&RuntimeDir::at(world.path()).unwrap()).unwrap();
    let path = Pathname::new(format!("/dev/name/local/{name}")).unwrap();
    Ok(session.resolve(&path, FileType::NAME)?[0])
}

/// A namespace of the test's own, that says what it is told. The server that it names lives in another one, and
/// its socket has a second name here.
struct Names {
    world: World,
    listener: OwnedFd,
    link: PathBuf,
}

impl Names {
    fn of(server: &Peer, elsewhere: &World) -> Self {
        let world = World::new();
        fs::create_dir(world.path().join("p")).unwrap();
        let link = world.socket_of(server.pid());
        fs::hard_link(elsewhere.socket_of(server.pid()), &link).unwrap();
        Self {
            listener: socket::listen(&world.path().join("ns")).unwrap(),
            world,
            link,
        }
    }

    /// Answers one client, each resolution with the next of these; returns how many there were when it has gone.
    fn answer(&self, answers: &[Entry]) -> usize {
        let deadline = Some(Instant::now() + LIMIT);
        assert_eq!(
            poll_one(self.listener.as_fd(), Ready::IN, deadline),
            Ok(true)
        );
        let client = socket::accept(self.listener.as_fd()).unwrap().unwrap();
        let (mut asked, mut buffer) = (0, [0; MOST]);
        loop {
            let packet = match socket::receive_until(client.as_fd(), &mut buffer, deadline) {
                Ok(packet) if packet.len > 0 => packet,
                _ => return asked,
            };
            let (serial, request) = Request::decode(&buffer[..packet.len]).unwrap();
            let answer = match request {
                Request::Hello { .. } => Ok(Answer::Kept(0)),
                Request::Resolve { .. } => {
                    asked += 1;
                    let entries = vec![answers[asked.min(answers.len()) - 1]];
                    Ok(Answer::Resolved(Resolved {
                        entries,
                        followed: None,
                    }))
                }
                _ => Err(Errno::NOSYS),
            };
            socket::send(client.as_fd(), &encode_answer(serial, &answer), &[]).unwrap();
        }
    }
}

impl Drop for Names {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.link);
        let _ = fs::remove_file(self.world.path().join("ns"));
    }
}

/// What `name-open` says while the namespace answers so, and how often it was asked.
fn opened(wrong_times: usize) -> (String, usize) {
    let home = World::new();
    let server = home.peer();
    server.ask("name-attach printer");
    drop(server.begin("echo n"));
    let names = Names::of(&server, &home);
    let client = names.world.peer();
    let pid = server.pid();
    let right = Entry {
        nd: 0,
        pid,
        identity: PidFd::open(pid).unwrap().identity(pid).unwrap(),
        chid: 1,
        handle: 0,
        file_type: FileType::NAME,
        flags: AttachFlags::empty(),
        prefix_len: 23,
    };
    let dead = |before: usize| Entry {
        identity: right.identity - 1 - before as u64,
        ..right
    };
    let mut answers: Vec<_> = (0..wrong_times).map(dead).collect();
    if wrong_times < 2 {
        answers.push(right);
    }
    std::thread::scope(|scope| {
        let answering = scope.spawn(|| names.answer(&answers));
        let said = client.ask("name-open printer as=c");
        names.world.kill(&client);
        (said, answering.join().unwrap())
    })
}

#[test]
fn an_open_goes_on_with_what_the_namespace_says_then() {
    let (said, asked) = opened(0);
    assert!(said.starts_with("connection "), "{said}");
    assert_eq!(asked, 1);
    let (said, asked) = opened(1);
    assert!(said.starts_with("connection "), "{said}");
    assert_eq!(asked, 2);
}

#[test]
fn an_open_ends_when_the_namespace_says_the_same_dead_again() {
    // Two that have gone, and then the second of them once more.
    assert_eq!(opened(2), ("error ENOENT".into(), 3));
}
