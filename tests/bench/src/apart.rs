//! A runtime directory of the run's own: nothing of the user's namespace is used, started or disturbed.
//!
//! The environment says which directory it is, and a process should not change its own environment; so this
//! program starts itself once more with another one. Whoever sets `RESMGR_DIR` measures there.
//!
//! A third process removes the directory. It waits for the end of a pipe, so it sees every end of the run, also
//! one by SIGKILL, and no terminal reaches it.

use crate::arguments::{Errand, Role};
use crate::failure::{Doing, Failure};
use resmgr_sys::process;
use std::io::{ErrorKind, Read};
use std::path::Path;
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::Duration;
use tempfile::TempDir;

const VARIABLE: &str = "RESMGR_DIR";

/// Whether the run has its directory.
pub(crate) fn is_apart() -> bool {
    std::env::var_os(VARIABLE).is_some()
}

/// Starts the run in a directory of its own, waits for it, and has removed what it leaves.
pub(crate) fn run() -> Result<ExitCode, Failure> {
    let directory = TempDir::new().doing("make a directory for the run")?;
    let mut sweeper = sweeper(directory.path())?;
    let directory = directory.keep();
    let program = std::env::current_exe().doing("find this program")?;
    let status = Command::new(program)
        .args(std::env::args_os().skip(1))
        .arg(format!("--parent={}", std::process::id()))
        .env(VARIABLE, directory.join("resmgr"))
        .env("TMPDIR", directory)
        .status();
    drop(sweeper.stdin.take());
    sweeper.wait().doing("wait for the end of the run")?;
    let status = status.doing("start the run")?;
    Ok(if status.success() {
        ExitCode::SUCCESS
    } else {
        // It has said why.
        ExitCode::FAILURE
    })
}

/// Has this process end with the one that gave it its directory or its errand; false when that one has
/// gone already, before the kernel could be asked.
pub(crate) fn die_with(parent: u32) -> Result<bool, Failure> {
    process::die_with_parent().doing("die with the parent")?;
    Ok(std::os::unix::process::parent_id() == parent)
}

/// Starts the process that outlives the run.
fn sweeper(directory: &Path) -> Result<Child, Failure> {
    let errand = Errand {
        at: directory.into(),
        ..Errand::new(Role::Sweep, None)
    };
    let mut command = Command::new(std::env::current_exe().doing("find this program")?);
    command
        .args(errand.told())
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    process::detached(&mut command, None);
    command.spawn().doing("start what removes the directory")
}

/// Tries so often, with a pause between: the run's processes end after the pipe.
const TRIES: u32 = 100;
const PAUSE: Duration = Duration::from_millis(50);

/// The remover's side: waits for the end of its input, then removes until nothing is left.
pub(crate) fn sweep(directory: &Path) -> Result<(), Failure> {
    // Whatever ends it.
    let _end = std::io::stdin().read(&mut [0]);
    for _ in 0..TRIES {
        #[cfg(feature = "peers")]
        crate::peers::sweep(directory);
        let removed = std::fs::remove_dir_all(directory);
        std::thread::sleep(PAUSE / 5);
        match removed {
            // Somebody who is about to end may have made it again.
            Ok(()) if !directory.exists() => return Ok(()),
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
            _ => std::thread::sleep(PAUSE),
        }
    }
    Err(Failure::new("the directory of a run could not be removed"))
}
