//! `bulk/…`: large messages; the time for each. On one processor the reference that never sleeps yields.
//!
//! - `bulk/request/SIZE/PLACEMENT`, `bulk/reply/SIZE/PLACEMENT`: beside two plain copies through shared
//!   memory that both sides have touched before, and a stream socket with the system's buffers and with
//!   buffers of 4 MiB.
//! - `bulk/borrowed/1m/PLACEMENT`: a request that is made where it lies and read there once, beside one write
//!   and one read of as much shared memory.
//! - `bulk/process-vm/1m/PLACEMENT`: between two sides that trust each other with their memory, beside
//!   process_vm_readv alone.

use crate::arguments::Work;
use crate::bench::Bench;
use crate::failure::Failure;
use crate::ipc::{InPlace, Ours, PIECE, ReadProcess, Shared, Spin, Stream, YieldingSpin, floor};
use crate::measure::{Series, Subject};
use crate::placement::{Placement, Seat};
use crate::report::{Against, End, Row};
use resmgr::ipc::Waiting;

const MEBIBYTE: usize = 1 << 20;
const _: () = assert!(MEBIBYTE.is_multiple_of(PIECE));

/// How long, what cases call it, and what is asked for beside a stream.
const SIZES: [(usize, &str, Option<f64>); 3] = [
    (64 << 10, "64k", Some(0.7)),
    (MEBIBYTE, "1m", Some(0.7)),
    (16 * MEBIBYTE, "16m", None),
];

/// What is asked for beside the same copies without a protocol.
const COPIES: End = End::Times(1.1);

/// Measures what was asked for.
pub(crate) fn cases(bench: &mut Bench) -> Result<(), Failure> {
    for placement in [Placement::OneCore, Placement::TwoCores] {
        for (size, name, stream) in SIZES {
            let case = |way: &str| format!("bulk/{way}/{name}/{}", placement.name());
            one(
                bench,
                placement,
                case("request"),
                Work::request(size),
                stream,
            )?;
            one(bench, placement, case("reply"), Work::reply(size), stream)?;
        }
        let case = format!("bulk/borrowed/1m/{}", placement.name());
        special(bench, placement, case, borrowed, in_place)?;
        let case = format!("bulk/process-vm/1m/{}", placement.name());
        special(bench, placement, case, opted_in, read_process)?;
    }
    Ok(())
}

fn one(
    bench: &mut Bench,
    placement: Placement,
    case: String,
    work: Work,
    stream: Option<f64>,
) -> Result<(), Failure> {
    if !bench.wants(&case) {
        return Ok(());
    }
    let Some(cpu) = bench.place(placement)? else {
        return Ok(());
    };
    let mut subjects: Vec<Box<dyn Subject>> = vec![
        Box::new(Ours::start(Waiting::Adaptive, cpu, work)?),
        floor(placement, cpu, work)?,
        Box::new(Stream::start(cpu, work, false)?),
        Box::new(Stream::start(cpu, work, true)?),
    ];
    let long = work.request.max(work.reply) > MEBIBYTE;
    let plan = bench.stretched(0.75, if long { 2.0 } else { 1.0 });
    let mut series = bench.measure_by(&case, plan, &mut subjects)?;
    let streams = series.split_off(2);
    let mut against: Vec<Against> = series
        .pop()
        .map(|copies| Against::new(as_copies(copies), Some(COPIES)))
        .into_iter()
        .collect();
    against.extend(match stream {
        Some(most) => Against::best(streams, End::Times(most)),
        None => {
            let all = streams.into_iter();
            all.map(|stream| Against::new(stream, None)).collect()
        }
    });
    bench.report(Row::new(case, series.pop(), against));
    Ok(())
}

/// The floor by the name that tells what it does with large messages.
fn as_copies(series: Series) -> Series {
    Series {
        name: "two-copies",
        ..series
    }
}

type Start = fn(Placement, Seat, Work) -> Result<Option<Box<dyn Subject>>, Failure>;

/// A way of ours that avoids a copy, beside its reference.
fn special(
    bench: &mut Bench,
    placement: Placement,
    case: String,
    ours: Start,
    reference: Start,
) -> Result<(), Failure> {
    if !bench.wants(&case) {
        return Ok(());
    }
    let Some(cpu) = bench.place(placement)? else {
        return Ok(());
    };
    let work = Work::request(MEBIBYTE);
    let mut subjects: Vec<Box<dyn Subject>> = Vec::new();
    subjects.extend(reference(placement, cpu, work)?);
    subjects.extend(ours(placement, cpu, work)?);
    let mut series = bench.measure(&case, &mut subjects)?.into_iter();
    let reference = series
        .next()
        .map(|series| Against::new(series, Some(COPIES)));
    let ours = series.next();
    bench.report(Row::new(case, ours, reference.into_iter().collect()));
    Ok(())
}

/// Not there yet.
fn borrowed(_: Placement, _: Seat, _: Work) -> Result<Option<Box<dyn Subject>>, Failure> {
    Ok(None)
}

/// Not there yet.
fn opted_in(_: Placement, _: Seat, _: Work) -> Result<Option<Box<dyn Subject>>, Failure> {
    Ok(None)
}

fn in_place(
    placement: Placement,
    cpu: Seat,
    work: Work,
) -> Result<Option<Box<dyn Subject>>, Failure> {
    Ok(Some(match placement {
        Placement::OneCore => Box::new(Shared::<YieldingSpin, InPlace>::start(cpu, work)?),
        _ => Box::new(Shared::<Spin, InPlace>::start(cpu, work)?),
    }))
}

fn read_process(
    placement: Placement,
    cpu: Seat,
    work: Work,
) -> Result<Option<Box<dyn Subject>>, Failure> {
    Ok(Some(match placement {
        Placement::OneCore => Box::new(Shared::<YieldingSpin, ReadProcess>::start(cpu, work)?),
        _ => Box::new(Shared::<Spin, ReadProcess>::start(cpu, work)?),
    }))
}
