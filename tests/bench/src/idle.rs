//! `idle/…`: what clients cost that are connected and do nothing; each is a process that has sent one message.
//!
//! - `idle/COUNT/PLACEMENT`: a round trip of 64 B of the one client that is active, beside the same with a
//!   server that has no other client.
//! - `idle/COUNT/memory/server`, `idle/memory/client`: resident memory for each link on either side, without
//!   what a process has once. A process with 64 links tells for the client's side.
//! - `idle/COUNT/page-tables/server`, `idle/page-tables/client`: what the kernel needs to map them.

use crate::arguments::{Errand, Role, Work};
use crate::bench::Bench;
use crate::failure::{Doing, Failure};
use crate::ipc::{Ours, address, attach, channel, receive};
use crate::measure::{Series, Subject};
use crate::placement::Placement;
use crate::report::{Against, End, Row, Unit};
use crate::server::{Server, passed, say_ready};
use resmgr::ipc::{Channel, ChannelFlags, Connection, Received, Waiting};
use resmgr_sys::memory::Region;
use resmgr_sys::{futex, process, signal, socket};
use std::fs;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::sync::atomic::Ordering::{Acquire, Release};
use std::time::{Duration, Instant};

/// How many, where descriptors suffice.
const MANY: usize = 5_000;
/// How many in a quick run.
const FEW: usize = 200;
/// A server has three for each client, and some of its own.
const DESCRIPTORS: usize = 3;
const SPARE: usize = 200;

/// Links of one process.
const LINKS: usize = 64;

/// What is asked for: in KiB, and beside the lone client.
const MOST: f64 = 16.0;
const SLOWER: End = End::Times(1.3);

/// Measures what was asked for.
pub(crate) fn cases(bench: &mut Bench) -> Result<(), Failure> {
    let count = if bench.is_quick() { FEW } else { MANY };
    let limit = process::raise_descriptor_limit().doing("raise the limit of descriptors")?;
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let room = limit.saturating_sub(SPARE) / DESCRIPTORS;
    if room < count {
        bench.skip(format!(
            "idle/{count}: descriptors suffice for {room} clients"
        ));
    }
    many(bench, count.min(room).max(1))?;
    one(bench)
}

fn many(bench: &mut Bench, count: usize) -> Result<(), Failure> {
    let group = format!("idle/{count}/");
    if !bench.wants(&group) {
        return Ok(());
    }
    let Some(cpu) = bench.place(Placement::OneCore)? else {
        return Ok(());
    };
    let work = Work::request(64);
    let mut server = Server::start(&Errand::new(Role::Adaptive, cpu), None)?;
    let address = server.ready()?;
    let active = Ours::connect(&address, Waiting::Adaptive, work)?.named("many");
    let alone = Ours::start(Waiting::Adaptive, cpu, work)?.named("alone");
    let mut subjects: Vec<Box<dyn Subject>> = vec![Box::new(active), Box::new(alone)];
    // What the server touches for its first client is no cost of the others.
    bench.measure_by(&group, bench.stretched(0.0, 0.2), &mut subjects)?;
    let before = Held::by(server.pid())?;
    let crowd = bench.unwatched(|| Idle::start(count, &address))?;
    let after = Held::by(server.pid())?;
    for placement in [Placement::OneCore, Placement::TwoCores] {
        let case = format!("{group}{}", placement.name());
        if bench.wants(&case) && bench.place(placement)?.is_some() {
            let mut series = bench.measure(&case, &mut subjects)?;
            let alone = series.pop().map(|alone| Against::new(alone, Some(SLOWER)));
            bench.report(Row::new(case, series.pop(), alone.into_iter().collect()));
        }
    }
    after.report(bench, before, count, &group, "server");
    bench.unwatched(|| drop(crowd));
    Ok(())
}

fn one(bench: &mut Bench) -> Result<(), Failure> {
    if !bench.wants("idle/memory/client") && !bench.wants("idle/page-tables/client") {
        return Ok(());
    }
    let Some(cpu) = bench.place(Placement::OneCore)? else {
        return Ok(());
    };
    let errand = Errand {
        count: LINKS + 1,
        ..Errand::new(Role::Channels, cpu)
    };
    let mut server = Server::start(&errand, None)?;
    let errand = Errand {
        address: server.ready()?,
        ..Errand::new(Role::Holder, cpu)
    };
    let (ours, theirs) = UnixStream::pair().doing("make a pair of sockets")?;
    let mut holder = Server::start(&errand, Some(theirs.into()))?;
    holder.ready()?;
    let before = Held::by(holder.pid())?;
    // It attaches to the others when it is told to.
    (&ours).write_all(&[1]).doing("tell a client")?;
    holder.ready()?;
    let after = Held::by(holder.pid())?;
    after.report(bench, before, LINKS, "idle/", "client");
    Ok(())
}

/// Memory of a process, in KiB.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Held {
    pub(crate) resident: u32,
    page_tables: u32,
}

impl Held {
    pub(crate) fn by(pid: u32) -> Result<Self, Failure> {
        let read = |file: &str| {
            let path = format!("/proc/{pid}/{file}");
            fs::read_to_string(&path).doing(format_args!("read {path}"))
        };
        Ok(Self {
            resident: kib(&read("smaps_rollup")?, "Rss:")?,
            page_tables: kib(&read("status")?, "VmPTE:")?,
        })
    }

    fn report(self, bench: &mut Bench, before: Self, links: usize, group: &str, side: &str) {
        let each = |now: u32, then: u32| {
            let links = u32::try_from(links).unwrap_or(u32::MAX);
            Series::once(
                "ours",
                f64::from(now.saturating_sub(then)) / f64::from(links),
            )
        };
        let resident = each(self.resident, before.resident);
        let case = format!("{group}memory/{side}");
        bench.report(Row::limited(case, resident, Unit::Kibibytes, MOST));
        let tables = each(self.page_tables, before.page_tables);
        let case = format!("{group}page-tables/{side}");
        bench.report(Row {
            unit: Unit::Kibibytes,
            ..Row::new(case, Some(tables), Vec::new())
        });
    }
}

/// The number behind a key, as in `Rss:   123 kB`.
fn kib(text: &str, key: &str) -> Result<u32, Failure> {
    let line = text.lines().find_map(|line| line.strip_prefix(key));
    let number = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
    number.ok_or_else(|| Failure::new(format!("no line {key}")))
}

/// Many client processes that have sent one message each.
struct Idle {
    server: Server,
    /// The end of this socket ends them.
    hold: Option<OwnedFd>,
}

impl Idle {
    fn start(count: usize, address: &str) -> Result<Self, Failure> {
        let (ours, theirs) = socket::pair().doing("make a pair of sockets")?;
        let errand = Errand {
            count,
            address: address.to_owned(),
            ..Errand::new(Role::IdleClients, None)
        };
        let mut server = Server::start(&errand, Some(theirs))?;
        server.ready()?;
        Ok(Self {
            server,
            hold: Some(ours),
        })
    }
}

impl Drop for Idle {
    fn drop(&mut self) {
        drop(self.hold.take());
        // All of them have its output open: the end of that is the end of all. An error changes nothing.
        let _ended = self.server.last_word();
    }
}

/// The parent of the idle clients: one thread and nothing of the library, so that a child is small and
/// begins as a new process does.
pub(crate) fn serve_clients(errand: &Errand) -> Result<(), Failure> {
    let ready = Region::inherited(4096).doing("share a word")?;
    let mut children = Vec::new();
    for number in 1..=u32::try_from(errand.count).unwrap_or(u32::MAX) {
        match process::fork_for_test().doing("start a client")? {
            Some(child) => children.push(child),
            None => client(&errand.address, errand, &ready, number),
        }
        // One after the other: the listener's queue is never full.
        wait_for(&ready, number)?;
    }
    say_ready("ready")?;
    let mut hold = fs::File::from(passed()?);
    // Whatever ends it.
    let _end = hold.read(&mut [0]);
    for child in &children {
        let _gone = process::kill(*child, signal::KILL);
    }
    for child in children {
        let _status = process::wait_for(child);
    }
    Ok(())
}

fn wait_for(ready: &Region, number: u32) -> Result<(), Failure> {
    let (word, patience) = (ready.word(0), Duration::from_secs(10));
    let until = Instant::now() + patience;
    loop {
        let seen = word.load(Acquire);
        if seen == number {
            return Ok(());
        }
        if seen == FAILED || Instant::now() > until {
            return Err(Failure::new(format!("idle client {number} did not attach")));
        }
        let _woken = futex::wait(word, seen, Some(until));
    }
}

/// What a client leaves that could not attach.
const FAILED: u32 = u32::MAX;

/// A client: attaches, sends one message, and waits for its end.
fn client(address: &str, errand: &Errand, ready: &Region, number: u32) -> ! {
    let attached = begin(address, errand);
    if let Err(failure) = &attached {
        eprintln!("resmgr-bench: an idle client: {failure}");
    }
    let word = ready.word(0);
    word.store(if attached.is_ok() { number } else { FAILED }, Release);
    futex::wake(word, 1);
    while attached.is_ok() {
        std::thread::park();
    }
    process::exit_now(1)
}

fn begin(address: &str, errand: &Errand) -> Result<Connection, Failure> {
    process::die_with_parent().doing("die with the parent")?;
    let connection = attach(address)?;
    let sent = connection.send(&vec![1; errand.work.request], &mut [0; 64]);
    sent.doing("send a message")?;
    Ok(connection)
}

/// A server with as many channels as it is told, for a client that attaches to all of them.
pub(crate) fn serve_channels(count: usize) -> Result<(), Failure> {
    let make = |_| channel(Waiting::Block, ChannelFlags::empty());
    let channels = (0..count).map(make).collect::<Result<Vec<_>, _>>()?;
    let addresses: Vec<String> = channels.iter().map(address).collect();
    for channel in channels {
        std::thread::spawn(move || answer_all(&channel));
    }
    say_ready(&addresses.join(","))?;
    loop {
        std::thread::park();
    }
}

fn answer_all(channel: &Channel) {
    while let Ok(received) = receive(channel, &mut [0; 64]) {
        if let Received::Message(message) = received {
            // A client that has gone meanwhile needs no answer.
            let _gone = message.reply(0, &[0; 64]);
        }
    }
}

/// A client of many channels: of one at first, of all when it is told.
pub(crate) fn hold(addresses: &str) -> Result<(), Failure> {
    let mut addresses = addresses.split(',');
    let join = |address: &str| {
        let connection = attach(address)?;
        let sent = connection.send(&[1; 64], &mut [0; 64]);
        sent.doing("send a message")?;
        Ok::<_, Failure>(connection)
    };
    let _first = addresses.next().map(join).transpose()?;
    let mut all = Vec::with_capacity(LINKS);
    say_ready("ready")?;
    let mut byte = [0];
    std::io::stdin().read_exact(&mut byte).doing("be told")?;
    for address in addresses {
        all.push(join(address)?);
    }
    say_ready("ready")?;
    loop {
        std::thread::park();
    }
}

#[cfg(test)]
mod tests {
    use super::kib;

    #[test]
    fn the_kernel_tells_kibibytes() {
        let text = "Name:\tx\nVmPTE:\t     44 kB\nRss:   123 kB\n";
        assert_eq!(kib(text, "Rss:").unwrap(), 123);
        assert_eq!(kib(text, "VmPTE:").unwrap(), 44);
        assert!(kib(text, "Pss:").is_err());
    }
}
