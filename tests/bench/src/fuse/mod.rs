//! `fuse/…`: what a mount costs, beside the crate fuser alone with a file in memory.
//!
//! Both sides stay on one processor: where the server's thread runs decides more than anything it does.
//! Direct I/O and no cached attributes, so that every read and write is one message to the server.
//!
//! - `fuse/read/4096`: a read of 4 KiB.
//! - `fuse/dd/read`, `fuse/dd/write`: 1 MiB after the other, as `dd bs=1M` does; the time for each.
//!
//! Ours joins as the first subject of each list (the same types, on a file in `mount.resmgr`'s mount of a
//! `Manager` that serves [`FILE`] bytes of memory); its ends are in place.
//!
//! The mounts live in a mount namespace of this process: they go with it, however it ends.

mod client;
mod memory;
mod mounted;

use crate::arguments::Errand;
use crate::bench::Bench;
use crate::failure::{Doing, Failure};
use crate::ipc::Ours;
use crate::measure::{Series, Subject};
use crate::placement::Placement;
use crate::report::{Against, End, Row};
use client::{AtRandom, Sequential, Way};
use mounted::Mounted;
use resmgr::ipc::Waiting;
use resmgr_sys::{mount, process};
use std::path::Path;

/// The length of the file: larger than any cache near a processor.
const FILE: usize = 64 << 20;

/// What tables call fuser alone.
const BARE: &str = "bare-fuser";

/// Measures what was asked for.
pub(crate) fn cases(bench: &mut Bench) -> Result<(), Failure> {
    if !bench.wants("fuse/") {
        return Ok(());
    }
    if process::effective_uid() != 0 || !Path::new("/dev/fuse").exists() {
        bench.skip("fuse: needs root and /dev/fuse".to_owned());
        return Ok(());
    }
    let Some(cpu) = bench.place(Placement::OneCore)? else {
        return Ok(());
    };
    mount::make_private().doing("leave the system's mount namespace")?;
    let bare = Mounted::start(cpu)?;
    read(bench, cpu, &bare.file())?;
    dd(bench, "fuse/dd/read", Way::Read, &bare.file())?;
    dd(bench, "fuse/dd/write", Way::Write, &bare.file())
}

/// A read of 4 KiB: the bridge may add two of our own 4 KiB round trips, which take their turns beside it.
fn read(bench: &mut Bench, cpu: usize, bare: &Path) -> Result<(), Failure> {
    let case = "fuse/read/4096";
    if !bench.wants(case) {
        return Ok(());
    }
    let mut subjects: Vec<Box<dyn Subject>> = vec![
        Box::new(AtRandom::open(BARE, bare)?),
        Box::new(Ours::start(Waiting::Adaptive, cpu, 4 << 10)?),
    ];
    let mut series = bench.measure(case, &mut subjects)?;
    let trip = series.pop().map(|trip| Series {
        name: "our-roundtrip",
        ..trip
    });
    let end = trip.as_ref().map(|trip| End::Plus(2.0 * trip.median()));
    let bare = series.pop().map(|reference| Against { reference, end });
    let trip = trip.map(|reference| Against {
        reference,
        end: None,
    });
    bench.report(Row {
        case: case.to_owned(),
        ours: series.pop(),
        against: bare.into_iter().chain(trip).collect(),
    });
    Ok(())
}

/// 1 MiB after the other: at least half of fuser's throughput is at most twice its time.
fn dd(bench: &mut Bench, case: &str, way: Way, bare: &Path) -> Result<(), Failure> {
    if !bench.wants(case) {
        return Ok(());
    }
    let mut subjects: Vec<Box<dyn Subject>> = vec![Box::new(Sequential::open(BARE, bare, way)?)];
    let mut series = bench.measure(case, &mut subjects)?;
    let bare = series.pop().map(|reference| Against {
        reference,
        end: Some(End::Times(2.0)),
    });
    bench.report(Row {
        case: case.to_owned(),
        ours: series.pop(),
        against: bare.into_iter().collect(),
    });
    Ok(())
}

/// The server's side of the reference.
pub(crate) fn serve(errand: &Errand) -> Result<(), Failure> {
    memory::serve(&errand.at, FILE)
}
