//! `fuse/…`: what a mount costs: a file in memory behind a manager, shown by `mount.resmgr`, beside the same
//! file served by the crate fuser alone.
//!
//! Everybody stays on one processor, the reader, the mount, the manager and the reference: where a
//! server's thread runs decides more than anything it does.
//! Direct I/O and no cached attributes, so that every read and write is one message to the server.
//!
//! - `fuse/read/4096`: a read of 4 KiB.
//! - `fuse/open-close`, `fuse/stat`: of a file that nobody has open. A close goes on after it has returned.
//! - `fuse/dd/read`, `fuse/dd/write`: 1 MiB after the other, as `dd bs=1M` does; the time for each.
//!
//! The mounts live in a mount namespace of this process: they go with it, however it ends.

mod client;
mod memory;
mod mounted;
mod program;

use crate::arguments::{Errand, Role};
use crate::bench::Bench;
use crate::device::LEN;
use crate::failure::{Doing, Failure};
use crate::measure::Subject;
use crate::placement::{Placement, Seat};
use crate::report::{Against, End, Row};
use crate::resource::{as_roundtrip, roundtrip};
use client::{AtRandom, OpenClose, Sequential, Stat, Way};
use mounted::Mounted;
use resmgr_sys::{mount, process};
use std::path::{Path, PathBuf};

/// What tables call ours.
const OURS: &str = "ours";

/// What tables call fuser alone.
const BARE: &str = "bare-fuser";

/// The same file in both mounts, ours first.
type Files = [(&'static str, PathBuf); 2];

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
    bench.unwatched(program::build)?;
    bench.serve_device()?;
    let ours = Mounted::ours(cpu, bench.mount_options())?;
    let bare = Mounted::bare(cpu)?;
    let files = [(OURS, ours.file()), (BARE, bare.file())];
    read(bench, cpu, &files)?;
    dd(bench, "fuse/dd/read", Way::Read, &files)?;
    dd(bench, "fuse/dd/write", Way::Write, &files)?;
    beside(bench, "fuse/open-close", None, &files, |name, file| {
        Ok(OpenClose(name, file))
    })?;
    beside(bench, "fuse/stat", None, &files, |name, file| {
        Ok(Stat(name, file))
    })
}

/// A read of 4 KiB: the bridge may add two of our own 4 KiB round trips, which take their turns beside it.
fn read(bench: &mut Bench, cpu: Seat, files: &Files) -> Result<(), Failure> {
    let case = "fuse/read/4096";
    if !bench.wants(case) {
        return Ok(());
    }
    let mut subjects: Vec<Box<dyn Subject>> = Vec::new();
    for (name, file) in files {
        subjects.push(Box::new(AtRandom::open(name, file)?));
    }
    subjects.push(roundtrip(cpu)?);
    let mut series = bench.measure(case, &mut subjects)?;
    let trip = series.pop().map(as_roundtrip);
    let end = trip.as_ref().map(|trip| End::Plus(2.0 * trip.median()));
    let bare = series.pop().map(|reference| Against::new(reference, end));
    let trip = trip.map(|reference| Against::new(reference, None));
    let against = bare.into_iter().chain(trip).collect();
    bench.report(Row::new(case, series.pop(), against));
    Ok(())
}

/// 1 MiB after the other: at least half of fuser's throughput is at most twice its time.
fn dd(bench: &mut Bench, case: &str, way: Way, files: &Files) -> Result<(), Failure> {
    let open = |name, file: PathBuf| Sequential::open(name, &file, way);
    beside(bench, case, Some(End::Times(2.0)), files, open)
}

/// The same in both mounts.
fn beside<S: Subject + 'static>(
    bench: &mut Bench,
    case: &str,
    end: Option<End>,
    files: &Files,
    subject: impl Fn(&'static str, PathBuf) -> Result<S, Failure>,
) -> Result<(), Failure> {
    if !bench.wants(case) {
        return Ok(());
    }
    let mut subjects: Vec<Box<dyn Subject>> = Vec::new();
    for (name, file) in files {
        subjects.push(Box::new(subject(name, file.clone())?));
    }
    let mut series = bench.measure(case, &mut subjects)?;
    let bare = series.pop().map(|reference| Against::new(reference, end));
    bench.report(Row::new(case, series.pop(), bare.into_iter().collect()));
    Ok(())
}

/// The server's side of both.
pub(crate) fn serve(role: Role, errand: &Errand) -> Result<(), Failure> {
    match role {
        Role::Mount => program::exec(errand),
        _ => memory::serve(&errand.at, LEN),
    }
}
