//! `resource/beside/…`: one client's reads of 4 KiB while another client of the same server behaves badly, beside the
//! same reads alone: the median (the end is ×2) and the 99th percentile (×5).
//!
//! The good client and the server share a processor, alone or beside: so they have the same in both. The bad client has
//! the other one, and shares only the server. What a process costs there that only computes, and does not know the
//! server, is `resource/beside/busy`: that much is the machine's.
//!
//! - `unfetched`: has as many reads answered as it may, and never fetches the answers.
//! - `locks`: holds 1,000 locks of the same file, and takes and gives back others without end.
//! - `opening`: opens 100,000 files as fast as it can, closes them, and begins anew.
//! - `opened`: has 100,000 files open.
//! - `died`: had 100,000 files open, and has just been killed.
//! - `dying`: opens files, begins reads and is killed, again and again.
//! - `flood`: has as many reads under way as it may, all the time.
//! - `blocked`: waits in reads that nobody answers, and gives some of them up again and again.

mod bad;

use crate::arguments::{Errand, Role};
use crate::bench::Bench;
use crate::failure::{Doing, Failure};
use crate::measure::Series;
use crate::placement::{Placement, Seat};
use crate::report::{Against, End, Row};
use crate::server::{Server, say_ready};
use resmgr::client::{self, File, OpenFlags};
use resmgr::dispatch::Limits;
use resmgr::prelude::Manager;
use resmgr::resource::{Attr, Call, Conditions, Done, Ocb, Opening, Read, Resource, Waiters};
use resmgr_sys::{process, signal};
use std::time::{Duration, Instant};

pub(crate) use bad::behave_badly;

const BLOCK: usize = 4 << 10;
/// How many files somebody opens who opens many.
const MANY: usize = 100_000;

/// Those that behave badly all the time.
const KINDS: [&str; 7] = [
    "unfetched",
    "locks",
    "opening",
    "opened",
    "dying",
    "flood",
    "blocked",
];

/// Measures what was asked for.
pub(crate) fn cases(bench: &mut Bench) -> Result<(), Failure> {
    if !bench.wants("resource/beside") {
        return Ok(());
    }
    let Some((bad, Some(seat))) = bench.places(Placement::TwoCores) else {
        return Ok(());
    };
    bench.place(Placement::OneCore)?;
    bench.serve_device()?;
    let seats = Seats { good: seat, bad };
    let many = if bench.is_quick() { MANY / 100 } else { MANY };
    if bench.wants(&case("busy")) {
        let hog = Beside::start(&Errand::new(Role::Hog, seats.bad), seats)?;
        one(bench, "busy", hog, false)?;
    }
    for kind in KINDS {
        if bench.wants(&case(kind)) {
            let bad = Beside::start(&errand(kind, many, seats.bad), seats)?;
            one(bench, kind, bad, true)?;
        }
    }
    if bench.wants(&case("died")) {
        one(bench, "died", Beside::killed(many, seats), true)?;
    }
    Ok(())
}

fn case(kind: &str) -> String {
    format!("resource/beside/{kind}")
}

/// The name of the server that bad clients have, and that of the one that reads alone.
const WITH: &str = "with";
const WITHOUT: &str = "without";

fn path(server: &str, file: &str) -> String {
    format!("/dev/bench/beside/{server}/{file}")
}

/// The processors: of the good client and the server, and of the bad client.
#[derive(Clone, Copy, Debug)]
struct Seats {
    good: usize,
    bad: Seat,
}

fn errand(kind: &str, many: usize, seat: Seat) -> Errand {
    Errand {
        address: kind.to_owned(),
        count: many,
        ..Errand::new(Role::Bad, seat)
    }
}

fn shared(name: &str, seat: usize) -> Result<Server, Failure> {
    let errand = Errand {
        address: name.to_owned(),
        ..Errand::new(Role::Shared, seat)
    };
    let mut server = Server::start(&errand, None)?;
    server.ready()?;
    Ok(server)
}

fn one(bench: &mut Bench, kind: &str, mut beside: Beside, asked: bool) -> Result<(), Failure> {
    let _alone = shared(WITHOUT, beside.seats.good)?;
    let plan = bench.stretched(0.6, 5.0);
    let figures = bench.unwatched(|| -> Result<_, Failure> {
        let good = Reader::open(WITHOUT)?;
        let (mut alone, mut with) = (Figures::default(), Figures::default());
        for _ in 0..plan.rounds {
            alone.add(good.round(plan.length)?);
            with.add(beside.round(plan.length)?);
        }
        Ok((alone, with))
    });
    let (alone, with) = figures?;
    for (what, alone, with, end) in [
        ("median", alone.medians, with.medians, 2.0),
        ("p99", alone.lates, with.lates, 5.0),
    ] {
        let series = |name, rounds| Series { name, rounds };
        let end = asked.then_some(End::Times(end));
        let against = Against::new(series("alone", alone), end);
        let case = format!("{}/{what}", case(kind));
        bench.report(Row::new(case, Some(series("ours", with)), vec![against]));
    }
    Ok(())
}

/// Each round's.
#[derive(Debug, Default)]
struct Figures {
    medians: Vec<f64>,
    lates: Vec<f64>,
}

impl Figures {
    fn add(&mut self, mut samples: Vec<u32>) {
        samples.sort_unstable();
        let at = |part: usize| {
            let sample = samples.get(samples.len() * part / 100);
            sample.copied().map_or(f64::NAN, f64::from)
        };
        self.medians.push(at(50));
        self.lates.push(at(99));
    }
}

/// The good client.
#[derive(Debug)]
struct Reader(File);

impl Reader {
    fn open(server: &str) -> Result<Self, Failure> {
        let file = client::open(path(server, "data"), OpenFlags::READ);
        file.map(Self).doing("open the file")
    }

    /// What each call has taken.
    fn round(&self, length: Duration) -> Result<Vec<u32>, Failure> {
        let mut samples = Vec::with_capacity(1 << 17);
        let mut buffer = [0; BLOCK];
        let mut before = Instant::now();
        let end = before + length;
        while before < end {
            let read = self.0.read_at(&mut buffer, 0).doing("read")?;
            if read != BLOCK {
                return Err(Failure::new(format!("{read} bytes of {BLOCK} were read")));
            }
            let after = Instant::now();
            let nanos = after.duration_since(before).as_nanos();
            samples.push(u32::try_from(nanos).unwrap_or(u32::MAX));
            before = after;
        }
        Ok(samples)
    }
}

/// The good client beside a bad one, with a server that nobody else has.
#[derive(Debug)]
struct Beside {
    // In this order: the clients go first.
    bad: Option<Server>,
    server: Option<Server>,
    many: usize,
    seats: Seats,
}

impl Beside {
    /// Beside one that behaves badly while it runs.
    fn start(bad: &Errand, seats: Seats) -> Result<Self, Failure> {
        let server = shared(WITH, seats.good)?;
        let mut started = Server::start(bad, None)?;
        if bad.serve == Some(Role::Bad) {
            started.ready()?;
        }
        started.park()?;
        Ok(Self {
            bad: Some(started),
            server: Some(server),
            many: 0,
            seats,
        })
    }

    /// Beside one that is killed when a round begins.
    fn killed(many: usize, seats: Seats) -> Self {
        Self {
            bad: None,
            server: None,
            many,
            seats,
        }
    }

    fn round(&mut self, length: Duration) -> Result<Vec<u32>, Failure> {
        if let Some(bad) = &mut self.bad {
            bad.unpark()?;
            let reader = Reader::open(WITH)?;
            // A process that was stopped has to get going.
            reader.round(length / 8)?;
            let samples = reader.round(length);
            if bad.has_ended() {
                return Err(Failure::new("a client has ended that was to behave badly"));
            }
            bad.park()?;
            return samples;
        }
        self.server = None;
        self.server = Some(shared(WITH, self.seats.good)?);
        let mut bad = Server::start(&errand("opened", self.many, self.seats.bad), None)?;
        bad.ready()?;
        let reader = Reader::open(WITH)?;
        reader.round(length / 8)?;
        process::kill(bad.pid(), signal::KILL).doing("kill a client")?;
        // It takes about as long as this to have everything closed.
        reader.round(length / 2)
    }
}

/// The server's side: a file that answers, and one that never does.
pub(crate) fn serve(name: &str) -> Result<(), Failure> {
    let limits = Limits {
        opens: 2 * MANY,
        ..Limits::default()
    };
    let manager = Manager::new()
        .and_then(|manager| manager.limits(limits))
        .and_then(|manager| manager.attach(path(name, "data"), Data))
        .and_then(|manager| manager.attach(path(name, "never"), Never::default()))
        .doing("serve files")?;
    say_ready("ready")?;
    manager.run().doing("serve files")
}

struct Data;

static ZEROS: [u8; BLOCK] = [0; BLOCK];

impl Resource for Data {
    type Node = ();
    type Open = ();

    fn root(&self) {}

    fn attr(&self, (): &()) -> resmgr::Result<Attr> {
        Ok(Attr::file(0o666, BLOCK as u64))
    }

    fn open(&self, (): &(), _how: &Opening) -> resmgr::Result<()> {
        Ok(())
    }

    fn read(&self, _ocb: &Ocb, call: Call<'_, Read>) -> resmgr::Result<Done> {
        call.bytes(&ZEROS)
    }
}

#[derive(Default)]
struct Never(Waiters);

impl Resource for Never {
    type Node = ();
    type Open = ();

    fn root(&self) {}

    fn attr(&self, (): &()) -> resmgr::Result<Attr> {
        Ok(Attr::device(0o666))
    }

    fn open(&self, (): &(), _how: &Opening) -> resmgr::Result<()> {
        Ok(())
    }

    fn read(&self, _ocb: &Ocb, call: Call<'_, Read>) -> resmgr::Result<Done> {
        self.0.wait(Conditions::INPUT, call)
    }

    fn waiters(&self, _ocb: &Ocb) -> Option<&Waiters> {
        Some(&self.0)
    }
}
