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
                build(Command::new(cargo), "resmgr-namespace", "namespaced");
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

static ASSIST: OnceLock<PathBuf> = OnceLock::new();

/// The program `assist`. Cargo has built it for tests of this crate, and for no others.
pub(crate) fn assist() -> PathBuf {
    ASSIST
        .get_or_init(|| {
            let ours = env!("CARGO_PKG_NAME");
            if std::env::var("CARGO_PKG_NAME").is_ok_and(|name| name != ours)
                && let Some(cargo) = std::env::var_os("CARGO")
            {
                build(Command::new(cargo), ours, "assist");
            }
            programs().join("assist")
        })
        .clone()
}

fn build(mut cargo: Command, package: &str, program: &str) {
    cargo.args(["build", "--quiet", "-p", package, "--bin", program]);
    if programs().ends_with("release") {
        cargo.arg("--release");
    }
    let built = cargo.status();
    assert!(
        built.is_ok_and(|status| status.success()),
        "`cargo build -p {package}` has failed"
    );
}
