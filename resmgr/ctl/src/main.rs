//! `resmgrctl`: looks into the namespace and into its servers. See resmgrctl(1).
//!
//! It asks the servers of names that are there, the user's own first and then the system's, and starts
//! none: looking must change nothing.
#![forbid(unsafe_code)]

mod command;
mod deadlock;
mod failure;
mod message;
mod output;
mod survey;
mod view;

use clap::{Parser, Subcommand};
use failure::Failure;
use output::Output;
use std::io;
use std::process::ExitCode;

/// Looks into the namespace of resource managers, and shows who is blocked on whom.
#[derive(Debug, Parser)]
#[command(
    name = "resmgrctl",
    version,
    after_help = "Exit status: 0 something was shown, 1 there is no such name or nobody serves any, \
                  100 wrong usage, 111 the system or a server is in the way."
)]
struct Arguments {
    /// Show one JSON value instead of text
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Ls(command::ls::Ls),
    Resolve(command::resolve::Resolve),
    Tree(command::tree::Tree),
    Who(command::who::Who),
    Blocked(command::blocked::Blocked),
    Stat(command::stat::Stat),
    Wait(command::wait::Wait),
    Top(command::top::Top),
    Trace(command::trace::Trace),
    Completions(command::completions::Completions),
}

fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            // Nothing can be said if even this cannot be printed.
            let _ = error.print();
            let status = if error.use_stderr() {
                failure::USAGE
            } else {
                0
            };
            return ExitCode::from(status);
        }
    };
    let mut out = io::stdout().lock();
    let mut output = Output::new(&mut out, arguments.json);
    let done = run(&arguments.command, &mut output);
    let done = done.and_then(|()| Ok(output.out.flush()?));
    let Err(failure) = done else {
        return ExitCode::SUCCESS;
    };
    let status = failure.status();
    if status != 0 {
        eprintln!("resmgrctl: {failure}");
    }
    ExitCode::from(status)
}

fn run(command: &Command, out: &mut Output<'_>) -> Result<(), Failure> {
    match command {
        Command::Ls(ls) => ls.run(out),
        Command::Resolve(resolve) => resolve.run(out),
        Command::Tree(tree) => tree.run(out),
        Command::Who(who) => who.run(out),
        Command::Blocked(blocked) => blocked.run(out),
        Command::Stat(stat) => stat.run(out),
        Command::Wait(wait) => wait.run(out),
        Command::Top(top) => top.run(out),
        Command::Trace(trace) => trace.run(out),
        Command::Completions(completions) => completions.run(out),
    }
}
