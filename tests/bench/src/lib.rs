//! What resmgr costs, beside the floor and its peers.
//!
//! ```text
//! cargo bench -p resmgr-bench [--features peers] [-- [--json] [--quick] [CASE...]]
//! ```
//!
//! The first word of a case's name says what is measured, and has a table of its own: `ipc` round trips,
//! `wait` what learning to wait costs in scenarios, `crowd` many clients, `bulk` large messages, `pulse`
//! pulses, `idle` thousands of clients that do nothing, `attach` becoming a client, `peers` other ways to
//! call a process (with the feature), `names`, `resource` and `fuse` what stands on top. Each module says
//! what its cases are.
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
//! Of every figure less is better: times (a throughput is given as the time for 1 MiB, or for a request),
//! memory, and the fastest over the slowest.
//!
//! What never sleeps is stopped (SIGSTOP) while others have their turn. Every process of a run ends with
//! it, and a process that outlives it removes its directory.
//!
//! # Ends
//! An end is what the project asks of itself. Where there are several references of a kind, it stands at the
//! one that did best in this run. `holds` says whether it was met in this run. A missed end does
//! not fail the run; a measurement that could not be made does (status 1).
#![forbid(unsafe_code)]

mod apart;
mod arguments;
mod attach;
mod bench;
mod beside;
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
mod tree;
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
    beside::cases(&mut bench)?;
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
