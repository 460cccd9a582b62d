//! Several client processes that call one server at the same time.
//!
//! `crowd/64/COUNT`: the time for each request, over all clients: ours, with one receiving thread, beside
//! packet sockets in their two arrangements, one thread that waits for all and a thread for each. Nobody is
//! bound to a processor. `crowd/64/COUNT/fairness`: the calls of the fastest client over those of the slowest.

use crate::arguments::{Errand, Kind, Role, Work};
use crate::bench::Bench;
use crate::failure::{Doing, Failure};
use crate::ipc::{Ours, Seqpacket};
use crate::measure::{Series, Subject, Summary};
use crate::placement::Placement;
use crate::report::{Against, End, Row, Unit};
use crate::server::{Server, passed, say_ready};
use resmgr::ipc::Waiting;
use resmgr_sys::futex;
use resmgr_sys::memory::{Access, Region, memfd};
use std::cell::RefCell;
use std::os::fd::AsFd;
use std::rc::Rc;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// How many clients.
const COUNTS: [usize; 3] = [1, 4, 8];

/// At least 1.5 × the throughput: at most so many times the time.
const AHEAD: End = End::Times(1.0 / 1.5);

/// The slowest client has at least half of the fastest one's calls.
const FAIR: f64 = 2.0;

/// Measures what was asked for.
pub(crate) fn cases(bench: &mut Bench) -> Result<(), Failure> {
    for count in COUNTS {
        let case = format!("crowd/64/{count}");
        if bench.wants(&case) {
            one(bench, count, &case)?;
        }
    }
    Ok(())
}

fn one(bench: &mut Bench, count: usize, case: &str) -> Result<(), Failure> {
    let Some(cpu) = bench.place(Placement::Unpinned)? else {
        return Ok(());
    };
    let directory = TempDir::new().doing("make a directory for sockets")?;
    let work = Work::request(64);
    let socket = |role, name: &str| Errand {
        at: directory.path().join(name),
        work,
        ..Errand::new(role, cpu)
    };
    let ours = Errand::new(Role::Adaptive, cpu);
    let set = socket(Role::SeqpacketSet, "set");
    let threads = socket(Role::SeqpacketThreads, "threads");
    let ours = Crowd::start("ours", &ours, Kind::Adaptive, count)?;
    let calls = ours.calls();
    let mut subjects: Vec<Box<dyn Subject>> = vec![
        Box::new(ours),
        Box::new(Crowd::start("seqpacket-set", &set, Kind::Seqpacket, count)?),
        Box::new(Crowd::start(
            "seqpacket-threads",
            &threads,
            Kind::Seqpacket,
            count,
        )?),
    ];
    let plan = bench.stretched(0.6, 4.0);
    let mut series = bench.measure_by(case, plan, &mut subjects)?;
    let sockets = series.split_off(1);
    bench.report(Row::new(case, series.pop(), Against::best(sockets, AHEAD)));
    if count > 1 {
        let fairness = Series::once("ours", spread(&calls.borrow()));
        let case = format!("{case}/fairness");
        bench.report(Row::limited(case, fairness, Unit::Times, FAIR));
    }
    Ok(())
}

/// The largest over the smallest.
fn spread(calls: &[u64]) -> f64 {
    let (most, least) = (calls.iter().max(), calls.iter().min());
    #[expect(clippy::cast_precision_loss)] // fewer than 2⁵³ calls
    most.zip(least).map_or(f64::NAN, |(most, least)| {
        *most as f64 / (*least).max(1) as f64
    })
}

// What the measuring process and its clients share: a word that counts phases, of which every odd one is for
// calling, and for each client how many calls it has made and which phase it has left.
const PHASE: usize = 0;
const fn calls_at(client: usize) -> usize {
    256 * (client + 1)
}
const fn left_at(client: usize) -> usize {
    calls_at(client) + 128
}
const fn room(clients: usize) -> usize {
    256 * (clients + 1)
}

/// The measuring side.
pub(crate) struct Crowd {
    name: &'static str,
    control: Region,
    // The clients go before the server that they wait for.
    clients: Vec<Server>,
    server: Server,
    spins: bool,
    calls: Rc<RefCell<Vec<u64>>>,
}

impl Crowd {
    /// Starts a server and `count` clients of it, which run where this process may.
    pub(crate) fn start(
        name: &'static str,
        server: &Errand,
        kind: Kind,
        count: usize,
    ) -> Result<Self, Failure> {
        let fd = memfd(c"resmgr-bench", room(count)).doing("make shared memory")?;
        let control = Region::map(fd.as_fd(), room(count), Access::Write);
        let errand = server;
        let mut server = Server::start(errand, None)?;
        let address = server.ready()?;
        let join = |index| {
            let errand = Errand {
                work: errand.work,
                of: Some(kind),
                address: address.clone(),
                count: index,
                // Where this process may run.
                ..Errand::new(Role::Client, None)
            };
            let fd = fd.try_clone().doing("share memory")?;
            Server::start(&errand, Some(fd))
        };
        let clients: Result<Vec<_>, _> = (0..count).map(join).collect();
        let mut crowd = Self {
            name,
            control: control.doing("map shared memory")?,
            clients: clients?,
            server,
            spins: kind.spins(),
            calls: Rc::new(RefCell::new(vec![0; count])),
        };
        for client in &mut crowd.clients {
            client.ready()?;
        }
        crowd.pause()?;
        Ok(crowd)
    }

    /// How many calls each client made in all rounds so far.
    pub(crate) fn calls(&self) -> Rc<RefCell<Vec<u64>>> {
        Rc::clone(&self.calls)
    }

    /// What the clients have counted.
    fn counted(&self) -> Vec<u64> {
        let each = 0..self.clients.len();
        each.map(|client| self.control.word64(calls_at(client)).load(Relaxed))
            .collect()
    }

    /// Begins the next phase.
    fn turn(&self) -> u32 {
        let word = self.control.word(PHASE);
        let phase = word.load(Relaxed).wrapping_add(1);
        word.store(phase, Release);
        futex::wake(word, u32::MAX);
        phase
    }

    /// Waits until every client has left the phases before this one.
    fn gather(&mut self, phase: u32) -> Result<(), Failure> {
        for (index, client) in self.clients.iter_mut().enumerate() {
            let left = self.control.word(left_at(index));
            loop {
                let seen = left.load(Acquire);
                if seen == phase {
                    break;
                }
                // However the wait ends, the word and the process tell.
                let _woken = futex::wait(left, seen, Some(soon()));
                if left.load(Acquire) != phase && client.has_ended() {
                    return Err(Failure::new("a client has ended"));
                }
            }
        }
        Ok(())
    }
}

fn soon() -> Instant {
    Instant::now() + Duration::from_millis(200)
}

impl Subject for Crowd {
    fn name(&self) -> &'static str {
        self.name
    }

    fn summary(&self) -> Summary {
        Summary::Mean
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

    /// Never: the clients call.
    fn call(&mut self) -> Result<(), Failure> {
        Ok(())
    }

    /// One sample: the time for each request.
    fn round(&mut self, length: Duration, samples: &mut Vec<u32>) -> Result<(), Failure> {
        self.turn();
        std::thread::sleep(length / 8);
        let (since, before) = (Instant::now(), self.counted());
        std::thread::sleep(length);
        let (time, after) = (since.elapsed(), self.counted());
        let phase = self.turn();
        self.gather(phase)?;
        let mut all = 0;
        let each = before
            .iter()
            .zip(&after)
            .map(|(before, after)| after - before);
        for (sum, calls) in self.calls.borrow_mut().iter_mut().zip(each) {
            *sum += calls;
            all += calls;
        }
        let nanos = time.as_nanos() / u128::from(all.max(1));
        samples.clear();
        samples.push(u32::try_from(nanos).unwrap_or(u32::MAX));
        Ok(())
    }
}

/// A client's side: calls in every odd phase until it is killed.
pub(crate) fn serve(errand: &Errand) -> Result<(), Failure> {
    let kind = errand
        .of
        .ok_or_else(|| Failure::new("a client of nobody"))?;
    let mut subject = connect(kind, &errand.address, errand.work)?;
    // Only its own part and what lies before it.
    let room = room(errand.count + 1);
    let control = Region::map(passed()?.as_fd(), room, Access::Write);
    let control = control.doing("map shared memory")?;
    let (word, left) = (control.word(PHASE), control.word(left_at(errand.count)));
    let calls = control.word64(calls_at(errand.count));
    subject.call()?;
    say_ready("ready")?;
    let mut made = 0;
    loop {
        let phase = word.load(Acquire);
        if phase % 2 == 0 {
            left.store(phase, Release);
            futex::wake(left, 1);
            let _woken = futex::wait(word, phase, None);
            continue;
        }
        while word.load(Relaxed) == phase {
            subject.call()?;
            made += 1;
            calls.store(made, Relaxed);
        }
    }
}

fn connect(kind: Kind, address: &str, work: Work) -> Result<Box<dyn Subject>, Failure> {
    Ok(match kind {
        Kind::Adaptive => Box::new(Ours::connect(address, Waiting::Adaptive, work)?),
        Kind::Block => Box::new(Ours::connect(address, Waiting::Block, work)?),
        Kind::Spin => Box::new(Ours::connect(address, Waiting::Spin, work)?),
        Kind::Seqpacket => Box::new(Seqpacket::connect(address, work)?),
        #[cfg(feature = "peers")]
        peer => crate::peers::connect(peer, address, work)?,
    })
}

#[cfg(test)]
mod tests {
    use super::spread;

    #[test]
    fn the_spread_is_the_fastest_over_the_slowest() {
        assert!((spread(&[10, 40, 20]) - 4.0).abs() < 1e-9);
    }
}
