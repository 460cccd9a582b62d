//! The daemon that the tests run: built before its first use, since cargo builds no other crate's programs.

use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;

static BUILT: OnceLock<PathBuf> = OnceLock::new();

/// The directory of this build's programs.
pub(crate) fn programs() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    test.ancestors().nth(2).unwrap().to_path_buf()
}

/// The program `namespaced` of this build, as new as its source.
pub fn namespaced() -> PathBuf {
    BUILT
        .get_or_init(|| {
            let program = programs().join("namespaced");
            // Cargo says where it is when it runs a test; who runs one by hand has built the daemon before.
            if let Some(cargo) = std::env::var_os("CARGO") {
                build(Command::new(cargo));
            }
            assert!(
                program.is_file(),
                "there is no {}: run `cargo build -p resmgr-namespace` first",
                program.display()
            );
            program
        })
        .clone()
}

fn build(mut cargo: Command) {
    cargo.args([
        "build",
        "--quiet",
        "-p",
        "resmgr-namespace",
        "--bin",
        "namespaced",
    ]);
    if programs().ends_with("release") {
        cargo.arg("--release");
    }
    let built = cargo.status();
    assert!(
        built.is_ok_and(|status| status.success()),
        "`cargo build -p resmgr-namespace` has failed"
    );
}
