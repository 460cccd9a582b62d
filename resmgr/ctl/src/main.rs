//! `resmgrctl`: looks into the namespace. See resmgrctl(1).
//!
//! It asks the servers of names that are there, the user's own first and then the system's, and starts
//! none: looking must change nothing.
#![forbid(unsafe_code)]

mod look;

use clap::{Parser, Subcommand};
use look::View;
use resmgr_namespace::{Errno, Pathname, StartError};
use std::ffi::OsString;
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::process::ExitCode;

/// There is no such name, or nobody serves any.
const NOTHING: u8 = 1;
/// Wrong usage.
const USAGE: u8 = 100;
/// The system, or a server of names, is in the way.
const SYSTEM: u8 = 111;

/// Looks into the namespace of resource managers.
#[derive(Debug, Parser)]
#[command(name = "resmgrctl", version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List the names below a path
    Ls {
        /// Also what is below those, one whole path a line
        #[arg(short = 'R', long)]
        recursive: bool,
        /// The path
        path: OsString,
    },
    /// Show the servers that a path leads to, in the order in which they are asked
    Resolve {
        /// The path
        path: OsString,
    },
}

/// Why nothing, or not all, was shown.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("{0}")]
    Start(#[from] StartError),
    #[error("no namespace is served: no resource manager runs")]
    Nobody,
    #[error("{path}: {errno}")]
    Path { path: String, errno: Errno },
    #[error("write the output: {0}")]
    Output(#[from] io::Error),
}

impl Failure {
    fn status(&self) -> u8 {
        match self {
            Self::Nobody
            | Self::Path {
                errno: Errno::NOENT | Errno::NOTDIR,
                ..
            } => NOTHING,
            Self::Path {
                errno: Errno::INVAL | Errno::NAMETOOLONG,
                ..
            } => USAGE,
            // Whoever reads the output has seen enough of it.
            Self::Output(error) if error.kind() == io::ErrorKind::BrokenPipe => 0,
            _ => SYSTEM,
        }
    }
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
    let done = run(&arguments.command, &mut io::stdout().lock());
    let Err(failure) = done else {
        return ExitCode::SUCCESS;
    };
    let status = failure.status();
    if status != 0 {
        eprintln!("resmgrctl: {failure}");
    }
    ExitCode::from(status)
}

fn run(command: &Command, out: &mut impl Write) -> Result<(), Failure> {
    match command {
        Command::Ls { recursive, path } => {
            let path = checked(path)?;
            let view = View::open()?;
            if *recursive {
                list_all(&view, &path, out)?;
            } else {
                list(&view, &path, out)?;
            }
        }
        Command::Resolve { path } => {
            let path = checked(path)?;
            resolve(&View::open()?, &path, out)?;
        }
    }
    out.flush()?;
    Ok(())
}

fn checked(path: &OsString) -> Result<Pathname, Failure> {
    let failed = |errno| Failure::Path {
        path: path.to_string_lossy().into_owned(),
        errno,
    };
    match path.as_bytes().first() {
        // An empty argument is a mistake of usage, not a name that is missing.
        None => Err(failed(Errno::INVAL)),
        Some(_) => Pathname::new(path.as_bytes()).map_err(failed),
    }
}

fn list(view: &View, path: &Pathname, out: &mut impl Write) -> Result<(), Failure> {
    let (here, names) = view.list(path)?;
    if look::is_leaf(here) {
        return line(out, path.as_bytes(), "");
    }
    for (name, kind) in names {
        line(out, &name, look::mark(kind))?;
    }
    Ok(())
}

/// Depth first, so that the output needs no more memory than the path to one name.
fn list_all(view: &View, path: &Pathname, out: &mut impl Write) -> Result<(), Failure> {
    let (here, names) = view.list(path)?;
    if look::is_leaf(here) {
        return line(out, path.as_bytes(), "");
    }
    for (name, kind) in names {
        let Ok(child) = path.join(&name) else {
            continue;
        };
        line(out, child.as_bytes(), look::mark(kind))?;
        if kind.contains(resmgr_namespace::NameKind::PARENT) {
            match list_all(view, &child, out) {
                // It went between the two questions.
                Err(Failure::Path {
                    errno: Errno::NOENT,
                    ..
                }) => {}
                done => done?,
            }
        }
    }
    Ok(())
}

fn line(out: &mut impl Write, name: &[u8], mark: &str) -> Result<(), Failure> {
    writeln!(out, "{}{mark}", name.escape_ascii())?;
    Ok(())
}

fn resolve(view: &View, path: &Pathname, out: &mut impl Write) -> Result<(), Failure> {
    let entries = view.resolve(path)?;
    let prefix = |len: u16| {
        let text = path.as_bytes();
        text.get(..len.into())
            .unwrap_or(text)
            .escape_ascii()
            .to_string()
    };
    let widest = entries
        .iter()
        .map(|entry| prefix(entry.prefix_len).len())
        .max()
        .unwrap_or(0);
    let wide = widest.max("PREFIX".len());
    let title = ("PREFIX", "PID", "CHID", "HANDLE", "TYPE");
    let (name, pid, chid, handle, kind) = title;
    writeln!(
        out,
        "{name:wide$} {pid:>7} {chid:>5} {handle:>10} {kind:7} FLAGS"
    )?;
    for one in entries {
        let name = prefix(one.prefix_len);
        let (pid, chid, handle, kind, flags) =
            (one.pid, one.chid, one.handle, one.file_type, one.flags);
        writeln!(
            out,
            "{name:wide$} {pid:>7} {chid:>5} {handle:>10} {kind:7} {flags}"
        )?;
    }
    Ok(())
}
