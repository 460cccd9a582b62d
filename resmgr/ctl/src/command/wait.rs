//! `wait`: until a name is there, is gone, or leads elsewhere.

use crate::failure::{Failure, of_path};
use crate::output::{Output, checked};
use clap::Args;
use resmgr::names::{self, Until};
use resmgr_namespace::Errno;
use serde_json::json;
use std::ffi::OsString;
use std::time::{Duration, Instant};

/// Wait until a path is there, is gone or leads elsewhere, so that start order does not matter
///
/// Ends at once if the path is as wanted already. As every client it starts the user's namespace, if nobody serves
/// that. Exit status 1: the time is over.
#[derive(Debug, Args)]
pub(crate) struct Wait {
    /// Until there is no such path
    #[arg(long, conflicts_with = "changed")]
    absent: bool,
    /// Until the path leads elsewhere than now: to other servers, or to others first
    #[arg(long)]
    changed: bool,
    /// Give up after so many seconds
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    timeout: Option<Duration>,
    /// The path
    path: OsString,
}

impl Wait {
    pub(crate) fn run(&self, out: &mut Output<'_>) -> Result<(), Failure> {
        let path = checked(&self.path)?;
        let (until, what) = match (self.absent, self.changed) {
            (true, _) => (Until::Absent, "absent"),
            (_, true) => (Until::Changed, "changed"),
            _ => (Until::Present, "present"),
        };
        let begun = Instant::now();
        let deadline = self.timeout.and_then(|timeout| begun.checked_add(timeout));
        names::wait(&self.path, until, deadline).map_err(|errno| match errno {
            Errno::TIMEDOUT => Failure::Late {
                path: path.to_string(),
                what,
            },
            errno => of_path(&path, errno),
        })?;
        if out.json {
            return out.value(&json!({
                "path": path.to_string(),
                "until": what,
                "seconds": begun.elapsed().as_secs_f64(),
            }));
        }
        Ok(())
    }
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds = text.parse::<f64>().ok();
    seconds
        .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
        .ok_or_else(|| "not a number of seconds".into())
}
