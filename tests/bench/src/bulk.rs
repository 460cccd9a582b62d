//! `bulk/…`: large messages; the time for each. On one processor the reference that never sleeps yields.
//!
//! - `bulk/request/SIZE/PLACEMENT`, `bulk/reply/SIZE/PLACEMENT`: beside two plain copies through shared
//!   memory that both sides have touched before, and a stream socket with the system's buffers and with
//!   buffers of 4 MiB.
//! - `bulk/borrowed/1m/PLACEMENT`: a request that is made where it lies and read there once, beside one write
//!   and one read of as much shared memory, and with the feature `peers` beside iceoryx2 doing the same.
//! - `bulk/process-vm/1m/PLACEMENT`: between two sides that trust each other with their memory, beside
//!   process_vm_readv alone.

use crate::arguments::Work;
use crate::bench::Bench;
use crate::failure::Failure;
use crate::ipc::{
    InPlace, Lent, Ours, PIECE, ReadProcess, Shared, Spin, Stream, YieldingSpin, floor,
};
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
        borrowed(bench, placement)?;
        opted_in(bench, placement)?;
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
    if let Some(most) = stream {
        against.extend(Against::best(streams, End::Times(most)));
    } else {
        let all = streams.into_iter();
        against.extend(all.map(|stream| Against::new(stream, None)));
    }
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

/// A request that both sides touch once, and what does the same elsewhere.
fn borrowed(bench: &mut Bench, placement: Placement) -> Result<(), Failure> {
    let case = format!("bulk/borrowed/1m/{}", placement.name());
    special(bench, placement, case, |cpu, work| {
        let in_place: Box<dyn Subject> = match placement {
            Placement::OneCore => Box::new(Shared::<YieldingSpin, InPlace>::start(cpu, work)?),
            _ => Box::new(Shared::<Spin, InPlace>::start(cpu, work)?),
        };
        #[cfg_attr(not(feature = "peers"), expect(unused_mut))]
        let mut all = vec![
            Box::new(Lent::start(cpu, work)?) as Box<dyn Subject>,
            in_place,
        ];
        #[cfg(feature = "peers")]
        all.push(Box::new(crate::peers::Peer::loaning(cpu, work)?));
        Ok(all)
    })
}

/// A request that the server takes out of the client's own memory.
fn opted_in(bench: &mut Bench, placement: Placement) -> Result<(), Failure> {
    let case = format!("bulk/process-vm/1m/{}", placement.name());
    special(bench, placement, case, |cpu, work| {
        let bare: Box<dyn Subject> = match placement {
            Placement::OneCore => Box::new(Shared::<YieldingSpin, ReadProcess>::start(cpu, work)?),
            _ => Box::new(Shared::<Spin, ReadProcess>::start(cpu, work)?),
        };
        let ours = Ours::direct(cpu, work)?;
        Ok(vec![Box::new(ours), bare])
    })
}

/// A way of ours that avoids a copy, beside its references: as near to the first as to any copies, and ahead
/// of the others.
fn special(
    bench: &mut Bench,
    placement: Placement,
    case: String,
    subjects: impl FnOnce(Seat, Work) -> Result<Vec<Box<dyn Subject>>, Failure>,
) -> Result<(), Failure> {
    if !bench.wants(&case) {
        return Ok(());
    }
    let Some(cpu) = bench.place(placement)? else {
        return Ok(());
    };
    let mut subjects = subjects(cpu, Work::request(MEBIBYTE))?;
    let mut series = bench.measure(&case, &mut subjects)?.into_iter();
    let ours = series.next();
    let ends = [COPIES]
        .into_iter()
        .chain(std::iter::repeat(End::Times(1.0)));
    let against = series.zip(ends);
    let against = against.map(|(series, end)| Against::new(series, Some(end)));
    bench.report(Row::new(case, ours, against.collect()));
    Ok(())
}
