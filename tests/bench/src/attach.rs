//! `attach/…`: how long it takes to become a client.
//!
//! - `attach/first/PLACEMENT`: the only connection of a process to a channel, which makes a link, beside a
//!   packet socket that connects, is accepted and has one byte answered, and a stream socket that does.
//!   Detaching and closing are not measured, but what they leave the server to do is under way meanwhile.
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
use resmgr_sys::measure;
use std::ffi::OsStr;
use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram, UnixListener, UnixStream};
use std::path::Path;

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
    let ours = Attach {
        calls,
        ..Attach::start(cpu)?
    };
    let packets = Connect::<UnixDatagram>::start(cpu)?;
    let stream = Connect::<UnixStream>::start(cpu)?;
    let mut subjects: Vec<Box<dyn Subject>> =
        vec![Box::new(ours), Box::new(packets), Box::new(stream)];
    let mut series = bench.measure(case, &mut subjects)?;
    let stream = series.pop().map(|stream| Against::new(stream, None));
    let packets = series.pop().map(|packets| Against::new(packets, end));
    let against = packets.into_iter().chain(stream).collect();
    bench.report(Row::new(case, series.pop(), against));
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

/// A kind of socket. Names are abstract: no directory is looked through.
trait Socket: Sized {
    const NAME: &'static str;
    const ROLE: Role;

    fn connect(name: &str) -> std::io::Result<Self>;

    /// Has one byte answered.
    fn byte(&mut self) -> std::io::Result<()>;
}

impl Socket for UnixDatagram {
    const NAME: &'static str = "connect-and-byte";
    const ROLE: Role = Role::ListenPackets;

    fn connect(name: &str) -> std::io::Result<Self> {
        // The kernel knows what kind of socket it is; this type only lends `send` and `recv`.
        Ok(measure::connect(Path::new(OsStr::from_bytes(&abstract_path(name))))?.into())
    }

    fn byte(&mut self) -> std::io::Result<()> {
        self.send(&[1])?;
        self.recv(&mut [0]).map(drop)
    }
}

impl Socket for UnixStream {
    const NAME: &'static str = "stream";
    const ROLE: Role = Role::Listen;

    fn connect(name: &str) -> std::io::Result<Self> {
        Self::connect_addr(&SocketAddr::from_abstract_name(name)?)
    }

    fn byte(&mut self) -> std::io::Result<()> {
        self.write_all(&[1])?;
        self.read_exact(&mut [0])
    }
}

fn abstract_path(name: &str) -> Vec<u8> {
    format!("\0{name}").into_bytes()
}

/// Connects, and closes unmeasured.
#[derive(Debug)]
struct Connect<S> {
    name: String,
    current: Option<S>,
    _server: Server,
}

impl<S: Socket> Connect<S> {
    fn start(cpu: Seat) -> Result<Self, Failure> {
        let mut server = Server::start(&Errand::new(S::ROLE, cpu), None)?;
        Ok(Self {
            name: server.ready()?,
            current: None,
            _server: server,
        })
    }
}

impl<S: Socket> Subject for Connect<S> {
    fn name(&self) -> &'static str {
        S::NAME
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
        let mut socket = S::connect(&self.name).doing("connect")?;
        socket.byte().doing("have a byte answered")?;
        self.current = Some(socket);
        Ok(())
    }
}

/// A name that no other run has.
fn own_name() -> String {
    format!("resmgr-bench-{}", std::process::id())
}

/// The server's side with packets: one connection after the other, each until it is closed.
pub(crate) fn serve_packets() -> Result<(), Failure> {
    let name = own_name();
    let listener = measure::listen(Path::new(OsStr::from_bytes(&abstract_path(&name))));
    let listener = listener.doing("listen")?;
    say_ready(&name)?;
    loop {
        let socket = measure::accept(listener.as_fd()).doing("accept a client")?;
        let socket = UnixDatagram::from(socket);
        while socket.recv(&mut [0]).is_ok_and(|count| count > 0) {
            if socket.send(&[1]).is_err() {
                break;
            }
        }
    }
}

/// The server's side with streams.
pub(crate) fn serve() -> Result<(), Failure> {
    let name = own_name();
    let address = SocketAddr::from_abstract_name(&name).doing("name a socket")?;
    let listener = UnixListener::bind_addr(&address).doing("listen")?;
    say_ready(&name)?;
    loop {
        let (mut socket, _) = listener.accept().doing("accept a client")?;
        while socket.read(&mut [0]).is_ok_and(|count| count > 0) {
            if socket.write_all(&[1]).is_err() {
                break;
            }
        }
    }
}
