//! `ipc/roundtrip/SIZE/PLACEMENT/WAITING`: a request with a payload, a short answer.
//!
//! References: two words of shared memory between two processes, with three ways to wait for them, and a
//! packet socket. On two processors the floor is a pause loop; on one it is a loop that yields in every
//! turn, since a pause there burns the time that the other side needs.
//!
//! `ipc/unblock/64/PLACEMENT/WAITING`: the same with a channel of the flag UNBLOCK, whose waiting client
//! has its signals watched, beside a channel without it.

mod carry;
mod fixed;
mod handover;
mod lent;
mod ours;
mod payload;
mod seqpacket;
mod shared;
mod stream;

use crate::arguments::{Errand, Role, Work};
use crate::bench::Bench;
use crate::failure::Failure;
use crate::measure::{Series, Subject};
use crate::placement::{Placement, Seat};
use crate::report::{Against, End, Row};
pub(crate) use carry::{Copied, InPlace, PIECE, ReadProcess};
pub(crate) use fixed::{Fixed, Look, POLICIES};
pub(crate) use handover::{Futex, Spin, YieldingSpin};
pub(crate) use lent::Lent;
pub(crate) use ours::{Ours, address, attach, channel, parse, receive};
pub(crate) use seqpacket::Seqpacket;
pub(crate) use shared::Shared;
pub(crate) use stream::Stream;

#[cfg(feature = "peers")]
pub(crate) use payload::{Payload, answer};
use resmgr::ipc::{ChannelFlags, Waiting};

const SIZES: [usize; 4] = [64, 4 << 10, 64 << 10, 1 << 20];

/// Measures what was asked for.
pub(crate) fn cases(bench: &mut Bench) -> Result<(), Failure> {
    for size in SIZES {
        for placement in [Placement::OneCore, Placement::TwoCores] {
            group(bench, size, placement)?;
        }
    }
    unblock(bench, Placement::OneCore, Waiting::Block)?;
    unblock(bench, Placement::TwoCores, Waiting::Block)?;
    unblock(bench, Placement::TwoCores, Waiting::Adaptive)
}

/// The server's side of every subject.
pub(crate) fn serve(role: Role, errand: &Errand) -> Result<(), Failure> {
    let (work, at) = (errand.work, &*errand.at);
    let (plain, unblock) = (ChannelFlags::empty(), ChannelFlags::UNBLOCK);
    let yields = errand.look == Look::Yield;
    match role {
        Role::Adaptive => ours::serve(Waiting::Adaptive, plain, work),
        Role::Block => ours::serve(Waiting::Block, plain, work),
        Role::Awake => ours::serve(Waiting::Spin, plain, work),
        Role::Direct => ours::serve_direct(work),
        Role::Lent => lent::serve(work),
        Role::AdaptiveUnblock => ours::serve(Waiting::Adaptive, unblock, work),
        Role::BlockUnblock => ours::serve(Waiting::Block, unblock, work),
        Role::Spin => shared::serve::<Spin, Copied>(work),
        Role::YieldingSpin => shared::serve::<YieldingSpin, Copied>(work),
        Role::Futex => shared::serve::<Futex, Copied>(work),
        Role::InPlace if yields => shared::serve::<YieldingSpin, InPlace>(work),
        Role::InPlace => shared::serve::<Spin, InPlace>(work),
        Role::ReadProcess if yields => shared::serve::<YieldingSpin, ReadProcess>(work),
        Role::ReadProcess => shared::serve::<Spin, ReadProcess>(work),
        Role::Fixed => fixed::serve(errand),
        Role::Seqpacket => seqpacket::serve(work),
        Role::SeqpacketSet => seqpacket::serve_set(at, work),
        Role::SeqpacketThreads => seqpacket::serve_threads(at, work),
        Role::Stream => stream::serve(work),
        _ => Err(Failure::new("this is no way to send a message")),
    }
}

fn group(bench: &mut Bench, size: usize, placement: Placement) -> Result<(), Failure> {
    let group = format!("ipc/roundtrip/{size}/{}/", placement.name());
    if !bench.wants(&group) {
        return Ok(());
    }
    let Some(cpu) = bench.place(placement)? else {
        return Ok(());
    };
    let work = Work::request(size);
    let mut subjects: Vec<Box<dyn Subject>> = vec![
        Box::new(Ours::start(Waiting::Adaptive, cpu, work)?),
        Box::new(Ours::start(Waiting::Block, cpu, work)?),
        floor(placement, cpu, work)?,
        Box::new(Shared::<Futex>::start(cpu, work)?),
        Box::new(Seqpacket::start(cpu, work)?),
    ];
    let mut series = bench.measure(&group, &mut subjects)?;
    let references = series.split_off(2);
    for ours in series {
        bench.report(row(&group, placement, size, ours, &references));
    }
    Ok(())
}

/// Two plain copies and a wait that never sleeps.
pub(crate) fn floor(
    placement: Placement,
    cpu: Seat,
    work: Work,
) -> Result<Box<dyn Subject>, Failure> {
    Ok(match placement {
        Placement::OneCore => Box::new(Shared::<YieldingSpin>::start(cpu, work)?),
        _ => Box::new(Shared::<Spin>::start(cpu, work)?),
    })
}

fn row(group: &str, placement: Placement, size: usize, ours: Series, references: &[Series]) -> Row {
    let against = references.iter().map(|reference| {
        let end = end(placement, size, ours.name, reference.name);
        Against::new(reference.clone(), end)
    });
    let case = format!("{group}{}", ours.name);
    let against = against.collect();
    Row::new(case, Some(ours), against)
}

/// What is asked for: a constant above the floor where nobody sleeps, a factor above the yielding loop and
/// the bare futex on one processor, and everywhere to be ahead of the socket that everybody has.
fn end(placement: Placement, size: usize, ours: &str, reference: &str) -> Option<End> {
    match (placement, size, ours, reference) {
        (Placement::TwoCores, 64, "adaptive", "spin") => Some(End::Plus(250.0)),
        (Placement::OneCore, 64, "adaptive", "yielding-spin") => Some(End::Times(1.3)),
        (Placement::OneCore, 64, "block", "futex") => Some(End::Times(1.2)),
        (_, _, _, "seqpacket") => Some(End::Times(1.0)),
        _ => None,
    }
}

fn unblock(bench: &mut Bench, placement: Placement, waiting: Waiting) -> Result<(), Failure> {
    let way = if waiting == Waiting::Block {
        "block"
    } else {
        "adaptive"
    };
    let case = format!("ipc/unblock/64/{}/{way}", placement.name());
    if !bench.wants(&case) {
        return Ok(());
    }
    let Some(cpu) = bench.place(placement)? else {
        return Ok(());
    };
    let work = Work::request(64);
    let mut subjects: Vec<Box<dyn Subject>> = vec![
        Box::new(Ours::unblocking(waiting, cpu, work)?),
        Box::new(Ours::start(waiting, cpu, work)?.named("plain-channel")),
    ];
    let mut series = bench.measure(&case, &mut subjects)?;
    let plain = series.pop();
    let plain = plain.map(|plain| Against::new(plain, Some(End::Times(1.6))));
    bench.report(Row::new(case, series.pop(), plain.into_iter().collect()));
    Ok(())
}
