//! `fuse/…`: what a mount costs, beside the crate fuser alone with a file in memory.
//!
//! Both sides stay on one processor: where the server's thread runs decides more than anything it does.
//! Direct I/O and no cached attributes, so that every read and write is one message to the server.
//!
//! - `fuse/read/4096`: a read of 4 KiB.
//! - `fuse/dd/read`, `fuse/dd/write`: 1 MiB after the other, as `dd bs=1M` does; the time for each.
//!
//! The mounts live in a mount namespace of this process: they go with it, however it ends.

mod client;
mod memory;
mod mounted;

use crate::arguments::Errand;
use crate::bench::Bench;
use crate::failure::{Doing, Failure};
use crate::measure::{Series, Subject};
use crate::placement::Placement;
use crate::report::{Against, Row};
use client::{Sequential, Way, at_random};
use mounted::Mounted;
use resmgr_sys::{mounts, process};

/// The length of the file: larger than any cache near a processor.
const FILE: usize = 64 << 20;

/// Measures what was asked for.
pub(crate) fn cases(bench: &mut Bench) -> Result<(), Failure> {
    if !bench.wants("fuse/") {
        return Ok(());
    }
    if process::effective_uid() != 0 || !std::path::Path::new("/dev/fuse").exists() {
        bench.skip("fuse: needs root and /dev/fuse".to_owned());
        return Ok(());
    }
    let Some(cpu) = bench.place(Placement::OneCore)? else {
        return Ok(());
    };
    mounts::make_private().doing("leave the system's mount namespace")?;
    let bare = Mounted::start(cpu)?;
    one(bench, "fuse/read/4096", at_random(&bare)?)?;
    one(bench, "fuse/dd/read", Sequential::new(&bare, Way::Read)?)?;
    one(bench, "fuse/dd/write", Sequential::new(&bare, Way::Write)?)
}

/// Measures the reference of one case. Ours joins as the first subject when there is a mount of ours: its ends
/// are bare fuser + 2 × our 4 KiB round trip (`ipc::Ours`, a third subject of the same turns) for a read,
/// and 2 × bare fuser's time for 1 MiB.
fn one(bench: &mut Bench, case: &str, bare: impl Subject + 'static) -> Result<(), Failure> {
    if !bench.wants(case) {
        return Ok(());
    }
    let series = bench.measure(case, &mut [Box::new(bare)])?;
    let against = |reference: Series| Against {
        reference,
        end: None,
    };
    bench.report(Row {
        case: case.to_owned(),
        ours: None,
        against: series.into_iter().map(against).collect(),
    });
    Ok(())
}

/// The server's side of the reference.
pub(crate) fn serve(errand: &Errand) -> Result<(), Failure> {
    memory::serve(&errand.at, FILE)
}
