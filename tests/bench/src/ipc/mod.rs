//! `ipc/roundtrip/SIZE/PLACEMENT/WAITING`: a request with a payload, a short answer.
//!
//! References: two words of shared memory between two processes, with three ways to wait for them, and a
//! packet socket. On two processors the floor is a pause loop; on one it is a loop that yields in every
//! turn, since a pause there burns the time that the other side needs.

mod handover;
mod ours;
mod payload;
mod seqpacket;
mod shared;

use crate::arguments::{Errand, Role};
use crate::bench::Bench;
use crate::failure::Failure;
use crate::measure::{Series, Subject};
use crate::placement::Placement;
use crate::report::{Against, End, Row};
pub(crate) use ours::Ours;
pub(crate) use seqpacket::Seqpacket;

use handover::{Futex, Spin, YieldingSpin};
use resmgr::ipc::Waiting;
use shared::Shared;

const SIZES: [usize; 4] = [64, 4 << 10, 64 << 10, 1 << 20];

/// Measures what was asked for.
pub(crate) fn cases(bench: &mut Bench) -> Result<(), Failure> {
    for size in SIZES {
        for placement in [Placement::OneCore, Placement::TwoCores] {
            group(bench, size, placement)?;
        }
    }
    Ok(())
}

/// The server's side of every subject.
pub(crate) fn serve(role: Role, errand: &Errand) -> Result<(), Failure> {
    match role {
        Role::Adaptive => ours::serve(Waiting::Adaptive, errand.size),
        Role::Block => ours::serve(Waiting::Block, errand.size),
        Role::Spin => shared::serve::<Spin>(errand.size),
        Role::YieldingSpin => shared::serve::<YieldingSpin>(errand.size),
        Role::Futex => shared::serve::<Futex>(errand.size),
        Role::Seqpacket => seqpacket::serve(errand.size),
        Role::Device | Role::Fuse | Role::Mount | Role::Names => {
            Err(Failure::new("this is no way to send a message"))
        }
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
    let mut subjects: Vec<Box<dyn Subject>> = vec![
        Box::new(Ours::start(Waiting::Adaptive, cpu, size)?),
        Box::new(Ours::start(Waiting::Block, cpu, size)?),
        floor(placement, cpu, size)?,
        Box::new(Shared::<Futex>::start(cpu, size)?),
        Box::new(Seqpacket::start(cpu, size)?),
    ];
    let mut series = bench.measure(&group, &mut subjects)?;
    let references = series.split_off(2);
    for ours in series {
        bench.report(row(&group, placement, size, ours, &references));
    }
    Ok(())
}

fn floor(placement: Placement, cpu: usize, size: usize) -> Result<Box<dyn Subject>, Failure> {
    Ok(match placement {
        Placement::OneCore => Box::new(Shared::<YieldingSpin>::start(cpu, size)?),
        Placement::TwoCores => Box::new(Shared::<Spin>::start(cpu, size)?),
    })
}

fn row(group: &str, placement: Placement, size: usize, ours: Series, references: &[Series]) -> Row {
    let against = references.iter().map(|reference| Against {
        end: end(placement, size, ours.name, reference.name),
        reference: reference.clone(),
    });
    Row {
        case: format!("{group}{}", ours.name),
        against: against.collect(),
        ours: Some(ours),
    }
}

/// What is asked for: a constant above the floor where nobody sleeps, a factor above the bare futex where
/// both do, and everywhere to be ahead of the socket that everybody has.
fn end(placement: Placement, size: usize, ours: &str, reference: &str) -> Option<End> {
    match (placement, size, ours, reference) {
        (Placement::TwoCores, 64, "adaptive", "spin") => Some(End::Plus(500.0)),
        (Placement::OneCore, 64, "block", "futex") => Some(End::Times(1.4)),
        (_, _, _, "seqpacket") => Some(End::Times(1.0)),
        _ => None,
    }
}
