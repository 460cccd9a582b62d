//! What resmgr costs, beside the floor and its peers.
//!
//! ```text
//! cargo bench -p resmgr-bench [-- [--json] [--quick] [CASE...]]
//! ```
//!
//! # Method
//! Each case has one or more subjects (ours and its references) that do the same work: the payload is
//! copied in and out on both sides, a stamp in it is checked in every answer. Each subject's server is a
//! process of its own, this program again with a hidden role, pinned and dying with its parent.
//!
//! The machine has phases in which everything gets slower or faster by a factor, so subjects take turns in
//! rounds of 20 ms (A B C A B C …). A round's figure is its median. What is reported is the median over
//! the rounds; a ratio is the median of the ratios within each round.
//!
//! This is why there is no criterion here: it measures one subject after the other, each for seconds, in
//! one process. What is compared would have met different phases.
//!
//! Every figure is a time, so less is always better; a throughput is given as the time for 1 MiB.
//!
//! # Ends
//! An end is what the project asks of itself. `holds` says whether it was met in this run. A missed end does
//! not fail the run; a measurement that could not be made does (status 1).
#![forbid(unsafe_code)]

mod apart;
mod arguments;
mod attach;
mod bench;
mod bulk;
mod crowd;
mod device;
mod failure;
mod fuse;
mod idle;
mod ipc;
mod json;
mod machine;
mod measure;
mod names;
#[cfg(feature = "peers")]
mod peers;
mod placement;
mod pulse;
mod report;
mod resource;
mod server;
mod table;
mod wait;
mod watchdog;

use arguments::{Arguments, Role};
use bench::Bench;
use clap::Parser;
use failure::Failure;
use std::process::ExitCode;

/// Runs the benchmark, or one of its servers when the hidden role says so.
pub fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match dispatch(arguments) {
        Ok(status) => status,
        Err(failure) => {
            eprintln!("resmgr-bench: {failure}");
            ExitCode::FAILURE
        }
    }
}

fn dispatch(arguments: Arguments) -> Result<ExitCode, Failure> {
    let (errand, parent) = (&arguments.errand, arguments.errand.parent);
    if parent == 0 && !apart::is_apart() {
        return apart::run();
    }
    let outlives = errand.serve == Some(Role::Sweep);
    if parent == 0 || outlives || apart::die_with(parent)? {
        match errand.serve {
            Some(role) => server::serve(role, errand)?,
            None => measure_all(arguments)?,
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn measure_all(arguments: Arguments) -> Result<(), Failure> {
    let json = arguments.json;
    let mut bench = Bench::new(arguments);
    if json {
        eprint!("{}", machine::header());
    } else {
        print!("{}", machine::header());
    }
    ipc::cases(&mut bench)?;
    wait::cases(&mut bench)?;
    crowd::cases(&mut bench)?;
    bulk::cases(&mut bench)?;
    pulse::cases(&mut bench)?;
    idle::cases(&mut bench)?;
    attach::cases(&mut bench)?;
    #[cfg(feature = "peers")]
    peers::cases(&mut bench)?;
    names::cases(&mut bench)?;
    resource::cases(&mut bench)?;
    fuse::cases(&mut bench)?;
    for sentence in bench.skipped() {
        eprintln!("left out: {sentence}");
    }
    let rows = bench.rows();
    if rows.is_empty() {
        return Err(Failure::new("no case that was asked for could be measured"));
    }
    if json {
        print!("{}", json::lines(rows));
    } else {
        print!("{}", table::render(rows));
    }
    Ok(())
}
