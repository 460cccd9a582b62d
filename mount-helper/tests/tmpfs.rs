//! Programs that do the same at random in the mount and on a tmpfs: each call has the same end, and so has the tree.

mod support;

use std::process::{Command, Stdio};
use support::{House, Process, can_mount, shell, skip};

#[test]
fn server_process() {
    support::serve_if_asked();
}

/// For so many seconds, or as many as `RESMGR_TEST_SECONDS` says.
const SECONDS: &str = "4";

#[test]
fn eight_programs_at_random_find_what_they_would_find_on_tmpfs() {
    if !can_mount() {
        return;
    }
    if shell("python3 -c 'import fcntl' && test \"$(stat -f -c %T /dev/shm)\" = tmpfs").code
        != Some(0)
    {
        return skip("there is no python3, or no tmpfs at /dev/shm");
    }
    let mut house = House::new();
    house.mount(&["-o", "exec"]);
    let _server = house.server(&["/fs"]);
    let tmpfs = tempfile::tempdir_in("/dev/shm").unwrap();
    let seconds = std::env::var("RESMGR_TEST_SECONDS").unwrap_or_else(|_| SECONDS.into());
    let start = |seed: u32| {
        let name = seed.to_string();
        let mut command = Command::new("python3");
        command
            .args(["-c", include_str!("tmpfs.py")])
            .args([house.file("fs").join(&name), tmpfs.path().join(&name)])
            .args([&name, &seconds])
            .stdin(Stdio::null());
        Process::start(&mut command)
    };
    let long = seconds.parse().map_or(0, |seconds: u64| 2 * seconds);
    let mut programs: Vec<_> = (1..=8).map(start).collect();
    for program in &mut programs {
        let end = program.end_within(support::LONG + std::time::Duration::from_secs(long));
        assert!(end.success(), "it has said what differs");
    }
}
