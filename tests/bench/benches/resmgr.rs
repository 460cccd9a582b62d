//! `cargo bench -p resmgr-bench [-- --help]`

use std::process::ExitCode;

fn main() -> ExitCode {
    resmgr_bench::main()
}
