//! `namespaced`: serves a directory of names. See namespaced(8).
#![forbid(unsafe_code)]

use clap::Parser;
use resmgr_namespace::server::{Config, Server};
use resmgr_namespace::{RuntimeDir, StartError};
use resmgr_sys::{process, signal};
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

/// Wrong usage.
const USAGE: u8 = 100;
/// The system, or another server, is in the way.
const SYSTEM: u8 = 111;

/// Serves a directory of names: which channels a path leads to.
#[derive(Debug, Parser)]
#[command(name = "namespaced", version)]
struct Arguments {
    /// The runtime directory, instead of the user's own
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// Write a newline to this descriptor when ready, and close it
    #[arg(long, value_name = "N")]
    ready_fd: Option<i32>,
    /// Leave after so many seconds without a client, or "never"
    #[arg(long, value_name = "SECONDS|never", default_value = "10", value_parser = idle)]
    idle: Idle,
    /// Go to the background
    #[arg(long)]
    detach: bool,
    /// Say more (twice: still more)
    #[arg(short, long, action = clap::ArgAction::Count)]
    verbose: u8,
}

/// How long to stay without clients; `None`: for ever.
#[derive(Clone, Copy, Debug)]
struct Idle(Option<Duration>);

fn idle(text: &str) -> Result<Idle, String> {
    if text == "never" {
        return Ok(Idle(None));
    }
    let seconds = text
        .parse::<u32>()
        .map_err(|_| "not a number of seconds, nor \"never\"")?;
    Ok(Idle(Some(Duration::from_secs(seconds.into()))))
}

fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            // Nothing can be said if even this cannot be printed.
            let _ = error.print();
            return ExitCode::from(if error.use_stderr() { USAGE } else { 0 });
        }
    };
    log(arguments.verbose);
    match serve(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("namespaced: {error}");
            ExitCode::from(SYSTEM)
        }
    }
}

fn log(verbose: u8) {
    let level = match verbose {
        0 => tracing::Level::WARN,
        1 => tracing::Level::INFO,
        _ => tracing::Level::DEBUG,
    };
    let format = tracing_subscriber::fmt()
        .with_max_level(level)
        .with_writer(std::io::stderr);
    format
        .with_target(false)
        .without_time()
        .with_ansi(false)
        .init();
}

fn serve(arguments: &Arguments) -> Result<(), StartError> {
    let dir = match &arguments.dir {
        Some(path) => RuntimeDir::at(path)?,
        None => RuntimeDir::own()?,
    };
    let failed = |doing: &'static str| {
        let path = dir.path().to_path_buf();
        move |errno| StartError::System { doing, path, errno }
    };
    if arguments.detach {
        // The caller's directory must not be held busy. The record lock is taken afterwards: a child has
        // none of its parent's.
        let _ = std::env::set_current_dir("/");
        process::fork_to_background().map_err(failed("go to the background for"))?;
    }
    process::set_umask(0o077);
    if let Err(errno) = process::raise_descriptor_limit() {
        tracing::warn!(%errno, "the limit of descriptors stays as it is");
    }
    let stop = signal::SignalFd::new(&[signal::INT, signal::TERM]);
    let stop = stop.map_err(failed("wait for signals for"))?;
    let mut server = Server::new(
        &dir,
        Config {
            idle: arguments.idle.0,
            ..Config::default()
        },
    )?;
    if let Some(fd) = arguments.ready_fd {
        process::announce(fd, b"\n").map_err(failed("announce that it is ready for"))?;
    }
    tracing::info!(dir = %dir.path().display(), "serving");
    let ended = server
        .run(Some(stop.as_fd()))
        .map_err(failed("wait for clients of"))?;
    tracing::info!(?ended, "leaving");
    Ok(())
}
