//! The same with a server in another process: its events come through the process's background thread.

use super::poll::Switch;
use super::server::{Server, done};
use crate::client::{self, Conditions, OpenFlags, PollFile, Poller, poll};
use crate::ipc::{Channel, ChannelFlags, Message};
use crate::name::{AttachFlags, FileType, resmgr_attach};
use crate::wire::Request;
use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

const READY: &str = "the server is ready";

/// Serves /remote until nobody wants it: a file that has something to read after a write, until a read.
pub(super) fn serve() {
    let channel = Channel::create(ChannelFlags::empty()).unwrap();
    let flags = AttachFlags::empty();
    let _name = resmgr_attach(&channel, "/remote", FileType::ANY, flags, 0).unwrap();
    let switch = Switch::of(&channel);
    let _server = Server::on(
        channel,
        move |request: &Request<'_>, message: &Message| match request {
            Request::Notify(notify) => switch.answer(notify, message),
            Request::Write(_, data) => {
                switch.set(Conditions::INPUT);
                done(i64::try_from(data.len()).unwrap())
            }
            Request::Read(_) => {
                switch.set(Conditions::empty());
                done(0)
            }
            _ => done(0),
        },
    );
    println!("{READY}");
    let _ = std::io::stdin().read(&mut [0]);
}

/// The server; its process ends with it.
struct Process(Child);

impl Process {
    fn start(mark: &str) -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        let this = std::thread::current().name().unwrap().to_owned();
        command.args(["--exact", &this, "--nocapture"]);
        command.env(mark, "server").stdin(Stdio::piped());
        let mut process = Self(command.stdout(Stdio::piped()).spawn().unwrap());
        let said = BufReader::new(process.0.stdout.take().unwrap());
        let mut lines = said.lines().map(Result::unwrap);
        assert!(lines.any(|line| line.ends_with(READY)));
        process
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Run in a namespace of the test's own.
pub(super) fn wait_for_files(mark: &str) {
    let server = Process::start(mark);
    let file = client::open("/remote", OpenFlags::READ | OpenFlags::WRITE).unwrap();
    let poller = Poller::new().unwrap();
    poller.add(7, &file, Conditions::INPUT).unwrap();
    let polled = |timeout| {
        let mut files = [PollFile::new(&file, Conditions::INPUT)];
        let found = poll(&mut files, timeout).unwrap();
        (found, files[0].ready())
    };
    for _ in 0..20 {
        assert_eq!(polled(Some(Duration::ZERO)).0, 0);
        std::thread::scope(|scope| {
            let waiter = scope.spawn(|| polled(None));
            (&file).write_all(b"x").unwrap();
            assert_eq!(waiter.join().unwrap(), (1, Conditions::INPUT));
        });
        let ready = poller.wait(None).unwrap();
        assert_eq!((ready.len(), ready[0].key), (1, 7));
        assert_eq!(file.read(&mut [0]), Ok(0));
    }
    let gone = Conditions::ERROR | Conditions::HANG_UP;
    std::thread::scope(|scope| {
        let waiter = scope.spawn(|| polled(None));
        drop(server);
        assert_eq!(waiter.join().unwrap(), (1, gone));
    });
    let ready = poller.wait(None).unwrap();
    assert_eq!((ready[0].key, ready[0].conditions), (7, gone));
}
