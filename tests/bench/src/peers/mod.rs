//! `peers/…`: ours beside other ways to call another process that do the same work, with the feature `peers`:
//! iceoryx2 (request-response, waiting for events or polling), ipc-channel (one channel each way, made once),
//! zbus without a bus, tonic over a Unix socket, ZeroMQ (REQ and REP over a Unix socket).
//!
//! - `peers/SIZE/latency/blocking`: a round trip on one processor; everybody sleeps at once.
//! - `peers/SIZE/latency/spinning`: on two processors; nobody sleeps. Only iceoryx2 does that.
//! - `peers/SIZE/throughput/blocking`: four clients at the same time, the time for each request.
//! - `peers/SIZE/throughput/spinning`: one client.
//!
//! In throughput nobody is bound to a processor, unless nobody sleeps: then each side has one. The request
//! carries the size, the answer 64 bytes.

mod dbus;
mod grpc;
mod iceoryx;
mod ipc_channel;
mod zeromq;

use crate::arguments::{Errand, Kind, Role, Work};
use crate::bench::Bench;
use crate::crowd::Crowd;
use crate::failure::{Doing, Failure};
use crate::ipc::Ours;
use crate::measure::Subject;
use crate::placement::{Placement, Seat};
use crate::report::{Against, End, Row};
use crate::server::Server;
use resmgr::ipc::Waiting;
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use tempfile::TempDir;

const SIZES: [(usize, &str); 3] = [(64, "64"), (64 << 10, "64k"), (1 << 20, "1m")];

/// Clients at the same time, where they sleep while they wait.
const CLIENTS: usize = 4;

const BLOCKING: [(Kind, &str); 5] = [
    (Kind::Iceoryx, "iceoryx2"),
    (Kind::IpcChannel, "ipc-channel"),
    (Kind::Zbus, "zbus"),
    (Kind::Tonic, "tonic"),
    (Kind::Zeromq, "zeromq"),
];
const SPINNING: [(Kind, &str); 1] = [(Kind::IceoryxBusy, "iceoryx2")];

/// What is asked for: to be ahead.
const AHEAD: End = End::Times(1.0);

/// Measures what was asked for.
pub(crate) fn cases(bench: &mut Bench) -> Result<(), Failure> {
    for (size, name) in SIZES {
        let work = Work::request(size);
        let case = |what: &str| format!("peers/{name}/{what}");
        let blocks = (Kind::Block, &BLOCKING[..], Placement::OneCore);
        latency(bench, case("latency/blocking"), work, blocks)?;
        let spins = (Kind::Spin, &SPINNING[..], Placement::TwoCores);
        latency(bench, case("latency/spinning"), work, spins)?;
        let case = case("throughput");
        let blocks = (Kind::Block, &BLOCKING[..], CLIENTS);
        throughput(bench, format!("{case}/blocking"), work, blocks)?;
        let spins = (Kind::Spin, &SPINNING[..], 1);
        throughput(bench, format!("{case}/spinning"), work, spins)?;
    }
    Ok(())
}

fn latency(
    bench: &mut Bench,
    case: String,
    work: Work,
    (ours, peers, placement): (Kind, &[(Kind, &'static str)], Placement),
) -> Result<(), Failure> {
    if !bench.wants(&case) {
        return Ok(());
    }
    let Some(cpu) = bench.place(placement)? else {
        return Ok(());
    };
    let directory = TempDir::new().doing("make a directory for sockets")?;
    let waiting = match ours {
        Kind::Spin => Waiting::Spin,
        _ => Waiting::Block,
    };
    let mut subjects: Vec<Box<dyn Subject>> =
        vec![Box::new(Ours::start(waiting, cpu, work)?.named("ours"))];
    for (kind, name) in peers {
        subjects.push(Box::new(Peer::start(
            *kind,
            name,
            directory.path(),
            cpu,
            work,
        )?));
    }
    finish(bench, case, bench.stretched(0.6, 1.0), &mut subjects)
}

fn throughput(
    bench: &mut Bench,
    case: String,
    work: Work,
    (ours, peers, clients): (Kind, &[(Kind, &'static str)], usize),
) -> Result<(), Failure> {
    if !bench.wants(&case) {
        return Ok(());
    }
    let (role, placement) = match ours {
        Kind::Spin => (Role::Awake, Placement::TwoCores),
        _ => (Role::Block, Placement::Unpinned),
    };
    let Some(cpu) = bench.place(placement)? else {
        return Ok(());
    };
    let directory = TempDir::new().doing("make a directory for sockets")?;
    let errand = Errand {
        work,
        ..Errand::new(role, cpu)
    };
    let mut subjects: Vec<Box<dyn Subject>> =
        vec![Box::new(Crowd::start("ours", &errand, ours, clients)?)];
    for (kind, name) in peers {
        let errand = errand_of(*kind, directory.path(), cpu, work);
        subjects.push(Box::new(Crowd::start(name, &errand, *kind, clients)?));
    }
    finish(bench, case, bench.stretched(0.34, 3.0), &mut subjects)
}

fn finish(
    bench: &mut Bench,
    case: String,
    plan: crate::measure::Plan,
    subjects: &mut [Box<dyn Subject>],
) -> Result<(), Failure> {
    let mut series = bench.measure_by(&case, plan, subjects)?;
    let peers = series.split_off(1).into_iter();
    let against = peers.map(|peer| Against::new(peer, Some(AHEAD))).collect();
    bench.report(Row::new(case, series.pop(), against));
    Ok(())
}

/// A peer's server, at a path of its own.
fn errand_of(kind: Kind, directory: &Path, cpu: Seat, work: Work) -> Errand {
    static SERVERS: AtomicU32 = AtomicU32::new(0);
    let number = SERVERS.fetch_add(1, Ordering::Relaxed);
    Errand {
        at: directory.join(format!("{}-{number}", std::process::id())),
        of: Some(kind),
        work,
        ..Errand::new(Role::Peer, cpu)
    }
}

/// A client of a peer, and its server.
pub(crate) struct Peer {
    name: &'static str,
    client: Box<dyn Subject>,
    server: Server,
    spins: bool,
}

impl Peer {
    /// iceoryx2 with requests that are made and read where they lie.
    pub(crate) fn loaning(cpu: Seat, work: Work) -> Result<Self, Failure> {
        let directory = std::env::temp_dir();
        Self::start(
            Kind::IceoryxLoaned,
            "iceoryx2-loaned",
            &directory,
            cpu,
            work,
        )
    }

    /// Starts a server on `cpu` and connects to it.
    pub(crate) fn start(
        kind: Kind,
        name: &'static str,
        directory: &Path,
        cpu: Seat,
        work: Work,
    ) -> Result<Self, Failure> {
        let mut server = Server::start(&errand_of(kind, directory, cpu, work), None)?;
        let address = server.ready()?;
        let mut client = connect(kind, &address, work)?;
        client.call()?;
        let peer = Self {
            name,
            client,
            server,
            spins: kind.spins(),
        };
        if peer.spins {
            peer.server.park()?;
        }
        Ok(peer)
    }
}

impl Subject for Peer {
    fn name(&self) -> &'static str {
        self.name
    }

    fn resume(&mut self) -> Result<(), Failure> {
        if self.spins {
            self.server.unpark()?;
        }
        Ok(())
    }

    fn pause(&mut self) -> Result<(), Failure> {
        if self.spins {
            self.server.park()?;
        }
        Ok(())
    }

    fn call(&mut self) -> Result<(), Failure> {
        self.client.call()
    }
}

/// A client of a server at this address.
pub(crate) fn connect(kind: Kind, address: &str, work: Work) -> Result<Box<dyn Subject>, Failure> {
    Ok(match kind {
        Kind::Iceoryx => Box::new(iceoryx::Waiter::connect(address, work)?),
        Kind::IceoryxBusy => Box::new(iceoryx::Poller::connect(address, work, false)?),
        Kind::IceoryxLoaned => Box::new(iceoryx::Poller::connect(address, work, true)?),
        Kind::IpcChannel => Box::new(ipc_channel::Client::connect(address, work)?),
        Kind::Zbus => Box::new(dbus::Client::connect(address, work)?),
        Kind::Tonic => Box::new(grpc::Client::connect(address, work)?),
        Kind::Zeromq => Box::new(zeromq::Client::connect(address, work)?),
        _ => return Err(Failure::new("this is no peer")),
    })
}

/// The server's side of any of them.
pub(crate) fn serve(errand: &Errand) -> Result<(), Failure> {
    let at = errand.at.to_str();
    let at = at.ok_or_else(|| Failure::new("a path is not written in letters"))?;
    let work = errand.work;
    match errand.of {
        Some(Kind::Iceoryx) => iceoryx::serve_waiting(at, work),
        Some(Kind::IceoryxBusy) => iceoryx::serve_polling(at, work, false),
        Some(Kind::IceoryxLoaned) => iceoryx::serve_polling(at, work, true),
        Some(Kind::IpcChannel) => ipc_channel::serve(at, work),
        Some(Kind::Zbus) => dbus::serve(at, work),
        Some(Kind::Tonic) => grpc::serve(at, work),
        Some(Kind::Zeromq) => zeromq::serve(at, work),
        _ => Err(Failure::new("this is no peer")),
    }
}

/// Removes what iceoryx2 keeps outside the run's directory, whose name is part of its files' names.
pub(crate) fn sweep(directory: &Path) {
    iceoryx::sweep(directory);
}
