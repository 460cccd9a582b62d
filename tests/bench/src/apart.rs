//! A runtime directory of the run's own: nothing of the user's namespace is used, started or disturbed.
//!
//! The environment says which directory it is, and a process should not change its own environment; so this
//! program starts itself once more with another one. Whoever sets `RESMGR_DIR` measures there.

use crate::failure::{Doing, Failure};
use resmgr_sys::process;
use std::process::{Command, ExitCode};
use tempfile::TempDir;

const VARIABLE: &str = "RESMGR_DIR";

/// Whether the run has its directory.
pub(crate) fn is_apart() -> bool {
    std::env::var_os(VARIABLE).is_some()
}

/// Starts the run in a directory of its own, waits for it, and removes what it leaves.
pub(crate) fn run() -> Result<ExitCode, Failure> {
    let directory = TempDir::new().doing("make a directory for the run")?;
    let runtime = directory.path().join("resmgr");
    let program = std::env::current_exe().doing("find this program")?;
    let status = Command::new(program)
        .args(std::env::args_os().skip(1))
        .arg(format!("--parent={}", std::process::id()))
        .env(VARIABLE, runtime)
        .env("TMPDIR", directory.path())
        .status();
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
