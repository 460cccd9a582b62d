//! The program `mount.resmgr`: found beside this one, as it is built now, and started on one processor.

use crate::arguments::{Errand, Role};
use crate::device;
use crate::failure::{Doing, Failure};
use crate::placement::Seat;
use crate::server::Server;
use resmgr_sys::memory;
use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// As cargo calls it; the link with the real name beside it is for mount(8).
const BINARY: &str = "mount-resmgr";

/// Has cargo bring the program up to date, in the profile of this one. Without cargo, what lies there has
/// to do.
pub(super) fn build() -> Result<(), Failure> {
    let program = path()?;
    let release = program.parent().is_some_and(|dir| dir.ends_with("release"));
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .args([
            "build",
            "--quiet",
            "--package=resmgr-mount",
            "--bin",
            BINARY,
        ])
        .args(release.then_some("--release"))
        .stdin(Stdio::null());
    // The outcome, not its order in the build, is what counts: the file must lie there afterwards.
    let built = match cargo.status() {
        Ok(status) => status.success(),
        Err(error) => error.kind() == io::ErrorKind::NotFound,
    };
    if built && program.exists() {
        return Ok(());
    }
    Err(Failure::new(format!(
        "{} is needed: cargo build --release -p resmgr-mount",
        program.display()
    )))
}

/// Where it lies: cargo puts benchmarks one level below the programs.
fn path() -> Result<PathBuf, Failure> {
    let own = std::env::current_exe().doing("find this program")?;
    let above = own.parent().and_then(Path::parent);
    let above = above.ok_or_else(|| Failure::new("this program lies in no directory"))?;
    Ok(above.join(BINARY))
}

/// Starts it for the directory `at` with the mount options `options`; returns when the mount is live.
pub(super) fn start(cpu: Seat, at: &Path, options: &str) -> Result<Server, Failure> {
    let errand = Errand {
        at: at.into(),
        options: options.to_owned(),
        ..Errand::new(Role::Mount, cpu)
    };
    let mut server = Server::start(&errand, None)?;
    // It says an exit code, 0 when the mount is live, and a sentence.
    match server.last_word()?.split_once(' ') {
        Some(("0", _)) => Ok(server),
        Some((_, sentence)) => Err(Failure::new(format!("mount.resmgr: {sentence}"))),
        None => Err(Failure::new("mount.resmgr ended before the mount was live")),
    }
}

/// The server's side: becomes the program. What was asked of the kernel before, to stay on a processor and
/// to die with the parent, holds for it as well.
pub(super) fn exec(errand: &Errand) -> Result<(), Failure> {
    // It announces itself on a descriptor above the standard ones, and closes that; nothing else may
    // keep the pipe open then.
    let ready = memory::duplicate(io::stdout().as_fd(), 3, false).doing("pass a descriptor on")?;
    let mut command = Command::new(path()?);
    command
        .arg(format!("--ready-fd={}", ready.as_raw_fd()))
        .args((!errand.options.is_empty()).then(|| format!("-o{}", errand.options)))
        .arg(device::DIRECTORY)
        .arg(&errand.at)
        .stdout(Stdio::null());
    Err(command.exec()).doing("start mount.resmgr")
}
