//! What is mounted where: /proc/self/mountinfo, read and searched.
//!
//! Looking at the table asks no file system anything, so it cannot hang on a dead one, as stat(2) of a
//! mount point can.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

/// The type under which the kernel lists a mount of ours.
pub(crate) const KIND: &str = "fuse.resmgr";

/// One line of the table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    /// Device number as the kernel writes it, `0:52`: unique among living mounts.
    pub(crate) device: String,
    pub(crate) point: PathBuf,
    pub(crate) kind: String,
}

/// The mount that a path lookup of exactly `point` would reach: the last one in the table.
pub(crate) fn topmost(point: &Path) -> Option<Entry> {
    let table = std::fs::read("/proc/self/mountinfo").ok()?;
    topmost_in(&table, point)
}

/// Whether a file system is mounted anywhere.
pub(crate) fn is_listed(device: &str) -> bool {
    // A table that cannot be read says nothing about the mount.
    std::fs::read("/proc/self/mountinfo").map_or(true, |table| {
        table
            .split(|byte| *byte == b'\n')
            .filter_map(parse)
            .any(|entry| entry.device == device)
    })
}

fn topmost_in(table: &[u8], point: &Path) -> Option<Entry> {
    table
        .split(|byte| *byte == b'\n')
        .filter_map(parse)
        .rfind(|entry| entry.point == point)
}

/// Fields 3 and 5, and the first one behind the lonely `-`; see proc(5).
fn parse(line: &[u8]) -> Option<Entry> {
    let mut fields = line.split(|byte| *byte == b' ');
    let device = std::str::from_utf8(fields.nth(2)?).ok()?.to_owned();
    let point = unescape(fields.nth(1)?);
    let kind = fields.skip_while(|field| *field != b"-").nth(1)?;
    Some(Entry {
        device,
        point: OsString::from_vec(point).into(),
        kind: String::from_utf8_lossy(kind).into_owned(),
    })
}

/// Space, tab, newline and backslash stand there as `\` and three octal digits.
fn unescape(field: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(field.len());
    let mut rest = field;
    while let Some((&first, behind)) = rest.split_first() {
        let octal = (first == b'\\')
            .then(|| behind.get(..3))
            .flatten()
            .and_then(|digits| std::str::from_utf8(digits).ok())
            .and_then(|digits| u8::from_str_radix(digits, 8).ok());
        if let Some(byte) = octal {
            plain.push(byte);
            rest = behind.get(3..).unwrap_or_default();
        } else {
            plain.push(first);
            rest = behind;
        }
    }
    plain
}

/// Whether it is a mount of this kind, by the name of its type.
pub(crate) fn is_ours(entry: &Entry) -> bool {
    entry.kind == KIND
}

#[cfg(test)]
mod tests {
    use super::{is_ours, topmost_in};
    use std::path::Path;

    const TABLE: &[u8] = b"\
22 1 254:0 / / rw,relatime - ext4 /dev/root rw\n\
40 22 0:31 / /mnt/a\\040b rw,nosuid shared:2 - tmpfs tmpfs rw\n\
41 40 0:52 / /mnt/a\\040b rw,nosuid,nodev - fuse.resmgr /dev rw,user_id=0\n\
nonsense\n";

    #[test]
    fn the_last_mount_on_a_point_is_found_under_its_plain_name() {
        let entry = topmost_in(TABLE, Path::new("/mnt/a b")).unwrap();
        assert_eq!((entry.device.as_str(), is_ours(&entry)), ("0:52", true));
        assert!(!is_ours(&topmost_in(TABLE, Path::new("/")).unwrap()));
        assert_eq!(topmost_in(TABLE, Path::new("/mnt")), None);
    }
}
