//! `mount.resmgr`: shows the namespace of resmgr as a file system. See mount.resmgr(8).
//!
//! Without `--foreground` it starts itself once more, detached, and waits for one line from there: an exit
//! code, 0 when the mount is live, and a sentence. So the shell has its prompt when the mount
//! works, and a start that fails is reported by the program that was started.
//!
//! Exit codes: 0, 100 for wrong usage, 111 when the system refused something.
#![forbid(unsafe_code)]

use clap::Parser;
use resmgr_mount::{End, MountError, Mounted, Options, check_mount_point, mount};
use resmgr_sys::process;
use resmgr_sys::signal::{self, SignalFd};
use std::io::Read;
use std::os::fd::{AsFd, AsRawFd};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

const USAGE: u8 = 100;
const SYSTEM: u8 = 111;

/// Shows the namespace of resmgr, or a part of it, as a file system.
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a flag of the command line"
)]
#[derive(Debug, Parser)]
#[command(name = "mount.resmgr", version)]
struct Arguments {
    /// What to show, a path of the namespace, and where. One alone is where, and everything is shown
    #[arg(required = true, num_args = 1..=2, value_names = ["SOURCE", "MOUNTPOINT"])]
    places: Vec<PathBuf>,
    /// Mount options, separated by commas
    #[arg(short, value_name = "OPTIONS")]
    options: Vec<String>,
    /// Stay in the foreground
    #[arg(long)]
    foreground: bool,
    /// Say more
    #[arg(short)]
    verbose: bool,
    /// Check everything, mount nothing
    #[arg(short)]
    fake: bool,
    /// Mount read-only
    #[arg(short)]
    read_only: bool,
    // What mount(8) passes on, and what means nothing here.
    #[arg(short, hide = true)]
    no_table: bool,
    #[arg(short, hide = true)]
    sloppy: bool,
    #[arg(short = 'w', hide = true)]
    writable: bool,
    #[arg(short = 't', value_name = "TYPE", hide = true)]
    kind: Option<String>,
    /// The descriptor on which whoever started it waits for the outcome
    #[arg(long, hide = true)]
    ready_fd: Option<i32>,
}

/// An exit code and why.
struct Failure(u8, String);

impl From<MountError> for Failure {
    fn from(error: MountError) -> Self {
        Self(SYSTEM, error.to_string())
    }
}

fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            // Help and version come this way as well, and are no errors.
            let code = if error.use_stderr() { USAGE } else { 0 };
            let _ = error.print();
            return ExitCode::from(code);
        }
    };
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure(code, sentence)) => {
            report(arguments.ready_fd, code, &sentence);
            ExitCode::from(code)
        }
    }
}

fn report(ready: Option<i32>, code: u8, sentence: &str) {
    // The sentence is one line, whatever fusermount3 or a name put into it.
    let sentence = sentence.replace('\n', "; ");
    match ready {
        Some(fd) => drop(process::announce(
            fd,
            format!("{code} {sentence}").as_bytes(),
        )),
        None => eprintln!("mount.resmgr: {sentence}"),
    }
}

fn run(arguments: &Arguments) -> Result<(), Failure> {
    let options = options(arguments)?;
    let point = arguments
        .places
        .last()
        .map_or(Path::new(""), PathBuf::as_path);
    let point = check_mount_point(point)?;
    if arguments.fake {
        return Ok(());
    }
    if arguments.foreground || arguments.ready_fd.is_some() {
        serve(arguments, &point, &options)
    } else {
        start_detached(arguments, &point, &options)
    }
}

fn options(arguments: &Arguments) -> Result<Options, Failure> {
    let usage = |error: resmgr_mount::BadOption| Failure(USAGE, error.to_string());
    let mut options = Options::default();
    if let [source, _] = arguments.places.as_slice() {
        options.set_source(source).map_err(usage)?;
    }
    for list in &arguments.options {
        options.add_list(list).map_err(usage)?;
    }
    options.read_only |= arguments.read_only;
    Ok(options)
}

fn serve(arguments: &Arguments, point: &Path, options: &Options) -> Result<(), Failure> {
    let level = if arguments.verbose {
        tracing::Level::DEBUG
    } else {
        tracing::Level::WARN
    };
    tracing_subscriber::fmt()
        .with_max_level(level)
        .with_writer(std::io::stderr)
        .init();
    let system = |errno: resmgr_sys::Errno| Failure(SYSTEM, errno.to_string());
    // Before any thread starts, so that none takes the signals.
    let signals = SignalFd::new(&[signal::INT, signal::TERM, signal::HUP]).map_err(system)?;
    // A program may have many files open, and each is a connection here.
    let _ = process::raise_descriptor_limit();
    let mounted = mount(point, options)?;
    if let Some(fd) = arguments.ready_fd {
        let _ = process::announce(fd, b"0 ");
    }
    until_the_end(&mounted, &signals)
}

fn until_the_end(mounted: &Mounted, signals: &SignalFd) -> Result<(), Failure> {
    let system = |errno: resmgr_sys::Errno| Failure(SYSTEM, format!("unmount: {errno}"));
    loop {
        match mounted.wait(Some(signals)).map_err(system)? {
            End::Gone => return Ok(()),
            End::Asked if signals.take().is_some() => return mounted.unmount().map_err(system),
            End::Asked => {}
        }
    }
}

/// Starts this program again with the same arguments, in a session of its own, and waits for its word.
fn start_detached(arguments: &Arguments, point: &Path, options: &Options) -> Result<(), Failure> {
    let failed = |doing: &str| {
        let doing = doing.to_owned();
        move |error: std::io::Error| Failure(SYSTEM, format!("{doing}: {error}"))
    };
    let (mut word, theirs) = std::io::pipe().map_err(failed("making a pipe"))?;
    let program = std::env::current_exe().map_err(failed("finding this program"))?;
    let mut command = Command::new(program);
    command
        .arg("--ready-fd")
        .arg(theirs.as_raw_fd().to_string())
        .args(arguments.options.iter().flat_map(|list| ["-o", list]))
        .args(arguments.read_only.then_some("-r"))
        .arg("--")
        .args([options.source.as_path(), point])
        // So as to keep no other file system busy; both paths are absolute.
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    if let Some(directory) = std::env::var_os("RESMGR_DIR") {
        let directory = std::path::absolute(directory).map_err(failed("RESMGR_DIR"))?;
        command.env("RESMGR_DIR", directory);
    }
    process::detached(&mut command, Some(theirs.as_fd()));
    command
        .spawn()
        .map_err(failed("starting in the background"))?;
    drop(theirs);
    let mut line = String::new();
    word.read_to_string(&mut line)
        .map_err(failed("waiting for the mount"))?;
    match line.split_once(' ') {
        Some(("0", _)) => Ok(()),
        Some((code, sentence)) => Err(Failure(code.parse().unwrap_or(SYSTEM), sentence.to_owned())),
        None => Err(Failure(
            SYSTEM,
            "it ended before the mount was there".to_owned(),
        )),
    }
}
