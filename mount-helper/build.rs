//! Gives the program its real name, `mount.resmgr`, beside the other programs.
//!
//! mount(8) looks for helpers by that name, and cargo cannot build a target with a dot in it. So the
//! target is `mount-resmgr`, and a link with the right name stands beside it.

use std::path::PathBuf;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    // OUT_DIR is <target>/<profile>/build/<package>/out.
    let Some(out) = std::env::var_os("OUT_DIR").map(PathBuf::from) else {
        return;
    };
    let Some(profile) = out.ancestors().nth(3) else {
        return;
    };
    let link = profile.join("mount.resmgr");
    let _ = std::fs::remove_file(&link);
    if let Err(error) = std::os::unix::fs::symlink("mount-resmgr", &link) {
        println!("cargo::warning=no link {}: {error}", link.display());
    }
}
