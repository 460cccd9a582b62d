//! `resource/…`: what the framework adds to a bare round trip: calls of the client library on a file of a
//! [`Manager`](resmgr::dispatch::Manager) in another process, beside our own round trip of 4 KiB
//! ([`ipc`](crate::ipc), adaptive) in the same run.
//!
//! - `resource/read/4096`: a read at an offset. The end is the round trip and 300 ns.
//! - `resource/open-close`: a name that is known, while this process has another file of the same server open,
//!   through the namespace and back. The end is four round trips.
//! - `resource/stat`: by path, which is one message beside the namespace's; a file is open here, too.
//! - `resource/first-open`: open and close of the only file, which makes a link to the server and ends it.

use crate::arguments::Work;
use crate::bench::Bench;
use crate::device::{LEN, Served};
use crate::failure::{Doing, Failure};
use crate::ipc::Ours;
use crate::measure::{Series, Subject};

use crate::placement::{Placement, Seat};
use crate::report::{Against, End, Row};
use resmgr::client::{self, File, OpenFlags};
use resmgr::ipc::Waiting;

const BLOCK: usize = 4 << 10;

/// The name of the reference.
const TRIP: &str = "our-roundtrip";

/// Our own round trip of 4 KiB with a server on `cpu`, as a reference.
pub(crate) fn roundtrip(cpu: Seat) -> Result<Box<dyn Subject>, Failure> {
    Ok(Box::new(Ours::start(
        Waiting::Adaptive,
        cpu,
        Work::request(BLOCK),
    )?))
}

/// What its figures are called beside others.
pub(crate) fn as_roundtrip(series: Series) -> Series {
    Series {
        name: TRIP,
        ..series
    }
}

/// Measures what was asked for.
pub(crate) fn cases(bench: &mut Bench) -> Result<(), Failure> {
    for placement in [Placement::OneCore, Placement::TwoCores] {
        let case = |what: &str| format!("resource/{what}/{}", placement.name());
        let (read, open) = (Some(End::Plus(300.0)), Some(End::Times(4.0)));
        one(bench, placement, (case("read/4096"), read), Read::open)?;
        let beside = OpenClose::beside;
        one(bench, placement, (case("open-close"), open), beside)?;
        one(bench, placement, (case("stat"), None), Stat::beside)?;
        let first = || Ok(OpenClose(None));
        one(bench, placement, (case("first-open"), None), first)?;
    }
    Ok(())
}

fn one<S: Subject + 'static>(
    bench: &mut Bench,
    placement: Placement,
    (case, end): (String, Option<End>),
    ours: impl FnOnce() -> Result<S, Failure>,
) -> Result<(), Failure> {
    if !bench.wants(&case) {
        return Ok(());
    }
    let Some(cpu) = bench.place(placement)? else {
        return Ok(());
    };
    bench.serve_device()?;
    let mut subjects: Vec<Box<dyn Subject>> = vec![Box::new(ours()?), roundtrip(cpu)?];
    let mut series = bench.measure(&case, &mut subjects)?;
    let against = series
        .pop()
        .map(|trip| Against::new(as_roundtrip(trip), end));
    bench.report(Row::new(case, series.pop(), against.into_iter().collect()));
    Ok(())
}

/// Reads of 4 KiB, each somewhere else.
#[derive(Debug)]
struct Read {
    file: File,
    buffer: Vec<u8>,
    at: usize,
}

impl Read {
    fn open() -> Result<Self, Failure> {
        Ok(Self {
            file: open()?,
            buffer: vec![0; BLOCK],
            at: 0,
        })
    }
}

impl Subject for Read {
    fn name(&self) -> &'static str {
        "ours"
    }

    #[inline]
    fn call(&mut self) -> Result<(), Failure> {
        // Hot: within what a processor's own cache holds, as the round trip's payload is.
        self.at = (self.at + BLOCK) % (16 * BLOCK).min(LEN);
        let read = self.file.read_at(&mut self.buffer, self.at as u64);
        match read.doing("read")? {
            BLOCK => Ok(()),
            count => Err(Failure::new(format!("{count} bytes of {BLOCK} were read"))),
        }
    }
}

fn open() -> Result<File, Failure> {
    client::open(Served::path(), OpenFlags::READ).doing("open the file")
}

/// Opens and closes, maybe beside a file that stays open.
#[derive(Debug)]
struct OpenClose(#[expect(dead_code, reason = "only held")] Option<File>);

impl OpenClose {
    fn beside() -> Result<Self, Failure> {
        open().map(Some).map(Self)
    }
}

impl Subject for OpenClose {
    fn name(&self) -> &'static str {
        "ours"
    }

    fn call(&mut self) -> Result<(), Failure> {
        open()?.close().doing("close the file")
    }
}

#[derive(Debug)]
struct Stat(#[expect(dead_code, reason = "only held")] File);

impl Stat {
    fn beside() -> Result<Self, Failure> {
        open().map(Self)
    }
}

impl Subject for Stat {
    fn name(&self) -> &'static str {
        "ours"
    }

    fn call(&mut self) -> Result<(), Failure> {
        match client::stat(Served::path()).doing("ask for the file")?.size {
            size if size == LEN as u64 => Ok(()),
            size => Err(Failure::new(format!("the file has {size} bytes"))),
        }
    }
}
