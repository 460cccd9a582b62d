//! `stat`: what a file is, by what its server says.

use crate::failure::{Failure, of_path};
use crate::output::{Output, checked};
use crate::view::View;
use clap::Args;
use resmgr::client::{Caller, Stat as Told};
use serde_json::json;
use std::ffi::OsString;
use std::time::{Duration, Instant};

/// How long the server may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// Show what a file is: type, rights, owner, size and times, as its server tells them
///
/// The server has five seconds to answer.
#[derive(Debug, Args)]
pub(crate) struct Stat {
    /// The path
    path: OsString,
}

impl Stat {
    pub(crate) fn run(&self, out: &mut Output<'_>) -> Result<(), Failure> {
        let path = checked(&self.path)?;
        // The call itself would start a server of names where there is none.
        drop(View::open()?);
        let caller = Caller {
            deadline: Some(Instant::now() + PATIENCE),
            ..Caller::default()
        };
        let told = caller
            .stat(&self.path)
            .map_err(|errno| of_path(&path, errno))?;
        let (kind, mode) = (kind(&told), told.mode & 0o7777);
        if out.json {
            return out.value(&json!({
                "path": path.to_string(),
                "type": kind,
                "mode": format!("{mode:04o}"),
                "uid": told.uid,
                "gid": told.gid,
                "size": told.size,
                "links": told.nlink,
                "inode": told.ino,
                "device": told.dev,
                "rdev": told.rdev,
                "block_size": told.blksize,
                "blocks": told.blocks,
                "accessed_ns": told.atime,
                "modified_ns": told.mtime,
                "changed_ns": told.ctime,
            }));
        }
        let (uid, gid, size, links) = (told.uid, told.gid, told.size, told.nlink);
        let (dev, ino) = (told.dev, told.ino);
        out.line(&format!("path:     {path}"))?;
        out.line(&format!("type:     {kind}"))?;
        out.line(&format!("mode:     {mode:04o}"))?;
        out.line(&format!("owner:    uid {uid}, gid {gid}"))?;
        out.line(&format!("size:     {size}"))?;
        out.line(&format!("links:    {links}"))?;
        out.line(&format!("inode:    {ino} on device {dev}"))?;
        for (what, time) in [
            ("accessed", told.atime),
            ("modified", told.mtime),
            ("changed", told.ctime),
        ] {
            out.line(&format!("{:9} {}", format!("{what}:"), utc(time)))?;
        }
        Ok(())
    }
}

fn kind(told: &Told) -> &'static str {
    match told.mode & Told::TYPE {
        Told::DIRECTORY => "directory",
        Told::CHARACTER => "character device",
        Told::REGULAR => "file",
        Told::LINK => "symbolic link",
        Told::NAME => "name of a program",
        _ => "unknown",
    }
}

/// A time as ISO 8601 has it, in UTC and whole seconds.
fn utc(nanoseconds: i64) -> String {
    let seconds = nanoseconds.div_euclid(1_000_000_000);
    let (days, second) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    let (year, month, day) = date(days);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

/// The date of a day, counted from 1970 on, in years of 400 that all begin on a 1 March.
fn date(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let (era, day) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let (day, month) = (
        day - (153 * month + 2) / 5 + 1,
        if month < 10 { month + 3 } else { month - 9 },
    );
    (era * 400 + year + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::utc;

    #[test]
    fn times_are_those_of_the_calendar() {
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (-1, "1969-12-31T23:59:59Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (4_107_542_399, "2100-02-28T23:59:59Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
        ] {
            assert_eq!(utc(seconds * 1_000_000_000), text);
        }
    }
}
