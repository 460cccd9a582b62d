//! `attach/…`: how long it takes to become a client.
//!
//! - `attach/first/PLACEMENT`: the only connection of a process to a channel, which makes a link, beside a
//!   stream socket that connects, is accepted and has one byte answered. Detaching and closing are not
//!   measured, but what they leave the server to do is under way meanwhile.
//! - `attach/first-call/PLACEMENT`: the same and a message of 64 B, which touches the link's memory first.
//! - `attach/second`: one more connection to a channel that this process is a client of already.

use crate::arguments::{Errand, Role};
use crate::bench::Bench;
use crate::failure::{Doing, Failure};
use crate::ipc::{attach, parse};
use crate::measure::Subject;
use crate::placement::{Placement, Seat};
use crate::report::{Against, End, Row, Unit};
use crate::server::{Server, say_ready};
use resmgr::ipc::{ChannelId, Connection};
use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// What is asked for.
const FIRST: End = End::Times(3.5);
/// In nanoseconds.
const SECOND: f64 = 2_000.0;

/// Measures what was asked for.
pub(crate) fn cases(bench: &mut Bench) -> Result<(), Failure> {
    for placement in [Placement::OneCore, Placement::TwoCores] {
        let case = format!("attach/first/{}", placement.name());
        first(bench, placement, &case, false, Some(FIRST))?;
        let case = format!("attach/first-call/{}", placement.name());
        first(bench, placement, &case, true, None)?;
    }
    second(bench)
}

fn first(
    bench: &mut Bench,
    placement: Placement,
    case: &str,
    calls: bool,
    end: Option<End>,
) -> Result<(), Failure> {
    if !bench.wants(case) {
        return Ok(());
    }
    let Some(cpu) = bench.place(placement)? else {
        return Ok(());
    };
    let directory = TempDir::new().doing("make a directory for a socket")?;
    let ours = Attach {
        calls,
        ..Attach::start(cpu)?
    };
    let bare = Connect::start(cpu, directory.path().join("socket"))?;
    let mut subjects: Vec<Box<dyn Subject>> = vec![Box::new(ours), Box::new(bare)];
    let mut series = bench.measure(case, &mut subjects)?;
    let bare = series.pop().map(|bare| Against::new(bare, end));
    bench.report(Row::new(case, series.pop(), bare.into_iter().collect()));
    Ok(())
}

fn second(bench: &mut Bench) -> Result<(), Failure> {
    let case = "attach/second";
    if !bench.wants(case) {
        return Ok(());
    }
    let Some(cpu) = bench.place(Placement::OneCore)? else {
        return Ok(());
    };
    let mut ours = Attach::start(cpu)?;
    ours.kept = Some(ours.connect()?);
    let mut subjects: Vec<Box<dyn Subject>> = vec![Box::new(ours)];
    let mut series = bench.measure(case, &mut subjects)?;
    if let Some(ours) = series.pop() {
        bench.report(Row::limited(case, ours, Unit::Nanoseconds, SECOND));
    }
    Ok(())
}

/// Attaches, and detaches unmeasured.
#[derive(Debug)]
struct Attach {
    pid: u32,
    channel: ChannelId,
    current: Option<Connection>,
    /// Keeps the link.
    kept: Option<Connection>,
    calls: bool,
    _server: Server,
}

impl Attach {
    fn start(cpu: Seat) -> Result<Self, Failure> {
        let mut server = Server::start(&Errand::new(Role::Adaptive, cpu), None)?;
        let address = server.ready()?;
        let (pid, channel) = parse(&address).ok_or_else(|| Failure::new("this is no channel"))?;
        // What a process does once only is not part of it.
        drop(attach(&address)?);
        Ok(Self {
            pid,
            channel,
            current: None,
            kept: None,
            calls: false,
            _server: server,
        })
    }

    #[inline]
    fn connect(&self) -> Result<Connection, Failure> {
        Connection::attach(self.pid, self.channel).doing("attach to a channel")
    }
}

impl Subject for Attach {
    fn name(&self) -> &'static str {
        "ours"
    }

    fn settles(&self) -> bool {
        true
    }

    fn settle(&mut self) -> Result<(), Failure> {
        self.current = None;
        Ok(())
    }

    fn pause(&mut self) -> Result<(), Failure> {
        self.settle()
    }

    fn call(&mut self) -> Result<(), Failure> {
        let connection = self.connect()?;
        if self.calls {
            let answered = connection.send(&[0; 64], &mut [0; 64]);
            answered.doing("send a message")?;
        }
        self.current = Some(connection);
        Ok(())
    }
}

/// Connects, and closes unmeasured.
#[derive(Debug)]
struct Connect {
    path: PathBuf,
    current: Option<UnixStream>,
    _server: Server,
}

impl Connect {
    fn start(cpu: Seat, path: PathBuf) -> Result<Self, Failure> {
        let errand = Errand {
            at: path.clone(),
            ..Errand::new(Role::Listen, cpu)
        };
        let mut server = Server::start(&errand, None)?;
        server.ready()?;
        Ok(Self {
            path,
            current: None,
            _server: server,
        })
    }
}

impl Subject for Connect {
    fn name(&self) -> &'static str {
        "connect-and-byte"
    }

    fn settles(&self) -> bool {
        true
    }

    fn settle(&mut self) -> Result<(), Failure> {
        self.current = None;
        Ok(())
    }

    fn pause(&mut self) -> Result<(), Failure> {
        self.settle()
    }

    fn call(&mut self) -> Result<(), Failure> {
        let mut socket = UnixStream::connect(&self.path).doing("connect")?;
        let mut byte = [1];
        let answered = socket.write_all(&byte);
        answered
            .and_then(|()| socket.read_exact(&mut byte))
            .doing("have a byte answered")?;
        self.current = Some(socket);
        Ok(())
    }
}

/// The server's side of [`Connect`]: one connection after the other, each until it is closed.
pub(crate) fn serve(path: &Path) -> Result<(), Failure> {
    let listener = UnixListener::bind(path).doing("listen")?;
    say_ready("ready")?;
    loop {
        let (mut socket, _) = listener.accept().doing("accept a client")?;
        let mut byte = [0];
        while socket.read(&mut byte).is_ok_and(|count| count > 0) {
            if socket.write_all(&byte).is_err() {
                break;
            }
        }
    }
}
