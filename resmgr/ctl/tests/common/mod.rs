//! `resmgrctl` as a user calls it.
#![allow(clippy::unwrap_used, unreachable_pub)] // helpers of tests are tests

use std::path::Path;
use std::process::Command;

/// The exit status, the output and the complaint.
pub fn resmgrctl(dir: &Path, arguments: &[&str]) -> (i32, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_resmgrctl"))
        .args(arguments)
        .env("RESMGR_DIR", dir)
        .env("RESMGR_NAMESPACED", resmgr_tests::namespaced())
        .output()
        .unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (
        output.status.code().unwrap(),
        text(output.stdout),
        text(output.stderr),
    )
}
