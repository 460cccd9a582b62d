//! `namespaced`: serves a directory of names. See namespaced(8).
#![forbid(unsafe_code)]

mod service;

use clap::Parser;
use resmgr_namespace::server::{Config, Ended, Ruling, Server, Start};
use resmgr_namespace::{RuntimeDir, StartError};
use resmgr_sys::signal::SignalFd;
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
    /// Who may attach, resolve and list what: see resmgr-rules(5). Read again at SIGHUP
    #[arg(long, value_name = "FILE")]
    rules: Option<PathBuf>,
    /// Go by no rules, also if the last server of the directory did
    #[arg(long, conflicts_with = "rules")]
    no_rules: bool,
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
    // First: if its number were free, something else would get it.
    let socket = process::activation_socket();
    let dir = match &arguments.dir {
        Some(path) => RuntimeDir::at(path)?,
        None => RuntimeDir::own()?,
    };
    let failed = |doing: &'static str| {
        let path = dir.path().to_path_buf();
        move |errno| StartError::System { doing, path, errno }
    };
    let rules = ruling(arguments)?;
    let socket = socket.map_err(failed("take the service manager's socket for"))?;
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
    let signals = SignalFd::new(&[signal::INT, signal::TERM, signal::HUP])
        .map_err(failed("wait for signals for"))?;
    let config = Config {
        idle: arguments.idle.0,
        ..Config::default()
    };
    let mut server = Server::with(&dir, config, Start { rules, socket })?;
    if let Some(fd) = arguments.ready_fd {
        process::announce(fd, b"\n").map_err(failed("announce that it is ready for"))?;
    }
    service::notify("READY=1");
    tracing::info!(dir = %dir.path().display(), "serving");
    let ended = serve_until_told(&mut server, &signals).map_err(failed("wait for clients of"))?;
    tracing::info!(?ended, "leaving");
    service::notify("STOPPING=1");
    Ok(())
}

/// Which rules are to hold. A relative file is found again after the way to the background.
fn ruling(arguments: &Arguments) -> Result<Ruling, StartError> {
    match &arguments.rules {
        Some(path) => std::path::absolute(path)
            .map(Ruling::File)
            .map_err(|error| StartError::System {
                doing: "find",
                path: path.into(),
                errno: error.into(),
            }),
        None if arguments.no_rules => Ok(Ruling::Defaults),
        None => Ok(Ruling::Inherited),
    }
}

/// Serves until a signal means the end, or nobody needs it. SIGHUP means new rules where there is a file; else the
/// end of a terminal is the end.
fn serve_until_told(server: &mut Server, signals: &SignalFd) -> resmgr_namespace::Result<Ended> {
    loop {
        let ended = server.run(Some(signals.as_fd()))?;
        if ended == Ended::Idle {
            return Ok(ended);
        }
        match signals.take() {
            Some(signal::HUP) if server.rules_file().is_some() => reload(server),
            Some(_) => return Ok(ended),
            None => {}
        }
    }
}

/// A bad file changes nothing.
fn reload(server: &mut Server) {
    match server.read_rules() {
        Ok(rules) => tracing::info!(rules, "new rules"),
        Err(error) => tracing::error!("{error}; the old rules stay"),
    }
}
