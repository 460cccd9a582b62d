//! `pulse/…`: what sending a pulse costs the sender.
//!
//! - `pulse/awake`: to a receiver that never sleeps, on another processor; each of 32 in a row. Between the
//!   rows the sender waits, unmeasured, until all were received.
//! - `pulse/asleep/PLACEMENT`: one pulse to a receiver that sleeps, beside writing to an event counter on which
//!   somebody sleeps in epoll. Between two of them the sender waits until the receiver says that it was woken,
//!   and then sleeps for 50 µs, so that it sleeps again.

use crate::arguments::{Errand, Role};
use crate::bench::Bench;
use crate::failure::{Doing, Failure};
use crate::ipc::{address, attach, channel, receive};
use crate::measure::Subject;
use crate::placement::{Placement, Seat};
use crate::report::{Against, End, Row, Unit};
use crate::server::{Server, passed, say_ready};
use resmgr::ipc::{ChannelFlags, Connection, Received, Waiting};
use resmgr_sys::epoll::{Epoll, EventFd, Ready};
use std::io::{Stdout, Write};
use std::os::fd::AsFd;
use std::time::Duration;

/// Pulses in a row: far fewer than a link holds.
const ROW: u32 = 32;

/// Time for the receiver to fall asleep.
const ASLEEP: Duration = Duration::from_micros(50);

/// What is asked for, in nanoseconds.
const MOST: f64 = 150.0;

/// Measures what was asked for.
pub(crate) fn cases(bench: &mut Bench) -> Result<(), Failure> {
    awake(bench)?;
    for placement in [Placement::OneCore, Placement::TwoCores] {
        asleep(bench, placement)?;
    }
    Ok(())
}

fn awake(bench: &mut Bench) -> Result<(), Failure> {
    let case = "pulse/awake";
    if !bench.wants(case) {
        return Ok(());
    }
    let Some(cpu) = bench.place(Placement::TwoCores)? else {
        return Ok(());
    };
    let mut subjects: Vec<Box<dyn Subject>> = vec![Box::new(Burst::start(cpu)?)];
    let mut series = bench.measure(case, &mut subjects)?;
    if let Some(ours) = series.pop() {
        bench.report(Row::limited(case, ours, Unit::Nanoseconds, MOST));
    }
    Ok(())
}

fn asleep(bench: &mut Bench, placement: Placement) -> Result<(), Failure> {
    let case = format!("pulse/asleep/{}", placement.name());
    if !bench.wants(&case) {
        return Ok(());
    }
    let Some(cpu) = bench.place(placement)? else {
        return Ok(());
    };
    let mut subjects: Vec<Box<dyn Subject>> =
        vec![Box::new(Single::start(cpu)?), Box::new(Bell::start(cpu)?)];
    let plan = bench.stretched(1.0, 2.0);
    let mut series = bench.measure_by(&case, plan, &mut subjects)?;
    let bell = series.pop();
    let bell = bell.map(|bell| Against::new(bell, Some(End::Times(1.3))));
    bench.report(Row::new(case, series.pop(), bell.into_iter().collect()));
    Ok(())
}

/// Many pulses to a receiver that never sleeps.
struct Burst {
    connection: Connection,
    server: Server,
}

impl Burst {
    fn start(cpu: Seat) -> Result<Self, Failure> {
        let mut server = Server::start(&Errand::new(Role::Awake, cpu), None)?;
        let connection = attach(&server.ready()?)?;
        server.park()?;
        Ok(Self { connection, server })
    }
}

impl Subject for Burst {
    fn name(&self) -> &'static str {
        "ours"
    }

    fn parts(&self) -> u32 {
        ROW
    }

    fn resume(&mut self) -> Result<(), Failure> {
        self.server.unpark()
    }

    fn pause(&mut self) -> Result<(), Failure> {
        self.server.park()
    }

    fn settles(&self) -> bool {
        true
    }

    /// A message comes behind the pulses before it.
    fn settle(&mut self) -> Result<(), Failure> {
        let answered = self.connection.send(&[0; 64], &mut [0; 64]);
        answered.map(drop).doing("wait for the receiver")
    }

    #[inline]
    fn call(&mut self) -> Result<(), Failure> {
        for value in 0..ROW {
            let sent = self.connection.send_pulse(None, 1, i64::from(value));
            sent.doing("send a pulse")?;
        }
        Ok(())
    }
}

/// What wakes somebody else.
trait Wake {
    const NAME: &'static str;
    fn wake(&self) -> Result<(), Failure>;
}

impl Wake for Connection {
    const NAME: &'static str = "ours";

    #[inline]
    fn wake(&self) -> Result<(), Failure> {
        self.send_pulse(None, 1, 7).doing("send a pulse")
    }
}

impl Wake for EventFd {
    const NAME: &'static str = "eventfd";

    #[inline]
    fn wake(&self) -> Result<(), Failure> {
        self.ring();
        Ok(())
    }
}

/// One after the other to a sleeper, which says each time that it was woken.
struct Sleeper<W> {
    by: W,
    server: Server,
    woken: bool,
}

type Single = Sleeper<Connection>;
type Bell = Sleeper<EventFd>;

impl Single {
    fn start(cpu: Seat) -> Result<Self, Failure> {
        let mut server = Server::start(&Errand::new(Role::Pulsed, cpu), None)?;
        let by = attach(&server.ready()?)?;
        Ok(Self {
            by,
            server,
            woken: false,
        })
    }
}

impl Bell {
    fn start(cpu: Seat) -> Result<Self, Failure> {
        let by = EventFd::new().doing("make an event counter")?;
        let theirs = by.as_fd().try_clone_to_owned();
        let theirs = theirs.doing("share an event counter")?;
        let mut server = Server::start(&Errand::new(Role::Rung, cpu), Some(theirs))?;
        server.ready()?;
        Ok(Self {
            by,
            server,
            woken: false,
        })
    }
}

impl<W: Wake> Subject for Sleeper<W> {
    fn name(&self) -> &'static str {
        W::NAME
    }

    fn settles(&self) -> bool {
        true
    }

    fn settle(&mut self) -> Result<(), Failure> {
        if self.woken {
            self.server.byte()?;
        }
        self.woken = true;
        std::thread::sleep(ASLEEP);
        Ok(())
    }

    #[inline]
    fn call(&mut self) -> Result<(), Failure> {
        self.by.wake()
    }
}

/// The server's side of [`Single`].
pub(crate) fn serve() -> Result<(), Failure> {
    let channel = channel(Waiting::Block, ChannelFlags::empty())?;
    say_ready(&address(&channel))?;
    let mut out = std::io::stdout();
    loop {
        if let Received::Pulse(_) = receive(&channel, &mut []).doing("receive")? {
            say(&mut out)?;
        }
    }
}

/// The server's side of [`Bell`].
pub(crate) fn serve_bell() -> Result<(), Failure> {
    let bell = EventFd::from_received(passed()?).doing("take an event counter")?;
    let set = Epoll::new().doing("make a set")?;
    let added = set.add(&bell, 0, Ready::IN | Ready::EDGE);
    added.doing("watch an event counter")?;
    let mut events = Vec::new();
    say_ready("ready")?;
    let mut out = std::io::stdout();
    loop {
        set.wait(None, &mut events).doing("wait for a ring")?;
        for _ in &events {
            say(&mut out)?;
        }
    }
}

/// One byte: a receiver was woken.
fn say(out: &mut Stdout) -> Result<(), Failure> {
    let said = out.write_all(b".").and_then(|()| out.flush());
    said.doing("tell the sender")
}
